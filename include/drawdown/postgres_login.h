/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Why a connection to PostgreSQL could not be opened: did the server refuse who we are (SQLSTATE class 28), which time
 * alone does not mend?
 */
#ifndef DRAWDOWN_POSTGRES_LOGIN_H
#define DRAWDOWN_POSTGRES_LOGIN_H

#include <stdbool.h>

/* To be asked after PQconnectdbParams(keywords, values, 1) failed: tries once more, for two seconds at most. True if
 * every server that was tried refused the login; false also where that is not known. */
bool postgres_login_is_refused(const char *const *keywords, const char *const *values);

#endif
