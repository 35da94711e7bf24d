/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The socket service on a worker: carries out what the thread asks, and tells it what came.
 *
 * What there is to tell of a connection is gathered in its seat and told at the end of a pass, in
 * one message; a seat for which there is no room stays on the list. Callbacks do nothing else.
 */
#include "service/service.h"
#include "service/socket_service.h"
#include "sockets_seat.h"

#include "net/net.h"
#include "tcp/conn.h"
#include "tcp/stage.h"

#include <errno.h>
#include <stdlib.h>

struct seat *seat_new(void)
{
	struct seat *s = aligned_alloc(alignof(struct seat), sizeof(*s));

	if (s == NULL)
		return NULL;
	memset(s, 0, sizeof(*s));
	s->listener = -1;
	return s;
}

/* --- gathering --- */

void seat_tell(struct sockets_end *e, struct seat *s, uint16_t what)
{
	s->told.what |= what;
	if (s->listed)
		return;
	s->listed = true;
	s->next = NULL;
	if (e->last != NULL)
		e->last->next = s;
	else
		e->first = s;
	e->last = s;
}

static struct sockets_end *end_of(const struct tcp *t)
{
	return tcp_worker(t)->sockets;
}

uint32_t seat_free_buffers(struct rte_mbuf *m)
{
	uint32_t n = 0;

	for (; m != NULL; n++) {
		struct rte_mbuf *next = m->next;

		m->next = NULL;
		m->nb_segs = 1;
		rte_pktmbuf_free_seg(m);
		m = next;
	}
	return n;
}

static void names_of(struct tcp *t, struct seat *s, const struct tcp_conn *c)
{
	struct tcp_info i;

	tcp_info(t, c, &i);
	s->local = i.local;
	s->peer = i.remote;
	s->local_port = i.local_port;
	s->peer_port = i.remote_port;
}

/* A listener's connection. One that there is no room for is reset. */
static void on_accept(struct tcp *t, struct tcp_conn *c)
{
	struct seat *parent = tcp_user(c), *s = seat_new();

	if (s == NULL) {
		tcp_worker(t)->count[COUNT_tcp_no_memory]++;
		tcp_abort(t, c);
		return;
	}
	s->conn = c;
	s->parent = parent;
	s->worker = tcp_worker(t)->id;
	s->options = parent->options;
	s->options.cork = false; /* what a listener cannot hand down */
	names_of(t, s, c);
	tcp_set_user(c, &sockets_ops, s);
	if (++parent->waiting >= parent->backlog)
		tcp_listen_pause(t, parent->listener, true);
	seat_tell(end_of(t), s, SEAT_CHILD);
}

static void on_connect(struct tcp *t, struct tcp_conn *c)
{
	seat_tell(end_of(t), tcp_user(c), SEAT_OPEN);
}

/* We end it, for want of memory. */
static void give_up(struct tcp *t, struct seat *s)
{
	struct tcp_conn *c = s->conn;

	tcp_worker(t)->count[COUNT_tcp_no_memory]++;
	s->conn = NULL;
	s->told.error = ENOBUFS;
	seat_tell(end_of(t), s, SEAT_END);
	tcp_abort(t, c);
}

/*
 * The thread holds buffers until programs read. What all of them hold is bounded: who does not
 * read while there is no room any more loses his connection.
 */
static void on_data(struct tcp *t, struct tcp_conn *c, struct rte_mbuf *m)
{
	struct sockets_end *e = end_of(t);
	struct seat *s = tcp_user(c);

	if (e->held + m->nb_segs > e->held_most) {
		rte_pktmbuf_free(m);
		give_up(t, s);
		return;
	}
	e->held += m->nb_segs;
	if (s->in == NULL)
		s->in = m;
	else
		s->in_last->next = m;
	s->in_last = rte_pktmbuf_lastseg(m);
	seat_tell(e, s, SEAT_DATA);
}

static void on_sent(struct tcp *t, struct tcp_conn *c, uint32_t bytes)
{
	struct seat *s = tcp_user(c);

	s->told.n += bytes;
	seat_tell(end_of(t), s, SEAT_SENT);
}

static void on_close(struct tcp *t, struct tcp_conn *c)
{
	seat_tell(end_of(t), tcp_user(c), SEAT_FIN);
}

/* rcv_up counts from the peer's first sequence number, which its SYN has. */
static void on_urgent(struct tcp *t, struct tcp_conn *c)
{
	struct seat *s = tcp_user(c);

	s->told.mark = c->rcv_up - c->irs - 1;
	seat_tell(end_of(t), s, SEAT_URGENT);
}

