/* SPDX-License-Identifier: BSD-3-Clause */
/* Applies: what keeps its slot and what it has learnt, what is given up and when it comes back. */
#include "inner.h"
#include "lb_bed.h"

#define VIP(n)	   FAKE_ADDR(198, 18, 0, 100 + (n))
#define BACKEND(n) FAKE_ADDR(198, 19, 0, 1 + (n))

static struct lb_bed_conf conf;
static struct worker *w;

static int set_up(void **state)
{
	(void)state;
	if (eal_for_tests(128) < 0)
		return -1;
	lb_bed_clear(&conf);
	w = lb_bed_new(2, &conf);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	lb_bed_end(w);
	return 0;
}

static void apply(void)
{
	assert_int_equal(lb_bed_apply(w->net, &conf), 0);
}

static const struct lb_svc *service(const char *name)
{
	const struct lb_plan *p = w->net->lb->control->plan;

	for (uint32_t i = 0; i < p->conf.n_services; i++)
		if (strcmp(p->services[i].conf.name, name) == 0)
			return &p->services[i];
	fail_msg("no service %s", name);
	return NULL;
}

static uint16_t backend_slot(const char *name, uint32_t addr)
{
	const struct lb_member *m = lb_member_find(w->net, name, addr, 0);

	return m == NULL ? LB_NOBODY : m->slot[0];
}

static uint32_t used(const bool *slot, uint32_t n)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; i < n; i++)
		sum += slot[i];
	return sum;
}

static void expect_used(uint32_t services, uint32_t backends)
{
	const struct lb *lb = w->net->lb;

	assert_int_equal(used(lb->control->service_used, lb->n_vservices), services);
	assert_int_equal(used(lb->control->backend_used, lb->n_backends), backends);
}

/* Two rounds of every worker, and a while. */
static void rounds(void)
{
	lb_bed_wait(w->net, 62000);
	assert_null(w->net->lb->control->leaving);
}

static void nothing(void)
{
	lb_bed_clear(&conf);
	apply();
	rounds();
	expect_used(0, 0);
}

static void two_services(void)
{
	struct lb_service_conf *s;

	lb_bed_clear(&conf);
	s = lb_bed_service(&conf, "a", VIP(0), 80, LB_TCP);
	lb_bed_backend(s, BACKEND(0), 0, 1);
	lb_bed_backend(s, BACKEND(1), 0, 1);
	s = lb_bed_service(&conf, "b", VIP(0), 443, LB_TCP);
	lb_bed_backend(s, BACKEND(0), 0, 1);
}

static void test_slots_stay(void **state)
{
	uint16_t a, b, first;

	(void)state;
	two_services();
	apply();
	expect_used(2, 3);
	a = service("a")->slot[0];
	b = service("b")->slot[0];
	first = backend_slot("a", BACKEND(0));
	assert_int_not_equal(a, b);
	assert_int_not_equal(first, backend_slot("b", BACKEND(0)));
	for (int i = 0; i < 5; i++) {
		apply();
		expect_used(2, 3);
		assert_int_equal(service("a")->slot[0], a);
		assert_int_equal(service("b")->slot[0], b);
		assert_int_equal(backend_slot("a", BACKEND(0)), first);
	}
	nothing();
}

static const struct lb_pick *pick_of(const char *name)
{
	return atomic_load(&w->net->lb->vservice[service(name)->slot[0]].pick);
}

/* Tables take milliseconds each: only those of services that have changed are made anew. */
static void test_tables_stay(void **state)
{
	const struct lb_pick *a, *b;

	(void)state;
	for (int i = 0; i < 7; i++) {
		two_services();
		apply();
		a = pick_of("a");
		b = pick_of("b");
		conf.backend[0][1].weight = i == 1 ? 2 : 1;
		conf.backend[0][1].addr = BACKEND(i == 2 ? 2 : 1);
		conf.backend[0][1].admin = i == 3 ? LB_DRAIN : LB_ENABLED;
		conf.service[0].scheduler = i == 4 ? LB_ROUND_ROBIN : LB_MAGLEV;
		conf.service[0].table_size = i == 5 ? 257 : 251;
		conf.service[0].mode = i == 6 ? LB_FULL_NAT : LB_NAT; /* other slots */
		apply();
		assert_int_equal(pick_of("a") == a, i == 0);
		assert_ptr_equal(pick_of("b"), b);
		nothing();
	}
}

