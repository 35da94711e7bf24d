/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * check_http: what is asked of a web server to see whether it is well, and its answer as it comes.
 *
 * Any bytes in any pieces; what is kept of them is bounded, and so is how much is read. Pure.
 */
#ifndef SERVICE_CHECK_HTTP_H
#define SERVICE_CHECK_HTTP_H

#include <stdbool.h>
#include <stdint.h>

#define CHECK_HTTP_WANT 256	     /* bytes of the text that is looked for, its end included */
#define CHECK_HTTP_HEAD (16u << 10)  /* bytes of heads that are read */
#define CHECK_HTTP_BODY (256u << 10) /* and of the body */
#define CHECK_HTTP_ASK	1024	     /* bytes that any question has */

enum check_http_verdict {
	CHECK_HTTP_MORE, /* nothing is certain yet */
	CHECK_HTTP_WELL,
	CHECK_HTTP_STATUS,   /* another status */
	CHECK_HTTP_BODY_NOT, /* the text is not in the body, or not in what is read of it */
	CHECK_HTTP_GARBAGE,  /* no HTTP/1, or a head beyond bounds */
};

struct check_http {
	const char *want; /* the caller's, as long as this is used; "": any body */
	uint16_t status_min, status_max;
	uint16_t status; /* of the answer, when it is known */
	uint8_t part;	 /* where we are (check_http.c) */
	bool chunked;
	bool is_long;	     /* this line is longer than `line` */
	uint32_t head, body; /* bytes read */
	uint64_t left;	     /* of the body or chunk; UINT64_MAX: to the end */
	uint32_t want_len, matched;
	uint32_t line_len;
	char line[64];
	uint8_t back[CHECK_HTTP_WANT]; /* by bytes matched: how many still are after a mismatch */
};

/* The question, and its length. host "": the address. path: begins with a slash. */
uint32_t check_http_ask(
	char to[CHECK_HTTP_ASK], const char *host, uint32_t addr, uint16_t port, const char *path);

/* want: shorter than CHECK_HTTP_WANT. */
void check_http_begin(
	struct check_http *h, uint16_t status_min, uint16_t status_max, const char *want);
/* More bytes; after a verdict other than MORE there is nothing to read any more. */
enum check_http_verdict check_http_read(struct check_http *h, const void *bytes, uint32_t n);
/* The server has closed: MORE is left of an answer that has not ended. */
enum check_http_verdict check_http_end(const struct check_http *h);

#endif
