/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tcp_life: a stack with an application that does what an input says, also from inside callbacks,
 * and the way of segments to it and from it. tcp_invariants() holds at every look. For the fuzzer
 * of segments.
 */
#ifndef FUZZ_TCP_LIFE_H
#define FUZZ_TCP_LIFE_H

#include "heap_pool.h"
#include "property.h"
#include "tcp_invariants.h"

#include "net/pkt.h"

#define US	   UINT32_C(0xc6120001)
#define PEER	   UINT32_C(0xc6120101)
#define PORT	   7
#define PEER_PORT  4000
#define POOL	   1024
#define ROOM	   (2048 + RTE_PKTMBUF_HEADROOM)
#define STEPS	   300
#define HANDLES	   8
#define TAKEN	   POOL
#define CONNS	   8
#define TIME_WAITS 2

static struct {
	const uint8_t *at;
	const uint8_t *end;

	struct rte_mempool *pool;
	struct worker *w;
	struct tcp *t;
	struct tcp_witness witness;
	uint64_t now;
	uint16_t mtu;
	int listener;

	struct tcp_conn *handle[HANDLES]; /* the application's */
	uint8_t wishes[4];		  /* what the next callbacks do */
	uint32_t n_wishes;
	bool inside; /* of a callback: no deeper */

	struct rte_mbuf *burst[TCP_BURST];
	uint32_t n_burst;
	struct rte_mbuf *taken[TAKEN]; /* buffers that somebody else has */
	uint32_t n_taken;
	struct tcp_hdr said; /* the last segment that was sent, and its timestamp */
	struct tcp_opts said_opts;
} f;

/* --- input --- */

static uint8_t byte(void)
{
	return f.at < f.end ? *f.at++ : 0;
}

static uint16_t word(void)
{
	return (uint16_t)(byte() | byte() << 8);
}

/* --- the application --- */

static void keep(struct tcp_conn *c)
{
	for (int i = 0; i < HANDLES; i++) {
		if (f.handle[i] == NULL) {
			f.handle[i] = c;
			return;
		}
	}
	tcp_abort(f.t, c);
}

static void forget(struct tcp_conn *c)
{
	for (int i = 0; i < HANDLES; i++)
		if (f.handle[i] == c)
			f.handle[i] = NULL;
}

static struct rte_mbuf *bytes_to_send(uint8_t how)
{
	static const uint16_t lengths[] = {1, 2, 36, 255, 257, 536, 1448, 1900};
	struct rte_mbuf *m = NULL;

	for (int n = (how >> 3 & 3) + 1; n > 0; n--) {
		struct rte_mbuf *part = rte_pktmbuf_alloc(f.pool);
		uint16_t len = how & 32 && n == 2 ? 0 : lengths[how & 7];

		if (part == NULL)
			break;
		memset(rte_pktmbuf_append(part, len), how, len);
		if (m == NULL)
			m = part;
		else
			HOLDS(rte_pktmbuf_chain(m, part) == 0);
	}
	return m;
}

static void do_send(struct tcp_conn *c, uint8_t how)
{
	struct rte_mbuf *m = bytes_to_send(how);

	if (m != NULL && tcp_send(f.t, c, m, how >> 6) != 0)
		rte_pktmbuf_free(m);
}

static const struct tcp_ops ops, few_ops;

static void do_connect(uint8_t how)
{
	struct tcp_options options = f.t->set.options;
	int error;
	struct tcp_conn *c;

	options.mss = how & 4 ? how : 0;
	options.nodelay = how & 8;
	c = tcp_connect(f.t, 0, how & 1 ? 5000 : 0, PEER, how & 2 ? PORT : PEER_PORT, &ops, NULL,
		how & 16 ? &options : NULL, &error);
	if (c != NULL)
		keep(c);
}

static void do_listen(uint8_t how)
{
	if (f.listener >= 0)
		tcp_unlisten(f.t, f.listener);
	f.listener =
		how & 1 ? tcp_listen(f.t, how & 2 ? US : 0, PORT, how >> 6, &ops, NULL, NULL) : -1;
	if (f.listener >= 0 && how & 4)
		tcp_listen_pause(f.t, f.listener, true);
}

static void settle(struct tcp_conn *c, uint8_t what, uint8_t how)
{
	static const uint32_t sizes[] = {0, 1, 100, 2000, 65535, 70000, 1 << 20, 1 << 30};

	switch (what & 7) {
	case 0:
		tcp_set_nodelay(f.t, c, how & 1);
		break;
	case 1:
		tcp_set_cork(f.t, c, how & 1);
		break;
	case 2:
		tcp_set_keepalive(f.t, c, how & 128 ? UINT32_MAX : how, how & 15, how & 3);
		break;
	case 3:
		tcp_set_user_timeout(f.t, c, how & 128 ? UINT32_MAX : how * 1000u);
		break;
	case 4:
		tcp_set_buffers(f.t, c, sizes[how & 7], sizes[how >> 3 & 7]);
		break;
	case 5:
		tcp_set_ttl_tos(f.t, c, how, how);
		break;
	case 6:
		tcp_set_user(c, how & 1 ? &ops : &few_ops, NULL);
		break;
	default:
		HOLDS(tcp_urgent(c) < 1u << 31);
	}
}

