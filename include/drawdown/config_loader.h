/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of config.c: loading a configuration, source by source, with each
 * value's origin remembered, so that a refusal says where to look.
 *
 * All return REJECT with the reason, its place before it, in loader->reterr.
 */
#ifndef DRAWDOWN_CONFIG_LOADER_H
#define DRAWDOWN_CONFIG_LOADER_H

#include "drawdown/config_table.h"

#define CONFIG_OPTIONS_MAX 100
#define CONFIG_KAFKA_OPTIONS_MAX 200
#define CONFIG_NAME_SIZE_MAX 80
#define CONFIG_SHOWN_SIZE_MAX 40 /* of a value in a message */

/* Where a value comes from; a later source goes over an earlier one. */
enum config_origin_kind { CONFIG_ORIGIN_DEFAULT, CONFIG_ORIGIN_FILE, CONFIG_ORIGIN_ENVIRONMENT, CONFIG_ORIGIN_SETTING };

struct config_origin {
	enum config_origin_kind kind;
	size_t line; /* of the file */
	char variable[CONFIG_VARIABLE_SIZE];
};

struct config_loader {
	struct config *config;
	const char *path;					      /* or NULL */
	struct config_origin origins[CONFIG_OPTIONS_MAX];	      /* one an option of the table */
	struct config_origin kafka_origins[CONFIG_KAFKA_OPTIONS_MAX]; /* one a member of config.kafka */
	struct failure *reterr;
};

/* ---- config_loader.c ---- */

/* Owned by the caller. */
char *config_copy_string(const char *string);
/* NULL: none of the table but those under kafka. has this name. */
const struct config_option *config_find_option(const char *name);
struct config_origin *config_origin_of(struct config_loader *loader, const struct config_option *option);

__attribute__((format(printf, 3, 4))) enum outcome config_refuse(
	const struct config_loader *loader, const struct config_origin *origin, const char *format, ...);
/* What another check said, with its hint, and the place before it. */
enum outcome config_refuse_with(
	const struct config_loader *loader, const struct config_origin *origin, const struct failure *failure);

/* ---- config_values.c ---- */

enum outcome config_set_option(
	struct config_loader *loader, const struct config_origin *origin, const char *name, const char *value);
enum outcome config_set_default(struct config_loader *loader, const struct config_option *option, const char *value);

/* ---- config_sources.c ---- */

/* loader->path. */
enum outcome config_load_file(struct config_loader *loader);
enum outcome config_load_environment(struct config_loader *loader);
/* Each "key=value". */
enum outcome config_load_settings(struct config_loader *loader, const char *const *settings, size_t settings_count);

/* ---- config_checks.c ---- */

/* Do they go together, and is there what a subcommand needs (enum config_need)? */
enum outcome config_check_whole(struct config_loader *loader, unsigned needs);

#endif
