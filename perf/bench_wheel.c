/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The timer wheel beside rte_timer, each with 1,000 and 1,000,000 timers armed at random times, in
 * cycles per timer.
 *
 * arm+cancel is one pair; move goes to any time, of which half are later; push goes to a later one,
 * as an ACK does with a retransmission timer, whose line it has just read. In these nothing fires.
 * In expire, each timer that fires is armed again at a random time within a period. There the two
 * tell the time differently: the wheel is told it, and a slice takes it on by as many ticks as make
 * about DUE timers due; rte_timer reads the clock, and between slices that much time passes. idle
 * is a call that finds nothing due: a tick further, or as time goes by.
 */
#include "base/clock.h"
#include "base/numa.h"
#include "base/wheel.h"
#include "gbench.h"
#include "measure.h"
#include "routes.h"

#include <rte_lcore.h>
#include <rte_timer.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST   1000000
#define BATCH  512		   /* timers in a slice, at most */
#define DUE    128		   /* timers that fire in a slice, on average */
#define STRIDE 7919		   /* prime: to another timer of the batch */
#define CALLS  1000		   /* in a slice of idle */
#define PERIOD 60000		   /* ticks: a minute of milliseconds */
#define FAR    (UINT32_C(1) << 30) /* ticks */
#define EACH   16000		   /* cycles after which the peer's next timer is due, in expire */

enum work { ARM_CANCEL, MOVE, PUSH, EXPIRE, IDLE };

struct row {
	enum work work;
	uint32_t n; /* timers armed; BATCH more are not */
	bool peers;
};

/* As in a connection: other things share the timer's line. */
struct element {
	struct wheel_timer timer;
	char other[52];
};

static struct {
	const struct row *ready; /* whose timers are armed */
	struct element *ours;
	struct rte_timer *peers;
	struct wheel *wheel;
	uint64_t seed;
	uint32_t now;  /* of the wheel */
	ticks passed;  /* when the peer was last called, in expire */
	uint64_t late; /* cycles; the peer's period */
	uint64_t fired;
	uint32_t chosen[BATCH]; /* for the next slice */
	uint64_t due[BATCH];	/* ours: tick; the peer's: cycles from now */
} bench;

static void must(bool well, const char *what)
{
	if (well)
		return;
	fprintf(stderr, "bench_wheel: %s\n", what);
	exit(1);
}

static uint64_t hour(void)
{
	return 3600 * rte_get_timer_hz();
}

static uint64_t random_cycles(uint64_t below)
{
	return 1 + (uint64_t)(((unsigned __int128)random64(&bench.seed) * below) >> 64);
}

static uint32_t random_ticks(void)
{
	return 1 + random_below(&bench.seed, PERIOD);
}

/* --- ours --- */

static void arm_all_ours(const struct row *r)
{
	wheel_free(bench.wheel);
	memset(bench.ours, 0, (MOST + BATCH) * sizeof(bench.ours[0]));
	bench.wheel = wheel_new(bench.ours, sizeof(bench.ours[0]), 0, bench.now, -1);
	must(bench.wheel != NULL, "no memory");
	for (uint32_t i = 0; i < r->n; i++)
		wheel_arm(bench.wheel, i, bench.now + random_ticks() + (r->work == IDLE ? FAR : 0));
}

static uint64_t arm_cancel_ours(void *arg)
{
	(void)arg;
	for (uint32_t i = 0; i < BATCH; i++)
		wheel_arm(bench.wheel, bench.chosen[i], (uint32_t)bench.due[i]);
	for (uint32_t i = 0; i < BATCH; i++)
		wheel_cancel(bench.wheel, bench.chosen[i]);
	return BATCH;
}

static uint64_t move_ours(void *arg)
{
	(void)arg;
	for (uint32_t i = 0; i < BATCH; i++)
		wheel_arm(bench.wheel, bench.chosen[i], (uint32_t)bench.due[i]);
	return BATCH;
}

static uint64_t expire_ours(void *arg)
{
	const struct row *r = arg;
	uint32_t step = DUE * (PERIOD / 2) / r->n, fired[BATCH];
	uint64_t all = 0;

	bench.now += step;
	do {
		uint32_t n = wheel_advance(bench.wheel, bench.now, fired, BATCH);

		for (uint32_t i = 0; i < n; i++)
			wheel_arm(bench.wheel, fired[i], bench.now + random_ticks());
		all += n;
	} while (wheel_behind(bench.wheel, bench.now));
	return all;
}

static uint64_t idle_ours(void *arg)
{
	uint32_t fired[BATCH];

	(void)arg;
	for (uint32_t i = 0; i < CALLS; i++)
		if (wheel_advance(bench.wheel, ++bench.now, fired, BATCH) > 0)
			return 0;
	return CALLS;
}

/* --- rte_timer --- */

static void arm_peer(uint32_t element, uint64_t cycles);

static void fired_peer(struct rte_timer *t, void *arg)
{
	(void)arg;
	bench.fired++;
	arm_peer((uint32_t)(t - bench.peers), random_cycles(bench.late));
}

static void arm_peer(uint32_t element, uint64_t cycles)
{
	rte_timer_reset(&bench.peers[element], cycles, SINGLE, rte_lcore_id(), fired_peer, NULL);
}

