/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * icmp: ICMP errors about packets that were balanced, to whom they concern.
 *
 * From the client's side (stage_quoted): about what a service's address sent to a client; to the
 * backend that has the flow (RFC 7690), whose own address is put into the quotation where the
 * service's was put into the packet, and the pool's where the client's was. From the backend's
 * side, about what NAT sent to a backend: to the client, who knows it by the service's address (RFC
 * 5508 4.2); by way of the client's address (lb_icmp_behind) or of the pool's, which it had in full
 * NAT (stage_quoted). About a tunnel's packets (stage_quoted): to the client whose packet was
 * inside (RFC 2003 4).
 */
#include "inner.h"
#include "net/chain.h"
#include "net/punt.h"
#include "net/steer.h"
#include "send.h"
#include "synproxy.h"
#include "wire/icmp_hdr.h"

#define PATH_MTU_MIN 576 /* what is said to be narrower is not believed: RFC 1191 5.1's concern */

/* An ICMP error and the packet of TCP or UDP that it quotes. */
struct quote {
	struct icmp_hdr *icmp;
	struct ip4_hdr *ip;
	size_t room; /* bytes from ip on that are at hand */
	be16 sport, dport;
	uint32_t seq; /* what is added to TCP's number: SYN proxy */
};

/* Reads it; false: no error, or about no packet with ports, or not at hand. */
static bool read_quote(const struct rte_mbuf *m, struct quote *q)
{
	const struct ip4_hdr *ip = pkt_ip4(m);
	uint32_t here = m->data_len - ETH_HDR_LEN - ip4_hdr_len(ip);
	uint32_t len = RTE_MIN(ip4_hdr_payload_len(ip), here);
	const be16 *port;

	if (len < ICMP_HDR_LEN || ip4_hdr_is_fragment(ip))
		return false;
	q->icmp = pkt_l4(m);
	q->ip = (struct ip4_hdr *)(uintptr_t)icmp_hdr_quoted(q->icmp, len);
	if (q->ip == NULL || ip4_hdr_frag_offset(q->ip) != 0 ||
		(q->ip->proto != IP4_PROTO_TCP && q->ip->proto != IP4_PROTO_UDP))
		return false;
	q->room = len - ICMP_HDR_LEN;
	port = ip4_hdr_payload(q->ip);
	q->sport = port[0];
	q->dport = port[1];
	q->seq = 0;
	return true;
}

/*
 * Sends an error on, with other ends in what it quotes. from: its own source is this from now on;
 * 0: it stays. to: the same of its destination. Takes ownership.
 */
static void send(struct worker *w, struct rte_mbuf *m, const struct quote *q, struct nat_end src,
	struct nat_end dst, be32 from, be32 to)
{
	struct ip4_hdr *ip = pkt_ip4(m);
	struct lb_edit e = {.hop = from_be32(to != 0 ? to : ip->dst)};
	uint32_t adj = lb_way(w, m, ip, &e);

	if (adj == 0)
		return;
	if (unlikely(q->seq != 0))
		nat_quoted_seq(q->ip, q->room, q->seq, &q->icmp->csum);
	nat_quoted(q->ip, q->room, src, dst, &q->icmp->csum);
	if (from != 0)
		ip4_hdr_set_src(ip, from_be32(from));
	if (to != 0)
		ip4_hdr_set_dst(ip, from_be32(to));
	ip4_hdr_dec_ttl(ip);
	w->count[COUNT_ip4_forwarded]++;
	lane_put(&w->fwd_out, m, adj);
}

/*
 * The backend of the flow whose packet is quoted, or LB_NOBODY; *f is the flow, where one is kept.
 * Without a flow there is no source of ours, and in full NAT there was no packet.
 */
