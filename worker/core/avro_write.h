/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Avro's binary values into a buffer. The same values give the same bytes.
 */
#ifndef DRAWDOWN_CORE_AVRO_WRITE_H
#define DRAWDOWN_CORE_AVRO_WRITE_H

#include <stdint.h>

#include "buffer.h"
#include "drawdown/credit.h"
#include "drawdown/instant.h"

void avro_put_long(struct buffer *buffer, int64_t value);
void avro_put_boolean(struct buffer *buffer, bool value);
void avro_put_double(struct buffer *buffer, double value);
void avro_put_string(struct buffer *buffer, struct text text);
/* decimal(38, 12) in bytes */
void avro_put_credit(struct buffer *buffer, credit_t amount);

/* Unions of null and the type, null first. */
void avro_put_null(struct buffer *buffer);
void avro_put_optional_string(struct buffer *buffer, struct text text);	  /* absent: null */
void avro_put_optional_instant(struct buffer *buffer, instant_t instant); /* INSTANT_NONE: null */
void avro_put_optional_credit(struct buffer *buffer, bool is_given, credit_t amount);
void avro_put_optional_integer(struct buffer *buffer, bool is_given, int64_t value); /* int, long, enum */
void avro_put_optional_seq(struct buffer *buffer, int64_t seq);			     /* 0: null */
/* A canonical JSON object as a map of unions of string, boolean, long and double. Absent: null. A number that
 * neither a long nor a double holds exactly becomes a string of its digits. Aborts where it is not canonical. */
void avro_put_optional_members(struct buffer *buffer, struct text json);

#endif