/* What is not in force yet is no reason to leave a table as it is, and what is back is one. */
static void test_tables_of_builds_that_fail(void **state)
{
	const struct lb_pick *a;

	(void)state;
	two_services();
	apply();
	a = pick_of("a");
	conf.backend[0][1].weight = 2;
	assert_int_equal(lb_build(w->net, &conf.c, NULL), 0);
	lb_abandon(w->net);
	assert_ptr_equal(pick_of("a"), a);
	conf.backend[0][1].weight = 1;
	apply();
	assert_ptr_equal(pick_of("a"), a);
	conf.backend[0][1].weight = 2;
	apply();
	assert_ptr_not_equal(pick_of("a"), a);
	nothing();
}

/* Names or ports change, and who keeps one of them keeps its slot; nobody shares one. */
static void test_identity(void **state)
{
	static const struct {
		const char *name[2];
		uint16_t port[2];
		int was[2]; /* whose slot each has now; -1: a new one */
	} cases[] = {
		{{"a", "b"}, {80, 443}, {0, 1}},
		{{"b", "a"}, {443, 80}, {1, 0}},
		{{"c", "d"}, {80, 443}, {0, 1}},    /* other names */
		{{"a", "b"}, {8080, 8443}, {0, 1}}, /* other ports */
		{{"b", "a"}, {80, 443}, {0, 1}},    /* names are exchanged: clients see ports */
		{{"c", "a"}, {80, 8080}, {0, -1}},  /* a's port has gone to c */
		{{"a", "c"}, {8080, 80}, {-1, 0}},
		{{"a", "b"}, {443, 80}, {1, 0}},
		{{"a", "c"}, {443, 8080}, {1, -1}},
	};

	(void)state;
	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		uint16_t slot[2];

		two_services();
		apply();
		slot[0] = service("a")->slot[0];
		slot[1] = service("b")->slot[0];
		lb_bed_clear(&conf);
		for (int k = 0; k < 2; k++)
			lb_bed_backend(lb_bed_service(&conf, cases[i].name[k], VIP(0),
					       cases[i].port[k], LB_TCP),
				BACKEND(0), 0, 1);
		apply();
		for (int k = 0; k < 2; k++) {
			uint16_t now = service(cases[i].name[k])->slot[0];
			int was = now == slot[0] ? 0 : now == slot[1] ? 1 : -1;

			if (was != cases[i].was[k])
				fail_msg("case %zu: service %d has the slot of %d", i, k, was);
		}
		nothing();
	}
}

/* Service i of several at each address, with two backends; the other way round, all is. */
static void eight_services(bool reversed)
{
	lb_bed_clear(&conf);
	for (uint32_t i = 0; i < 8; i++) {
		uint32_t n = reversed ? 7 - i : i;
		char name[8];
		struct lb_service_conf *s;

		snprintf(name, sizeof(name), "s%u", n);
		s = lb_bed_service(
			&conf, name, VIP(n % 3), n < 6 ? 80 : 81, n < 3 ? LB_TCP : LB_UDP);
		lb_bed_backend(s, BACKEND(reversed), 0, 1);
		lb_bed_backend(s, BACKEND(!reversed), 0, 1);
	}
}

/* In whatever order a file has them, all keep their slots and indexes, and so does each backend. */
static void test_order(void **state)
{
	uint16_t slot[8], vip[8], backend[8][2];
	char name[8];

	(void)state;
	eight_services(false);
	apply();
	for (int turn = 0; turn < 3; turn++) {
		for (uint32_t i = 0; i < 8; i++) {
			uint32_t k = i < 3 ? 0 : 1;
			const struct lb_svc *s;

			snprintf(name, sizeof(name), "s%u", i);
			s = service(name);
			for (uint32_t j = 0; j < 2; j++) {
				uint16_t now = lb_member_find(w->net, name, BACKEND(j), 0)->slot[k];

				assert_true(turn == 0 || now == backend[i][j]);
				backend[i][j] = now;
			}
			assert_true(turn == 0 || (s->slot[k] == slot[i] && s->vip == vip[i]));
			slot[i] = s->slot[k];
			vip[i] = s->vip;
			assert_int_equal(vip[i], vip[i % 3]);
		}
		eight_services(turn % 2 == 0);
		apply();
	}
	expect_used(8, 16);
	nothing();
}

