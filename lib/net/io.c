/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What brings packets into a worker and takes them out: receive queues, rings from other workers,
 * the again ring, control's commands, transmit queues. Each source takes at most its budget.
 */
#include "net/arp.h"
#include "net/chain.h"
#include "net/net.h"
#include "net/offload.h"
#include "net/park.h"
#include "net/reasm.h"
#include "net/stage.h"

#include <rte_ethdev.h>

#define COMMAND_BUDGET 32
#define TIMER_MS       10

/*
 * Whoever writes a packet holds it alone; this is where that is seen to, once, for the devices
 * whose buffers may have other holders. Returns how many of n packets there are buffers for.
 */
static uint32_t own(struct worker *w, uint32_t n)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < n; i++) {
		struct rte_mbuf *m = chain_own(w, w->rx.pkt[i]);

		if (m == NULL)
			drop(w, w->rx.pkt[i], DROP_NO_BUFFER);
		else
			w->rx.pkt[kept++] = m;
	}
	return kept;
}

/*
 * One queue a pass, in turn: the burst then has one interface. None while packets are parked whose
 * neighbour has answered: what is newer of their flows would overtake them.
 */
uint32_t stage_rx(struct worker *w)
{
	const struct rxq_list *l = atomic_load_explicit(&w->rxqs, memory_order_acquire);
	uint32_t left = l == NULL || w->resolved > 0 ? 0 : l->n;

	while (left-- > 0) {
		const struct rxq *q;
		uint16_t n;

		if (w->next_rxq >= l->n)
			w->next_rxq = 0;
		q = &l->q[w->next_rxq++];
		n = rte_eth_rx_burst(q->device, q->queue, w->rx.pkt, RX_BUDGET);
		if (n == 0)
			continue;
		w->now = clock_now();
		w->books.rx += n;
		w->rx.n = unlikely(q->lent) ? own(w, n) : n;
		w->rx_iface = q->iface;
		return n;
	}
	return 0;
}

/*
 * To fib(in), since routes may have changed since; but the FIB knows no multicast group and no
 * limited broadcast, and might send one on by the default route.
 */
static void handed_in(struct worker *w, struct rte_mbuf *m)
{
	uint32_t dst;

	if (m->port & PKT_TX) {
		w->tx[pkt_iface(m)].open |= offload_is_open(m);
		tx_put(w, pkt_iface(m), m);
		return;
	}
	m->port |= PKT_STEERED;
	dst = ip4_hdr_dst(pkt_ip4(m));
	lane_put(dst >> 28 >= 0xe ? &w->local : &w->in, m, dst);
}

static uint16_t ring_after(const struct worker *w, uint16_t i)
{
	return i + 1 < w->net->n_workers ? i + 1 : 0;
}

/* Each pass begins with another ring: one that is always full does not keep out the rest. */
uint32_t stage_handover(struct worker *w)
{
	uint16_t i = w->next_ring == w->id ? ring_after(w, w->id) : w->next_ring;
	uint16_t left = w->net->n_workers;
	uint32_t taken = 0;

	w->next_ring = ring_after(w, i);
	for (; left > 0 && taken < HANDOVER_BUDGET; left--, i = ring_after(w, i)) {
		struct rte_mbuf *pkt[HANDOVER_BUDGET];
		uint32_t n;

		if (w->from[i] == NULL)
			continue;
		n = rte_ring_sc_dequeue_burst(
			w->from[i], (void **)pkt, HANDOVER_BUDGET - taken, NULL);
		for (uint32_t j = 0; j < n; j++)
			handed_in(w, pkt[j]);
		taken += n;
	}
	w->books.handed_in += taken;
	return taken;
}

uint32_t stage_again(struct worker *w)
{
	uint32_t n = RTE_MIN(w->again.n, (uint32_t)AGAIN_BUDGET);

	for (uint32_t i = 0; i < n; i++) {
		struct rte_mbuf *m = w->again.pkt[w->again.head++ % FIFO_SIZE];

		lane_put(&w->in, m, ip4_hdr_dst(pkt_ip4(m)));
	}
	w->again.n -= n;
	return n;
}

static void obey(struct worker *w, const struct command *c)
{
	switch ((enum command_kind)c->kind) {
	case COMMAND_ARP_REQUEST:
		arp_send_request(w, c);
		return;
	case COMMAND_RESOLVED:
		park_resolved(w, c->iface, c->addr);
		return;
	case COMMAND_FAILED:
		park_failed(w, c->iface, c->addr);
		return;
	case COMMAND_CONNECTIONS:
	case COMMAND_ABORT:
	case COMMAND_FLOWS:
		w->view_about = *c;
		w->view_wanted = true;
		return;
	case COMMAND_SNAPSHOT:
		w->snapshot_wanted = true;
		return;
	}
}

