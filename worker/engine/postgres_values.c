/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <endian.h>
#include <limits.h>

#include "drawdown/postgres.h"

enum {
	ARRAY_HEADER_SIZE = 20,
	ELEMENT_SIZE = 24, /* of an array, with its length: most have less */
	BYTES_SIZE_MIN = 64,
	TID_SIZE = 6, /* block and place in it */
};

/* Room for `size` more bytes; the caller fills them. */
static char *reserve(struct postgres_bytes *bytes, size_t size)
{
	if (bytes->capacity - bytes->size < size) {
		size_t capacity = bytes->capacity < BYTES_SIZE_MIN ? BYTES_SIZE_MIN : bytes->capacity * 2;
		while (capacity - bytes->size < size)
			capacity *= 2;
		assert(capacity <= INT_MAX);
		char *data = arena_alloc(bytes->arena, capacity);
		if (bytes->size)
			memcpy(data, bytes->data, bytes->size);
		bytes->data = data;
		bytes->capacity = capacity;
	}
	char *room = bytes->data + bytes->size;
	bytes->size += size;
	return room;
}

void postgres_expect(struct postgres_bytes *bytes, size_t size)
{
	(void)reserve(bytes, size);
	bytes->size -= size;
}

static void write_int32(char *room, int32_t value)
{
	uint32_t big = htobe32((uint32_t)value);
	memcpy(room, &big, sizeof big);
}

/* The length that goes before each value, then the value. */
static void put_value(struct postgres_bytes *bytes, const void *data, size_t size)
{
	char *room = reserve(bytes, 4 + size);
	write_int32(room, (int32_t)size);
	if (size)
		memcpy(room + 4, data, size);
}

void postgres_put_null(struct postgres_bytes *bytes)
{
	write_int32(reserve(bytes, 4), -1);
}

void postgres_put_int16(struct postgres_bytes *bytes, int16_t value)
{
	uint16_t big = htobe16((uint16_t)value);
	put_value(bytes, &big, sizeof big);
}

void postgres_put_int32(struct postgres_bytes *bytes, int32_t value)
{
	uint32_t big = htobe32((uint32_t)value);
	put_value(bytes, &big, sizeof big);
}

void postgres_put_int64(struct postgres_bytes *bytes, int64_t value)
{
	uint64_t big = htobe64((uint64_t)value);
	put_value(bytes, &big, sizeof big);
}

void postgres_put_text(struct postgres_bytes *bytes, struct text text)
{
	if (text.data)
		put_value(bytes, text.data, text.size);
	else
		postgres_put_null(bytes);
}

void postgres_put_resource(struct postgres_bytes *bytes, struct text resource_id)
{
	put_value(bytes, resource_id.data, resource_id.size);
}

void postgres_put_credit(struct postgres_bytes *bytes, credit_t amount)
{
	uint8_t numeric[CREDIT_NUMERIC_SIZE];
	put_value(bytes, numeric, credit_to_numeric(amount, numeric));
}

void postgres_put_instant(struct postgres_bytes *bytes, instant_t instant)
{
	if (instant == INSTANT_NONE)
		postgres_put_null(bytes);
	else
		postgres_put_int64(bytes, instant_to_postgres(instant));
}

void postgres_put_hash(struct postgres_bytes *bytes, struct hash128 hash)
{
	put_value(bytes, hash.bytes, sizeof hash.bytes);
}

void postgres_put_tid(struct postgres_bytes *bytes, uint64_t tid)
{
	uint64_t big = htobe64(tid << 16);
	put_value(bytes, &big, TID_SIZE);
}

void postgres_params_init(struct postgres_params *params, struct postgres *postgres)
{
	params->arena = &postgres->scratch;
	params->count = 0;
}

struct postgres_bytes *postgres_add_value(struct postgres_params *params)
{
	assert(params->count < POSTGRES_PARAMS_MAX);
	struct postgres_bytes *bytes = &params->bytes[params->count++];
	*bytes = (struct postgres_bytes){.arena = params->arena};
	return bytes;
}

/* The parameter's own length comes first here too, so that both kinds look alike. */
struct postgres_bytes *postgres_add_array(struct postgres_params *params, enum postgres_type type, size_t count)
{
	struct postgres_bytes *bytes = postgres_add_value(params);

