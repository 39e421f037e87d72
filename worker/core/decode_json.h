/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DRAWDOWN_CORE_DECODE_JSON_H
#define DRAWDOWN_CORE_DECODE_JSON_H

#include "fields.h"

/* The fields of a JSON object; unknown ones are passed over. */
bool decode_json_fields(struct text json, struct arena *arena, struct fields *ret_fields, struct defect *ret_defect);

/* Any JSON as one line. */
bool decode_json_line(struct text json, struct arena *arena, struct text *ret_json, struct defect *ret_defect);

#endif