static uint16_t backend_of(struct worker *w, const struct flow_key *key, const struct flow **f)
{
	const struct lb *lb = w->net->lb;
	const struct lb_vservice *s = &lb->vservice[key->service];

	*f = NULL;
	if (!s->keep)
		return *lb_place(lb, s, key);
	*f = flow_find(w->lb->flows, flow_hash(w->lb->flows, key), key, w->lb->seconds);
	if (*f == NULL)
		return s->mode == LB_FULL_NAT ? LB_NOBODY : lb_alone(w, key);
	return lb->backend[(*f)->backend].state == LB_BACKEND_ENDED ? LB_NOBODY : (*f)->backend;
}

/* --- from the backend's side --- */

bool lb_icmp_behind(struct worker *w, const struct lb_match *match, struct rte_mbuf *m)
{
	const struct lb *lb = w->net->lb;
	const struct lb_binding *b;
	const struct flow *f;
	struct flow_key key;
	struct nat_end service;
	struct quote q;
	uint16_t owner, backend;

	if (!read_quote(m, &q) || !lb_filter_has(match, q.ip->dst) ||
		q.ip->src != pkt_ip4(m)->dst || lookup_is_ours(w->net, ip4_hdr_src(q.ip)) ||
		lookup_is_service(w->net, ip4_hdr_src(q.ip))) /* a masquerade's, maybe */
		return false;
	b = lb_binding_of(match, q.ip->dst, q.dport, q.ip->proto);
	if (b == NULL)
		return false;
	service = (struct nat_end){
		lb->vservice[b->service].addr, b->port != 0 ? b->service_port : q.dport};
	owner = steer_owner_by(w, q.ip->src, service.addr, q.sport, service.port);
	if (owner != w->id) {
		if (m->port & PKT_STEERED) /* its owner has been asked */
			return false;
		handover(w, owner, m);
		return true;
	}
	key = (struct flow_key){q.ip->src, q.sport, service.port, b->service};
	backend = backend_of(w, &key, &f);
	if (backend == LB_NOBODY || lb->backend[backend].addr != q.ip->dst ||
		(f != NULL && flow_has_source(f)))
		return false;
	send(w, m, &q, (struct nat_end){q.ip->src, q.sport}, service,
		pkt_ip4(m)->src == q.ip->dst ? service.addr : 0, 0);
	return true;
}

/* --- from the client's side --- */

/*
 * About what the address sent that m is to. *service: which one it was sent by, or LB_NOBODY; *nat:
 * the address is one of ours towards backends, by its number, or LB_NOBODY.
 */
static void sender_of(const struct worker *w, const struct rte_mbuf *m, const struct quote *q,
	uint16_t *service, uint16_t *nat)
{
	const struct lb_match *match =
		atomic_load_explicit(&w->net->lb->match, memory_order_acquire);
	fib_entry entry = fib4_lookup(w->net->fib, ip4_hdr_dst(pkt_ip4(m)));
	const struct lb_vip *vip;

	*service = *nat = LB_NOBODY;
	if (fib_entry_kind(entry) != FIB_SERVICE || q->ip->src != pkt_ip4(m)->dst)
		return;
	vip = &match->vip[fib_entry_index(entry) & ~FIB_SERVICE_ARP];
	if (vip->addr != q->ip->src) /* between an apply's two stores its index is another's */
		return;
	*nat = vip->nat;
	if (*nat == LB_NOBODY)
		*service = lb_service_of(match, vip, q->ip->proto, q->sport);
}

/* To the client of the flow that has a port of an address of ours. Takes m. */
static void to_client(struct worker *w, struct rte_mbuf *m, uint16_t nat, const struct quote *q)
{
	const struct flow *f =
		lb_pool_answered(w, nat, q->ip->proto, q->sport, q->ip->dst, q->dport);
	struct nat_end service;

	if (f == NULL) {
		drop(w, m, DROP_LB_NO_FLOW);
		return;
	}
	service = (struct nat_end){w->net->lb->vservice[f->service].addr, f->service_port};
	lb_count_out(w, f->backend, m);
	send(w, m, q, (struct nat_end){f->addr, f->port}, service,
		pkt_ip4(m)->src == q->ip->dst ? service.addr : 0, f->addr);
}

