/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stage_arp: arp -> tx | punt | consumed | drop. Checks a request or reply, tells control what is
 * news, and answers what is asked of us.
 *
 * Reads the FIB to know what control knows: a LOCAL entry is an address of ours, a FORWARD entry
 * whose adjacency has the sender's very address is a known neighbour.
 */
#include "net/arp.h"

#include "net/net.h"
#include "net/punt.h"
#include "net/rarp.h"
#include "net/stage.h"
#include "wire/arp_hdr.h"
#include "wire/vlan_hdr.h"

#include <errno.h>

/*
 * Puts an ARP packet on the interface's tx lane: 60 bytes, and four more with a VLAN tag, in a
 * fresh buffer. False without one (counted).
 */
static bool send(struct worker *w, uint16_t iface, const uint8_t *dst, const struct arp_hdr *h)
{
	const struct iface *f = &w->net->iface[iface];
	struct rte_mbuf *m = originate(w);
	char *frame;

	if (m == NULL)
		return false;
	frame = rte_pktmbuf_append(m, ETH_MIN_FRAME);
	arp_hdr_frame((uint8_t *)frame, dst, h);
	if (f->vlan != 0) {
		uint16_t type = eth_hdr_type(pkt_eth(m));

		frame = memmove(rte_pktmbuf_prepend(m, VLAN_HDR_LEN), frame, ETH_HDR_LEN);
		pkt_eth(m)->type = to_be16(ETH_TYPE_VLAN);
		vlan_hdr_build((struct vlan_hdr *)(frame + ETH_HDR_LEN), f->vlan, 0, type);
	}
	tx_put(w, f->slot, m);
	return true;
}

void arp_send_request(struct worker *w, const struct command *c)
{
	uint8_t mac[ETH_MAC_LEN];
	struct arp_hdr h;

	if ((w->net->iface[c->iface].flags & IFACE_UP) == 0)
		return; /* the interface has gone since control asked */
	eth_mac_store(mac, w->net->iface[c->iface].mac);
	arp_hdr_request(&h, mac, c->sender, c->addr);
	if (send(w, c->iface, c->dst_mac, &h))
		w->count[COUNT_arp_requests_out]++;
}

int arp_request(
	struct net *net, uint16_t iface, const uint8_t dst[6], uint32_t sender, uint32_t addr)
{
	struct command c = {
		.kind = COMMAND_ARP_REQUEST, .iface = iface, .sender = sender, .addr = addr};
	uint16_t slot = net->iface[iface].slot;

	memcpy(c.dst_mac, dst, sizeof(c.dst_mac));
	for (uint16_t i = 0; i < net->n_workers; i++) {
		const struct txlane *t = &net->worker[i]->tx[slot];

		if (t->ready && t->via < 0 && net_command(net, i, &c) == 0)
			return 0;
	}
	return -EAGAIN;
}

/* Answers the asker: the request has reached what it was sent for. Takes ownership of m. */
static void answer(
	struct worker *w, struct rte_mbuf *m, const struct arp_hdr *h, const uint8_t *dst)
{
	if (send(w, pkt_iface(m), dst, h))
		w->count[arp_hdr_op(h) == ARP_REPLY ? COUNT_arp_replies_out
						    : COUNT_rarp_replies_out]++;
	consume(w, m);
}

/*
 * RFC 903: the MAC in question is the target's; the answer goes to who asked, and names us as the
 * server.
 */
static void rarp(struct worker *w, struct rte_mbuf *m, const struct arp_hdr *h, const uint8_t *mac)
{
	uint32_t addr = rarp_lookup(w->net, h->tha);
	struct arp_hdr reply = *h;

	if (arp_hdr_op(h) != RARP_REQUEST || !eth_is_unicast(h->sha)) {
		drop(w, m, arp_hdr_op(h) == RARP_REPLY ? DROP_ARP_NOT_OURS : DROP_ARP_SOURCE);
		return;
	}
	if (addr == 0) {
		drop(w, m, DROP_RARP_UNKNOWN);
		return;
	}
	arp_hdr_to_rarp_reply(&reply, addr, mac, w->net->iface[pkt_iface(m)].addr);
	answer(w, m, &reply, h->sha);
}

