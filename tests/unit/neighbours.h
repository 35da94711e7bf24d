/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * neighbours: what the units of neighbours share: what workers say to control, what control does
 * for it, and what can be seen of a neighbour.
 */
#ifndef UNIT_NEIGHBOURS_H
#define UNIT_NEIGHBOURS_H

#include "bed.h"

static struct bed *b;

#define MINUTE 60000

static const uint8_t host_mac[6] = {2, 0, 0, 0, 0, 0x01}, new_mac[6] = {2, 0, 0, 0, 0, 0x77};

static inline int setup(void **state)
{
	(void)state;
	b = bed_new(1);
	return 0;
}

static inline int teardown(void **state)
{
	(void)state;
	bed_rest(b);
	bed_free(b);
	return 0;
}

/* --- what workers say --- */

static inline void resolve(uint32_t addr)
{
	struct event e = {.kind = EVENT_RESOLVE, .iface = LAN, .addr = addr};

	neigh_event(b->net, &e, b->now);
}

enum { REPLY = 1, TO_US = 2 };

static inline void arp(uint32_t addr, const uint8_t mac[6], int flags)
{
	struct event e = {.kind = EVENT_ARP,
		.arp_reply = (flags & REPLY) != 0,
		.arp_to_us = (flags & TO_US) != 0,
		.iface = LAN,
		.addr = addr};

	memcpy(e.mac, mac, sizeof(e.mac));
	neigh_event(b->net, &e, b->now);
}

/* Packets sent to addr since, as its worker counts them. */
static inline void send_to(uint32_t addr)
{
	b->w->adj_tx[bed_index(b, addr)].packets++;
	b->w->adj_tx[bed_index(b, addr)].bytes += 100;
}

/* --- what control does --- */

static inline void expect(struct worker *w, enum command_kind kind, uint32_t addr)
{
	struct command c;

	assert_true(bed_command(w, &c));
	assert_int_equal(c.kind, kind);
	assert_int_equal(c.iface, LAN);
	assert_int_equal(c.addr, addr);
}

static inline void expect_request(uint32_t addr, const uint8_t dst[6], uint32_t sender)
{
	struct command c;

	assert_true(bed_command(b->w, &c));
	assert_int_equal(c.kind, COMMAND_ARP_REQUEST);
	assert_int_equal(c.iface, LAN);
	assert_int_equal(c.addr, addr);
	assert_int_equal(c.sender, sender);
	assert_memory_equal(c.dst_mac, dst, 6);
}

static inline void expect_quiet(void)
{
	struct command c;

	for (uint16_t i = 0; i < b->net->n_workers; i++)
		assert_false(bed_command(b->net->worker[i], &c));
}

static inline void take_row(const struct neigh_row *row, void *arg)
{
	struct neigh_row *found = arg;

	if (row->addr == found->addr && row->iface == LAN)
		*found = *row;
}

/* -1: not in the table. */
static inline int state_of(uint32_t addr)
{
	struct neigh_row row = {.addr = addr};

	neigh_walk(b->net, b->now, take_row, &row);
	return row.iface == 0 ? -1 : (int)row.state;
}

static inline struct neigh_row row_of(uint32_t addr)
{
	struct neigh_row row = {.addr = addr};

	neigh_walk(b->net, b->now, take_row, &row);
	assert_int_equal(row.iface, LAN);
	return row;
}

/* The FIB has it, and its adjacency sends to mac. */
static inline void expect_forward(uint32_t addr, const uint8_t mac[6])
{
	const struct adj *a = &b->net->adj[bed_index(b, addr)];
	uint8_t l2[18];

	assert_int_equal(bed_kind(b, addr), FIB_FORWARD);
	assert_true(a->flags & ADJ_RESOLVED);
	assert_int_equal(a->addr, addr);
	assert_int_equal(a->iface, LAN);
	assert_int_equal(a->slot, LAN - 1);
	assert_int_equal(a->mtu, 1500);
	assert_int_equal(a->l2_len, 14);
	store64(l2, a->l2_first);
	memcpy(l2 + 8, a->l2_rest, sizeof(a->l2_rest));
	assert_memory_equal(l2, mac, 6);
	assert_memory_equal(l2 + 6, lan_mac, 6);
	assert_memory_equal(l2 + 12, "\x08\x00", 2);
}

static inline void learn(uint32_t addr, const uint8_t mac[6])
{
	arp(addr, mac, TO_US);
	bed_clear(b);
	assert_int_equal(state_of(addr), NEIGH_REACHABLE);
}

static inline void set_conf(uint32_t max, struct neigh_static *statics, uint32_t n)
{
	struct neigh_conf c = {.age_ms = 20 * MINUTE,
		.retry_ms = 1000,
		.retries = 3,
		.max = max,
		.gratuitous = 2,
		.n_static = n,
		.statics = statics};

	assert_int_equal(neigh_build(b->net, &c), 0);
	neigh_publish(b->net, b->now);
	neigh_retire(b->net);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

#endif
