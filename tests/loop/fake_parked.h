/* SPDX-License-Identifier: Apache-2.0 */
/* drawdown.parked of a fake world: what the real store does in SQL. Under the world's mutex. */
#ifndef DRAWDOWN_TESTS_FAKE_PARKED_H
#define DRAWDOWN_TESTS_FAKE_PARKED_H

#include "fakes.h"

void fake_parked_find(const struct fake_world *world, struct parked_record *records, size_t count);
/* At COMMIT. */
void fake_parked_write(struct fake_world *world, const struct parked_record *records, size_t count);

#endif
