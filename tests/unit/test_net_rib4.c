/* SPDX-License-Identifier: BSD-3-Clause */
/* Routes in, entries of the FIB out: by rule, by script, and at random against a plain model. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/epoch.h"
#include "net/rib4.h"
#include "routes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ARRAY_SIZE(a)  (sizeof(a) / sizeof((a)[0]))
#define IP(a, b, c, d) ((uint32_t)(a) << 24 | (b) << 16 | (c) << 8 | (d))
#define HOP(i)	       fib_entry_make(FIB_FORWARD, i)

static struct epoch *epoch;
static struct rib4 *rib;

static void make_rib(uint32_t max_routes, uint32_t max_tbl8)
{
	struct rib4_conf conf = {.max_routes = max_routes, .max_tbl8 = max_tbl8, .node = -1};

	epoch = epoch_new(1);
	assert_non_null(epoch);
	rib = rib4_new(&conf, epoch);
	assert_non_null(rib);
}

static int make(void **state)
{
	(void)state;
	make_rib(1000, 64);
	return 0;
}

static int unmake(void **state)
{
	(void)state;
	rib4_free(rib);
	epoch_free(epoch);
	return 0;
}

static fib_entry lookup(uint32_t addr)
{
	return fib4_lookup(rib4_fib(rib), addr);
}

static int add(uint32_t prefix, unsigned int depth, uint32_t hop)
{
	return rib4_add(rib, prefix, depth, RIB4_STATIC, 1, 0, HOP(hop));
}

static int del(uint32_t prefix, unsigned int depth)
{
	return rib4_del(rib, prefix, depth, RIB4_STATIC);
}

/* One chunk, which is all that a deadline in the past allows. */
static uint32_t poll_little(void)
{
	return rib4_poll(rib, 0);
}

static void poll_all(void)
{
	assert_int_equal(rib4_poll(rib, UINT64_MAX), 0);
}

static void wrong_arguments(void **state)
{
	const struct {
		const char *name;
		uint32_t prefix;
		unsigned int depth;
		enum rib4_origin origin;
		fib_entry entry;
		int error;
	} cases[] = {
		{"a prefix", IP(10, 0, 0, 0), 8, RIB4_STATIC, HOP(1), 0},
		{"a host", IP(10, 0, 0, 1), 32, RIB4_KERNEL, HOP(FIB_INDEX_MAX), 0},
		{"the default route", 0, 0, RIB4_OPERATOR, HOP(0), 0},
		{"default with a bit", IP(0, 0, 0, 1), 0, RIB4_STATIC, HOP(1), -EINVAL},
		{"host bit", IP(10, 1, 0, 0), 15, RIB4_STATIC, HOP(1), -EINVAL},
		{"last host bit", IP(10, 0, 0, 1), 31, RIB4_STATIC, HOP(1), -EINVAL},
		{"depth", IP(10, 0, 0, 0), 33, RIB4_STATIC, HOP(1), -EINVAL},
		{"origin", IP(10, 0, 0, 0), 8, RIB4_ORIGINS, HOP(1), -EINVAL},
		{"no route", IP(10, 0, 0, 0), 8, RIB4_STATIC, 0, -EINVAL},
		{"index without a kind", IP(10, 0, 0, 0), 8, RIB4_STATIC, 5, -EINVAL},
		{"no such kind", IP(10, 0, 0, 0), 8, RIB4_STATIC, fib_entry_make(FIB_KINDS, 0),
			-EINVAL},
		{"extended", IP(10, 0, 0, 0), 8, RIB4_STATIC, HOP(1) | FIB_EXTENDED, -EINVAL},
		{"a depth in the entry", IP(10, 0, 0, 0), 8, RIB4_STATIC, HOP(1) | 1 << 21,
			-EINVAL},
	};
	struct rib4_route route;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int error = rib4_add(rib, cases[i].prefix, cases[i].depth, cases[i].origin, 1, 0,
			cases[i].entry);

		if (error != cases[i].error)
			fail_msg("%s: %d", cases[i].name, error);
		if (error == 0) {
			assert_true(rib4_get(
				rib, cases[i].prefix, cases[i].depth, cases[i].origin, &route));
			assert_int_equal(
				rib4_del(rib, cases[i].prefix, cases[i].depth, cases[i].origin), 0);
		}
		assert_int_equal(
			rib4_del(rib, cases[i].prefix, cases[i].depth, cases[i].origin), -ENOENT);
		assert_int_equal(rib4_count(rib).prefixes, 0);
	}
	assert_false(rib4_best(rib, 1, 0, &route));
	assert_false(rib4_get(rib, 0, 33, RIB4_STATIC, &route));
}

