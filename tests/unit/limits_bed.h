/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * limits_bed: a balancer on a fake worker, for scripts of packets: clients behind lan, backends
 * behind wan. A packet goes through the stages that concern it; what leaves is looked at in the
 * order in which it was made. Time is a number.
 */
#ifndef UNIT_LIMITS_BED_H
#define UNIT_LIMITS_BED_H

#include "frame.h"
#include "lb/lb.h"
#include "lb_stages.h"
#include "wire/tcp_opt.h"

#include "the_worker.h"

#define VIP	   FAKE_ADDR(198, 18, 0, 100)
#define VPORT	   80
#define BPORT	   8080
#define BACKENDS   3
#define CLIENT(n)  (FAKE_ADDR(198, 18, 64, 0) + (uint32_t)(n))
#define BACKEND(n) FAKE_ADDR(198, 19, 0, 1 + (n))

static struct lb_backend_conf backend[BACKENDS];
static struct lb_acl_conf acl[8];
static struct lb_service_conf service;
static struct lb_conf conf;

static inline void bed_conf(void)
{
	for (uint32_t i = 0; i < BACKENDS; i++)
		backend[i] =
			(struct lb_backend_conf){.addr = BACKEND(i), .port = BPORT, .weight = 1};
	service = (struct lb_service_conf){.name = "shop",
		.addr = VIP,
		.port = VPORT,
		.last_port = VPORT,
		.protocol = LB_TCP,
		.mode = LB_NAT,
		.scheduler = LB_ROUND_ROBIN,
		.keep = true,
		.table_size = 251,
		.n_acl = 0,
		.acl = acl,
		.n_backends = BACKENDS,
		.backends = backend};
	conf = (struct lb_conf){.n_services = 1,
		.services = &service,
		.timeouts = {30000, 7440000, 240000, 10000, 30000, 300000, 30000},
		.max_flows = 1000,
		.max_services = 4,
		.max_backends = 16};
}

static inline void bed_apply(void)
{
	struct errs e = {0};

	assert_int_equal(lb_build(w->net, &conf, &e), 0);
	lb_publish(w->net, w->now);
	lb_retire(w->net);
	while (rib4_poll(w->net->rib, clock_now()) > 0)
		;
	lb_tick(w->net, w->now);
}

static inline void bed_after(uint64_t ms)
{
	w->now += clock_of_ms(ms);
	lb_time(w);
}

/* Everything as at the start, with what the test has written into `conf` and what hangs on it. */
static inline void bed_begin(void)
{
	fake_route(w->net, CLIENT(0), 18, FIB_FORWARD, LAN);
	assert_int_equal(lb_attach(w->net, &conf), 0);
	lb_time(w);
	bed_apply();
}

static inline void bed_stages(void)
{
	if (lb_looks_behind(w))
		lb_bed_replies(w);
	fake_run(w, &w->in, stage_fib_in);
	lb_bed_balance(w);
	fake_run(w, &w->out, stage_fib_out);
}

/* A segment: who sends it to whom, and what it says. mss 0: no such option. */
struct seg {
	uint32_t src;
	uint16_t sport;
	uint32_t dst;
	uint16_t dport;
	uint8_t flags;
	uint32_t seq, ack;
	uint16_t window, mss, len;
};

static inline uint32_t bed_bytes(uint8_t *frame, const struct seg *s)
{
	uint8_t opt = s->mss != 0 ? 4 : 0;
	uint32_t len =
		frame_tcp(frame, (struct ip4_fields){.ttl = 64, .src = s->src, .dst = s->dst},
			(struct tcp_fields){.sport = s->sport,
				.dport = s->dport,
				.seq = s->seq,
				.ack = s->ack,
				.window = s->window,
				.flags = s->flags,
				.opt_len = opt},
			s->len);
	struct tcp_hdr *tcp = frame_l4(frame);

	if (opt != 0) {
		store32((uint8_t *)(tcp + 1), to_be32(0x02040000u | s->mss));
		tcp_hdr_csum_set(tcp, (uint16_t)(len - ETH_HDR_LEN - IP4_HDR_LEN), to_be32(s->src),
			to_be32(s->dst));
	}
	return len;
}

