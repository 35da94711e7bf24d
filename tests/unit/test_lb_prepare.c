/* SPDX-License-Identifier: BSD-3-Clause */
/* Tables that are made ahead of an apply, in turns. */
#include "inner.h"
#include "lb_bed.h"

#define SERVICES   8
#define BACKEND(n) FAKE_ADDR(198, 19, 0, 1 + (n))

static struct lb_bed_conf conf;
static struct worker *w;
static struct lb_control *c;

static int set_up(void **state)
{
	(void)state;
	if (eal_for_tests(128) < 0)
		return -1;
	lb_bed_clear(&conf);
	w = lb_bed_new(1, &conf);
	c = w->net->lb->control;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	lb_bed_end(w);
	return 0;
}

/* Tables of the usual size, of which four are made in a turn: each its own, or all the same. */
static void services(bool alike)
{
	lb_bed_clear(&conf);
	for (uint32_t i = 0; i < SERVICES; i++) {
		enum lb_protocol protocol = i % 2 == 0 ? LB_TCP : LB_TCP_AND_UDP;
		struct lb_service_conf *s;
		char name[8];

		snprintf(name, sizeof(name), "s%u", i);
		s = lb_bed_service(
			&conf, name, FAKE_ADDR(198, 18, 0, 100), (uint16_t)(1 + i), protocol);
		s->table_size = 65537;
		lb_bed_backend(s, BACKEND(0), 0, (uint16_t)(alike ? 99 : 1 + i));
		lb_bed_backend(s, BACKEND(1), 0, 1);
	}
	conf.c.max_backends = 2 * SERVICES;
}

/* None; all slots are free again. */
static void nothing(void)
{
	lb_bed_clear(&conf);
	assert_int_equal(lb_bed_apply(w->net, &conf), 0);
	lb_bed_wait(w->net, 62000);
}

static uint32_t used(void)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; i < w->net->lb->n_vservices; i++)
		sum += c->service_used[i];
	for (uint32_t i = 0; i < w->net->lb->n_backends; i++)
		sum += c->backend_used[i];
	for (uint32_t i = 0; i < c->n_vips; i++)
		sum += c->vip[i].addr != 0;
	return sum;
}

/* Applies them: who has each place of each table then, as one number. */
static uint64_t places(void)
{
	const struct lb *lb = w->net->lb;
	uint64_t sum = 0;
	struct lb_running s;

	assert_int_equal(lb_bed_apply(w->net, &conf), 0);
	assert_null(c->prepared);
	for (uint32_t i = 0; lb_service_at(w->net, i, &s); i++)
		for (uint32_t k = 0; k < LB_PROTOS; k++) {
			const struct lb_pick *p =
				s.slot[k] == LB_NOBODY ? NULL
						       : atomic_load(&lb->vservice[s.slot[k]].pick);

			for (uint32_t j = 0; p != NULL && j < p->size; j++)
				sum = (sum ^ lb->backend[p->place[j]].addr ^ i << 8) *
				      UINT64_C(0x100000001b3);
		}
	return sum;
}

/* What comes out is what would have, and nothing is taken meanwhile. */
static void test_same_places(void **state)
{
	uint64_t want;

	(void)state;
	services(false);
	want = places();
	nothing();
	services(false);
	assert_int_equal(used(), 0);
	assert_true(lb_prepare(w->net, &conf.c));
	assert_int_equal(c->n_prepared, 4);
	assert_int_equal(used(), 0);
	assert_false(lb_prepare(w->net, &conf.c));
	assert_int_equal(c->n_prepared, 8);
	assert_int_equal(used(), 0);
	assert_true(places() == want);
	assert_false(lb_prepare(w->net, &conf.c)); /* all stay as they are */
	assert_int_equal(c->n_prepared, 0);
	conf.backend[5][0].admin = LB_DRAIN;
	assert_false(lb_prepare(w->net, &conf.c));
	assert_int_equal(c->n_prepared, 1);
	assert_true(places() != want);
	nothing();
}

/* Services with the same backends have one table. */
static void test_shared(void **state)
{
	uint64_t want;

	(void)state;
	services(true);
	want = places();
	nothing();
	services(true);
	assert_false(lb_prepare(w->net, &conf.c));
	assert_int_equal(c->n_prepared, 1);
	assert_true(places() == want);
	nothing();
}

/* The table that is prepared, with all places the second backend's, so that who has it is seen. */
static void mark(void)
{
	for (uint32_t i = 0; i <= c->prepared_mask; i++)
		for (uint32_t j = 0; c->prepared[i].place != NULL && j < 65537; j++)
			c->prepared[i].place[j] = 1;
}

