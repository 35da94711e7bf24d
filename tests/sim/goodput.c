/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Loss x round trip -> goodput of one flow, for each congestion control, beside the formulas:
 * Mathis et al. (1997) for NewReno, RFC 9438 section 5.1 for CUBIC, neither above the link's rate.
 *
 * Takes the table's file as argument and fails when it would be another one; SIM_REWRITE=1 writes
 * it instead. A change of behaviour is thus a diff to look at.
 */
#include "sim.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define RATE	10000000
#define WIRE	1514.0 /* bytes of a full frame */
#define PAYLOAD 1448.0
#define SECONDS 30
#define MOST	(RATE / 1000 * PAYLOAD / WIRE) /* kbit/s of goodput */
#define SEEDS	2
#define TABLE	16384

static const double losses[] = {0, 0.0001, 0.001, 0.01, 0.03, 0.1, 0.2, 0.3};
static const uint32_t rtts_ms[] = {2, 20, 100, 300};
static const struct tcp_cc *const ccs[] = {&tcp_newreno, &tcp_cubic};

#define LOSSES (sizeof(losses) / sizeof(losses[0]))
#define RTTS   (sizeof(rtts_ms) / sizeof(rtts_ms[0]))

static const char *file_name;
static uint32_t measured[LOSSES][RTTS][2]; /* kbit/s */

/* Other troubles, at a round trip of 20 ms: what each costs. */
struct variant {
	const char *name;
	double loss;
	bool no_sack;
	bool no_timestamps;
	bool no_scaling;
	bool marks;
	bool back; /* acknowledgements are lost */
	uint32_t batch_us;
	double reorder;
	uint32_t reorder_us;
	double repeat;
	uint32_t jitter_us;
};

static const struct variant variants[] = {
	{.name = "nothing"},
	{.name = "1 % lost", .loss = 0.01},
	{.name = "1 %, no timestamps", .loss = 0.01, .no_timestamps = true},
	{.name = "1 %, no SACK", .loss = 0.01, .no_sack = true},
	{.name = "1 %, neither", .loss = 0.01, .no_sack = true, .no_timestamps = true},
	{.name = "1 %, seen every 2 ms", .loss = 0.01, .batch_us = 2000},
	{.name = "no window scaling", .no_scaling = true},
	{.name = "5 % 4 ms late", .reorder = 0.05, .reorder_us = 4000},
	{.name = "5 % 4 ms late, no TS",
		.reorder = 0.05,
		.reorder_us = 4000,
		.no_timestamps = true},
	{.name = "5 % 20 ms late", .reorder = 0.05, .reorder_us = 20000},
	{.name = "5 % late, no SACK", .reorder = 0.05, .reorder_us = 4000, .no_sack = true},
	{.name = "5 % twice", .repeat = 0.05},
	{.name = "10 ms of jitter", .jitter_us = 10000},
	{.name = "marked, not dropped", .marks = true},
	{.name = "30 % of ACKs lost", .loss = 0.3, .back = true},
};

#define VARIANTS (sizeof(variants) / sizeof(variants[0]))
static uint32_t varied[VARIANTS][2];

static void vary(struct sim_conf *c, const struct variant *v)
{
	for (int end = CLIENT; end <= SERVER; end++) {
		c->set[end].sack = !v->no_sack;
		c->set[end].timestamps = !v->no_timestamps;
		c->set[end].window_scaling = !v->no_scaling;
		c->set[end].ecn = v->marks;
	}
	c->batch_us = v->batch_us;
	c->link[CLIENT].loss = v->back ? 0 : v->loss;
	c->link[SERVER].loss = v->back ? v->loss : 0;
	c->link[CLIENT].mark_bytes = v->marks ? 20000 : 0;
	c->link[CLIENT].reorder = v->reorder;
	c->link[CLIENT].reorder_us = v->reorder_us;
	c->link[CLIENT].repeat = v->repeat;
	c->link[CLIENT].jitter_us = v->jitter_us;
}

static uint32_t goodput(const struct variant *v, uint32_t rtt_ms, const struct tcp_cc *cc)
{
	uint64_t bytes = 0;

	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct sim_conf c = sim_default("goodput", seed);
		struct sim_result r;

		c.limit_us = UINT64_C(1000000) * SECONDS;
		c.measures = true;
		c.set[CLIENT].cc = cc;
		c.app[0][CLIENT].bytes = UINT64_MAX / 2;
		c.options[0][CLIENT].send_buffer = 4 << 20;
		c.options[0][SERVER].receive_buffer = 4 << 20;
		for (int end = CLIENT; end <= SERVER; end++) {
			c.link[end].delay_us = rtt_ms * 500;
			c.link[end].rate = RATE;
			c.link[end].queue_bytes = 40 * 1514 + RATE / 8000 * rtt_ms;
		}
		vary(&c, v);
		sim_run(&c, &r);
		bytes += r.received[0][SERVER];
	}
	return (uint32_t)(bytes * 8 / 1000 / SECONDS / SEEDS);
}