/* Given up at an apply, nobody's until every worker has gone round twice. */
static void test_slots_come_back(void **state)
{
	uint16_t gone;

	(void)state;
	two_services();
	apply();
	gone = backend_slot("a", BACKEND(1));
	conf.service[0].n_backends = 1;
	apply();
	assert_int_equal(w->net->lb->backend[gone].state, LB_BACKEND_ENDED);
	expect_used(2, 3);
	for (int i = 0; i < 240 && w->net->lb->control->leaving != NULL; i++) {
		/* one worker stands still: nothing comes back */
		w->now += clock_of_ms(250);
		lb_time(w);
		lb_tick(w->net, w->now);
		assert_non_null(w->net->lb->control->leaving);
	}
	rounds();
	expect_used(2, 2);
	assert_int_equal(w->net->lb->backend[gone].state, LB_BACKEND_FREE);
	nothing();
}

/* Where no flow is, none names a slot: there is nothing to wait for. */
static void test_slots_of_no_flows(void **state)
{
	(void)state;
	two_services();
	apply();
	conf.service[0].n_backends = 1;
	apply();
	assert_non_null(w->net->lb->control->leaving);
	lb_bed_wait(w->net, 1000);
	assert_null(w->net->lb->control->leaving);
	expect_used(2, 2);
	nothing();
}

static void test_builds_that_fail_change_nothing(void **state)
{
	const struct lb_plan *before;
	const struct lb_match *match;
	uint16_t a;

	(void)state;
	two_services();
	apply();
	before = w->net->lb->control->plan;
	match = atomic_load(&w->net->lb->match);
	a = service("a")->slot[0];
	for (int i = 0; i < 3; i++) {
		struct lb_service_conf *s = NULL;

		two_services();
		if (i == 0) /* more backends than slots */
			for (uint32_t k = 0; k < 2; k++)
				for (uint32_t j = 0; j < BED_BACKENDS; j++) {
					s = j == 0 ? lb_bed_service(&conf, k ? "x" : "y",
							     VIP(5 + k), 80, LB_TCP_AND_UDP)
						   : s;
					lb_bed_backend(s, BACKEND(10 + j), 0, 1);
				}
		else
			for (uint32_t k = 0; k < 12; k++) { /* more services */
				char name[8];

				snprintf(name, sizeof(name), "s%u", k);
				lb_bed_service(&conf, name, VIP(5 + (i == 1 ? k : 0)),
					(uint16_t)(1000 + k), LB_TCP_AND_UDP);
			}
		assert_int_equal(lb_bed_apply(w->net, &conf), -ENOSPC);
		assert_ptr_equal(w->net->lb->control->plan, before);
		assert_ptr_equal(atomic_load(&w->net->lb->match), match);
		expect_used(2, 3);
		assert_int_equal(service("a")->slot[0], a);
		assert_int_equal(fib_entry_kind(fib4_lookup(w->net->fib, VIP(5))), FIB_GLEAN);
	}
	nothing();
}

/* Builds that fail, each with an address of its own, take none for ever. */
static void test_addresses_of_builds_that_fail(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 4 * w->net->lb->control->max_vips; i++) {
		two_services();
		conf.service[0].addr += i;
		for (uint32_t j = 0; j < BED_BACKENDS - 2; j++)
			lb_bed_backend(&conf.service[1], BACKEND(10 + j), 0, 1);
		assert_int_equal(lb_bed_apply(w->net, &conf), -ENOSPC);
	}
	two_services();
	conf.service[0].addr = conf.service[1].addr = VIP(0) - 1; /* one that none of them had */
	apply();
	nothing();
}

/* A name that moves to another address is another service there: clients' flows are not its. */
static void test_a_name_at_another_address(void **state)
{
	uint16_t slot;

	(void)state;
	two_services();
	apply();
	slot = service("a")->slot[0];
	conf.service[0].addr = VIP(3);
	apply();
	assert_int_not_equal(service("a")->slot[0], slot);
	nothing();
}

