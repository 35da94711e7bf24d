/* SPDX-License-Identifier: BSD-3-Clause */
/* From a request's head to the answer's. */
#include "http_reply.h"

#include <string.h>

#define PATH_MOST 1024 /* of a decoded path: files have no longer one */

static const struct {
	const char *words;
	uint8_t class;
} statuses[] = {
	[HTTP_200] = {"200 OK", 2},
	[HTTP_206] = {"206 Partial Content", 2},
	[HTTP_301] = {"301 Moved Permanently", 3},
	[HTTP_304] = {"304 Not Modified", 3},
	[HTTP_400] = {"400 Bad Request", 4},
	[HTTP_404] = {"404 Not Found", 4},
	[HTTP_405] = {"405 Method Not Allowed", 4},
	[HTTP_408] = {"408 Request Timeout", 4},
	[HTTP_413] = {"413 Content Too Large", 4},
	[HTTP_414] = {"414 URI Too Long", 4},
	[HTTP_416] = {"416 Range Not Satisfiable", 4},
	[HTTP_417] = {"417 Expectation Failed", 4},
	[HTTP_431] = {"431 Request Header Fields Too Large", 4},
	[HTTP_501] = {"501 Not Implemented", 5},
	[HTTP_503] = {"503 Service Unavailable", 5},
	[HTTP_505] = {"505 HTTP Version Not Supported", 5},
};

uint32_t http_reply_class(enum http_status s)
{
	return statuses[s].class;
}

/* --- paths --- */

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* A decoded path, whose dot segments are taken out as they end (RFC 3986 5.2.4). */
struct path {
	uint32_t len;
	char text[PATH_MOST + 2]; /* room for a slash that was left out */
};

/* Takes "/." and "/.." off the end, which a slash or the path's end follows; false: above the root.
 */
static bool undot(struct path *p, bool ends)
{
	uint32_t len = p->len;

	if (len >= 2 && memcmp(p->text + len - 2, "/.", 2) == 0) {
		p->len = len - 2;
	} else if (len >= 3 && memcmp(p->text + len - 3, "/..", 3) == 0) {
		p->len = len - 3;
		if (p->len == 0)
			return false;
		while (p->text[--p->len] != '/')
			;
	} else {
		return true;
	}
	if (ends) /* "/a/." is the directory */
		p->text[p->len++] = '/';
	return true;
}

/*
 * An encoded slash or NUL is no name's: of the first there is no file, of the second no path.
 */
static enum http_status decode(const char *from, uint32_t len, struct path *p)
{
	enum http_status found = HTTP_200;

	p->len = 0;
	for (uint32_t i = 0; i < len && from[i] != '?'; i++) {
		char c = from[i];

		if (c == '%') {
			int high = i + 2 < len ? hex(from[i + 1]) : -1;
			int low = i + 2 < len ? hex(from[i + 2]) : -1;

			if (high < 0 || low < 0)
				return HTTP_400;
			c = (char)(high << 4 | low);
			i += 2;
			if (c == '\0')
				return HTTP_400;
			if (c == '/')
				found = HTTP_404;
		} else if (c == '/' && !undot(p, false)) {
			return HTTP_400;
		}
		if (p->len == PATH_MOST)
			return HTTP_404;
		p->text[p->len++] = c;
	}
	if (p->len == 0) /* of an absolute target: "http://host" */
		p->text[p->len++] = '/';
	return undot(p, true) ? found : HTTP_400;
}

/*
 * A directory asked for without its slash: its page's links would lead elsewhere. Only the last
 * name is said, behind "./": whatever stands before it (two slashes, dots), it is on this host.
 */
static void redirect(struct http_reply *a, const char *path, uint32_t len)
{
	const char *query = memchr(path, '?', len), *end = query != NULL ? query : path + len;
	const char *slash = memrchr(path, '/', (size_t)(end - path));

	a->status = HTTP_301;
	a->directory = slash + 1;
	a->directory_len = (uint32_t)(end - slash - 1);
}

static void find(struct http_reply *a, const struct files *files, const char *head,
	const struct http1_request *r)
{
	uint32_t hash = FILES_HASH;
	struct path p;

	a->status = decode(head + r->path.at, r->path.len, &p);
	if (a->status != HTTP_200)
		return;
	for (uint32_t i = 0; i < p.len; i++)
		hash = files_hash(hash, p.text[i]);
	a->file = files_find(files, p.text, p.len, hash);
	if (a->file != NULL)
		return;
	p.text[p.len] = '/';
	if (files_find(files, p.text, p.len + 1, files_hash(hash, '/')) != NULL)
		redirect(a, head + r->path.at, r->path.len);
	else
		a->status = HTTP_404;
}

/* --- what to answer --- */

/* RFC 9110 13.2.2: tags decide where there are any, the date else. */
static bool is_known(const struct file *f, const char *head, const struct http1_request *r,
	const struct http1_field *field)
{
	uint16_t tags = r->known[HTTP1_IF_NONE_MATCH];
	uint16_t date = r->known[HTTP1_IF_MODIFIED_SINCE];
	const struct http1_span *v;
	int64_t since;

	if (tags != 0) {
		v = &field[tags - 1].value;
		return http1_hdr_lists_tag(head + v->at, v->len, f->tag, FILES_TAG_LEN);
	}
	if (date == 0)
		return false;
	v = &field[date - 1].value;
	return http1_hdr_date(head + v->at, v->len, &since) && f->modified <= since;
}

/*
 * RFC 9110 14.2: of GET alone, and unless If-Range names another version than this one (13.1.5: by
 * strong comparison; of a date, which may stand for two versions, it is taken to be another).
 */
