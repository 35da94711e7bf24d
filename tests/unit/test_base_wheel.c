/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Timers fire at their tick, once, in order: by script, beside an oracle that looks at every timer,
 * and in jumps as tick by tick.
 */
#include "base/seq.h"
#include "base/wheel.h"
#include "routes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define N(array) (sizeof(array) / sizeof((array)[0]))
#define MOST	 20000

struct element {
	uint32_t before;
	struct wheel_timer timer;
	uint32_t after[4];
};

/* A wheel, and what we know of its timers. */
struct bed {
	struct element *elements;
	struct wheel *wheel;
	uint32_t n;
	uint32_t now;
	uint32_t due[MOST];
	bool armed[MOST];
	uint32_t n_armed;
	uint32_t fired[MOST]; /* of the last advance, those of one tick in the order of elements */
	uint32_t n_fired;
};

static struct bed *new_bed(uint32_t n, uint32_t now)
{
	struct bed *b = calloc(1, sizeof(*b));

	assert_non_null(b);
	b->elements = calloc(n, sizeof(b->elements[0]));
	assert_non_null(b->elements);
	b->n = n;
	b->now = now;
	b->wheel = wheel_new(
		b->elements, sizeof(b->elements[0]), offsetof(struct element, timer), now, -1);
	assert_non_null(b->wheel);
	return b;
}

static void free_bed(struct bed *b)
{
	for (uint32_t i = 0; i < b->n; i++) {
		assert_int_equal(b->elements[i].before, 0);
		assert_int_equal(b->elements[i].after[0], 0);
	}
	wheel_free(b->wheel);
	free(b->elements);
	free(b);
}

static void arm(struct bed *b, uint32_t element, uint32_t due)
{
	b->n_armed += !b->armed[element];
	b->armed[element] = true;
	b->due[element] = seq_lt(due, wheel_now(b->wheel)) ? wheel_now(b->wheel) + 1 : due;
	wheel_arm(b->wheel, element, due);
	assert_true(wheel_armed(&b->elements[element].timer));
	assert_int_equal(b->elements[element].timer.due, b->due[element]);
	assert_int_equal(wheel_count(b->wheel), b->n_armed);
}

static void cancel(struct bed *b, uint32_t element)
{
	b->n_armed -= b->armed[element];
	b->armed[element] = false;
	wheel_cancel(b->wheel, element);
	assert_false(wheel_armed(&b->elements[element].timer));
	assert_int_equal(wheel_count(b->wheel), b->n_armed);
}

/* One call. True when there may be more to do. */
static bool advance_once(struct bed *b, uint32_t now, uint32_t max)
{
	uint32_t *fired = &b->fired[b->n_fired];
	uint32_t n = wheel_advance(b->wheel, now, fired, max);

	assert_in_range(n, 0, max);
	for (uint32_t i = 0; i < n; i++) {
		assert_true(b->armed[fired[i]]);
		assert_false(wheel_armed(&b->elements[fired[i]].timer));
		assert_true(seq_leq(b->due[fired[i]], now));
		assert_true(seq_leq(b->due[fired[i]], wheel_now(b->wheel)));
		b->armed[fired[i]] = false;
	}
	b->n_fired += n;
	b->n_armed -= n;
	b->now = now;
	assert_int_equal(wheel_count(b->wheel), b->n_armed);
	if (n < max && !wheel_behind(b->wheel, now))
		assert_int_equal(wheel_now(b->wheel), now);
	return wheel_behind(b->wheel, now);
}

/* Order by tick is the wheel's promise; that of elements with the same tick is ours. */
static void check_and_order(struct bed *b)
{
	for (uint32_t i = 1; i < b->n_fired; i++) {
		uint32_t element = b->fired[i], j = i;

		assert_true(seq_leq(b->due[b->fired[i - 1]], b->due[element]));
		for (; j > 0 && b->due[b->fired[j - 1]] == b->due[element] &&
			b->fired[j - 1] > element;
			j--)
			b->fired[j] = b->fired[j - 1];
		b->fired[j] = element;
	}
}

