/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Routes come and go at random, in nested prefixes of every depth, between single steps of long
 * jobs; after each change readers must see what a plain list of routes says, or what it allows.
 */
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

#define PREFIXES 200
#define CHANGES	 8000
#define CHECKS	 24 /* addresses, after each change */
#define FORMER	 4096

struct route {
	fib_entry entry; /* 0: none */
	uint8_t preference;
	uint32_t metric;
};

struct model {
	struct route_prefix p;
	struct route routes[RIB4_ORIGINS];
};

static struct model models[PREFIXES];

/* Best entries that were replaced or withdrawn since nothing was pending. */
static struct {
	const struct model *m;
	fib_entry entry;
} former[FORMER];
static uint32_t n_former;

static struct epoch *epoch;
static struct rib4 *rib;
static uint64_t seed;

static bool covers(const struct model *m, uint32_t addr)
{
	return (addr & depth_mask(m->p.depth)) == m->p.prefix;
}

static fib_entry best(const struct model *m)
{
	const struct route *b = NULL;

	for (int o = 0; o < RIB4_ORIGINS; o++) {
		const struct route *c = &m->routes[o];

		if (c->entry != 0 &&
			(b == NULL || c->preference < b->preference ||
				(c->preference == b->preference && c->metric < b->metric)))
			b = c;
	}
	return b == NULL ? 0 : b->entry;
}

static bool has_no_room(const struct model *m)
{
	struct rib4_route route;

	return m->p.depth > 24 && rib4_best(rib, m->p.prefix, m->p.depth, &route) &&
	       route.state == RIB4_NO_ROOM;
}

/* The longest match, of those that have room. */
static const struct model *match(uint32_t addr)
{
	const struct model *longest = NULL;

	for (const struct model *m = models; m < models + PREFIXES; m++)
		if (covers(m, addr) && best(m) != 0 && !has_no_room(m) &&
			(longest == NULL || m->p.depth > longest->p.depth))
			longest = m;
	return longest;
}

/*
 * Whether a reader may get this answer. It is the longest match, with two exceptions: while
 * something is pending and the match is a short prefix (or none), another short one that covers the
 * address now or did so before; and the entry of a prefix that has no room, since another may have
 * made room for it.
 */
static bool allowed(uint32_t addr, fib_entry answer)
{
	const struct model *longest = match(addr);
	unsigned int depth = longest == NULL ? 0 : longest->p.depth;
	bool waiting = rib4_pending(rib) > 0 && depth < RIB4_AT_ONCE;

	if (answer == (longest == NULL ? 0 : best(longest)) || (waiting && answer == 0))
		return true;
	for (const struct model *m = models; m < models + PREFIXES; m++)
		if (covers(m, addr) && best(m) == answer &&
			((waiting && m->p.depth < RIB4_AT_ONCE) ||
				(m->p.depth > depth && has_no_room(m))))
			return true;
	for (uint32_t i = 0; waiting && i < n_former; i++)
		if (former[i].entry == answer && covers(former[i].m, addr))
			return true;
	return false;
}

static void check(uint32_t addr)
{
	fib_entry answer = fib4_lookup(rib4_fib(rib), addr);

	if (!allowed(addr, answer))
		fail_msg("%08x: got %08x", addr, answer);
}

/* Just inside and just outside of a prefix. */
static void check_edges(const struct model *m)
{
	uint32_t last = m->p.prefix | ~depth_mask(m->p.depth);

	check(m->p.prefix);
	check(m->p.prefix - 1);
	check(last);
	check(last + 1);
}

/* Nested: all depths of a few addresses, and neighbours that differ in a low bit or two. */
static void choose_prefixes(void)
{
	uint32_t bases[6];
	uint32_t n = 0;

	memset(models, 0, sizeof(models));
	for (int i = 0; i < 6; i++)
		bases[i] = (uint32_t)random64(&seed);
	while (n < PREFIXES) {
		struct model *m = &models[n];
		unsigned int depth = n <= 32 ? n : 12 + random_below(&seed, 21);
		uint32_t addr = n <= 32 ? bases[0] : bases[random_below(&seed, 6)];
		bool known = false;

		if (n > 32 && depth > 0)
			addr ^= random_below(&seed, 4) << (32 - depth);
		m->p.prefix = addr & depth_mask(depth);
		m->p.depth = (uint8_t)depth;
		for (uint32_t i = 0; i < n; i++)
			known |= models[i].p.prefix == m->p.prefix && models[i].p.depth == depth;
		n += !known;
	}
}