/* Each protocol has a slot of its own; one that comes or goes leaves the other's alone. */
static void test_protocols(void **state)
{
	uint16_t tcp, udp;

	(void)state;
	lb_bed_clear(&conf);
	lb_bed_backend(lb_bed_service(&conf, "a", VIP(0), 53, LB_TCP_AND_UDP), BACKEND(0), 0, 1);
	apply();
	expect_used(2, 2);
	tcp = service("a")->slot[0];
	udp = service("a")->slot[1];
	assert_int_not_equal(tcp, udp);
	conf.service[0].protocol = LB_UDP;
	apply();
	assert_int_equal(service("a")->slot[0], LB_NOBODY);
	assert_int_equal(service("a")->slot[1], udp);
	assert_int_equal(w->net->lb->vservice[tcp].kind, LB_SLOT_ENDED);
	conf.service[0].protocol = LB_TCP_AND_UDP;
	apply();
	assert_int_not_equal(service("a")->slot[0], tcp); /* not yet */
	assert_int_equal(service("a")->slot[1], udp);
	rounds();
	expect_used(2, 2);
	nothing();
}

/* What was learnt of a backend, and what an operator said until the file says something new. */
static void test_members_inherit(void **state)
{
	struct lb_member *m;

	(void)state;
	two_services();
	apply();
	m = lb_member_find(w->net, "a", BACKEND(0), 0);
	lb_set_health(w->net, m, LB_HEALTH_DOWN, w->now);
	lb_set_weight(w->net, m, 7, w->now);
	m = lb_member_find(w->net, "a", BACKEND(1), 0);
	lb_set_admin(w->net, m, LB_DRAIN, w->now);
	apply();
	m = lb_member_find(w->net, "a", BACKEND(0), 0);
	assert_int_equal(m->health, LB_HEALTH_DOWN);
	assert_int_equal(m->weight, 7);
	assert_int_equal(w->net->lb->backend[m->slot[0]].state, LB_BACKEND_DOWN);
	m = lb_member_find(w->net, "a", BACKEND(1), 0);
	assert_int_equal(m->admin, LB_DRAIN);
	m = lb_member_find(w->net, "b", BACKEND(0), 0); /* another service's */
	assert_int_equal(m->health, LB_HEALTH_UNKNOWN);
	conf.backend[0][0].weight = 3;
	conf.backend[0][1].admin = LB_MAINTENANCE;
	apply();
	assert_int_equal(lb_member_find(w->net, "a", BACKEND(0), 0)->weight, 3);
	assert_int_equal(lb_member_find(w->net, "a", BACKEND(1), 0)->admin, LB_MAINTENANCE);
	nothing();
}

/* Who has a slot is not told what another did with it. */
static void test_counts_are_ones_own(void **state)
{
	uint16_t backend, slot;

	(void)state;
	two_services();
	conf.c.n_services = 1;
	apply();
	backend = backend_slot("a", BACKEND(1));
	slot = service("a")->slot[0];
	w->lb->backend[backend].opened += 5;
	w->lb->service[slot].packets_in += 9;
	w->net->worker[1]->lb->backend[backend].opened += 2;
	assert_int_equal(lb_backend_count(w->net, backend).opened, 7);
	assert_int_equal(lb_service_count(w->net, slot).packets_in, 9);
	apply();
	assert_int_equal(lb_backend_count(w->net, backend).opened, 7); /* it is the same one */
	nothing();
	two_services();
	apply();
	assert_int_equal(backend_slot("a", BACKEND(1)), backend);
	assert_int_equal(lb_backend_count(w->net, backend).opened, 0);
	assert_int_equal(lb_service_count(w->net, slot).packets_in, 0);
	w->lb->backend[backend].opened++;
	assert_int_equal(lb_backend_count(w->net, backend).opened, 1);
	nothing();
}

