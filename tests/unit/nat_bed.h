/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * nat_bed: a bed (lb_bed.h) of several workers, through which a packet goes wherever it arrives:
 * what became of it, byte by byte, with the books of all workers.
 */
#ifndef UNIT_NAT_BED_H
#define UNIT_NAT_BED_H

#include "lb_bed.h"
#include "net/steer.h"
#include "ports.h"

enum nat_way { OUT, PLAIN, LOCAL, ERROR, DROPPED, PARKED };

struct nat_result {
	enum nat_way end;
	uint32_t value; /* cause of an error, reason of a drop */
	uint16_t worker;
	uint32_t handed; /* times that it was handed over */
	uint32_t len;
	uint8_t frame[2048];
};

static inline void nat_bed_pass(struct worker *w)
{
	if (lb_looks_behind(w))
		lb_bed_replies(w);
	fake_run(w, &w->in, stage_fib_in);
	lb_bed_balance(w);
}

static inline void nat_bed_take(struct worker *w, struct nat_result *r)
{
	struct lane *lanes[] = {
		[OUT] = &w->fwd_out, [PLAIN] = &w->fwd, [LOCAL] = &w->local, [ERROR] = &w->error};

	for (enum nat_way i = OUT; i <= ERROR; i++) {
		if (lanes[i]->n == 0)
			continue;
		r->end = i;
		r->worker = w->id;
		r->value = lanes[i]->aux[0] >> 24;
		r->len = rte_pktmbuf_pkt_len(lanes[i]->pkt[0]);
		assert_int_equal(lanes[i]->n, 1);
		assert_true(r->len <= sizeof(r->frame));
		memcpy(r->frame, rte_pktmbuf_mtod(lanes[i]->pkt[0], void *), r->len);
	}
	for (uint32_t i = 0; i < DROP_MAX; i++)
		if (w->books.drop[i] != 0) {
			r->end = DROPPED;
			r->value = i;
			r->worker = w->id;
		}
	if (park_held(w->park) > 0)
		r->end = PARKED;
}

/* A frame comes in by an interface, at a worker; the end that it has there or elsewhere. */
static inline struct nat_result nat_bed_frame(
	struct net *net, uint16_t at, uint16_t iface, const uint8_t *frame, uint32_t len)
{
	struct nat_result r = {.end = PARKED};
	bool moved = true;

	lane_put(&net->worker[at]->in,
		fake_packet(net->worker[at], iface, frame, len, 0, FAKE_EXACT),
		ip4_hdr_dst(frame_ip((uint8_t *)(uintptr_t)frame)));
	nat_bed_pass(net->worker[at]);
	for (uint32_t round = 0; moved; round++) {
		moved = false;
		assert_true(round < 8);
		for (uint16_t i = 0; i < net->n_workers; i++)
			if (stage_handover(net->worker[i]) > 0) {
				moved = true;
				r.handed++;
				nat_bed_pass(net->worker[i]);
			}
	}
	for (uint16_t i = 0; i < net->n_workers; i++) {
		nat_bed_take(net->worker[i], &r);
		fake_balanced(net->worker[i]);
		fake_in_lanes(net->worker[i], true);
		park_drop_all(net->worker[i]);
		rte_pktmbuf_free_bulk(net->worker[i]->to_free, net->worker[i]->n_free);
		net->worker[i]->n_free = 0;
		memset(&net->worker[i]->books, 0, sizeof(net->worker[i]->books));
	}
	for (uint16_t i = 0; i < net->n_workers; i++)
		fake_rest(net->worker[i]);
	return r;
}

static inline struct nat_result nat_bed_send(
	struct net *net, uint16_t at, uint16_t iface, const struct lb_bed_packet *p)
{
	uint8_t frame[2048];
	uint32_t len = lb_bed_frame(frame, p);

	return nat_bed_frame(net, at, iface, frame, len);
}

/* Its ports, or an echo's id, as they are now. */
static inline uint16_t nat_bed_sport(const struct nat_result *r)
{
	return from_be16(((const be16 *)frame_l4((uint8_t *)(uintptr_t)r->frame))[0]);
}

static inline uint16_t nat_bed_id(const struct nat_result *r)
{
	return from_be16(
		((const struct icmp_hdr *)frame_l4((uint8_t *)(uintptr_t)r->frame))->echo.id);
}

