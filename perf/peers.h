/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * peers: one core's TCP stack, and the peers of its connections, whose work stands outside the
 * clock. What counts is a pass of the stack: a burst of segments, the callbacks, the timers, what
 * goes out. For one bench's only source.
 */
#ifndef PERF_PEERS_H
#define PERF_PEERS_H

#include "measure.h"
#include "net/pkt.h"
#include "net/worker.h"
#include "tcp/tcp.h"
#include "wire/tcp_opt.h"

#include <rte_malloc.h>

#include <stdio.h>
#include <stdlib.h>

#define BURST  64
#define BURSTS 8	   /* of a slice */
#define SERVER 0xc6120001u /* 198.18.0.1 */
#define PORT   80

/* The peer's view of one connection. */
struct peer {
	uint32_t addr;
	uint16_t port;
	uint32_t seq; /* of its next byte */
	uint32_t ack; /* what it expects */
};

static struct {
	struct worker *w;
	struct tcp *t;
	struct rte_mempool *pool;      /* the stack's and the application's */
	struct rte_mempool *peer_pool; /* of what is received */
	struct peer *peers;
	uint32_t n_peers;
	uint64_t now_us;
	struct rte_mbuf *out[4096];
	uint32_t n_out;
} bench;

static struct rte_mbuf *ready[BURSTS][BURST]; /* for the next slice */

/* A row: so many connections are open, the ones that speak are chosen at random. */
struct row {
	uint32_t connections;
	bool trusted;	     /* the checksums are known to be good */
	const char *request; /* its bytes; NULL: any */
	uint32_t request_len;
	uint32_t answer_len;
	uint32_t turn;
	struct tcp_leave leave; /* of what is sent, to whoever sends it */
	bool software;		/* and that is us */
};

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "bench: %s\n", what);
	exit(1);
}

/* The worker and its pools; exits without memory. */
static void make_worker(void)
{
	measure_eal(256);
	bench.pool = rte_pktmbuf_pool_create("segments", 32767, 512, 0, 2048 + 128, 0);
	bench.w = rte_zmalloc(NULL, sizeof(*bench.w), 64);
	bench.peer_pool = rte_pktmbuf_pool_create("received", 8191, 512, 0, 2048 + 128, 0);
	must(bench.pool != NULL && bench.peer_pool != NULL && bench.w != NULL, "no memory");
	bench.w->pool = bench.pool;
	bench.w->node = -1;
}

/* --- the stack --- */

static int route(void *arg, uint32_t remote, uint32_t *local, uint16_t *mtu)
{
	(void)arg, (void)remote;
	if (*local == 0)
		*local = SERVER;
	*mtu = 1500;
	return 0;
}

static struct tcp_leave leave(void *arg, uint32_t remote)
{
	const struct row *r = arg;

	(void)remote;
	return r->leave;
}

/* Listens on PORT; options NULL: the stack's. */
static void open_stack(struct row *r, uint32_t connections, const struct tcp_ops *ops, void *user,
	const struct tcp_options *options)
{
	static const uint64_t seed[4] = {1, 2, 3, 4};
	const struct tcp_env env = {.route = route, .leave = leave, .arg = r};
	struct tcp_settings set = tcp_settings_default;
	struct tcp_limits limits = tcp_limits_default;

	limits.connections = connections + 4096;
	limits.time_waits = 65536;
	set.msl_ms = 1; /* the time of a bench is short */
	bench.t = tcp_new(bench.w, &set, &limits, &env, seed);
	must(bench.t != NULL, "no memory for the stack");
	bench.now_us = 1000000;
	tcp_clock(bench.t, bench.now_us);
	must(tcp_listen(bench.t, 0, PORT, 4096, ops, user, options) >= 0, "no listener");
}

static void free_out(void)
{
	rte_pktmbuf_free_bulk(bench.out, bench.n_out);
	bench.n_out = 0;
	rte_pktmbuf_free_bulk(bench.w->to_free, bench.w->n_free);
	bench.w->n_free = 0;
}

static void close_stack(void)
{
	free_out();
	tcp_free(bench.t);
	free_out();
	free(bench.peers);
	must(rte_mempool_in_use_count(bench.pool) == 0 &&
			rte_mempool_in_use_count(bench.peer_pool) == 0,
		"a buffer was lost");
}

/* What is timed. Segments that go out are appended to bench.out. */
static void pass(struct rte_mbuf **in, uint32_t n)
{
	struct rte_mbuf *stray[BURST];

	tcp_clock(bench.t, bench.now_us);
	must(tcp_input(bench.t, in, n, stray) == 0, "a segment belonged to nobody");
	tcp_timers(bench.t, UINT32_MAX);
	bench.n_out += tcp_output(
		bench.t, bench.out + bench.n_out, (uint32_t)RTE_DIM(bench.out) - bench.n_out);
	rte_pktmbuf_free_bulk(bench.w->to_free, bench.w->n_free);
	bench.w->n_free = 0;
}

/* --- the peer --- */