/* RFC 1027: reached by a way other than back through the asker's interface. */
static bool is_elsewhere(const struct net *net, uint32_t addr, uint16_t iface)
{
	fib_entry e = fib4_lookup(net->fib, addr);
	uint32_t index = fib_entry_index(e);

	if (ip4_src_is_martian(addr)) /* a default route has these too, but they are no hosts */
		return false;
	switch (fib_entry_kind(e)) {
	case FIB_FORWARD:
		return net->adj[index].iface != iface;
	case FIB_GROUP:
		return net->adj[net->group[index].bucket[0]].iface != iface;
	case FIB_GLEAN:
	case FIB_LOCAL:
		return index != iface;
	default:
		return false;
	}
}

/* A virtual address: one that another instance may have is answered for by who was given it. */
static bool answers_for(const struct iface *f, uint32_t addr, uint32_t index)
{
	return (index & FIB_SERVICE_ARP) != 0 ? iface_link(f, addr) != NULL : iface_owns(f, addr);
}

/* Whether we speak for the target: it is our address here, or we are its proxy. */
static bool is_for_us(const struct net *net, const struct arp_hdr *h, uint16_t iface)
{
	uint32_t addr = arp_hdr_tpa(h), sender = arp_hdr_spa(h);

	fib_entry e = fib4_lookup(net->fib, addr);

	if (e == fib_entry_make(FIB_LOCAL, iface))
		return true;
	if (fib_entry_kind(e) == FIB_SERVICE)
		return answers_for(&net->iface[iface], addr, fib_entry_index(e));
	/* an RFC 5227 probe or announcement is not a question, and a proxy's answer a conflict */
	return (net->iface[iface].flags & IFACE_PROXY_ARP) != 0 && arp_hdr_op(h) == ARP_REQUEST &&
	       sender != 0 && sender != addr && is_elsewhere(net, addr, iface);
}

/*
 * A flood of ARP packets shall not keep control from what it is there for; it is told of so many
 * in so many milliseconds.
 */
#define TELL_MAX    64
#define TELL_MAX_MS 10

static void tell(struct worker *w, const struct event *e)
{
	if (w->now - w->arp_since >= clock_of_ms(TELL_MAX_MS)) {
		w->arp_since = w->now;
		w->arp_told = 0;
	}
	if (w->arp_told++ < TELL_MAX)
		worker_tell(w, e);
	else
		w->count[COUNT_arp_limited]++;
}

/*
 * RFC 826's merge, as far as it is news to control: who speaks to us and is unknown, a known
 * neighbour's new MAC, and whatever comes from a neighbour that control is asking for.
 */
static void learn(struct worker *w, const struct rte_mbuf *m, const struct arp_hdr *h, bool for_us)
{
	const struct net *net = w->net;
	fib_entry e = fib4_lookup(net->fib, arp_hdr_spa(h));
	const struct adj *a = &net->adj[fib_entry_index(e)];
	struct event news = {
		.kind = EVENT_ARP,
		.arp_reply = arp_hdr_op(h) == ARP_REPLY,
		.arp_to_us = for_us,
		.arp_unicast = (m->port & PKT_LINK_GROUP) == 0,
		.iface = pkt_iface(m),
		.addr = arp_hdr_spa(h),
	};

	if (fib_entry_kind(e) == FIB_FORWARD && a->addr == news.addr && a->iface == news.iface) {
		uint64_t known = __atomic_load_n(&a->l2_first, __ATOMIC_RELAXED) & ETH_U48_MASK;

		if (known == eth_mac_u48(h->sha) && a->flags == ADJ_RESOLVED)
			return;
	} else if (!for_us) {
		return;
	}
	memcpy(news.mac, h->sha, sizeof(news.mac));
	tell(w, &news);
}

