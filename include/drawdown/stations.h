/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is done with a batch once the loop has filled it: the lanes' crew records
 * it, the publisher's crew publishes it. Each does its part again and again
 * until it is decided; what that outcome asks for is the loop's business.
 *
 * Called by the loop's thread only, but for stations_abandon and stations_pause.
 */
#ifndef DRAWDOWN_STATIONS_H
#define DRAWDOWN_STATIONS_H

#include <pthread.h>
#include <stdbool.h>

#include "drawdown/config.h"
#include "drawdown/crew.h"
#include "drawdown/parking.h"
#include "drawdown/publish.h"
#include "drawdown/source.h"
#include "drawdown/store.h"

struct stations {
	const struct config *config;
	const struct source *source;
	const struct store *store;
	const struct publish *publish;
	struct parking parkings[BATCH_LANES_MAX]; /* of each lane's customers; written by the loop while nothing is in
						     flight */
	struct crew *lanes;			  /* between start and end */
	struct crew *publisher;
	bool has_left_threads; /* that would not end: they may still touch this struct and the seams */
	pthread_mutex_t mutex;
	pthread_cond_t abandoned;
	bool is_abandoned; /* guarded by mutex: crews end what they do as soon as they can */
};

/* Borrows all of it. */
void stations_init(struct stations *stations, const struct config *config, const struct source *source,
	const struct store *store, const struct publish *publish);
void stations_release(struct stations *stations);

/* Starts the threads. The source is woken when a batch is done. */
void stations_start(struct stations *stations);
/* Abandons what is in flight and ends the threads, or leaves them behind after `timeout` (microseconds, each crew). */
void stations_end(struct stations *stations, int64_t timeout);

/* True: whatever is in flight ends soon, as a REWIND. A crew that fails does it to the others. */
void stations_abandon(struct stations *stations, bool abandon);
enum outcome stations_fail_abandoned(struct failure *reterr);
/* Waits before the attempt after this one, longer each time, up to 2 s. False: abandoned. */
bool stations_pause(struct stations *stations, unsigned attempt);

#endif
