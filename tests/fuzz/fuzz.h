/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the harnesses share: libFuzzer's entry, the count of what was really
 * decoded (a harness decodes many variants of one input), and what must hold
 * of every event that was accepted and of every defect, whatever the bytes.
 */
#ifndef DRAWDOWN_FUZZ_H
#define DRAWDOWN_FUZZ_H

#include <stdint.h>

#include "drawdown/decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Printed at the end of the process as "decodes: N". */
extern uint64_t fuzz_decodes;

/* Bytes of an arena that one record may take: each of its bytes is copied a few times at most. Three times as much
 * where ASan's guards stand between small allocations. */
#define FUZZ_ARENA_SIZE_MAX(value_size) (64 * 1024 + 24 * (value_size))

/* What decoded once. `decode` fills the event or the defect. */
struct fuzz_decoded {
	bool is_event;
	struct event event;
	struct defect defect;
};

typedef bool fuzz_decode_function(
	void *context, struct arena *arena, struct text value, struct event *ret_event, struct defect *ret_defect);

/* Decodes the bytes from a block of exactly their size, twice; asserts that both came to the same, that memory stayed
 * bounded, and what event_check and defect_check assert. The result's texts live until the next call. */
const struct fuzz_decoded *fuzz_decode(struct text bytes, fuzz_decode_function *decode, void *context);

/* The same with 48 variants of the bytes, each with a change or two: what steers libFuzzer is the input itself, but
 * most of its time goes into other things than decoding. */
void fuzz_decode_mutants(struct text bytes, fuzz_decode_function *decode, void *context);

/* Aborts where the event breaks what the core relies on. Says the rules once more, in its own way. */
void event_check(const struct event *event);
/* Aborts where they differ in anything. */
void event_check_equal(const struct event *a, const struct event *b);
/* Aborts where the reason is none of decode.h's, or the text is not fit for a header. */
void defect_check(const struct defect *defect);

#endif
