/* SPDX-License-Identifier: Apache-2.0 */
#include "drawdown/registry_http.h"

#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "drawdown/instant.h"
#include "drawdown/registry_answer.h"

#define WHERE "registry.ask"
#define CONNECT_TIMEOUT_MAX (2 * INSTANT_SECOND)
#define URL_SIZE 4096
#define CREDENTIAL_SIZE_MAX 8192

struct registry_http {
	const struct config *config;
	CURL *curl;
	struct curl_slist *headers;
	atomic_bool is_interrupted;
};

/* What the registry says, as it comes. */
struct answer {
	char *data;
	size_t size;
	bool is_too_long;
	bool is_of_get; /* to a question for a schema */
};

static size_t take(char *data, size_t one, size_t size, void *self)
{
	struct answer *answer = self;

	(void)one;
	if (size > REGISTRY_ANSWER_SIZE_MAX - answer->size) {
		answer->is_too_long = true;
		return 0;
	}
	char *grown = realloc(answer->data, answer->size + size + 1);
	if (!grown)
		abort();
	answer->data = grown;
	memcpy(answer->data + answer->size, data, size);
	answer->size += size;
	return size;
}

static int is_interrupted(void *self, curl_off_t down_total, curl_off_t down, curl_off_t up_total, curl_off_t up)
{
	struct registry_http *http = self;

	(void)down_total, (void)down, (void)up_total, (void)up;
	return atomic_load(&http->is_interrupted);
}

static void begin_library(void)
{
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		abort();
}

struct registry_http *registry_http_new(const struct config *config)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct registry_http *http = calloc(1, sizeof *http);

	(void)pthread_once(&once, begin_library);
	if (!http)
		abort();
	http->config = config;
	http->curl = curl_easy_init();
	http->headers = curl_slist_append(NULL, "Content-Type: application/vnd.schemaregistry.v1+json");
	if (!http->curl || !http->headers)
		abort();
	return http;
}

void registry_http_free(struct registry_http *http)
{
	if (!http)
		return;
	curl_easy_cleanup(http->curl);
	curl_slist_free_all(http->headers);
	free(http);
}

void registry_http_interrupt(struct registry_http *http)
{
	atomic_store(&http->is_interrupted, true);
}

/* ---- credentials ---- */

/* Read anew each time: what lies in a file is renewed by others. The last line feed does not belong to it. */
static enum outcome read_file(const char *path, char credential[CREDENTIAL_SIZE_MAX], struct failure *reterr)
{
	FILE *file = fopen(path, "re");

	if (!file)
		return fail(reterr, OUTCOME_FATAL, WHERE, "could not read %s: %s", path, strerror(errno));
	size_t size = fread(credential, 1, CREDENTIAL_SIZE_MAX - 1, file);
	bool has_failed = ferror(file) || !feof(file);
	(void)fclose(file);
	while (size > 0 && (credential[size - 1] == '\n' || credential[size - 1] == '\r'))
		size--;
	credential[size] = '\0';
	if (has_failed || size == 0 || strlen(credential) != size || strpbrk(credential, "\r\n"))
		return fail(reterr, OUTCOME_FATAL, WHERE, "%s does not hold one line of text", path);
	return OUTCOME_OK;
}

/* `file` goes before the option's own text; NULL: none. */
static enum outcome find_credential(const char *file, const char *text, char buffer[CREDENTIAL_SIZE_MAX],
	const char **ret_credential, struct failure *reterr)
{
	*ret_credential = file ? buffer : text;
	return file ? read_file(file, buffer, reterr) : OUTCOME_OK;
}

static enum outcome set_credentials(struct registry_http *http, struct failure *reterr)
{
	const struct config *config = http->config;
	char token[CREDENTIAL_SIZE_MAX], password[CREDENTIAL_SIZE_MAX];
	const char *credential;
	enum outcome outcome =
		find_credential(config->registry_token_file, config->registry_token, token, &credential, reterr);

