/* SPDX-License-Identifier: BSD-3-Clause */
/* One function owns what a parameter of each type may be; the accessors after it cannot fail. */
#include "method.h"

#include "wire/eth_hdr.h"
#include "wire/ip4_addr.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const struct method *method_find(const struct registry *r, const char *name)
{
	for (size_t i = 0; i < r->n; i++)
		if (strcmp(r->list[i].name, name) == 0)
			return &r->list[i];
	return NULL;
}

static size_t param_count(const struct method *m)
{
	size_t n = 0;

	while (n < METHOD_PARAMS && m->params[n].name != NULL)
		n++;
	return n;
}

/* What may be given for a parameter, as a phrase. */
static const char *allowed(const struct param *p, char *text, size_t size)
{
	switch (p->type) {
	case PARAM_STRING:
		return "a string";
	case PARAM_INTEGER:
		snprintf(text, size, "a whole number from %lld to %lld", (long long)p->min,
			(long long)p->max);
		return text;
	case PARAM_BOOLEAN:
		return "true or false";
	case PARAM_CHOICE:
		snprintf(text, size, "one of %s", p->words);
		return text;
	case PARAM_ADDRESS:
		return "an IPv4 address, as \"198.18.1.1\"";
	case PARAM_ADDRESSES:
		snprintf(text, size, "a list of %lld to %lld IPv4 addresses, as [\"198.18.1.1\"]",
			(long long)p->min, (long long)p->max);
		return text;
	case PARAM_ENDPOINT:
		return "an IPv4 address and a port, as \"198.18.1.1:80\"";
	case PARAM_HOST:
		return "an IPv4 address, with a port or without, as \"198.18.1.1:80\"";
	case PARAM_PREFIX:
		return "an IPv4 prefix without bits beyond its length, as \"198.18.0.0/24\"";
	case PARAM_MAC:
		return "a MAC address of one station, as \"02:00:00:00:00:01\"";
	}
	return "";
}

static const char *type_name(enum param_type type)
{
	static const char *const names[] = {
		[PARAM_STRING] = "string",
		[PARAM_INTEGER] = "integer",
		[PARAM_BOOLEAN] = "boolean",
		[PARAM_CHOICE] = "choice",
		[PARAM_ADDRESS] = "address",
		[PARAM_ADDRESSES] = "addresses",
		[PARAM_ENDPOINT] = "endpoint",
		[PARAM_HOST] = "host",
		[PARAM_PREFIX] = "prefix",
		[PARAM_MAC] = "mac",
	};

	return names[type];
}

static void error_param(struct rpc_error *e, const char *param, const char *what)
{
	e->code = RPC_PARAMS;
	/* a name cut inside a character is no text: then the message has to do */
	e->data = json_pack(
		"{s:s#, s:s}", "parameter", param, (int)strnlen(param, 64), "allowed", what);
}

/* "a|b|c" holds word. */
static bool is_choice(const char *words, const char *word)
{
	size_t length = strlen(word);

	for (const char *at = words; at != NULL; at = strchr(at, '|')) {
		at += *at == '|';
		if (strncmp(at, word, length) == 0 && (at[length] == '|' || at[length] == 0))
			return length > 0 && memchr(word, '|', length) == NULL;
	}
	return false;
}

static bool is_address(const json_t *v)
{
	uint32_t addr;

	return json_is_string(v) && ip4_addr_parse(json_string_value(v), &addr);
}

static bool is_address_list(const struct param *p, const json_t *v)
{
	size_t i;
	json_t *one;

	if (!json_is_array(v) || (int64_t)json_array_size(v) < p->min ||
		(int64_t)json_array_size(v) > p->max)
		return false;
	json_array_foreach (v, i, one) {
		if (!is_address(one))
			return false;
	}
	return true;
}

static bool is_endpoint(const json_t *v)
{
	uint32_t addr;
	uint16_t port;

	return json_is_string(v) && ip4_endpoint_parse(json_string_value(v), &addr, &port);
}

static bool is_prefix(const json_t *v)
{
	struct ip4_prefix prefix;

	return json_is_string(v) &&
	       ip4_prefix_parse(json_string_value(v), &prefix) == IP4_PREFIX_OK;
}

static bool is_mac(const json_t *v)
{
	uint8_t mac[ETH_MAC_LEN];

	return json_is_string(v) && eth_mac_parse(json_string_value(v), mac) && eth_is_unicast(mac);
}

static bool value_fits(const struct param *p, const json_t *v)
{
	switch (p->type) {
	case PARAM_STRING:
		return json_is_string(v);
	case PARAM_INTEGER:
		return json_is_integer(v) && json_integer_value(v) >= p->min &&
		       json_integer_value(v) <= p->max;
	case PARAM_BOOLEAN:
		return json_is_boolean(v);
	case PARAM_CHOICE:
		return json_is_string(v) && is_choice(p->words, json_string_value(v));
	case PARAM_ADDRESS:
		return is_address(v);
	case PARAM_ADDRESSES:
		return is_address_list(p, v);
	case PARAM_ENDPOINT:
		return is_endpoint(v);
	case PARAM_HOST:
		return is_address(v) || is_endpoint(v);
	case PARAM_PREFIX:
		return is_prefix(v);
	case PARAM_MAC:
		return is_mac(v);
	}
	return false;
}

/* "prefix: "198.18.0.1/24" is not allowed": values are shown as JSON, cut to fit. */
static void error_value(struct rpc_error *e, const struct param *p, const json_t *value)
{
	char buffer[128];
	const char *what = allowed(p, buffer, sizeof(buffer));
	char *shown = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_ENSURE_ASCII);

	snprintf(e->message, sizeof(e->message), "%s: %.60s%s is not %s", p->name,
		shown != NULL ? shown : "", shown != NULL && strlen(shown) > 60 ? "..." : "", what);
	free(shown);
	error_param(e, p->name, what);
}

