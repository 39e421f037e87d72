/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a schema registry that speaks Confluent's interface answers. Pure;
 * never trusts the bytes: size, depth and counts are bounded.
 */
#ifndef DRAWDOWN_REGISTRY_ANSWER_H
#define DRAWDOWN_REGISTRY_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "drawdown/arena.h"
#include "drawdown/text.h"

#define REGISTRY_ANSWER_SIZE_MAX (1024 * 1024)
#define REGISTRY_REFERENCES_MAX 32  /* of a schema, with those that its references have */
#define REGISTRY_NAME_SIZE_MAX 1024 /* of a subject or a reference, in bytes */

/* Why an answer is of no use; empty where it is. */
struct registry_why {
	char text[160];
	bool is_about_schema; /* a registry did answer with a schema: asking again changes nothing */
};

/* Another subject's schema that a schema needs. */
struct registry_reference {
	struct text name;
	struct text subject;
	int32_t version;
};

struct registry_schema {
	struct text schema; /* as it was registered */
	struct text type;   /* "AVRO" where the answer names none */
	struct registry_reference *references;
	size_t references_count;
};

/* The answer to a question for a schema, by id or by subject and version. Texts live in the arena. */
bool registry_answer_schema(
	struct text answer, struct arena *arena, struct registry_schema *ret_schema, struct registry_why *reterr);

/* The id in the answer to a registration or a look-up: more than 0. */
bool registry_answer_id(struct text answer, struct arena *arena, int32_t *ret_id, struct registry_why *reterr);

/* The code of an error that the registry itself gave, such as 40403, and its words; 0: it is no such answer. The words
 * are printable and short. */
int32_t registry_answer_error(struct text answer, struct arena *arena, struct text *ret_message);

/* One text that needs no other: where a type is named that one of `referenced` defines, the first of its uses becomes
 * the definition. False where one of the texts is not JSON, or a reference defines no named type. */
bool registry_join(struct text schema, const struct text *referenced, size_t count, struct arena *arena,
	struct text *ret_joined, struct registry_why *reterr);

#endif
