/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stage_sync: what the other instance tells.
 *
 * sync -> consumed | hand-over | drop. A datagram goes to the worker of its slot first, which looks
 * at it: whoever forges some costs us a look at 24 bytes unless he knows the session, and a hash of
 * the whole if he does. A flow that is told is taken if its service and backend are here, and
 * nobody here has seen it since.
 */
#include "bucket.h"
#include "inside.h"
#include "ports.h"
#include "sync_inner.h"

static uint32_t place_of(be32 addr, be16 port, uint16_t service)
{
	return (addr ^ (uint32_t)port * 0x85ebca6bu ^ service * 0xc2b2ae35u) * 0x9e3779b1u >> 7;
}

static uint16_t backend_at(const struct lb_sync *s, uint16_t service, be32 addr, be16 port)
{
	for (uint32_t i = place_of(addr, port, service);; i++) {
		const struct sync_place *p = &s->place[i & s->mask];

		if (p->backend == LB_NOBODY ||
			(p->addr == addr && p->port == port && p->service == service))
			return p->backend;
	}
}

void lb_sync_put(struct lb_sync *s, uint16_t service, be32 addr, be16 port, uint16_t backend)
{
	uint32_t i = place_of(addr, port, service);

	while (s->place[i & s->mask].backend != LB_NOBODY)
		i++;
	s->place[i & s->mask] = (struct sync_place){addr, port, service, backend};
}

/* The slots of a record's service and backend here; false: we have no such ones. */
static bool find_slots(const struct lb *lb, const struct net *net, const struct lb_sync *s,
	const struct sync_record *r, uint16_t *service, uint16_t *backend)
{
	const struct lb_match *match = atomic_load_explicit(&lb->match, memory_order_acquire);
	fib_entry e = fib4_lookup(net->fib, from_be32(r->service));
	uint32_t index = fib_entry_index(e) & ~FIB_SERVICE_ARP;
	uint8_t state;

	if (fib_entry_kind(e) != FIB_SERVICE || index >= match->n_vips ||
		match->vip[index].addr != r->service)
		return false;
	*service = lb_service_of(match, &match->vip[index], r->proto, r->service_port);
	if (*service == LB_NOBODY || !lb->vservice[*service].keep ||
		(lb->vservice[*service].mode == LB_FULL_NAT && r->nat == 0))
		return false;
	*backend = backend_at(s, *service, r->backend, r->backend_port);
	if (*backend == LB_NOBODY && r->backend_port == r->service_port)
		*backend = backend_at(s, *service, r->backend, 0);
	if (*backend == LB_NOBODY)
		return false;
	state = lb->backend[*backend].state;
	return state != LB_BACKEND_FREE && state != LB_BACKEND_ENDED;
}

/* Those of a mapping: of the masquerade that has its address and port of ours, and it inside. */
static bool find_mapping(
	const struct lb *lb, const struct sync_record *r, uint16_t *service, uint16_t *backend)
{
	const struct lb_match *match = atomic_load_explicit(&lb->match, memory_order_acquire);
	uint32_t proto = lb_nat_proto(r->proto);
	uint16_t port = from_be16(r->nat_port);

	for (uint32_t i = 0; i < match->n_masquerades; i++) {
		const struct lb_nat *n = &lb->nat[match->masquerade[i]];

		if (n->addr != r->nat || port < n->port || port > n->last_port ||
			(r->client & n->mask) != n->prefix)
			continue;
		*service = n->service[proto];
		*backend = n->backend[proto];
		return true;
	}
	return false;
}

/* Seconds since its last packet. */
static int age_of(const struct worker *w, const struct flow *f)
{
	int idle = w->net->lb->vservice[f->service].idle[f->state];
	int left = (int16_t)(f->ends - w->lb->seconds);

	return idle > left ? idle - left : 0;
}

/*
 * Whether the other side knows a flow better that is here, too. It was taken from there, and no
 * packet of it has come here; or packets have, but not for longer, and seconds are not exact. What
 * a SYN proxy opened here nobody knows better while it lives.
 */
static bool is_newer(const struct worker *w, const struct flow *f, const struct sync_record *r)
{
	if (f->proxied && f->state != FLOW_CLOSED)
		return false;
	return f->state == FLOW_TAKEN ? age_of(w, f) >= r->age : age_of(w, f) > r->age + 1;
}