static void on_end(struct tcp *t, struct tcp_conn *c, int error)
{
	struct seat *s = tcp_user(c);

	s->conn = NULL;
	s->told.error = (uint8_t)error;
	seat_tell(end_of(t), s, SEAT_END);
}

const struct tcp_ops sockets_ops = {
	.on_accept = on_accept,
	.on_connect = on_connect,
	.on_data = on_data,
	.on_sent = on_sent,
	.on_close = on_close,
	.on_urgent = on_urgent,
	.on_end = on_end,
};

/* --- carrying out --- */

static void ready(struct worker *w, struct seat *s, int rc)
{
	s->told.ready_error = (uint8_t)-rc;
	seat_tell(w->sockets, s, SEAT_READY);
}

static int listen_on(struct worker *w, struct seat *s, const struct ask *a)
{
	int rc = tcp_listen(
		w->stack, a->addr, a->port, RTE_MAX(a->n, 16u), &sockets_ops, s, &a->options.tcp);

	s->options = a->options;
	s->backlog = RTE_MAX(a->n, 1u);
	s->listener = rc < 0 ? -1 : rc;
	return rc < 0 ? rc : 0;
}

/* With a port of the program's own, answers may come to another worker: its business then. */
static int connect_to(struct worker *w, struct seat *s, const struct ask *a)
{
	uint32_t local = a->addr;
	uint16_t mtu;
	int rc;

	if (a->port != 0) {
		rc = tcp_stage_route(w, a->remote, &local, &mtu);
		if (rc < 0)
			return rc;
		s->told.owner = tcp_stage_owner(w, local, a->remote, a->port, a->remote_port);
		if (s->told.owner != w->id)
			return -EXDEV;
	}
	s->options = a->options;
	s->conn = tcp_connect(w->stack, a->addr, a->port, a->remote, a->remote_port, &sockets_ops,
		s, &a->options.tcp, &rc);
	if (s->conn == NULL)
		return rc;
	if (a->options.cork)
		tcp_set_cork(w->stack, s->conn, true);
	names_of(w->stack, s, s->conn);
	return 0;
}

/* False: the stack has no room now. */
static bool send_now(struct worker *w, struct seat *s, struct rte_mbuf *m, unsigned int flags)
{
	int rc = tcp_send_room(w->stack, s->conn) == 0 ? -ENOBUFS
						       : tcp_send(w->stack, s->conn, m, flags);

	if (rc == -ENOBUFS)
		return false;
	if (rc != 0)
		rte_pktmbuf_free(m);
	return true;
}

static void send_data(struct worker *w, struct seat *s, const struct ask *a)
{
	if (s->conn == NULL) {
		rte_pktmbuf_free(a->m);
	} else if (s->out != NULL || !send_now(w, s, a->m, a->flags)) {
		/* behind what waits; chains are joined, since what waits is sent at once */
		if (s->out == NULL) {
			s->out = a->m;
		} else if (rte_pktmbuf_chain(s->out, a->m) != 0) {
			rte_pktmbuf_free(a->m); /* a chain has 65,535 buffers at the most */
			give_up(w->stack, s);
		}
		s->send_flags = a->flags;
		seat_tell(w->sockets, s, 0);
	}
}

/* On the list for this: again at the end of each pass, until it goes. */
static bool still_waits(struct worker *w, struct seat *s)
{
	if (s->conn != NULL && !send_now(w, s, s->out, s->send_flags))
		return true;
	if (s->conn == NULL)
		rte_pktmbuf_free(s->out);
	else if (s->shuts)
		tcp_shutdown(w->stack, s->conn);
	s->out = NULL;
	w->tcp_waits = true;
	return false;
}

static void set_options(struct tcp *t, struct seat *s, const struct sock_options *o)
{
	const struct tcp_options *to = &o->tcp, *was = &s->options.tcp;

	if (s->conn == NULL)
		return;
	if (to->nodelay != was->nodelay)
		tcp_set_nodelay(t, s->conn, to->nodelay);
	if (o->cork != s->options.cork)
		tcp_set_cork(t, s->conn, o->cork);
	if (to->keepalive_idle_s != was->keepalive_idle_s ||
		to->keepalive_interval_s != was->keepalive_interval_s ||
		to->keepalive_probes != was->keepalive_probes)
		tcp_set_keepalive(t, s->conn, to->keepalive_idle_s, to->keepalive_interval_s,
			to->keepalive_probes);
	if (to->user_timeout_ms != was->user_timeout_ms)
		tcp_set_user_timeout(t, s->conn, to->user_timeout_ms);
	if (to->receive_buffer != was->receive_buffer || to->send_buffer != was->send_buffer)
		tcp_set_buffers(t, s->conn, to->receive_buffer, to->send_buffer);
	if (to->ttl != was->ttl || to->tos != was->tos)
		tcp_set_ttl_tos(t, s->conn, to->ttl, to->tos);
	s->options = *o;
}