/* It has gone out as a frame that was made so, one hop later: every byte, all checksums. */
static inline void nat_bed_is(const struct nat_result *r, uint8_t *frame, uint32_t len)
{
	struct ip4_hdr *ip = frame_ip(frame);

	assert_int_equal(r->end, OUT);
	assert_int_equal(r->len, len);
	ip->ttl--;
	ip4_hdr_csum_set(ip);
	assert_memory_equal(r->frame + ETH_HDR_LEN, frame + ETH_HDR_LEN, len - ETH_HDR_LEN);
}

static inline void nat_bed_went(const struct nat_result *r, const struct lb_bed_packet *as)
{
	uint8_t frame[2048];
	uint32_t len = lb_bed_frame(frame, as);

	nat_bed_is(r, frame, len);
}

/* The same packet from other ends. */
static inline struct lb_bed_packet nat_bed_ends(
	struct lb_bed_packet p, uint32_t src, uint16_t sport, uint32_t dst, uint16_t dport)
{
	p.src = src;
	p.sport = sport;
	p.dst = dst;
	p.dport = dport;
	return p;
}

/* The packet's way back. */
static inline struct lb_bed_packet nat_bed_back(struct lb_bed_packet p, uint8_t flags)
{
	p.flags = p.flags == 0 ? 0 : flags;
	return nat_bed_ends(p, p.dst, p.dport, p.src, p.sport);
}

static inline uint64_t nat_bed_flows(const struct net *net)
{
	uint64_t n = 0;

	for (uint16_t i = 0; i < net->n_workers; i++)
		n += flow_count(net->worker[i]->lb->flows)->flows;
	return n;
}

/* Ports in use of the first address, on all workers. */
static inline uint32_t nat_bed_ports(const struct net *net, uint32_t proto)
{
	uint32_t n = 0;

	for (uint16_t i = 0; i < net->n_workers; i++)
		n += lb_ports_used(net->worker[i]->lb->ports[0][proto]);
	return n;
}

/* An echo, or its reply. */
static inline uint32_t nat_bed_echo(
	uint8_t *frame, uint32_t src, uint32_t dst, uint8_t type, uint16_t id)
{
	struct ip4_fields f = {.ttl = 64, .src = src, .dst = dst};
	uint32_t len = frame_icmp(frame, f, type, 0, 21);
	struct icmp_hdr *icmp = frame_l4(frame);

	icmp_hdr_build(icmp, type, 0, (uint32_t)id << 16 | 7, ICMP_HDR_LEN + 21);
	return len;
}

/* An error with a frame's packet, or the first `room` bytes of it, quoted. */
static inline uint32_t nat_bed_error(
	uint8_t *frame, uint32_t src, uint32_t dst, uint8_t *about, uint32_t room)
{
	struct ip4_fields f = {.ttl = 64, .proto = IP4_PROTO_ICMP, .src = src, .dst = dst};
	uint8_t message[600];

	room = RTE_MIN(room, (uint32_t)sizeof(message) - ICMP_HDR_LEN);
	memcpy(message + ICMP_HDR_LEN, about + ETH_HDR_LEN, room);
	icmp_hdr_build((struct icmp_hdr *)message, ICMP_TYPE_UNREACH, ICMP_CODE_FRAG_NEEDED, 1400,
		ICMP_HDR_LEN + room);
	return frame_ip4(frame, f, NULL, 0, message, ICMP_HDR_LEN + room);
}

/* An error comes in at every worker, and goes out with its ends and what it quotes changed. */
static inline void nat_bed_complained(struct net *net, uint16_t in, uint32_t src, uint32_t dst,
	struct lb_bed_packet about, uint32_t as_src, uint32_t as_dst, struct lb_bed_packet as)
{
	uint8_t quoted[200], frame[300], expect[300];

	for (uint16_t at = 0; at < net->n_workers; at++) {
		struct nat_result r;
		uint32_t len;

		lb_bed_frame(quoted, &about);
		len = nat_bed_error(frame, src, dst, quoted, 40);
		r = nat_bed_frame(net, at, in, frame, len);
		lb_bed_frame(quoted, &as);
		assert_int_equal(nat_bed_error(expect, as_src, as_dst, quoted, 40), len);
		nat_bed_is(&r, expect, len);
	}
}

#endif