static void advance(struct bed *b, uint32_t now)
{
	b->n_fired = 0;
	while (advance_once(b, now, MOST - b->n_fired))
		;
	check_and_order(b);
}

/* --- by script: timers are letters; ticks count from the start of the wheel --- */

enum what { ARM, CANCEL, ADVANCE, NEXT };

struct step {
	enum what what;
	char timer;
	uint32_t tick;
	const char *fired; /* of ADVANCE */
};

struct script {
	const char *name;
	struct step steps[12];
};

static const struct script scripts[] = {
	{"nothing fires of itself", {{ADVANCE, 0, 100000, ""}, {NEXT, 0, 100500}}},
	{"at its tick, not before",
		{{ARM, 'a', 10}, {ADVANCE, 0, 9, ""}, {ADVANCE, 0, 10, "a"}, {ADVANCE, 0, 11, ""}}},
	{"exactly now, from the start", {{ARM, 'a', 0}, {NEXT, 0, 0}, {ADVANCE, 0, 0, "a"}}},
	{"exactly now, when now is done",
		{{ADVANCE, 0, 7, ""}, {ARM, 'a', 7}, {NEXT, 0, 7}, {ADVANCE, 0, 7, "a"}}},
	{"exactly now, found late",
		{{ADVANCE, 0, 7, ""}, {ARM, 'a', 7}, {ARM, 'b', 8}, {ADVANCE, 0, 9, "ab"}}},
	{"in the past", {{ADVANCE, 0, 300, ""}, {ARM, 'a', 299}, {ARM, 'b', 0},
				{ADVANCE, 0, 300, ""}, {NEXT, 0, 301}, {ADVANCE, 0, 301, "ab"}}},
	{"in the past, at the end of a level",
		{{ADVANCE, 0, 65535, ""}, {ARM, 'a', 3}, {ADVANCE, 0, 65536, "a"}}},
	{"beyond level 0",
		{{ARM, 'a', 255}, {ARM, 'b', 256}, {ARM, 'c', 257}, {ADVANCE, 0, 254, ""},
			{ADVANCE, 0, 255, "a"}, {ADVANCE, 0, 256, "b"}, {ADVANCE, 0, 257, "c"}}},
	{"beyond level 1", {{ARM, 'a', 65535}, {ARM, 'b', 65536}, {ARM, 'c', 65537},
				   {ADVANCE, 0, 65534, ""}, {ADVANCE, 0, 65535, "a"},
				   {ADVANCE, 0, 65536, "b"}, {ADVANCE, 0, 65537, "c"}}},
	{"beyond level 2", {{ARM, 'a', 0xffffff}, {ARM, 'b', 0x1000000}, {ARM, 'c', 0x1000001},
				   {ADVANCE, 0, 0xfffffe, ""}, {ADVANCE, 0, 0xffffff, "a"},
				   {ADVANCE, 0, 0x1000000, "b"}, {ADVANCE, 0, 0x1000001, "c"}}},
	{"as far as may be", {{ARM, 'a', INT32_MAX}, {ADVANCE, 0, INT32_MAX - 1, ""},
				     {ADVANCE, 0, INT32_MAX, "a"}}},
	{"as far as may be, at once", {{ARM, 'a', INT32_MAX}, {ADVANCE, 0, INT32_MAX, "a"}}},
	{"twice round the ticks",
		{{ARM, 'a', 0x70000000}, {ADVANCE, 0, 0x70000000, "a"}, {ARM, 'b', 0xe0000000},
			{ADVANCE, 0, 0xe0000000, "b"}, {ARM, 'c', 0x50000000},
			{ADVANCE, 0, 0x4fffffff, ""}, {ADVANCE, 0, 0x50000000, "c"}}},
	{"in the order of ticks, not of arming",
		{{ARM, 'a', 70000}, {ARM, 'b', 3}, {ARM, 'c', 300}, {ARM, 'd', 0x2000000},
			{ARM, 'e', 69999}, {ADVANCE, 0, 0x2000000, "bcead"}}},
	{"moved to later", {{ARM, 'a', 10}, {ARM, 'a', 20}, {ARM, 'a', 500}, {ADVANCE, 0, 499, ""},
				   {ADVANCE, 0, 500, "a"}, {ADVANCE, 0, 600, ""}}},
	{"moved to earlier", {{ARM, 'a', 500}, {ARM, 'a', 20}, {ADVANCE, 0, 19, ""},
				     {ADVANCE, 0, 20, "a"}, {ADVANCE, 0, 600, ""}}},
	{"moved to and fro",
		{{ARM, 'a', 300}, {ARM, 'a', 70000}, {ARM, 'a', 400}, {ARM, 'a', 350},
			{ADVANCE, 0, 349, ""}, {ADVANCE, 0, 350, "a"}, {ADVANCE, 0, 70000, ""}}},
	{"moved to its own tick", {{ARM, 'a', 5}, {ARM, 'a', 5}, {ADVANCE, 0, 6, "a"}}},
	{"moved into the past", {{ADVANCE, 0, 50, ""}, {ARM, 'a', 500}, {ARM, 'a', 10},
					{ADVANCE, 0, 51, "a"}, {ADVANCE, 0, 600, ""}}},
	{"moved when it is due", {{ARM, 'a', 5}, {ADVANCE, 0, 4, ""}, {ARM, 'b', 5}, {ARM, 'a', 6},
					 {ADVANCE, 0, 5, "b"}, {ADVANCE, 0, 6, "a"}}},
	{"cancelled while moved to later",
		{{ARM, 'a', 10}, {ARM, 'a', 500}, {CANCEL, 'a'}, {ADVANCE, 0, 600, ""}}},
	{"cancelled twice, or never armed",
		{{CANCEL, 'a'}, {ARM, 'a', 5}, {CANCEL, 'a'}, {CANCEL, 'a'}, {ADVANCE, 0, 9, ""},
			{ARM, 'a', 12}, {ADVANCE, 0, 12, "a"}, {CANCEL, 'a'}}},
	{"the first of a slot cancelled", {{ARM, 'a', 9}, {ARM, 'b', 9}, {ARM, 'c', 9},
						  {CANCEL, 'c'}, {ADVANCE, 0, 9, "ab"}}},
	{"one in the middle", {{ARM, 'a', 9}, {ARM, 'b', 9}, {ARM, 'c', 9}, {CANCEL, 'b'},
				      {ADVANCE, 0, 9, "ac"}}},
	{"the last", {{ARM, 'a', 9}, {ARM, 'b', 9}, {ARM, 'c', 9}, {CANCEL, 'a'},
			     {ADVANCE, 0, 9, "bc"}}},
	{"all of a slot", {{ARM, 'a', 9}, {ARM, 'b', 9}, {ARM, 'c', 9}, {CANCEL, 'b'},
				  {CANCEL, 'c'}, {CANCEL, 'a'}, {NEXT, 0, 500}, {ADVANCE, 0, 9, ""},
				  {ARM, 'b', 10}, {ADVANCE, 0, 10, "b"}}},
	{"how long to sleep",
		{{NEXT, 0, 500}, {ARM, 'a', 200}, {NEXT, 0, 200}, {ARM, 'b', 100}, {NEXT, 0, 100},
			{ADVANCE, 0, 100, "b"}, {NEXT, 0, 200}, {CANCEL, 'a'}, {NEXT, 0, 600}}},
	{"not longer than asked for", {{ARM, 'a', 501}, {ADVANCE, 0, 0, ""}, {ARM, 'b', 70000},
					      {ADVANCE, 0, 600, "a"}, {NEXT, 0, 1100}}},
};

