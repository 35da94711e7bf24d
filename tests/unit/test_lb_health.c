/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Backends' states: what results of checks, flows, operators and time make of them, first as plain
 * values, then with a net whose workers see it. Time is a number.
 */
#include "bed.h"
#include "control.h"
#include "lb/lb.h"

#include <string.h>

#define VIP  IP(198, 18, 0, 100)
#define PORT 80

static struct lb_backend_conf backends[] = {
	{.addr = WAN_NET(1), .port = PORT, .weight = 1},
	{.addr = WAN_NET(2), .port = PORT, .weight = 1},
	{.addr = WAN_NET(3), .port = PORT, .weight = 2},
};
#define N 3

static struct lb_service_conf service;
static struct lb_conf conf;
static struct bed *b;
static unsigned int lines;

void __wrap_log_line(int level, const char *fmt, ...);
void __wrap_log_line(int level, const char *fmt, ...)
{
	(void)level;
	(void)fmt;
	lines++;
}

/* --- values --- */

/* g: a good check, b: a bad one; then the state after each: u(nknown), +, -. */
static void check_states(void **state)
{
	static const struct {
		uint32_t rise, fall;
		const char *checks, *states;
	} rows[] = {
		{2, 3, "g", "+"},     /* the first good one is enough, */
		{2, 3, "bbb", "uu-"}, /* and bad ones are none until they are three */
		{2, 3, "bbgbbb", "uu+++-"}, {2, 3, "gbbgbbb", "++++++-"}, /* in a row */
		{2, 3, "bbbgg", "uu--+"}, {2, 3, "bbbgbgg", "uu----+"}, {1, 1, "gbgb", "+-+-"},
		{0, 0, "gbgb", "+-+-"}, /* no number is not never */
	};

	(void)state;
	for (size_t i = 0; i < RTE_DIM(rows); i++) {
		struct lb_check_conf c = {.rise = rows[i].rise, .fall = rows[i].fall};
		struct lb_learnt l = {0};

		for (size_t k = 0; rows[i].checks[k] != '\0'; k++) {
			bool good = rows[i].checks[k] == 'g';
			enum lb_health before = l.checked;
			bool changed = lb_learn(&l, &c, good ? LB_REASON_NONE : LB_REASON_STATUS,
				good ? 0 : 503, 100, k + 1);

			assert_int_equal("u+-"[l.checked], rows[i].states[k]);
			assert_int_equal(changed, l.checked != before);
		}
		assert_int_equal(l.checks, strlen(rows[i].checks));
	}
}

static void what_a_check_leaves(void **state)
{
	struct lb_check_conf c = {.rise = 1, .fall = 1};
	char text[LB_REASON_TEXT];
	struct lb_learnt l = {0};

	(void)state;
	lb_learn(&l, &c, LB_REASON_NONE, 0, 800, 5);
	assert_int_equal(l.last_us, 800);
	assert_int_equal(l.mean_us, 800);
	lb_learn(&l, &c, LB_REASON_NONE, 0, 1600, 6);
	assert_int_equal(l.last_us, 1600);
	assert_int_equal(l.mean_us, 900);
	assert_int_equal(l.failed_at, 0);
	lb_learn(&l, &c, LB_REASON_STATUS, 503, 20, 7);
	assert_int_equal(l.last_us, 1600); /* a failure says nothing of how quick it is */
	assert_int_equal(l.failed_at, 7);
	assert_int_equal(l.fails, 1);
	assert_string_equal(lb_reason_text(l.reason, l.detail, text), "status 503");
	assert_string_equal(lb_reason_text(LB_REASON_REFUSED, 0, text), "connection refused");
	assert_string_equal(lb_reason_text(LB_REASON_FLOWS_SILENT, 7, text),
		"7 flows in a row without an answer");
	assert_string_equal(lb_reason_text(LB_REASONS_N, 0, text), "");
	lb_learn(&l, &c, LB_REASON_NONE, 0, 0, 8);
	assert_int_equal(l.last_us, 1); /* 0 is none */
}

