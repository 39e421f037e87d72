/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: the hashes are those of other implementations, so that partitions and fingerprints agree with theirs.
 * Method: known answers: Kafka's own tests for murmur2, zlib's check value, Avro's specification, Python's hashlib.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "drawdown/hash.h"

static void murmur2_agrees_with_java(void **state)
{
	(void)state;
	static const struct {
		const char *key;
		int32_t hash;
	} cases[] = {
		{"21", -973932308},
		{"foobar", -790332482},
		{"a-little-bit-long-string", -985981536},
		{"a-little-bit-longer-string", -1486304829},
		{"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971},
		{"abc", 479470107},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		assert_int_equal((int32_t)hash_murmur2(text_of(cases[i].key)), cases[i].hash);
		assert_int_equal(hash_partition_murmur2(text_of(cases[i].key), 7), (cases[i].hash & 0x7fffffff) % 7);
	}
}

static void crc32_agrees_with_zlib(void **state)
{
	(void)state;
	assert_int_equal(hash_partition_crc32(TEXT_LITERAL("123456789"), INT32_MAX), 0xcbf43926u % INT32_MAX);
	assert_int_equal(hash_partition_crc32(TEXT_LITERAL("123456789"), 12), 0xcbf43926u % 12);
	assert_int_equal(hash_partition_crc32(TEXT_LITERAL(""), 12), 0);
}

static void crc64_agrees_with_the_avro_specification(void **state)
{
	(void)state;
	assert_true(hash_crc64_avro(TEXT_LITERAL("")) == 0xc15d213aa4d7a795);
	assert_true(hash_crc64_avro(TEXT_LITERAL("\"null\"")) == 0x63dd24e7cc258f8a);
	assert_true(hash_crc64_avro(TEXT_LITERAL("\"int\"")) == 0x7275d51a3f395c8f);
}

static void assert_hash(struct hash128 hash, const char *hex)
{
	char text[33];
	for (size_t i = 0; i < 16; i++)
		(void)snprintf(text + 2 * i, 3, "%02x", hash.bytes[i]);
	assert_string_equal(text, hex);
}

static void blake2b_agrees_with_hashlib(void **state)
{
	(void)state;
	const struct text key[] = {TEXT_LITERAL("acme"), TEXT_LITERAL("usage"), TEXT_LITERAL("req-1")};
	assert_hash(hash128_of(key, 3), "5caceb51cc01f9bf968f560fcc4f819e");
	const struct text optional[] = {TEXT_LITERAL("a"), TEXT_NULL, TEXT_LITERAL("")};
	assert_hash(hash128_of(optional, 3), "3b9eeb3cfb099317a06e253767a61816");
	static char large[5000];
	memset(large, 'x', sizeof large);
	const struct text sizes[] = {{large, sizeof large}, TEXT_LITERAL("yyy")};
	assert_hash(hash128_of(sizes, 2), "dbe187b33394397bbb43b35cadb0fd1c");
	assert_hash(hash128_of(NULL, 0), "cae66941d9efbd404e4d88758ea67670");
}

static void parts_do_not_run_into_each_other(void **state)
{
	(void)state;
	const struct text first[] = {TEXT_LITERAL("ab"), TEXT_LITERAL("c")};
	const struct text second[] = {TEXT_LITERAL("a"), TEXT_LITERAL("bc")};
	const struct text absent[] = {TEXT_LITERAL("abc"), TEXT_NULL};
	const struct text empty[] = {TEXT_LITERAL("abc"), TEXT_LITERAL("")};
	assert_false(hash128_equal(hash128_of(first, 2), hash128_of(second, 2)));
	assert_false(hash128_equal(hash128_of(absent, 2), hash128_of(empty, 2)));
	assert_true(hash128_equal(hash128_of(first, 2), hash128_of(first, 2)));
}

static void pieces_around_the_buffer_hash_like_one(void **state)
{
	(void)state;
	/* parts that end just before, at and behind 1024 bytes; the same bytes always */
	static char bytes[3000];
	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (char)(i * 7);
	for (size_t size = 1000; size < 1030; size++) {
		const struct text parts[] = {{bytes, size}, {bytes, 1}, {bytes, 2000}, {bytes, 3}};
		struct hash128 whole = hash128_of(parts, 4);
		const struct text longer[] = {{bytes, size + 1}, {bytes, 1}, {bytes, 2000}, {bytes, 3}};
		assert_false(hash128_equal(whole, hash128_of(longer, 4)));
		assert_true(hash128_equal(whole, hash128_of(parts, 4)));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(murmur2_agrees_with_java),
		cmocka_unit_test(crc32_agrees_with_zlib),
		cmocka_unit_test(crc64_agrees_with_the_avro_specification),
		cmocka_unit_test(blake2b_agrees_with_hashlib),
		cmocka_unit_test(parts_do_not_run_into_each_other),
		cmocka_unit_test(pieces_around_the_buffer_hash_like_one),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
