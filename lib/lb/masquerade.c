/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * masquerade: flows from a network that go out by an interface have one address of ours there.
 *
 * A mapping is a flow of the table whose key is the inside end alone: it holds whatever it talks
 * to, and whoever talks to it (RFC 4787 REQ-1 and REQ-8, RFC 5382 REQ-1 and REQ-3: mapping and
 * filtering are endpoint-independent). It lives on the worker that owns the inside end, and that
 * takes ports of its own share: so the port alone says where an answer has to go.
 *
 * A packet from inside to a mapping of the same masquerade (RFC 4787 REQ-9) is shown to the
 * mapping's worker first; then it gets its source where that is mapped, and comes in as if from
 * outside. Fragments are reassembled before they are asked for ports.
 */
#include "inner.h"
#include "inside.h"
#include "lb/nat.h"
#include "net/steer.h"
#include "ports.h"
#include "wire/icmp_hdr.h"

/* What a packet shows of a mapping. */
struct sign {
	enum { SIGN_NONE, SIGN_PORTS, SIGN_ECHO, SIGN_ERROR, SIGN_PART } kind;
	uint8_t proto;		/* LB_NAT_... */
	uint8_t flags;		/* of TCP */
	be16 port;		/* the mapping's, or the inside end's */
	be32 addr;		/* of the inside end */
	struct ip4_hdr *quoted; /* of an error */
	uint32_t room;		/* bytes of it that are there */
};

static be32 address_of(const struct worker *w, const struct lb_nat *n)
{
	return n->addr != 0 ? n->addr : to_be32(w->net->iface[n->out].addr);
}

static bool is_inside(const struct lb_nat *n, be32 addr)
{
	return (addr & n->mask) == n->prefix;
}

/* From inside to our address; its source is still its own. */
static bool wants_hairpin(const struct worker *w, const struct lb_nat *n, const struct rte_mbuf *m)
{
	be32 src = pkt_ip4(m)->src;

	return is_inside(n, src) && src != address_of(w, n) && pkt_iface(m) != n->out;
}

/* The packet that an error quotes went the other way: its other end is the mapping's. */
static void read_quoted(const struct icmp_hdr *icmp, uint32_t room, bool out, struct sign *s)
{
	struct ip4_hdr *q = (struct ip4_hdr *)(uintptr_t)icmp_hdr_quoted(icmp, room);
	const be16 *ports;

	if (q == NULL || (ip4_hdr_is_fragment(q) && (q->frag & to_be16(IP4_OFFSET_MASK)) != 0))
		return;
	ports = ip4_hdr_payload(q);
	s->addr = out ? q->dst : q->src;
	s->quoted = q;
	s->room = room - ICMP_HDR_LEN;
	if (q->proto == IP4_PROTO_TCP || q->proto == IP4_PROTO_UDP) {
		s->port = out ? ports[1] : ports[0];
	} else if (q->proto == IP4_PROTO_ICMP && !out &&
		   ((const struct icmp_hdr *)ports)->type == ICMP_TYPE_ECHO) {
		s->port = ((const struct icmp_hdr *)ports)->echo.id;
	} else {
		return;
	}
	s->proto = (uint8_t)lb_nat_proto(q->proto);
	s->kind = SIGN_ERROR;
}

static void read_icmp(struct rte_mbuf *m, bool out, struct sign *s)
{
	const struct ip4_hdr *ip = pkt_ip4(m);
	const struct icmp_hdr *icmp = pkt_l4(m);
	uint32_t at = ETH_HDR_LEN + ip4_hdr_len(ip);
	uint32_t room = RTE_MIN(m->data_len - at, ip4_hdr_payload_len(ip));

	if (m->data_len < at || room < ICMP_HDR_LEN)
		return;
	if (icmp_type_is_error(icmp->type)) {
		read_quoted(icmp, room, out, s);
	} else if (icmp->type == (out ? ICMP_TYPE_ECHO : ICMP_TYPE_ECHO_REPLY)) {
		s->kind = SIGN_ECHO;
		s->proto = LB_NAT_ICMP;
		s->port = icmp->echo.id;
	}
}

/* out: from inside; else to a mapping. */
static struct sign read_sign(struct rte_mbuf *m, bool out)
{
	const struct ip4_hdr *ip = pkt_ip4(m);
	struct sign s = {.kind = SIGN_NONE, .addr = ip->src};
	struct lb_ends ends;