static bool is_marked(uint32_t i)
{
	const struct lb *lb = w->net->lb;
	const struct lb_pick *p;
	struct lb_running s;

	assert_true(lb_service_at(w->net, i, &s));
	p = atomic_load(&lb->vservice[s.slot[i % 2]].pick);
	for (uint32_t j = 0; j < p->size; j++)
		if (lb->backend[p->place[j]].addr != to_be32(BACKEND(1)))
			return false;
	return true;
}

/* It is for those that are new; others with the same backends have theirs, and take no part. */
static void test_shared_with_others(void **state)
{
	(void)state;
	services(true);
	conf.c.n_services = SERVICES - 2;
	places();
	conf.c.n_services = SERVICES;
	assert_false(lb_prepare(w->net, &conf.c));
	assert_int_equal(c->n_prepared, 1);
	mark();
	places();
	for (uint32_t i = 0; i < SERVICES; i++)
		assert_int_equal(is_marked(i), i >= SERVICES - 2);
	nothing();
}

/* What was made for one apply is no other's, and whoever gives up leaves nothing. */
static void test_for_another(void **state)
{
	uint64_t want;

	(void)state;
	services(true);
	want = places();
	nothing();
	services(false);
	assert_true(lb_prepare(w->net, &conf.c));
	services(true);
	assert_false(lb_prepare(w->net, &conf.c)); /* two at once */
	assert_int_equal(c->n_prepared, 5);
	services(false);
	assert_false(lb_prepare(w->net, &conf.c));
	assert_int_equal(c->n_prepared, 9);
	lb_unprepare(w->net);
	assert_int_equal(c->n_prepared, 0);
	assert_true(lb_prepare(w->net, &conf.c));
	services(true);
	assert_true(places() == want);
	nothing();
}

/* A backend goes down, or drains, in between: what was made of it is not used. */
static void test_states_change(void **state)
{
	struct lb_member *m;
	uint64_t want;

	(void)state;
	services(false);
	places();
	services(false);
	conf.service[1].table_size = 65539;
	assert_false(lb_prepare(w->net, &conf.c));
	assert_int_equal(c->n_prepared, 1);
	m = lb_member_find(w->net, "s1", BACKEND(0), 0);
	lb_set_admin(w->net, m, LB_DRAIN, w->now);
	want = places();
	nothing();
	services(false);
	conf.service[1].table_size = 65539;
	places();
	m = lb_member_find(w->net, "s1", BACKEND(0), 0);
	lb_set_admin(w->net, m, LB_DRAIN, w->now);
	assert_true(places() == want);
	nothing();
}

/* Backends that start slowly have another table a moment later: it is not made ahead. */
static void test_slow_start(void **state)
{
	struct lb_member *m;

	(void)state;
	services(false);
	conf.service[0].slow_start_ms = 3600000;
	places();
	m = lb_member_find(w->net, "s0", BACKEND(0), 0);
	lb_set_health(w->net, m, LB_HEALTH_DOWN, clock_now());
	lb_set_health(w->net, m, LB_HEALTH_UP, clock_now());
	conf.backend[0][1].weight = 7;
	assert_false(lb_prepare(w->net, &conf.c));
	assert_int_equal(c->n_prepared, 0);
	conf.backend[2][1].weight = 7; /* another's is */
	assert_false(lb_prepare(w->net, &conf.c));
	assert_int_equal(c->n_prepared, 1);
	nothing();
}

/* Without room for the services, the build says so. */
static void test_no_room(void **state)
{
	struct errs e = {0};

	(void)state;
	services(false);
	for (uint32_t i = 0; i < SERVICES; i++)
		for (uint32_t k = 2; k < 8; k++)
			lb_bed_backend(&conf.service[i], BACKEND(k), 0, 1);
	assert_false(lb_prepare(w->net, &conf.c));
	assert_int_equal(used(), 0);
	assert_int_equal(lb_build(w->net, &conf.c, &e), -ENOSPC);
	assert_int_equal(e.n, 1);
	assert_null(c->prepared);
	errs_clear(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_places),
		cmocka_unit_test(test_shared),
		cmocka_unit_test(test_shared_with_others),
		cmocka_unit_test(test_for_another),
		cmocka_unit_test(test_states_change),
		cmocka_unit_test(test_slow_start),
		cmocka_unit_test(test_no_room),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
