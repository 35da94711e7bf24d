/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Flows that share one bottleneck: Jain's index of what each received, (sum x)^2 / (n * sum x^2),
 * which is 1 when all got the same and 1/n when one got everything.
 */
#include "sim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#define RATE	10000000
#define SECONDS 60

static double jain(const uint64_t (*received)[2], uint32_t flows)
{
	double sum = 0, squares = 0;

	for (uint32_t i = 0; i < flows; i++) {
		double x = (double)received[i][SERVER];

		sum += x;
		squares += x * x;
	}
	return sum * sum / (flows * squares);
}

/* The flows begin half a second apart and share the link for a minute. */
static void share(uint32_t flows, const struct tcp_cc *const *cc, uint32_t mark_bytes, double least)
{
	struct sim_conf c = sim_default("fairness", 5);
	uint64_t sum = 0;
	struct sim_result r;
	double index;

	c.flows = flows;
	c.measures = true;
	c.limit_us = UINT64_C(1000000) * SECONDS;
	c.set[CLIENT].ecn = mark_bytes != 0;
	for (int end = CLIENT; end <= SERVER; end++) {
		c.link[end].delay_us = 20000;
		c.link[end].jitter_us = 500;
		c.link[end].rate = RATE;
		c.link[end].queue_bytes = RATE / 8000 * 40;
		c.link[end].mark_bytes = mark_bytes;
	}
	for (uint32_t i = 0; i < flows; i++) {
		c.start_us[i] = i * 500000;
		c.app[i][CLIENT].bytes = UINT64_MAX / 2;
		c.options[i][CLIENT].cc = cc[i];
	}
	sim_run(&c, &r);
	for (uint32_t i = 0; i < flows; i++)
		sum += r.received[i][SERVER];
	index = jain(r.received, flows);
	if (index < least)
		fail_msg("%u flows, first %s: Jain's index is %.3f", flows, cc[0]->name, index);
	/* and together they use the link */
	assert_true(sum * 8 / SECONDS > RATE * 85ull / 100);
}

static void newreno_with_itself(void **state)
{
	(void)state;
	share(2, (const struct tcp_cc *[]){&tcp_newreno, &tcp_newreno}, 0, 0.95);
}

static void cubic_with_itself(void **state)
{
	(void)state;
	share(2, (const struct tcp_cc *[]){&tcp_cubic, &tcp_cubic}, 0, 0.95);
}

static void cubic_with_newreno(void **state)
{
	(void)state;
	share(2, (const struct tcp_cc *[]){&tcp_cubic, &tcp_newreno}, 0, 0.8);
}

static void four(void **state)
{
	(void)state;
	share(4, (const struct tcp_cc *[]){&tcp_cubic, &tcp_cubic, &tcp_cubic, &tcp_cubic}, 0, 0.9);
}

static void two_that_are_marked(void **state)
{
	(void)state;
	share(2, (const struct tcp_cc *[]){&tcp_cubic, &tcp_cubic}, 20000, 0.95);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(newreno_with_itself),
		cmocka_unit_test(cubic_with_itself),
		cmocka_unit_test(cubic_with_newreno),
		cmocka_unit_test(four),
		cmocka_unit_test(two_that_are_marked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