	if (outcome == OUTCOME_OK && credential) {
		curl_easy_setopt(http->curl, CURLOPT_HTTPAUTH, CURLAUTH_BEARER);
		curl_easy_setopt(http->curl, CURLOPT_XOAUTH2_BEARER, credential);
	}
	if (outcome != OUTCOME_OK || credential || !config->registry_user)
		return outcome;
	outcome = find_credential(
		config->registry_password_file, config->registry_password, password, &credential, reterr);
	if (outcome == OUTCOME_OK) {
		curl_easy_setopt(http->curl, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
		curl_easy_setopt(http->curl, CURLOPT_USERNAME, config->registry_user);
		curl_easy_setopt(http->curl, CURLOPT_PASSWORD, credential ? credential : "");
	}
	return outcome;
}

/* ---- one question ---- */

static void set_options(struct registry_http *http, const char *method, struct text body, char *error)
{
	const struct config *config = http->config;
	CURL *curl = http->curl;
	int64_t timeout = config->registry_timeout;
	int64_t connect_timeout = timeout < CONNECT_TIMEOUT_MAX ? timeout : CONNECT_TIMEOUT_MAX;

	curl_easy_reset(curl); /* connections stay */
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, error);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_USERAGENT, "drawdown/" DRAWDOWN_VERSION);
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)(connect_timeout / INSTANT_MILLISECOND));
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)(timeout / INSTANT_MILLISECOND));
	curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, is_interrupted);
	curl_easy_setopt(curl, CURLOPT_XFERINFODATA, http);
	curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, http->headers);
	if (config->registry_ca_file)
		curl_easy_setopt(curl, CURLOPT_CAINFO, config->registry_ca_file);
	curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
	if (body.data) {
		curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.size);
		curl_easy_setopt(curl, CURLOPT_COPYPOSTFIELDS, body.data);
	}
}

/* Trying again helps against what is the network's; against what is set up wrongly a human must. */
static enum outcome class_of(CURLcode code)
{
	switch (code) {
	case CURLE_URL_MALFORMAT:
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_WRITE_ERROR:
		return OUTCOME_FATAL;
	default:
		return OUTCOME_RETRY;
	}
}

/* A registry's own answer, as far as can be told without its end: what stands in its way has pages of its own. */
static bool is_what_was_asked_for(const struct registry_http *http)
{
	long status = 0;
	const char *type = NULL;

	curl_easy_getinfo(http->curl, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(http->curl, CURLINFO_CONTENT_TYPE, &type);
	return status == 200 && type && strstr(type, "json");
}

static enum outcome fail_transfer(const struct registry_http *http, const char *path, CURLcode code, const char *error,
	const struct answer *answer, struct failure *reterr)
{
	const char *name = http->config->registry_name;

	if (answer->is_too_long)
		return fail(reterr, answer->is_of_get && is_what_was_asked_for(http) ? OUTCOME_REJECT : OUTCOME_FATAL,
			WHERE, "registry %s answers %s with more than %d bytes", name, path, REGISTRY_ANSWER_SIZE_MAX);
	(void)fail(reterr, class_of(code), WHERE, "registry %s: %s", name, *error ? error : curl_easy_strerror(code));
	if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE)
		fail_hint(reterr, "registry.ca.file names the certificates to trust");
	return class_of(code);
}

enum outcome registry_http_ask(struct registry_http *http, const char *method, const char *path, struct text body,
	struct arena *arena, struct registry_reply *ret_reply, struct failure *reterr)
{
	char url[URL_SIZE], error[CURL_ERROR_SIZE] = "";
	struct answer answer = {.is_of_get = !body.data};
	const char *base = http->config->registry_url;
	int base_size = (int)strlen(base);

	while (base_size > 0 && base[base_size - 1] == '/')
		base_size--;
	if ((size_t)snprintf(url, sizeof url, "%.*s%s", base_size, base, path) >= sizeof url)
		return fail(reterr, OUTCOME_FATAL, WHERE, "the address of a question is too long");
	set_options(http, method, body, error);
	curl_easy_setopt(http->curl, CURLOPT_URL, url);
	curl_easy_setopt(http->curl, CURLOPT_WRITEDATA, &answer);
	enum outcome outcome = set_credentials(http, reterr);
	if (outcome != OUTCOME_OK)
		return outcome;
	CURLcode code = curl_easy_perform(http->curl);
	*ret_reply = (struct registry_reply){
		.body = arena_copy(arena, (struct text){answer.size ? answer.data : "", answer.size})};
	free(answer.data);
	if (code != CURLE_OK)
		return fail_transfer(http, path, code, error, &answer, reterr);
	curl_easy_getinfo(http->curl, CURLINFO_RESPONSE_CODE, &ret_reply->status);
	return OUTCOME_OK;
}