/*
 * The port, if it is free. It is, too, if the flow that has it is the other side's and was not seen
 * here, or is over: who tells gives the port to others when that one has ended.
 */
static bool take_port(struct worker *w, uint32_t nat, uint32_t proto, uint16_t port, uint32_t ref)
{
	struct lb_ports *ports = w->lb->ports[nat][proto];
	uint32_t other = lb_ports_flow(ports, port);

	if (other != FLOW_NONE) {
		struct flow *f = flow_at(w->lb->flows, other);

		if (f->state != FLOW_TAKEN && !flow_is_over(f, w->lb->seconds))
			return false;
		lb_flow_gone(w, f);
		flow_end(w->lb->flows, f);
	}
	return lb_ports_take_this(ports, port, ref);
}

/* Of a mapping, what is known beside it. It is counted, but not refused: it is there. */
static void take_inside(struct lb_inside *inside, const struct sync_record *r)
{
	lb_inside_took(inside, r->client);
	if (r->proto == IP4_PROTO_TCP)
		*lb_inside_with(inside, from_be16(r->nat_port)) = r->backend;
}

/*
 * The address and port of ours that the flow has towards its backend, as it has them there. False:
 * the address is not in the pool here, or another flow has the port, or answers to it would not
 * come to this worker.
 */
static bool take_source(struct worker *w, struct flow *f, const struct sync_record *r)
{
	const struct lb *lb = w->net->lb;
	uint64_t set = __atomic_load_n(&lb->vservice[f->service].nat, __ATOMIC_ACQUIRE);
	uint32_t proto = lb_nat_proto(r->proto), nat;
	uint32_t slot = r->service == 0
				? lb_port_class(from_be16(r->nat_port))
				: sync_slot(r->backend, r->nat, r->backend_port, r->nat_port);

	for (; set != 0; set &= set - 1) {
		nat = (uint32_t)__builtin_ctzll(set);
		if (lb->nat[nat].addr != r->nat || w->net->owner[slot] != w->id ||
			!take_port(
				w, nat, proto, from_be16(r->nat_port), flow_ref(w->lb->flows, f)))
			continue;
		f->nat_addr = (uint16_t)nat;
		f->nat_port = r->nat_port;
		f->marks |= LB_SOURCE;
		if (w->lb->inside[nat] != NULL)
			take_inside(w->lb->inside[nat], r);
		return true;
	}
	return false;
}

/*
 * Seconds that a flow lives on after its last packet there. Half closed, it has no more than such a
 * one has here: if its time is over there, nobody says so.
 */
static uint16_t idle_of(const struct lb_vservice *v, const struct sync_record *r)
{
	return v->idle[r->state == SYNC_CLOSING ? FLOW_CLOSING : FLOW_TAKEN];
}

/* In the books of its backend, too, if it was not, or was another's. */
static void set(struct worker *w, struct flow *f, uint16_t backend, const struct sync_record *r)
{
	const struct lb_vservice *v = &w->net->lb->vservice[f->service];

	if (r->state == SYNC_CLOSED) {
		f->marks = LB_REPLIED | LB_CLIENT_FIN | LB_BACKEND_FIN;
		f->state = FLOW_CLOSED;
		flow_touch(f, w->lb->seconds, v->idle[FLOW_CLOSED]);
		return;
	}
	w->lb->backend[backend].flows++;
	w->lb->service[f->service].flows++;
	f->backend = backend;
	f->state = FLOW_TAKEN;
	f->marks = (uint8_t)((f->marks & LB_SOURCE) | LB_REPLIED | LB_TOLD |
			     ((r->marks & SYNC_CLIENT_FIN) != 0 ? LB_CLIENT_FIN : 0) |
			     ((r->marks & SYNC_BACKEND_FIN) != 0 ? LB_BACKEND_FIN : 0));
	flow_touch(f, w->lb->seconds, (uint16_t)(idle_of(v, r) - r->age));
}

/* What became of a record of the slot. */
static enum counter take(
	struct worker *w, const struct lb_sync *s, uint32_t slot, const struct sync_record *r)
{
	const struct lb *lb = w->net->lb;
	struct flow_key key = {
		.addr = r->client, .port = r->client_port, .service_port = r->service_port};
	bool is_mapping = r->service == 0 && r->service_port == 0 && r->nat != 0;
	struct flow gone, *f;
	uint16_t backend;
	uint32_t hash;