static void change(struct model *m, uint32_t hop)
{
	enum rib4_origin origin = random_below(&seed, RIB4_ORIGINS);
	struct route *route = &m->routes[origin];
	fib_entry was = best(m);
	int error;

	if (hop != 0) {
		*route = (struct route){
			.entry = fib_entry_make(FIB_FORWARD, hop),
			.preference = (uint8_t)random_below(&seed, 2),
			.metric = random_below(&seed, 2),
		};
		error = rib4_add(rib, m->p.prefix, m->p.depth, origin, route->preference,
			route->metric, route->entry);
		assert_true(error == 0 || (error == -ENOSPC && has_no_room(m)));
	} else {
		error = rib4_del(rib, m->p.prefix, m->p.depth, origin);
		assert_int_equal(error, route->entry != 0 ? 0 : -ENOENT);
		route->entry = 0;
	}
	if (was != best(m) && m->p.depth < RIB4_AT_ONCE) {
		assert_true(n_former < FORMER);
		former[n_former].m = m;
		former[n_former++].entry = was;
	}
}

/* Mostly a step or a few; now and then all there is to do. */
static void poll_some(void)
{
	uint32_t steps = 1u << random_below(&seed, 12);

	if (random_below(&seed, 50) == 0)
		rib4_poll(rib, UINT64_MAX);
	while (rib4_pending(rib) > 0 && steps-- > 0)
		rib4_poll(rib, 0);
	if (random_below(&seed, 4) == 0) {
		epoch_poll(epoch);
		rib4_poll(rib, 0);
	}
	if (rib4_pending(rib) == 0)
		n_former = 0;
}

static void withdraw_all(void)
{
	for (struct model *m = models; m < models + PREFIXES; m++)
		for (int o = 0; o < RIB4_ORIGINS; o++)
			rib4_del(rib, m->p.prefix, m->p.depth, o);
	memset(models, 0, sizeof(models));
	rib4_poll(rib, UINT64_MAX);
	epoch_poll(epoch);
}

static void play(uint64_t first_seed, uint32_t max_tbl8)
{
	struct rib4_conf conf = {.max_routes = PREFIXES, .max_tbl8 = max_tbl8, .node = -1};

	seed = first_seed;
	n_former = 0;
	epoch = epoch_new(1);
	rib = rib4_new(&conf, epoch);
	assert_non_null(rib);
	choose_prefixes();
	for (uint32_t i = 1; i <= CHANGES; i++) {
		struct model *m = &models[random_below(&seed, PREFIXES)];
		bool rare = m->p.depth < RIB4_AT_ONCE && random_below(&seed, 4) != 0;

		if (!rare)
			change(m, random_below(&seed, 2) == 0 ? 0 : i);
		check_edges(m);
		for (int c = 0; c < CHECKS; c += 4)
			check_edges(&models[random_below(&seed, PREFIXES)]);
		poll_some();
	}
	rib4_poll(rib, UINT64_MAX);
	n_former = 0;
	for (const struct model *m = models; m < models + PREFIXES; m++)
		check_edges(m);

	withdraw_all();
	for (uint32_t slot = 0; slot < 1u << 24; slot++)
		assert_true(rib4_fib(rib)->tbl24[slot] == 0);
	assert_int_equal(fib4_tbl8_free(rib4_fib(rib)), max_tbl8);
	assert_int_equal(rib4_count(rib).prefixes, 0);
	assert_int_equal(rib4_count(rib).no_room, 0);
	rib4_free(rib);
	epoch_free(epoch);
}

static void with_room(void **state)
{
	(void)state;
	for (uint64_t s = 1; s <= 2; s++)
		play(s, 1000);
}

static void without_room(void **state)
{
	(void)state;
	for (uint64_t s = 3; s <= 4; s++)
		play(s, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(with_room),
		cmocka_unit_test(without_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