static void play(const struct script *script, uint32_t start)
{
	struct bed *b = new_bed(26, start);

	for (const struct step *s = script->steps; s < script->steps + N(script->steps); s++) {
		uint32_t element = (uint32_t)(s->timer - 'a'), tick = start + s->tick;
		char fired[27] = "";

		if (s->what == ARM && s->timer != 0)
			arm(b, element, tick);
		if (s->what == CANCEL)
			cancel(b, element);
		if (s->what == ADVANCE)
			advance(b, tick);
		for (uint32_t i = 0; s->what == ADVANCE && i < b->n_fired; i++)
			fired[i] = (char)('a' + b->fired[i]);
		if (s->what == ADVANCE && strcmp(fired, s->fired) != 0)
			fail_msg("%s, from %#x, step %td: fired '%s'", script->name, start,
				s - script->steps, fired);
		if (s->what == NEXT && (seq_gt(wheel_next(b->wheel, 500), tick) ||
					       (start == 0 && wheel_next(b->wheel, 500) != tick)))
			fail_msg("%s, from %#x, step %td: next is %#x", script->name, start,
				s - script->steps, wheel_next(b->wheel, 500));
	}
	free_bed(b);
}

static const uint32_t starts[] = {0, 1, 250, 0xff00, 0x00ffffff, 0x7fffff00, 0x7fffffff, 0x80000000,
	0xfffffe00, 0xffffff00, 0xfffffff7, 0xffffffff};