static inline void bed_give(const uint8_t *frame, uint32_t len)
{
	const struct ip4_hdr *ip = (const struct ip4_hdr *)(frame + ETH_HDR_LEN);
	bool behind = (ip4_hdr_src(ip) & 0xffff0000) == (BACKEND(0) & 0xffff0000);

	lane_put(&w->in, fake_packet(w, behind ? WAN : LAN, frame, len, 0, FAKE_POOL),
		ip4_hdr_dst(ip));
	bed_stages();
}

static inline void bed_send(struct seg s)
{
	uint8_t frame[ETH_HDR_LEN + 60 + 60 + 1500];

	bed_give(frame, bed_bytes(frame, &s));
}

static inline uint32_t bed_out(void)
{
	return w->fwd_out.n;
}

/* The oldest packet that leaves, as a segment; its checksums are right. */
static inline struct seg bed_take(void)
{
	struct lane *l = &w->fwd_out;
	struct rte_mbuf *m = l->pkt[0];
	const struct ip4_hdr *ip = pkt_ip4(m);
	const struct tcp_hdr *tcp = pkt_l4(m);
	uint16_t len = ip4_hdr_payload_len(ip);
	struct tcp_opts o;
	struct seg s;

	assert_true(l->n > 0);
	assert_int_equal(csum_fold(csum_add(ip, ip4_hdr_len(ip), 0)), 0);
	assert_true(tcp_hdr_csum_ok(tcp, len, ip->src, ip->dst));
	tcp_opt_read(tcp, &o);
	s = (struct seg){ip4_hdr_src(ip), tcp_hdr_sport(tcp), ip4_hdr_dst(ip), tcp_hdr_dport(tcp),
		tcp->flags, tcp_hdr_seq(tcp), tcp_hdr_ack(tcp), tcp_hdr_window(tcp), o.mss,
		(uint16_t)(len - tcp_hdr_len(tcp))};
	memmove(l->pkt, l->pkt + 1, (l->n - 1) * sizeof(l->pkt[0]));
	memmove(l->aux, l->aux + 1, (l->n - 1) * sizeof(l->aux[0]));
	l->n--;
	w->books.tx++;
	rte_pktmbuf_free(m);
	return s;
}

/* Nothing leaves, or what leaves is not looked at. */
static inline void bed_silence(void)
{
	assert_int_equal(bed_out(), 0);
}

static inline void bed_ignore(void)
{
	while (bed_out() > 0)
		bed_take();
}

static inline void bed_end(void)
{
	bed_ignore();
	rte_pktmbuf_free_bulk(w->service.pkt, w->service.n);
	w->service.n = 0;
	fake_rest(w);
	lb_detach(w->net);
	rib4_del(w->net->rib, VIP, 32, RIB4_SERVICE);
	rib4_del(w->net->rib, CLIENT(0), 18, RIB4_CONNECTED);
	while (rib4_poll(w->net->rib, clock_now()) > 0)
		;
}

/* From a client's port to the service, and from where a backend answers. */
static inline struct seg bed_in(uint32_t client, uint16_t port, uint8_t flags)
{
	return (struct seg){.src = client,
		.sport = port,
		.dst = VIP,
		.dport = VPORT,
		.flags = flags,
		.seq = 1000,
		.ack = flags & TCP_ACK ? 5000 : 0,
		.window = 64240};
}

static inline struct seg bed_back(const struct seg *got, uint8_t flags)
{
	return (struct seg){.src = got->dst,
		.sport = got->dport,
		.dst = got->src,
		.dport = got->sport,
		.flags = flags,
		.seq = 4999,
		.ack = got->seq + 1,
		.window = 28960};
}

static inline const struct lb_count *bed_service(void)
{
	return &w->lb->service[0];
}

#endif