/* To the backend of the flow that a service's packet was of. Takes m. */
static void to_backend(struct worker *w, struct rte_mbuf *m, uint16_t service, struct quote *q)
{
	struct flow_key key = {q->ip->dst, q->dport, q->sport, service};
	struct nat_end client = {key.addr, key.port};
	const struct flow *f;
	struct lb_edit e;
	uint16_t backend = backend_of(w, &key, &f);

	if (backend == LB_NOBODY) {
		drop(w, m, DROP_LB_NO_FLOW);
		return;
	}
	lb_towards(w, &w->net->lb->backend[backend], key.service_port, &e);
	if (f != NULL) {
		lb_source_of(w->net->lb, f, &e);
		q->seq = f->proxied ? 0 - lb_proxy_shift(w, f) : 0;
	}
	lb_count_in(w, backend, m);
	if (e.kind == LB_EDIT_DST)
		send(w, m, q, e.dst, client, 0, e.dst.addr);
	else if (e.kind == LB_EDIT_BOTH) /* it knows the client by our address */
		send(w, m, q, e.dst, e.src, pkt_ip4(m)->src == client.addr ? e.src.addr : 0,
			e.dst.addr);
	else
		lb_send(w, m, &e);
}

static void about_flow(struct worker *w, struct rte_mbuf *m)
{
	uint16_t owner, service = LB_NOBODY, nat = LB_NOBODY;
	struct quote q;

	if (read_quote(m, &q))
		sender_of(w, m, &q, &service, &nat);
	if (service == LB_NOBODY && nat == LB_NOBODY) {
		drop(w, m, DROP_LB_NO_FLOW);
		return;
	}
	owner = steer_owner_by(w, q.ip->dst, q.ip->src, q.dport, q.sport);
	if (owner != w->id)
		handover(w, owner, m);
	else if (nat != LB_NOBODY)
		to_client(w, m, nat, &q);
	else
		to_backend(w, m, service, &q);
}

/* --- about tunnels --- */

/* Whether a tunnel to addr is ours, whose ends learn an MTU (0: nothing is to be learnt). */
static bool tunnels_learn(struct worker *w, be32 addr, enum lb_mode mode, uint16_t mtu)
{
	const struct lb_match *match =
		atomic_load_explicit(&w->net->lb->match, memory_order_acquire);
	bool ours = false;
	uint32_t n;

	for (const struct lb_seat *s = lb_seats(match, addr, &n); n > 0; s++, n--) {
		struct lb_backend *b = &w->net->lb->backend[s->backend];

		if (b->mode != mode)
			continue;
		ours = true;
		if (mtu != 0)
			tunnel_learn(b, mtu, w->lb->seconds);
	}
	return ours;
}

/* The client's packet in what is quoted of a tunnel's, of room bytes, with eight bytes behind its
 * header; or NULL: that much is not there. */
static const struct ip4_hdr *inner_of(const struct ip4_hdr *outer, size_t room)
{
	size_t at = ip4_hdr_len(outer) + (outer->proto == IP4_PROTO_GRE ? 4 : 0);
	const struct ip4_hdr *inner = (const void *)((const char *)outer + at);

	if (room < at + IP4_HDR_LEN || inner->version_ihl >> 4 != 4 ||
		ip4_hdr_len(inner) < IP4_HDR_LEN || ip4_hdr_total_len(inner) < ip4_hdr_len(inner) ||
		room < at + ip4_hdr_len(inner) + ICMP_QUOTE_L4)
		return NULL;
	if (outer->proto == IP4_PROTO_GRE &&
		load32((const char *)inner - 4) != to_be32(ETH_TYPE_IP4))
		return NULL;
	return inner;
}