static void test_scripts(void **state)
{
	(void)state;
	for (size_t i = 0; i < N(scripts); i++)
		for (size_t j = 0; j < N(starts); j++)
			play(&scripts[i], starts[j]);
}

/* --- what happens between calls with the same now --- */

static void test_room_for_few(void **state)
{
	struct bed *b = new_bed(100, 0xffffff00);

	(void)state;
	for (uint32_t i = 0; i < 100; i++)
		arm(b, i, b->now + (i < 60 ? 80 : 90));
	for (uint32_t i = 0; i < 100; i += 10) {
		assert_int_equal(advance_once(b, 0xffffff00 + 300, 10), i < 90);
		assert_int_equal(b->n_fired, i + 10);
		if (i < 90)
			assert_int_equal(wheel_next(b->wheel, 500), wheel_now(b->wheel));
	}
	check_and_order(b);
	free_bed(b);
}

/* Who fired is armed again, before others that are due have fired. */
static void test_arms_while_firing(void **state)
{
	struct bed *b = new_bed(6, 1000);

	(void)state;
	for (uint32_t i = 0; i < 4; i++)
		arm(b, i, 1010 + i / 2);
	assert_true(advance_once(b, 1020, 1));
	assert_int_equal(wheel_now(b->wheel), 1010);
	arm(b, b->fired[0], 1015); /* due in this call already */
	arm(b, 4, 1010);	   /* the tick in hand */
	arm(b, 5, 900);		   /* the past: the tick after it */
	cancel(b, 2);
	b->n_fired = 0;
	while (advance_once(b, 1020, 1))
		;
	check_and_order(b);
	assert_int_equal(b->n_fired, 5);
	assert_int_equal(b->due[b->fired[0]], 1010);
	assert_int_equal(b->due[b->fired[1]], 1010);
	assert_int_equal(b->due[b->fired[2]], 1011);
	assert_int_equal(b->due[b->fired[3]], 1011);
	assert_int_equal(b->due[b->fired[4]], 1015);
	free_bed(b);
}

/* What a call left of a slot may be cancelled, the first of it as well. */
static void test_cancels_what_is_left(void **state)
{
	(void)state;
	for (uint32_t kept = 0; kept < 4; kept++) {
		struct bed *b = new_bed(4, 0);
		bool fired;

		for (uint32_t i = 0; i < 4; i++)
			arm(b, i, 10);
		assert_true(advance_once(b, 10, 1));
		fired = b->fired[0] == kept;
		for (uint32_t i = 0; i < 4; i++)
			if (i != kept)
				cancel(b, i);
		advance(b, 20);
		assert_int_equal(b->n_fired, !fired);
		free_bed(b);
	}
}

