/* SPDX-License-Identifier: BSD-3-Clause */
/* inner: what lb's own files share on a worker. */
#ifndef LB_INNER_H
#define LB_INNER_H

#include "base/hash.h"
#include "edit.h"
#include "lb/maglev.h"
#include "net/net.h"

enum {			   /* marks of a flow */
	LB_REPLIED = 1,	   /* its backend has answered; where replies pass elsewhere: see track.c */
	LB_CLIENT_FIN = 2, /* who has finished */
	LB_BACKEND_FIN = 4,
	LB_SOURCE = 8,	      /* its source changes, too: nat_addr and nat_port are its own */
	LB_CLIENT_ALIVE = 16, /* who has spoken on since a reset */
	LB_BACKEND_ALIVE = 32,
	LB_BEGUN = 64, /* by a SYN */
	/* what the next connection of the same ends begins without */
	LB_OF_CONNECTION =
		LB_REPLIED | LB_CLIENT_FIN | LB_BACKEND_FIN | LB_CLIENT_ALIVE | LB_BACKEND_ALIVE,
	LB_TOLD = 128, /* another instance thinks that it lives */
};

/* A packet of TCP or UDP, with its ports at hand. */
struct lb_ends {
	struct ip4_hdr *ip;
	void *l4;
	be16 sport, dport;
	uint8_t flags; /* of TCP */
};

static __rte_always_inline bool lb_ends_behind(
	const struct rte_mbuf *m, struct ip4_hdr *ip, uint32_t ip_len, struct lb_ends *e)
{
	struct tcp_hdr *tcp = (struct tcp_hdr *)((char *)ip + ip_len);
	bool is_tcp = ip->proto == IP4_PROTO_TCP;
	uint32_t need = is_tcp ? TCP_HDR_LEN : UDP_HDR_LEN;

	if (unlikely((!is_tcp && ip->proto != IP4_PROTO_UDP) || ip4_hdr_is_fragment(ip) ||
		     m->data_len < ETH_HDR_LEN + ip_len + need ||
		     ip4_hdr_total_len(ip) < ip_len + need))
		return false;
	e->ip = ip;
	e->l4 = tcp;
	e->sport = tcp->sport; /* as in TCP, so in UDP */
	e->dport = tcp->dport;
	e->flags = is_tcp ? tcp->flags : 0;
	return true;
}

/* Reads them; false: a fragment, another protocol, or a header that is not whole at hand. */
static inline bool lb_ends_of(const struct rte_mbuf *m, struct lb_ends *e)
{
	struct ip4_hdr *ip = pkt_ip4(m);

	if (likely(ip4_hdr_len(ip) == IP4_HDR_LEN)) /* all is where it is known to be */
		return lb_ends_behind(m, ip, IP4_HDR_LEN, e);
	return lb_ends_behind(m, ip, ip4_hdr_len(ip), e);
}

/* The service of an address, protocol and port, or LB_NOBODY. */
uint16_t lb_service_of(
	const struct lb_match *match, const struct lb_vip *vip, uint8_t proto, be16 port);

/* Maglev's hash of a client's flow: the same at every instance with the same seed. */
static inline uint32_t lb_hash(
	const struct lb *lb, be32 client, be16 client_port, const struct lb_vservice *s, be16 port)
{
	return hash_secret(lb->seed, (uint64_t)client << 32 | s->addr,
		(uint64_t)client_port << 24 | (uint32_t)port << 8 | s->proto);
}

static inline struct lb_pick *lb_pick_of(const struct lb_vservice *s)
{
	return atomic_load_explicit(&s->pick, memory_order_acquire);
}

/* --- sources (acl.c) --- */

/* Whether the service takes flows from a client. */
static inline bool lb_acl_allows(const struct lb_vservice *s, be32 client)
{
	const struct lb_acl *acl = atomic_load_explicit(&s->acl, memory_order_acquire);

	return likely(acl == NULL) || lb_acl_allows_in(acl, from_be32(client));
}

/* --- limits (limit.c) --- */

/* Whether the service, or the backend, may have one more flow on this worker. */
bool lb_limit_service(const struct worker *w, uint16_t service);
bool lb_limit_backend(const struct worker *w, uint16_t backend);
/* A flow has begun. */
void lb_limit_took(struct worker *w, uint16_t service, uint16_t backend);

/* Whether what a backend answers comes by us. */
static inline bool lb_replies_pass(uint8_t mode)
{
	return mode == LB_NAT || mode == LB_FULL_NAT;
}

/* --- the way to a backend --- */

static inline bool lb_is_tunnel(uint8_t mode)
{
	return mode == LB_IPIP || mode == LB_GRE;
}

