/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * http: connections, from bytes to replies.
 *
 * A request is read where it arrived and answered at once. What cannot be answered yet is copied
 * aside: half a head; and requests behind a file that is still on its way, or without a buffer for
 * the answer, which stay unread for TCP, so that the peer's window closes. One connection thus
 * makes us hold no more than a head and the window that it is offered, all of a worker no more than
 * http.waiting.
 *
 * Time costs a request one store: a timer that fires looks when something last happened.
 */
#include "http_host.h"
#include "net/worker.h"

#include <stdlib.h>

#define WAITING_LEAST 512u /* bytes of the first copy aside */
/* Bytes of an answer that are copied: of 800, 700 cycles, where a reference takes 1,100. */
#define COPY_UPTO 1400u
#define FEED_ROOM FILES_PIECE /* of the send queue, for the next part of a file */
#define LINGER_MS 2000	      /* for a peer that has our last words to close (RFC 9112 9.6) */
#define RETRY_MS  20	      /* without a buffer */
#define DUE_MOST  64	      /* timers in one call */

static const struct tcp_ops ops;

static void conn_close(struct http_conn *k, bool abort)
{
	struct tcp *t = k->site->host->t;
	struct tcp_conn *c = k->c;

	http_conn_free(k);
	if (abort) {
		tcp_abort(t, c);
		return;
	}
	tcp_consumed(t, c, UINT32_MAX); /* what is left unread is known to be of no use */
	tcp_close(t, c);
}

/* No buffer, or no room among all that is queued: nobody will tell us when there is. */
static void starve(struct http_conn *k)
{
	k->flags |= STARVES;
	k->site->host->w->count[COUNT_http_starved]++;
	http_conn_wake_in(k, RETRY_MS);
}

/* Where memory is short, a queue that runs empty gets more than its share: else it would stop. */
static bool has_room(const struct http_conn *k, uint32_t bytes)
{
	const struct tcp *t = k->site->host->t;

	return tcp_send_room(t, k->c) >= bytes || tcp_send_low(t, k->c);
}

/* It waits for us, or for the peer to read: whole requests may be aside. */
static bool is_held_up(const struct http_conn *k)
{
	return k->file != NULL || (k->flags & STARVES) ||
	       (k->in_len > 0 && !has_room(k, COPY_UPTO));
}

/* After anything: the end, if it is due. k may be gone then. */
static void settle(struct http_conn *k)
{
	if (likely((k->flags & (IS_LAST | PEER_CLOSED)) == 0) || is_held_up(k))
		return;
	if (!(k->flags & LINGERS) || (k->flags & PEER_CLOSED)) {
		conn_close(k, false);
	} else if (!(k->flags & IS_SHUT)) {
		k->flags |= IS_SHUT;
		k->since = k->site->host->now;
		tcp_shutdown(k->site->host->t, k->c);
		http_conn_wake_in(k, LINGER_MS);
	}
}

/* --- answers --- */

/* Parts of the file, as far as the queue takes them; on_sent() goes on. */
static void feed(struct http_conn *k)
{
	struct http_host *h = k->site->host;

	while (k->file != NULL && has_room(k, FEED_ROOM)) {
		uint64_t left = k->end - k->at;
		struct rte_mbuf *m = NULL;
		uint32_t n;

		if (files_may_attach(k->files, h->w->id))
			m = rte_pktmbuf_alloc(h->w->pool);
		if (m == NULL) {
			starve(k);
			return;
		}
		n = files_attach(
			k->files, k->file, h->w->id, k->at, (uint32_t)RTE_MIN(left, FEED_ROOM), m);
		if (tcp_send(h->t, k->c, m, n < left ? TCP_SEND_MORE : 0) != 0) {
			rte_pktmbuf_free(m);
			starve(k);
			return;
		}
		k->at += n;
		if (n == left)
			http_conn_drop_file(k);
	}
}