	if (lb_ends_of(m, &ends)) {
		s.kind = SIGN_PORTS;
		s.proto = (uint8_t)lb_nat_proto(ip->proto);
		s.port = out ? ends.sport : ends.dport;
		s.flags = ends.flags;
	} else if (ip4_hdr_is_fragment(ip)) {
		s.kind = SIGN_PART;
	} else if (ip->proto == IP4_PROTO_ICMP) {
		read_icmp(m, out, &s);
	}
	return s;
}

/* --- mappings --- */

static struct flow_key key_of(const struct lb_nat *n, const struct sign *s)
{
	return (struct flow_key){.addr = s->addr, .port = s->port, .service = n->service[s->proto]};
}

/*
 * A port of this worker's share: the inside one if that can be (RFC 4787 4.2.1); else one of the
 * inside end's own class, so that another instance has both at one worker, too; or any.
 */
static uint16_t take_port(
	struct worker *w, struct lb_ports *ports, const struct flow_key *key, uint32_t ref)
{
	uint16_t port = from_be16(key->port);

	if (lb_port_owner(w->net, port) == w->id && lb_ports_take_this(ports, port, ref))
		return port;
	port = lb_ports_take_of(ports, hash_flow_wire(key->addr, 0, key->port, 0), ref);
	return port != 0 ? port : lb_ports_take(ports, w, 0, ref);
}

/* A new mapping; NULL: there is no room or port, *why. */
static struct flow *map(struct worker *w, const struct lb_nat *n, const struct flow_key *key,
	uint32_t hash, uint8_t proto, enum drop_reason *why)
{
	uint32_t nat = (uint32_t)(n - w->net->lb->nat), each = n->each;
	struct lb_inside *inside = w->lb->inside[nat];
	struct flow gone, *f;
	uint16_t port;

	*why = DROP_LB_HOST_LIMIT;
	if (each != 0 && lb_inside_count(inside, key->addr) >= each)
		return NULL;
	f = flow_add(w->lb->flows, hash, key, w->lb->seconds, &gone);
	lb_flow_gone(w, &gone);
	*why = DROP_LB_TABLE_FULL;
	if (f == NULL)
		return NULL;
	f->backend = n->backend[proto];
	*why = DROP_LB_NO_PORT;
	port = take_port(w, w->lb->ports[nat][proto], key, flow_ref(w->lb->flows, f));
	if (port == 0) {
		flow_end(w->lb->flows, f);
		return NULL;
	}
	f->nat_addr = (uint16_t)nat;
	f->nat_port = to_be16(port);
	f->marks = LB_SOURCE;
	lb_inside_took(inside, key->addr);
	if (proto == LB_NAT_TCP)
		*lb_inside_with(inside, port) = 0;
	w->lb->backend[f->backend].flows++;
	w->lb->backend[f->backend].opened++;
	w->lb->service[f->service].flows++;
	w->lb->service[f->service].opened++;
	return f;
}

/*
 * A mapping serves many connections, and its state is the last one's that its inside end began or
 * accepted. While that one lives and another begins, it is nobody's, and no end is the mapping's:
 * hosts use a port for several destinations at once, and a short connection must not end an idle
 * one. SYNs, FINs and resets of others, a stranger's perhaps, say nothing (RFC 7857 2.2: what a
 * reset belongs to has to be verified; by the address, for sequence numbers are not followed).
 */
static bool is_of_others(
	struct worker *w, struct flow *f, uint8_t flags, be32 other, bool from_inside)
{
	be32 *with = lb_inside_with(w->lb->inside[f->nat_addr], from_be16(f->nat_port));

	if (from_inside && (flags & TCP_SYN) != 0) {
		if (f->state < FLOW_CLOSING) {
			*with = other;
		} else if (*with != other && *with != LB_SEVERAL) {
			*with = LB_SEVERAL;
			lb_track_again(w, f);
		}
	}
	return *with != other;
}

/*
 * What comes after the end, and is no flag. Data are another connection's, which is the one that
 * counts from now on; from outside they say so only where they are the last one's own, whose end
 * was not believed. False: a stranger's, who shall not hold the port.
 */
static bool goes_on(struct worker *w, struct flow *f, bool data, be32 other, bool from_inside)
{
	be32 *with = lb_inside_with(w->lb->inside[f->nat_addr], from_be16(f->nat_port));

	if (!from_inside && *with != other)
		return false;
	if (data) {
		*with = other;
		lb_track_again(w, f);
	}
	return true;
}

