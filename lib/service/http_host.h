/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * http_host: what a worker's http service remembers: its sites, and a record of each connection,
 * found by TCP's user pointer. For http.c and http_host.c alone.
 */
#ifndef SERVICE_HTTP_HOST_H
#define SERVICE_HTTP_HOST_H

#include "base/wheel.h"
#include "http.h"
#include "http_reply.h"

#include <stdalign.h>
#include <stddef.h>

enum {
	IS_LAST = 1,	 /* no request is read any more; then it closes, */
	LINGERS = 2,	 /* but not before the peer, unless that takes long */
	IS_SHUT = 4,	 /* it has done its part of that */
	PEER_CLOSED = 8, /* no byte will come */
	STARVES = 16,	 /* no buffer: again in a while */
};

/* 128 bytes; what a small answer touches is the first line. */
struct http_conn {
	alignas(64) struct tcp_conn *c;
	struct http_site *site;
	struct wheel_timer timer;
	uint32_t since; /* ms: the last request, or progress, or the beginning of half a head */
	uint32_t requests;
	uint32_t body_left; /* of a request that was answered: to be passed over */
	uint32_t in_len;    /* bytes aside */
	uint32_t seen;	    /* http1_hdr_request()'s */
	uint8_t flags;

	alignas(64) char *in; /* bytes aside, not consumed; NULL: none */
	uint32_t in_room;
	uint32_t next_free;	 /* index + 1 */
	const struct file *file; /* on its way; NULL: none */
	struct files *files;	 /* it is of these */
	uint64_t at;		 /* the next byte of it, */
	uint64_t end;		 /* and the first that is not asked for */
};
_Static_assert(offsetof(struct http_conn, in) == 64, "a small answer touches one line");
_Static_assert(sizeof(struct http_conn) == 128, "384 bytes with TCP's");

struct http_site {
	struct http_host *host;
	struct files *files; /* held; NULL: closed */
	uint32_t conns;
	bool closed;
	struct http_site *next;
};

struct http_host {
	struct worker *w;
	struct tcp *t;
	struct http1_limits limits;
	struct service_http_conf set;
	uint64_t began; /* ms; 0: not yet */
	uint32_t now;	/* ms since then */
	uint32_t waiting;
	char date[HTTP1_DATE_LEN];
	int64_t unix_s;
	struct wheel *wheel;
	struct http_conn *conn;
	uint32_t fresh; /* never used from here on */
	uint32_t free;	/* index + 1 */
	uint32_t max;
	struct http_site *sites;
	struct http1_request request;
	struct http1_field field[HTTP1_FIELDS_MAX];
};

/* A record for a connection that a site has accepted; NULL: all are in use. */
struct http_conn *http_conn_new(struct http_site *s, struct tcp_conn *c);
/* The connection is TCP's alone, or gone. */
void http_conn_free(struct http_conn *k);
/* Its timer fires so much later. */
void http_conn_wake_in(struct http_conn *k, uint32_t ms);
/* What is aside. */
void http_conn_drop_waiting(struct http_conn *k);
/* n bytes of a file on their way: holds the site's files, or gives them up. */
void http_conn_hold_file(struct http_conn *k, const struct file *f, uint64_t first, uint64_t n);
void http_conn_drop_file(struct http_conn *k);

#endif
