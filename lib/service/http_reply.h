/* SPDX-License-Identifier: BSD-3-Clause */
/* http_reply: what a request is answered, and how that is written. For http.c alone. */
#ifndef SERVICE_HTTP_REPLY_H
#define SERVICE_HTTP_REPLY_H

#include "files.h"
#include "wire/http1_hdr.h"

enum http_status {
	HTTP_200,
	HTTP_206,
	HTTP_301,
	HTTP_304,
	HTTP_400,
	HTTP_404,
	HTTP_405,
	HTTP_408,
	HTTP_413,
	HTTP_414,
	HTTP_416,
	HTTP_417,
	HTTP_431,
	HTTP_501,
	HTTP_503,
	HTTP_505,
};

struct http_reply {
	enum http_status status;
	const struct file *file; /* of 200, 206, 304 and 416 */
	uint64_t first;		 /* of its bytes, the first */
	uint64_t n;		 /* and how many are the body; 0: a few words, or none */
	const char *directory;	 /* of 301: its name, as in the request's head; */
	uint32_t directory_len;	 /* at most 3 * NAME_MAX */
	bool no_body;		 /* HEAD */
	bool last;		 /* says "Connection: close" */
	bool keeps_alive;	 /* says "Connection: keep-alive", as HTTP/1.0 has to be told */
};

/* Of 100: 2 for 200, and so on. */
uint32_t http_reply_class(enum http_status s);

/*
 * To a head with this verdict (what else is given counts only if it is HTTP1_OK): status, file and
 * no_body. files: NULL, there are none any more.
 */
struct http_reply http_reply_to(enum http1_verdict v, const char *head,
	const struct http1_request *r, const struct http1_field *field, const struct files *files);

/*
 * Writes a reply's head to `to`, and the few words of a body that is no file. date: now. Returns
 * its length: of 200 at most the file's head_len and 26, of others 1,000.
 */
uint32_t http_reply_write(char *to, const struct http_reply *a, const char date[HTTP1_DATE_LEN]);

#endif