/* An MTU that was said, if that is not too long ago; else 0 (tunnel.c). */
uint16_t tunnel_path_mtu_known(struct lb_backend *b, uint16_t mtu, uint16_t now);
/* What is known of the way to a tunnel's end: an MTU in bytes, or 0. Worker. */
static inline uint16_t tunnel_path_mtu(struct lb_backend *b, uint16_t now)
{
	uint16_t mtu = atomic_load_explicit(&b->path_mtu, memory_order_relaxed);

	return likely(mtu == 0) ? 0 : tunnel_path_mtu_known(b, mtu, now);
}

/* An ICMP error said it; a wider one is not believed before the narrower is forgotten. */
void tunnel_learn(struct lb_backend *b, uint16_t mtu, uint16_t now);

/* What changes of a packet for a service's port on its way to a backend of a mode. */
static __rte_always_inline void lb_towards_by(const struct worker *w, struct lb_backend *b,
	const enum lb_mode mode, be16 service_port, struct lb_edit *e)
{
	static const struct {
		uint8_t kind, more;
	} by_mode[LB_MODES] = {[LB_NAT] = {LB_EDIT_DST, 0},
		[LB_DSR] = {LB_EDIT_MAC, 0},
		[LB_IPIP] = {LB_EDIT_IPIP, IP4_HDR_LEN},
		[LB_GRE] = {LB_EDIT_GRE, IP4_HDR_LEN + 4}};

	e->hop = from_be32(b->addr);
	e->kind = by_mode[mode].kind;
	e->more = by_mode[mode].more;
	e->ignore_df = b->ignore_df;
	e->mss = 0;
	e->path_mtu = 0;
	e->seq = e->ack = 0;
	e->dst = (struct nat_end){b->addr, b->port != 0 ? b->port : service_port};
	if (lb_is_tunnel(mode)) {
		e->path_mtu = tunnel_path_mtu(b, w->lb->seconds);
		e->src.addr = b->tunnel_source;
	}
}

/* The same of any mode. */
static inline void lb_towards(
	const struct worker *w, struct lb_backend *b, be16 service_port, struct lb_edit *e)
{
	lb_towards_by(w, b, (enum lb_mode)b->mode, service_port, e);
}

/* What a SYN's MSS is lowered to, as in struct lb_edit. */
static inline uint16_t lb_mss(const struct lb_vservice *s)
{
	return s->mss != 0 ? s->mss : lb_is_tunnel(s->mode) ? LB_MSS_LINK : 0;
}

static inline void lb_count_in(struct worker *w, uint16_t backend, const struct rte_mbuf *m)
{
	struct lb_count *c = &w->lb->backend[backend];

	c->packets_in++;
	c->bytes_in += rte_pktmbuf_pkt_len(m) - ETH_HDR_LEN;
}

/*
 * The place that a flow's hash names in its service's table, for flows that stand in no other: in
 * the pick of now, or one that is nobody's.
 */
static inline const uint16_t *lb_place(
	const struct lb *lb, const struct lb_vservice *s, const struct flow_key *key)
{
	static const uint16_t nobody = LB_NOBODY;
	bool source = s->scheduler == LB_SOURCE_HASH;
	uint32_t hash =
		lb_hash(lb, key->addr, source ? 0 : key->port, s, source ? 0 : key->service_port);
	const struct lb_pick *pick = lb_pick_of(s);

	return unlikely(pick == NULL) ? &nobody : &pick->place[maglev_place(hash, pick->size)];
}

/* --- what comes from behind (replies.c, icmp.c) --- */

/* Which service a backend of destination NAT answers for, by its end of a packet; or NULL. */
const struct lb_binding *lb_binding_of(
	const struct lb_match *match, be32 addr, be16 port, uint8_t proto);
/* The backends of an address: the first of *n, or NULL. */
const struct lb_seat *lb_seats(const struct lb_match *match, be32 addr, uint32_t *n);
/*
 * An ICMP error about a packet that destination NAT sent to a backend, on its way to the client:
 * true, and it has gone there. False: it is no such, and a masquerade's or anybody's.
 */
bool lb_icmp_behind(struct worker *w, const struct lb_match *match, struct rte_mbuf *m);

/* --- flows (track.c) --- */

/*
 * A packet of the flow: TCP's flags, and from which end it came. What is plain needs a touch and no
 * more.
 */
void lb_track_odd(struct worker *w, struct flow *f, uint8_t flags, bool from_client);