static void accepted(struct tcp *t, struct seat *s)
{
	if (s->listener < 0 || s->waiting == 0)
		return;
	if (--s->waiting < s->backlog)
		tcp_listen_pause(t, s->listener, false);
}

/* Nothing comes for the seat after this. */
static void close_seat(struct worker *w, struct seat *s, bool abort)
{
	struct sockets_end *e = w->sockets;

	if (s->listener >= 0)
		tcp_unlisten(w->stack, s->listener);
	for (struct seat *c = e->first; c != NULL; c = c->next)
		if (c->parent == s) /* not told yet: nobody will accept it */
			c->parent = NULL;
	if (s->is_udp)
		seat_close_udp(e, s);
	if (s->conn != NULL && s->out != NULL && !abort && /* it was asked to be sent before */
		send_now(w, s, s->out, s->send_flags))
		s->out = NULL;
	if (s->conn != NULL && (abort || s->in != NULL || s->out != NULL))
		tcp_abort(w->stack, s->conn);
	else if (s->conn != NULL)
		tcp_close(w->stack, s->conn);
	rte_pktmbuf_free(s->out);
	e->held -= seat_free_buffers(s->in);
	s->conn = NULL;
	s->in = s->out = NULL;
	s->listener = -1;
	s->told.what = 0;
	seat_tell(e, s, SEAT_GONE);
}

static void taken(struct worker *w, const struct ask *a)
{
	struct seat *s = a->seat;
	uint32_t buffers = seat_free_buffers(a->m);

	w->sockets->held -= buffers;
	if (s == NULL) /* its socket has been closed */
		return;
	if (s->is_udp)
		s->held -= buffers * w->net->limits.mbuf_size;
	else if (s->conn != NULL && a->n != 0)
		tcp_consumed(w->stack, s->conn, a->n);
}

static void carry_out(struct worker *w, const struct ask *a)
{
	struct seat *s = a->seat;

	switch ((enum ask_kind)a->kind) {
	case ASK_BIND:
		ready(w, s, seat_may_bind(w, a->udp, a->addr, a->port));
		return;
	case ASK_LISTEN:
		ready(w, s, listen_on(w, s, a));
		return;
	case ASK_CONNECT:
		ready(w, s, connect_to(w, s, a));
		return;
	case ASK_SEND:
		send_data(w, s, a);
		return;
	case ASK_TAKEN:
		taken(w, a);
		return;
	case ASK_SHUTDOWN:
		s->shuts = true;
		if (s->conn != NULL && s->out == NULL)
			tcp_shutdown(w->stack, s->conn);
		return;
	case ASK_SET:
		set_options(w->stack, s, &a->options);
		return;
	case ASK_INFO:
		memset(&s->info, 0, sizeof(s->info));
		if (s->conn != NULL)
			tcp_info(w->stack, s->conn, &s->info);
		seat_tell(w->sockets, s, SEAT_INFO);
		return;
	case ASK_ACCEPTED:
		accepted(w->stack, s);
		return;
	case ASK_OPEN_UDP:
	case ASK_AIM_UDP:
		ready(w, s, seat_open_udp(w, s, a));
		return;
	case ASK_SEND_UDP:
		seat_send_udp(w, a);
		return;
	case ASK_CLOSE:
		close_seat(w, s, a->flags & ASK_ABORT);
		return;
	case ASK_STOCK:
		w->sockets->starved = true;
		return;
	}
}

/*
 * Empty buffers for the thread, as many as there is room for; but an eighth of all buffers is for
 * packets, whatever programs want to send.
 */
static void stock_up(struct worker *w)
{
	struct sockets_end *e = w->sockets;
	uint32_t have = mailbox_count(e->stock);
	struct rte_mbuf *m[64];

	while (have + RTE_DIM(m) < SOCKETS_STOCK &&
		rte_mempool_avail_count(w->pool) > w->net->limits.mbufs / 8 &&
		rte_pktmbuf_alloc_bulk(w->pool, m, RTE_DIM(m)) == 0) {
		for (uint32_t i = 0; i < RTE_DIM(m); i++)
			mailbox_post(e->stock, &m[i]);
		have += RTE_DIM(m);
	}
}

