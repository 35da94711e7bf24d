/* SPDX-License-Identifier: BSD-3-Clause */
/* Who gets new flows: each scheduler's shares, turns and prices, health, panic and slow start. */
#include "inner.h"
#include "lb_bed.h"

#define WEB	   FAKE_ADDR(198, 18, 0, 100)
#define BACKEND(n) FAKE_ADDR(198, 19, 1, 1 + (n))

enum { FLOWS = 10000, MOST = 8 };

static struct lb_bed_conf conf;
static struct worker *w;
static uint8_t frame[FRAME_MAX];

static int set_up(void **state)
{
	(void)state;
	if (eal_for_tests(128) < 0)
		return -1;
	lb_bed_clear(&conf);
	conf.c.max_flows = 2 * FLOWS;
	w = lb_bed_new(1, &conf);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	lb_bed_end(w);
	return 0;
}

static void with(enum lb_scheduler scheduler, const uint16_t *weight, uint32_t n)
{
	struct lb_service_conf *s;

	lb_bed_clear(&conf);
	s = lb_bed_service(&conf, "web", WEB, 80, LB_UDP);
	s->scheduler = scheduler;
	s->table_size = 65537;
	for (uint32_t i = 0; i < n; i++)
		lb_bed_backend(s, BACKEND(i), 80, weight[i]);
	assert_int_equal(lb_bed_apply(w->net, &conf), 0);
}

/* No flow and no apply of before has any say. */
static void forget(void)
{
	lb_bed_clear(&conf);
	assert_int_equal(lb_bed_apply(w->net, &conf), 0);
	lb_bed_wait(w->net, 62000);
	assert_int_equal(flow_count(w->lb->flows)->flows, 0);
	memset(w->lb->turn, 0, w->net->lb->n_vservices * sizeof(*w->lb->turn));
}

static uint32_t one_to(uint32_t addr, uint16_t port, uint16_t service_port)
{
	struct lb_bed_packet p = {addr, WEB, port, service_port};
	uint32_t len = lb_bed_frame(frame, &p), to;

	lane_put(&w->service, fake_packet(w, LAN, frame, len, 0, FAKE_POOL),
		fib_entry_index(fib4_lookup(w->net->fib, WEB)));
	lb_bed_balance(w);
	to = w->fwd_out.n == 1 ? ip4_hdr_dst(pkt_ip4(w->fwd_out.pkt[0])) - BACKEND(0) : MOST;
	fake_rest(w);
	return to;
}

static uint32_t one(uint32_t addr, uint16_t port)
{
	return one_to(addr, port, 80);
}

/* Flow i's ends. */
static uint32_t flow(uint32_t i)
{
	return one(FAKE_ADDR(198, 18, 0, 2) + i % 250 + (i / 250 << 8), (uint16_t)(1000 + i % 777));
}

static void spread(uint32_t got[MOST + 1])
{
	memset(got, 0, (MOST + 1) * sizeof(*got));
	for (uint32_t i = 0; i < FLOWS; i++)
		got[flow(i)]++;
	assert_int_equal(got[MOST], 0);
}

static void expect_shares(const uint32_t *got, const uint16_t *weight, uint32_t n, double off)
{
	double sum = 0;

	for (uint32_t i = 0; i < n; i++)
		sum += weight[i];
	for (uint32_t i = 0; i < n; i++) {
		double want = FLOWS * weight[i] / sum;

		if (got[i] < want * (1 - off) - 1 || got[i] > want * (1 + off) + 1)
			fail_msg("backend %u of weight %u: %u flows, not %.0f", i, weight[i],
				got[i], want);
	}
}

/* Between two stores of an apply, a service may have a scheduler and the other one's table. */
static void test_scheduler_changes(void **state)
{
	static const uint16_t weights[] = {1, 1, 1};

	(void)state;
	for (int before = 0; before < LB_SCHEDULERS; before++)
		for (int after = 0; after < LB_SCHEDULERS; after++) {
			struct lb_running s;
			uint32_t got[MOST + 1];

			with((enum lb_scheduler)before, weights, 3);
			assert_true(lb_service_find(w->net, "web", &s));
			w->net->lb->vservice[s.slot[1]].scheduler = (uint8_t)after;
			spread(got);
			forget();
		}
}

