/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The punt thread: writes to the TAPs what workers give it, reads from them what the kernel sends,
 * in turns. It holds no lock and makes no worker wait; each bell is rung once in a turn.
 *
 * An interface whose worker has no buffers or no room is not listened to until it has: the kernel's
 * queue fills then, and what it has no room for the kernel drops and counts.
 */
#include "punt_inner.h"

#include "net/net.h"
#include "wire/eth_hdr.h"
#include "wire/ip4_hdr.h"
#include "wire/vlan_hdr.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/uio.h>
#include <unistd.h>

#define UP_BUDGET   32 /* of one worker in a turn */
#define READ_BUDGET 32 /* of one interface in a turn */
#define EVENTS	    (PORT_MAX + 1)
#define SURPLUS	    65536
#define IOV_MOST    1024 /* UIO_MAXIOV: segments of a packet; a reassembled one has the most */

#define ETH_TYPE_IP6   0x86dd
#define IP6_HOP_BY_HOP 0 /* what MLD's messages begin with (RFC 3810 5) */
#define IP6_NEXT_AT    6

static void count(struct pair_count *c, size_t bytes)
{
	__atomic_store_n(&c->packets, c->packets + 1, __ATOMIC_RELAXED);
	__atomic_store_n(&c->bytes, c->bytes + bytes, __ATOMIC_RELAXED);
}

static void listen_to(struct punt *p, struct tap *t, bool on)
{
	struct epoll_event e = {.events = on ? EPOLLIN : 0, .data.ptr = t};

	epoll_ctl(p->epoll, EPOLL_CTL_MOD, t->fd, &e);
	t->waits = !on;
}

/* Somebody has deleted the interface: control hears of it when it looks next. */
static void lose(struct punt *p, struct tap *t)
{
	if (atomic_load_explicit(&t->gone, memory_order_relaxed))
		return;
	epoll_ctl(p->epoll, EPOLL_CTL_DEL, t->fd, NULL);
	t->waits = false;
	atomic_store_explicit(&t->gone, true, memory_order_relaxed);
}

/* --- up --- */

/* Why the kernel did not take it, DROP_MAX if it did. */
static enum drop_reason write_up(struct punt *p, struct tap *t, const struct rte_mbuf *m)
{
	struct iovec iov[IOV_MOST];
	ssize_t written;
	int n = 0;

	for (const struct rte_mbuf *s = m; s != NULL && n < IOV_MOST; s = s->next)
		iov[n++] = (struct iovec){rte_pktmbuf_mtod(s, void *), s->data_len};
	written = m->nb_segs > IOV_MOST ? 0 : writev(t->fd, iov, n);
	if (written > 0) {
		count(&t->to_kernel, m->pkt_len);
		return DROP_MAX;
	}
	__atomic_store_n(&t->refused, t->refused + 1, __ATOMIC_RELAXED);
	if (written < 0 && errno == EBADFD)
		lose(p, t);
	return DROP_PUNT_REFUSED;
}

/* True: there may be more. */
static bool take_up(struct punt *p, struct punt_end *e)
{
	struct rte_mbuf *pkt[UP_BUDGET];
	uint32_t n = rte_ring_sc_dequeue_burst(e->up, (void **)pkt, UP_BUDGET, NULL);

	for (uint32_t i = 0; i < n; i++) {
		struct tap *t = p->open[TAP_SLOT(pkt[i]->hash.usr)];

		if (t == NULL || t->id != pkt[i]->hash.usr)
			pkt[i]->hash.usr = DROP_PUNT_OFF;
		else
			pkt[i]->hash.usr = write_up(p, t, pkt[i]);
	}
	if (n > 0) {
		rte_ring_sp_enqueue_bulk(e->back, (void **)pkt, n, NULL); /* room for all */
		e->ring = true;
	}
	return n == UP_BUDGET;
}

/* --- down --- */

/* The longest frame that the port sends for the interface. */
static uint32_t longest(const struct tap *t, bool tagged)
{
	return ETH_HDR_LEN + (tagged ? VLAN_HDR_LEN : 0) + atomic_load(&t->mtu);
}