static uint64_t expire_peers(void *arg)
{
	(void)arg;
	bench.fired = 0;
	bench.passed = clock_now();
	rte_timer_manage();
	return bench.fired;
}

static void let_time_pass(void *arg)
{
	(void)arg;
	while (clock_now() - bench.passed < DUE * EACH)
		;
}

static void arm_all_peers(const struct row *r)
{
	for (uint32_t i = 0; i < MOST + BATCH; i++)
		rte_timer_stop(&bench.peers[i]);
	/* what is armed at random times in a period fires after half of it on average */
	bench.late = r->work == EXPIRE ? 2 * (uint64_t)EACH * r->n : hour();
	for (uint32_t i = 0; i < r->n; i++)
		arm_peer(i, random_cycles(bench.late) + (r->work == EXPIRE ? 0 : hour()));
	while (r->work == EXPIRE && expire_peers(NULL) > 2 * DUE)
		;
}

static uint64_t arm_cancel_peers(void *arg)
{
	(void)arg;
	for (uint32_t i = 0; i < BATCH; i++)
		arm_peer(bench.chosen[i], bench.due[i]);
	for (uint32_t i = 0; i < BATCH; i++)
		rte_timer_stop(&bench.peers[bench.chosen[i]]);
	return BATCH;
}

static uint64_t move_peers(void *arg)
{
	(void)arg;
	for (uint32_t i = 0; i < BATCH; i++)
		arm_peer(bench.chosen[i], bench.due[i]);
	return BATCH;
}

static uint64_t idle_peers(void *arg)
{
	(void)arg;
	bench.fired = 0;
	for (uint32_t i = 0; i < CALLS; i++)
		rte_timer_manage();
	return bench.fired > 0 ? 0 : CALLS;
}

/* --- */

/* Of one batch, those that are armed or pushed are different ones. */
static uint32_t element_of(const struct row *r, uint32_t first, uint32_t i)
{
	if (r->work == ARM_CANCEL)
		return r->n + i;
	return r->work == PUSH ? (first + i * STRIDE) % r->n : random_below(&bench.seed, r->n);
}

/* Outside the clock: which timers, and when. */
static void choose(void *arg)
{
	const struct row *r = arg;
	uint64_t now = rte_get_timer_cycles();
	uint32_t first = random_below(&bench.seed, r->n);

	for (uint32_t i = 0; i < BATCH; i++) {
		uint32_t element = element_of(r, first, i);

		bench.chosen[i] = element;
		if (r->work != PUSH)
			bench.due[i] = r->peers ? hour() + random_cycles(hour())
						: bench.now + random_ticks();
		else if (r->peers) /* a thousandth of an hour later: some 3.6 s */
			bench.due[i] =
				bench.peers[element].expire - now + random_cycles(hour() / 1000);
		else
			bench.due[i] = bench.ours[element].timer.due + random_ticks() / 1000;
	}
}

static void run(struct gbench *b, void *arg)
{
	static const struct {
		measure_slice_fn *ours, *peers;
	} slices[] = {
		[ARM_CANCEL] = {arm_cancel_ours, arm_cancel_peers},
		[MOVE] = {move_ours, move_peers},
		[PUSH] = {move_ours, move_peers},
		[EXPIRE] = {expire_ours, expire_peers},
		[IDLE] = {idle_ours, idle_peers},
	};
	const struct row *r = arg;
	measure_restore_fn *restore = r->work < EXPIRE ? choose : NULL;

	if (bench.ready != r && r->peers)
		arm_all_peers(r);
	else if (bench.ready != r)
		arm_all_ours(r);
	bench.ready = r;
	if (r->work == EXPIRE && r->peers)
		restore = let_time_pass;
	measure_slices(b, r->peers ? slices[r->work].peers : slices[r->work].ours, restore, arg);
}

static void add(enum work work, const char *name, uint32_t n)
{
	static struct row rows[32];
	static uint32_t n_rows;

	for (int peers = 0; peers < 2; peers++) {
		struct row *r = &rows[n_rows++];
		char whole[64];

		must(n_rows <= RTE_DIM(rows), "too many rows");
		*r = (struct row){work, n, peers};
		snprintf(whole, sizeof(whole), "wheel/%s/%u/%s", name, n,
			peers ? "rte_timer" : "millrace");
		gbench_add(whole, run, r);
	}
}

int main(int argc, char **argv)
{
	static const char *const names[] = {"arm+cancel", "move", "push", "expire", "idle"};
	const uint32_t sizes[] = {1000, measure_short() ? 20000 : MOST};

	measure_eal(64);
	must(rte_timer_subsystem_init() == 0, "rte_timer does not start");
	bench.ours = numa_take((MOST + BATCH) * sizeof(bench.ours[0]), -1);
	bench.peers = numa_take((MOST + BATCH) * sizeof(bench.peers[0]), -1);
	must(bench.ours != NULL && bench.peers != NULL, "no memory");
	for (uint32_t i = 0; i < MOST + BATCH; i++)
		rte_timer_init(&bench.peers[i]);
	for (size_t work = 0; work < RTE_DIM(names); work++)
		for (size_t i = 0; i < RTE_DIM(sizes); i++)
			add((enum work)work, names[work], sizes[i]);
	return gbench_run(argc, argv);
}
