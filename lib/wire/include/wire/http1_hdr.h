/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * http1_hdr: heads of HTTP/1.1 messages (RFC 9110, RFC 9112), checked once, strictly: what two
 * implementations might read differently is refused (request smuggling), and what is left has one
 * meaning.
 *
 * Pure functions over bytes at any alignment, which they do not change or keep. A head is looked at
 * twice at most: bytes as they come, for its end and for what no head may hold, from where the last
 * look ended; and once as a whole. What a verdict is does not depend on how the bytes arrive.
 */
#ifndef WIRE_HTTP1_HDR_H
#define WIRE_HTTP1_HDR_H

#include <stdbool.h>
#include <stdint.h>

enum http1_verdict {
	HTTP1_OK,
	HTTP1_MORE,	      /* all is well so far; the head has not ended */
	HTTP1_BAD,	      /* 400 */
	HTTP1_LONG_TARGET,    /* 414: the limit is reached before the request line has ended */
	HTTP1_LARGE,	      /* 431: too many bytes or fields */
	HTTP1_UNKNOWN_CODING, /* 501: a transfer coding before chunked (RFC 9112 6.1) */
	HTTP1_OTHER_VERSION,  /* 505: not HTTP/1 */
};

enum http1_method {
	HTTP1_GET,
	HTTP1_HEAD,
	HTTP1_POST,
	HTTP1_PUT,
	HTTP1_DELETE,
	HTTP1_CONNECT,
	HTTP1_OPTIONS,
	HTTP1_TRACE,
	HTTP1_PATCH,
	HTTP1_OTHER_METHOD, /* any other token */
};

/* RFC 9112 3.2 */
enum http1_target_form {
	HTTP1_ORIGIN,	 /* "/where?q": of every method but CONNECT */
	HTTP1_ABSOLUTE,	 /* "http://host/where?q" */
	HTTP1_AUTHORITY, /* "host:port": of CONNECT alone */
	HTTP1_ASTERISK,	 /* "*": of OPTIONS alone */
};

/* Fields that somebody asks for; the first of each can be found without a search. */
enum http1_name {
	HTTP1_OTHER_NAME,
	HTTP1_HOST,
	HTTP1_CONNECTION,
	HTTP1_CONTENT_LENGTH,
	HTTP1_TRANSFER_ENCODING,
	HTTP1_EXPECT,
	HTTP1_IF_NONE_MATCH,
	HTTP1_IF_MODIFIED_SINCE,
	HTTP1_RANGE,
	HTTP1_IF_RANGE,
	HTTP1_NAMES,
};

#define HTTP1_HEAD_MAX	 65535 /* bytes that a limit allows at most */
#define HTTP1_FIELDS_MAX 256   /* and fields */

/* Part of a head: `at` from the first byte that was given. */
struct http1_span {
	uint16_t at;
	uint16_t len;
};

/* The value is without the white space around it. */
struct http1_field {
	struct http1_span name;
	struct http1_span value;
};

struct http1_limits {
	uint32_t bytes; /* of a head, its empty line included; at most HTTP1_HEAD_MAX */
	uint16_t fields;
};

/* All of it is set by HTTP1_OK, and nothing otherwise. */
struct http1_request {
	uint32_t len; /* of the head: what follows is the body, or the next request */
	enum http1_method method;
	enum http1_target_form form;
	struct http1_span method_name;
	struct http1_span target;
	struct http1_span path; /* of the target, its query included; absolute: may be empty */
	uint64_t content_length;
	uint8_t minor; /* of HTTP/1.x */
	bool has_length;
	bool chunked;
	bool close;	 /* "Connection: close"; what else keeps one open is HTTP/1.1's default, */
	bool keep_alive; /* or this word in HTTP/1.0 */
	bool expects_continue; /* "Expect: 100-continue" */
	bool expects_other;    /* anything else: 417 (RFC 9110 10.1.1) */
	uint16_t n_fields;
	uint16_t known[HTTP1_NAMES]; /* number + 1 of the first field of that name; 0: none */
};

/*
 * A request's head at bytes[0, len). *seen: how far it was looked at before, 0 at first; it belongs
 * to the bytes and is kept from call to call while the verdict is HTTP1_MORE. One CRLF before the
 * request line is passed over (RFC 9112 2.2). field: room for limits->fields, set up to
 * r->n_fields.
 *
 * Beyond the grammar these are refused: a bare CR or LF, any other control character, white space
 * before a colon, a folded line (RFC 9112 5.2); no Host in HTTP/1.1, or more than one in any
 * (3.2); a Content-Length that is not one number (6.3; a list of equal ones may be refused, RFC
 * 9110 8.6); Content-Length beside Transfer-Encoding, and Transfer-Encoding in HTTP/1.0 (6.1); user
 * information in a target (RFC 9110 4.2.4).
 */
enum http1_verdict http1_hdr_request(const void *bytes, uint32_t len,
	const struct http1_limits *limits, uint32_t *seen, struct http1_request *r,
	struct http1_field *field);

/*
 * Whether a list of entity tags, the value of If-None-Match, names this strong one (with its
 * quotes) by weak comparison (RFC 9110 13.1.2), or is "*".
 */
bool http1_hdr_lists_tag(const char *list, uint32_t len, const char *tag, uint32_t tag_len);

enum http1_range {
	HTTP1_RANGE_WHOLE, /* none that we read (RFC 9110 14.2): all of it is the answer */
	HTTP1_RANGE_PART,
	HTTP1_RANGE_OUTSIDE, /* 416 */
};

/*
 * The value of Range, of something that has `size` bytes: one range of bytes (RFC 9110 14.1.2). Of
 * a PART, which is never empty, *first is its first byte and *n their number.
 */
enum http1_range http1_hdr_range(
	const char *text, uint32_t len, uint64_t size, uint64_t *first, uint64_t *n);

#define HTTP1_DATE_LEN 29 /* "Sun, 06 Nov 1994 08:49:37 GMT" */

/* Seconds since 1970, from 0 to the end of year 9999, as IMF-fixdate (RFC 9110 5.6.7). */
void http1_hdr_put_date(char to[HTTP1_DATE_LEN], int64_t unix_s);

/* An IMF-fixdate; false: it is none (the two obsolete forms are not read). */
bool http1_hdr_date(const char *text, uint32_t len, int64_t *unix_s);

#endif
