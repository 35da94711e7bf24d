/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The kernel path on a worker: stage_punt (punt -> the thread's ring | drop), stage_punted (what
 * the thread has taken up -> consumed | drop; the kernel's frames -> tx), and the worker's end of
 * the rings.
 *
 * A packet on its way up is held until the thread says what became of it: that is how the kernel's
 * refusals come into this worker's books. A frame from the kernel is originated when it is taken
 * from the ring.
 */
#include "base/numa.h"
#include "net/net.h"
#include "punt_inner.h"
#include "wire/arp_hdr.h"
#include "wire/tcp_hdr.h"
#include "wire/udp_hdr.h"
#include "wire/vlan_hdr.h"

#include <errno.h>

#define BURST	     32
#define BURST_MS     100   /* so much of its rate a class may bring at once */
#define SMALL_TYPE   0x600 /* below it, an EtherType is a length: IEEE 802.3 with LLC */
#define BGP_PORT     179
#define BFD_PORT     3784 /* RFC 5881 */
#define BFD_ECHO     3785
#define BFD_MULTIHOP 4784 /* RFC 5883 */

static struct punt_end *end_of(const struct worker *w)
{
	return atomic_load_explicit(&w->kernel, memory_order_acquire);
}

bool punt_waits(const struct worker *w)
{
	const struct punt_end *e = end_of(w);

	return e != NULL && (!rte_ring_empty(e->back) || !rte_ring_empty(e->down));
}

uint32_t punt_held(const struct worker *w)
{
	const struct punt_end *e = end_of(w);

	return e == NULL ? 0 : e->held;
}

bool punt_joined(const struct net *net, const struct iface *f, uint64_t mac)
{
	const struct port *p = net->port[f->slot];
	const struct punt_groups *g;
	uint32_t low = 0, high;

	if ((f->flags & IFACE_KERNEL) == 0 || p == NULL)
		return false;
	g = atomic_load_explicit(&p->groups, memory_order_acquire);
	high = g == NULL ? 0 : g->n;
	while (low < high) {
		uint32_t middle = (low + high) / 2;

		if (g->mac[middle] < mac)
			low = middle + 1;
		else
			high = middle;
	}
	return g != NULL && low < g->n && g->mac[low] == mac;
}

/* --- policer --- */

/* What a routing protocol lives by, and no flood at a closed port is made of. */
static enum punt_class class_of(const struct rte_mbuf *m)
{
	const struct ip4_hdr *ip = pkt_ip4(m);
	uint16_t type = eth_hdr_type(pkt_eth(m)), from, to;
	bool ports = m->data_len >= ETH_HDR_LEN + IP4_HDR_LEN &&
		     m->data_len >= ETH_HDR_LEN + ip4_hdr_len(ip) + 4 &&
		     ip4_hdr_frag_offset(ip) == 0;

	if (type != ETH_TYPE_IP4)
		return type == ETH_TYPE_ARP || type < SMALL_TYPE ? PUNT_ROUTING : PUNT_REST;
	if (ip->proto != IP4_PROTO_TCP && ip->proto != IP4_PROTO_UDP)
		return ip->proto == IP4_PROTO_ICMP ? PUNT_REST : PUNT_ROUTING;
	if (!ports)
		return PUNT_REST;
	from = from_be16(load16(pkt_l4(m)));
	to = from_be16(load16((const char *)pkt_l4(m) + 2));
	if (ip->proto == IP4_PROTO_TCP)
		return from == BGP_PORT || to == BGP_PORT ? PUNT_ROUTING : PUNT_REST;
	return to == BFD_PORT || to == BFD_ECHO || to == BFD_MULTIHOP ? PUNT_ROUTING : PUNT_REST;
}

/* A bucket as a moment: when the next packet would be on time; it may come so much before that. */
static bool is_on_time(struct punt_end *e, enum punt_class c, ticks now, uint32_t rate)
{
	ticks due = RTE_MAX(e->due[c], now);

	if (due - now > clock_of_ms(BURST_MS))
		return false;
	e->due[c] = due + clock_of_ms(1000) / rate;
	return true;
}

/* --- up --- */

/* As it came: with its VLAN's tag, whose priority stage_odd has left in vlan_tci. */
static bool tag(struct rte_mbuf *m, uint16_t vlan)
{
	uint16_t type = eth_hdr_type(pkt_eth(m));
	char *frame = rte_pktmbuf_prepend(m, VLAN_HDR_LEN);

	if (frame == NULL)
		return false;
	memmove(frame, frame + VLAN_HDR_LEN, 2 * (size_t)ETH_MAC_LEN);
	pkt_eth(m)->type = to_be16(ETH_TYPE_VLAN);
	vlan_hdr_build(
		(struct vlan_hdr *)(frame + ETH_HDR_LEN), vlan, (uint8_t)(m->vlan_tci >> 13), type);
	return true;
}

/* The last quarter is kept for routing protocols, should the thread fall behind. */
static uint32_t share(uint32_t all, enum punt_class c)
{
	return c == PUNT_ROUTING ? all : all - all / 4;
}

static bool has_room(const struct punt_end *e, enum punt_class c, const struct rte_mbuf *m)
{
	return e->held < share(e->most, c) &&
	       e->held_buffers + m->nb_segs <= share(e->most_buffers, c);
}

/* What becomes of it, DROP_MAX if it goes up. */
static enum drop_reason refuse(struct worker *w, struct punt_end *e, struct rte_mbuf *m)
{
	const struct iface *f = &w->net->iface[pkt_iface(m)];
	const struct port *p = w->net->port[f->slot];
	enum punt_class c = class_of(m);

	if (e == NULL || p == NULL || p->punt == 0)
		return DROP_PUNT_OFF;
	if (!is_on_time(e, c, w->now, w->net->set.punt_rate))
		return DROP_PUNT_LIMITED;
	if (!has_room(e, c, m))
		return DROP_PUNT_FULL;
	if (f->vlan != 0 && !tag(m, f->vlan))
		return DROP_HEADROOM;
	m->hash.usr = p->punt;
	return DROP_MAX;
}

void stage_punt(struct worker *w)
{
	struct punt_end *e = end_of(w);
	struct lane *l = &w->punt;
	uint32_t n = 0;

	for (uint32_t i = 0; i < l->n; i++) {
		enum drop_reason r = refuse(w, e, l->pkt[i]);

		if (r != DROP_MAX) {
			drop(w, l->pkt[i], r);
			continue;
		}
		rte_ring_sp_enqueue(e->up, l->pkt[i]); /* has room for e->most */
		e->held++;
		e->held_buffers += l->pkt[i]->nb_segs;
		n++;
	}
	if (n > 0)
		bell_ring(e->bell);
}

/* --- back and down --- */

static uint32_t take_back(struct worker *w, struct punt_end *e)
{
	struct rte_mbuf *pkt[BURST];
	uint32_t n = rte_ring_sc_dequeue_burst(e->back, (void **)pkt, BURST, NULL);

	for (uint32_t i = 0; i < n; i++) {
		e->held_buffers -= pkt[i]->nb_segs;
		if (likely(pkt[i]->hash.usr == DROP_MAX)) {
			w->count[COUNT_punted]++;
			consume(w, pkt[i]);
		} else {
			drop(w, pkt[i], (enum drop_reason)pkt[i]->hash.usr);
		}
	}
	e->held -= n;
	return n;
}

/* Out of the port whose interface it came from, if that is still there. */
static void send(struct worker *w, struct rte_mbuf *m)
{
	const struct port *p = w->net->port[TAP_SLOT(m->hash.usr)];

	w->books.originated++;
	if (m->hash.usr == TAP_TOO_LONG) {
		drop(w, m, DROP_PUNT_TOO_LONG);
	} else if (p == NULL || p->punt != m->hash.usr) {
		drop(w, m, DROP_PUNT_OFF);
	} else if ((w->net->iface[p->iface].flags & IFACE_UP) == 0) {
		drop(w, m, DROP_PUNT_NO_LINK);
	} else {
		w->count[COUNT_from_kernel]++;
		m->port = PKT_ORIGIN;
		tx_put(w, p->slot, m);
	}
}

/* Empty buffers for the thread, in dozens. True: it has new ones. */
static bool stock_up(struct worker *w, struct punt_end *e)
{
	uint32_t n = rte_ring_count(e->stock);
	struct rte_mbuf *pkt[BURST];

	if (n + BURST > e->most_stock || rte_pktmbuf_alloc_bulk(w->pool, pkt, BURST) < 0)
		return false;
	rte_ring_sp_enqueue_bulk(e->stock, (void **)pkt, BURST, NULL);
	return true;
}

/* The thread looks again after it has said so, and before it sleeps. */
static bool is_starved(const struct punt_end *e)
{
	atomic_thread_fence(memory_order_seq_cst);
	return atomic_load_explicit(&e->starved, memory_order_relaxed);
}

uint32_t stage_punted(struct worker *w)
{
	struct punt_end *e = end_of(w);
	struct rte_mbuf *pkt[PUNT_BUDGET];
	uint32_t back = take_back(w, e);
	uint32_t n = rte_ring_sc_dequeue_burst(e->down, (void **)pkt, PUNT_BUDGET, NULL);
	bool news = stock_up(w, e) || n > 0;

	for (uint32_t i = 0; i < n; i++)
		send(w, pkt[i]);
	if (news && is_starved(e))
		bell_ring(e->bell);
	return n + back;
}

/* --- ends --- */

static struct rte_ring *ring_new(uint32_t entries, int node, size_t *bytes)
{
	unsigned int size = rte_align32pow2(entries + 1);
	struct rte_ring *r;

	*bytes = (size_t)rte_ring_get_memsize(size);
	r = numa_take(*bytes, node);
	if (r != NULL)
		rte_ring_init(r, "punt", size, RING_F_SP_ENQ | RING_F_SC_DEQ);
	return r;
}

static void end_drop(struct punt_end *e)
{
	numa_drop(e->up, e->ring_bytes);
	numa_drop(e->back, e->ring_bytes);
	numa_drop(e->down, e->ring_bytes);
	numa_drop(e->stock, e->stock_bytes);
	numa_drop(e, sizeof(*e));
}

static struct punt_end *end_new(struct punt *p, const struct worker *w)
{
	const struct net_limits *l = &p->net->limits;
	struct punt_end *e = numa_take(sizeof(*e), w->node);

	if (e == NULL)
		return NULL;
	e->most = RTE_MAX(l->punt_queue, 1u);
	e->most_buffers = RTE_MAX(l->mbufs / 4 / p->net->n_workers, 4u * BURST);
	e->most_stock = RTE_MIN(l->mbufs / 16 / p->net->n_workers, (uint32_t)PUNT_STOCK);
	e->most_stock = RTE_MAX(e->most_stock, (uint32_t)BURST);
	e->bell = &p->bell;
	e->up = ring_new(e->most, w->node, &e->ring_bytes);
	e->back = ring_new(e->most, w->node, &e->ring_bytes);
	e->down = ring_new(e->most, w->node, &e->ring_bytes);
	e->stock = ring_new(e->most_stock, w->node, &e->stock_bytes);
	if (e->up != NULL && e->back != NULL && e->down != NULL && e->stock != NULL)
		return e;
	end_drop(e);
	return NULL;
}

int punt_ends_new(struct punt *p)
{
	for (uint16_t i = 0; i < p->net->n_workers; i++) {
		struct worker *w = p->net->worker[i];
		struct punt_end *e = end_of(w);

		if (e != NULL)
			continue;
		e = end_new(p, w);
		if (e == NULL)
			return -ENOMEM;
		atomic_store_explicit(&w->kernel, e, memory_order_release);
	}
	return 0;
}

void punt_end_free(struct worker *w)
{
	struct punt_end *e = end_of(w);
	struct rte_mbuf *m;

	if (e == NULL)
		return;
	while (rte_ring_sc_dequeue(e->up, (void **)&m) == 0)
		drop(w, m, DROP_DRAIN);
	while (take_back(w, e) > 0)
		;
	while (rte_ring_sc_dequeue(e->down, (void **)&m) == 0) {
		w->books.originated++;
		drop(w, m, DROP_DRAIN);
	}
	while (rte_ring_sc_dequeue(e->stock, (void **)&m) == 0)
		rte_pktmbuf_free(m);
	rte_pktmbuf_free_bulk(e->spare, e->n_spare);
	atomic_store_explicit(&w->kernel, NULL, memory_order_relaxed);
	end_drop(e);
}