static void wrong_sizes(void **state)
{
	static const struct rib4_conf confs[] = {
		{.max_routes = 0, .max_tbl8 = 1},
		{.max_routes = RIB4_ROUTES_MAX + 1, .max_tbl8 = 1},
		{.max_routes = 1, .max_tbl8 = 0},
		{.max_routes = 1, .max_tbl8 = FIB4_TBL8_MAX + 1},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(confs); i++)
		assert_null(rib4_new(&confs[i], epoch));
}

/* One prefix; each step adds (or, with hop 0, withdraws) an origin's route; `best` is in the FIB.
 */
static void best_of_a_prefix(void **state)
{
	static const struct {
		const char *name;
		enum rib4_origin origin;
		uint8_t preference;
		uint32_t metric;
		uint32_t hop;
		uint32_t best;
	} steps[] = {
		{"the only one", RIB4_KERNEL, 20, 5, 1, 1},
		{"lower preference", RIB4_OPERATOR, 10, 50, 2, 2},
		{"higher preference", RIB4_STATIC, 30, 0, 3, 2},
		{"same preference, lower metric", RIB4_STATIC, 10, 49, 3, 3},
		{"same preference, higher metric", RIB4_CONNECTED, 10, 51, 4, 3},
		{"all the same: first origin", RIB4_CONNECTED, 10, 49, 4, 4},
		{"replaced by a worse one", RIB4_CONNECTED, 11, 0, 4, 3},
		{"replaced with the same standing", RIB4_STATIC, 10, 49, 5, 5},
		{"what is not best goes", RIB4_KERNEL, 0, 0, 0, 5},
		{"the best goes", RIB4_STATIC, 0, 0, 0, 2},
		{"and the next", RIB4_OPERATOR, 0, 0, 0, 4},
		{"and the last", RIB4_CONNECTED, 0, 0, 0, 0},
	};
	struct rib4_route route;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		if (steps[i].hop != 0)
			assert_int_equal(
				rib4_add(rib, IP(10, 1, 2, 0), 24, steps[i].origin,
					steps[i].preference, steps[i].metric, HOP(steps[i].hop)),
				0);
		else
			assert_int_equal(rib4_del(rib, IP(10, 1, 2, 0), 24, steps[i].origin), 0);
		if (fib_entry_index(lookup(IP(10, 1, 2, 3))) != steps[i].best)
			fail_msg("%s: %u", steps[i].name, fib_entry_index(lookup(IP(10, 1, 2, 3))));
		assert_int_equal(rib4_best(rib, IP(10, 1, 2, 0), 24, &route), steps[i].best != 0);
		if (steps[i].best != 0) {
			assert_int_equal(route.entry, HOP(steps[i].best));
			assert_int_equal(route.state, RIB4_INSTALLED);
		}
		if (steps[i].hop != 0) {
			assert_true(rib4_get(rib, IP(10, 1, 2, 0), 24, steps[i].origin, &route));
			assert_int_equal(route.preference, steps[i].preference);
			assert_int_equal(route.metric, steps[i].metric);
			assert_int_equal(route.state,
				steps[i].hop == steps[i].best ? RIB4_INSTALLED : RIB4_SHADOWED);
		}
	}
	assert_int_equal(rib4_count(rib).prefixes, 0);
}

