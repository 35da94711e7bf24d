/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stage_replies: what comes from behind this instance and changes before it is routed.
 *
 * in -> in | fwd_out | error | hand-over | park | drop. A reply of destination NAT needs no state
 * to find its owner: the bindings say which service and port its backend answers for, and with
 * them which flow it would be. Where there is no such flow, the packet is the backend's own affair
 * and goes on in `in`, as all others do.
 */
#include "bucket.h"
#include "inner.h"
#include "net/steer.h"

#include <string.h>

static const struct lb_binding *binding_at(
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

/* Which service a backend answers for from this address and port. */
static const struct lb_binding *binding_of(const struct lb_match *match, const struct lb_ends *e)
{
	const struct lb_binding *b = binding_at(match, e->ip->src, e->sport, e->ip->proto);

	return b != NULL ? b : binding_at(match, e->ip->src, 0, e->ip->proto);
}

static void count_out(struct worker *w, uint16_t backend, const struct rte_mbuf *m)
{
	struct lb_count *c = &w->lb->backend[backend];

	c->packets_out++;
	c->bytes_out += rte_pktmbuf_pkt_len(m) - ETH_HDR_LEN;
}

/*
 * A reply goes to a client, not to us. What a backend sends to a virtual address is a client's own:
 * it must not be handed to the worker of a flow that it is no reply of, which would then keep it.
 */
static bool is_elsewhere(const struct net *net, uint32_t dst)
{
	return !lookup_is_ours(net, dst) && !lookup_is_service(net, dst);
}

/* A reply of destination NAT, if it is one: true, and it has gone. */
static bool reply(struct worker *w, const struct lb_match *match, struct rte_mbuf *m)
{
	const struct lb *lb = w->net->lb;
	const struct lb_binding *b;
	struct lb_ends ends;
	struct flow_key key;
	struct lb_edit e;
	struct flow *f;
	uint16_t owner;

	if (!lb_ends_of(m, &ends) || (b = binding_of(match, &ends)) == NULL ||
		!is_elsewhere(w->net, ip4_hdr_dst(ends.ip)))
		return false;
	e = (struct lb_edit){.hop = ip4_hdr_dst(ends.ip),
		.kind = LB_EDIT_SRC,
		.src = {lb->vservice[b->service].addr,
			b->port != 0 ? b->service_port : ends.sport}};
	key = (struct flow_key){.addr = ends.ip->dst,
		.port = ends.dport,
		.service = b->service,
		.service_port = e.src.port};
	owner = steer_owner_by(w, key.addr, e.src.addr, key.port, key.service_port);
	if (owner != w->id) {
		handover(w, owner, m);
		return true;
	}
	f = bucket_look_up(w->lb->flows, bucket_hash(w->lb->flows, &key), &key, w->lb->seconds);
	if (f == NULL || lb->backend[f->backend].addr != ends.ip->src)
		return false;
	lb_track(w, f, &lb->vservice[b->service], ends.flags, false);
	count_out(w, f->backend, m);
	lb_send(w, m, &e);
	return true;
}

void stage_replies(struct worker *w)
{
	const struct lb_match *match =
		atomic_load_explicit(&w->net->lb->match, memory_order_acquire);
	struct lane *in = &w->in;
	uint32_t kept = 0;

	for (uint32_t i = 0; i < in->n; i++) {
		struct rte_mbuf *m = in->pkt[i];

		if (unlikely(lb_filter_has(match, pkt_ip4(m)->src)) && reply(w, match, m))
			continue;
		in->pkt[kept] = m;
		in->aux[kept++] = in->aux[i];
	}
	in->n = kept;
}
