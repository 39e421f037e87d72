/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A decoder and an arena for the tests of one file.
 */
#ifndef DRAWDOWN_TEST_DECODE_FIXTURE_H
#define DRAWDOWN_TEST_DECODE_FIXTURE_H

#include "drawdown/decode.h"

static struct decoder *decoder;
static struct arena arena;

static int set_up(void **state)
{
	(void)state;
	decoder = decoder_new();
	arena_init(&arena, 64 * 1024);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	arena_release(&arena);
	decoder_free(decoder);
	return 0;
}

#endif