static inline void lb_track(struct worker *w, struct flow *f, const struct lb_vservice *s,
	uint8_t flags, bool from_client)
{
	if (unlikely(f->state != FLOW_ESTABLISHED || (flags & (TCP_SYN | TCP_FIN | TCP_RST)) != 0))
		lb_track_odd(w, f, flags, from_client);
	flow_touch(f, w->lb->seconds, s->idle[f->state]);
}

/* A flow has ended, or was displaced: the books of its backend. */
void lb_flow_gone(struct worker *w, const struct flow *gone);

/* A masquerade's is used by another connection, whatever has ended. */
void lb_track_again(struct worker *w, struct flow *f);

static inline bool flow_has_source(const struct flow *f)
{
	return (f->marks & LB_SOURCE) != 0;
}

/* The flow has a source of ours, and goes from there. */
static inline void lb_source_set(const struct lb *lb, const struct flow *f, struct lb_edit *e)
{
	e->kind = LB_EDIT_BOTH;
	e->src = (struct nat_end){lb->nat[f->nat_addr].addr, f->nat_port};
}

/* The same of any flow. */
static inline void lb_source_of(const struct lb *lb, const struct flow *f, struct lb_edit *e)
{
	if (unlikely(flow_has_source(f)))
		lb_source_set(lb, f, e);
}

/* A packet of a flow on its way back. */
static inline void lb_count_out(struct worker *w, uint16_t backend, const struct rte_mbuf *m)
{
	struct lb_count *c = &w->lb->backend[backend];

	c->packets_out++;
	c->bytes_out += rte_pktmbuf_pkt_len(m) - ETH_HDR_LEN;
}

/* --- addresses of ours (pool.c) --- */

static inline uint32_t lb_nat_proto(uint8_t proto)
{
	return proto == IP4_PROTO_TCP	? LB_NAT_TCP
	       : proto == IP4_PROTO_UDP ? LB_NAT_UDP
					: LB_NAT_ICMP;
}

/* Gives a flow of a service with a pool an address and a port. False: none is free. */
bool lb_pool_take(struct worker *w, struct flow *f);
/* Its port is another's from now on. The flow has one. */
void lb_pool_give(struct worker *w, const struct flow *gone);
/* The flow of a port at one of these addresses that is not over, or NULL. */
struct flow *lb_pool_flow(struct worker *w, uint16_t nat, uint32_t proto, be16 port);
/* The flow of a port at an address of a pool that has this end of a backend, or NULL. */
struct flow *lb_pool_answered(
	struct worker *w, uint16_t nat, uint8_t proto, be16 port, be32 backend, be16 backend_port);
/* A packet for an address of ours that no masquerade has taken. Takes m. */
void lb_pool_reply(struct worker *w, struct rte_mbuf *m, uint16_t nat, const struct lb_ends *ends);

/* --- masquerade.c --- */

/* What a masquerade changes: true, and m has gone. */
bool lb_masquerade(struct worker *w, const struct lb_match *match, struct rte_mbuf *m);

/* --- another instance (sync.c) --- */

int lb_sync_attach(struct worker *w); /* -ENOMEM */
void lb_sync_detach(struct worker *w);

/* The flow's state has changed. */
void lb_sync_note(struct worker *w, const struct flow *f);

/* --- new flows (start.c) --- */

/*
 * The backend of a packet that belongs to no flow yet: sets *f to a new flow, or to NULL where the
 * table has no room or the service wants none. LB_NOBODY: the packet has gone elsewhere.
 */
uint16_t lb_start(struct worker *w, struct rte_mbuf *m, const struct lb_ends *ends, uint32_t hash,
	const struct flow_key *key, struct flow **f);

/*
 * A flow by itself, of a client that has shown by m that it is there; with a source of ours, if it
 * needs one. NULL: none, and why.
 */
struct flow *lb_begin(struct worker *w, const struct rte_mbuf *m, uint32_t hash,
	const struct flow_key *key, enum drop_reason *why);

/* What changes of a flow's packet on its way to the backend (balance.c). */
void lb_towards_flow(const struct worker *w, const struct flow *f, struct lb_edit *e);

/*
 * The backend of a flow that has no place in the table, by the hash alone; LB_NOBODY: there is
 * none, or all flows have had places for as long as one may be idle.
 */
uint16_t lb_alone(const struct worker *w, const struct flow_key *key);

/* The service has nobody for m: its sender is refused, and that is counted. Takes m. */
void lb_refused(struct worker *w, struct rte_mbuf *m, uint16_t service, enum drop_reason why);

/*
 * The packet's sender is refused as a host would: a reset, or port unreachable. Whom a list of
 * sources keeps out hears nothing, nor who comes when all is full: a SYN comes again. Takes m.
 */
void lb_refuse(struct worker *w, struct rte_mbuf *m, enum drop_reason why);

#endif
