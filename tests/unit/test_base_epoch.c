/* SPDX-License-Identifier: BSD-3-Clause */
/* An end runs when every reader has looked away, not before, in order, and once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/epoch.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#define READERS 3

static int ended[1000];
static int n_ended;

static void note(void *arg)
{
	ended[n_ended++] = *(int *)arg;
}

static int make(void **state)
{
	n_ended = 0;
	*state = epoch_new(READERS);
	return *state == NULL;
}

static int unmake(void **state)
{
	epoch_free(*state);
	return 0;
}

static void nobody_online(void **state)
{
	struct epoch *e = *state;
	int one = 1;

	assert_int_equal(epoch_poll(e), 0);
	epoch_defer(e, note, &one);
	assert_int_equal(n_ended, 0); /* never at once */
	assert_int_equal(epoch_waiting(e), 1);
	assert_int_equal(epoch_poll(e), 1);
	assert_int_equal(n_ended, 1);
	assert_int_equal(epoch_waiting(e), 0);
}

/* A script of what readers and control do; `ended` is how many ends have run after the step. */
static void readers_hold_ends_back(void **state)
{
	enum { ONLINE, OFFLINE, QUIESCENT, DEFER };
	static const struct {
		const char *name;
		int what;
		unsigned int id;
		int ended;
	} steps[] = {
		{"reader 0 comes", ONLINE, 0, 0},
		{"reader 2 comes", ONLINE, 2, 0},
		{"first end", DEFER, 0, 0},
		{"one of two looked away", QUIESCENT, 0, 0},
		{"and again: does not count for the other", QUIESCENT, 0, 0},
		{"second end", DEFER, 0, 0},
		{"the other looked away from both", QUIESCENT, 2, 1},
		{"reader 1 comes too late to matter", ONLINE, 1, 1},
		{"and the first from the second", QUIESCENT, 0, 2},
		{"third end", DEFER, 0, 2},
		{"leaving counts", OFFLINE, 2, 2},
		{"1 still there", QUIESCENT, 0, 2},
		{"all three", QUIESCENT, 1, 3},
		{"fourth end", DEFER, 0, 3},
		{"0 leaves", OFFLINE, 0, 3},
		{"1 leaves", OFFLINE, 1, 4},
	};
	struct epoch *e = *state;
	int number = 0, numbers[] = {0, 1, 2, 3};

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		if (steps[i].what == ONLINE)
			epoch_online(e, steps[i].id);
		else if (steps[i].what == OFFLINE)
			epoch_offline(e, steps[i].id);
		else if (steps[i].what == QUIESCENT)
			epoch_quiescent(e, steps[i].id);
		else
			epoch_defer(e, note, &numbers[number++]);
		epoch_poll(e);
		if (n_ended != steps[i].ended)
			fail_msg("%s: %d ends have run", steps[i].name, n_ended);
	}
	for (int i = 0; i < n_ended; i++)
		assert_int_equal(ended[i], i);
}

/* The queue wraps round and grows while wrapped; the order stays. */
static void order_survives_growth(void **state)
{
	struct epoch *e = *state;
	int numbers[1000], next = 0;

	for (int i = 0; i < 1000; i++)
		numbers[i] = i;
	for (int round = 0; round < 10; round++) { /* head is now in the middle of the ring */
		for (int i = 0; i < 4; i++)
			epoch_defer(e, note, &numbers[next++]);
		epoch_poll(e);
	}
	epoch_online(e, 0);
	while (next < 1000)
		epoch_defer(e, note, &numbers[next++]);
	assert_int_equal(epoch_poll(e), 0);
	assert_int_equal(epoch_waiting(e), 960);
	epoch_quiescent(e, 0);
	assert_int_equal(epoch_poll(e), 960);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(ended[i], i);
}

struct chain {
	struct epoch *e;
	int left;
};

static void defers_another(void *arg)
{
	struct chain *c = arg;

	if (--c->left > 0)
		epoch_defer(c->e, defers_another, c);
}

static void ends_may_defer(void **state)
{
	struct chain c = {*state, 100};

	epoch_online(c.e, 0);
	epoch_defer(c.e, defers_another, &c);
	epoch_quiescent(c.e, 0);
	assert_int_equal(epoch_poll(c.e), 1); /* the next one waits for the reader again */
	assert_int_equal(c.left, 99);
	epoch_drain(c.e); /* whether the reader is there or not */
	assert_int_equal(c.left, 0);
	epoch_offline(c.e, 0);
}

/* Readers follow a pointer that control replaces; what it replaced it spoils and frees at its end.
 */
struct shared {
	struct epoch *e;
	int *value;
	bool stop;
};

struct reader {
	struct shared *s;
	unsigned int id;
	uint64_t passes; /* reader: w, the writer waits for the first */
	uint64_t spoilt;
	pthread_t thread;
};

static void *read_on(void *arg)
{
	struct reader *r = arg;
	struct shared *s = r->s;

	epoch_online(s->e, r->id);
	while (!__atomic_load_n(&s->stop, __ATOMIC_RELAXED)) {
		int *value = __atomic_load_n(&s->value, __ATOMIC_ACQUIRE);

		for (int i = 0; i < 100; i++)
			r->spoilt += __atomic_load_n(value, __ATOMIC_RELAXED) != 1;
		epoch_quiescent(s->e, r->id);
		__atomic_store_n(&r->passes, r->passes + 1, __ATOMIC_RELAXED);
		if (r->passes % 64 == r->id) {
			epoch_offline(s->e, r->id);
			epoch_online(s->e, r->id);
		}
	}
	epoch_offline(s->e, r->id);
	return NULL;
}

static void spoil(void *arg)
{
	__atomic_store_n((int *)arg, 0, __ATOMIC_RELAXED);
	free(arg);
}

static int *fresh_value(void)
{
	int *value = malloc(sizeof(*value));

	assert_non_null(value);
	*value = 1;
	return value;
}

/* A busy machine may start a reader late: the writer goes on until each has looked. */
static bool all_have_looked(const struct reader readers[READERS])
{
	for (unsigned int i = 0; i < READERS; i++)
		if (__atomic_load_n(&readers[i].passes, __ATOMIC_RELAXED) == 0)
			return false;
	return true;
}

static void nothing_ends_under_a_reader(void **state)
{
	struct shared s = {.e = *state, .value = fresh_value()};
	struct reader readers[READERS] = {0};
	uint32_t ends = 0;

	for (unsigned int i = 0; i < READERS; i++) {
		readers[i].s = &s;
		readers[i].id = i;
		assert_int_equal(pthread_create(&readers[i].thread, NULL, read_on, &readers[i]), 0);
	}
	for (uint32_t i = 0; i < 200000 || ends == 0 || !all_have_looked(readers); i++) {
		int *old = s.value;

		__atomic_store_n(&s.value, fresh_value(), __ATOMIC_RELEASE);
		epoch_defer(s.e, spoil, old);
		ends += epoch_poll(s.e);
	}
	__atomic_store_n(&s.stop, true, __ATOMIC_RELAXED);
	for (unsigned int i = 0; i < READERS; i++) {
		pthread_join(readers[i].thread, NULL);
		assert_int_equal(readers[i].spoilt, 0);
	}
	epoch_drain(s.e);
	free(s.value);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(nobody_online, make, unmake),
		cmocka_unit_test_setup_teardown(readers_hold_ends_back, make, unmake),
		cmocka_unit_test_setup_teardown(order_survives_growth, make, unmake),
		cmocka_unit_test_setup_teardown(ends_may_defer, make, unmake),
		cmocka_unit_test_setup_teardown(nothing_ends_under_a_reader, make, unmake),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