static void test_shares(void **state)
{
	static const uint16_t weights[][MOST] = {
		{1, 1, 1, 1}, {1, 2, 3, 4}, {256, 128, 64}, {5, 0, 5}, {100, 99, 101}, {7}, {0, 1}};
	/* hashes may be off as chance has it */
	static const double off[LB_SCHEDULERS] = {
		[LB_MAGLEV] = 0.05, [LB_SOURCE_HASH] = 0.05, [LB_LEAST_CONNECTIONS] = 0.01};

	(void)state;
	for (size_t i = 0; i < RTE_DIM(weights); i++) {
		for (int scheduler = 0; scheduler < LB_SCHEDULERS; scheduler++) {
			uint32_t got[2][MOST + 1];

			for (int again = 0; again < 2; again++) { /* the same in each run */
				with((enum lb_scheduler)scheduler, weights[i], MOST);
				spread(got[again]);
				forget();
			}
			expect_shares(got[0], weights[i], MOST, off[scheduler]);
			assert_memory_equal(got[0], got[1], sizeof(got[0]));
		}
	}
}

/* A flow's next packets go where its first went, whatever has changed. */
static void test_flows_stay(void **state)
{
	static const uint16_t before[] = {1, 2, 3}, after[] = {3, 2, 1, 9};
	static uint8_t went[FLOWS];

	(void)state;
	for (int scheduler = 0; scheduler < LB_SCHEDULERS; scheduler++) {
		with((enum lb_scheduler)scheduler, before, 3);
		for (uint32_t i = 0; i < FLOWS; i++)
			went[i] = (uint8_t)flow(i);
		with((enum lb_scheduler)((scheduler + 1) % LB_SCHEDULERS), after, 4);
		for (uint32_t i = 0; i < FLOWS; i++)
			assert_int_equal(flow(i), went[i]);
		forget();
	}
}

/* The heavy one's turns are not all in a row. */
static void test_turns(void **state)
{
	static const uint16_t weight[] = {4, 2, 1};
	uint32_t order[14];

	(void)state;
	with(LB_ROUND_ROBIN, weight, 3);
	for (uint32_t i = 0; i < 14; i++)
		order[i] = flow(i);
	for (uint32_t i = 0; i < 7; i++) {
		assert_int_equal(order[i], order[i + 7]);
		assert_true(i == 0 || order[i] != order[i - 1] || order[i] == 0);
		assert_false(i > 1 && order[i] == order[i - 1] && order[i] == order[i - 2]);
	}
	forget();
}

/* One client's flows have one backend; whose share it is depends on the address alone. */
static void test_source(void **state)
{
	static const uint16_t weight[] = {1, 1, 1, 1};
	uint32_t seen = 0;

	(void)state;
	with(LB_SOURCE_HASH, weight, 4);
	conf.service[0].last_port = 99;
	assert_int_equal(lb_bed_apply(w->net, &conf), 0);
	for (uint32_t i = 0; i < 60; i++) {
		uint32_t first = one(LAN_HOST + i, 1);

		seen |= 1u << first;
		for (uint16_t port = 2; port < 20; port++)
			assert_int_equal(one_to(LAN_HOST + i, port, 80 + port), first);
	}
	assert_int_equal(seen, 0xf);
	forget();
}

/* A backend that closes moves its own share and nobody else's. */
static void test_maglev_moves_little(void **state)
{
	static const uint16_t weight[] = {1, 2, 3, 4};
	static uint8_t went[FLOWS];

	(void)state;
	with(LB_MAGLEV, weight, 4);
	for (uint32_t i = 0; i < FLOWS; i++)
		went[i] = (uint8_t)flow(i);
	forget();
	with(LB_MAGLEV, weight, 4);
	lb_set_health(w->net, lb_member_find(w->net, "web", BACKEND(1), 0), LB_HEALTH_DOWN, w->now);
	for (uint32_t i = 0; i < FLOWS; i++) {
		uint32_t now = flow(i);

		assert_true(now == went[i] || went[i] == 1);
		assert_int_not_equal(now, 1);
	}
	forget();
}

