/* SPDX-License-Identifier: Apache-2.0 */
#include "drawdown/subjects.h"

#include "drawdown/encode.h"
#include "drawdown/registry.h"

#define ATTEMPTS 5

/* The strictest first. Readers with an older schema come before those with a newer one: they are there already. */
static const char *const levels[] = {
	"FULL_TRANSITIVE",
	"FULL",
	"FORWARD_TRANSITIVE",
	"FORWARD",
	"BACKWARD_TRANSITIVE",
	"BACKWARD",
};

bool subjects_are_wanted(const struct config *config)
{
	return config->registry_url && config->encoding.format == FORMAT_AVRO;
}

/* The registry checks a new schema against what is demanded then. */
static enum outcome register_strictly(
	struct registry *registry, struct text schema, struct subject_report *report, struct failure *reterr)
{
	enum outcome outcome = OUTCOME_REJECT;

	for (size_t i = 0; i < sizeof levels / sizeof *levels && outcome == OUTCOME_REJECT; i++) {
		outcome = registry_demand(registry, report->subject, levels[i], reterr);
		if (outcome != OUTCOME_OK)
			return outcome;
		report->compatibility = levels[i];
		outcome = registry_register(registry, report->subject, schema, &report->id, reterr);
	}
	if (outcome != OUTCOME_REJECT)
		return outcome;
	struct failure refusal = *reterr;
	(void)fail(reterr, OUTCOME_FATAL, "subjects.create", "%s", refusal.text);
	fail_hint(reterr, "subject %s holds schemas that are not drawdown's: name other topics, or another registry",
		report->subject);
	return OUTCOME_FATAL;
}

static enum outcome bring_up(struct registry *registry, struct text schema, bool is_dry_run,
	struct subject_report *report, struct failure *reterr)
{
	enum outcome outcome = registry_find(registry, report->subject, schema, &report->id, reterr);

	report->state = SUBJECT_AS_PLANNED;
	if (outcome != OUTCOME_REJECT)
		return outcome;
	report->state = is_dry_run ? SUBJECT_MISSING : SUBJECT_REGISTERED;
	report->id = 0;
	return is_dry_run ? OUTCOME_OK : register_strictly(registry, schema, report, reterr);
}

enum outcome subjects_bring_up(const struct config *config, bool is_dry_run,
	struct subject_report reports[SUBJECTS_COUNT], struct failure *reterr)
{
	struct registry *registry = registry_new(config, ATTEMPTS);
	enum outcome outcome = OUTCOME_OK;

	for (int i = 0; i < SUBJECTS_COUNT && outcome == OUTCOME_OK; i++) {
		reports[i] = (struct subject_report){0};
		library_format_subject(config, (enum output)i, reports[i].subject);
		outcome =
			bring_up(registry, encode_output_schema((enum output)i).text, is_dry_run, &reports[i], reterr);
	}
	registry_free(registry);
	return outcome;
}
