/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The question is HTTP/1.1's, with "Connection: close"; of the answer (RFC 9112) the status, two
 * fields and the body are read, byte by byte: the text may lie across any two pieces or chunks.
 */
#include "check_http.h"

#include "wire/ip4_addr.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum part {
	STATUS_LINE,
	FIELDS,
	BODY, /* by its length, or to the end */
	CHUNK_SIZE,
	CHUNK,
	CHUNK_END, /* the line end behind it */
	OVER,	   /* nothing of the body is left */
};

uint32_t check_http_ask(
	char to[CHECK_HTTP_ASK], const char *host, uint32_t addr, uint16_t port, const char *path)
{
	char text[IP4_ADDR_TEXT], own[IP4_ADDR_TEXT + 8];

	snprintf(own, sizeof(own), "%s:%u", ip4_addr_text(addr, text), port);
	return (uint32_t)snprintf(to, CHECK_HTTP_ASK,
		"GET %s HTTP/1.1\r\n"
		"Host: %s\r\n"
		"User-Agent: millrace-check\r\n"
		"Accept: */*\r\n"
		"Connection: close\r\n\r\n",
		path, host[0] != '\0' ? host : own);
}

/* Knuth, Morris and Pratt: so that what was read need not be kept. */
static void find_borders(struct check_http *h)
{
	uint32_t border = 0;

	h->back[0] = 0;
	for (uint32_t i = 1; i < h->want_len; i++) {
		while (border > 0 && h->want[i] != h->want[border])
			border = h->back[border - 1];
		border += h->want[i] == h->want[border];
		h->back[i] = (uint8_t)border;
	}
}

void check_http_begin(
	struct check_http *h, uint16_t status_min, uint16_t status_max, const char *want)
{
	memset(h, 0, sizeof(*h));
	h->want = want;
	h->want_len = (uint32_t)strnlen(want, CHECK_HTTP_WANT - 1);
	h->status_min = status_min;
	h->status_max = status_max;
	find_borders(h);
}

/* --- the head --- */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* "HTTP/1.1 200 OK" */
static enum check_http_verdict status_line(struct check_http *h)
{
	const char *p = h->line;

	if (h->line_len < 12 || memcmp(p, "HTTP/1.", 7) != 0 || !is_digit(p[7]) || p[8] != ' ' ||
		!is_digit(p[9]) || !is_digit(p[10]) || !is_digit(p[11]) ||
		(h->line_len > 12 && p[12] != ' '))
		return CHECK_HTTP_GARBAGE;
	h->status = (uint16_t)((p[9] - '0') * 100 + (p[10] - '0') * 10 + (p[11] - '0'));
	h->left = UINT64_MAX;
	h->part = FIELDS;
	if (h->status < 100)
		return CHECK_HTTP_GARBAGE;
	if (h->status >= 200 && (h->status < h->status_min || h->status > h->status_max))
		return CHECK_HTTP_STATUS;
	return CHECK_HTTP_MORE;
}

/* A number of a base, which something else or nothing may follow; false: it is none. */
static bool number(const char *p, uint32_t len, uint32_t base, uint64_t *v)
{
	uint32_t i = 0;

	for (*v = 0; i < len; i++) {
		char c = p[i] | 0x20;
		uint32_t digit = is_digit(p[i])		? (uint32_t)(p[i] - '0')
				 : c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a' + 10)
							: 16;

		if (digit >= base)
			break;
		if (*v > UINT32_MAX) /* more than is read of any body */
			return true;
		*v = *v * base + digit;
	}
	return i > 0;
}

/* The value of a field of this name, or NULL. */
static const char *value_of(const struct check_http *h, const char *name)
{
	size_t n = strlen(name);
	const char *p = h->line + n;

	if (h->line_len < n || strncasecmp(h->line, name, n) != 0)
		return NULL;
	while (p < h->line + h->line_len && (*p == ' ' || *p == '\t'))
		p++;
	return p;
}

