/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The three hashes that the contract names.
 */
#ifndef DRAWDOWN_HASH_H
#define DRAWDOWN_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "drawdown/text.h"

/* 128 bits of BLAKE2b: stands for a text in unique keys (the text is kept beside it). */
struct hash128 {
	uint8_t bytes[16];
};

/* Over the parts in order, each with its length, so that ("ab","c") differs from ("a","bc"). */
struct hash128 hash128_of(const struct text *parts, size_t parts_count);

static inline bool hash128_equal(struct hash128 a, struct hash128 b)
{
	return memcmp(a.bytes, b.bytes, 16) == 0;
}
/* First 8 bytes, for tables in memory. */
static inline uint64_t hash128_prefix(struct hash128 hash)
{
	uint64_t prefix;
	memcpy(&prefix, hash.bytes, sizeof prefix);
	return prefix;
}

/* Java's partitioner: toPositive(murmur2(key)) % partitions_count. */
uint32_t hash_murmur2(struct text key);
int32_t hash_partition_murmur2(struct text key, int32_t partitions_count);
/* librdkafka's default ("consistent"): crc32(key) % partitions_count. */
int32_t hash_partition_crc32(struct text key, int32_t partitions_count);

/* CRC-64-AVRO of a schema's Parsing Canonical Form. */
uint64_t hash_crc64_avro(struct text canonical);

#endif
