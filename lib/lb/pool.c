/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pool: addresses of ours that flows have towards their backends (full NAT), and what answers come
 * to them.
 *
 * A port is chosen so that its answers have the hash of what they answer, or of this worker at
 * least: whether the NIC steers them or software does, they come home, and the port says whose they
 * are. TCP and UDP each have all ports.
 */
#include "bucket.h"
#include "inner.h"
#include "inside.h"
#include "net/steer.h"
#include "ports.h"
#include "send.h"
#include "synproxy.h"

/* What the hash of an answer is without our port. */
static uint32_t rest_of_hash(be32 backend, be16 port, be32 ours)
{
	return hash_flow_wire(backend, ours, port, 0);
}

static be16 port_of(const struct lb_backend *b, const struct flow *f)
{
	return b->port != 0 ? b->port : f->service_port;
}

/* One whose answers have the very hash of the flow; where none is free, one whose come here. */
static uint16_t take_port(
	const struct worker *w, struct lb_ports *ports, uint32_t rest, uint32_t hash, uint32_t ref)
{
	bool is_home = w->net->owner[hash & (OWNER_MAP - 1)] == w->id;
	uint16_t port = is_home ? lb_ports_take_of(ports, rest ^ hash, ref) : 0;

	return port != 0 ? port : lb_ports_take(ports, w, rest, ref);
}

bool lb_pool_take(struct worker *w, struct flow *f)
{
	const struct lb *lb = w->net->lb;
	const struct lb_vservice *s = &lb->vservice[f->service];
	const struct lb_backend *b = &lb->backend[f->backend];
	uint64_t set = __atomic_load_n(&s->nat, __ATOMIC_ACQUIRE);
	uint32_t proto = lb_nat_proto(s->proto);
	uint32_t ref = flow_ref(w->lb->flows, f);
	uint32_t hash = hash_flow_wire(f->addr, s->addr, f->port, f->service_port);
	/* no address is in two pools, so the first of them says whose turn it is */
	uint8_t *turn = &w->lb->nat_turn[set == 0 ? 0 : __builtin_ctzll(set)];

	for (uint32_t i = 0, first = *turn; i < LB_POOL_MAX; i++) {
		uint32_t nat = (first + i) % LB_POOL_MAX;
		uint16_t port;

		if ((set >> nat & 1) == 0)
			continue;
		port = take_port(w, w->lb->ports[nat][proto],
			rest_of_hash(b->addr, port_of(b, f), lb->nat[nat].addr), hash, ref);
		if (port == 0)
			continue;
		f->nat_addr = (uint16_t)nat;
		f->nat_port = to_be16(port);
		f->marks |= LB_SOURCE;
		*turn = (uint8_t)(nat + 1); /* the next flow's begins behind it */
		return true;
	}
	return false;
}

void lb_pool_give(struct worker *w, const struct flow *gone)
{
	uint32_t proto = lb_nat_proto(w->net->lb->vservice[gone->service].proto);

	lb_ports_give(w->lb->ports[gone->nat_addr][proto], from_be16(gone->nat_port));
	if (w->lb->inside[gone->nat_addr] != NULL)
		lb_inside_gave(w->lb->inside[gone->nat_addr], gone->addr);
}

struct flow *lb_pool_flow(struct worker *w, uint16_t nat, uint32_t proto, be16 port)
{
	const struct lb_ports *ports = w->lb->ports[nat][proto];
	uint32_t ref = ports == NULL ? FLOW_NONE : lb_ports_flow(ports, from_be16(port));
	struct flow *f = ref == FLOW_NONE ? NULL : flow_at(w->lb->flows, ref);

	return f == NULL || flow_is_over(f, w->lb->seconds) ? NULL : f;
}

struct flow *lb_pool_answered(
	struct worker *w, uint16_t nat, uint8_t proto, be16 port, be32 backend, be16 backend_port)
{
	const struct lb *lb = w->net->lb;
	const struct lb_backend *b;
	struct flow *f = lb->nat[nat].state != LB_NAT_POOL
				 ? NULL
				 : lb_pool_flow(w, nat, lb_nat_proto(proto), port);

	if (f == NULL)
		return NULL;
	b = &lb->backend[f->backend];
	return b->addr == backend && port_of(b, f) == backend_port ? f : NULL;
}

void lb_pool_reply(struct worker *w, struct rte_mbuf *m, uint16_t nat, const struct lb_ends *ends)
{
	struct flow *f =
		lb_pool_answered(w, nat, ends->ip->proto, ends->dport, ends->ip->src, ends->sport);
	const struct lb_vservice *s;
	struct lb_edit e;

	if (f == NULL) {
		drop(w, m, DROP_LB_NO_FLOW);
		return;
	}
	s = &w->net->lb->vservice[f->service];
	e = (struct lb_edit){.hop = from_be32(f->addr),
		.kind = LB_EDIT_BOTH,
		.mss = unlikely(ends->flags & TCP_SYN) ? lb_mss(s) : 0,
		.src = {s->addr, f->service_port},
		.dst = {f->addr, f->port}};
	if (unlikely(f->proxied) && !lb_proxy_out(w, m, ends, f, &e.seq))
		return;
	lb_track(w, f, s, ends->flags, false);
	lb_count_out(w, f->backend, m);
	lb_send(w, m, &e);
}
