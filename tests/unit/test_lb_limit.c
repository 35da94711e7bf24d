/* SPDX-License-Identifier: BSD-3-Clause */
/* Limits of flows and of new ones a second, by packets; and how control deals them to workers. */
#include "control.h"
#include "inner.h"
#include "lb/maglev.h"
#include "limits_bed.h"
#include "routes.h"

static uint16_t next_port;

/* A new flow from a client: which backend got it, or -1. */
static int begin(uint32_t client)
{
	struct seg got;

	bed_send(bed_in(client, ++next_port, TCP_SYN));
	if (bed_out() == 0)
		return -1;
	got = bed_take();
	bed_silence();
	return (int)(got.dst - BACKEND(0));
}

/* How many of n new flows each backend gets; the last place: refused. */
static void spread(uint32_t n, uint32_t got[BACKENDS + 1])
{
	memset(got, 0, (BACKENDS + 1) * sizeof(*got));
	for (uint32_t i = 0; i < n; i++)
		got[(begin(CLIENT(i % 256)) + BACKENDS + 1) % (BACKENDS + 1)]++;
}

static const enum lb_scheduler schedulers[] = {
	LB_MAGLEV, LB_ROUND_ROBIN, LB_LEAST_CONNECTIONS, LB_SOURCE_HASH};

/* A backend that is full is passed over, by every scheduler; when all are, nobody hears. */
static void test_full_backends(void **state)
{
	(void)state;
	for (size_t i = 0; i < RTE_DIM(schedulers); i++) {
		uint32_t got[BACKENDS + 1];

		bed_conf();
		service.scheduler = schedulers[i];
		backend[0].max_flows = 5;
		backend[1].max_flows = 7;
		backend[2].max_flows = 30;
		bed_begin();
		spread(60, got);
		assert_int_equal(got[0], 5);
		assert_int_equal(got[1], 7);
		assert_int_equal(got[2], 30);
		assert_int_equal(got[BACKENDS], 18);
		assert_int_equal(w->books.drop[DROP_LB_LIMIT], 18);
		assert_int_equal(bed_service()->refused, 18);
		assert_int_equal(w->count[COUNT_tcp_resets_out], 0);
		bed_end();
	}
}

/* The next of 64 places, round the table's end, whose backend is not the first; else -1. */
static int next_place(uint32_t client)
{
	const struct lb *lb = w->net->lb;
	const struct lb_vservice *s = &lb->vservice[0];
	const struct lb_pick *pick = atomic_load(&s->pick);
	uint32_t hash =
		lb_hash(lb, to_be32(client), to_be16((uint16_t)(next_port + 1)), s, to_be16(VPORT));
	uint32_t at = maglev_place(hash, pick->size);

	for (uint32_t i = 0; i < 64; i++) {
		uint16_t slot = pick->place[(at + i) % pick->size];

		if (lb->backend[slot].addr != to_be32(BACKEND(0)))
			return (int)(from_be32(lb->backend[slot].addr) - BACKEND(0));
	}
	return -1;
}

/* The heavy one is full, and few places are the others': they are found. */
static void test_light_ones(void **state)
{
	static const uint32_t sizes[] = {31, 61, 101, 251};

	(void)state;
	for (size_t k = 0; k < RTE_DIM(sizes); k++) {
		uint32_t got[BACKENDS + 1];

		bed_conf();
		service.scheduler = LB_MAGLEV;
		service.table_size = sizes[k];
		backend[0].weight = 256;
		backend[0].max_flows = 5;
		bed_begin();
		spread(60, got);
		assert_int_equal(got[0], 5);
		assert_int_equal(got[1] + got[2], 55);
		for (uint32_t i = 0; i < 300; i++) {
			int next = next_place(CLIENT(i % 256)), to = begin(CLIENT(i % 256));

			assert_true(next == -1 ? to > 0 : to == next);
		}
		bed_end();
	}
}

/* One flow that ends makes room for one; known flows are never asked. */
static void test_room_again(void **state)
{
	struct seg syn;

	(void)state;
	bed_conf();
	service.max_flows = 2;
	bed_begin();
	bed_send(bed_in(CLIENT(1), 1, TCP_SYN));
	syn = bed_take();
	bed_send(bed_in(CLIENT(2), 1, TCP_SYN));
	bed_take();
	bed_send(bed_in(CLIENT(3), 1, TCP_SYN));
	bed_silence();
	bed_send(bed_in(CLIENT(2), 1, TCP_SYN)); /* once more */
	assert_int_equal(bed_out(), 1);
	bed_ignore();
	bed_send(bed_back(&syn, TCP_RST | TCP_ACK));
	bed_take();
	lb_tick(w->net, w->now);
	bed_send(bed_in(CLIENT(3), 1, TCP_SYN));
	assert_int_equal(bed_out(), 1);
	bed_ignore();
	assert_int_equal(w->books.drop[DROP_LB_LIMIT], 1);
	/* an apply that takes the limit away */
	service.max_flows = 0;
	bed_apply();
	assert_int_not_equal(begin(CLIENT(4)), -1);
	bed_end();
}

