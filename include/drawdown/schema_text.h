/* SPDX-License-Identifier: Apache-2.0 */
/* What a writer's schema is called by. Pure; any thread. */
#ifndef DRAWDOWN_SCHEMA_TEXT_H
#define DRAWDOWN_SCHEMA_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "drawdown/arena.h"
#include "drawdown/text.h"

#define SCHEMA_WHY_SIZE 256

struct schema_identity {
	struct text name;     /* of a record, enum or fixed, in full; empty where it has none */
	uint64_t fingerprint; /* CRC-64-AVRO of its Parsing Canonical Form */
};

/* False: it is no valid Avro schema, and why. */
bool schema_text_identify(
	struct text schema, struct arena *arena, struct schema_identity *ret_identity, char ret_why[SCHEMA_WHY_SIZE]);

#endif