/* False: there is no buffer, or no room; nothing has happened. */
static bool reply(struct http_conn *k, const struct http_reply *a)
{
	struct http_host *h = k->site->host;
	bool body = a->n > 0 && !a->no_body;
	struct rte_mbuf *m = rte_pktmbuf_alloc(h->w->pool);
	bool fits = true;
	uint32_t n;

	if (unlikely(m == NULL))
		return false;
	n = http_reply_write(rte_pktmbuf_mtod(m, char *), a, h->date);
	if (body) {
		fits = n + a->n <= RTE_MIN(COPY_UPTO, rte_pktmbuf_tailroom(m));
		if (fits) {
			memcpy(rte_pktmbuf_mtod_offset(m, char *, n), a->file->body + a->first,
				a->n);
			n += (uint32_t)a->n;
		}
	}
	m->data_len = (uint16_t)n;
	m->pkt_len = n;
	if (unlikely(tcp_send(h->t, k->c, m, fits ? 0 : TCP_SEND_MORE) != 0)) {
		rte_pktmbuf_free(m);
		return false;
	}
	h->w->count[COUNT_http_2xx + http_reply_class(a->status) - 2]++;
	if (!fits) { /* the body does not go with its head: it follows by reference */
		http_conn_hold_file(k, a->file, a->first, a->n);
		feed(k);
	}
	return true;
}

/* Our last words, whatever was asked: nothing more is read. */
static void refuse(struct http_conn *k, enum http_status s)
{
	k->flags |= IS_LAST | LINGERS;
	if (!reply(k, &(struct http_reply){.status = s, .last = true}))
		k->flags &= (uint8_t)~LINGERS; /* they are not even said */
	if (k->in != NULL)
		http_conn_drop_waiting(k);
	k->body_left = 0;
	tcp_consumed(k->site->host->t, k->c, UINT32_MAX);
}

/* What follows the head: how much of it is passed over, and whether another request may come. */
static void look_behind(struct http_conn *k, const struct http1_request *r, struct http_reply *a,
	uint8_t *flags, uint32_t *body)
{
	const struct service_http_conf *set = &k->site->host->set;

	*flags = 0;
	*body = (uint32_t)RTE_MIN(r->content_length, (uint64_t)UINT32_MAX);
	if (r->content_length > set->body_bytes)
		*a = (struct http_reply){.status = HTTP_413, .no_body = a->no_body};
	if (r->close || (r->minor == 0 && !r->keep_alive))
		*flags = *body == 0 ? IS_LAST : IS_LAST | LINGERS;
	if (*body > set->body_bytes || r->chunked || (r->expects_continue && *body != 0) ||
		k->requests + 1 >= set->requests || k->site->files == NULL)
		*flags = IS_LAST | LINGERS; /* it may be sending */
	a->last = *flags != 0;
	a->keeps_alive = r->minor == 0;
}

/* False: not now, again later. */
static bool answer(struct http_conn *k, const char *p, enum http1_verdict v)
{
	struct http_host *h = k->site->host;
	const struct http1_request *r = &h->request;
	struct http_reply a = http_reply_to(v, p, r, h->field, k->site->files);
	uint8_t flags = IS_LAST | LINGERS;
	uint32_t body = 0;

	if (likely(v == HTTP1_OK))
		look_behind(k, r, &a, &flags, &body);
	else
		a.last = true;
	if (unlikely(!has_room(k, COPY_UPTO)))
		return false;
	if (unlikely(!reply(k, &a))) {
		starve(k);
		return false;
	}
	h->w->count[v == HTTP1_OK ? COUNT_http_requests : COUNT_http_heads_refused]++;
	k->since = h->now;
	k->requests++;
	k->body_left = flags & IS_LAST ? 0 : body;
	k->flags |= flags;
	return true;
}

/* --- bytes --- */

/*
 * Requests in p[0, len) are answered while one may be. Returns how many bytes are done with; after
 * the last request all are.
 */
