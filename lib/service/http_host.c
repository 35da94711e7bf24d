/* SPDX-License-Identifier: BSD-3-Clause */
/* A worker's http service: memory, sites, and the beginning and end of connections' records. */
#include "http_host.h"

#include "base/numa.h"
#include "net/worker.h"

#include <stdlib.h>

#define WINDOW (32u << 10) /* of a connection: the largest head that http.head allows */

/* --- hosts and sites --- */

struct http_host *http_new(struct worker *w, uint32_t connections)
{
	struct http_host *h = calloc(1, sizeof(*h));

	if (h == NULL)
		return NULL;
	h->w = w;
	h->max = connections;
	h->conn = numa_reserve(connections * sizeof(*h->conn), w->node);
	if (h->conn != NULL)
		h->wheel = wheel_new(
			h->conn, sizeof(*h->conn), offsetof(struct http_conn, timer), 0, w->node);
	if (h->wheel == NULL) {
		http_free(h);
		return NULL;
	}
	http1_hdr_put_date(h->date, 0);
	return h;
}

void http_free(struct http_host *h)
{
	if (h == NULL)
		return;
	for (uint32_t i = 0; i < h->fresh; i++)
		free(h->conn[i].in);
	while (h->sites != NULL) {
		struct http_site *s = h->sites;

		h->sites = s->next;
		free(s);
	}
	wheel_free(h->wheel);
	if (h->conn != NULL)
		numa_drop(h->conn, h->max * sizeof(*h->conn));
	free(h);
}

void http_configure(struct http_host *h, const struct service_http_conf *c)
{
	h->set = *c;
	h->limits = (struct http1_limits){c->head_bytes, (uint16_t)c->fields};
}

void http_options(struct tcp_options *o)
{
	o->receive_buffer = WINDOW;
	o->nodelay = true; /* an answer is whole when it is sent */
}

struct http_site *http_site_open(struct http_host *h, struct files *files)
{
	struct http_site *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->host = h;
	s->next = h->sites;
	h->sites = s;
	http_site_give(s, files);
	return s;
}

void http_site_give(struct http_site *s, struct files *files)
{
	if (files != NULL)
		files_hold(files, s->host->w->id);
	if (s->files != NULL)
		files_give_up(s->files, s->host->w->id);
	s->files = files;
}

static void site_end(struct http_site *s)
{
	struct http_site **link = &s->host->sites;

	while (*link != s)
		link = &(*link)->next;
	*link = s->next;
	free(s);
}

void http_site_close(struct http_site *s)
{
	http_site_give(s, NULL);
	s->closed = true;
	if (s->conns == 0)
		site_end(s);
}

/* --- connections --- */

static uint32_t index_of(const struct http_host *h, const struct http_conn *k)
{
	return (uint32_t)(k - h->conn);
}

void http_conn_wake_in(struct http_conn *k, uint32_t ms)
{
	struct http_host *h = k->site->host;

	wheel_arm(h->wheel, index_of(h, k), h->now + ms);
}

struct http_conn *http_conn_new(struct http_site *s, struct tcp_conn *c)
{
	struct http_host *h = s->host;
	struct http_conn *k;

	if (h->free != 0) {
		k = &h->conn[h->free - 1];
		h->free = k->next_free;
	} else if (h->fresh < h->max) {
		k = &h->conn[h->fresh++];
	} else {
		return NULL;
	}
	k->c = c;
	k->site = s;
	k->since = h->now;
	k->requests = k->body_left = k->seen = 0;
	k->flags = 0;
	s->conns++;
	http_conn_wake_in(k, h->set.idle_ms);
	return k;
}

void http_conn_drop_waiting(struct http_conn *k)
{
	k->site->host->waiting -= k->in_room;
	free(k->in);
	k->in = NULL;
	k->in_len = k->in_room = k->seen = 0;
}

void http_conn_hold_file(struct http_conn *k, const struct file *f, uint64_t first, uint64_t n)
{
	k->file = f;
	k->files = k->site->files;
	k->at = first;
	k->end = first + n;
	files_hold(k->files, k->site->host->w->id);
}

void http_conn_drop_file(struct http_conn *k)
{
	if (k->file != NULL)
		files_give_up(k->files, k->site->host->w->id);
	k->file = NULL;
}

void http_conn_free(struct http_conn *k)
{
	struct http_site *s = k->site;
	struct http_host *h = s->host;

	if (k->in != NULL)
		http_conn_drop_waiting(k);
	http_conn_drop_file(k);
	wheel_cancel(h->wheel, index_of(h, k));
	k->next_free = h->free;
	h->free = index_of(h, k) + 1;
	if (--s->conns == 0 && s->closed)
		site_end(s);
}