/* One call finds what is due at the very tick that it is told. */
static void test_one_call(void **state)
{
	static const uint32_t ticks[] = {0, 1, 255, 256, 65536, 65537, 0x01000000};

	(void)state;
	for (size_t i = 0; i < N(ticks); i++) {
		struct bed *b = new_bed(1, 0);

		arm(b, 0, ticks[i]);
		assert_false(advance_once(b, ticks[i], 2));
		assert_int_equal(b->n_fired, 1);
		free_bed(b);
	}
}

static void test_fires_none_without_room(void **state)
{
	struct bed *b = new_bed(1, 5);

	(void)state;
	arm(b, 0, 300);
	assert_true(advance_once(b, 400, 0));
	assert_int_equal(wheel_now(b->wheel), 300);
	advance(b, 400);
	assert_int_equal(b->n_fired, 1);
	free_bed(b);
}

/* A slot of very many timers takes calls, and may be changed between them. */
static void test_moves_are_bounded(void **state)
{
	enum { TIMERS = 40 * WHEEL_MOVES };
	struct bed *b = new_bed(TIMERS, 0xfffe0000);
	uint32_t now = 0xfffe0000 + 0x10000, calls = 0;
	uint64_t seed = 3;

	(void)state;
	for (uint32_t i = 0; i < TIMERS; i++)
		arm(b, i, now + 1 + random_below(&seed, 60000));
	while (advance_once(b, now, 8)) {
		assert_int_equal(b->n_fired, 0);
		assert_int_equal(wheel_now(b->wheel), now);
		assert_int_equal(wheel_next(b->wheel, 500), now);
		if (++calls == 40)
			break;
		/* of those that were moved, and of those that were not yet */
		for (uint32_t i = 0; i < 20; i++)
			cancel(b, random_below(&seed, TIMERS));
		for (uint32_t i = 0; i < 20; i++)
			arm(b, random_below(&seed, TIMERS), now + 1 + random_below(&seed, 60000));
	}
	assert_in_range(calls, 25, 40);
	advance(b, now);
	advance(b, now + 60000);
	assert_int_equal(b->n_armed, 0);
	free_bed(b);
}

/* --- at random --- */

/* Any size of number is as likely as any other. */
static uint32_t random_sized(uint64_t *seed, uint32_t bits)
{
	return (uint32_t)random64(seed) & depth_mask(32) >> (31 - random_below(seed, bits));
}

static void random_change(struct bed *b, uint64_t *seed)
{
	uint32_t element = random_below(seed, b->n);

	if (random_below(seed, 4) == 0)
		cancel(b, element);
	else if (random_below(seed, 16) == 0)
		arm(b, element, wheel_now(b->wheel) - random_below(seed, 1000));
	else
		arm(b, element, wheel_now(b->wheel) + random_sized(seed, 31));
}

/* What is armed is due later, and the wheel does not let us sleep over it. */
static void check_rest(const struct bed *b, uint32_t horizon)
{
	uint32_t next = wheel_next(b->wheel, horizon), first = b->now + horizon;

	for (uint32_t i = 0; i < b->n; i++) {
		assert_int_equal(wheel_armed(&b->elements[i].timer), b->armed[i]);
		if (!b->armed[i])
			continue;
		assert_true(seq_gt(b->due[i], b->now));
		first = seq_min(first, b->due[i]);
	}
	assert_true(seq_leq(next, first));
	assert_true(seq_geq(next, b->now));
}

static void test_as_the_oracle_says(void **state)
{
	uint64_t seed = 20;

	(void)state;
	for (size_t i = 0; i < N(starts); i++) {
		struct bed *b = new_bed(300, starts[i]);

		for (int round = 0; round < 3000; round++) {
			uint32_t now = b->now + random_sized(&seed, 30);

			for (uint32_t n = random_below(&seed, 40); n > 0; n--)
				random_change(b, &seed);
			b->n_fired = 0;
			if (round % 2 == 0)
				while (advance_once(b, now, 1 + random_below(&seed, 8)))
					;
			check_and_order(b);
			advance(b, now);
			check_rest(b, random_sized(&seed, 31));
		}
		free_bed(b);
	}
}

