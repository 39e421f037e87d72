/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DRAWDOWN_CORE_AVRO_JSON_H
#define DRAWDOWN_CORE_AVRO_JSON_H

#include "avro_schema.h"
#include "fields.h"

/* A record of any schema as one line of JSON: decimals are numbers with all their digits, times RFC 3339,
 * unions bare values. */
bool avro_to_json(const struct schema *schema, struct text bytes, struct arena *arena, struct text *ret_json,
	struct defect *ret_defect);

#endif
