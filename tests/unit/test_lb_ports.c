/* SPDX-License-Identifier: BSD-3-Clause */
/* Ports of an address: each one's at a time, home to their worker, and none lost. */
#include "ports.h"

#include "eal.h"
#include "lb/conf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct net net;
static struct worker worker[4];

static void workers(uint16_t n)
{
	net.n_workers = n;
	for (uint32_t i = 0; i < OWNER_MAP; i++)
		net.owner[i] = (uint8_t)(i % n);
	for (uint16_t i = 0; i < n; i++) {
		worker[i].net = &net;
		worker[i].id = i;
	}
}

/* Who watches one flow's port does not know the next one's (RFC 6056 3.1). */
static void test_no_order(void **state)
{
	struct lb_ports *p = lb_ports_new(10000, 19999, -1);
	uint32_t rising = 0;
	uint16_t port, before[OWNER_MAP] = {0}; /* of the same class */

	(void)state;
	workers(1);
	for (uint32_t i = 0; (port = lb_ports_take(p, &worker[0], 0, i)) != 0; i++) {
		rising += port > before[lb_port_class(port)];
		before[lb_port_class(port)] = port;
	}
	assert_in_range(rising, 4000, 6000); /* by chance 5,000, by 30 */
	lb_ports_free(p);
}

/* Every worker gets its share and no more, whatever the rest of the hash is; together, all. */
static void test_each_port_comes_home_once(void **state)
{
	static const struct {
		uint16_t first, last, workers;
	} cases[] = {{1024, 65535, 1}, {1024, 65535, 3}, {10000, 10063, 4}, {5000, 5000, 2},
		{65535, 65535, 1}, {20000, 20099, 4}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		uint32_t with = hash_flow(0xc6120001u * (uint32_t)(i + 1), 0xc6120102, 80, 0),
			 n = 0;
		static uint8_t seen[65536];

		memset(seen, 0, sizeof(seen));
		workers(cases[i].workers);
		for (uint16_t k = 0; k < cases[i].workers; k++) {
			struct lb_ports *p = lb_ports_new(cases[i].first, cases[i].last, -1);
			uint32_t mine = 0;
			uint16_t port;

			while ((port = lb_ports_take(p, &worker[k], with, 7 + mine)) != 0) {
				assert_in_range(port, cases[i].first, cases[i].last);
				assert_int_equal(seen[port]++, 0);
				assert_int_equal(
					net.owner[(with ^ hash_word(port)) & (OWNER_MAP - 1)], k);
				assert_int_equal(lb_ports_flow(p, port), 7 + mine);
				mine++;
			}
			assert_int_equal(lb_ports_used(p), mine);
			n += mine;
			lb_ports_free(p);
		}
		assert_int_equal(n, (uint32_t)cases[i].last - cases[i].first + 1);
	}
}

/* What was freed longest ago comes first: a backend may still remember the last one (TIME_WAIT). */
static void test_the_oldest_is_used_again(void **state)
{
	struct lb_ports *p = lb_ports_new(2000, 2009, -1);
	uint16_t first[10];

	(void)state;
	workers(1);
	for (int i = 0; i < 10; i++)
		first[i] = lb_ports_take(p, &worker[0], 0, 1);
	assert_int_equal(lb_ports_take(p, &worker[0], 0, 1), 0);
	lb_ports_give(p, first[3]);
	assert_int_equal(lb_ports_flow(p, first[3]), FLOW_NONE);
	assert_int_equal(lb_ports_take(p, &worker[0], 0, 2), first[3]);
	assert_int_equal(lb_ports_flow(p, first[3]), 2);
	for (int i = 0; i < 10; i++)
		lb_ports_give(p, first[i]);
	assert_int_equal(lb_ports_used(p), 0);
	lb_ports_free(p);

	p = lb_ports_new(1024, 65535, -1);
	for (uint32_t class = 0; class < OWNER_MAP; class ++)
		net.owner[class] = class == 5 ? 0 : 1;
	for (int i = 0; i < 3; i++) {
		first[i] = lb_ports_take(p, &worker[0], 0, 1);
		lb_ports_give(p, first[i]);
	}
	for (uint32_t left = 65536 - 1024; left > 0; left--) { /* only one class: a round of it */
		uint16_t port = lb_ports_take(p, &worker[0], 0, 1);

		if (port == first[0])
			break;
		assert_int_not_equal(port, 0);
		assert_int_not_equal(port, first[1]);
		assert_int_not_equal(port, first[2]);
	}
	assert_int_equal(lb_ports_take(p, &worker[0], 0, 1), first[1]);
	assert_int_equal(lb_ports_take(p, &worker[0], 0, 1), first[2]);
	assert_int_equal(lb_ports_take(p, &worker[0], 0, 1), 0);
	lb_ports_free(p);
}