static void track_state(struct worker *w, struct flow *f, struct rte_mbuf *m, const struct sign *s,
	bool from_inside)
{
	const struct lb_vservice *v = &w->net->lb->vservice[f->service];
	const struct ip4_hdr *ip = pkt_ip4(m);
	be32 other = from_inside ? ip->dst : ip->src;
	bool odd = (s->flags & (TCP_SYN | TCP_FIN | TCP_RST)) != 0;

	if (unlikely(odd && is_of_others(w, f, s->flags, other, from_inside))) {
		if (from_inside && f->state != FLOW_CLOSED) /* it is used (RFC 4787 REQ-6) */
			flow_touch(f, w->lb->seconds, v->idle[f->state]);
		return;
	}
	if (unlikely(f->state == FLOW_CLOSED && !odd && s->proto == LB_NAT_TCP) &&
		!goes_on(
			w, f, ip4_hdr_payload_len(ip) > tcp_hdr_len(pkt_l4(m)), other, from_inside))
		return;
	lb_track(w, f, v, s->flags, from_inside);
}

static void track(struct worker *w, struct flow *f, struct rte_mbuf *m, const struct sign *s,
	bool from_inside)
{
	struct lb_count *c = &w->lb->backend[f->backend];
	uint64_t bytes = rte_pktmbuf_pkt_len(m) - ETH_HDR_LEN;

	track_state(w, f, m, s, from_inside);
	c->packets_in += from_inside;
	c->bytes_in += from_inside ? bytes : 0;
	c->packets_out += !from_inside;
	c->bytes_out += from_inside ? 0 : bytes;
}

/* --- what changes --- */

static void set_id(be16 *id, be16 value, be16 *csum)
{
	*csum = csum_update16(*csum, *id, value);
	*id = value;
}

/* An echo request that an error quotes: its id and checksum, and the message's. */
static void set_quoted_echo(struct icmp_hdr *icmp, const struct sign *s, struct nat_end src)
{
	struct ip4_hdr *q = s->quoted;
	struct icmp_hdr *echo = ip4_hdr_payload(q);
	be16 ip_csum = csum_update32(q->csum, q->src, src.addr);
	be16 csum = csum_update16(echo->csum, echo->echo.id, src.port);

	set_id(&q->csum, ip_csum, &icmp->csum);
	icmp->csum = csum_update32(icmp->csum, q->src, src.addr);
	q->src = src.addr;
	set_id(&echo->csum, csum, &icmp->csum);
	set_id(&echo->echo.id, src.port, &icmp->csum);
}

/* Of the end that changes (the sender when it goes out): its address and port become `end`. */
static void rewrite_end(struct rte_mbuf *m, const struct sign *s, bool out, struct nat_end end)
{
	struct ip4_hdr *ip = pkt_ip4(m), *q = s->quoted;
	struct icmp_hdr *icmp = pkt_l4(m);
	void *l4 = s->kind == SIGN_PORTS ? pkt_l4(m) : NULL;

	if (s->kind == SIGN_ECHO) {
		set_id(&icmp->echo.id, end.port, &icmp->csum);
	} else if (s->kind == SIGN_ERROR && s->proto == LB_NAT_ICMP) {
		set_quoted_echo(icmp, s, end);
	} else if (s->kind == SIGN_ERROR) {
		const be16 *ports = ip4_hdr_payload(q);
		struct nat_end src = {q->src, ports[0]}, dst = {q->dst, ports[1]};

		nat_quoted(q, s->room, out ? src : end, out ? end : dst, &icmp->csum);
	}
	if (out)
		nat_src(ip, l4, end);
	else
		nat_dst(ip, l4, end);
}

/* Takes m: rewritten once nothing is in its way. */
static void send(
	struct worker *w, struct rte_mbuf *m, const struct sign *s, bool out, struct nat_end end)
{
	struct lb_edit e = {.hop = out ? ip4_hdr_dst(pkt_ip4(m)) : from_be32(end.addr)};
	uint32_t adj = lb_way(w, m, pkt_ip4(m), &e);

	if (unlikely(adj == 0))
		return;
	ip4_hdr_dec_ttl(pkt_ip4(m));
	rewrite_end(m, s, out, end);
	w->count[COUNT_ip4_forwarded]++;
	lane_put(&w->fwd_out, m, adj);
}

/* --- out --- */

/*
 * The mapping of m's sender, made if need be; NULL: m has gone, to the worker that has it, to be
 * made whole, or dropped.
 */
static struct flow *source_of(
	struct worker *w, const struct lb_nat *n, struct rte_mbuf *m, const struct sign *s)
{
	uint16_t owner = steer_owner_by(w, s->addr, 0, s->port, 0);
	struct flow_key key = s->kind < SIGN_PORTS ? (struct flow_key){0} : key_of(n, s);
	enum drop_reason why = DROP_LB_NOT_MAPPED;
	struct flow *f = NULL;

