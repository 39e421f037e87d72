/* SPDX-License-Identifier: Apache-2.0 */
#include "drawdown/schema_text.h"

#include <stdio.h>

#include "avro_schema.h"

bool schema_text_identify(
	struct text schema, struct arena *arena, struct schema_identity *ret_identity, char ret_why[SCHEMA_WHY_SIZE])
{
	struct schema_error error = {""};
	const struct schema *parsed = schema_parse(schema, arena, &error);

	if (!parsed) {
		(void)snprintf(ret_why, SCHEMA_WHY_SIZE, "%s", error.text);
		return false;
	}
	*ret_identity = (struct schema_identity){
		.name = parsed->name.data ? parsed->name : TEXT_LITERAL(""),
		.fingerprint = schema_fingerprint(parsed, arena),
	};
	return true;
}
