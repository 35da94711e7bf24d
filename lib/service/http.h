/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * http: HTTP/1.1 (RFC 9110, RFC 9112) for files: GET and HEAD, keep-alive, pipelining. For
 * lib/service and what tests and measures it.
 *
 * A worker has one host; each listener of the service has a site of it, which says whose files it
 * shows and is the `user` of the listener. All of it belongs to the worker's thread.
 */
#ifndef SERVICE_HTTP_H
#define SERVICE_HTTP_H

#include "service/service.h"

struct files;
struct http_host;
struct http_site;

/* For at most so many connections at once; memory is touched when they come. NULL: no memory. */
struct http_host *http_new(struct worker *w, uint32_t connections);
/* Connections are forgotten, sites freed. NULL is allowed. */
void http_free(struct http_host *h);
void http_configure(struct http_host *h, const struct service_http_conf *c);

/* NULL: no memory. files are held until others are given, or the site is closed. */
struct http_site *http_site_open(struct http_host *h, struct files *files);
void http_site_give(struct http_site *s, struct files *files);
/* Its connections end after their next answer, which is 503. */
void http_site_close(struct http_site *s);

/*
 * The time, in ms from any beginning and in seconds since 1970, and what it brings. Often:
 * time-outs are as exact as that.
 */
void http_clock(struct http_host *h, uint64_t now_ms, int64_t unix_s);

/* What a listener begins with: on_accept, whose user is the site. */
extern const struct tcp_ops tcp_http;

/* A listener's options: the window is what a connection may make us hold. */
void http_options(struct tcp_options *o);

#endif
