/* SPDX-License-Identifier: Apache-2.0 */
/* What the client libraries think of their own options, asked before anything is touched. */
#include "drawdown/config_table.h"

#include <libpq-fe.h>
#include <librdkafka/rdkafka.h>
#include <stdlib.h>
#include <string.h>

#include "drawdown/spelling.h"

#define CLIENT_ID_SIZE_MAX 100 /* librdkafka 2.0.2 can crash with a longer one */

/* These options of librdkafka can hold no secret, so that its own words about a value may be shown. */
static bool may_be_shown(const char *name)
{
	static const char *const secretive[] = {
		"password", "secret", "key", "pem", "certificate", "username", "oauthbearer", "kinit", "principal"};

	for (size_t i = 0; i < sizeof secretive / sizeof secretive[0]; i++) {
		if (strstr(name, secretive[i]))
			return false;
	}
	return true;
}

static void hint_nearest(const char *name, struct failure *reterr)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	size_t count;
	const char **dump = rd_kafka_conf_dump(conf, &count);
	struct spelling spelling;

	spelling_begin(&spelling, name);
	spelling_consider(&spelling, "bootstrap.servers");
	for (size_t i = 0; i < count; i += 2)
		spelling_consider(&spelling, dump[i]);
	if (spelling.nearest)
		fail_hint(reterr, "did you mean kafka.%s?", spelling.nearest);
	else
		fail_hint(reterr, "see CONFIGURATION.md of librdkafka for the names");
	rd_kafka_conf_dump_free(dump, count);
	rd_kafka_conf_destroy(conf);
}

static enum outcome check_refusal(const char *name, struct failure *reterr)
{
	for (const struct config_refusal *refusal = config_refusals; refusal->name; refusal++) {
		if (strcmp(refusal->name, name) == 0)
			return fail(reterr, OUTCOME_REJECT, "config.load", "'kafka.%s' cannot be set: %s", name,
				refusal->reason);
	}
	return OUTCOME_OK;
}

enum outcome config_check_kafka(const char *name, const char *value, struct failure *reterr)
{
	enum outcome outcome = check_refusal(name, reterr);
	char error[256];

	if (outcome != OUTCOME_OK)
		return outcome;
	if (strcmp(name, "client.id") == 0 && strlen(value) > CLIENT_ID_SIZE_MAX)
		return fail(reterr, OUTCOME_REJECT, "config.load", "'kafka.client.id' is longer than %d characters",
			CLIENT_ID_SIZE_MAX);
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	rd_kafka_conf_res_t result = rd_kafka_conf_set(conf, name, value, error, sizeof error);
	rd_kafka_conf_destroy(conf);
	if (result == RD_KAFKA_CONF_UNKNOWN) {
		outcome = fail(reterr, OUTCOME_REJECT, "config.load", "unknown option 'kafka.%s'", name);
		hint_nearest(name, reterr);
	} else if (result != RD_KAFKA_CONF_OK) {
		outcome = fail(reterr, OUTCOME_REJECT, "config.load",
			"'kafka.%s' has a value that librdkafka does not take", name);
		if (may_be_shown(name))
			fail_hint(reterr, "%.*s", (int)strcspn(error, "\n"), error);
	}
	return outcome;
}

enum outcome config_check_database(const char *url, struct failure *reterr)
{
	char *error = NULL;
	PQconninfoOption *options = PQconninfoParse(url, &error);
	bool valid = options != NULL;

	PQfreemem(error);
	PQconninfoFree(options);
	if (valid)
		return OUTCOME_OK;
	enum outcome outcome =
		fail(reterr, OUTCOME_REJECT, "config.load", "'database.url' is neither a connection string nor a URI");
	fail_hint(reterr, "postgresql://user@host:5432/name or host=... dbname=...");
	return outcome;
}