/* Few flows: a light one has its turn in time, and equals take turns when flows end at once. */
static void test_few_flows(void **state)
{
	static const uint16_t heavy[] = {8, 1}, equal[] = {1, 1, 1};
	uint32_t light = 0, seen[3] = {0};

	(void)state;
	with(LB_LEAST_CONNECTIONS, heavy, 2);
	for (uint32_t i = 0; i < 5; i++)
		light += flow(i);
	assert_int_equal(light, 1);
	forget();
	with(LB_LEAST_CONNECTIONS, equal, 3);
	for (uint32_t i = 0; i < 9; i++) {
		seen[flow(i)]++;
		lb_bed_wait(w->net, 62000);
		assert_int_equal(flow_count(w->lb->flows)->flows, 0);
	}
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(seen[i], 3);
	forget();
}

static uint32_t effective(uint32_t i)
{
	return lb_member_find(w->net, "web", BACKEND(i), 0)->effective;
}

static void set_health(uint32_t i, enum lb_health health)
{
	lb_set_health(w->net, lb_member_find(w->net, "web", BACKEND(i), 0), health, w->now);
}

/* With too few up, all get flows again but who was told to get none. */
static void test_panic(void **state)
{
	static const uint16_t weight[] = {1, 1, 2, 4};

	(void)state;
	with(LB_MAGLEV, weight, 4);
	conf.service[0].panic = 50;
	conf.backend[0][3].admin = LB_DRAIN; /* counts on neither side */
	assert_int_equal(lb_bed_apply(w->net, &conf), 0);
	set_health(0, LB_HEALTH_DOWN);
	set_health(1, LB_HEALTH_DOWN);
	assert_int_equal(effective(0) + effective(1), 0); /* half of it is up, not less */
	assert_int_equal(effective(2), 2);
	set_health(2, LB_HEALTH_DOWN);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(effective(i), weight[i]);
	assert_int_equal(effective(3), 0);
	set_health(2, LB_HEALTH_UP);
	assert_int_equal(effective(0) + effective(1), 0);
	forget();
}

static const struct lb_pick *pick_of(void)
{
	return atomic_load(
		&w->net->lb->vservice[w->net->lb->control->plan->services[0].slot[1]].pick);
}

/* Many of them, of all weights: nothing overflows, and each has its share of turns and price. */
static void test_extremes(void **state)
{
	static const uint16_t heavy[] = {256, 256, 255, 1, 1, 128, 3, 256};
	const struct lb_pick *pick;
	uint32_t turns[MOST] = {0};

	(void)state;
	with(LB_ROUND_ROBIN, heavy, MOST);
	pick = pick_of();
	assert_int_equal(pick->n, MOST);
	for (uint32_t i = 0; i < pick->n_turn; i++)
		for (uint32_t j = 0; j < MOST; j++)
			turns[j] += pick->turn[i] == pick->open[j];
	for (uint32_t j = 0; j < MOST; j++) {
		assert_int_equal(turns[j], heavy[j]);
		assert_in_range(pick->price[j] * heavy[j], 65536 - heavy[j], 65536);
		assert_int_equal((uintptr_t)pick->price % alignof(uint32_t), 0);
	}
	forget();
}