	assert(count <= INT_MAX / 64);
	bytes->capacity = 4 + ARRAY_HEADER_SIZE + count * ELEMENT_SIZE;
	bytes->data = arena_alloc(params->arena, bytes->capacity);
	char *room = reserve(bytes, 4 + ARRAY_HEADER_SIZE);
	write_int32(room, 0);
	write_int32(room + 4, count ? 1 : 0); /* dimensions */
	write_int32(room + 8, 1);	      /* there may be nulls */
	write_int32(room + 12, (int32_t)type);
	write_int32(room + 16, (int32_t)count);
	write_int32(room + 20, 1); /* first index */
	if (count == 0)
		bytes->size = 16;
	return bytes;
}

/* Of the next column; NULL where it is null. `size` SIZE_MAX: any. */
static const char *next_value(struct postgres_row *row, size_t size, size_t *ret_size)
{
	int column = row->column++;

	if (PQgetisnull(row->result, row->row, column))
		return NULL;
	*ret_size = (size_t)PQgetlength(row->result, row->row, column);
	assert(size == SIZE_MAX || *ret_size == size);
	return PQgetvalue(row->result, row->row, column);
}

bool postgres_is_null(const struct postgres_row *row)
{
	return PQgetisnull(row->result, row->row, row->column);
}

void postgres_skip(struct postgres_row *row)
{
	row->column++;
}

bool postgres_get_bool(struct postgres_row *row)
{
	size_t size;
	const char *value = next_value(row, 1, &size);
	return value && *value;
}

int16_t postgres_get_int16(struct postgres_row *row)
{
	size_t size;
	uint16_t big = 0;
	const char *value = next_value(row, sizeof big, &size);
	if (value)
		memcpy(&big, value, sizeof big);
	return (int16_t)be16toh(big);
}

int32_t postgres_get_int32(struct postgres_row *row)
{
	size_t size;
	uint32_t big = 0;
	const char *value = next_value(row, sizeof big, &size);
	if (value)
		memcpy(&big, value, sizeof big);
	return (int32_t)be32toh(big);
}

int64_t postgres_get_int64(struct postgres_row *row)
{
	size_t size;
	uint64_t big = 0;
	const char *value = next_value(row, sizeof big, &size);
	if (value)
		memcpy(&big, value, sizeof big);
	return (int64_t)be64toh(big);
}

struct text postgres_get_text(struct postgres_row *row)
{
	size_t size;
	const char *value = next_value(row, SIZE_MAX, &size);
	return value ? (struct text){value, size} : TEXT_NULL;
}

struct text postgres_get_resource(struct postgres_row *row)
{
	struct text text = postgres_get_text(row);
	return text.size ? text : TEXT_NULL;
}

credit_t postgres_get_credit(struct postgres_row *row)
{
	size_t size;
	credit_t amount = 0;
	const char *value = next_value(row, SIZE_MAX, &size);
	if (value && !credit_from_numeric((const uint8_t *)value, size, &amount))
		row->corrupt = true;
	return amount;
}

instant_t postgres_get_instant(struct postgres_row *row)
{
	if (postgres_is_null(row)) {
		row->column++;
		return INSTANT_NONE;
	}
	int64_t value = postgres_get_int64(row);
	if (value < instant_to_postgres(INSTANT_MIN) || value > instant_to_postgres(INSTANT_MAX)) {
		row->corrupt = true; /* infinity, or a time that the books never hold */
		return INSTANT_NONE;
	}
	return instant_from_postgres(value);
}

struct hash128 postgres_get_hash(struct postgres_row *row)
{
	size_t size;
	struct hash128 hash = {{0}};
	const char *value = next_value(row, sizeof hash.bytes, &size);
	if (value)
		memcpy(hash.bytes, value, sizeof hash.bytes);
	return hash;
}

uint64_t postgres_get_tid(struct postgres_row *row)
{
	size_t size;
	uint64_t big = 0;
	const char *value = next_value(row, TID_SIZE, &size);
	if (value)
		memcpy(&big, value, TID_SIZE);
	return be64toh(big) >> 16;
}