/* A bond's own frames (LACP, ten a second at the least) leave by its tx_burst, packets or not. */
static void pulse_bonds(struct worker *w)
{
	for (uint16_t slot = 0; slot < w->n_slots; slot++) {
		struct txlane *t = &w->tx[slot];

		if (t->pulse && t->ready && t->via < 0)
			rte_eth_tx_burst(t->device, t->queue, NULL, 0);
	}
}

/* In timed passes alone: control's commands, and what time brings. */
uint32_t stage_commands(struct worker *w)
{
	struct command c[COMMAND_BUDGET];
	uint32_t n;

	if (w->now >= w->next_timers) {
		w->next_timers = w->now + clock_of_ms(TIMER_MS);
		park_expire(w);
		reasm_expire(w, TIMER_BUDGET);
		pulse_bonds(w);
	}
	n = mailbox_take(w->commands, c, COMMAND_BUDGET);
	for (uint32_t i = 0; i < n; i++)
		obey(w, &c[i]);
	return n;
}

/* Sends through a worker that owns a queue of the port. */
static void tx_by_other(struct worker *w, uint16_t slot, uint16_t via)
{
	struct txlane *t = &w->tx[slot];

	for (uint16_t i = 0; i < t->n; i++) {
		t->pkt[i]->port = slot | PKT_TX;
		handover(w, via, t->pkt[i]);
	}
	t->n = 0;
	t->bytes = 0;
	t->open = 0;
}

/* For devices that take no chains: each becomes one buffer, or is dropped. */
static void make_linear(struct worker *w, struct txlane *t)
{
	uint16_t n = 0;

	for (uint16_t i = 0; i < t->n; i++) {
		struct rte_mbuf *m = t->pkt[i], *copy = m;

		if (m->nb_segs > 1) {
			copy = rte_pktmbuf_pkt_len(m) > rte_pktmbuf_data_room_size(w->pool)
				       ? NULL
				       : rte_pktmbuf_copy(m, w->pool, 0, UINT32_MAX);
			if (copy == NULL || copy->nb_segs > 1) {
				rte_pktmbuf_free(copy);
				t->bytes -= rte_pktmbuf_pkt_len(m);
				drop(w, m, DROP_NO_BUFFER);
				continue;
			}
			worker_free(w, m);
		}
		t->pkt[n++] = copy;
	}
	t->n = n;
}

/* Drivers look at packets that leave work to them before they take them, and may refuse some. */
static void show_driver(struct worker *w, struct txlane *t)
{
	uint16_t n = 0;

	for (uint16_t at = 0, ok; at < t->n; at++) {
		ok = rte_eth_tx_prepare(t->device, t->queue, t->pkt + at, t->n - at);
		memmove(t->pkt + n, t->pkt + at, ok * sizeof(t->pkt[0]));
		n += ok;
		at += ok;
		if (at == t->n)
			break;
		t->bytes -= rte_pktmbuf_pkt_len(t->pkt[at]);
		drop(w, t->pkt[at], DROP_TX_REFUSED);
	}
	t->n = n;
	t->open = 0;
}

void tx_flush(struct worker *w, uint16_t slot)
{
	struct txlane *t = &w->tx[slot];
	uint16_t sent = 0;

	if (unlikely(t->via >= 0)) {
		tx_by_other(w, slot, (uint16_t)t->via);
		return;
	}
	if (unlikely(t->linear))
		make_linear(w, t);
	if (unlikely(t->open) && t->ready)
		show_driver(w, t);
	if (likely(t->ready))
		sent = rte_eth_tx_burst(t->device, t->queue, t->pkt, t->n);
	for (uint16_t i = sent; i < t->n; i++) {
		t->bytes -= rte_pktmbuf_pkt_len(t->pkt[i]);
		drop(w, t->pkt[i], t->ready ? DROP_TX_FULL : DROP_TX_PORT_GONE);
	}
	w->books.tx += sent;
	t->sent.packets += sent;
	t->sent.bytes += t->bytes;
	t->n = 0;
	t->bytes = 0;
}

void stage_tx(struct worker *w, bool timed)
{
	uint32_t packets = 0;

	for (uint16_t slot = 0; slot < w->n_slots; slot++) {
		if (w->tx[slot].n == 0)
			continue;
		packets += w->tx[slot].n;
		tx_flush(w, slot);
	}
	stage_count(w, STAGE_tx, packets, timed);
	if (w->n_free > 0) {
		rte_pktmbuf_free_bulk(w->to_free, w->n_free);
		w->n_free = 0;
	}
	if (unlikely(w->snapshot_wanted)) { /* here every lane is empty: the books are exact */
		w->snapshot_wanted = false;
		worker_books(w, &w->snapshot);
		atomic_fetch_add_explicit(&w->snapshot_seq, 1, memory_order_release);
	}
	while (unlikely(w->to_ring != 0)) {
		uint32_t peer = (uint32_t)__builtin_ctzll(w->to_ring);

		w->to_ring &= w->to_ring - 1;
		bell_ring(&w->net->worker[peer]->bell);
	}
}