static uint32_t serve(struct http_conn *k, const char *p, uint32_t len)
{
	struct http_host *h = k->site->host;
	uint32_t at = 0;

	while (at < len && !(k->flags & (IS_LAST | STARVES)) && k->file == NULL) {
		enum http1_verdict v;

		if (k->body_left > 0) {
			uint32_t part = RTE_MIN(k->body_left, len - at);

			k->body_left -= part;
			at += part;
			continue;
		}
		v = http1_hdr_request(
			p + at, len - at, &h->limits, &k->seen, &h->request, h->field);
		if (v == HTTP1_MORE || !answer(k, p + at, v))
			break;
		k->seen = 0;
		at = v == HTTP1_OK ? at + h->request.len : len;
	}
	return k->flags & IS_LAST ? len : at;
}

static bool make_room(struct http_conn *k, uint32_t more)
{
	struct http_host *h = k->site->host;
	uint32_t room = RTE_MAX(rte_align32pow2(k->in_len + more), WAITING_LEAST);
	char *in;

	if (k->in_len + more <= k->in_room)
		return true;
	if (h->waiting + room - k->in_room > h->set.waiting_bytes)
		return false;
	in = realloc(k->in, room);
	if (in == NULL)
		return false;
	h->waiting += room - k->in_room;
	k->in = in;
	k->in_room = room;
	return true;
}

/* Puts a chain's bytes from `from` on aside; false: there is no room for them. */
static bool put_aside(struct http_conn *k, const struct rte_mbuf *m, uint32_t from)
{
	if (!make_room(k, m->pkt_len - from))
		return false;
	if (k->in_len == 0)
		k->since = k->site->host->now;
	for (; m != NULL; m = m->next, from = 0) {
		memcpy(k->in + k->in_len, rte_pktmbuf_mtod_offset(m, const char *, from),
			m->data_len - from);
		k->in_len += m->data_len - from;
	}
	return true;
}

/* The same of what is aside. */
static uint32_t serve_waiting(struct http_conn *k)
{
	uint32_t used = serve(k, k->in, k->in_len);

	if (used == k->in_len) {
		http_conn_drop_waiting(k);
	} else if (used > 0) {
		k->in_len -= used;
		memmove(k->in, k->in + used, k->in_len);
	}
	return used;
}

/* It waits for the rest of a head or of a body. */
static bool is_half(const struct http_conn *k)
{
	return (k->in_len > 0 || k->body_left > 0) && !is_held_up(k);
}

/*
 * Of bytes that came, these are done with. Half a head is read, too, as far as TCP is concerned:
 * unread small segments are few (tcp.h), and who writes a head in many would not get to its end.
 */
static void consumed(struct http_conn *k, uint32_t used)
{
	tcp_consumed(k->site->host->t, k->c, is_half(k) ? UINT32_MAX : used);
}

/* At the end of each event; k may be gone then. */
static void rest(struct http_conn *k)
{
	const struct http_host *h = k->site->host;

	/* half of something has begun just now, and is waited for less long than the next request
	 */
	if (unlikely(is_half(k)) && k->since == h->now && !(k->flags & IS_LAST))
		http_conn_wake_in(k, h->set.head_ms);
	settle(k);
}

/* Whatever may have become possible. k may be gone then. */
static void go_on(struct http_conn *k)
{
	feed(k);
	if (k->in_len > 0)
		consumed(k, serve_waiting(k));
	rest(k);
}

/* --- what TCP tells --- */

static void on_accept(struct tcp *t, struct tcp_conn *c)
{
	struct http_site *s = tcp_user(c);
	struct http_conn *k;

	s->host->t = t;
	k = http_conn_new(s, c);
	if (k == NULL)
		tcp_abort(t, c);
	else
		tcp_set_user(c, &ops, k);
}

/* Too much waits on this worker: who would be next gives way. k may be gone then. */
static void overload(struct http_conn *k)
{
	if (k->file != NULL) { /* there is no place for words */
		conn_close(k, true);
		return;
	}
	refuse(k, HTTP_503);
	settle(k);
}