/* Buffers for the longest frame of the interface; 0: its worker has none, or no room. */
static uint32_t buffers_for(const struct tap *t, struct punt_end *e)
{
	uint32_t n;

	if (rte_ring_count(e->down) >= e->most)
		return 0;
	if (e->n_spare < PUNT_SPARE / 2)
		e->n_spare += rte_ring_sc_dequeue_burst(
			e->stock, (void **)&e->spare[e->n_spare], PUNT_SPARE - e->n_spare, NULL);
	if (e->n_spare == 0)
		return 0;
	n = (longest(t, true) + rte_pktmbuf_tailroom(e->spare[0]) - 1) /
	    rte_pktmbuf_tailroom(e->spare[0]);
	return n <= e->n_spare ? n : 0;
}

/* The first of the buffers in hand become a packet of length bytes. */
static struct rte_mbuf *chain(struct punt_end *e, uint32_t length)
{
	struct rte_mbuf *first = e->spare[e->n_spare - 1], *last = NULL;

	first->pkt_len = RTE_MAX(length, (uint32_t)ETH_MIN_FRAME);
	first->nb_segs = 0;
	for (uint32_t left = length; left > 0;) {
		struct rte_mbuf *m = e->spare[--e->n_spare];
		uint16_t n = (uint16_t)RTE_MIN(left, (uint32_t)rte_pktmbuf_tailroom(m));

		m->data_len = n;
		left -= n;
		first->nb_segs++;
		if (last != NULL)
			last->next = m;
		last = m;
	}
	if (length < ETH_MIN_FRAME) { /* what the kernel leaves to the device (RFC 1042) */
		memset(rte_pktmbuf_mtod_offset(first, char *, length), 0, ETH_MIN_FRAME - length);
		first->data_len = ETH_MIN_FRAME;
	}
	return first;
}

static bool is_tagged(const struct rte_mbuf *m)
{
	return eth_hdr_type(rte_pktmbuf_mtod(m, const struct eth_hdr *)) == ETH_TYPE_VLAN;
}

/* Whether it joins or leaves a group: IGMP, or what only MLD is among what hosts send by IPv6. */
static bool is_about_groups(const struct rte_mbuf *m)
{
	const uint8_t *ip = rte_pktmbuf_mtod_offset(m, const uint8_t *, ETH_HDR_LEN);
	uint16_t type = eth_hdr_type(rte_pktmbuf_mtod(m, const struct eth_hdr *));

	if (type == ETH_TYPE_IP4)
		return ((const struct ip4_hdr *)ip)->proto == IP4_PROTO_IGMP;
	return type == ETH_TYPE_IP6 && ip[IP6_NEXT_AT] == IP6_HOP_BY_HOP;
}

enum read_verdict { READ_ONE, READ_NONE, READ_WAITS };

static enum read_verdict read_down(struct punt *p, struct tap *t, struct punt_end *e)
{
	uint32_t n = buffers_for(t, e), room = 0;
	struct iovec iov[PUNT_SPARE + 1];
	struct rte_mbuf *m;
	ssize_t length;

	if (n == 0)
		return READ_WAITS;
	for (uint32_t i = 0; i < n; i++) {
		m = e->spare[e->n_spare - 1 - i];
		iov[i] = (struct iovec){rte_pktmbuf_mtod(m, void *), rte_pktmbuf_tailroom(m)};
		room += rte_pktmbuf_tailroom(m);
	}
	iov[n] = (struct iovec){p->surplus, SURPLUS};
	length = readv(t->fd, iov, (int)n + 1);
	if (length <= 0) {
		if (length < 0 && errno == EBADFD)
			lose(p, t);
		return READ_NONE;
	}
	count(&t->from_kernel, (size_t)length);
	m = chain(e, RTE_MIN((uint32_t)length, room));
	m->hash.usr = (uint32_t)length <= longest(t, is_tagged(m)) ? t->id : TAP_TOO_LONG;
	if (is_about_groups(m)) {
		atomic_fetch_add_explicit(&p->joins, 1, memory_order_relaxed);
		bell_ring(&p->net->bell);
	}
	rte_ring_sp_enqueue(e->down, m); /* buffers_for() saw room */
	e->ring = true;
	return READ_ONE;
}

