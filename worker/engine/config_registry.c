/* SPDX-License-Identifier: Apache-2.0 */
/* Do the options of the schema registry go together? Asked before anything is touched. */
#include <stdarg.h>
#include <string.h>

#include "drawdown/config_table.h"
#include "drawdown/text.h"

#define NAME_CHARACTERS_MAX 255

__attribute__((format(printf, 4, 5))) static enum outcome refuse(
	const char **ret_option, const char *option, struct failure *reterr, const char *format, ...)
{
	char text[256];
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	*ret_option = option;
	return fail(reterr, OUTCOME_REJECT, "config.load", "%s", text);
}

static bool is_url(const char *url)
{
	bool has_scheme = strncmp(url, "http://", 7) == 0 || strncmp(url, "https://", 8) == 0;
	return has_scheme && strstr(url, "://")[3] && !strpbrk(url, " ?#@,\"\\") &&
	       text_is_printable(text_of(url), NULL);
}

enum outcome config_check_registry(const struct config *config, const char **ret_option, struct failure *reterr)
{
	size_t characters_count;

	if (config->registry_url && !is_url(config->registry_url)) {
		/* Nothing of it is shown: it may hold a password. */
		(void)refuse(ret_option, "registry.url", reterr, "'registry.url' is no address of a registry");
		fail_hint(reterr, "https://host:port/path; who logs in is said by registry.user or registry.token");
		return OUTCOME_REJECT;
	}
	if (config->registry_name && (!text_is_printable(text_of(config->registry_name), &characters_count) ||
					     characters_count > NAME_CHARACTERS_MAX))
		return refuse(ret_option, "registry.name", reterr, "'registry.name' is at most %d printable characters",
			NAME_CHARACTERS_MAX);
	if (config->registry_password && config->registry_password_file)
		return refuse(ret_option, "registry.password.file", reterr,
			"'registry.password' and 'registry.password.file' are both set");
	if (config->registry_token && config->registry_token_file)
		return refuse(ret_option, "registry.token.file", reterr,
			"'registry.token' and 'registry.token.file' are both set");
	if (config->registry_user && (config->registry_token || config->registry_token_file))
		return refuse(ret_option, "registry.user", reterr,
			"'registry.user' and a token are both set: it is the one or the other");
	if (!config->registry_user && (config->registry_password || config->registry_password_file))
		return refuse(
			ret_option, "registry.password", reterr, "'registry.password' is set, but no 'registry.user'");
	return OUTCOME_OK;
}
