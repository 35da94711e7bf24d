/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * http_oracle: what http-parser makes of the same bytes. It is laxer than we are: what we accept it
 * has to accept, with the same method, target and fields. For tests only.
 */
#ifndef TESTS_HTTP_ORACLE_H
#define TESTS_HTTP_ORACLE_H

#include "wire/http1_hdr.h"

#include <http_parser.h>

#include <string.h>

struct http_oracle {
	const char *bytes;
	const struct http1_request *r;
	const struct http1_field *field;
	uint32_t fields;
	bool done; /* the head has ended */
	bool tabs; /* a value ends in one: it knows no coding before that (RFC 9110 5.6.3 does) */
	bool differs; /* from what we read */
};

static inline bool http_oracle_same(
	const struct http_oracle *o, const struct http1_span *ours, const char *at, size_t len)
{
	while (len > 0 && (at[len - 1] == ' ' || at[len - 1] == '\t'))
		len--;
	return ours->len == len && (len == 0 || o->bytes + ours->at == at);
}

static inline int http_oracle_url(http_parser *p, const char *at, size_t len)
{
	struct http_oracle *o = p->data;

	o->differs |= !http_oracle_same(o, &o->r->target, at, len);
	return 0;
}

static inline int http_oracle_name(http_parser *p, const char *at, size_t len)
{
	struct http_oracle *o = p->data;

	if (o->fields == o->r->n_fields)
		o->differs = true;
	else
		o->differs |= !http_oracle_same(o, &o->field[o->fields].name, at, len);
	o->fields++;
	return 0;
}

static inline int http_oracle_value(http_parser *p, const char *at, size_t len)
{
	struct http_oracle *o = p->data;

	o->tabs |= len > 0 && at[len - 1] == '\t';
	o->differs |= !http_oracle_same(o, &o->field[o->fields - 1].value, at, len);
	return 0;
}

/* Returns 1: no body is read. */
static inline int http_oracle_done(http_parser *p)
{
	struct http_oracle *o = p->data;

	o->done = true;
	o->differs |= strlen(http_method_str((enum http_method)p->method)) != o->r->method_name.len;
	o->differs |= p->http_major != 1 || p->http_minor != o->r->minor;
	o->differs |= !o->tabs && !(p->flags & F_CHUNKED) != !o->r->chunked;
	o->differs |= o->r->has_length && p->content_length != o->r->content_length;
	return 1;
}

/* Whether it agrees with a head that we accepted; of methods that it knows. */
static inline bool http_oracle_agrees(
	const char *bytes, const struct http1_request *r, const struct http1_field *field)
{
	const http_parser_settings calls = {.on_url = http_oracle_url,
		.on_header_field = http_oracle_name,
		.on_header_value = http_oracle_value,
		.on_headers_complete = http_oracle_done};
	struct http_oracle o = {.bytes = bytes, .r = r, .field = field};
	http_parser p;

	if (r->method == HTTP1_OTHER_METHOD)
		return true;
	http_parser_init(&p, HTTP_REQUEST);
	p.data = &o;
	http_parser_execute(&p, &calls, bytes, r->len);
	return o.done && !o.differs && o.fields == r->n_fields;
}

#endif
