/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One core's TCP, in process: segments in bursts of 64 from a peer that is written here and whose
 * work stands outside the clock. What counts is a pass of the stack: the burst, the callbacks, the
 * timers, what goes out.
 *
 * Each row asserts that every segment was what the fast path is for, and that the application got
 * every byte.
 */
#include "measure.h"
#include "net/gso.h"
#include "net/offload.h"
#include "net/pkt.h"
#include "net/worker.h"
#include "tcp/tcp.h"
#include "wire/tcp_opt.h"

#include <rte_malloc.h>

#include <stdio.h>
#include <stdlib.h>

#define BURST	64
#define SERVER	0xc6120001u /* 198.18.0.1 */
#define PORT	80
#define SEGMENT 1460
#define SMALL	64
#define ROOM	(1 << 20)

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
	uint64_t taken;	  /* bytes that the application got */
	uint64_t answers; /* requests that it answered */
	struct tcp_conn *last;
	struct rte_mbuf *out[4096];
	uint32_t n_out;
} bench;

/* A row: so many connections are open, the ones that speak are chosen at random. */
struct row {
	uint32_t connections;
	bool trusted; /* the checksums are known to be good */
	uint32_t turn;
	struct tcp_leave leave; /* of what is sent, to whoever sends it */
	bool software;		/* and that is us */
};

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "bench_tcp: %s\n", what);
	exit(1);
}

/* --- the application --- */

static void take(struct tcp *t, struct tcp_conn *c, struct rte_mbuf *m)
{
	bench.taken += m->pkt_len;
	tcp_consumed(t, c, m->pkt_len);
	rte_pktmbuf_free(m);
}

static void take_and_answer(struct tcp *t, struct tcp_conn *c, struct rte_mbuf *m)
{
	struct rte_mbuf *answer = rte_pktmbuf_alloc(bench.pool);

	take(t, c, m);
	must(answer != NULL, "no buffer for an answer");
	memset(rte_pktmbuf_append(answer, SMALL), 'a', SMALL);
	must(tcp_send(t, c, answer, 0) == 0, "an answer was refused");
	bench.answers++;
}

static void remember(struct tcp *t, struct tcp_conn *c)
{
	(void)t;
	bench.last = c;
}

static void close_too(struct tcp *t, struct tcp_conn *c)
{
	tcp_close(t, c);
}

static const struct tcp_ops sink = {.on_accept = remember, .on_data = take};
static const struct tcp_ops service = {
	.on_accept = remember, .on_data = take_and_answer, .on_close = close_too};

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

static void open_stack(uint32_t connections, const struct tcp_ops *ops, struct row *r)
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
	must(tcp_listen(bench.t, 0, PORT, 4096, ops, NULL, NULL) >= 0, "no listener");
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
	/* a window scale of 7, for a burst for one connection is more than 64 KiB */
	static const uint8_t scale[4] = {TCP_OPT_NOP, TCP_OPT_WSCALE, 3, 7};
	uint32_t opt_len = flags & TCP_SYN ? sizeof(scale) : 0;
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
	memcpy(h + 1, scale, opt_len);
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

static struct peer *next_peer(struct row *r)
{
	r->turn = r->turn * 1664525u + 1013904223u;
	return &bench.peers[(uint64_t)r->turn * bench.n_peers >> 32];
}

/* --- rows --- */

#define BURSTS 8 /* of a slice */
static struct rte_mbuf *ready[BURSTS][BURST];

static void prepare_data(void *arg)
{
	struct row *r = arg;

	free_out();
	for (uint32_t b = 0; b < BURSTS; b++)
		for (uint32_t i = 0; i < BURST; i++)
			ready[b][i] = segment(
				next_peer(r), TCP_ACK | TCP_PSH, SEGMENT, 65535, r->trusted);
}

static uint64_t receive_slice(void *arg)
{
	(void)arg;
	for (uint32_t b = 0; b < BURSTS; b++) {
		pass(ready[b], BURST);
		measure_stop(); /* what went out is the device's soon */
		free_out();
		bench.now_us += 125;
		measure_go_on();
	}
	return BURSTS * BURST;
}

