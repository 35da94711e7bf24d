/* SPDX-License-Identifier: BSD-3-Clause */
/* masquerade_bed: a masquerade on one worker or several (nat_bed.h), and who is in and outside. */
#ifndef UNIT_MASQUERADE_BED_H
#define UNIT_MASQUERADE_BED_H

#include "nat_bed.h"

#define OWN	  WAN_ADDR
#define VIRTUAL	  FAKE_ADDR(198, 18, 1, 111)
#define STRANGER  FAKE_ADDR(198, 19, 9, 9) /* by the wan, too */
#define NEIGHBOUR FAKE_ADDR(198, 18, 0, 3) /* inside, not known yet */

enum { WORKERS = 4, FIRST = 10000, PORTS = 128, LAST = FIRST + PORTS - 1 };

static struct lb_bed_conf conf;
static struct lb_masquerade_conf rule;
static struct net *net;

static inline void configure(uint32_t addr)
{
	lb_bed_clear(&conf);
	rule = (struct lb_masquerade_conf){.name = "home",
		.prefix = LAN_HOST & ip4_mask(24),
		.depth = 24,
		.out = "wan",
		.addr = addr,
		.port = FIRST,
		.last_port = LAST};
	conf.c.masquerades = &rule;
	conf.c.n_masquerades = 1;
}

static inline void begin(uint16_t workers, uint32_t addr)
{
	configure(addr);
	net = lb_bed_new(workers, &conf)->net;
	assert_int_equal(lb_bed_apply(net, &conf), 0);
}

static inline void end(void)
{
	lb_bed_end(net->worker[0]);
}

static inline struct nat_result sent(uint16_t at, uint16_t in, struct lb_bed_packet p)
{
	return nat_bed_send(net, at, in, &p);
}

/* The port that a packet has outside; it went out, and by whichever worker, as that. */
static inline uint16_t mapped(struct lb_bed_packet p)
{
	uint32_t from = rule.addr != 0 ? rule.addr : OWN;
	uint16_t port = 0;

	for (uint16_t at = 0; at < net->n_workers; at++) {
		struct nat_result r = sent(at, LAN, p);
		struct lb_bed_packet as;

		assert_int_equal(r.end, OUT);
		assert_true(r.handed <= 1);
		assert_true(port == 0 || nat_bed_sport(&r) == port);
		port = nat_bed_sport(&r);
		as = nat_bed_ends(p, from, port, p.dst, p.dport);
		nat_bed_went(&r, &as);
	}
	assert_in_range(port, FIRST, LAST);
	return port;
}

/* An answer to a port outside gets to the inside end, at whichever worker it arrives. */
static inline void answered(struct lb_bed_packet answer, uint32_t inside, uint16_t port)
{
	struct lb_bed_packet as = nat_bed_ends(answer, answer.src, answer.sport, inside, port);

	for (uint16_t at = 0; at < net->n_workers; at++) {
		struct nat_result r = sent(at, WAN, answer);

		assert_true(r.handed <= 1);
		nat_bed_went(&r, &as);
	}
}

#endif