static void flows_refused(void **state)
{
	struct lb_count c = {.opened = 100, .answered = 90, .refused = 10};
	struct lb_passive p = {0};
	bool silent;

	(void)state;
	assert_int_equal(lb_passive_look(&p, &c, &silent), 0); /* what was before counts not */
	c.opened = 104, c.refused = 14;
	assert_int_equal(lb_passive_look(&p, &c, &silent), 4);
	assert_false(silent);
	assert_int_equal(lb_passive_look(&p, &c, &silent), 4);
	c.opened = 106, c.refused = 15, c.answered = 91; /* one that was answered among them */
	assert_int_equal(lb_passive_look(&p, &c, &silent), 0);
	c.opened = 107, c.refused = 16;
	assert_int_equal(lb_passive_look(&p, &c, &silent), 1);
}

static void flows_silent(void **state)
{
	struct lb_count c = {.opened = 10, .answered = 10};
	struct lb_passive p = {0};
	bool silent;

	(void)state;
	lb_passive_look(&p, &c, &silent);
	c.opened = 15;
	for (uint32_t i = 0; i < LB_PASSIVE_SAMPLES - 1; i++) /* they may still be answered */
		assert_int_equal(lb_passive_look(&p, &c, &silent), 0);
	assert_int_equal(lb_passive_look(&p, &c, &silent), 5);
	assert_true(silent);
	c.answered = 11;
	assert_int_equal(lb_passive_look(&p, &c, &silent), 0);
}

/* --- a net --- */

static struct lb_member *member(uint32_t i)
{
	return lb_member_find(b->net, "shop", WAN_NET(1 + i), 0);
}

static const struct lb_backend *backend(uint32_t i)
{
	return &b->net->lb->backend[member(i)->slot[0]];
}

static void apply(void)
{
	struct errs e = {0};

	assert_int_equal(lb_build(b->net, &conf, &e), 0);
	lb_publish(b->net, b->now);
	lb_retire(b->net);
}

static void wait_ms(uint32_t ms)
{
	for (; ms > 0; ms -= RTE_MIN(ms, 50u)) {
		b->now += clock_of_ms(RTE_MIN(ms, 50u));
		lb_tick(b->net, b->now);
		epoch_poll(b->net->epoch);
	}
}

static void checked(uint32_t i, enum lb_reason reason)
{
	struct event e = {.kind = EVENT_CHECKED, .reason = reason};

	e.check.slot = member(i)->slot[0];
	e.check.latency_us = 100;
	lb_checked(b->net, &e, b->now);
	wait_ms(50);
}

/* Which backends get flows: a letter each, and what is in the table. */
static void expect_open(const char *open)
{
	const struct lb_pick *pick =
		atomic_load(&b->net->lb->vservice[lb_svc_of(member(0))->slot[0]].pick);
	uint32_t n = 0;

	for (uint32_t i = 0; i < N; i++) {
		bool is_open = backend(i)->state == LB_BACKEND_OPEN, in_table = false;

		for (uint32_t k = 0; k < pick->size; k++)
			in_table |= pick->place[k] == member(i)->slot[0];
		assert_int_equal(is_open, open[i] == 'o');
		assert_int_equal(is_open, in_table);
		assert_int_equal(is_open, member(i)->effective > 0);
		n += is_open;
	}
	assert_int_equal(pick->n, n);
}

static int set_up(void **state)
{
	(void)state;
	service = (struct lb_service_conf){.name = "shop",
		.addr = VIP,
		.port = PORT,
		.last_port = PORT,
		.protocol = LB_TCP,
		.scheduler = LB_ROUND_ROBIN,
		.keep = true,
		.table_size = 251,
		.check = {.kind = LB_CHECK_TCP, .rise = 2, .fall = 3},
		.n_backends = N,
		.backends = backends};
	for (uint32_t i = 0; i < N; i++)
		backends[i].admin = LB_ENABLED;
	conf = (struct lb_conf){.n_services = 1,
		.services = &service,
		.max_flows = 64,
		.max_services = 2,
		.max_backends = 8};
	b = bed_new(1);
	b->now = clock_now();
	assert_int_equal(lb_attach(b->net, &conf), 0);
	apply();
	lines = 0;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	epoch_drain(b->net->epoch);
	lb_detach(b->net);
	bed_rest(b);
	bed_free(b);
	return 0;
}