static struct rte_mbuf *segment(
	struct peer *p, uint8_t flags, uint32_t len, uint16_t window, bool trusted)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(bench.peer_pool);
	/* an MSS of 1460, and a window scale of 7, for a burst may be more than 64 KiB */
	static const uint8_t opts[8] = {
		TCP_OPT_MSS, 4, 0x05, 0xb4, TCP_OPT_NOP, TCP_OPT_WSCALE, 3, 7};
	uint32_t opt_len = flags & TCP_SYN ? sizeof(opts) : 0;
	uint32_t l4_len = TCP_HDR_LEN + opt_len + len;
	struct tcp_hdr *h;

	must(m != NULL, "no buffer for the peer");
	m->port = 1;
	rte_pktmbuf_append(m, (uint16_t)(ETH_HDR_LEN + IP4_HDR_LEN + l4_len));
	ip4_hdr_build(pkt_ip4(m), &(struct ip4_fields){
					  .total_len = (uint16_t)(IP4_HDR_LEN + l4_len),
					  .ttl = 64,
					  .proto = IP4_PROTO_TCP,
					  .src = p->addr,
					  .dst = SERVER,
				  });
	h = pkt_l4(m);
	tcp_hdr_build(h, &(struct tcp_fields){.sport = p->port,
				 .dport = PORT,
				 .seq = p->seq,
				 .ack = flags & TCP_ACK ? p->ack : 0,
				 .window = window,
				 .opt_len = (uint8_t)opt_len,
				 .flags = flags});
	memcpy(h + 1, opts, opt_len);
	p->seq += len + !!(flags & TCP_SYN) + !!(flags & TCP_FIN);
	if (trusted)
		m->ol_flags = RTE_MBUF_F_RX_L4_CKSUM_GOOD;
	else
		tcp_hdr_csum_set(h, (uint16_t)l4_len, to_be32(p->addr), to_be32(SERVER));
	return m;
}

static const struct tcp_hdr *heard(uint32_t i)
{
	return pkt_l4(bench.out[i]);
}

/* Every peer of [first, first + n) opens its connection. */
static void open_peers(uint32_t first, uint32_t n)
{
	struct rte_mbuf *in[BURST];

	for (uint32_t i = 0; i < n; i++) {
		struct peer *p = &bench.peers[first + i];

		p->addr = ip4_addr(198, 19, 0, 0) + (first + i) / 50000;
		p->port = (uint16_t)(1024 + (first + i) % 50000);
		p->seq = (first + i) * 77777;
		in[i] = segment(p, TCP_SYN, 0, 65535, true);
	}
	pass(in, n);
	must(bench.n_out == n, "a SYN was not answered");
	for (uint32_t i = 0; i < n; i++) {
		bench.peers[first + i].ack = tcp_hdr_seq(heard(i)) + 1;
		in[i] = segment(&bench.peers[first + i], TCP_ACK, 0, 65535, true);
	}
	free_out();
	pass(in, n);
	free_out();
	bench.now_us += 10;
}

static void open_all(uint32_t n)
{
	bench.peers = calloc(n, sizeof(*bench.peers));
	must(bench.peers != NULL, "no memory for peers");
	bench.n_peers = n;
	for (uint32_t i = 0; i < n; i += BURST)
		open_peers(i, RTE_MIN(n - i, (uint32_t)BURST));
}

/* --- requests and answers --- */

static struct rte_mbuf *request(struct peer *p, const struct row *r)
{
	struct rte_mbuf *m = segment(p, TCP_ACK | TCP_PSH, r->request_len, 65535, true);

	if (r->request != NULL)
		memcpy(rte_pktmbuf_mtod_offset(m, char *, m->data_len - r->request_len), r->request,
			r->request_len);
	return m;
}

static void prepare_requests(void *arg)
{
	struct row *r = arg;

	free_out();
	bench.now_us += 1000;
	for (uint32_t i = 0; i < BURST; i++) {
		struct peer *p = &bench.peers[(r->turn * BURST + i) % bench.n_peers];

		ready[0][i] = request(p, r);
		p->ack += r->answer_len; /* it will be acknowledged by the next */
	}
	r->turn++;
}

static uint64_t request_slice(void *arg)
{
	for (uint32_t b = 0; b < BURSTS; b++) {
		if (b > 0) {
			measure_stop();
			prepare_requests(arg);
			measure_go_on();
		}
		pass(ready[0], BURST);
	}
	return BURSTS * BURST;
}

/* A burst of whole connections: SYN, request on the last ACK, FIN with the ACK of the answer. */
static uint64_t connection_slice(void *arg)
{
	struct row *r = arg;
	struct rte_mbuf *in[BURST];

	for (int step = 0; step < 4; step++) {
		measure_stop();
		for (uint32_t i = 0; i < BURST; i++) {
			struct peer *p = &bench.peers[i];

			if (step == 0) {
				*p = (struct peer){ip4_addr(198, 19, 0, 0) + r->turn % 1000,
					(uint16_t)(1024 + i + 64 * (r->turn / 1000 % 1000)),
					r->turn * 100000, 0};
				in[i] = segment(p, TCP_SYN, 0, 65535, true);
				continue;
			}
			if (step == 1)
				p->ack = tcp_hdr_seq(heard(i)) + 1;
			else if (step == 2)
				p->ack += r->answer_len;
			else
				p->ack++;
			in[i] = step == 1 ? request(p, r)
					  : segment(p, step == 2 ? TCP_ACK | TCP_FIN : TCP_ACK, 0,
						    65535, true);
		}
		free_out();
		bench.now_us += 50;
		measure_go_on();
		pass(in, BURST);
	}
	r->turn++;
	return BURST;
}

static void between_connections(void *arg)
{
	(void)arg;
	free_out();
	bench.now_us += 100;
}

#endif