static void read_some(struct punt *p, struct tap *t)
{
	struct punt_end *e = p->net->worker[t->worker]->kernel;

	for (int i = 0; i < READ_BUDGET; i++) {
		switch (read_down(p, t, e)) {
		case READ_ONE:
			break;
		case READ_NONE:
			return;
		case READ_WAITS:
			listen_to(p, t, false);
			return;
		}
	}
}

/* Interfaces whose worker has buffers again; the other workers ring when they have. */
static void listen_again(struct punt *p)
{
	bool starved[WORKER_MAX] = {false};

	for (int i = 0; i < PORT_MAX; i++) {
		struct tap *t = p->open[i];

		if (t != NULL && t->waits && buffers_for(t, p->net->worker[t->worker]->kernel) > 0)
			listen_to(p, t, true);
		if (t != NULL && t->waits)
			starved[t->worker] = true;
	}
	for (uint16_t i = 0; i < p->net->n_workers; i++)
		atomic_store_explicit(
			&p->net->worker[i]->kernel->starved, starved[i], memory_order_relaxed);
}

/* --- orders --- */

static void obey(struct punt *p, const struct tap_order *o)
{
	struct epoll_event e = {.events = EPOLLIN, .data.ptr = o->tap};
	struct tap *t = o->tap;

	if (o->kind == TAP_ADD) {
		p->open[TAP_SLOT(t->id)] = t;
		epoll_ctl(p->epoll, EPOLL_CTL_ADD, t->fd, &e);
		return;
	}
	if (p->open[TAP_SLOT(t->id)] == t)
		p->open[TAP_SLOT(t->id)] = NULL;
	close(t->fd); /* and epoll forgets it */
	t->fd = -1;
	atomic_store_explicit(&t->ended, true, memory_order_release); /* control may free it */
}

static void take_orders(struct punt *p)
{
	struct tap_order o;

	while (mailbox_take(p->orders, &o, 1) == 1)
		obey(p, &o);
}

/* --- turns --- */

/* True: there may be more. */
static bool take_all_up(struct punt *p)
{
	bool more = false;

	for (uint16_t i = 0; i < p->net->n_workers; i++)
		more |= take_up(p, p->net->worker[i]->kernel);
	return more;
}

static void ring_workers(struct punt *p)
{
	for (uint16_t i = 0; i < p->net->n_workers; i++) {
		struct worker *w = p->net->worker[i];
		struct punt_end *e = w->kernel;

		if (e->ring)
			bell_ring(&w->bell);
		e->ring = false;
	}
}

/* Whether anything waits that a sleep would miss. */
static bool anything_waits(struct punt *p)
{
	bool any = mailbox_count(p->orders) > 0 || atomic_load(&p->stop);

	for (uint16_t i = 0; i < p->net->n_workers; i++)
		any |= !rte_ring_empty(p->net->worker[i]->kernel->up);
	for (int i = 0; i < PORT_MAX; i++)
		any |= p->open[i] != NULL && p->open[i]->waits &&
		       buffers_for(p->open[i], p->net->worker[p->open[i]->worker]->kernel) > 0;
	return any;
}

/* Orders are taken between turns alone: no event of this turn is of an interface that has gone. */
static void take_events(struct punt *p, int timeout_ms)
{
	struct epoll_event e[EVENTS];
	int n = epoll_wait(p->epoll, e, EVENTS, timeout_ms);

	for (int i = 0; i < n; i++) {
		if (e[i].data.ptr == &p->bell)
			bell_disarm(&p->bell);
		else if (e[i].events & EPOLLIN)
			read_some(p, e[i].data.ptr);
		else if (e[i].events & (EPOLLERR | EPOLLHUP))
			lose(p, e[i].data.ptr);
	}
}

void *punt_thread(void *arg)
{
	struct punt *p = arg;

	while (!atomic_load_explicit(&p->stop, memory_order_relaxed)) {
		bool more = take_all_up(p);

		take_orders(p);
		listen_again(p);
		ring_workers(p);
		if (!more) { /* armed before the last look: whoever posts after it rings */
			bell_arm(&p->bell);
			more = anything_waits(p);
		}
		take_events(p, more ? 0 : -1);
		bell_unarm(&p->bell);
	}
	return NULL;
}