static void assert_fast(uint64_t segments)
{
	const uint64_t *count = bench.w->count;

	must(bench.taken == segments, "a byte was lost");
	must(count[COUNT_tcp_out_of_order] + count[COUNT_tcp_duplicates] == 0, "out of order");
	for (int i = 0; i < DROP_MAX; i++)
		must(bench.w->books.drop[i] == 0, "a segment was dropped");
}

/* The first data of each: its acknowledgement opens the window, which a SYN cannot announce. */
static void greet_all(void)
{
	struct rte_mbuf *in[BURST];

	for (uint32_t i = 0; i < bench.n_peers;) {
		uint32_t n = 0;

		for (; n < BURST && i < bench.n_peers; n++, i++)
			in[n] = segment(&bench.peers[i], TCP_ACK | TCP_PSH, SEGMENT, 65535, true);
		pass(in, n);
		free_out();
	}
}

static void bench_receive(struct gbench *b, void *arg)
{
	struct row *r = arg;
	uint64_t before;

	open_stack(r->connections, &sink, r);
	open_all(r->connections);
	greet_all();
	before = bench.w->books.consumed;
	bench.taken = 0;
	measure_slices(b, receive_slice, prepare_data, r);
	assert_fast((bench.w->books.consumed - before) * SEGMENT);
	close_stack();
}

