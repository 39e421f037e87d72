/* SPDX-License-Identifier: Apache-2.0 */
#include "drawdown/hash.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>

#define ABSENT_SIZE UINT32_MAX /* the length that stands for an absent text */
#define SMALL_SIZE 1024	       /* hashed in one call */

/* Each part follows its length. */
static void put_length(uint8_t bytes[4], struct text part)
{
	assert(part.size < ABSENT_SIZE);
	uint32_t size = part.data ? (uint32_t)part.size : ABSENT_SIZE;
	for (int i = 0; i < 4; i++)
		bytes[i] = (uint8_t)(size >> 8 * i);
}

static struct hash128 hash_large(const struct text *parts, size_t parts_count)
{
	struct hash128 hash;
	crypto_generichash_state state;
	crypto_generichash_init(&state, NULL, 0, sizeof hash.bytes);
	for (size_t i = 0; i < parts_count; i++) {
		uint8_t length[4];
		put_length(length, parts[i]);
		crypto_generichash_update(&state, length, sizeof length);
		crypto_generichash_update(&state, (const uint8_t *)parts[i].data, parts[i].size);
	}
	crypto_generichash_final(&state, hash.bytes, sizeof hash.bytes);
	return hash;
}

struct hash128 hash128_of(const struct text *parts, size_t parts_count)
{
	struct hash128 hash;
	uint8_t buffer[SMALL_SIZE];
	size_t size = 0;
	for (size_t i = 0; i < parts_count; i++) {
		if (parts[i].size > SMALL_SIZE - 4 || size > SMALL_SIZE - 4 - parts[i].size)
			return hash_large(parts, parts_count);
		put_length(buffer + size, parts[i]);
		size += 4;
		if (parts[i].size)
			memcpy(buffer + size, parts[i].data, parts[i].size);
		size += parts[i].size;
	}
	crypto_generichash(hash.bytes, sizeof hash.bytes, buffer, size, NULL, 0);
	return hash;
}

/* Without it libsodium keeps to its slow, portable code. */
__attribute__((constructor)) static void choose_fast_code(void)
{
	if (sodium_init() < 0)
		abort();
}

uint32_t hash_murmur2(struct text key)
{
	const uint32_t factor = 0x5bd1e995;
	const uint8_t *bytes = (const uint8_t *)key.data;
	uint32_t hash = 0x9747b28c ^ (uint32_t)key.size;
	size_t at = 0;
	for (; key.size - at >= 4; at += 4) {
		uint32_t word = (uint32_t)bytes[at] | (uint32_t)bytes[at + 1] << 8 | (uint32_t)bytes[at + 2] << 16 |
				(uint32_t)bytes[at + 3] << 24;
		word *= factor;
		word ^= word >> 24;
		word *= factor;
		hash = hash * factor ^ word;
	}
	if (key.size - at >= 3)
		hash ^= (uint32_t)bytes[at + 2] << 16;
	if (key.size - at >= 2)
		hash ^= (uint32_t)bytes[at + 1] << 8;
	if (key.size - at >= 1)
		hash = (hash ^ bytes[at]) * factor;
	hash ^= hash >> 13;
	hash *= factor;
	return hash ^ hash >> 15;
}

int32_t hash_partition_murmur2(struct text key, int32_t partitions_count)
{
	assert(partitions_count > 0);
	return (int32_t)(hash_murmur2(key) & 0x7fffffff) % partitions_count;
}

/* CRC-32 as in zlib, four bits at a time. */
static uint32_t crc32_of(struct text key)
{
	static const uint32_t table[16] = {
		0x00000000,
		0x1db71064,
		0x3b6e20c8,
		0x26d930ac,
		0x76dc4190,
		0x6b6b51f4,
		0x4db26158,
		0x5005713c,
		0xedb88320,
		0xf00f9344,
		0xd6d6a3e8,
		0xcb61b38c,
		0x9b64c2b0,
		0x86d3d2d4,
		0xa00ae278,
		0xbdbdf21c,
	};
	uint32_t crc = 0xffffffff;
	for (size_t i = 0; i < key.size; i++) {
		crc ^= (uint8_t)key.data[i];
		crc = crc >> 4 ^ table[crc & 15];
		crc = crc >> 4 ^ table[crc & 15];
	}
	return ~crc;
}

int32_t hash_partition_crc32(struct text key, int32_t partitions_count)
{
	assert(partitions_count > 0);
	return (int32_t)(crc32_of(key) % (uint32_t)partitions_count);
}

uint64_t hash_crc64_avro(struct text canonical)
{
	const uint64_t empty = 0xc15d213aa4d7a795;
	uint64_t crc = empty;
	for (size_t i = 0; i < canonical.size; i++) {
		uint64_t low = (crc ^ (uint8_t)canonical.data[i]) & 0xff;
		for (int bit = 0; bit < 8; bit++)
			low = low >> 1 ^ (low & 1 ? empty : 0);
		crc = crc >> 8 ^ low;
	}
	return crc;
}