/* An address of ours on that link: of a host, or a virtual one that we alone answer for. */
static bool is_used_here(const struct net *net, const struct iface *f, uint32_t addr)
{
	fib_entry e;

	if (iface_owns(f, addr))
		return true;
	e = fib4_lookup(net->fib, addr);
	return fib_entry_kind(e) == FIB_SERVICE && (fib_entry_index(e) & FIB_SERVICE_ARP) != 0 &&
	       iface_link(f, addr) != NULL;
}

/* What is wrong with who sent it, DROP_MAX if nothing. A probe (RFC 5227) has no address yet. */
static enum drop_reason refuse(
	const struct net *net, const struct iface *f, const struct arp_hdr *h)
{
	uint32_t sender = arp_hdr_spa(h);

	if (!eth_is_unicast(h->sha) || eth_mac_u48(h->sha) == f->mac)
		return DROP_ARP_SOURCE;
	if (sender != 0 && is_used_here(net, f, sender))
		return DROP_ARP_CONFLICT;
	if (sender != 0 && iface_link(f, sender) == NULL)
		return DROP_ARP_OFFLINK;
	return DROP_MAX;
}

static void conflict(struct worker *w, const struct rte_mbuf *m, const struct arp_hdr *h)
{
	struct event e = {.kind = EVENT_CONFLICT, .iface = pkt_iface(m), .addr = arp_hdr_spa(h)};

	memcpy(e.mac, h->sha, sizeof(e.mac));
	tell(w, &e);
}

static void arp(struct worker *w, struct rte_mbuf *m, const struct arp_hdr *h, const uint8_t *mac)
{
	bool for_us = is_for_us(w->net, h, pkt_iface(m));
	struct arp_hdr reply = *h;

	w->count[arp_hdr_op(h) == ARP_REPLY ? COUNT_arp_replies_in : COUNT_arp_requests_in]++;
	if (arp_hdr_spa(h) != 0)
		learn(w, m, h, for_us);
	/* the kernel asks for itself; requests are for us alone, or there would be two answers */
	if (arp_hdr_op(h) == ARP_REPLY && (m->port & PKT_LINK_GROUP) == 0 && punt_wants(w, m)) {
		lane_put(&w->punt, m, 0);
		return;
	}
	if (!for_us) {
		drop(w, m, DROP_ARP_NOT_OURS);
		return;
	}
	if (arp_hdr_op(h) == ARP_REPLY) {
		consume(w, m);
		return;
	}
	arp_hdr_to_reply(&reply, mac);
	answer(w, m, &reply, reply.tha);
}

static void one(struct worker *w, struct rte_mbuf *m)
{
	const struct iface *f = &w->net->iface[pkt_iface(m)];
	const struct arp_hdr *h = (const struct arp_hdr *)(pkt_eth(m) + 1);
	bool is_rarp = eth_hdr_type(pkt_eth(m)) == ETH_TYPE_RARP;
	enum drop_reason r;
	uint8_t mac[ETH_MAC_LEN];

	if (arp_hdr_check(h, m->data_len - ETH_HDR_LEN) != ARP_OK ||
		is_rarp != (arp_hdr_op(h) >= RARP_REQUEST)) {
		drop(w, m, DROP_ARP_BAD);
		return;
	}
	eth_mac_store(mac, f->mac);
	if (is_rarp) {
		rarp(w, m, h, mac);
		return;
	}
	r = refuse(w->net, f, h);
	if (r == DROP_ARP_CONFLICT)
		conflict(w, m, h);
	if (r != DROP_MAX)
		drop(w, m, r);
	else
		arp(w, m, h, mac);
}

void stage_arp(struct worker *w)
{
	for (uint32_t i = 0; i < w->arp.n; i++)
		one(w, w->arp.pkt[i]);
}
