/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sync_client: a client's connections to a service that both instances of sync_bed.h have, each in
 * another slot.
 */
#ifndef UNIT_SYNC_CLIENT_H
#define UNIT_SYNC_CLIENT_H

#include "sync_bed.h"

#define VIP FAKE_ADDR(198, 18, 0, 100) /* :80 to WAN_HOST:8080 and FAR_HOST, in turn */

enum { FLOWS = 200 };

static inline void configure(struct side *s, uint16_t workers, bool reversed, const char *key)
{
	struct lb_service_conf *web;

	lb_bed_clear(&s->conf);
	if (reversed)
		lb_bed_backend(
			lb_bed_service(&s->conf, "other", FAKE_ADDR(198, 18, 0, 99), 81, LB_TCP),
			WAN_HOST, 1, 1);
	web = lb_bed_service(&s->conf, "web", VIP, 80, LB_TCP);
	web->scheduler = LB_ROUND_ROBIN;
	lb_bed_backend(web, reversed ? FAR_HOST : WAN_HOST, reversed ? 80 : 8080, 1);
	lb_bed_backend(web, reversed ? WAN_HOST : FAR_HOST, reversed ? 8080 : 80, 1);
	start(s, workers, key);
}

static inline void begin(uint16_t workers, const char *key)
{
	configure(&a, 1, false, "a key");
	configure(&b, workers, true, key);
}

/* The destination of the client's segment as it leaves, 0: it does not. */
static inline uint32_t segment(struct side *s, uint32_t i, uint8_t flags)
{
	static uint8_t frame[FRAME_MAX];
	struct lb_bed_packet p = {.src = LAN_HOST + (i >> 14 << 8),
		.dst = VIP,
		.sport = (uint16_t)(1024 + (i & 0x3fff)),
		.dport = 80,
		.flags = flags};
	uint32_t slot = sync_slot(to_be32(p.src), to_be32(p.dst), to_be16(p.sport), to_be16(80));
	struct worker *w = worker_of(s, s->w->net->owner[slot]);
	uint32_t len = lb_bed_frame(frame, &p), to = 0;

	lane_put(&w->service, fake_packet(w, LAN, frame, len, 0, FAKE_POOL),
		fib_entry_index(fib4_lookup(w->net->fib, VIP)));
	lb_bed_balance(w);
	if (w->fwd_out.n == 1)
		to = ip4_hdr_dst(pkt_ip4(w->fwd_out.pkt[0]));
	w->books.tx += w->fwd_out.n + w->out.n;
	rte_pktmbuf_free_bulk(w->fwd_out.pkt, w->fwd_out.n);
	rte_pktmbuf_free_bulk(w->out.pkt, w->out.n);
	w->fwd_out.n = w->out.n = 0;
	return to;
}

/* The backend's answer; whether it goes to the client as the service's. */
static inline bool answer(struct side *s, uint32_t i, uint32_t backend, uint8_t flags)
{
	static uint8_t frame[FRAME_MAX];
	struct lb_bed_packet p = {.src = backend,
		.dst = LAN_HOST + (i >> 14 << 8),
		.sport = backend == WAN_HOST ? 8080 : 80,
		.dport = (uint16_t)(1024 + (i & 0x3fff)),
		.flags = flags};
	uint32_t slot = sync_slot(to_be32(p.dst), to_be32(VIP), to_be16(p.dport), to_be16(80));
	struct worker *w = worker_of(s, s->w->net->owner[slot]);
	bool went;

	lane_put(&w->in, fake_packet(w, WAN, frame, lb_bed_frame(frame, &p), 0, FAKE_POOL), p.dst);
	lb_bed_replies(w);
	went = w->fwd_out.n == 1;
	w->books.tx += w->fwd_out.n + w->in.n;
	rte_pktmbuf_free_bulk(w->fwd_out.pkt, w->fwd_out.n);
	rte_pktmbuf_free_bulk(w->in.pkt, w->in.n);
	w->fwd_out.n = w->in.n = 0;
	return went;
}

/* Connections of the clients first to last; who serves each. */
static inline void open_some(struct side *s, uint32_t first, uint32_t n, uint32_t *served_by)
{
	for (uint32_t i = first; i < first + n; i++) {
		uint32_t backend = segment(s, i, TCP_SYN);

		assert_true(backend != 0 && answer(s, i, backend, TCP_SYN | TCP_ACK));
		assert_int_equal(segment(s, i, TCP_ACK), backend);
		if (served_by != NULL)
			served_by[i] = backend;
	}
}

static inline void close_it(struct side *s, uint32_t i, uint32_t backend)
{
	segment(s, i, TCP_FIN | TCP_ACK);
	answer(s, i, backend, TCP_FIN | TCP_ACK);
}

#endif