static void unknown_ones_get_flows_while_nobody_is_up(void **state)
{
	(void)state;
	expect_open("ooo");
	checked(1, LB_REASON_NONE);
	expect_open(".o.");
	checked(2, LB_REASON_NONE);
	expect_open(".oo");
	checked(1, LB_REASON_REFUSED);
	checked(1, LB_REASON_REFUSED);
	expect_open(".oo");
	checked(1, LB_REASON_REFUSED);
	expect_open("..o");
	for (int i = 0; i < 3; i++)
		checked(2, LB_REASON_TIMEOUT);
	expect_open("o.."); /* nobody has said that it is down */
	for (int i = 0; i < 3; i++)
		checked(0, LB_REASON_TIMEOUT);
	expect_open("...");
	assert_int_equal(member(0)->health, LB_HEALTH_DOWN);
	checked(1, LB_REASON_NONE);
	expect_open("...");
	checked(1, LB_REASON_NONE);
	expect_open(".o.");
}

static void what_is_learnt_survives_an_apply(void **state)
{
	(void)state;
	checked(0, LB_REASON_NONE);
	for (int i = 0; i < 3; i++)
		checked(1, LB_REASON_REFUSED);
	service.port = service.last_port = PORT; /* and one more backend */
	service.n_backends = 2;
	apply();
	assert_int_equal(member(1)->health, LB_HEALTH_DOWN);
	assert_int_equal(member(1)->learnt.checks, 3);
	service.n_backends = N;
	apply();
	assert_int_equal(member(1)->health, LB_HEALTH_DOWN);
	assert_int_equal(member(2)->health, LB_HEALTH_UNKNOWN);
	expect_open("o.."); /* the new one waits for its first check */
	service.check.kind = LB_CHECK_NONE;
	apply();
	wait_ms(300);
	expect_open("ooo"); /* nobody asks any more */
}

static void results_of_what_is_not_checked(void **state)
{
	struct event e = {.kind = EVENT_CHECKED, .reason = LB_REASON_TIMEOUT};

	(void)state;
	e.check.slot = UINT16_MAX;
	lb_checked(b->net, &e, b->now);
	e.check.slot = (uint16_t)b->net->lb->n_backends; /* for the sanitizer */
	lb_checked(b->net, &e, b->now);
	e.check.slot = 7; /* nobody's */
	lb_checked(b->net, &e, b->now);
	lb_set_admin(b->net, member(0), LB_MAINTENANCE, b->now);
	for (int i = 0; i < 3; i++)
		checked(0, LB_REASON_TIMEOUT);
	assert_int_equal(member(0)->learnt.checks, 0);
	assert_int_equal(lines, 0);
}

static void maintenance_forgets(void **state)
{
	uint64_t version = lb_version(b->net);

	(void)state;
	checked(0, LB_REASON_NONE);
	checked(1, LB_REASON_NONE);
	expect_open("oo.");
	lb_set_admin(b->net, member(0), LB_MAINTENANCE, b->now);
	assert_int_not_equal(lb_version(b->net), version);
	expect_open(".o.");
	version = lb_version(b->net);
	lb_set_admin(b->net, member(0), LB_ENABLED, b->now);
	assert_int_not_equal(lb_version(b->net), version);
	expect_open(".o."); /* until its first check */
	checked(0, LB_REASON_NONE);
	expect_open("oo.");
}