/* Each step adds a route with that hop (0: withdraws it); then these addresses have these hops. */
static void longest_match(void **state)
{
	static const struct {
		const char *name;
		uint32_t prefix;
		unsigned int depth;
		uint32_t hop;
		struct {
			uint32_t addr;
			uint32_t hop;
		} expect[6];
		uint32_t groups; /* in use after it */
	} steps[] = {
		{"/16", IP(10, 1, 0, 0), 16, 16,
			{{IP(10, 1, 0, 0), 16}, {IP(10, 1, 255, 255), 16}, {IP(10, 0, 255, 255), 0},
				{IP(10, 2, 0, 0), 0}},
			0},
		{"/24 in it", IP(10, 1, 2, 0), 24, 24,
			{{IP(10, 1, 1, 255), 16}, {IP(10, 1, 2, 0), 24}, {IP(10, 1, 2, 255), 24},
				{IP(10, 1, 3, 0), 16}},
			0},
		{"/32 in that", IP(10, 1, 2, 3), 32, 32,
			{{IP(10, 1, 2, 2), 24}, {IP(10, 1, 2, 3), 32}, {IP(10, 1, 2, 4), 24}}, 1},
		{"/25 between them", IP(10, 1, 2, 0), 25, 25,
			{{IP(10, 1, 2, 0), 25}, {IP(10, 1, 2, 3), 32}, {IP(10, 1, 2, 127), 25},
				{IP(10, 1, 2, 128), 24}},
			1},
		{"/23 above the /24", IP(10, 1, 2, 0), 23, 23,
			{{IP(10, 1, 2, 255), 24}, {IP(10, 1, 3, 0), 23}, {IP(10, 1, 4, 0), 16}}, 1},
		{"without the /24", IP(10, 1, 2, 0), 24, 0,
			{{IP(10, 1, 2, 3), 32}, {IP(10, 1, 2, 127), 25}, {IP(10, 1, 2, 128), 23}},
			1},
		{"another /16 hop", IP(10, 1, 0, 0), 16, 17,
			{{IP(10, 1, 2, 128), 23}, {IP(10, 1, 1, 0), 17}, {IP(10, 1, 4, 0), 17}}, 1},
		{"without the /32", IP(10, 1, 2, 3), 32, 0, {{IP(10, 1, 2, 3), 25}}, 1},
		{"without the /23", IP(10, 1, 2, 0), 23, 0,
			{{IP(10, 1, 2, 127), 25}, {IP(10, 1, 2, 128), 17}, {IP(10, 1, 3, 0), 17}},
			1},
		{"without the /25: folded", IP(10, 1, 2, 0), 25, 0,
			{{IP(10, 1, 2, 0), 17}, {IP(10, 1, 2, 255), 17}}, 0},
		{"a host where nothing is", IP(172, 16, 0, 255), 32, 1,
			{{IP(172, 16, 0, 254), 0}, {IP(172, 16, 0, 255), 1},
				{IP(172, 16, 1, 0), 0}},
			1},
		{"and gone", IP(172, 16, 0, 255), 32, 0, {{IP(172, 16, 0, 255), 0}}, 0},
		{"two halves", IP(172, 16, 0, 0), 25, 7, {{IP(172, 16, 0, 127), 7}}, 1},
		{"of the same hop are still two", IP(172, 16, 0, 128), 25, 7,
			{{IP(172, 16, 0, 127), 7}, {IP(172, 16, 0, 128), 7}}, 1},
		{"as the first shows", IP(172, 16, 0, 0), 25, 0,
			{{IP(172, 16, 0, 127), 0}, {IP(172, 16, 0, 128), 7}}, 1},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		if (steps[i].hop != 0)
			assert_int_equal(add(steps[i].prefix, steps[i].depth, steps[i].hop), 0);
		else
			assert_int_equal(del(steps[i].prefix, steps[i].depth), 0);
		epoch_poll(epoch);
		for (size_t j = 0; j < ARRAY_SIZE(steps[i].expect); j++) {
			uint32_t addr = steps[i].expect[j].addr, hop = steps[i].expect[j].hop;

			if (addr != 0 && lookup(addr) != (hop == 0 ? 0 : HOP(hop)))
				fail_msg("%s: address %zu", steps[i].name, j);
		}
		if (fib4_tbl8_free(rib4_fib(rib)) != 64 - steps[i].groups)
			fail_msg(
				"%s: %u groups free", steps[i].name, fib4_tbl8_free(rib4_fib(rib)));
	}
}

/* A folded group is not free before the readers looked away from it. */
static void groups_wait_for_readers(void **state)
{
	(void)state;
	epoch_online(epoch, 0);
	assert_int_equal(add(IP(10, 0, 0, 1), 32, 1), 0);
	assert_int_equal(del(IP(10, 0, 0, 1), 32), 0);
	epoch_poll(epoch);
	assert_int_equal(fib4_tbl8_free(rib4_fib(rib)), 63);
	epoch_quiescent(epoch, 0);
	epoch_poll(epoch);
	assert_int_equal(fib4_tbl8_free(rib4_fib(rib)), 64);
	epoch_offline(epoch, 0);
}

static enum rib4_state state_of(uint32_t prefix, unsigned int depth)
{
	struct rib4_route route;

	assert_true(rib4_best(rib, prefix, depth, &route));
	return route.state;
}

