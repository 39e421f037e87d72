/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A map of text to text, number or boolean as the one JSON object that all its
 * spellings share: names in byte order, numbers in one exact decimal form, no
 * white space.
 */
#ifndef DRAWDOWN_CORE_CANONICAL_H
#define DRAWDOWN_CORE_CANONICAL_H

#include "buffer.h"
#include "fields.h"

/* Sorts the members. An empty map is absent. */
bool canonical_members(struct members *members, const char *field, struct arena *arena, struct text *ret_json,
	struct defect *ret_defect);

/* The shortest decimal that reads back as the same double: what JSON writers put. False for NaN and infinity. */
bool canonical_put_double(struct buffer *buffer, double value);

#endif