static void prepare_requests(void *arg)
{
	struct row *r = arg;

	free_out();
	bench.now_us += 1000;
	for (uint32_t i = 0; i < BURST; i++) {
		struct peer *p = &bench.peers[(r->turn * BURST + i) % bench.n_peers];

		ready[0][i] = segment(p, TCP_ACK | TCP_PSH, SMALL, 65535, r->trusted);
		p->ack += SMALL; /* it will be acknowledged by the next */
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

static void bench_requests(struct gbench *b, void *arg)
{
	struct row *r = arg;

	open_stack(r->connections, &service, r);
	open_all(r->connections);
	bench.answers = 0;
	measure_slices(b, request_slice, prepare_requests, r);
	must(bench.w->count[COUNT_tcp_retransmits] == 0, "something was sent again");
	close_stack();
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
				p->ack += SMALL;
			else
				p->ack++;
			in[i] = segment(p,
				step == 2   ? TCP_ACK | TCP_FIN
				: step == 1 ? TCP_ACK | TCP_PSH
					    : TCP_ACK,
				step == 1 ? SMALL : 0, 65535, true);
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

static void bench_connections(struct gbench *b, void *arg)
{
	struct tcp_usage u;

	open_stack(1024, &service, arg);
	bench.peers = calloc(BURST, sizeof(*bench.peers));
	measure_slices(b, connection_slice, between_connections, arg);
	tcp_clock(bench.t, bench.now_us);
	tcp_usage(bench.t, &u);
	must(u.connections == 0, "a connection stayed");
	close_stack();
}

/* --- sending --- */

static struct rte_mbuf *block; /* what is sent: one buffer, referred to again and again */

static void queue_data(void)
{
	while (tcp_send_room(bench.last) >= SEGMENT) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(bench.pool);

		must(m != NULL, "no buffer to send");
		rte_pktmbuf_attach(m, block);
		if (tcp_send(bench.t, bench.last, m, 0) != 0) {
			rte_pktmbuf_free(m);
			return;
		}
	}
}

static void acknowledge(void *arg)
{
	struct peer *p = &bench.peers[0];

	(void)arg;
	if (bench.n_out > 0) {
		const struct ip4_hdr *ip = pkt_ip4(bench.out[bench.n_out - 1]);
		const struct tcp_hdr *h = heard(bench.n_out - 1);

		p->ack = tcp_hdr_seq(h) + ip4_hdr_payload_len(ip) - tcp_hdr_len(h);
	}
	free_out();
	queue_data();
	bench.now_us += 100;
	ready[0][0] = segment(p, TCP_ACK, 0, 65535, true);
}

/* As stage_forward_out does for a port that neither sums nor cuts. */
static void cut_all(void)
{
	struct rte_mbuf *whole[RTE_DIM(bench.out)];
	uint32_t n = bench.n_out;

	memcpy(whole, bench.out, n * sizeof(whole[0]));
	bench.n_out = 0;
	for (uint32_t i = 0; i < n; i++) {
		struct rte_mbuf **to = bench.out + bench.n_out;

		must(bench.n_out + GSO_MAX <= RTE_DIM(bench.out), "too many segments");
		if (gso_wanted(whole[i])) {
			bench.n_out += gso_cut(bench.w, whole[i], to);
			continue;
		}
		if (offload_is_open(whole[i]))
			offload_finish(whole[i]);
		to[0] = whole[i];
		bench.n_out++;
	}
}

/* An acknowledgement of all lets a window of segments go; their end on the wire counts, too. */
static uint64_t send_slice(void *arg)
{
	uint64_t before = bench.w->count[COUNT_tcp_segments_out];

	pass(ready[0], 1);
	if (((const struct row *)arg)->software)
		cut_all();
	for (uint32_t i = 0; i + 1 < bench.n_out; i++)
		rte_pktmbuf_free(bench.out[i]);
	bench.out[0] = bench.out[bench.n_out - 1];
	bench.n_out = 1;
	return bench.w->count[COUNT_tcp_segments_out] - before;
}

static void bench_send(struct gbench *b, void *arg)
{
	open_stack(16, &sink, arg);
	open_all(1);
	block = rte_pktmbuf_alloc(bench.pool);
	memset(rte_pktmbuf_append(block, SEGMENT), 'b', SEGMENT);
	for (int i = 0; i < 20; i++) { /* slow start */
		acknowledge(arg);
		send_slice(arg);
	}
	measure_slices(b, send_slice, acknowledge, arg);
	must(bench.w->count[COUNT_tcp_retransmits] == 0, "something was sent again");
	free_out();
	tcp_abort(bench.t, bench.last);
	rte_pktmbuf_free(block);
	close_stack();
}

int main(int argc, char **argv)
{
	static struct row one = {1, true, 0}, sums = {1, false, 0}, many = {100000, true, 0},
			  requests = {4096, true, 0}, full = {10000000, true, 0}, none,
			  later = {.leave = {0, true}, .software = true},
			  cut = {.leave = {64000, false}, .software = true},
			  summed = {.leave = {0, true}}, tso = {.leave = {64000, true}};

	measure_eal(256);
	bench.pool = rte_pktmbuf_pool_create("segments", 32767, 512, 0, 2048 + 128, 0);
	bench.w = rte_zmalloc(NULL, sizeof(*bench.w), 64);
	bench.peer_pool = rte_pktmbuf_pool_create("received", 8191, 512, 0, 2048 + 128, 0);
	must(bench.pool != NULL && bench.peer_pool != NULL && bench.w != NULL, "no memory");
	bench.w->pool = bench.pool;
	bench.w->node = -1;
	if (measure_short()) {
		many.connections = 5000;
		full.connections = 20000;
	}
	gbench_add("tcp/receive 1460, 1 connection/millrace", bench_receive, &one);
	gbench_add("tcp/receive 1460, 100000 connections/millrace", bench_receive, &many);
	gbench_add("tcp/receive 1460, checksum in software/millrace", bench_receive, &sums);
	gbench_add("tcp/receive 1460, 10000000 connections/millrace", bench_receive, &full);
	gbench_add("tcp/send 1460, checksum in software/millrace", bench_send, &none);
	gbench_add("tcp/send 1460, summed before sending/millrace", bench_send, &later);
	gbench_add("tcp/send 1460, cut in software/millrace", bench_send, &cut);
	gbench_add("tcp/send 1460, the device sums/millrace", bench_send, &summed);
	gbench_add("tcp/send 1460, the device cuts/millrace", bench_send, &tso);
	gbench_add("tcp/request and answer of 64/millrace", bench_requests, &requests);
	gbench_add("tcp/connect, request, answer, close/millrace", bench_connections, &none);
	return gbench_run(argc, argv);
}