/* The thread waits: that there are buffers, or (once) that there are none. */
static void tell_stock(struct sockets_end *e)
{
	uint32_t have = mailbox_count(e->stock);
	const struct tell t = {.what = SEAT_STOCK, .n = have < STOCK_LEAST ? 0 : have};

	if ((t.n == 0 && e->barren) || !mailbox_post(e->told, &t))
		return;
	bell_ring(e->thread);
	e->starved = e->barren = t.n == 0;
}

uint32_t stage_sockets(struct worker *w)
{
	struct sockets_end *e = w->sockets;
	struct ask asked[SOCKETS_BUDGET];
	uint32_t n = mailbox_take(e->asked, asked, SOCKETS_BUDGET);

	if (n != 0) {
		w->now = clock_now();
		tcp_clock(w->stack, clock_to_us(w->now));
		w->tcp_waits = true;
	}
	for (uint32_t i = 0; i < n; i++)
		carry_out(w, &asked[i]);
	if (e->first != NULL) /* there was no room to tell: the pass goes on, to try again */
		w->tcp_waits = true;
	if (mailbox_count(e->stock) < SOCKETS_STOCK / 2)
		stock_up(w);
	if (e->starved)
		tell_stock(e);
	return n;
}

/* --- telling --- */

/*
 * Once it is posted the seat may be another's: after SEAT_GONE the thread frees it, and one that
 * EXDEV sends elsewhere is the other worker's.
 */
static bool tell_one(struct sockets_end *e, struct seat *s)
{
	struct tell t = s->told;

	t.seat = s;
	t.m = s->in;
	t.addr = s->local;
	t.port = s->local_port;
	s->in = NULL;
	s->told = (struct tell){0};
	if (mailbox_post(e->told, &t))
		return true;
	s->in = t.m;
	s->told = t;
	return false;
}

void sockets_tell(struct worker *w)
{
	struct sockets_end *e = w->sockets;
	struct seat *s = e->first, *kept_first = NULL, *kept_last = NULL, *next;
	bool told = e->ring;

	e->ring = false;
	e->first = e->last = NULL;
	for (; s != NULL; s = next) {
		bool waits = s->out != NULL && still_waits(w, s), tells = s->told.what != 0;

		next = s->next;
		s->listed = false;
		if (tells && tell_one(e, s))
			told = true;
		else
			waits |= tells;
		if (!waits)
			continue;
		s->listed = true;
		s->next = NULL;
		if (kept_last != NULL)
			kept_last->next = s;
		else
			kept_first = s;
		kept_last = s;
	}
	if (kept_last != NULL) {
		kept_last->next = e->first;
		e->first = kept_first;
		if (e->last == NULL)
			e->last = kept_last;
	}
	if (told)
		bell_ring(e->thread);
}

/* --- control --- */

int sockets_end_new(struct worker *w, struct bell *thread, uint32_t held_most)
{
	struct sockets_end *e = calloc(1, sizeof(*e));

	if (e == NULL)
		return -ENOMEM;
	w->sockets = e;
	e->thread = thread;
	e->held_most = held_most;
	e->asked = mailbox_new(SOCKETS_RING, sizeof(struct ask), w->node);
	e->told = mailbox_new(SOCKETS_RING, sizeof(struct tell), w->node);
	e->stock = mailbox_new(SOCKETS_STOCK, sizeof(struct rte_mbuf *), w->node);
	return e->asked == NULL || e->told == NULL || e->stock == NULL ? -ENOMEM : 0;
}

/* What is left in the rings when both sides have ended. Seats end with the thread's sockets. */
void sockets_end_free(struct worker *w)
{
	struct sockets_end *e = w->sockets;
	struct rte_mbuf *m;
	struct ask a;
	struct tell t;

	if (e == NULL)
		return;
	while (e->stock != NULL && mailbox_take(e->stock, &m, 1) == 1)
		rte_pktmbuf_free(m);
	while (e->asked != NULL && mailbox_take(e->asked, &a, 1) == 1)
		seat_free_buffers(a.m);
	while (e->told != NULL && mailbox_take(e->told, &t, 1) == 1)
		seat_free_buffers(t.m);
	mailbox_free(e->asked);
	mailbox_free(e->told);
	mailbox_free(e->stock);
	free(e);
	w->sockets = NULL;
}
