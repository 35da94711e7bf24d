/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One core's TCP, in process: segments in bursts of 64 from a peer whose work stands outside the
 * clock (peers.h). Each row asserts that every segment was what the fast path is for, and that the
 * application got every byte.
 */
#include "net/gso.h"
#include "net/offload.h"
#include "peers.h"

#define SEGMENT 1460
#define SMALL	64

static struct {
	uint64_t taken;	  /* bytes that the application got */
	uint64_t answers; /* requests that it answered */
	struct tcp_conn *last;
} app;

/* --- the application --- */

static void take(struct tcp *t, struct tcp_conn *c, struct rte_mbuf *m)
{
	app.taken += m->pkt_len;
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
	app.answers++;
}

static void remember(struct tcp *t, struct tcp_conn *c)
{
	(void)t;
	app.last = c;
}

static void close_too(struct tcp *t, struct tcp_conn *c)
{
	tcp_close(t, c);
}

static const struct tcp_ops sink = {.on_accept = remember, .on_data = take};
static const struct tcp_ops service = {
	.on_accept = remember, .on_data = take_and_answer, .on_close = close_too};

static struct peer *next_peer(struct row *r)
{
	r->turn = r->turn * 1664525u + 1013904223u;
	return &bench.peers[(uint64_t)r->turn * bench.n_peers >> 32];
}

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

	must(app.taken == segments, "a byte was lost");
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

	open_stack(r, r->connections, &sink, NULL, NULL);
	open_all(r->connections);
	greet_all();
	before = bench.w->books.consumed;
	app.taken = 0;
	measure_slices(b, receive_slice, prepare_data, r);
	assert_fast((bench.w->books.consumed - before) * SEGMENT);
	close_stack();
}

static void bench_requests(struct gbench *b, void *arg)
{
	struct row *r = arg;

	open_stack(r, r->connections, &service, NULL, NULL);
	open_all(r->connections);
	app.answers = 0;
	measure_slices(b, request_slice, prepare_requests, r);
	must(bench.w->count[COUNT_tcp_retransmits] == 0, "something was sent again");
	close_stack();
}

static void bench_connections(struct gbench *b, void *arg)
{
	struct tcp_usage u;

	open_stack(arg, 1024, &service, NULL, NULL);
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
	while (tcp_send_room(bench.t, app.last) >= SEGMENT) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(bench.pool);

		must(m != NULL, "no buffer to send");
		rte_pktmbuf_attach(m, block);
		if (tcp_send(bench.t, app.last, m, 0) != 0) {
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
	open_stack(arg, 16, &sink, NULL, NULL);
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
	tcp_abort(bench.t, app.last);
	rte_pktmbuf_free(block);
	close_stack();
}

int main(int argc, char **argv)
{
	static struct row one = {1, true}, sums = {1, false}, many = {100000, true},
			  requests = {4096, true, NULL, SMALL, SMALL, 0}, full = {10000000, true},
			  whole = {0, true, NULL, SMALL, SMALL, 0}, none,
			  later = {.leave = {0, true}, .software = true},
			  cut = {.leave = {64000, false}, .software = true},
			  summed = {.leave = {0, true}}, tso = {.leave = {64000, true}};

	make_worker();
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
	gbench_add("tcp/connect, request, answer, close/millrace", bench_connections, &whole);
	return gbench_run(argc, argv);
}
