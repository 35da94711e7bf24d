/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stage_balance: packets for virtual services, to their backends.
 *
 * service (aux: index of a vip) -> tx | fwd_out | local | reasm | error | hand-over | park | drop.
 * A burst in three passes: whose flow it is, its bucket on the way; the flow and its backend, the
 * route on the way; what changes, and out.
 */
#include "bucket.h"
#include "inner.h"
#include "net/steer.h"
#include "synproxy.h"

#define BURST 32

struct ask {
	struct rte_mbuf *m;
	struct lb_ends ends;
	struct flow_key key;
	uint32_t hash;	       /* of flows that are kept */
	const uint16_t *place; /* of others: where the backend stands; else NULL */
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

/* The same; most addresses have one service, or it is the first. */
static inline uint16_t service_of(
	const struct lb_match *match, const struct lb_vip *vip, uint8_t proto, be16 port)
{
	const struct lb_range *r = &match->range[vip->first];
	uint16_t number = from_be16(port);

	if (likely(vip->n > 0 && r->proto == proto && number >= r->lo && number <= r->hi))
		return r->service;
	return lb_service_of(match, vip, proto, port);
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
	const struct bucket *home;

	if (likely(s->keep)) {
		a->place = NULL;
		a->hash = bucket_hash(w->lb->flows, &a->key);
		home = bucket_home(w->lb->flows, a->hash);
		rte_prefetch0(home);
		if (a->ends.flags & TCP_SYN) /* a new flow may have to look further */
			rte_prefetch0(home + 1);
	} else {
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
	struct flow_key key;
	uint16_t owner;

	if (unlikely(!lb_ends_of(m, &ends))) {
		odd(w, m);
		return false;
	}
	if (unlikely(w->net->n_workers > 1) && (owner = steer_owner_of(w, m)) != w->id) {
		handover(w, owner, m);
		return false;
	}
	a->ends = ends; /* whose own address nobody gets: it stays in registers */
	key = (struct flow_key){.addr = ends.ip->src,
		.port = ends.sport,
		.service_port = ends.dport,
		.service = LB_NOBODY};
	/* since the look-up its address may have gone, and another got its index */
	if (likely(vip->addr == ends.ip->dst)) {
		if (unlikely(vip->nat != LB_NOBODY)) {
			lb_pool_reply(w, m, vip->nat, &a->ends);
			return false;
		}
		key.service = service_of(match, vip, ends.ip->proto, ends.dport);
	}
	if (unlikely(key.service == LB_NOBODY)) {
		lb_refuse(w, m, DROP_NO_SERVICE);
		return false;
	}
	a->m = m;
	a->key = key;
	find(w, a);
	return true;
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

/* The flow, if it is kept, and the backend of a packet; LB_NOBODY: it has gone elsewhere. */
static inline uint16_t backend_of(struct worker *w, struct ask *a, struct flow **f)
{
	const struct lb *lb = w->net->lb;

	if (a->place != NULL) {
		*f = NULL;
		return hashed(w, a);
	}
	*f = bucket_look_up(w->lb->flows, a->hash, &a->key, w->lb->seconds);
	if (unlikely(*f == NULL || lb->backend[(*f)->backend].state > LB_BACKEND_OPEN))
		return lb_start(w, a->m, &a->ends, a->hash, &a->key, f);
	return (*f)->backend;
}

void lb_towards_flow(const struct worker *w, const struct flow *f, struct lb_edit *e)
{
	lb_towards(w, &w->net->lb->backend[f->backend], f->service_port, e);
	lb_source_of(w->net->lb, f, e);
}

static void balance(struct worker *w, struct rte_mbuf **pkt, const uint32_t *aux, uint32_t n)
{
	const struct lb *lb = w->net->lb;
	const struct lb_match *match = atomic_load_explicit(&lb->match, memory_order_acquire);
	struct ask asked[BURST];
	struct lb_edit edit[BURST];
	const struct ask *sent[BURST];
	uint32_t n_asked = 0, n_sent = 0;

	for (uint32_t i = 0; i < n; i++)
		n_asked += ask(w, match, pkt[i], aux[i] & ~FIB_SERVICE_ARP, &asked[n_asked]);
	for (uint32_t i = 0; i < n_asked; i++) {
		struct ask *a = &asked[i];
		struct flow *f;
		uint16_t backend = backend_of(w, a, &f);

		if (unlikely(backend == LB_NOBODY))
			continue;
		lb_towards(w, &lb->backend[backend], a->key.service_port, &edit[n_sent]);
		if (unlikely(a->ends.flags & TCP_SYN))
			edit[n_sent].mss = lb_mss(&lb->vservice[a->key.service]);
		if (f != NULL) {
			if (unlikely(f->proxied) &&
				!lb_proxy_in(w, a->m, &a->ends, f, &edit[n_sent]))
				continue;
			lb_track(w, f, &lb->vservice[a->key.service], a->ends.flags, true);
			lb_source_of(lb, f, &edit[n_sent]);
		}
		rte_prefetch0(fib4_slot(w->net->fib, edit[n_sent].hop));
		lb_count_in(w, backend, a->m);
		sent[n_sent++] = a;
	}
	for (uint32_t i = 0; i < n_sent; i++)
		lb_send_at(w, sent[i]->m, sent[i]->ends.ip, sent[i]->ends.l4, &edit[i]);
}

void stage_balance(struct worker *w)
{
	struct lane *l = &w->service;

	for (uint32_t i = 0; i < l->n; i += BURST)
		balance(w, l->pkt + i, l->aux + i, RTE_MIN(l->n - i, (uint32_t)BURST));
}