/* The index of an address is its own while packets may carry it; its route comes and goes. */
static void test_addresses(void **state)
{
	fib_entry e;

	(void)state;
	two_services();
	apply();
	e = fib4_lookup(w->net->fib, VIP(0));
	assert_int_equal(fib_entry_kind(e), FIB_SERVICE);
	assert_true(fib_entry_index(e) & FIB_SERVICE_ARP);
	apply();
	assert_int_equal(fib4_lookup(w->net->fib, VIP(0)), e);
	conf.service[0].takeover = true; /* as b has it, who is not: it is answered for */
	apply();
	assert_true(fib_entry_index(fib4_lookup(w->net->fib, VIP(0))) & FIB_SERVICE_ARP);
	conf.service[1].takeover = true;
	apply();
	assert_false(fib_entry_index(fib4_lookup(w->net->fib, VIP(0))) & FIB_SERVICE_ARP);
	conf.service[0].takeover = false;
	apply();
	assert_true(fib_entry_index(fib4_lookup(w->net->fib, VIP(0))) & FIB_SERVICE_ARP);
	for (uint32_t i = 0; i < 200; i++) { /* no index is lost */
		conf.service[0].addr = VIP(i % 2);
		conf.service[1].addr = VIP(2 + i % 2);
		apply();
		lb_bed_wait(w->net, 500);
		assert_int_equal(fib_entry_kind(fib4_lookup(w->net->fib, VIP(i % 2))), FIB_SERVICE);
		assert_int_equal(
			fib_entry_kind(fib4_lookup(w->net->fib, VIP(1 - i % 2))), FIB_GLEAN);
		rounds();
	}
	nothing();
	assert_int_equal(fib_entry_kind(fib4_lookup(w->net->fib, VIP(0))), FIB_GLEAN);
}

/* Whatever changes for long, and whether a build fails: in the end, nothing is lost. */
static void test_many_applies(void **state)
{
	struct lb_addr_conf addr = {.addr = VIP(8)};
	struct lb_pool_conf pool = {.name = "p", .n = 1, .addrs = &addr};
	struct lb_masquerade_conf out = {.name = "m", .depth = 24, .addr = VIP(9), .out = "none"};
	uint32_t failed = 0;

	(void)state;
	for (uint32_t i = 0; i < 300; i++) {
		two_services();
		conf.c.n_services = i % 3;
		conf.service[0].addr = VIP(i % 5);
		conf.service[0].protocol = 1 + i % 3;
		conf.service[0].mode = i % 2 ? LB_FULL_NAT : LB_NAT;
		snprintf(conf.service[0].pool, LB_NAME, "%s", i % 2 ? "p" : "");
		conf.backend[0][1].addr = BACKEND(i % 7);
		pool.port = out.port = (uint16_t)(1024 + i % 11);
		pool.last_port = out.last_port = 2047;
		conf.c.pools = &pool;
		conf.c.n_pools = i % 4 > 0;
		conf.c.masquerades = &out;
		conf.c.n_masquerades = i % 5 > 1;
		if (i % 6 == 0) { /* this one is not wanted after all */
			assert_int_equal(lb_build(w->net, &conf.c, NULL), 0);
			lb_abandon(w->net);
		}
		if (i % 10 == 9) /* more than there is room for */
			while (conf.c.n_services < BED_SERVICES)
				lb_bed_service(&conf, "x", VIP(20), (uint16_t)conf.c.n_services,
					LB_TCP_AND_UDP);
		failed += lb_bed_apply(w->net, &conf) == -ENOSPC;
		lb_bed_wait(w->net, 1000);
	}
	assert_int_equal(failed, 30);
	nothing();
	for (uint32_t i = 0; i < LB_POOL_MAX; i++)
		assert_false(w->net->lb->control->nat[i].used);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_slots_stay),
		cmocka_unit_test(test_tables_stay),
		cmocka_unit_test(test_tables_of_builds_that_fail),
		cmocka_unit_test(test_identity),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_slots_come_back),
		cmocka_unit_test(test_slots_of_no_flows),
		cmocka_unit_test(test_builds_that_fail_change_nothing),
		cmocka_unit_test(test_addresses_of_builds_that_fail),
		cmocka_unit_test(test_a_name_at_another_address),
		cmocka_unit_test(test_protocols),
		cmocka_unit_test(test_members_inherit),
		cmocka_unit_test(test_counts_are_ones_own),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_many_applies),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