static void on_data(struct tcp *t, struct tcp_conn *c, struct rte_mbuf *m)
{
	struct http_conn *k = tcp_user(c);
	uint32_t used = 0, len = m->pkt_len;
	bool room = true;

	(void)t;
	if (likely(k->in_len == 0 && m->nb_segs == 1)) {
		used = serve(k, rte_pktmbuf_mtod(m, const char *), len);
		if (used < len)
			room = put_aside(k, m, used);
	} else if (k->flags & IS_LAST) {
		used = len;
	} else {
		room = put_aside(k, m, 0);
		if (room)
			used = serve_waiting(k);
	}
	rte_pktmbuf_free(m);
	consumed(k, used);
	if (likely(room))
		rest(k);
	else
		overload(k);
}

static void on_sent(struct tcp *t, struct tcp_conn *c, uint32_t bytes)
{
	struct http_conn *k = tcp_user(c);

	(void)t, (void)bytes;
	if (likely(k->file == NULL && k->in_len == 0 && !(k->flags & IS_SHUT)))
		return;
	if (is_held_up(k) || (k->flags & IS_SHUT))
		k->since = k->site->host->now;
	if (k->flags & IS_SHUT)
		http_conn_wake_in(k, LINGER_MS);
	else
		go_on(k);
}

/* Requests that came before it are answered still. */
static void on_close(struct tcp *t, struct tcp_conn *c)
{
	struct http_conn *k = tcp_user(c);

	(void)t;
	k->flags |= PEER_CLOSED;
	go_on(k);
}

static void on_end(struct tcp *t, struct tcp_conn *c, int error)
{
	(void)t, (void)error;
	http_conn_free(tcp_user(c));
}

const struct tcp_ops tcp_http = {.on_accept = on_accept};

static const struct tcp_ops ops = {
	.on_data = on_data, .on_sent = on_sent, .on_close = on_close, .on_end = on_end};

/* --- time --- */

/* Our last words, and our FIN, have arrived. */
static bool is_heard(const struct http_conn *k)
{
	struct tcp_info info;

	tcp_info(k->site->host->t, k->c, &info);
	return info.unsent == 0 && info.unacked == 0;
}

/* How long the connection may still be as it is; 0 or less: no longer. */
static int32_t patience(const struct http_conn *k)
{
	const struct http_host *h = k->site->host;
	uint32_t most = h->set.idle_ms;

	if (is_half(k))
		most = h->set.head_ms;
	else if ((k->flags & IS_SHUT) && is_heard(k))
		most = LINGER_MS;
	return (int32_t)(k->since + most - h->now);
}

static void out_of_patience(struct http_conn *k)
{
	struct http_host *h = k->site->host;

	h->w->count[COUNT_http_timeouts] += !(k->flags & IS_SHUT);
	if ((k->flags & IS_SHUT) || is_held_up(k)) {
		conn_close(k, true); /* it does not read */
		return;
	}
	if (k->body_left > 0) /* its request was answered: there is nothing to say twice */
		k->flags |= IS_LAST | LINGERS;
	else if (is_half(k))
		refuse(k, HTTP_408);
	else
		k->flags |= IS_LAST;
	k->body_left = 0;
	settle(k);
}

static void on_timer(struct http_conn *k)
{
	int32_t left = patience(k);

	if (left <= 0) {
		out_of_patience(k);
		return;
	}
	http_conn_wake_in(k, (uint32_t)left);
	if (k->flags & STARVES) {
		k->flags &= (uint8_t)~STARVES;
		go_on(k);
	}
}

void http_clock(struct http_host *h, uint64_t now_ms, int64_t unix_s)
{
	uint32_t due[DUE_MOST], n;

	if (unix_s != h->unix_s) {
		h->unix_s = unix_s;
		http1_hdr_put_date(h->date, unix_s);
	}
	if (h->began == 0)
		h->began = now_ms;
	if ((uint32_t)(now_ms - h->began) == h->now)
		return;
	h->now = (uint32_t)(now_ms - h->began);
	n = wheel_advance(h->wheel, h->now, due, DUE_MOST);
	for (uint32_t i = 0; i < n; i++)
		on_timer(&h->conn[due[i]]);
}
