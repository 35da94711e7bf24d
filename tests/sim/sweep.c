/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Many seeds of each kind of trouble, both ways at once: every byte arrives once, in order, or both
 * sides see an error. The checks are sim_run()'s. SIM_SEEDS=n runs n seeds of each kind.
 */
#include "sim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define SEEDS 24

static uint64_t random_state;

static uint32_t below(uint32_t n)
{
	return (uint32_t)(link_random(&random_state) % n);
}

static double upto(double most)
{
	return (double)below(1000001) * most / 1e6;
}

/* What every run varies: sizes, delays, rates, options, how the two end. */
static struct sim_conf any(const char *name, uint64_t seed)
{
	struct sim_conf c = sim_default(name, seed);

	random_state = seed;
	c.wraps = below(2);
	c.batch_us = below(3) == 0 ? below(1000) + 1 : 0;
	for (uint32_t end = CLIENT; end <= SERVER; end++) {
		c.link[end].delay_us = 50 + below(below(2) ? 2000 : 150000);
		c.link[end].rate = below(2) ? 1000000u + below(100000000) : 0;
		c.link[end].queue_bytes = 20000 + below(200000);
		c.set[end].cc = below(2) ? &tcp_cubic : &tcp_newreno;
		c.set[end].timestamps = below(4) != 0;
		c.set[end].sack = below(4) != 0;
		c.set[end].window_scaling = below(4) != 0;
		c.options[0][end].nodelay = below(2);
		c.options[0][end].keepalive_idle_s = 60;
		c.options[0][end].keepalive_interval_s = 10;
		c.app[0][end].bytes = below(below(3) ? 300000 : 3000);
		c.app[0][end].write_bytes = 1 + below(2000);
		c.app[0][end].end = (enum sim_end)(end == CLIENT ? 0 : below(3));
	}
	return c;
}

/* Seconds that reading, the link and the window's round trips take of what `end` reads. */
static double seconds(const struct sim_conf *c, int end)
{
	const struct sim_app *a = &c->app[0][end];
	double bytes = (double)c->app[0][!end].bytes;
	double rtt = (double)(c->link[0].delay_us + c->link[1].delay_us + c->batch_us) / 1e6;
	double rate = (double)c->link[!end].rate;

	return bytes / a->read_bytes * a->read_every / 1e6 + (rate > 0 ? bytes * 8 / rate : 0) +
	       2 * rtt * bytes / c->options[0][end].receive_buffer;
}

/* Where nothing is lost, a reader is waited for, but no timer: nobody overlooks an open window. */
static void check_time(const struct sim_conf *c, const struct sim_result *r)
{
	double least;

	if (c->link[0].loss > 0 || c->link[1].loss > 0 || r->retransmits != 0)
		return;
	least = seconds(c, 0) > seconds(c, 1) ? seconds(c, 0) : seconds(c, 1);
	if ((double)r->took_us[0] / 1e6 > 1 + 1.5 * least)
		fail_msg("%s, seed %llu: %.2f s, in which %.2f s would do", c->name,
			(unsigned long long)c->seed, (double)r->took_us[0] / 1e6, least);
}

static void sweep(struct sim_conf (*make)(uint64_t seed), struct sim_result *sum)
{
	const char *text = getenv("SIM_SEEDS"), *from = getenv("SIM_FROM");
	uint64_t seeds = text != NULL ? strtoull(text, NULL, 0) : SEEDS;
	uint64_t first = from != NULL ? strtoull(from, NULL, 0) : 1;

	*sum = (struct sim_result){0};
	for (uint64_t seed = first; seed < first + seeds; seed++) {
		struct sim_conf c = make(seed);
		struct sim_result r;

		if (text != NULL)
			fprintf(stderr, "%s %llu\n", c.name, (unsigned long long)seed);
		sim_run(&c, &r);
		if (c.app[0][0].read_every != 0)
			check_time(&c, &r);
		sum->retransmits += r.retransmits;
		sum->timeouts += r.timeouts;
		sum->spurious += r.spurious;
		sum->bad += r.bad;
		sum->ecn_reductions += r.ecn_reductions;
		sum->black_holes += r.black_holes;
		sum->path_mtus += r.path_mtus;
		sum->error[0][0] += r.error[0][0] == 0;
	}
}

/* --- the kinds --- */