static void error_unknown(struct rpc_error *e, const struct method *m, const char *name)
{
	char list[256] = "no parameters";
	size_t at = 0;

	for (size_t i = 0; i < param_count(m); i++)
		at += (size_t)snprintf(
			list + at, sizeof(list) - at, "%s%s", i > 0 ? ", " : "", m->params[i].name);
	snprintf(e->message, sizeof(e->message), "%.60s: %s has no such parameter", name, m->name);
	error_param(e, name, list);
}

static const struct param *param_find(const struct method *m, const char *name)
{
	for (size_t i = 0; i < param_count(m); i++)
		if (strcmp(m->params[i].name, name) == 0)
			return &m->params[i];
	return NULL;
}

/* Values by position become values by name. */
static json_t *named(const struct method *m, const json_t *values, struct rpc_error *e)
{
	json_t *object;

	if (json_array_size(values) > param_count(m)) {
		snprintf(e->message, sizeof(e->message), "%s takes %zu parameters", m->name,
			param_count(m));
		e->code = RPC_PARAMS;
		return NULL;
	}
	object = json_object();
	for (size_t i = 0; i < json_array_size(values); i++)
		json_object_set(object, m->params[i].name, json_array_get(values, i));
	return object;
}

json_t *method_params(const struct method *m, const json_t *params, struct rpc_error *error)
{
	json_t *object = json_is_array(params)	  ? named(m, params, error)
			 : json_is_object(params) ? json_copy((json_t *)(uintptr_t)params)
						  : json_object();
	const char *name;
	json_t *value;

	if (object == NULL)
		return NULL;
	json_object_foreach (object, name, value) {
		const struct param *p = param_find(m, name);

		if (p != NULL && value_fits(p, value))
			continue;
		if (p != NULL)
			error_value(error, p, value);
		else
			error_unknown(error, m, name);
		goto bad;
	}
	for (const struct param *p = m->params; p < m->params + param_count(m); p++) {
		char text[128];

		if (!p->required || json_object_get(object, p->name) != NULL)
			continue;
		snprintf(error->message, sizeof(error->message), "%s: %s needs it", p->name,
			m->name);
		error_param(error, p->name, allowed(p, text, sizeof(text)));
		goto bad;
	}
	return object;
bad:
	json_decref(object);
	return NULL;
}

json_t *method_list(const struct registry *r)
{
	json_t *list = json_array();

	for (size_t i = 0; i < r->n; i++) {
		const struct method *m = &r->list[i];
		json_t *params = json_array();

		for (size_t k = 0; k < param_count(m); k++) {
			const struct param *p = &m->params[k];
			char text[128];

			json_array_append_new(params,
				json_pack("{s:s, s:s, s:b, s:s, s:s*}", "name", p->name, "type",
					type_name(p->type), "required", p->required, "allowed",
					allowed(p, text, sizeof(text)), "help", p->help));
		}
		json_array_append_new(
			list, json_pack("{s:s, s:s, s:b, s:o}", "name", m->name, "summary",
				      m->summary, "read_only", m->read_only, "params", params));
	}
	return list;
}

json_t *call_fail(struct call *call, enum rpc_code code, const char *fmt, ...)
{
	va_list ap;

	call->error.code = code;
	va_start(ap, fmt);
	vsnprintf(call->error.message, sizeof(call->error.message), fmt, ap);
	va_end(ap);
	return NULL;
}

json_t *call_fail_param(
	struct call *call, const char *param, const char *what, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(call->error.message, sizeof(call->error.message), fmt, ap);
	va_end(ap);
	error_param(&call->error, param, what);
	return NULL;
}

bool param_given(const struct call *call, const char *name)
{
	return json_object_get(call->params, name) != NULL;
}

const char *param_string(const struct call *call, const char *name, const char *otherwise)
{
	const json_t *v = json_object_get(call->params, name);

	return v != NULL ? json_string_value(v) : otherwise;
}

int64_t param_integer(const struct call *call, const char *name, int64_t otherwise)
{
	const json_t *v = json_object_get(call->params, name);

	return v != NULL ? json_integer_value(v) : otherwise;
}

bool param_boolean(const struct call *call, const char *name)
{
	return json_is_true(json_object_get(call->params, name));
}

uint32_t param_address(const struct call *call, const char *name)
{
	uint32_t addr = 0;

	ip4_addr_parse(param_string(call, name, "0.0.0.0"), &addr);
	return addr;
}

void param_endpoint(const struct call *call, const char *name, uint32_t *addr, uint16_t *port)
{
	*addr = *port = 0;
	if (!ip4_endpoint_parse(param_string(call, name, ""), addr, port)) {
		*port = 0;
		ip4_addr_parse(param_string(call, name, "0.0.0.0"), addr);
	}
}

void param_prefix(const struct call *call, const char *name, uint32_t *prefix, uint8_t *depth)
{
	struct ip4_prefix p = {0};

	ip4_prefix_parse(param_string(call, name, "0.0.0.0/0"), &p);
	*prefix = p.addr;
	*depth = p.len;
}

void param_mac(const struct call *call, const char *name, uint8_t mac[6])
{
	memset(mac, 0, ETH_MAC_LEN);
	eth_mac_parse(param_string(call, name, ""), mac);
}

uint32_t param_addresses(const struct call *call, const char *name, uint32_t *list, uint32_t max)
{
	const json_t *v = json_object_get(call->params, name);
	uint32_t n = 0;

	for (; n < json_array_size(v) && n < max; n++)
		ip4_addr_parse(json_string_value(json_array_get(v, n)), &list[n]);
	return n;
}