static double mathis(double loss, double rtt_s)
{
	return loss == 0 ? MOST : fmin(MOST, PAYLOAD * 8 / 1000 / rtt_s * sqrt(1.5) / sqrt(loss));
}

static double cubic(double loss, double rtt_s)
{
	/* RFC 9438, equation 5: segments, C = 0.4, beta = 0.7 */
	double w = loss == 0 ? INFINITY : 1.054 * pow(rtt_s / loss, 0.75);

	return fmax(fmin(MOST, PAYLOAD * 8 / 1000 / rtt_s * w), mathis(loss, rtt_s));
}

static size_t write_table(char *to, size_t room)
{
	size_t n = (size_t)snprintf(to, room,
		"# Goodput of one flow, kbit/s, over %d seconds and %d seeds at %d Mbit/s with a "
		"queue\n"
		"# of a round trip and 40 frames; losses among the data. Beside it the formulas:\n"
		"# Mathis et al. for NewReno, RFC 9438 section 5.1 for CUBIC (neither knows\n"
		"# time-outs, slow start or the queue). Written by tests/sim/goodput.c.\n"
		"#  loss    rtt  newreno  formula    cubic  formula\n",
		SECONDS, SEEDS, RATE / 1000000);

	for (size_t i = 0; i < LOSSES; i++)
		for (size_t j = 0; j < RTTS; j++)
			n += (size_t)snprintf(to + n, room - n,
				"%6.2f%% %4ums %8u %8.0f %8u %8.0f\n", losses[i] * 100, rtts_ms[j],
				measured[i][j][0], mathis(losses[i], rtts_ms[j] / 1e3),
				measured[i][j][1], cubic(losses[i], rtts_ms[j] / 1e3));
	n += (size_t)snprintf(to + n, room - n, "# at 20 ms               newreno    cubic\n");
	for (size_t i = 0; i < VARIANTS; i++)
		n += (size_t)snprintf(to + n, room - n, "%-22s %9u %8u\n", variants[i].name,
			varied[i][0], varied[i][1]);
	return n;
}

static int measure(void **state)
{
	(void)state;
	for (size_t i = 0; i < LOSSES; i++)
		for (size_t j = 0; j < RTTS; j++)
			for (size_t k = 0; k < 2; k++)
				measured[i][j][k] = goodput(
					&(struct variant){.loss = losses[i]}, rtts_ms[j], ccs[k]);
	for (size_t i = 0; i < VARIANTS; i++)
		for (size_t k = 0; k < 2; k++)
			varied[i][k] = goodput(&variants[i], 20, ccs[k]);
	return 0;
}

static void is_as_written(void **state)
{
	static char now[TABLE], before[TABLE];
	const char *rewrite = getenv("SIM_REWRITE");
	size_t n = write_table(now, sizeof(now));
	FILE *f;

	(void)state;
	if (rewrite != NULL) {
		f = fopen(file_name, "w");
		assert_non_null(f);
		assert_int_equal(fwrite(now, 1, n, f), n);
		assert_int_equal(fclose(f), 0);
		return;
	}
	f = fopen(file_name, "r");
	assert_non_null(f);
	before[fread(before, 1, sizeof(before) - 1, f)] = '\0';
	fclose(f);
	if (strcmp(now, before) == 0)
		return;
	fputs(now, stderr); /* longer than what cmocka prints */
	fail_msg("%s has changed (SIM_REWRITE=1 writes it anew)", file_name);
}

/* Without loss the link is filled, but for slow start. */
static void fills_the_link(void **state)
{
	(void)state;
	for (size_t j = 0; j < RTTS; j++)
		for (size_t k = 0; k < 2; k++)
			assert_true(measured[0][j][k] > 0.90 * MOST);
}

/* Where losses are few enough for the formula to hold; slow start still shows on a long path. */
static void is_near_the_formula(void **state)
{
	(void)state;
	for (size_t i = 1; i < LOSSES && losses[i] <= 0.01; i++)
		for (size_t j = 0; j < RTTS; j++)
			for (size_t k = 0; k < 2; k++) {
				double want =
					(k == 0 ? mathis : cubic)(losses[i], rtts_ms[j] / 1e3);

				if (measured[i][j][k] < 0.6 * want ||
					measured[i][j][k] > 2.2 * want)
					fail_msg("%s, loss %g, %u ms: %u kbit/s, formula %.0f",
						ccs[k]->name, losses[i], rtts_ms[j],
						measured[i][j][k], want);
			}
}

/* Even at 30 % something comes through. */
static void never_starves(void **state)
{
	(void)state;
	for (size_t i = 0; i < LOSSES; i++)
		for (size_t j = 0; j < RTTS; j++)
			for (size_t k = 0; k < 2; k++)
				assert_true(measured[i][j][k] > 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(is_as_written),
		cmocka_unit_test(fills_the_link),
		cmocka_unit_test(is_near_the_formula),
		cmocka_unit_test(never_starves),
	};

	if (argc != 2)
		return 2;
	file_name = argv[1];
	return cmocka_run_group_tests(tests, measure, NULL);
}
