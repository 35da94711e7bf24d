/* SPDX-License-Identifier: BSD-3-Clause */
/* The flow table: against a list that cannot be wrong, full, flooded, and as time goes by. */
#include "lb/flow.h"
#include "routes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const uint64_t secret[2] = {UINT64_C(0x0123456789abcdef), UINT64_C(0xfedcba9876543210)};

static struct flow_key key_of(uint32_t i)
{
	return (struct flow_key){.addr = 0x000012c6 + (i >> 14 << 16),
		.port = (uint16_t)(1024 + (i & 0x3fff)),
		.service_port = 80,
		.service = (uint16_t)(i % 3)};
}

static struct flow *found(struct flow_table *t, const struct flow_key *key, uint16_t now)
{
	return flow_find(t, flow_hash(t, key), key, now);
}

static struct flow *added(
	struct flow_table *t, const struct flow_key *key, uint16_t now, struct flow *gone)
{
	return flow_add(t, flow_hash(t, key), key, now, gone);
}

/* One that lives for so long; it fits. */
static struct flow *lives(
	struct flow_table *t, uint32_t i, enum flow_state state, uint16_t now, uint16_t seconds)
{
	struct flow_key key = key_of(i);
	struct flow gone, *f = added(t, &key, now, &gone);

	assert_non_null(f);
	assert_int_equal(gone.state, FLOW_FREE);
	f->state = (uint8_t)state;
	f->backend = (uint16_t)i;
	flow_touch(f, now, seconds);
	return f;
}

static void test_a_flow_is_found_until_it_is_over(void **state)
{
	static const uint16_t begins[] = {0, 1, 32767, 32768, 65530, 65535};
	struct flow_key key = key_of(5);

	(void)state;
	for (size_t i = 0; i < sizeof(begins) / sizeof(*begins); i++) {
		struct flow_table *t = flow_table_new(100, secret, -1);
		uint16_t now = begins[i];
		struct flow *f = lives(t, 5, FLOW_NEW, now, 10);

		assert_ptr_equal(found(t, &key, now), f);
		assert_ptr_equal(found(t, &key, (uint16_t)(now + 9)), f);
		assert_null(found(t, &key, (uint16_t)(now + 10)));
		assert_null(found(t, &key, (uint16_t)(now + 1000)));
		flow_touch(f, now, FLOW_SECONDS);
		assert_ptr_equal(found(t, &key, (uint16_t)(now + FLOW_SECONDS - 1)), f);
		assert_null(found(t, &key, (uint16_t)(now + FLOW_SECONDS)));
		flow_table_free(t);
	}
}

/* Whatever the time: a free place says that it ends at second 0. */
static void test_a_free_place_does_not_live(void **state)
{
	struct flow_table *t = flow_table_new(100, secret, -1);

	(void)state;
	for (uint32_t now = 0; now <= UINT16_MAX; now += 257)
		for (uint32_t ref = 0; ref < flow_refs(t); ref++)
			assert_false(flow_lives(flow_at(t, ref), (uint16_t)now));
	flow_table_free(t);
}

/* A free place looks like the key of nobody; at half of the clock it would live, too. */
static void test_nobody_has_no_flow(void **state)
{
	static const uint16_t now[] = {0, 1, 32767, 32769, 40000, 65535};
	struct flow_table *t = flow_table_new(100, secret, -1);
	struct flow_key nobody = {0};
	struct flow gone;

	(void)state;
	for (size_t i = 0; i < sizeof(now) / sizeof(*now); i++) {
		assert_null(found(t, &nobody, now[i]));
		assert_null(added(t, &nobody, now[i], &gone));
		assert_int_equal(gone.state, FLOW_FREE);
	}
	assert_int_equal(flow_count(t)->flows, 0);
	flow_table_free(t);
}

/* In a table of one home, where all have the same bucket whatever their hash. */
static void test_each_word_of_the_key_counts(void **state)
{
	struct flow_table *t = flow_table_new(1, secret, -1);
	struct flow_key key = key_of(5), other;

	(void)state;
	lives(t, 5, FLOW_NEW, 0, 10);
	other = key, other.addr ^= 0x01000000;
	assert_null(found(t, &other, 0));
	other = key, other.port ^= 1;
	assert_null(found(t, &other, 0));
	other = key, other.service_port ^= 0x8000;
	assert_null(found(t, &other, 0));
	other = key, other.service ^= 1;
	assert_null(found(t, &other, 0));
	assert_non_null(found(t, &key, 0));
	flow_table_free(t);
}

