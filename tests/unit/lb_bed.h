/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lb_bed: fake workers (fake_worker.h) that balance, and services to balance: configurations are
 * applied as the daemon does it, time is a number.
 */
#ifndef UNIT_LB_BED_H
#define UNIT_LB_BED_H

#include "control.h"
#include "fake_worker.h"
#include "frame.h"
#include "lb/lb.h"
#include "lb/stage.h"
#include "lb_stages.h"

enum { BED_SERVICES = 16, BED_BACKENDS = 32 };

/* A configuration that is written piece by piece; pieces stay in place. */
struct lb_bed_conf {
	struct lb_conf c;
	struct lb_service_conf service[BED_SERVICES];
	struct lb_backend_conf backend[BED_SERVICES][BED_BACKENDS];
};

static inline void lb_bed_clear(struct lb_bed_conf *b)
{
	memset(b, 0, sizeof(*b));
	b->c = (struct lb_conf){
		.services = b->service,
		.timeouts = {.tcp_half_open_ms = 30000,
			.tcp_established_ms = 7440000,
			.tcp_closing_ms = 240000,
			.tcp_closed_ms = 10000,
			.udp_one_way_ms = 30000,
			.udp_ms = 300000,
			.icmp_ms = 60000},
		.seed = "a seed",
		.max_flows = 1000,
		.max_services = 8,
		.max_backends = 16,
	};
}

static inline struct lb_service_conf *lb_bed_service(struct lb_bed_conf *b, const char *name,
	uint32_t addr, uint16_t port, enum lb_protocol protocol)
{
	struct lb_service_conf *s = &b->service[b->c.n_services];

	*s = (struct lb_service_conf){.addr = addr,
		.port = port,
		.last_port = port == 0 ? UINT16_MAX : port,
		.protocol = protocol,
		.keep = true,
		.table_size = 251,
		.backends = b->backend[b->c.n_services++]};
	snprintf(s->name, sizeof(s->name), "%s", name);
	return s;
}

static inline struct lb_backend_conf *lb_bed_backend(
	struct lb_service_conf *s, uint32_t addr, uint16_t port, uint16_t weight)
{
	struct lb_backend_conf *x = &s->backends[s->n_backends++];

	*x = (struct lb_backend_conf){.addr = addr, .port = port, .weight = weight};
	return x;
}

/* As an apply of the daemon; no worker is within a pass, so what is replaced goes at once. */
static inline int lb_bed_apply(struct net *net, const struct lb_bed_conf *b)
{
	struct errs e = {0};
	int rc = lb_build(net, &b->c, &e);

	errs_clear(&e);
	if (rc < 0) {
		lb_abandon(net);
		return rc;
	}
	lb_publish(net, net->worker[0]->now);
	lb_retire(net);
	epoch_poll(net->epoch);
	return 0;
}

/* n workers with nothing to balance yet. */
static inline struct worker *lb_bed_new(uint16_t n, const struct lb_bed_conf *b)
{
	struct worker *w = fake_worker(n);

	assert_int_equal(lb_attach(w->net, &b->c), 0);
	for (uint16_t i = 0; i < n; i++)
		lb_time(w->net->worker[i]);
	for (uint32_t i = 0; i < OWNER_MAP; i++)
		w->net->owner[i] = (uint8_t)(i % n);
	return w;
}

static inline void lb_bed_end(struct worker *w)
{
	lb_detach(w->net);
	fake_end(w);
}

/* Time passes, with a timed pass of every worker each quarter of a second, and control's ticks. */
static inline void lb_bed_wait(struct net *net, uint32_t ms)
{
	for (; ms > 0; ms -= RTE_MIN(ms, 250u)) {
		for (uint16_t i = 0; i < net->n_workers; i++) {
			net->worker[i]->now += clock_of_ms(RTE_MIN(ms, 250u));
			lb_time(net->worker[i]);
		}
		lb_tick(net, net->worker[0]->now);
		epoch_poll(net->epoch);
	}
}

/* A packet of TCP or UDP, as a test names it. */
struct lb_bed_packet {
	uint32_t src, dst;
	uint16_t sport, dport;
	uint8_t flags; /* of TCP; 0: UDP */
	uint8_t ttl;   /* 0: 64 */
	uint16_t frag; /* flags and offset of IPv4 */
	uint32_t len;  /* of data */
	uint8_t opts;  /* bytes of IPv4 options */
	bool no_csum;  /* of UDP: 0 */
	uint32_t seq, ack;
};

static inline uint32_t lb_bed_frame(uint8_t *frame, const struct lb_bed_packet *p)
{
	static const uint8_t options[40] = {1, 1, 1, 1};
	static uint8_t l4[4096];
	struct ip4_fields f = {.id = 7,
		.ttl = p->ttl == 0 ? 64 : p->ttl,
		.frag = p->frag,
		.src = p->src,
		.dst = p->dst};
	struct tcp_fields t = {.sport = p->sport,
		.dport = p->dport,
		.seq = p->seq,
		.ack = p->ack,
		.window = 100,
		.flags = p->flags};
	uint32_t len = p->flags != 0 ? frame_tcp(frame, f, t, p->len)
				     : frame_udp(frame, f, p->sport, p->dport, p->len);

	if (p->no_csum)
		((struct udp_hdr *)frame_l4(frame))->csum = 0;
	if (p->opts > 0) {
		f.proto = frame_ip(frame)->proto;
		len -= ETH_HDR_LEN + IP4_HDR_LEN;
		memcpy(l4, frame_l4(frame), len);
		len = frame_ip4(frame, f, options, p->opts, l4, len);
	}
	return len;
}

#endif