/* The same, where the file says it. */
static void maintenance_by_the_file_forgets(void **state)
{
	(void)state;
	checked(0, LB_REASON_NONE);
	checked(1, LB_REASON_NONE);
	backends[0].admin = LB_MAINTENANCE;
	apply();
	wait_ms(300);
	expect_open(".o.");
	backends[0].admin = LB_ENABLED;
	apply();
	wait_ms(300);
	expect_open(".o.");
	checked(0, LB_REASON_NONE);
	expect_open("oo.");
}

static void panic(void **state)
{
	(void)state;
	service.panic = 50;
	apply();
	for (uint32_t i = 0; i < N; i++)
		checked(i, LB_REASON_NONE);
	expect_open("ooo");
	for (int i = 0; i < 3; i++)
		checked(0, LB_REASON_REFUSED);
	expect_open(".oo");
	for (int i = 0; i < 3; i++)
		checked(1, LB_REASON_REFUSED);
	expect_open("..o"); /* half of the weight */
	for (int i = 0; i < 3; i++)
		checked(2, LB_REASON_REFUSED);
	expect_open("ooo");
	checked(2, LB_REASON_NONE);
	checked(2, LB_REASON_NONE);
	expect_open("..o");
}

static void slow_start(void **state)
{
	uint32_t last = 0;

	(void)state;
	service.slow_start_ms = 10000;
	apply();
	for (uint32_t i = 0; i < N; i++)
		checked(i, LB_REASON_NONE);
	for (uint32_t i = 0; i < N; i++) /* a service that begins does not wait */
		assert_int_equal(member(i)->parts, backends[i].weight);
	for (int i = 0; i < 3; i++)
		checked(2, LB_REASON_REFUSED);
	expect_open("oo.");
	checked(2, LB_REASON_NONE);
	checked(2, LB_REASON_NONE);
	expect_open("ooo");
	assert_true(member(2)->parts * 10 < member(0)->parts);
	assert_int_equal(member(2)->effective, 1);
	for (int i = 0; i < 9; i++) {
		wait_ms(1100);
		assert_true(member(2)->parts > last);
		last = member(2)->parts;
		expect_open("ooo");
	}
	wait_ms(2200);
	for (uint32_t i = 0; i < N; i++)
		assert_int_equal(member(i)->parts, backends[i].weight);
}

static void a_drain_has_its_time(void **state)
{
	(void)state;
	service.drain_ms = 5000;
	apply();
	for (uint32_t i = 0; i < N; i++)
		checked(i, LB_REASON_NONE);
	lb_set_admin(b->net, member(0), LB_DRAIN, b->now);
	lb_set_weight(b->net, member(1), 0, b->now);
	expect_open("..o");
	wait_ms(4500);
	assert_int_equal(backend(0)->state, LB_BACKEND_CLOSED);
	assert_int_equal(backend(1)->state, LB_BACKEND_CLOSED); /* its datagrams stay, too */
	apply();						/* which is no new begin */
	wait_ms(1000);
	assert_int_equal(backend(0)->state, LB_BACKEND_ENDED);
	assert_int_equal(backend(1)->state, LB_BACKEND_ENDED);
	lb_set_admin(b->net, member(0), LB_ENABLED, b->now);
	expect_open("o.o");
	lb_set_admin(b->net, member(0), LB_DRAIN, b->now);
	assert_int_equal(backend(0)->state, LB_BACKEND_CLOSED);
}

static void flows_hold_a_backend_down(void **state)
{
	struct lb_count *c;

	(void)state;
	service.passive_fails = 3;
	service.passive_hold_ms = 2000;
	apply();
	for (uint32_t i = 0; i < N; i++)
		checked(i, LB_REASON_NONE);
	wait_ms(300);
	c = &b->w->lb->backend[member(1)->slot[0]];
	c->opened += 2, c->refused += 2;
	wait_ms(300);
	expect_open("ooo");
	c->opened++, c->refused++;
	wait_ms(300);
	expect_open("o.o");
	assert_int_equal(member(1)->learnt.reason, LB_REASON_FLOWS_REFUSED);
	checked(1, LB_REASON_NONE); /* its check is well all the time */
	expect_open("o.o");
	wait_ms(2500);
	expect_open("ooo"); /* and the count begins anew */
	c->opened += 3;
	wait_ms(2500);
	expect_open("ooo");
	wait_ms(1200);
	expect_open("o.o");
	assert_int_equal(member(1)->learnt.reason, LB_REASON_FLOWS_SILENT);
}

