/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dead letters as they lie in their topic, and what has become of each.
 *
 * A letter is a record's own bytes and headers, then ours, the last ones: see encode_dead_letter_headers(). A letter
 * that was replayed has a note behind it in the same partition: a record without key and value whose one header,
 * LETTER_NOTE, is the letter's offset. The note and the replayed record are written in one transaction.
 */
#ifndef DRAWDOWN_LETTERS_H
#define DRAWDOWN_LETTERS_H

#include "drawdown/decode.h"
#include "drawdown/instant.h"
#include "drawdown/message.h"
#include "drawdown/options.h"
#include "drawdown/terminal.h"
#include "drawdown/topic_reader.h"

#define LETTER_NOTE "drawdown.replayed"
/* Of a record that was replayed: which letter it was, "credits.dead-letters/3/42" ... */
#define LETTER_REPLAYED_FROM "drawdown.replayed-from"
/* ... and the timestamp of the record that first became a letter, be it replayed again and again. */
#define LETTER_FIRST_TIMESTAMP "drawdown.first-timestamp"

enum letter_state {
	LETTER_READABLE,   /* can be understood by now */
	LETTER_UNDECIDED,  /* names a schema that is not known here: a worker may know it */
	LETTER_UNREADABLE, /* would be a letter again */
	LETTER_UNSENDABLE, /* its bytes are not in it, or no topic takes it */
	LETTER_TOO_OLD,	   /* what became of the same key may be forgotten by now: a replay might count it twice */
	LETTER_REPLAYED,   /* was replayed */
	LETTER_STATE_COUNT
};
extern const char *const letter_state_names[LETTER_STATE_COUNT + 1]; /* ends with NULL */

/* Texts live in the message, or in the arena that it was read into. */
struct letter {
	int32_t partition; /* where it lies */
	int64_t offset;
	instant_t timestamp;
	struct text reason, error;
	struct text topic; /* where the record stood, and below */
	int32_t source_partition;
	int64_t source_offset;
	instant_t source_timestamp; /* INSTANT_NONE: it had none that can be told */
	struct text key, value;
	const struct header *headers; /* the record's own, without those that a replay had added */
	size_t headers_count;
	struct text replayed_from; /* absent: the record came from a producer */
	instant_t first_timestamp; /* when its event was first tried, as far as can be told */
	struct text cut;	   /* how large the record was; absent: its bytes are here */
	bool is_replayed;
};

/* False: no letter, such as a note. `is_replayed` is left to the caller. */
bool letter_read(const rd_kafka_message_t *message, struct arena *arena, struct letter *ret_letter);

/* A place in the topic of the letters. */
struct letter_place {
	int32_t partition;
	int64_t offset;
};
/* "3/42". */
bool letter_place_parse(const char *text, struct letter_place *ret_place);

/* Which letters are meant. */
struct letter_filter {
	struct letter_place places[OPTION_LIST_MAX]; /* these; none: any */
	size_t places_count;
	struct option_list reasons;
	const char *topic;		/* the record's; or NULL */
	const char *key;		/* or NULL */
	int64_t partition;		/* the record's; below 0: any */
	int64_t offset_min, offset_max; /* the record's, both included */
	instant_t since, until;		/* the record's time: from, and before; INSTANT_NONE: unbounded */
};
#define LETTER_FILTER_ALL                                                                              \
	{                                                                                              \
		.partition = -1, .offset_max = INT64_MAX, .since = INSTANT_NONE, .until = INSTANT_NONE \
	}
bool letter_matches(const struct letter *letter, const struct letter_filter *filter);

/* What a state depends on besides the letter. */
struct letter_judge {
	const struct decoder *decoder;
	const char *const *topics; /* to which letters may go back, INPUT_COUNT of them; NULL: any, one was chosen */
	instant_t now;
	int64_t dedupe_window;
	bool ignores_replayed, ignores_age;
};
/* *ret_event where readable (texts in `arena` and the letter), *ret_defect where unreadable or undecided. */
enum letter_state letter_judge(const struct letter_judge *judge, const struct letter *letter, struct arena *arena,
	struct event *ret_event, struct defect *ret_defect);

/* All letters of the topic that match, in order of partition and offset; `arena` is emptied for each. NULL where none
 * was found: for each record that is passed over, and now and then while none comes. False: enough. */
typedef bool letters_take(void *context, const struct letter *letter, struct arena *arena);
enum outcome letters_each(struct topic_reader *reader, const struct letter_filter *filter, struct progress *progress,
	letters_take *take, void *context, struct failure *reterr);

#endif