/* A flow that is over and comes again takes its own place, or there would be two of it. */
static void test_a_flow_that_comes_again(void **state)
{
	struct flow_table *t = flow_table_new(2, secret, -1);
	struct flow_key key = key_of(5);
	struct flow gone, *f = lives(t, 5, FLOW_ESTABLISHED, 0, 10);

	(void)state;
	assert_ptr_equal(added(t, &key, 10, &gone), f);
	assert_int_equal(gone.state, FLOW_ESTABLISHED);
	assert_int_equal(gone.backend, 5);
	assert_int_equal(f->state, FLOW_NEW);
	assert_int_equal(f->backend, 0);
	assert_int_equal(flow_count(t)->flows, 1);
	assert_int_equal(flow_count(t)->displaced, 0);
	flow_table_free(t);
}

#define KEYS 4000

/* Random comings and goings of 4,000 keys at up to a fill of 0.9. */
static void test_as_a_list_would_have_it(void **state)
{
	struct flow_table *t = flow_table_new(KEYS * 5 / 6, secret, -1);
	static struct flow *model[KEYS];
	uint64_t seed = 3, n = 0;

	(void)state;
	memset(model, 0, sizeof(model));
	for (uint32_t step = 0; step < 400000; step++) {
		uint32_t i = random_below(&seed, KEYS);
		struct flow_key key = key_of(i);
		struct flow gone, *f = found(t, &key, 0);

		assert_ptr_equal(f, model[i]);
		if (f != NULL) {
			assert_int_equal(f->backend, i);
			assert_ptr_equal(flow_at(t, flow_ref(t, f)), f);
		}
		if (f != NULL && random_below(&seed, 8) == 0) {
			flow_end(t, f);
			model[i] = NULL;
			n--;
		} else if (f == NULL) {
			f = added(t, &key, 0, &gone);
			assert_int_equal(gone.state, FLOW_FREE); /* none is worth less */
			if (f != NULL) {
				f->state = FLOW_ESTABLISHED;
				f->backend = (uint16_t)i;
				flow_touch(f, 0, 1);
				model[i] = f;
				n++;
			}
		}
		assert_int_equal(flow_count(t)->flows, n);
	}
	assert_true(n > KEYS * 3 / 4); /* what `max` promises, and more */
	flow_table_free(t);
}

static void test_max_flows_fit(void **state)
{
	struct flow_table *t = flow_table_new(100000, secret, -1);
	struct flow gone;
	uint32_t refused = 0;

	(void)state;
	for (uint32_t i = 0; i < 100000; i++) {
		struct flow_key key = key_of(i);
		struct flow *f = added(t, &key, 0, &gone);

		if (f == NULL) {
			refused++;
			continue;
		}
		f->state = FLOW_ESTABLISHED;
		flow_touch(f, 0, 1);
	}
	assert_int_equal(flow_count(t)->refused, refused);
	assert_true(refused < 100000 / 1000);
	flow_table_free(t);
}

static void test_a_flood_drives_out_its_own(void **state)
{
	struct flow_table *t = flow_table_new(1000, secret, -1);
	struct flow gone;

	(void)state;
	for (uint32_t i = 0; i < 500; i++)
		lives(t, i, FLOW_ESTABLISHED, 0, 60);
	for (uint32_t i = 1000; i < 100000; i++) {
		struct flow_key key = key_of(i);
		struct flow *f = added(t, &key, 1, &gone);

		assert_int_not_equal(gone.state, FLOW_ESTABLISHED);
		if (f != NULL)
			flow_touch(f, 1, 3);
	}
	for (uint32_t i = 0; i < 500; i++) {
		struct flow_key key = key_of(i);

		assert_non_null(found(t, &key, 1));
	}
	assert_true(flow_count(t)->displaced > 90000);
	assert_true(flow_count(t)->flows <= flow_buckets(t) * FLOW_SLOTS);
	flow_table_free(t);
}

