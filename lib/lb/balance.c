/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stage_balance: packets for virtual services, to their backends.
 *
 * service (aux: index of a vip) -> tx | fwd_out | out | local | error | hand-over | park |
 * consumed | drop. A burst in two passes: whose flow it is, its bucket on the way; the flow, its
 * backend, what changes, and out.
 */
#include "bucket.h"
#include "inner.h"
#include "net/steer.h"
#include "send.h"
#include "synproxy.h"

#define BURST 32

struct ask {
	struct rte_mbuf *m;
	struct ip4_hdr *ip;
	void *l4;
	struct flow_key key;
	uint8_t flags;	       /* of TCP */
	struct bucket *home;   /* of flows that are kept; else NULL */
	const uint16_t *place; /* of others: where the backend stands */
};

/* Ranges are few as a rule: from the first on. */
uint16_t lb_service_of(
	const struct lb_match *match, const struct lb_vip *vip, uint8_t proto, be16 port)
{
	const struct lb_range *r = &match->range[vip->first];
	uint16_t number = from_be16(port);
	uint32_t low = 0, high = vip->n;

	while (high - low > 4) {
		uint32_t mid = (low + high) / 2;
		bool before = r[mid].proto < proto || (r[mid].proto == proto && r[mid].hi < number);

		low = before ? mid + 1 : low;
		high = before ? high : mid + 1;
	}
	for (; low < high; low++)
		if (r[low].proto == proto && number >= r[low].lo && number <= r[low].hi)
			return r[low].service;
	return LB_NOBODY;
}

/* The same; most addresses have one service, of one port. */
static inline uint16_t service_of(
	const struct lb_match *match, const struct lb_vip *vip, uint8_t proto, be16 port)
{
	return likely(vip->one == lb_port_of(proto, port)) ? vip->service
							   : lb_service_of(match, vip, proto, port);
}

/*
 * What is not a whole packet of TCP or UDP: fragments come again when they are a datagram, ICMP is
 * answered or, if it speaks of a flow, comes to stage_quoted. Takes m.
 */
static void odd(struct worker *w, struct rte_mbuf *m)
{
	const struct ip4_hdr *ip = pkt_ip4(m);

	if (ip4_hdr_is_fragment(ip) || ip->proto == IP4_PROTO_ICMP)
		lane_put(&w->local, m, 0);
	else if (ip->proto == IP4_PROTO_TCP || ip->proto == IP4_PROTO_UDP)
		drop(w, m, ip->proto == IP4_PROTO_TCP ? DROP_TCP_BAD : DROP_UDP_BAD);
	else
		error_put(w, m, ERROR_PROTOCOL, 0);
}

/* Where the packet's backend stands, which is asked for. */
static inline void find(struct worker *w, struct ask *a)
{
	const struct lb_vservice *s = &w->net->lb->vservice[a->key.service];
	struct flow_table *flows = w->lb->flows;

	if (likely(s->keep)) {
		a->home = bucket_home(flows, bucket_hash(flows, &a->key));
		rte_prefetch0(a->home);
		if (unlikely(a->flags & TCP_SYN)) /* a new flow may have to look further */
			rte_prefetch0(a->home + 1);
	} else {
		a->home = NULL;
		a->place = lb_place(w->net->lb, s, &a->key);
		rte_prefetch0(a->place);
	}
}

/* Whose flow m is, and its bucket asked for. False: m has gone elsewhere. */
static inline bool ask(struct worker *w, const struct lb_match *match, struct rte_mbuf *m,
	uint32_t index, struct ask *a)
{
	const struct lb_vip *vip = &match->vip[index];
	struct lb_ends ends;
	uint16_t owner, service;

	if (unlikely(!lb_ends_of(m, &ends))) {
		odd(w, m);
		return false;
	}
	if (unlikely(w->net->n_workers > 1) && (owner = steer_owner_of(w, m)) != w->id) {
		handover(w, owner, m);
		return false;
	}
	/* its address may have gone since the look-up, and another got its index */
	service = likely(vip->addr == ends.ip->dst)
			  ? service_of(match, vip, ends.ip->proto, ends.dport)
			  : LB_NOBODY;
	if (unlikely(service == LB_NOBODY)) {
		struct lb_ends of = ends; /* so that no address of `ends` leaves here: registers */

		if (vip->addr == ends.ip->dst && vip->nat != LB_NOBODY)
			lb_pool_reply(w, m, vip->nat, &of);
		else
			lb_refuse(w, m, DROP_NO_SERVICE);
		return false;
	}
	a->m = m;
	a->ip = ends.ip;
	a->l4 = ends.l4;
	a->flags = ends.flags;
	a->key = (struct flow_key){ends.ip->src, ends.sport, ends.dport, service};
	find(w, a);
	return true;
}

static struct lb_ends ends_of(const struct ask *a)
{
	return (struct lb_ends){a->ip, a->l4, a->key.port, a->key.service_port, a->flags};
}

/*
 * Where no flows are kept: sources are asked about with every packet, limits know of none.
 * LB_NOBODY: the packet has gone elsewhere.
 */
