/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stage_replies: what comes from behind this instance and changes before it is routed.
 *
 * in -> in | tx | fwd_out | local | error | hand-over | park | drop. A reply of destination NAT
 * needs no state to find its owner: the bindings say which service and port its backend answers
 * for, and with them which flow it would be. Where there is no such flow, the packet is the
 * backend's own affair and goes on in `in`, as all others do. In bursts: whose they would be, their
 * buckets on the way; then the flows, and out.
 */
#include "bucket.h"
#include "inner.h"
#include "net/steer.h"
#include "send.h"
#include "synproxy.h"

#define BURST 32

static inline const struct lb_binding *binding_at(
	const struct lb_match *match, be32 addr, be16 port, uint8_t proto)
{
	uint32_t i = lb_binding_hash(addr, port, proto);

	for (;; i++) {
		const struct lb_binding *b = &match->binding[i & match->bindings_mask];

		if (b->proto == 0)
			return NULL;
		if (b->addr == addr && b->port == port && b->proto == proto)
			return b;
	}
}

const struct lb_binding *lb_binding_of(
	const struct lb_match *match, be32 addr, be16 port, uint8_t proto)
{
	const struct lb_binding *b = binding_at(match, addr, port, proto);

	return b != NULL ? b : binding_at(match, addr, 0, proto);
}

/*
 * A reply goes to a client, not to us. What a backend sends to a virtual address is a client's own:
 * it must not be handed to the worker of a flow that it is no reply of, which would then keep it.
 */
static inline bool is_elsewhere(fib_entry entry)
{
	enum fib_kind kind = fib_entry_kind(entry);

	return kind != FIB_LOCAL && kind != FIB_SERVICE;
}

const struct lb_seat *lb_seats(const struct lb_match *match, be32 addr, uint32_t *n)
{
	uint32_t low = 0, high = match->n_seats;

	while (low < high) {
		uint32_t mid = (low + high) / 2;

		if (match->seat[mid].addr < addr)
			low = mid + 1;
		else
			high = mid;
	}
	for (*n = 0; low + *n < match->n_seats && match->seat[low + *n].addr == addr;)
		(*n)++;
	return &match->seat[low];
}

/*
 * A part of what a backend sends: only the whole datagram says whether it is a reply. It begins
 * again at fib(in) then, and is routed as what it is. True: it has gone.
 */
static bool fragment(struct worker *w, const struct lb_match *match, struct rte_mbuf *m)
{
	const struct lb_backend *backend = w->net->lb->backend;
	uint32_t dst = ip4_hdr_dst(pkt_ip4(m)), n;
	const struct lb_seat *seat = lb_seats(match, pkt_ip4(m)->src, &n);

	if (!is_elsewhere(fib4_lookup(w->net->fib, dst)) || lookup_is_group(w->net, dst))
		return false;
	for (uint32_t i = 0; i < n; i++) {
		if (backend[seat[i].backend].mode == LB_NAT) {
			lane_put(&w->local, m, 0);
			return true;
		}
	}
	return false;
}

/* What has no ports of its own; true: it has gone. */
static bool odd(struct worker *w, const struct lb_match *match, struct rte_mbuf *m)
{
	if (ip4_hdr_is_fragment(pkt_ip4(m)))
		return fragment(w, match, m);
	return pkt_ip4(m)->proto == IP4_PROTO_ICMP && lb_icmp_behind(w, match, m);
}

/* A packet that may be a reply of destination NAT. */
struct answer {
	struct rte_mbuf *m;
	uint32_t at; /* in the lane */
	uint8_t flags;
	struct ip4_hdr *ip;
	void *l4;
	struct bucket *home;
	struct flow_key key;
	fib_entry entry;	/* of its client */
	struct nat_end service; /* whom it is from, for its client */
};

/* Whose it would be, and its bucket asked for. False: it is none; *m NULL: it has gone. */
static inline bool ask(
	struct worker *w, const struct lb_match *match, struct rte_mbuf **m, struct answer *a)
{
	const struct lb_binding *b;
	struct lb_ends ends;
	struct flow_key key;
	uint16_t owner;

	if (unlikely(!lb_ends_of(*m, &ends))) {
		if (odd(w, match, *m))
			*m = NULL;
		return false;
	}
	b = lb_binding_of(match, ends.ip->src, ends.sport, ends.ip->proto);
	if (b == NULL)
		return false;
	a->entry = fib4_lookup(w->net->fib, ip4_hdr_dst(ends.ip));
	if (!is_elsewhere(a->entry))
		return false;
	key = (struct flow_key){.addr = ends.ip->dst,
		.port = ends.dport,
		.service = b->service,
		.service_port = b->port != 0 ? b->service_port : ends.sport};
	a->service = (struct nat_end){w->net->lb->vservice[b->service].addr, key.service_port};
	if (unlikely(w->net->n_workers > 1)) {
		owner = steer_owner_by(w, key.addr, a->service.addr, key.port, key.service_port);
		if (owner != w->id) {
			if ((*m)->port & PKT_STEERED) /* its owner has been asked */
				return false;
			handover(w, owner, *m);
			*m = NULL;
			return false;
		}
	}
	a->m = *m;
	a->flags = ends.flags;
	a->ip = ends.ip;
	a->l4 = ends.l4;
	a->key = key;
	a->home = bucket_home(w->lb->flows, bucket_hash(w->lb->flows, &key));
	rte_prefetch0(a->home);
	return true;
}