static void tbl8_runs_out(void **state)
{
	const uint32_t a = IP(10, 0, 0, 1), b = IP(10, 0, 1, 1), c = IP(10, 0, 2, 1);

	unmake(state);
	make_rib(10, 1);
	assert_int_equal(add(IP(10, 0, 0, 0), 16, 16), 0);
	assert_int_equal(add(a, 32, 1), 0);
	assert_int_equal(add(b, 32, 2), -ENOSPC);
	assert_int_equal(add(c, 32, 3), -ENOSPC);
	assert_int_equal(add(c, 32, 3), -ENOSPC); /* still */
	assert_int_equal(state_of(a, 32), RIB4_INSTALLED);
	assert_int_equal(state_of(b, 32), RIB4_NO_ROOM);
	assert_int_equal(rib4_count(rib).no_room, 2);
	assert_int_equal(lookup(a), HOP(1));
	assert_int_equal(lookup(b), HOP(16)); /* the next shorter one */
	poll_all();
	assert_int_equal(state_of(b, 32), RIB4_NO_ROOM);

	/* Room is made, and found by itself, for as many as there is. */
	assert_int_equal(del(a, 32), 0);
	epoch_poll(epoch);
	poll_all();
	assert_int_equal(lookup(a), HOP(16));
	assert_int_equal(rib4_count(rib).no_room, 1);
	assert_true((lookup(b) == HOP(2)) != (lookup(c) == HOP(3)));

	/* What waits in vain can be withdrawn. */
	assert_int_equal(del(b, 32), 0);
	assert_int_equal(del(c, 32), 0);
	assert_int_equal(rib4_count(rib).no_room, 0);
	assert_int_equal(rib4_count(rib).prefixes, 1);
	assert_int_equal(lookup(b), HOP(16));
	assert_int_equal(lookup(c), HOP(16));
}

static void rib_runs_out(void **state)
{
	unmake(state);
	make_rib(3, 1);
	for (uint32_t i = 1; i <= 3; i++)
		assert_int_equal(add(i << 24, 12, i), 0);
	assert_int_equal(add(4u << 24, 12, 4), -ENOMEM);
	assert_int_equal(add(3u << 24, 12, 5), 0); /* in place of the old one */
	assert_int_equal(rib4_add(rib, 3u << 24, 12, RIB4_KERNEL, 1, 0, HOP(6)), 0);
	assert_int_equal(del(1u << 24, 12), 0);
	assert_int_equal(add(4u << 24, 12, 4), 0);

	/* A short prefix that is withdrawn takes its place until that is in the FIB. */
	assert_int_equal(del(4u << 24, 12), 0);
	assert_int_equal(add(8u << 24, 11, 8), 0);
	assert_int_equal(del(8u << 24, 11), 0);
	assert_int_equal(add(4u << 24, 12, 4), -ENOMEM);
	poll_all();
	assert_int_equal(add(4u << 24, 12, 4), 0);
}

/* The default route moves in chunk by chunk; what changes meanwhile comes out right. */
static void changes_during_a_long_one(void **state)
{
	const uint32_t low = IP(1, 0, 0, 0), high = IP(223, 0, 0, 0);
	uint64_t mark;

	(void)state;
	assert_int_equal(add(0, 0, 1), 0);
	mark = rib4_mark(rib);
	assert_int_equal(rib4_pending(rib), 1);
	assert_int_equal(state_of(0, 0), RIB4_PENDING);
	assert_int_equal(lookup(0), 0);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(poll_little(), 1);
	assert_int_equal(lookup(low), HOP(1));
	assert_int_equal(lookup(high), 0);
	assert_false(rib4_reached(rib, mark));

	/* Longer prefixes do not wait, on either side of the cursor. */
	assert_int_equal(add(low, 24, 2), 0);
	assert_int_equal(add(high, 24, 3), 0);
	assert_int_equal(add(high | 1, 32, 4), 0);
	assert_int_equal(lookup(low), HOP(2));
	assert_int_equal(lookup(high), HOP(3));
	assert_int_equal(del(low, 24), 0);
	assert_int_equal(lookup(low), HOP(1));

	/* Another hop: the job goes on with the new one and comes round for the old one. */
	assert_int_equal(add(0, 0, 5), 0);
	assert_int_equal(rib4_pending(rib), 2);
	assert_int_equal(add(0, 0, 6), 0);
	assert_int_equal(rib4_pending(rib), 2);
	poll_little();
	assert_int_equal(lookup(low), HOP(1));
	while (!rib4_reached(rib, mark))
		poll_little();
	assert_int_equal(rib4_pending(rib), 1);
	assert_int_equal(lookup(IP(223, 1, 0, 0)), HOP(6));
	assert_int_equal(lookup(low), HOP(1));

	/* Withdrawn half way, with a shorter one to fall back on, and none. */
	assert_int_equal(add(0, 1, 7), 0);
	poll_little();
	assert_int_equal(del(0, 0), 0);
	poll_all();
	assert_int_equal(lookup(low), HOP(7));
	assert_int_equal(lookup(high), HOP(3));
	assert_int_equal(lookup(high | 1), HOP(4));
	assert_int_equal(lookup(IP(223, 1, 0, 0)), 0);
	assert_int_equal(add(0, 0, 8), 0);
	poll_all();
	assert_int_equal(del(0, 1), 0);
	poll_all();
	assert_int_equal(lookup(low), HOP(8));
	assert_int_equal(state_of(0, 0), RIB4_INSTALLED);
	assert_true(rib4_reached(rib, rib4_mark(rib)));
}

