/* SPDX-License-Identifier: BSD-3-Clause */
/* The limits of ICMP errors: bursts, rates, who is charged; time is a parameter. */
#include "fake_worker.h"
#include "net/icmp_limit.h"

static struct net_settings set;
static struct icmp_limit *limit;
static ticks now;

/* How many of n errors asked for at once may go to addr, or to addresses from it on. */
static uint32_t ask(uint32_t n, uint8_t type, uint32_t addr, uint32_t step)
{
	uint32_t yes = 0;

	for (uint32_t i = 0; i < n; i++)
		yes += icmp_limit_take(limit, &set, now, type, addr + i * step);
	return yes;
}

static int fresh(void **state)
{
	(void)state;
	icmp_limit_free(limit);
	limit = icmp_limit_new(-1);
	set = net_settings_default;
	now = clock_of_ms(3600000);
	return limit == NULL ? -1 : 0;
}

static void test_source(void **state)
{
	(void)state;
	assert_int_equal(ask(500, 11, LAN_HOST, 0), 100); /* the burst */
	assert_int_equal(ask(10, 11, LAN_HOST, 0), 0);
	assert_int_equal(ask(10, 3, LAN_HOST, 0), 0); /* whatever the type */
	now += clock_of_ms(100);
	assert_in_range(ask(500, 11, LAN_HOST, 0), 9, 11); /* the rate */
	now += clock_of_ms(10000);
	assert_int_equal(ask(500, 11, LAN_HOST, 0), 100); /* never more than the burst */
}

static void test_other_source(void **state)
{
	(void)state;
	set.error_rate = 100000;
	assert_int_equal(ask(500, 11, LAN_HOST, 0), 100);
	/* two in 4,096 share a bucket with it by chance */
	assert_in_range(ask(50, 11, ip4_addr(198, 19, 0, 1), 1), 49, 50);
}

static void test_all(void **state)
{
	uint32_t got = 0;

	(void)state;
	assert_int_equal(ask(5000, 11, 0x0a000000, 7), 1000); /* what a second brings */
	for (int i = 0; i < 100; i++) {
		now += clock_of_ms(10);
		got += ask(100, 11, 0x0b000000 + (uint32_t)i * 1000, 1);
	}
	assert_in_range(got, 980, 1001);
}

/* What all refuse is not charged to the source, nor the other way round. */
static void test_charges(void **state)
{
	(void)state;
	set.error_rate = 10;
	assert_int_equal(ask(1000, 11, LAN_HOST, 0), 10);
	set.error_rate = 100000;
	now += clock_of_ms(1000);
	assert_int_equal(ask(1000, 11, LAN_HOST, 0), 100);
	assert_int_equal(ask(100, 11, WAN_HOST, 0), 100);
}

static void test_type(void **state)
{
	(void)state;
	set.error_rate = 100000;
	set.error_source_rate = 0; /* no such limit */
	set.error_type_rate = 50;
	assert_int_equal(ask(1000, 11, LAN_HOST, 0), 50);
	assert_int_equal(ask(1000, 3, LAN_HOST, 0), 50); /* each type has its own */
	now += clock_of_ms(20);
	assert_int_equal(ask(1000, 3, LAN_HOST, 0), 1);
}

static void test_off(void **state)
{
	(void)state;
	set.error_rate = 0;
	assert_int_equal(ask(100, 11, LAN_HOST, 1), 0);
}

/* Rates may change at any time. */
static void test_live(void **state)
{
	(void)state;
	assert_int_equal(ask(500, 11, LAN_HOST, 0), 100);
	set.error_source_rate = 1000;
	now += clock_of_ms(50);
	assert_true(ask(500, 11, LAN_HOST, 0) <= 100);
	set.error_source_rate = 1;
	set.error_source_burst = 1;
	now += clock_of_ms(3000);
	assert_int_equal(ask(500, 11, LAN_HOST, 0), 1);
}

static int set_up(void **state)
{
	(void)state;
	return eal_for_tests(64);
}

static int tear_down(void **state)
{
	(void)state;
	icmp_limit_free(limit);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_source, fresh),
		cmocka_unit_test_setup(test_other_source, fresh),
		cmocka_unit_test_setup(test_all, fresh),
		cmocka_unit_test_setup(test_charges, fresh),
		cmocka_unit_test_setup(test_type, fresh),
		cmocka_unit_test_setup(test_off, fresh),
		cmocka_unit_test_setup(test_live, fresh),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
