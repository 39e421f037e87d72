/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For LD_PRELOAD: counts how often the program itself, not a library that it uses, asks the heap for memory, in the
 * first 8 bytes of the file that $ALLOCATIONS_FILE names. See integration/test_allocations.py.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <link.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);

static uintptr_t text_begin, text_end;
static atomic_uint_least64_t *taken;

static int find_text(struct dl_phdr_info *info, size_t size, void *context)
{
	(void)size;
	(void)context;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
		if (segment->p_type == PT_LOAD && (segment->p_flags & PF_X)) {
			text_begin = info->dlpi_addr + segment->p_vaddr;
			text_end = text_begin + segment->p_memsz;
		}
	}
	return 1; /* the program comes first */
}

__attribute__((constructor)) static void begin(void)
{
	const char *path = getenv("ALLOCATIONS_FILE");
	int file = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *memory = file >= 0 ? mmap(NULL, sizeof *taken, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0) : MAP_FAILED;

	if (memory == MAP_FAILED)
		abort();
	(void)dl_iterate_phdr(find_text, NULL);
	taken = memory;
}

static void count(const void *caller)
{
	if (taken && (uintptr_t)caller >= text_begin && (uintptr_t)caller < text_end)
		atomic_fetch_add_explicit(taken, 1, memory_order_relaxed);
}

void *malloc(size_t size)
{
	count(__builtin_return_address(0));
	return __libc_malloc(size);
}

void *calloc(size_t members, size_t size)
{
	count(__builtin_return_address(0));
	return __libc_calloc(members, size);
}

void *realloc(void *memory, size_t size)
{
	count(__builtin_return_address(0));
	return __libc_realloc(memory, size);
}

void *reallocarray(void *memory, size_t members, size_t size)
{
	size_t total;

	count(__builtin_return_address(0));
	return __builtin_mul_overflow(members, size, &total) ? NULL : __libc_realloc(memory, total);
}