/*
 * m becomes the client's packet, as far as it was quoted, and its sender is told (RFC 2003 4.1 to
 * 4.3): of the MTU that the tunnel leaves, or that the host is not reached. Takes ownership.
 */
static void tell_client(
	struct worker *w, struct rte_mbuf *m, const struct ip4_hdr *inner, uint32_t mtu)
{
	const char *frame = rte_pktmbuf_mtod(m, const char *);

	rte_pktmbuf_adj(m, (uint16_t)((const char *)inner - frame - ETH_HDR_LEN));
	if (mtu != 0)
		error_put(w, m, ERROR_FRAG_NEEDED, mtu);
	else
		error_put(w, m, ERROR_UNREACHABLE, 0);
}

enum tidings { NARROW, UNREACHED, NOTHING };

static enum tidings tidings_of(const struct icmp_hdr *icmp)
{
	if (icmp->type == ICMP_TYPE_TIME_EXCEEDED)
		return icmp->code == ICMP_CODE_TTL ? UNREACHED : NOTHING;
	if (icmp->type != ICMP_TYPE_UNREACH)
		return NOTHING;
	return icmp->code == ICMP_CODE_FRAG_NEEDED ? NARROW : UNREACHED;
}

/* True: it was about a tunnel of ours, and has gone. */
static bool about_tunnel(struct worker *w, struct rte_mbuf *m)
{
	const struct icmp_hdr *icmp = pkt_l4(m);
	uint32_t len = m->data_len - ETH_HDR_LEN - ip4_hdr_len(pkt_ip4(m)), mtu = 0;
	const struct ip4_hdr *outer = icmp_hdr_quoted(icmp, len), *inner;
	enum tidings tidings = tidings_of(icmp);
	bool gre;

	if (outer == NULL || outer->src != pkt_ip4(m)->dst ||
		(outer->proto != IP4_PROTO_IPIP && outer->proto != IP4_PROTO_GRE))
		return false;
	gre = outer->proto == IP4_PROTO_GRE;
	if (tidings == NARROW) {
		mtu = RTE_MAX(from_be32(icmp->rest) & 0xffff, (uint32_t)PATH_MTU_MIN);
		if (mtu >= ip4_hdr_total_len(outer)) /* it would have fitted */
			tidings = NOTHING;
	}
	if (!tunnels_learn(
		    w, outer->dst, gre ? LB_GRE : LB_IPIP, tidings == NARROW ? (uint16_t)mtu : 0))
		return false;
	inner = inner_of(outer, len - ICMP_HDR_LEN);
	if (tidings == NOTHING || inner == NULL || !lookup_is_service(w->net, ip4_hdr_dst(inner)))
		consume(w, m);
	else
		tell_client(w, m, inner, tidings == NARROW ? mtu - IP4_HDR_LEN - (gre ? 4 : 0) : 0);
	return true;
}

/* The whole of two headers with options, and eight bytes behind them. */
#define QUOTED_HEADERS                                                                             \
	(ETH_HDR_LEN + IP4_HDR_LEN_MAX + ICMP_HDR_LEN + 2 * IP4_HDR_LEN_MAX + 4 + ICMP_QUOTE_L4)

void stage_quoted(struct worker *w)
{
	for (uint32_t i = 0; i < w->quoted.n; i++) {
		struct rte_mbuf *m = w->quoted.pkt[i], *head;

		head = chain_head(w, m, RTE_MIN(rte_pktmbuf_pkt_len(m), (uint32_t)QUOTED_HEADERS));
		if (head == NULL)
			drop(w, m, DROP_NO_BUFFER);
		else if (about_tunnel(w, head))
			continue;
		else if (lookup_is_service(w->net, ip4_hdr_dst(pkt_ip4(head))))
			about_flow(w, head);
		else if (punt_wants(w, head))
			lane_put(&w->punt, head, 0);
		else
			consume(w, head);
	}
}