static void choose_part(struct http_reply *a, const char *head, const struct http1_request *r,
	const struct http1_field *field)
{
	uint16_t range = r->known[HTTP1_RANGE], only_if = r->known[HTTP1_IF_RANGE];
	const struct http1_span *v;

	a->n = a->file->size;
	if (range == 0 || r->method != HTTP1_GET)
		return;
	if (only_if != 0) {
		v = &field[only_if - 1].value;
		if (v->len != FILES_TAG_LEN || memcmp(head + v->at, a->file->tag, v->len) != 0)
			return;
	}
	v = &field[range - 1].value;
	switch (http1_hdr_range(head + v->at, v->len, a->file->size, &a->first, &a->n)) {
	case HTTP1_RANGE_PART:
		a->status = HTTP_206;
		return;
	case HTTP1_RANGE_OUTSIDE:
		a->status = HTTP_416;
		a->n = 0;
		return;
	case HTTP1_RANGE_WHOLE:
		return;
	}
}

static enum http_status of_verdict(enum http1_verdict v)
{
	switch (v) {
	case HTTP1_LONG_TARGET:
		return HTTP_414;
	case HTTP1_LARGE:
		return HTTP_431;
	case HTTP1_UNKNOWN_CODING:
		return HTTP_501;
	case HTTP1_OTHER_VERSION:
		return HTTP_505;
	default:
		return HTTP_400;
	}
}

struct http_reply http_reply_to(enum http1_verdict v, const char *head,
	const struct http1_request *r, const struct http1_field *field, const struct files *files)
{
	struct http_reply a = {.status = HTTP_200};

	if (v != HTTP1_OK) {
		a.status = of_verdict(v);
		return a;
	}
	a.no_body = r->method == HTTP1_HEAD;
	if (files == NULL)
		a.status = HTTP_503;
	else if (r->method == HTTP1_OTHER_METHOD)
		a.status = HTTP_501;
	else if (r->method > HTTP1_HEAD)
		a.status = HTTP_405;
	else if (r->expects_other)
		a.status = HTTP_417;
	else
		find(&a, files, head, r);
	if (a.status != HTTP_200)
		return a;
	if (is_known(a.file, head, r, field)) {
		a.status = HTTP_304;
		a.no_body = true;
	} else {
		choose_part(&a, head, r, field);
	}
	return a;
}

/* --- how it is written --- */

static char *put(char *to, const char *words)
{
	size_t n = strlen(words);

	memcpy(to, words, n);
	return to + n;
}

static const char *connection_of(const struct http_reply *a)
{
	return a->last		? "Connection: close\r\n\r\n"
	       : a->keeps_alive ? "Connection: keep-alive\r\n\r\n"
				: "\r\n";
}

/* "HTTP/1.1 304 Not Modified" and its date, with the line's end. */
static char *begin(char *to, enum http_status s, const char date[HTTP1_DATE_LEN])
{
	to = put(to, "HTTP/1.1 ");
	to = put(to, statuses[s].words);
	to = put(to, "\r\nDate: ");
	memcpy(to, date, HTTP1_DATE_LEN);
	return put(to + HTTP1_DATE_LEN, "\r\n");
}

/* A file's own fields, without its length, in place of which stands that of the part. */
static char *write_part(char *to, const struct http_reply *a, const char date[HTTP1_DATE_LEN])
{
	const struct file *f = a->file;
	uint32_t type_at = FILES_DATE_AT + HTTP1_DATE_LEN + 2;

	to = begin(to, HTTP_206, date);
	memcpy(to, f->head + type_at, f->length_at - type_at);
	to += f->length_at - type_at;
	to += sprintf(to,
		"Content-Range: bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64
		"\r\nContent-Length: %" PRIu64 "\r\n",
		a->first, a->first + a->n - 1, f->size, a->n);
	memcpy(to, f->head + f->fields_at, f->head_len - f->fields_at);
	return put(to + f->head_len - f->fields_at, connection_of(a));
}

static char *write_words(char *to, const struct http_reply *a, const char date[HTTP1_DATE_LEN])
{
	size_t n = strlen(statuses[a->status].words) + 1;

	to = begin(to, a->status, date);
	if (a->status == HTTP_405)
		to = put(to, "Allow: GET, HEAD\r\n");
	if (a->status == HTTP_416)
		to += sprintf(to, "Content-Range: bytes */%" PRIu64 "\r\n", a->file->size);
	if (a->status == HTTP_301) {
		to = put(to, "Location: ./");
		memcpy(to, a->directory, a->directory_len);
		to = put(to + a->directory_len, "/\r\n");
	}
	to = put(to, "Content-Type: text/plain\r\nContent-Length: ");
	*to++ = (char)('0' + n / 10);
	*to++ = (char)('0' + n % 10);
	to = put(to, "\r\n");
	to = put(to, connection_of(a));
	return a->no_body ? to : put(put(to, statuses[a->status].words), "\n");
}

uint32_t http_reply_write(char *to, const struct http_reply *a, const char date[HTTP1_DATE_LEN])
{
	const struct file *f = a->file;
	char *end;

	if (a->status == HTTP_200) {
		memcpy(to, f->head, f->head_len);
		memcpy(to + FILES_DATE_AT, date, HTTP1_DATE_LEN);
		end = put(to + f->head_len, connection_of(a));
	} else if (a->status == HTTP_304) {
		end = begin(to, HTTP_304, date);
		memcpy(end, f->head + f->fields_at, f->head_len - f->fields_at);
		end = put(end + f->head_len - f->fields_at, connection_of(a));
	} else if (a->status == HTTP_206) {
		end = write_part(to, a, date);
	} else {
		end = write_words(to, a, date);
	}
	return (uint32_t)(end - to);
}
