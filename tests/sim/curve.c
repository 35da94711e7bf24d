/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How cwnd moves, beside the formulas: RFC 5681's sawtooth (half, then a segment per round trip)
 * and RFC 9438's W_cubic(t) = C (t - K)^3 + W_max. The path has a constant round trip and loses one
 * data segment in so many. A formula takes from the measurement when a reduction began and ended,
 * and the window before it; nothing else.
 *
 * Takes the data file as argument and fails when it would be another one; SIM_REWRITE=1 writes it
 * instead, and curve.py draws it.
 */
#include "sim.h"

#include "tcp/conn.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define FROM_S	  20
#define TO_S	  80
#define STEP_MS	  100
#define SAMPLES	  ((TO_S - FROM_S) * 1000 / STEP_MS)
#define MSS	  1448.0
#define RTT_S	  0.1
#define TABLE	  (SAMPLES * 64)
#define LOSE_RENO 2000
#define LOSE_CUBE 20000

enum { NEWRENO, CUBIC };

struct curve {
	double measured; /* segments */
	double formula;
};

static const char *file_name;
static struct curve curves[2][SAMPLES];

static struct model {
	int which;
	bool reducing;
	bool known;    /* there was a reduction */
	double prior;  /* cwnd before it */
	double w_max;  /* of CUBIC */
	double begun;  /* s: when it was over */
	double before; /* cwnd when last seen outside a reduction */
	uint32_t n;
} model;

static double formula(double now)
{
	double k, w_cubic, w_est;

	if (model.which == NEWRENO)
		return model.prior / 2 + (now - model.begun) / RTT_S;
	k = cbrt((model.w_max - 0.7 * model.prior) / 0.4);
	w_cubic = 0.4 * pow(now - model.begun - k, 3) + model.w_max;
	w_est = 0.7 * model.prior + 9.0 / 17 * (now - model.begun) / RTT_S; /* till cwnd_prior */
	return fmax(w_cubic, w_est);
}

static void reduced(void)
{
	model.known = true;
	model.prior = model.before;
	/* fast convergence (RFC 9438 4.7) */
	model.w_max = model.prior < model.w_max ? model.prior * 0.85 : model.prior;
}

static void watch(uint64_t now_us, struct tcp_conn *const client[SIM_FLOWS])
{
	const struct tcp_conn *c = client[0];
	double now = (double)now_us / 1e6, cwnd = c->cwnd / MSS;
	bool reducing = c->flight != NULL && c->flight->phase != PHASE_OPEN;

	if (reducing && !model.reducing)
		reduced();
	if (!reducing && model.reducing)
		model.begun = now;
	model.reducing = reducing;
	if (!reducing)
		model.before = cwnd;
	if (now < FROM_S + model.n * STEP_MS / 1e3 || model.n == SAMPLES)
		return;
	curves[model.which][model.n++] = reducing || !model.known
						 ? (struct curve){NAN, NAN}
						 : (struct curve){cwnd, formula(now)};
}

static void run(int which, uint32_t lose_every)
{
	struct sim_conf c = sim_default("curve", 1);
	struct sim_result r;

	model = (struct model){.which = which};
	c.measures = true;
	c.limit_us = UINT64_C(1000000) * TO_S;
	c.set[CLIENT].cc = which == NEWRENO ? &tcp_newreno : &tcp_cubic;
	c.app[0][CLIENT].bytes = UINT64_MAX / 2;
	c.options[0][CLIENT].send_buffer = 4 << 20;
	c.options[0][SERVER].receive_buffer = 4 << 20;
	c.link[CLIENT].delay_us = c.link[SERVER].delay_us = (uint32_t)(RTT_S * 5e5);
	c.link[CLIENT].lose_every = lose_every;
	c.watch = watch;
	sim_run(&c, &r);
	assert_int_equal(r.timeouts, 0);
}

static int measure(void **state)
{
	(void)state;
	run(NEWRENO, LOSE_RENO);
	run(CUBIC, LOSE_CUBE);
	return 0;
}

static size_t write_table(char *to, size_t room)
{
	size_t n = (size_t)snprintf(to, room,
		"# cwnd in segments beside the formula, round trip %.0f ms, one of %d (NewReno) "
		"and of\n"
		"# %d (CUBIC) lost; nan: losses are being repaired. Written by tests/sim/curve.c.\n"
		"# seconds newreno rfc5681 cubic rfc9438\n",
		RTT_S * 1000, LOSE_RENO, LOSE_CUBE);

	for (int i = 0; i < SAMPLES; i++) {
		const struct curve *a = &curves[NEWRENO][i], *b = &curves[CUBIC][i];

		n += (size_t)snprintf(to + n, room - n, "%.1f %.1f %.1f %.1f %.1f\n",
			FROM_S + i * STEP_MS / 1e3, a->measured, a->formula, b->measured,
			b->formula);
	}
	return n;
}

static void is_as_written(void **state)
{
	static char now[TABLE], before[TABLE];
	size_t n = write_table(now, sizeof(now));
	FILE *f = fopen(file_name, getenv("SIM_REWRITE") != NULL ? "w" : "r");

	(void)state;
	assert_non_null(f);
	if (getenv("SIM_REWRITE") != NULL)
		assert_int_equal(fwrite(now, 1, n, f), n);
	else
		before[fread(before, 1, sizeof(before) - 1, f)] = '\0';
	assert_int_equal(fclose(f), 0);
	if (getenv("SIM_REWRITE") == NULL && strcmp(now, before) != 0)
		fail_msg("%s has changed (SIM_REWRITE=1 writes it anew)", file_name);
}

/* Mostly within `mean`, and nowhere off by more than `most`. */
static void is_near(int which, double mean, double most)
{
	double sum = 0;
	int n = 0;

	for (int i = 0; i < SAMPLES; i++) {
		const struct curve *p = &curves[which][i];
		double off = fabs(p->measured / p->formula - 1);

		if (isnan(off))
			continue;
		if (off > most)
			fail_msg("at %.1f s: %.1f, formula %.1f", FROM_S + i * STEP_MS / 1e3,
				p->measured, p->formula);
		sum += off;
		n++;
	}
	assert_true(n > SAMPLES / 2);
	if (sum / n > mean)
		fail_msg("off by %.3f on average", sum / n);
}

static void newreno_saws(void **state)
{
	(void)state;
	is_near(NEWRENO, 0.03, 0.08);
}

static void cubic_is_cubic(void **state)
{
	(void)state;
	is_near(CUBIC, 0.03, 0.08);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(is_as_written),
		cmocka_unit_test(newreno_saws),
		cmocka_unit_test(cubic_is_cubic),
	};

	if (argc != 2)
		return 2;
	file_name = argv[1];
	return cmocka_run_group_tests(tests, measure, NULL);
}