static enum check_http_verdict field_line(struct check_http *h)
{
	const char *end = h->line + h->line_len, *v;

	if (h->line_len == 0) {
		if (h->status < 200) { /* more is to come (RFC 9110 15.2) */
			h->part = STATUS_LINE;
			return CHECK_HTTP_MORE;
		}
		h->part = h->chunked ? CHUNK_SIZE : BODY;
		return h->want_len == 0 ? CHECK_HTTP_WELL : CHECK_HTTP_MORE;
	}
	v = value_of(h, "content-length:");
	if (v != NULL && !number(v, (uint32_t)(end - v), 10, &h->left))
		return CHECK_HTTP_GARBAGE;
	v = value_of(h, "transfer-encoding:");
	if (v != NULL && end - v >= 7 && strncasecmp(v, "chunked", 7) == 0)
		h->chunked = true;
	return CHECK_HTTP_MORE;
}

/* --- lines --- */

static enum check_http_verdict chunk_line(struct check_http *h)
{
	h->head = 0; /* a chunk has a byte at least, and these are counted */
	if (h->part == CHUNK_END) {
		h->part = CHUNK_SIZE;
		return h->line_len == 0 ? CHECK_HTTP_MORE : CHECK_HTTP_GARBAGE;
	}
	if (!number(h->line, h->line_len, 16, &h->left))
		return CHECK_HTTP_GARBAGE;
	h->part = h->left == 0 ? OVER : CHUNK;
	return CHECK_HTTP_MORE;
}

/* A line feed ends a line; a carriage return before it is no part of it (RFC 9112 2.2). */
static enum check_http_verdict line_byte(struct check_http *h, char c)
{
	enum check_http_verdict v;

	if (++h->head > CHECK_HTTP_HEAD)
		return CHECK_HTTP_GARBAGE;
	if (c != '\n') {
		if (h->line_len < sizeof(h->line))
			h->line[h->line_len++] = c;
		else
			h->is_long = true;
		return CHECK_HTTP_MORE;
	}
	if (!h->is_long && h->line_len > 0 && h->line[h->line_len - 1] == '\r')
		h->line_len--;
	v = h->part == STATUS_LINE ? status_line(h)
	    : h->part == FIELDS	   ? field_line(h)
				   : chunk_line(h);
	h->line_len = 0;
	h->is_long = false;
	return v;
}

/* --- the body --- */

static enum check_http_verdict body_byte(struct check_http *h, char c)
{
	if (h->left == 0 || ++h->body > CHECK_HTTP_BODY)
		return CHECK_HTTP_BODY_NOT;
	while (h->matched > 0 && c != h->want[h->matched])
		h->matched = h->back[h->matched - 1];
	h->matched += c == h->want[h->matched];
	if (h->matched == h->want_len)
		return CHECK_HTTP_WELL;
	if (h->left != UINT64_MAX && --h->left == 0)
		h->part = h->part == CHUNK ? CHUNK_END : OVER;
	return CHECK_HTTP_MORE;
}

enum check_http_verdict check_http_read(struct check_http *h, const void *bytes, uint32_t n)
{
	const char *p = bytes;
	enum check_http_verdict v = CHECK_HTTP_MORE;

	for (uint32_t i = 0; i < n && v == CHECK_HTTP_MORE && h->part != OVER; i++)
		v = h->part == BODY || h->part == CHUNK ? body_byte(h, p[i]) : line_byte(h, p[i]);
	if (v == CHECK_HTTP_MORE && (h->part == OVER || (h->part == BODY && h->left == 0)))
		return CHECK_HTTP_BODY_NOT;
	return v;
}

enum check_http_verdict check_http_end(const struct check_http *h)
{
	return h->part == BODY && h->left == UINT64_MAX ? CHECK_HTTP_BODY_NOT : CHECK_HTTP_MORE;
}
