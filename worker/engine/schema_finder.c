/* SPDX-License-Identifier: Apache-2.0 */
#include "drawdown/schema_finder.h"

#include <stdio.h>
#include <stdlib.h>

#include "drawdown/library.h"
#include "drawdown/registry.h"

#define ATTEMPTS 4

struct schema_finder {
	const struct config *config;
	struct decoder *decoder;
	struct library library; /* self NULL: not open */
	struct registry *registry;
	bool has_told;
};

struct schema_finder *schema_finder_new(const struct config *config, struct decoder *decoder)
{
	struct schema_finder *finder = calloc(1, sizeof *finder);

	if (!finder)
		abort();
	finder->config = config;
	finder->decoder = decoder;
	return finder;
}

void schema_finder_free(struct schema_finder *finder)
{
	if (!finder)
		return;
	if (finder->library.self)
		finder->library.close(finder->library.self);
	registry_free(finder->registry);
	free(finder);
}

static void tell(struct schema_finder *finder, const struct failure *failure)
{
	if (!finder->has_told)
		(void)fprintf(stderr, "drawdown: records of some schemas cannot be read: %s\n", failure->text);
	finder->has_told = true;
}

static enum outcome find_kept(struct schema_finder *finder, struct schema_ref ref, struct arena *arena,
	struct text *ret_schema, struct failure *reterr)
{
	enum outcome outcome = OUTCOME_OK;

	if (!finder->config->database_url)
		return OUTCOME_OK;
	if (!finder->library.self)
		outcome = library_open(&finder->library, finder->config, reterr);
	if (outcome != OUTCOME_OK)
		return outcome;
	return finder->library.find(finder->library.self, &ref, 1, arena, ret_schema, reterr);
}

static enum outcome find(struct schema_finder *finder, struct schema_ref ref, struct arena *arena,
	struct text *ret_schema, struct failure *reterr)
{
	enum outcome outcome = find_kept(finder, ref, arena, ret_schema, reterr);

	if (ret_schema->data || ref.kind != SCHEMA_REF_ID || !finder->config->registry_url)
		return outcome;
	if (!finder->registry)
		finder->registry = registry_new(finder->config, ATTEMPTS);
	return registry_fetch(finder->registry, (uint32_t)ref.value, arena, ret_schema, reterr);
}

void schema_finder_prepare(struct schema_finder *finder, struct text value)
{
	struct schema_ref ref = decoder_missing(finder->decoder, value);
	struct text schema = TEXT_NULL;
	struct failure failure = {0};
	struct arena arena;

	if (ref.kind == SCHEMA_REF_NONE)
		return;
	arena_init(&arena, 16 * 1024);
	enum outcome outcome = find(finder, ref, &arena, &schema, &failure);
	bool is_learnt = outcome == OUTCOME_OK && schema.data && decoder_learn(finder->decoder, ref, schema, NULL);
	if (!is_learnt)
		(void)decoder_learn_unknown(finder->decoder, ref, outcome == OUTCOME_OK ? NULL : failure.text);
	if (outcome != OUTCOME_OK)
		tell(finder, &failure);
	arena_release(&arena);
}