static uint16_t hashed(struct worker *w, const struct ask *a)
{
	const struct lb_vservice *s = &w->net->lb->vservice[a->key.service];

	if (unlikely(!lb_acl_allows(s, a->key.addr))) {
		lb_refused(w, a->m, a->key.service, DROP_LB_ACL);
		return LB_NOBODY;
	}
	if (unlikely(*a->place == LB_NOBODY))
		lb_refused(w, a->m, a->key.service, DROP_LB_NO_BACKEND);
	return *a->place;
}

/* The same of a flow that is new, or whose backend is not what it was. */
static uint16_t begin(struct worker *w, struct ask *a, struct flow **f)
{
	struct lb_ends ends = ends_of(a);

	return lb_start(w, a->m, &ends, bucket_hash(w->lb->flows, &a->key), &a->key, f);
}

/* The flow, if it is kept, and the backend of a packet; LB_NOBODY: it has gone elsewhere. */
static inline uint16_t backend_of(struct worker *w, struct ask *a, struct flow **flow)
{
	const struct lb *lb = w->net->lb;
	struct flow *f;

	*flow = NULL;
	if (a->home == NULL)
		return hashed(w, a);
	f = bucket_look_up(a->home, &a->key, w->lb->seconds);
	if (unlikely(f == NULL || lb->backend[f->backend].state > LB_BACKEND_OPEN)) {
		struct flow *started = f;
		uint16_t backend = begin(w, a, &started);

		*flow = started;
		return backend;
	}
	*flow = f;
	return f->backend;
}

void lb_towards_flow(const struct worker *w, const struct flow *f, struct lb_edit *e)
{
	lb_towards(w, &w->net->lb->backend[f->backend], f->service_port, e);
	lb_source_of(w->net->lb, f, e);
}

/* Of a flow of the SYN proxy, whose numbers change, too. */
static void serve_proxied(struct worker *w, const struct ask *a, struct flow *f)
{
	const struct lb_vservice *s = &w->net->lb->vservice[a->key.service];
	struct lb_ends ends = ends_of(a);
	struct lb_edit e;

	lb_towards(w, &w->net->lb->backend[f->backend], a->key.service_port, &e);
	if (a->flags & TCP_SYN)
		e.mss = lb_mss(s);
	if (!lb_proxy_in(w, a->m, &ends, f, &e))
		return;
	lb_track(w, f, s, a->flags, true);
	lb_source_of(w->net->lb, f, &e);
	lb_count_in(w, f->backend, a->m);
	lb_send(w, a->m, &e);
}

/*
 * To its backend, whatever stands in the way. The mode is the compiler's to know: what only others
 * need is not even asked. LB_FULL_NAT: f has a source of ours.
 */
static __rte_always_inline void serve_by(struct worker *w, const struct ask *a,
	const struct flow *f, uint16_t backend, const enum lb_mode mode)
{
	const struct lb *lb = w->net->lb;
	struct lb_edit e;

	lb_towards_by(w, &lb->backend[backend], mode, a->key.service_port, &e);
	if (unlikely(a->flags & TCP_SYN))
		e.mss = lb_mss(&lb->vservice[a->key.service]);
	if (mode == LB_FULL_NAT)
		lb_source_set(lb, f, &e);
	lb_count_in(w, backend, a->m);
	lb_send_by(w, a->m, a->ip, a->l4, &e, fib4_lookup(w->net->fib, e.hop));
}

static inline void serve(struct worker *w, struct ask *a)
{
	const struct lb *lb = w->net->lb;
	struct flow *f;
	uint16_t backend = backend_of(w, a, &f);

	if (unlikely(backend == LB_NOBODY))
		return;
	if (f != NULL) {
		if (unlikely(f->proxied)) {
			serve_proxied(w, a, f);
			return;
		}
		lb_track(w, f, &lb->vservice[a->key.service], a->flags, true);
		if (flow_has_source(f)) {
			serve_by(w, a, f, backend, LB_FULL_NAT);
			return;
		}
	}
	switch ((enum lb_mode)lb->backend[backend].mode) {
	case LB_NAT:
		serve_by(w, a, f, backend, LB_NAT);
		break;
	case LB_DSR:
		serve_by(w, a, f, backend, LB_DSR);
		break;
	case LB_IPIP:
		serve_by(w, a, f, backend, LB_IPIP);
		break;
	case LB_GRE:
		serve_by(w, a, f, backend, LB_GRE);
		break;
	case LB_FULL_NAT: /* not without a flow that has a source */
	case LB_MODES:
		drop(w, a->m, DROP_LB_NO_FLOW);
	}
}

static void balance(struct worker *w, struct rte_mbuf **pkt, const uint32_t *aux, uint32_t n)
{
	const struct lb_match *match =
		atomic_load_explicit(&w->net->lb->match, memory_order_acquire);
	struct ask asked[BURST], *end = asked;

	for (uint32_t i = 0; i < n; i++)
		end += ask(w, match, pkt[i], aux[i] & ~FIB_SERVICE_ARP, end);
	for (struct ask *a = asked; a < end; a++)
		serve(w, a);
}

void stage_balance(struct worker *w)
{
	struct lane *l = &w->service;

	for (uint32_t i = 0; i < l->n; i += BURST)
		balance(w, l->pkt + i, l->aux + i, RTE_MIN(l->n - i, (uint32_t)BURST));
}
