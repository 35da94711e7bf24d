/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tcp_peer: a bed and a peer that knows what its connections expect, because it looks into them.
 * For units that look into the stack, too; tcp_invariants() holds after each pass.
 */
#ifndef UNIT_TCP_PEER_H
#define UNIT_TCP_PEER_H

#include "tcp_bed.h"
#include "tcp_invariants.h"

#define PEER_US	  0xc6120001u
#define PEER_ADDR 0xc6120101u
#define PEER_PORT 7

static struct {
	struct bed bed;
	struct tcp_settings set;
	struct tcp_limits limits;
	struct tcp_witness witness;
	const struct tcp_ops *ops;
	uint64_t now;
	struct tcp_conn *opened; /* the last */
	struct rte_mbuf *in[64];
	uint32_t n;
	uint32_t heard;	     /* segments of the last pass */
	struct tcp_hdr last; /* the last of them */
	uint32_t last_len;   /* its data */
	uint8_t last_tos;
} peer;

static inline struct bed *bed_of_peer(void)
{
	return &peer.bed;
}

/* Before peer_open(): what is not the default. */
static inline void peer_defaults(void)
{
	memset(&peer, 0, sizeof(peer));
	peer.set = tcp_settings_default;
	peer.limits = tcp_limits_default;
	peer.limits.connections = 16;
	peer.limits.time_waits = 4;
	peer.now = 1000000;
}

static inline void peer_open_with(const struct tcp_ops *ops)
{
	peer.ops = ops;
	bed_open(&peer.bed, PEER_US, &peer.set, &peer.limits);
	tcp_clock(peer.bed.t, peer.now);
	assert_int_equal(tcp_listen(peer.bed.t, 0, PEER_PORT, 16, ops, NULL, NULL), 0);
}

static inline void peer_open(const struct tcp_ops *ops)
{
	peer_defaults();
	peer_open_with(ops);
}

static inline void peer_opened(struct tcp_conn *c)
{
	peer.opened = c;
}

static inline uint32_t peer_connections(void)
{
	struct tcp_usage u;

	tcp_usage(peer.bed.t, &u);
	return u.connections;
}

static inline void peer_look(struct rte_mbuf *m)
{
	const struct tcp_hdr *h = pkt_l4(m);

	peer.last = *h;
	peer.last_tos = pkt_ip4(m)->tos;
	peer.last_len = ip4_hdr_payload_len(pkt_ip4(m)) - tcp_hdr_len(h);
	rte_pktmbuf_free(m);
}

static inline void peer_pass(uint64_t us)
{
	struct rte_mbuf *out[64];
	const char *broken;

	peer.now += us;
	peer.heard = bed_pass(&peer.bed, peer.now, peer.in, peer.n, out, 64);
	peer.n = 0;
	for (uint32_t i = 0; i < peer.heard; i++)
		peer_look(out[i]);
	tcp_clock(peer.bed.t, peer.now); /* what has ended is buried */
	broken = tcp_invariants(peer.bed.t, &peer.witness);
	if (broken != NULL)
		fail_msg("%s", broken);
}

static inline void peer_give(const struct tcp_key *key, uint32_t seq, uint32_t ack, uint8_t flags,
	uint16_t window, uint32_t len, const struct tcp_opts *o)
{
	struct tcp_fields h = {.sport = from_be16(key->remote_port),
		.dport = from_be16(key->local_port),
		.seq = seq,
		.ack = ack,
		.flags = flags,
		.window = window,
		.urgent = 1};
	struct rte_mbuf *m = rte_pktmbuf_alloc(peer.bed.pool);
	uint8_t opts[TCP_OPT_MAX];
	struct ip4_hdr *ip;
	uint16_t l4_len;

	assert_non_null(m);
	h.opt_len = (uint8_t)tcp_opt_write(opts, o);
	l4_len = (uint16_t)(TCP_HDR_LEN + h.opt_len + len);
	ip = (struct ip4_hdr *)(rte_pktmbuf_append(m, ETH_HDR_LEN + IP4_HDR_LEN + l4_len) +
				ETH_HDR_LEN);
	ip4_hdr_build(ip, &(struct ip4_fields){.total_len = (uint16_t)(IP4_HDR_LEN + l4_len),
				  .ttl = 64,
				  .proto = IP4_PROTO_TCP,
				  .src = from_be32(key->remote),
				  .dst = from_be32(key->local)});
	tcp_hdr_build((struct tcp_hdr *)(ip + 1), &h);
	memcpy((char *)(ip + 1) + TCP_HDR_LEN, opts, h.opt_len);
	memset((char *)(ip + 1) + TCP_HDR_LEN + h.opt_len, 0x55, len);
	m->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_GOOD;
	m->port = 1;
	peer.in[peer.n++] = m;
}

static inline struct tcp_opts peer_stamps(const struct tcp_conn *c)
{
	return (struct tcp_opts){.has = c->uses & USES_TS ? TCP_HAS_TS : 0,
		.ts_val = c->ts_recent,
		.ts_ecr = stack_stamp(peer.bed.t, c)};
}

/* The next segment that c expects, off bytes further on. */
static inline void peer_say_at(
	const struct tcp_conn *c, uint32_t off, uint8_t flags, uint16_t window, uint32_t len)
{
	struct tcp_opts o = peer_stamps(c);

	peer_give(&c->key, c->rcv_nxt + off, c->snd_nxt, flags, window, len, &o);
}

static inline void peer_say(const struct tcp_conn *c, uint8_t flags, uint32_t len)
{
	peer_say_at(c, 0, flags, 65535, len);
}

static const struct tcp_opts peer_syn_opts = {
	.has = TCP_HAS_MSS | TCP_HAS_WSCALE | TCP_HAS_SACK_OK | TCP_HAS_TS,
	.mss = 1460,
	.wscale = 2,
	.ts_val = 1000};

static inline struct tcp_conn *peer_accept(uint16_t port)
{
	const struct tcp_key key = {
		to_be32(PEER_US), to_be32(PEER_ADDR), to_be16(PEER_PORT), to_be16(port)};
	struct tcp_conn *c;

	peer_give(&key, 1000, 0, TCP_SYN, 65535, 0, &peer_syn_opts);
	peer_pass(1000);
	c = &peer.bed.t->conn[tcp_table_find(
		peer.bed.t->table, tcp_table_hash(peer.bed.t->table, &key), &key)];
	peer_say(c, TCP_ACK, 0);
	peer_pass(1000);
	assert_ptr_equal(peer.opened, c);
	return c;
}

static inline struct tcp_conn *peer_connect(void)
{
	struct tcp_conn *c;
	int error;

	c = tcp_connect(peer.bed.t, 0, 0, PEER_ADDR, 80, peer.ops, NULL, NULL, &error);
	assert_non_null(c);
	peer_pass(1000);
	return c;
}

static inline void peer_answer(const struct tcp_conn *c)
{
	struct tcp_opts o = peer_syn_opts;

	o.ts_ecr = stack_stamp(peer.bed.t, c);
	peer_give(&c->key, 5000, c->snd_nxt, TCP_SYN | TCP_ACK, 65535, 0, &o);
}

static inline void peer_send(struct tcp_conn *c, uint32_t len)
{
	assert_int_equal(tcp_send(peer.bed.t, c, bed_data(&peer.bed, 0, len), 0), 0);
}

static inline void peer_close(void)
{
	bed_close(&peer.bed);
}

/* The end of a case, for cmocka. */
static inline int close_peer(void **state)
{
	(void)state;
	peer_close();
	return 0;
}

#endif