/* The same, with changes between the calls that have the same now. */
static void test_changes_between_calls(void **state)
{
	struct bed *b = new_bed(2000, 0xff000000);
	uint64_t seed = 21;

	(void)state;
	for (int round = 0; round < 2000; round++) {
		uint32_t now = b->now + random_sized(&seed, 28);
		int left = 50;

		for (uint32_t n = random_below(&seed, 400); n > 0; n--)
			random_change(b, &seed);
		for (b->n_fired = 0; advance_once(b, now, 1 + random_below(&seed, 8));) {
			uint32_t was = b->n_fired > 0 ? b->due[b->fired[b->n_fired - 1]] : now;

			assert_true(seq_leq(was, now));
			b->n_fired = 0;
			if (left-- > 0)
				random_change(b, &seed);
		}
		advance(b, now);
		check_rest(b, 1000);
	}
	free_bed(b);
}

/* --- in jumps as tick by tick --- */

#define SPAN 140000

static void test_jumps_are_ticks(void **state)
{
	uint64_t seed = 22;

	(void)state;
	for (size_t i = 0; i < N(starts); i++) {
		struct bed *jumps = new_bed(500, starts[i]), *ticks = new_bed(500, starts[i]);
		uint32_t at = 0, seen = 0;

		while (at < SPAN) {
			uint32_t to = at + random_sized(&seed, 16);

			for (uint32_t n = random_below(&seed, 100); n > 0; n--) {
				uint32_t element = random_below(&seed, 500);
				uint32_t due = jumps->now + random_sized(&seed, 18);

				arm(jumps, element, due);
				arm(ticks, element, due);
			}
			advance(jumps, starts[i] + to);
			for (seen = 0; at <= to; at++) {
				advance(ticks, starts[i] + at);
				for (uint32_t j = 0; j < ticks->n_fired; j++) {
					assert_int_equal(ticks->due[ticks->fired[j]], ticks->now);
					assert_int_equal(ticks->fired[j], jumps->fired[seen++]);
				}
			}
			at = to;
			assert_int_equal(seen, jumps->n_fired);
		}
		free_bed(jumps);
		free_bed(ticks);
	}
}

/* Whoever sleeps as long as the wheel says wakes up at each timer, and seldom in vain. */
static void test_sleeps(void **state)
{
	struct bed *b = new_bed(100, 0xffff0000);
	uint32_t wakes = 0, fires = 0;
	uint64_t seed = 23;

	(void)state;
	for (uint32_t i = 0; i < 100; i++)
		arm(b, i, b->now + 1 + random_sized(&seed, 30));
	for (; b->n_armed > 0; wakes++) {
		advance(b, wheel_next(b->wheel, INT32_MAX));
		for (uint32_t i = 0; i < b->n_fired; i++)
			assert_int_equal(b->due[b->fired[i]], b->now);
		fires += b->n_fired;
	}
	assert_int_equal(fires, 100);
	assert_in_range(wakes, 50, 400);
	free_bed(b);
}

/* Nothing armed: time may go on by any distance. */
static void test_idle_for_long(void **state)
{
	struct bed *b = new_bed(1, 5);

	(void)state;
	advance(b, 5 + 0xc0000000);
	arm(b, 0, b->now + 3);
	advance(b, b->now + 2);
	assert_int_equal(b->n_fired, 0);
	advance(b, b->now + 1);
	assert_int_equal(b->n_fired, 1);
	wheel_free(NULL);
	free_bed(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scripts),
		cmocka_unit_test(test_room_for_few),
		cmocka_unit_test(test_arms_while_firing),
		cmocka_unit_test(test_cancels_what_is_left),
		cmocka_unit_test(test_one_call),
		cmocka_unit_test(test_fires_none_without_room),
		cmocka_unit_test(test_moves_are_bounded),
		cmocka_unit_test(test_as_the_oracle_says),
		cmocka_unit_test(test_changes_between_calls),
		cmocka_unit_test(test_jumps_are_ticks),
		cmocka_unit_test(test_sleeps),
		cmocka_unit_test(test_idle_for_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