	if (s->kind == SIGN_PART) {
		lane_put(&w->local, m, 0);
		return NULL;
	}
	if (s->kind != SIGN_NONE) {
		uint32_t hash = flow_hash(w->lb->flows, &key);

		if (owner != w->id) {
			handover(w, owner, m);
			return NULL;
		}
		f = flow_find(w->lb->flows, hash, &key, w->lb->seconds);
		why = DROP_LB_NO_FLOW;
		if (f == NULL && s->kind != SIGN_ERROR && (s->flags & TCP_RST) == 0)
			f = map(w, n, &key, hash, s->proto, &why);
	}
	if (f == NULL)
		drop(w, m, why);
	return f;
}

static void outbound(struct worker *w, const struct lb_nat *n, struct rte_mbuf *m)
{
	struct sign s = read_sign(m, true);
	struct flow *f;

	if (address_of(w, n) == 0) {
		drop(w, m, DROP_LB_NO_PORT);
		return;
	}
	f = source_of(w, n, m, &s);
	if (f == NULL)
		return;
	if (s.kind != SIGN_ERROR)
		track(w, f, m, &s, true);
	send(w, m, &s, true, (struct nat_end){address_of(w, n), f->nat_port});
}

/* --- in --- */

/* The source is mapped, too; true: m stays, as if from outside. Else it has gone. */
static bool hairpin(struct worker *w, const struct lb_nat *n, struct rte_mbuf *m)
{
	struct sign s = read_sign(m, true);
	struct flow *f = source_of(w, n, m, &s);

	if (f == NULL)
		return false;
	track(w, f, m, &s, true);
	rewrite_end(m, &s, true, (struct nat_end){address_of(w, n), f->nat_port});
	return true;
}

/* The mapping of s, which is this worker's to know; NULL: there is none. */
static struct flow *mapping_of(struct worker *w, const struct lb_nat *n, const struct sign *s)
{
	return lb_pool_flow(w, (uint16_t)(n - w->net->lb->nat), s->proto, s->port);
}

/*
 * A packet to the masquerade's address. False: no mapping has to do with it, and m stays; of
 * workers that were told of it, the one of the port's share says so, and then it goes its own way.
 */
static bool inbound(struct worker *w, const struct lb_nat *n, struct rte_mbuf *m)
{
	struct sign s = read_sign(m, false);
	uint16_t owner = lb_port_owner(w->net, from_be16(s.port));
	bool from_inside = s.kind == SIGN_PORTS && wants_hairpin(w, n, m);
	struct flow *f;

	if (s.kind == SIGN_NONE || s.kind == SIGN_PART || from_be16(s.port) < n->port ||
		from_be16(s.port) > n->last_port)
		return false;
	if (m->port & PKT_HAIRPIN) {
		m->port &= (uint16_t)~PKT_HAIRPIN;
		if (!hairpin(w, n, m))
			return true;
		from_inside = false;
	} else if (owner != w->id && (m->port & PKT_STEERED)) {
		return false;
	}
	if (owner != w->id) {
		handover(w, owner, m);
		return true;
	}
	f = mapping_of(w, n, &s);
	if (f != NULL && from_inside) {
		owner = steer_owner_by(
			w, pkt_ip4(m)->src, 0, ((struct udp_hdr *)pkt_l4(m))->sport, 0);
		if (owner != w->id) {
			m->port |= PKT_HAIRPIN;
			handover(w, owner, m);
			return true;
		}
		if (!hairpin(w, n, m))
			return true;
		f = mapping_of(w, n, &s); /* it may have made room */
	}
	if (f == NULL) {
		m->port &= (uint16_t)~PKT_STEERED;
		return false;
	}
	if (s.kind != SIGN_ERROR)
		track(w, f, m, &s, false);
	send(w, m, &s, false, (struct nat_end){f->addr, f->port});
	return true;
}

bool lb_masquerade(struct worker *w, const struct lb_match *match, struct rte_mbuf *m)
{
	for (uint32_t i = 0; i < match->n_masquerades; i++) {
		const struct lb_nat *n = &w->net->lb->nat[match->masquerade[i]];
		const struct ip4_hdr *ip = pkt_ip4(m);

		if (n->out == IFACE_LOOPBACK)
			continue;
		if (ip->dst == address_of(w, n)) {
			if (inbound(w, n, m))
				return true;
		} else if (is_inside(n, ip->src) &&
			   lookup_egress(w, m, ip4_hdr_dst(ip)) == n->out) {
			outbound(w, n, m);
			return true;
		}
	}
	return false;
}