/* A thousand of all weights: each has its turns, in every part of the round. */
static void test_many_turns(void **state)
{
	enum { MANY = 1000 };
	static struct lb_backend_conf backends[MANY];
	static struct lb_member members[MANY];
	static uint32_t got[MANY];
	struct lb_svc s = {.conf = {.table_size = 1009,
				   .scheduler = LB_ROUND_ROBIN,
				   .n_backends = MANY,
				   .backends = backends},
		.members = members,
		.scale = 1};
	struct lb_pick *pick;
	uint32_t sum = 0;

	(void)state;
	for (uint32_t i = 0; i < MANY; i++) {
		uint16_t weight = i < 200 ? 201 + i % 50 : 1 + i % 20;

		backends[i] = (struct lb_backend_conf){.addr = BACKEND(i), .weight = weight};
		members[i] = (struct lb_member){.conf = &backends[i],
			.weight = weight,
			.parts = weight,
			.slot = {(uint16_t)i, LB_NOBODY}};
		sum += weight;
	}
	assert_in_range(sum, 40000, 65536);
	assert_int_equal(lb_pick_new(&s, 0, NULL, &pick), 0);
	assert_int_equal(pick->n_turn, sum);
	for (uint32_t k = 0; k < sum; k++) {
		uint32_t i = pick->turn[k];
		double want = (double)(k + 1) * backends[i].weight / sum;

		got[i]++;
		assert_true(got[i] > want - 1.5 && got[i] < want + 1.5);
	}
	for (uint32_t i = 0; i < MANY; i++)
		assert_int_equal(got[i], backends[i].weight);
	free(pick);
}

/* Whoever is not full is found, though his next turn is thousands away. */
static void test_far_turns(void **state)
{
	struct lb_service_conf *s;

	(void)state;
	lb_bed_clear(&conf);
	s = lb_bed_service(&conf, "web", WEB, 80, LB_UDP);
	s->scheduler = LB_ROUND_ROBIN;
	for (uint32_t i = 0; i < 31; i++)
		lb_bed_backend(s, BACKEND(i), 80, 256)->max_flows = 1;
	lb_bed_backend(s, BACKEND(31), 80, 1);
	assert_int_equal(lb_bed_apply(w->net, &conf), 0);
	for (uint32_t i = 0; i < 31; i++)
		assert_int_equal(flow(i), i);
	for (uint32_t i = 31; i < 40; i++)
		assert_int_equal(flow(i), 31);
	forget();
}

/* Who starts slowly is dear; who was there when the service began does not start slowly. */
static void test_slow_start(void **state)
{
	static const uint16_t weight[] = {1, 1, 1};
	struct lb_svc *s;

	(void)state;
	with(LB_LEAST_CONNECTIONS, weight, 3);
	conf.service[0].slow_start_ms = 10000;
	assert_int_equal(lb_bed_apply(w->net, &conf), 0);
	s = &w->net->lb->control->plan->services[0];
	lb_weigh(s, clock_of_ms(10)); /* a clock that has just begun */
	assert_false(s->ramps);
	set_health(1, LB_HEALTH_DOWN);
	set_health(1, LB_HEALTH_UP);
	assert_int_equal(pick_of()->n, 3);
	assert_true(pick_of()->price[1] > 100 * pick_of()->price[0]);
	assert_int_equal(pick_of()->price[2], pick_of()->price[0]);
	forget();
}

/* More backends than a round of turns should have: each has one. */
static void test_very_many(void **state)
{
	enum { N = 5000 };
	static struct lb_backend_conf backend[N];
	static struct lb_member member[N];
	struct lb_svc s = {.members = member, .ramps = true};
	struct lb_pick *pick;

	(void)state;
	s.conf.n_backends = N;
	s.conf.scheduler = LB_ROUND_ROBIN;
	s.conf.table_size = 65537;
	for (uint32_t i = 0; i < N; i++) {
		backend[i].addr = BACKEND(i);
		member[i] = (struct lb_member){
			.conf = &backend[i], .parts = 1 + i % 2, .slot = {(uint16_t)i, LB_NOBODY}};
	}
	assert_int_equal(lb_pick_new(&s, 0, NULL, &pick), 0);
	assert_int_equal(pick->n_turn, N);
	free(pick);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shares),
		cmocka_unit_test(test_scheduler_changes),
		cmocka_unit_test(test_flows_stay),
		cmocka_unit_test(test_turns),
		cmocka_unit_test(test_source),
		cmocka_unit_test(test_few_flows),
		cmocka_unit_test(test_maglev_moves_little),
		cmocka_unit_test(test_panic),
		cmocka_unit_test(test_extremes),
		cmocka_unit_test(test_many_turns),
		cmocka_unit_test(test_far_turns),
		cmocka_unit_test(test_slow_start),
		cmocka_unit_test(test_very_many),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