static struct sim_conf clean(uint64_t seed)
{
	return any("clean", seed);
}

static struct sim_conf lossy(uint64_t seed)
{
	struct sim_conf c = any("loss", seed);

	c.link[0].loss = upto(0.1);
	c.link[1].loss = upto(0.1);
	return c;
}

static struct sim_conf very_lossy(uint64_t seed)
{
	struct sim_conf c = any("loss to 30 %", seed);

	c.link[0].loss = upto(0.3);
	c.link[1].loss = upto(0.3);
	c.app[0][0].bytes /= 4;
	c.app[0][1].bytes /= 4;
	return c;
}

static struct sim_conf reordered(uint64_t seed)
{
	struct sim_conf c = any("reordering", seed);

	for (int end = CLIENT; end <= SERVER; end++) {
		c.link[end].reorder = upto(0.3);
		c.link[end].reorder_us = below(2 * c.link[end].delay_us) + 1;
	}
	return c;
}

static struct sim_conf repeated(uint64_t seed)
{
	struct sim_conf c = any("duplication", seed);

	c.link[0].repeat = upto(0.3);
	c.link[1].repeat = upto(0.3);
	c.link[0].loss = upto(0.02);
	return c;
}

static struct sim_conf corrupted(uint64_t seed)
{
	struct sim_conf c = any("corruption", seed);

	c.link[0].corrupt = upto(0.15);
	c.link[1].corrupt = upto(0.15);
	return c;
}

static struct sim_conf everything(uint64_t seed)
{
	struct sim_conf c = any("everything", seed);

	for (int end = CLIENT; end <= SERVER; end++) {
		c.link[end].loss = upto(0.1);
		c.link[end].repeat = upto(0.1);
		c.link[end].corrupt = upto(0.05);
		c.link[end].reorder = upto(0.2);
		c.link[end].reorder_us = below(50000);
		c.link[end].jitter_us = below(20000);
	}
	return c;
}

static struct sim_conf outages(uint64_t seed)
{
	struct sim_conf c = any("outages", seed);

	for (int end = CLIENT; end <= SERVER; end++) {
		c.link[end].down_every = 100 + below(400);
		c.link[end].down_us = below(below(2) ? 500000 : 20000000);
	}
	return c;
}

static struct sim_conf slow_readers(uint64_t seed)
{
	struct sim_conf c = any("slow readers", seed);

	for (int end = CLIENT; end <= SERVER; end++) {
		c.options[0][end].receive_buffer = 2000 + below(60000);
		c.app[0][end].read_every = 100 + below(50000);
		c.app[0][end].read_bytes = 1 + below(20000);
		c.app[0][end].bytes /= 4;
		c.link[end].loss = below(2) ? upto(0.1) : 0;
	}
	return c;
}

static struct sim_conf sleepers(uint64_t seed)
{
	struct sim_conf c = any("sleeping readers", seed);

	for (int end = CLIENT; end <= SERVER; end++) {
		c.options[0][end].receive_buffer = 4000 + below(60000);
		c.app[0][end].sleep_after = below(20000);
		c.app[0][end].sleep_us = (uint64_t)below(3600) * 1000000;
		c.link[end].loss = below(2) ? upto(0.2) : 0;
	}
	return c;
}

static struct sim_conf tiny_buffers(uint64_t seed)
{
	struct sim_conf c = any("tiny buffers", seed);

	for (int end = CLIENT; end <= SERVER; end++) {
		c.options[0][end].receive_buffer = 1 + below(3000);
		c.options[0][end].send_buffer = 1 + below(3000);
		c.app[0][end].bytes /= 20;
		c.link[end].loss = below(2) ? upto(0.1) : 0;
	}
	return c;
}

static struct sim_conf small_writes(uint64_t seed)
{
	struct sim_conf c = any("small writes", seed);

	for (int end = CLIENT; end <= SERVER; end++) {
		c.app[0][end].write_bytes = 1 + below(300);
		c.app[0][end].write_every = below(100000);
		c.app[0][end].bytes /= 10;
		c.link[end].loss = upto(0.2);
	}
	return c;
}

static struct sim_conf aborts(uint64_t seed)
{
	struct sim_conf c = any("abort", seed);

	c.app[0][CLIENT].bytes = c.app[0][SERVER].bytes = 100000;
	c.app[0][below(2)].abort_after = 1 + below(150000);
	c.link[0].loss = upto(0.3);
	c.link[1].loss = upto(0.3);
	return c;
}

