/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration: one table of options, from which the file's parser, the
 * environment, config/drawdown.conf and config/REFERENCE.md all come.
 *
 * A file has lines `key = value`, `#` comments; the environment goes over it:
 * DRAWDOWN_ and the key in capitals, '.' and '-' as '_'. Keys under `kafka.` are passed
 * to librdkafka as they are, to consumer and producer alike.
 * Durations are written with a unit: 50ms, 5s, 10min, 12h, 30d. Sizes: 64kB, 16MB, 1GB (powers of 1024).
 */
#ifndef DRAWDOWN_CONFIG_H
#define DRAWDOWN_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "drawdown/ledger.h"
#include "drawdown/log.h"
#include "drawdown/message.h"
#include "drawdown/outcome.h"
#include "drawdown/work.h"

struct config_pair {
	char *name; /* without "kafka." */
	char *value;
};

/* Durations in microseconds, sizes in bytes; every string is owned by the config. */
struct config {
	struct config_pair *kafka; /* kafka.*; at least bootstrap.servers */
	size_t kafka_count;

	char *database_url;		    /* database.url: a libpq connection string or URI */
	int64_t database_lanes;		    /* database.lanes = 2, 1-16 */
	int64_t database_lock_timeout;	    /* database.lock.timeout = 5s */
	int64_t database_statement_timeout; /* database.statement.timeout = 30s */
	int64_t database_idle_timeout;	    /* database.idle.timeout = 10s: idle_in_transaction_session_timeout */

	char *replica_id;	       /* replica.id = host name: stable and unique per replica */
	char *group_id;		       /* group.id = drawdown */
	int64_t group_session_timeout; /* group.session.timeout = 6s */

	char *input_topics[INPUT_COUNT];   /* topics.usage = credits.usage, topics.commands = credits.commands */
	char *output_topics[OUTPUT_COUNT]; /* topics.ledger, .balances, .outcomes, .notifications, .dead-letters;
					    * defaults: topics.prefix (= "credits.") and the name */
	char *topics_prefix;
	int64_t topics_partitions;	       /* topics.partitions = 8: used by `topics create` */
	int64_t topics_replication;	       /* topics.replication = 3 */
	int64_t topics_retention;	       /* topics.retention = 7d: of the inputs */
	int64_t topics_dead_letters_retention; /* topics.dead-letters.retention = 14d */

	bool inputs_trusted;   /* inputs.timestamps = log-append | trusted */
	bool inputs_crc32;     /* inputs.partitioner = murmur2 | crc32 */
	int64_t pairs_timeout; /* inputs.pairs.timeout = 5min: a pair that is not whole becomes fatal */
	int64_t merge_wait;    /* merge.wait = 50ms */

	int64_t batch_records_max; /* batch.records.max = 10000 */
	int64_t batch_entries_max; /* batch.entries.max = 100000 */
	int64_t batch_bytes_max;   /* batch.bytes.max = 16MB of keys, values and headers */
	int64_t batch_linger;	   /* batch.linger = 5ms: age at which a batch closes that is not full */

	struct encoding encoding; /* outputs.format = avro | json; outcomes = exceptional | all */
	struct rules rules;	  /* dedupe.window = 30d, currencies.open = no, grants.open.max = 1000,
				   * holds.open.max = 1000 */
	char *registry_url;	  /* registry.url: of a schema registry; NULL: none */
	char *registry_name;	  /* registry.name: the url without scheme, unless set; NULL: neither is */
	char *registry_user, *registry_password, *registry_password_file;
	char *registry_token, *registry_token_file;
	char *registry_ca_file;
	int64_t registry_timeout;	   /* registry.timeout = 5s: of one question */
	int64_t registry_unknown_lifetime; /* registry.unknown.lifetime = 1min: how long "nobody knows it" counts */

	int64_t dedupe_generation; /* dedupe.generation = 30d: length of a generation of receipts */
	bool dedupe_window_short;  /* dedupe.window.short = refuse | allow */
	int64_t drop_interval;	   /* dedupe.drop.interval = 1min; 0: off */

	int64_t transaction_timeout;	 /* publish.transaction.timeout = 5s */
	int64_t transaction_timeout_max; /* publish.transaction.timeout.max = 60s */
	int64_t watchdog_timeout;	 /* publish.watchdog = 30s: one call to Kafka may take that long */
	int64_t watchdog_max;		 /* publish.watchdog.max = 3 handles left behind, then exit */

	int64_t sweep_interval;	   /* sweep.interval = 10s; 0: off */
	int64_t sweep_batch;	   /* sweep.batch = 1000 rows in one slice */
	int64_t sweep_retry;	   /* sweep.retry = 60s */
	int64_t sweep_pending_max; /* sweep.pending.max = 10000 advances sent and not yet seen to be handled */

	char *admin_address;	  /* admin.address = 127.0.0.1 */
	int64_t admin_port;	  /* admin.port = 9464; 0: none */
	enum log_level log_level; /* log.level = info */
	bool log_json;		  /* log.format = logfmt | json */
};

/* Which servers the configuration must name. */
enum config_need {
	CONFIG_NEEDS_NOTHING = 0,
	CONFIG_NEEDS_KAFKA = 1,
	CONFIG_NEEDS_DATABASE = 2,
	CONFIG_NEEDS_ALL = 3,
};

/* Defaults, then the file (NULL: none), then the environment, then `settings` ("key=value", from the command
 * line). REJECT, exit code EXIT_USAGE, with file, line and option named; the config is then empty. */
enum outcome config_load_over(struct config *config, const char *path, const char *const *settings,
	size_t settings_count, unsigned needs, struct failure *reterr);
/* The same without settings; both servers must be named. */
enum outcome config_load(struct config *config, const char *path, struct failure *reterr);
void config_release(struct config *config);
/* The value of kafka.<name>, or NULL. */
const char *config_kafka(const struct config *config, const char *name);

/* config/drawdown.conf and config/REFERENCE.md, from the table. */
void config_write_example(FILE *out);
void config_write_reference(FILE *out);
/* Every option as it stands, in the form of a file; secrets are left out. */
void config_write_effective(const struct config *config, FILE *out);

#endif
