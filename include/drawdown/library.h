/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Seam: where writers' schemas are kept, and where they are got from.
 * library_open is the real one: the database and the registry. A library
 * belongs to one thread; only `interrupt` may come from another.
 */
#ifndef DRAWDOWN_LIBRARY_H
#define DRAWDOWN_LIBRARY_H

#include "drawdown/config.h"
#include "drawdown/decode.h"
#include "drawdown/outcome.h"

/* So many are kept: all of them fit into a decoder, with those that several workers keep at one time. */
#define LIBRARY_SCHEMAS_MAX (DECODER_SCHEMAS_MAX - 32)

struct kept_schema {
	struct schema_ref ref;
	struct text schema;
};

struct library {
	void *self;
	/* What is kept, `count_max` at most, the newest; those of fingerprints first. All lives in the arena. */
	enum outcome (*list)(void *self, size_t count_max, struct arena *arena, struct kept_schema **ret_kept,
		size_t *ret_count, struct failure *reterr);
	/* The kept schemas of these; a text's data is NULL where none is. They live in the arena. */
	enum outcome (*find)(void *self, const struct schema_ref *refs, size_t count, struct arena *arena,
		struct text *ret_schemas, struct failure *reterr);
	/* Keep it, durably; *ret_schema is what is kept for it then: another's, if that was first. REJECT: there is no
	 * room. */
	enum outcome (*keep)(void *self, struct schema_ref ref, struct text schema, struct arena *arena,
		struct text *ret_schema, struct failure *reterr);
	/* What the registry has under an id, see registry_fetch. NULL: there is no registry. */
	enum outcome (*fetch)(
		void *self, uint32_t id, struct arena *arena, struct text *ret_schema, struct failure *reterr);
	/* Make the call in hand, and all later ones, end soon with RETRY. Any thread. */
	void (*interrupt)(void *self);
	void (*close)(void *self);
};

/* Connects to the database. FATAL (EXIT_USAGE) where it keeps ids of another registry than registry.name; without
 * a name those that it keeps, or comes to keep, are taken for ours. `config` is borrowed. */
enum outcome library_open(struct library *ret_library, const struct config *config, struct failure *reterr);

/* The registry's ids for the outputs, 0 for those that have none, as they were at first; for a library of
 * library_open. FATAL where a schema is not registered, RETRY where an id is not kept and the registry not
 * reached. All are 0 without a registry, and where outputs are not Avro. */
enum outcome library_find_output_ids(
	const struct library *library, uint32_t ret_ids[OUTPUT_COUNT], struct failure *reterr);

/* The subject of an output's schemas: TopicRecordNameStrategy. */
#define SUBJECT_SIZE 384
void library_format_subject(const struct config *config, enum output output, char subject[SUBJECT_SIZE]);

#endif