/* Flows count from the apply on that wants them looked at; without that, nothing holds a backend.
 */
static void flows_are_looked_at_while_the_file_says_so(void **state)
{
	struct lb_count *c = &b->w->lb->backend[member(1)->slot[0]];

	(void)state;
	for (uint32_t i = 0; i < N; i++)
		checked(i, LB_REASON_NONE);
	c->opened += 100, c->refused += 100;
	service.passive_fails = 3;
	service.passive_hold_ms = 3600000;
	apply();
	wait_ms(600);
	expect_open("ooo");
	service.passive_fails = 0;
	apply();
	service.passive_fails = 3;
	apply();
	c->opened += 3, c->refused += 3; /* before the first look */
	wait_ms(600);
	expect_open("o.o");
	service.passive_fails = 0;
	apply();
	wait_ms(300);
	expect_open("ooo");
}

/* Tables so large that a tick builds one of them: who changes all the time does not keep others. */
static void services_take_turns(void **state)
{
	static struct lb_service_conf two[2];
	struct event e = {.kind = EVENT_CHECKED, .reason = LB_REASON_REFUSED};
	const struct lb_member *other;

	(void)state;
	service.check.rise = service.check.fall = 1;
	service.table_size = 262147;
	two[0] = two[1] = service;
	two[1].addr++;
	snprintf(two[1].name, sizeof(two[1].name), "other");
	conf.services = two;
	conf.n_services = 2;
	apply();
	other = lb_member_find(b->net, "other", WAN_NET(1), 0);
	e.check.slot = other->slot[0];
	lb_checked(b->net, &e, b->now);
	for (int i = 0; i < 4; i++)
		checked(0, i % 2 == 0 ? LB_REASON_REFUSED : LB_REASON_NONE);
	assert_int_equal(b->net->lb->backend[other->slot[0]].state, LB_BACKEND_DOWN);
}

/* A line for a change, and not for all of too many. */
static void lines_are_bounded(void **state)
{
	(void)state;
	checked(0, LB_REASON_NONE);
	assert_int_equal(lines, 1);
	checked(0, LB_REASON_NONE);
	assert_int_equal(lines, 1);
	service.check.rise = service.check.fall = 1;
	apply();
	lines = 0;
	for (int i = 0; i < 200; i++) {
		struct event e = {.kind = EVENT_CHECKED, .reason = i % 2 ? 0 : LB_REASON_TIMEOUT};

		e.check.slot = member(0)->slot[0];
		lb_checked(b->net, &e, b->now);
		lb_tick(b->net, b->now);
	}
	assert_in_range(lines, 10, 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(check_states),
		cmocka_unit_test(what_a_check_leaves),
		cmocka_unit_test(flows_refused),
		cmocka_unit_test(flows_silent),
#define ON_NET(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		ON_NET(unknown_ones_get_flows_while_nobody_is_up),
		ON_NET(what_is_learnt_survives_an_apply),
		ON_NET(results_of_what_is_not_checked),
		ON_NET(maintenance_forgets),
		ON_NET(maintenance_by_the_file_forgets),
		ON_NET(panic),
		ON_NET(slow_start),
		ON_NET(a_drain_has_its_time),
		ON_NET(flows_hold_a_backend_down),
		ON_NET(flows_are_looked_at_while_the_file_says_so),
		ON_NET(services_take_turns),
		ON_NET(lines_are_bounded),
	};

	if (eal_for_tests(128) < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