static struct sim_conf mtu_shrinks(uint64_t seed)
{
	struct sim_conf c = any("MTU shrinks", seed);

	for (int end = CLIENT; end <= SERVER; end++) {
		c.link[end].mtu_at = 1 + below(300000);
		c.link[end].mtu = (uint16_t)(576 + below(900));
		c.link[end].loss = below(2) ? upto(0.05) : 0;
	}
	return c;
}

static struct sim_conf black_hole(uint64_t seed)
{
	struct sim_conf c = mtu_shrinks(seed);

	c.name = "black hole";
	c.link[0].black_hole = c.link[1].black_hole = true;
	return c;
}

static struct sim_conf marking(uint64_t seed)
{
	struct sim_conf c = any("ECN", seed);

	for (int end = CLIENT; end <= SERVER; end++) {
		c.set[end].ecn = true;
		c.link[end].rate = 2000000u + below(20000000);
		c.link[end].queue_bytes = 100000;
		c.link[end].mark_bytes = 5000 + below(20000);
		c.link[end].loss = below(2) ? upto(0.02) : 0;
		c.app[0][end].bytes = 500000;
		c.app[0][end].write_bytes = 1448;
	}
	return c;
}

static struct sim_conf held_up(uint64_t seed)
{
	struct sim_conf c = any("delay spikes", seed);

	for (int end = CLIENT; end <= SERVER; end++) {
		c.link[end].hold_at = 1 + below(600000);
		c.link[end].hold_us = below(5000000);
	}
	return c;
}

/* --- what each must have shown --- */

static void sweep_all(struct sim_conf (*make)(uint64_t seed), bool trouble)
{
	struct sim_result sum;

	sweep(make, &sum);
	if (trouble)
		assert_true(sum.retransmits > 0);
}

#define SWEEP(kind, trouble)                                                                       \
	static void test_##kind(void **state)                                                      \
	{                                                                                          \
		(void)state;                                                                       \
		sweep_all(kind, trouble);                                                          \
	}

SWEEP(clean, false)
SWEEP(lossy, true)
SWEEP(very_lossy, true)
SWEEP(reordered, false)
SWEEP(repeated, true)
SWEEP(everything, true)
SWEEP(outages, true)
SWEEP(slow_readers, true)
SWEEP(sleepers, true)
SWEEP(tiny_buffers, true)
SWEEP(small_writes, true)
SWEEP(aborts, true)

static void test_corrupted(void **state)
{
	struct sim_result sum;

	(void)state;
	sweep(corrupted, &sum);
	assert_true(sum.bad > 0);
}

/* Time-outs, but nothing was lost: what they did is taken back. */
static void test_held_up(void **state)
{
	struct sim_result sum;

	(void)state;
	sweep(held_up, &sum);
	assert_true(sum.timeouts > 0);
	assert_true(sum.spurious > 0);
}

static void test_mtu_shrinks(void **state)
{
	struct sim_result sum;

	(void)state;
	sweep(mtu_shrinks, &sum);
	assert_true(sum.path_mtus > 0);
}

static void test_black_hole(void **state)
{
	struct sim_result sum;

	(void)state;
	sweep(black_hole, &sum);
	assert_true(sum.black_holes > 0);
	assert_int_equal(sum.path_mtus, 0);
}

static void test_marking(void **state)
{
	struct sim_result sum;

	(void)state;
	sweep(marking, &sum);
	assert_true(sum.ecn_reductions > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clean),
		cmocka_unit_test(test_lossy),
		cmocka_unit_test(test_very_lossy),
		cmocka_unit_test(test_reordered),
		cmocka_unit_test(test_repeated),
		cmocka_unit_test(test_corrupted),
		cmocka_unit_test(test_everything),
		cmocka_unit_test(test_outages),
		cmocka_unit_test(test_slow_readers),
		cmocka_unit_test(test_sleepers),
		cmocka_unit_test(test_tiny_buffers),
		cmocka_unit_test(test_small_writes),
		cmocka_unit_test(test_aborts),
		cmocka_unit_test(test_held_up),
		cmocka_unit_test(test_mtu_shrinks),
		cmocka_unit_test(test_black_hole),
		cmocka_unit_test(test_marking),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