/* Whose reply it is of a flow without a place in the table. LB_NOBODY: nobody's. */
static uint16_t alone(struct worker *w, const struct answer *a)
{
	uint16_t backend = lb_alone(w, &a->key);

	if (backend == LB_NOBODY || w->net->lb->backend[backend].addr != a->ip->src)
		return LB_NOBODY;
	w->count[COUNT_lb_alone_out]++;
	return backend;
}

/* It goes to its client as the service's. seq: what its number is more by. Takes a->m. */
static inline void give(
	struct worker *w, const struct answer *a, uint16_t backend, const uint32_t seq)
{
	const struct lb_edit e = {.hop = ip4_hdr_dst(a->ip),
		.kind = LB_EDIT_SRC,
		.mss = unlikely(a->flags & TCP_SYN) ? lb_mss(&w->net->lb->vservice[a->key.service])
						    : 0,
		.src = a->service,
		.seq = seq};

	lb_count_out(w, backend, a->m);
	w->in.pkt[a->at] = NULL;
	lb_send_by(w, a->m, a->ip, a->l4, &e, a->entry);
}

/* The same of a flow of the SYN proxy, which may have taken it itself. */
static void give_proxied(struct worker *w, const struct answer *a, struct flow *f)
{
	struct lb_ends ends;
	uint32_t seq = 0;

	(void)lb_ends_of(a->m, &ends); /* once more: they are not kept for all */
	if (!lb_proxy_out(w, a->m, &ends, f, &seq)) {
		w->in.pkt[a->at] = NULL;
		return;
	}
	lb_track(w, f, &w->net->lb->vservice[a->key.service], a->flags, false);
	give(w, a, f->backend, seq);
}

/* What has a flow leaves the lane. */
static inline void answer(struct worker *w, const struct answer *a)
{
	const struct lb *lb = w->net->lb;
	struct flow *f = bucket_look_up(a->home, &a->key, w->lb->seconds);
	uint16_t backend;

	if (unlikely(f == NULL)) {
		if ((backend = alone(w, a)) != LB_NOBODY)
			give(w, a, backend, 0);
	} else if (lb->backend[f->backend].addr == a->ip->src) {
		if (unlikely(f->proxied)) {
			give_proxied(w, a, f);
			return;
		}
		lb_track(w, f, &lb->vservice[a->key.service], a->flags, false);
		give(w, a, f->backend, 0);
	}
}

static void answer_all(struct worker *w, const struct answer *answers, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		answer(w, &answers[i]);
}

/* What changes of the other packets; how many have left the lane. */
static uint32_t masquerade(struct worker *w, const struct lb_match *match, struct lane *in)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < in->n; i++) {
		if (in->pkt[i] == NULL || !lb_masquerade(w, match, in->pkt[i]))
			continue;
		in->pkt[i] = NULL;
		n++;
	}
	return n;
}

static void close_gaps(struct lane *in)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < in->n; i++) {
		in->pkt[kept] = in->pkt[i];
		in->aux[kept] = in->aux[i];
		kept += in->pkt[i] != NULL;
	}
	in->n = kept;
}

void stage_replies(struct worker *w)
{
	const struct lb_match *match =
		atomic_load_explicit(&w->net->lb->match, memory_order_acquire);
	struct answer answers[BURST];
	struct lane *in = &w->in;
	uint32_t n = 0, met = 0;

	for (uint32_t i = 0; i < in->n; i++) {
		const struct ip4_hdr *ip = pkt_ip4(in->pkt[i]);
		/* an error about what a backend was sent may be any router's */
		bool is_icmp = ip->proto == IP4_PROTO_ICMP;

		if (likely(!(lb_filter_has(match, ip->src) | is_icmp)))
			continue;
		met++;
		answers[n].at = i;
		n += ask(w, match, &in->pkt[i], &answers[n]);
		if (n == BURST) {
			answer_all(w, answers, n);
			n = 0;
		}
	}
	if (n > 0)
		answer_all(w, answers, n);
	if (unlikely(match->n_masquerades > 0))
		met += masquerade(w, match, in);
	if (met > 0)
		close_gaps(in);
}