static void call(struct tcp_conn *c, uint8_t what, uint8_t how)
{
	switch (what & 15) {
	case 0:
	case 1:
	case 2:
	case 3:
		do_send(c, how);
		break;
	case 4:
		tcp_shutdown(f.t, c);
		break;
	case 5:
		forget(c);
		tcp_close(f.t, c);
		break;
	case 6:
		forget(c);
		tcp_abort(f.t, c);
		break;
	case 7:
		tcp_consumed(f.t, c, how * 16u);
		break;
	case 8:
		do_connect(how);
		break;
	case 9:
		do_listen(how);
		break;
	default:
		settle(c, what >> 4, how);
	}
}

static struct tcp_conn *some_handle(uint8_t which)
{
	for (int i = 0; i < HANDLES; i++)
		if (f.handle[(which + i) % HANDLES] != NULL)
			return f.handle[(which + i) % HANDLES];
	return NULL;
}

/* What was wished for: on the connection of the callback, or on another. */
static void wish(struct tcp_conn *c)
{
	uint8_t what;

	if (f.n_wishes == 0 || f.inside)
		return;
	what = f.wishes[--f.n_wishes];
	if (what & 128)
		c = some_handle(what & 7);
	f.inside = true;
	if (c != NULL)
		call(c, what & 15, what);
	f.inside = false;
}

static void on_open(struct tcp *t, struct tcp_conn *c)
{
	(void)t;
	forget(c); /* of tcp_connect() */
	keep(c);
	if (some_handle(0) != NULL && c->state != TCP_CLOSED)
		wish(c);
}

static void on_data(struct tcp *t, struct tcp_conn *c, struct rte_mbuf *m)
{
	uint32_t len = 0, n = 0;

	for (const struct rte_mbuf *s = m; s != NULL; s = s->next, n++)
		len += s->data_len;
	HOLDS(len == m->pkt_len && n == m->nb_segs && len != 0);
	if (len & 1)
		tcp_consumed(t, c, len);
	rte_pktmbuf_free(m);
	wish(c);
}

static void on_sent(struct tcp *t, struct tcp_conn *c, uint32_t bytes)
{
	(void)t;
	HOLDS(bytes != 0 && bytes <= 1u << 30);
	wish(c);
}

static void on_simple(struct tcp *t, struct tcp_conn *c)
{
	(void)t;
	wish(c);
}

static void on_notice(struct tcp *t, struct tcp_conn *c, int error)
{
	(void)t;
	HOLDS(error > 0);
	wish(c);
}

static void on_end(struct tcp *t, struct tcp_conn *c, int error)
{
	bool known = false;

	(void)t, (void)error;
	for (int i = 0; i < HANDLES; i++)
		known |= f.handle[i] == c;
	HOLDS(known);
	wish(c); /* may be of this very one */
	forget(c);
}

static const struct tcp_ops ops = {.on_accept = on_open,
	.on_connect = on_open,
	.on_data = on_data,
	.on_sent = on_sent,
	.on_close = on_simple,
	.on_urgent = on_simple,
	.on_notice = on_notice,
	.on_end = on_end};
/* Who holds a handle needs to know when it ends. */
static const struct tcp_ops few_ops = {.on_end = on_end};

/* --- the peer's segments --- */

struct fields {
	struct tcp_key key;
	uint32_t seq;
	uint32_t ack;
	uint8_t flags;
	uint8_t tos;
	uint16_t window;
	uint16_t urgent;
	uint16_t len;
	uint8_t shape;
	struct tcp_opts opts;
};

/* Cuts a packet of one segment in two at `at`. */
static void cut(struct rte_mbuf *m, uint16_t at)
{
	struct rte_mbuf *rest = at != 0 && at < m->data_len ? rte_pktmbuf_alloc(f.pool) : NULL;
	uint16_t len = (uint16_t)(m->data_len - at);

	if (rest == NULL)
		return;
	memcpy(rte_pktmbuf_append(rest, len), rte_pktmbuf_mtod_offset(m, char *, at), len);
	m->data_len = at;
	m->pkt_len = at;
	HOLDS(rte_pktmbuf_chain(m, rest) == 0);
}