	if (!(is_mapping ? find_mapping(lb, r, &key.service, &backend)
			 : find_slots(lb, w->net, s, r, &key.service, &backend)) ||
		sync_slot(r->client, r->service, r->client_port, r->service_port) != slot)
		return COUNT_flows_unknown;
	hash = flow_hash(w->lb->flows, &key);
	f = flow_find(w->lb->flows, hash, &key, w->lb->seconds);
	if ((f == NULL && r->state == SYNC_CLOSED) || (f != NULL && !is_newer(w, f, r)))
		return COUNT_flows_kept;
	if (r->state != SYNC_CLOSED && r->age >= idle_of(&lb->vservice[key.service], r))
		return COUNT_flows_kept;
	if (f != NULL) {
		lb_flow_gone(w, f);
		f->marks &= (uint8_t)~LB_SOURCE;
		f->proxied = false;
	} else {
		f = flow_add(w->lb->flows, hash, &key, w->lb->seconds, &gone);
		lb_flow_gone(w, &gone);
	}
	if (f == NULL)
		return COUNT_flows_no_room;
	if (r->nat != 0 && (r->state == SYNC_CLOSED || !take_source(w, f, r))) {
		flow_end(w->lb->flows, f);
		return r->state == SYNC_CLOSED ? COUNT_flows_ended : COUNT_flows_homeless;
	}
	set(w, f, backend, r);
	return r->state == SYNC_CLOSED ? COUNT_flows_ended : COUNT_flows_taken;
}

/* Numbers begin anew with a session. */
static struct sync_window *window_of(struct worker *w, uint64_t session, uint32_t slot)
{
	struct sync_end *e = w->lb->sync;

	if (e->heard != session) {
		memset(e->window, 0, sizeof(e->window));
		e->heard = session;
	}
	return &e->window[slot];
}

/* A datagram of n bytes at p on the worker of its slot. DROP_MAX: it was read. */
static enum drop_reason read_all(struct worker *w, const struct lb_sync *s,
	const struct sync_head *h, const uint8_t *p, size_t n)
{
	uint64_t peer = atomic_load_explicit(&w->net->lb->peer, memory_order_relaxed);
	struct sync_hello hello;

	if (h->kind == SYNC_FLOWS && (peer == 0 || h->session != peer))
		return DROP_SYNC_OLD;
	if (!sync_tag_ok(p, n, &s->key))
		return DROP_SYNC_KEY;
	if (h->kind == SYNC_HELLO) {
		sync_read_hello(p, &hello);
		return sync_hear(w, h, &hello);
	}
	if (!sync_is_new(window_of(w, h->session, h->slot), h->number))
		return DROP_SYNC_OLD;
	w->count[COUNT_sync_read]++;
	for (uint32_t i = 0; i < h->records; i++) {
		struct sync_record r;

		w->count[sync_read_record(p, h, i, &r) ? take(w, s, h->slot, &r)
						       : COUNT_flows_unknown]++;
	}
	return DROP_MAX;
}

/* Takes m. */
static void one(struct worker *w, const struct lb_sync *s, struct rte_mbuf *m)
{
	const struct ip4_hdr *ip = pkt_ip4(m);
	uint32_t at = ETH_HDR_LEN + ip4_hdr_len(ip) + UDP_HDR_LEN;
	uint16_t n = udp_hdr_data_len(pkt_l4(m)), owner;
	uint8_t copy[SYNC_MOST]; /* for one that lies in several buffers */
	enum drop_reason why;
	struct sync_head h;
	const uint8_t *p;

	if (s == NULL || ip4_hdr_src(ip) != s->peer) {
		drop(w, m, DROP_SYNC_PEER);
		return;
	}
	p = n > SYNC_MOST ? NULL : rte_pktmbuf_read(m, at, n, copy);
	if (p == NULL || !sync_read_head(p, n, &h)) {
		drop(w, m, DROP_SYNC_BAD);
		return;
	}
	owner = w->net->owner[h.slot];
	if (owner != w->id) {
		handover(w, owner, m);
		return;
	}
	why = read_all(w, s, &h, p, n);
	if (why != DROP_MAX)
		drop(w, m, why);
	else
		consume(w, m);
}

void stage_sync(struct worker *w)
{
	const struct lb_sync *s = atomic_load_explicit(&w->net->lb->sync, memory_order_acquire);

	for (uint32_t i = 0; i < w->sync.n; i++)
		one(w, s, w->sync.pkt[i]);
}