/* In a table of one home, which has eight buckets: 24 places. */
static void test_what_is_worth_less_goes_first(void **state)
{
	struct flow_table *t = flow_table_new(1, secret, -1);
	static const uint8_t worth[] = {
		FLOW_CLOSING, FLOW_ESTABLISHED, FLOW_NEW, FLOW_TAKEN, FLOW_CLOSED, FLOW_NEW};
	static const uint16_t backends[] = {4, 5, 2, 0}; /* as they go; then none may */
	struct flow gone, *f;

	(void)state;
	assert_int_equal(flow_buckets(t), 8);
	for (uint32_t i = 0; i < 24; i++)
		lives(t, i, FLOW_ESTABLISHED, 0, (uint16_t)(i == 5 ? 20 : 30));
	for (uint32_t i = 0; i < 6; i++) {
		struct flow_key key = key_of(i);

		found(t, &key, 0)->state = worth[i];
	}
	for (uint32_t i = 0; i < 4; i++) {
		struct flow_key key = key_of(100 + i);

		f = added(t, &key, 0, &gone);
		assert_non_null(f);
		assert_int_equal(gone.backend, backends[i]);
		f->state = FLOW_ESTABLISHED;
		flow_touch(f, 0, 30);
	}
	{
		struct flow_key key = key_of(200);

		assert_null(added(t, &key, 0, &gone));
		assert_int_equal(gone.state, FLOW_FREE);
		assert_int_equal(flow_count(t)->refused, 1);
		assert_non_null(added(t, &key, 30, &gone)); /* all are over */
		assert_int_equal(gone.state, FLOW_ESTABLISHED);
	}
	flow_table_free(t);
}

/* A closed flow near home goes before a free place is looked for far off. */
static void test_a_closed_flow_is_a_place_nearby(void **state)
{
	struct flow_table *t = flow_table_new(1, secret, -1);
	struct flow_key key = key_of(100);
	struct flow gone;

	(void)state;
	for (uint32_t i = 0; i < 6; i++) /* the next bucket has room */
		lives(t, i, i == 2 ? FLOW_CLOSED : FLOW_ESTABLISHED, 0, 30);
	assert_non_null(added(t, &key, 0, &gone)); /* that one is full, too */
	assert_int_equal(gone.backend, 2);
	flow_table_free(t);
}

static void test_sweeping_takes_out_what_is_over(void **state)
{
	struct flow_table *t = flow_table_new(1000, secret, -1);
	uint32_t buckets = flow_buckets(t), n = 0, sum = 0;
	struct flow gone;

	(void)state;
	for (uint32_t i = 0; i < 600; i++)
		lives(t, i, FLOW_ESTABLISHED, 65530, (uint16_t)(i % 2 == 0 ? 10 : 20));
	while (flow_sweep(t, 65530, NULL, NULL, &buckets, &gone))
		n++;
	assert_int_equal(n, 0);
	assert_int_equal(buckets, 0);
	buckets = flow_buckets(t) / 2;
	while (flow_sweep(t, 4, NULL, NULL, &buckets, &gone)) {
		assert_int_equal(gone.backend % 2, 0);
		sum += gone.backend;
		n++;
	}
	buckets = flow_buckets(t) - flow_buckets(t) / 2;
	while (flow_sweep(t, 4, NULL, NULL, &buckets, &gone)) {
		sum += gone.backend;
		n++;
	}
	assert_int_equal(n, 300);
	assert_int_equal(sum, 300 * 299);
	assert_int_equal(flow_count(t)->flows, 300);
	flow_table_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_flow_is_found_until_it_is_over),
		cmocka_unit_test(test_a_free_place_does_not_live),
		cmocka_unit_test(test_nobody_has_no_flow),
		cmocka_unit_test(test_each_word_of_the_key_counts),
		cmocka_unit_test(test_a_flow_that_comes_again),
		cmocka_unit_test(test_as_a_list_would_have_it),
		cmocka_unit_test(test_max_flows_fit),
		cmocka_unit_test(test_a_flood_drives_out_its_own),
		cmocka_unit_test(test_what_is_worth_less_goes_first),
		cmocka_unit_test(test_a_closed_flow_is_a_place_nearby),
		cmocka_unit_test(test_sweeping_takes_out_what_is_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