static void lookup_in_the_rib(void **state)
{
	struct rib4_route route;

	(void)state;
	assert_false(rib4_lookup(rib, 0, 32, &route));
	assert_int_equal(add(0, 0, 1), 0);
	assert_int_equal(add(IP(10, 0, 0, 0), 8, 8), 0);
	assert_int_equal(add(IP(10, 9, 8, 7), 32, 32), 0);
	assert_true(rib4_lookup(rib, IP(10, 9, 8, 7), 32, &route));
	assert_int_equal(route.depth, 32);
	assert_true(rib4_lookup(rib, IP(10, 9, 8, 7), 31, &route));
	assert_int_equal(route.depth, 8);
	assert_true(rib4_lookup(rib, IP(10, 9, 8, 7), 7, &route));
	assert_int_equal(route.depth, 0);
	assert_true(rib4_lookup(rib, IP(11, 9, 8, 7), 32, &route));
	assert_int_equal(route.entry, HOP(1));
	assert_int_equal(del(0, 0), 0); /* not out of the FIB yet, but out of the RIB */
	assert_false(rib4_lookup(rib, IP(11, 9, 8, 7), 32, &route));
}

struct seen {
	uint32_t hops; /* sum */
	uint32_t n;
	uint32_t stop_at;
	bool withdraw;
};

static bool see(const struct rib4_route *route, void *arg)
{
	struct seen *seen = arg;

	seen->hops += fib_entry_index(route->entry);
	seen->n++;
	if (seen->withdraw)
		assert_int_equal(rib4_del(rib, route->prefix, route->depth, route->origin), 0);
	return seen->n != seen->stop_at;
}

static void walk(void **state)
{
	struct seen all = {0}, paged = {0}, some = {.stop_at = 4}, gone = {.withdraw = true};
	uint32_t cursor = 0, pages = 0;

	(void)state;
	assert_int_equal(rib4_walk(rib, 0, UINT32_MAX, see, &all), 0);
	assert_int_equal(all.n, 0);
	for (uint32_t i = 1; i <= 100; i++) {
		assert_int_equal(add(i << 12, 20, i), 0);
		if (i <= 10)
			assert_int_equal(
				rib4_add(rib, i << 12, 20, RIB4_KERNEL, 9, 0, HOP(1000)), 0);
	}
	assert_int_equal(rib4_walk(rib, 0, UINT32_MAX, see, &all), 0);
	assert_int_equal(all.n, 110);
	assert_int_equal(all.hops, 5050 + 10 * 1000);
	do {
		cursor = rib4_walk(rib, cursor, 7, see, &paged);
		pages++;
	} while (cursor != 0);
	assert_int_equal(pages, 15);
	assert_int_equal(paged.n, 110);
	assert_int_not_equal(rib4_walk(rib, 0, UINT32_MAX, see, &some), 0);
	assert_int_equal(some.n, 4);
	assert_int_equal(rib4_count(rib).routes[RIB4_KERNEL], 10);
	assert_int_equal(rib4_walk(rib, 0, UINT32_MAX, see, &gone), 0);
	assert_int_equal(gone.n, 110);
	assert_int_equal(rib4_count(rib).prefixes, 0);
	assert_int_equal(rib4_count(rib).routes[RIB4_KERNEL], 0);
	assert_string_equal(rib4_origin_name(RIB4_OPERATOR), "operator");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(wrong_arguments, make, unmake),
		cmocka_unit_test_setup_teardown(wrong_sizes, make, unmake),
		cmocka_unit_test_setup_teardown(best_of_a_prefix, make, unmake),
		cmocka_unit_test_setup_teardown(longest_match, make, unmake),
		cmocka_unit_test_setup_teardown(groups_wait_for_readers, make, unmake),
		cmocka_unit_test_setup_teardown(tbl8_runs_out, make, unmake),
		cmocka_unit_test_setup_teardown(rib_runs_out, make, unmake),
		cmocka_unit_test_setup_teardown(changes_during_a_long_one, make, unmake),
		cmocka_unit_test_setup_teardown(lookup_in_the_rib, make, unmake),
		cmocka_unit_test_setup_teardown(walk, make, unmake),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