/* As check leaves it: Ethernet and IPv4 headers together in the first segment, no padding. */
static struct rte_mbuf *frame(const struct fields *s)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(f.pool);
	struct tcp_fields h = {.sport = from_be16(s->key.remote_port),
		.dport = from_be16(s->key.local_port),
		.seq = s->seq,
		.ack = s->ack,
		.flags = s->flags,
		.window = s->window,
		.urgent = s->urgent};
	uint8_t opts[TCP_OPT_MAX];
	uint16_t l4_len, len;
	struct ip4_hdr *ip;

	if (m == NULL)
		return NULL;
	h.opt_len = (uint8_t)tcp_opt_write(opts, &s->opts);
	l4_len = (uint16_t)(TCP_HDR_LEN + h.opt_len + s->len);
	len = (uint16_t)(ETH_HDR_LEN + IP4_HDR_LEN + l4_len);
	if (s->shape & 1) /* nothing may be read behind it */
		m->data_off = (uint16_t)(m->buf_len - len);
	ip = (struct ip4_hdr *)(rte_pktmbuf_append(m, len) + ETH_HDR_LEN);
	ip4_hdr_build(ip, &(struct ip4_fields){.total_len = (uint16_t)(IP4_HDR_LEN + l4_len),
				  .tos = s->tos,
				  .ttl = 64,
				  .proto = IP4_PROTO_TCP,
				  .src = from_be32(s->key.remote),
				  .dst = from_be32(s->key.local)});
	tcp_hdr_build((struct tcp_hdr *)(ip + 1), &h);
	memcpy((char *)(ip + 1) + TCP_HDR_LEN, opts, h.opt_len);
	memset((char *)(ip + 1) + TCP_HDR_LEN + h.opt_len, 0x55, s->len);
	m->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_GOOD;
	m->port = 1;
	if (s->shape & 2) /* inside of the TCP header, or of the data */
		cut(m, (uint16_t)(ETH_HDR_LEN + IP4_HDR_LEN + (s->shape >> 2)));
	return m;
}

/* --- passes --- */

static void check(void)
{
	const char *broken;

	rte_pktmbuf_free_bulk(f.w->to_free, f.w->n_free);
	f.w->n_free = 0;
	broken = tcp_invariants(f.t, &f.witness);
	if (broken != NULL) {
		fprintf(stderr, "ERROR: not so: %s\n", broken);
		abort();
	}
}

static void hear(void)
{
	struct rte_mbuf *stray[TCP_BURST];
	uint32_t n = f.n_burst, strays;

	f.n_burst = 0;
	f.w->books.rx += n;
	strays = tcp_input(f.t, f.burst, n, stray);
	HOLDS(strays <= n);
	for (uint32_t i = 0; i < strays; i++) {
		tcp_refuse(f.t, stray[i]);
		drop(f.w, stray[i], DROP_TCP_NO_PORT);
	}
}

static void give(const struct fields *s)
{
	struct rte_mbuf *m = frame(s);

	if (m == NULL)
		return;
	f.burst[f.n_burst++] = m;
	if (f.n_burst == TCP_BURST)
		hear();
}

/* A segment of ours: whole, right, and it says nothing that is not so. */
static void look(struct rte_mbuf *m)
{
	const struct ip4_hdr *ip = pkt_ip4(m);
	const struct tcp_hdr *h = pkt_l4(m);
	uint32_t len = ip4_hdr_payload_len(ip), index, edge;
	struct tcp_key key = {ip->src, ip->dst, h->sport, h->dport};
	const struct tcp_conn *c;

	HOLDS(m->pkt_len == ETH_HDR_LEN + ip4_hdr_total_len(ip));
	HOLDS(tcp_hdr_check(h, len) == TCP_OK);
	HOLDS(ip4_hdr_total_len(ip) <= (uint32_t)RTE_MAX(f.mtu, f.t->set.mtu_floor));
	f.said = *h;
	tcp_opt_read(h, &f.said_opts);
	index = tcp_table_find(f.t->table, tcp_table_hash(f.t->table, &key), &key);
	c = &f.t->conn[index < CONNS ? index : 0];
	/* else of nobody, or of an earlier life of the pair: a cookie, 2 MSL */
	if (index < CONNS && !(h->flags & TCP_RST) &&
		seq_within(tcp_hdr_seq(h), c->iss, c->snd_nxt - c->iss + 1)) {
		edge = tcp_hdr_seq(h) + tcp_hdr_seg_len(h, len);
		if (h->flags & TCP_ACK && c->state != TCP_SYN_SENT)
			HOLDS(seq_leq(tcp_hdr_ack(h), c->rcv_nxt));
		HOLDS(seq_leq(edge, c->snd_nxt));
	}
	rte_pktmbuf_free(m);
}

static void speak(uint32_t max)
{
	struct rte_mbuf *out[64];
	uint32_t n = tcp_output(f.t, out, RTE_MIN(max, RTE_DIM(out)));

	HOLDS(n <= max);
	f.w->books.tx += n;
	check();
	for (uint32_t i = 0; i < n; i++)
		look(out[i]);
}

static void pass(uint64_t us)
{
	f.now += us;
	tcp_clock(f.t, f.now);
	hear();
	check();
	tcp_timers(f.t, UINT32_MAX);
	check();
	speak(64);
}

#endif