static void test_one_by_name(void **state)
{
	static const struct {
		uint16_t port;
		bool there;
	} cases[] = {{1999, false}, {2000, true}, {2005, true}, {2005, false}, {2009, true},
		{2010, false}, {0, false}, {65535, false}};
	struct lb_ports *p = lb_ports_new(2000, 2009, -1);

	(void)state;
	workers(1);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_int_equal(lb_ports_take_this(p, cases[i].port, 9), cases[i].there);
	assert_int_equal(lb_ports_used(p), 3);
	for (int i = 0; i < 7; i++) {
		uint16_t port = lb_ports_take(p, &worker[0], 0, 1);

		assert_true(port != 0 && port != 2000 && port != 2005 && port != 2009);
	}
	assert_int_equal(lb_ports_take(p, &worker[0], 0, 1), 0);
	for (uint32_t port = 0; port < 65536; port++)
		assert_int_equal(lb_ports_flow(p, (uint16_t)port) != FLOW_NONE, port / 10 == 200);
	lb_ports_free(p);
	lb_ports_free(NULL);
}

/* At random, against a list of who has what. */
static void test_against_a_list(void **state)
{
	enum { N = 300 };
	struct lb_ports *p = lb_ports_new(3000, 3000 + N - 1, -1);
	uint32_t has[N], n = 0, chance = 12345;

	(void)state;
	workers(4);
	memset(has, 0xff, sizeof(has));
	for (int i = 0; i < 100000; i++) {
		uint32_t at, flow = (uint32_t)i;
		uint16_t port = 0;

		chance = chance * 1664525 + 1013904223;
		at = chance >> 8 & 511;
		if (chance >> 30 == 0 && at < N && has[at] != FLOW_NONE) {
			lb_ports_give(p, (uint16_t)(3000 + at));
			has[at] = FLOW_NONE;
			n--;
		} else if (chance >> 30 == 1) {
			bool free = at < N && has[at] == FLOW_NONE;

			assert_int_equal(lb_ports_take_this(p, (uint16_t)(3000 + at), flow), free);
			port = free ? (uint16_t)(3000 + at) : 0;
		} else {
			port = lb_ports_take(p, &worker[chance >> 28 & 3], at, flow);
		}
		if (port != 0) {
			assert_true(has[port - 3000] == FLOW_NONE || has[port - 3000] == flow);
			has[port - 3000] = flow;
			n++;
		}
		assert_int_equal(lb_ports_used(p), n);
	}
	for (uint32_t i = 0; i < N; i++)
		assert_int_equal(lb_ports_flow(p, (uint16_t)(3000 + i)), has[i]);
	lb_ports_free(p);
}

static int set_up(void **state)
{
	(void)state;
	return eal_for_tests(64) < 0 ? -1 : 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_order),
		cmocka_unit_test(test_each_port_comes_home_once),
		cmocka_unit_test(test_the_oldest_is_used_again),
		cmocka_unit_test(test_one_by_name),
		cmocka_unit_test(test_against_a_list),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