static void test_rates(void **state)
{
	uint32_t got[BACKENDS + 1], sum = 0;

	(void)state;
	bed_conf();
	service.rate = 20;
	bed_begin();
	spread(100, got);
	assert_int_equal(got[BACKENDS], 80);
	for (uint32_t i = 0; i < 100; i++) { /* ten seconds */
		bed_after(100);
		spread(5, got);
		sum += 5 - got[BACKENDS];
	}
	assert_in_range(sum, 199, 200);
	bed_after(3600000); /* a long rest saves a second's worth */
	spread(100, got);
	assert_int_equal(got[BACKENDS], 80);
	bed_end();
}

/* A backend's rate sends the others to other backends. */
static void test_rate_of_a_backend(void **state)
{
	uint32_t got[BACKENDS + 1];

	(void)state;
	bed_conf();
	backend[0].rate = 3;
	bed_begin();
	spread(30, got);
	assert_int_equal(got[0], 3);
	assert_int_equal(got[1] + got[2], 27);
	assert_int_equal(got[BACKENDS], 0);
	bed_end();
}

/* A workers' share: what they have and their part of the rest, never more than all. */
static void test_shares(void **state)
{
	uint64_t seed = 3;

	(void)state;
	for (uint32_t round = 0; round < 200; round++) {
		uint32_t n = 1 + (uint32_t)random64(&seed) % 8, have[8] = {0}, may[8];
		uint32_t limit = 1 + (uint32_t)random64(&seed) % 2000, busy = round % n, steps = 60;

		memset(may, 0xff, sizeof(may));
		for (uint32_t t = 0; t < steps; t++) {
			uint64_t all = 0;

			lb_limit_share(limit, n, t / 4, have, may);
			for (uint32_t i = 0; i < n; i++) { /* as many as it may, or fewer */
				uint32_t more = may[i] > have[i] ? may[i] - have[i] : 0;

				if (i == busy)
					have[i] += more;
				else if (random64(&seed) % 4 == 0 && t < steps / 2)
					have[i] += more == 0 ? 0 : (uint32_t)random64(&seed) % more;
				else
					have[i] -= have[i] == 0 || t < steps / 2 ? 0 : 1;
				all += have[i];
			}
			assert_in_range(all, 0, limit);
		}
		for (uint32_t t = 0; t < 100; t++) { /* the others have gone */
			for (uint32_t i = 0; i < n; i++)
				have[i] = i == busy ? RTE_MAX(have[i], may[i]) : 0;
			lb_limit_share(limit, n, t / 4, have, may);
		}
		assert_in_range(have[busy], limit - RTE_MIN(limit, n), limit);
	}
}

/* A limit that is lowered below what there is lets nothing begin until there is room. */
static void test_a_lower_limit(void **state)
{
	uint32_t have[2] = {60, 40}, may[2] = {60, 40};

	(void)state;
	lb_limit_share(50, 2, 0, have, may);
	assert_int_equal(may[0], 60);
	assert_int_equal(may[1], 40);
	have[0] = 5;
	lb_limit_share(50, 2, 0, have, may); /* what was taken away may be in use still */
	assert_in_range(may[0] + may[1], 45, 50);
	have[1] = 10;
	lb_limit_share(50, 2, 0, have, may);
	lb_limit_share(50, 2, 0, have, may);
	assert_int_equal(may[0] + may[1], 50);
}

/* What is taken from one may be in use before he hears of it: another gets it a deal later. */
static void test_what_moves_is_nobodys_first(void **state)
{
	uint32_t have[2] = {0, 0}, may[2] = {100, 0};

	(void)state;
	lb_limit_share(100, 2, 0, have, may);
	assert_int_equal(may[0], 50);
	assert_int_equal(may[1], 0);
	lb_limit_share(100, 2, 0, have, may);
	assert_int_equal(may[0], 50);
	assert_int_equal(may[1], 50);
}

static void test_check(void **state)
{
	struct errs e = {0};

	(void)state;
	bed_conf();
	lb_limit_check(&service, &e);
	service.keep = false;
	lb_limit_check(&service, &e);
	assert_int_equal(e.n, 0);
	backend[2].rate = 1;
	lb_limit_check(&service, &e);
	assert_int_equal(e.n, 1);
	assert_string_equal(e.list[0].path, "balancers.services.shop.flow_table");
	backend[2].rate = 0;
	service.rate = 1;
	lb_limit_check(&service, &e);
	assert_int_equal(e.n, 2);
	errs_clear(&e);
	bed_conf();
	service.syn_proxy = LB_SYN_AUTO;
	service.protocol = LB_TCP_AND_UDP;
	lb_limit_check(&service, &e);
	service.mode = LB_FULL_NAT;
	lb_limit_check(&service, &e);
	assert_int_equal(e.n, 0);
	service.protocol = LB_UDP;
	lb_limit_check(&service, &e);
	service.protocol = LB_TCP;
	service.mode = LB_DSR;
	lb_limit_check(&service, &e);
	assert_int_equal(e.n, 2);
	assert_string_equal(e.list[1].path, "balancers.services.shop.syn_proxy");
	errs_clear(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_full_backends),
		cmocka_unit_test(test_light_ones),
		cmocka_unit_test(test_room_again),
		cmocka_unit_test(test_rates),
		cmocka_unit_test(test_rate_of_a_backend),
		cmocka_unit_test(test_shares),
		cmocka_unit_test(test_a_lower_limit),
		cmocka_unit_test(test_what_moves_is_nobodys_first),
		cmocka_unit_test(test_check),
	};

	return cmocka_run_group_tests(tests, fake_set_up, fake_tear_down);
}
