/* SPDX-License-Identifier: BSD-3-Clause */
/* A link that goes and comes: what interfaces and the log hear of it. Time is the test's own. */
#include "port_bed.h"

#include "base/log.h"
#include "net/port_link.h"

static bool up;
static char said[16][160];
static uint32_t lines;
static ticks now;

int __wrap_rte_eth_link_get_nowait(uint16_t id, struct rte_eth_link *link);
int __wrap_rte_eth_link_get_nowait(uint16_t id, struct rte_eth_link *link)
{
	(void)id;
	*link = (struct rte_eth_link){.link_status = up ? RTE_ETH_LINK_UP : RTE_ETH_LINK_DOWN};
	return 0;
}

void __wrap_log_line(enum log_level level, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void __wrap_log_line(enum log_level level, const char *fmt, ...)
{
	va_list ap;

	(void)level;
	assert_true(lines < 16);
	va_start(ap, fmt);
	vsnprintf(said[lines++], sizeof(said[0]), fmt, ap);
	va_end(ap);
}

/* Turns the link to and fro so often, with so much time after each. */
static void flap(uint32_t times, uint32_t ms)
{
	while (times-- > 0) {
		up = !up;
		now += clock_of_ms(ms);
		port_link_poll(net, now);
		rib4_poll(net->rib, UINT64_MAX); /* as the control loop: what is withdrawn ends */
		epoch_poll(net->epoch);
	}
}

static int begin(void **state)
{
	up = true;
	lines = 0;
	now = clock_of_ms(1000000);
	set_up(state);
	device(0, "lan", "net_null0", 0xc61200fe);
	apply(1);
	return 0;
}

static void test_up_and_down(void **state)
{
	const struct port *p = port_by_name(net, "lan");

	(void)state;
	flap(1, 200);
	assert_false(net->iface[p->iface].flags & IFACE_UP);
	assert_int_equal(kind_of(0xc6120001), FIB_NONE);
	assert_string_equal(said[0], "port lan: link down");
	flap(1, 200);
	assert_true(net->iface[p->iface].flags & IFACE_UP);
	assert_int_equal(kind_of(0xc6120001), FIB_GLEAN);
	assert_string_equal(said[1], "port lan: link up");
	assert_int_equal(p->link_log.changes, 2);
	up = false;
	port_link_poll(net, now + clock_of_ms(1)); /* not yet */
	assert_true(p->link);
}

/* Each change counts, and is acted upon; the log has a few lines. */
static void test_flaps(void **state)
{
	const struct port *p = port_by_name(net, "lan");

	(void)state;
	flap(1001, 150);
	assert_int_equal(p->link_log.changes, 1001);
	assert_false(net->iface[p->iface].flags & IFACE_UP);
	assert_int_equal(lines, 5);
	assert_string_equal(said[4], "port lan: link flaps; more is told when it is calm for 10 s");
	port_link_poll(net, now + clock_of_ms(9000));
	assert_int_equal(lines, 5);
	port_link_poll(net, now + clock_of_ms(11000));
	assert_int_equal(lines, 6);
	assert_string_equal(said[5], "port lan: link down, after 1001 changes in a row");
	now += clock_of_ms(11000);
	flap(1, 200); /* a new row */
	assert_int_equal(lines, 7);
	assert_string_equal(said[6], "port lan: link up");
}

/* Seldom is no flapping. */
static void test_now_and_then(void **state)
{
	(void)state;
	for (int i = 0; i < 6; i++) {
		flap(1, 200);
		now += clock_of_ms(11000);
		port_link_poll(net, now);
	}
	assert_int_equal(lines, 6);
	assert_null(strstr(said[5], "flaps"));
}

static void test_down_at_start(void **state)
{
	(void)state;
	up = false;
	device(1, "wan", "net_null1", 0xc61201fe);
	apply(2);
	assert_false(port_by_name(net, "wan")->link);
	assert_int_equal(kind_of(0xc61201fe), FIB_NONE);
	flap(1, 200);
	assert_int_equal(kind_of(0xc61201fe), FIB_LOCAL);
}

#undef T
#define T(name) cmocka_unit_test_setup_teardown(name, begin, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_up_and_down),
		T(test_flaps),
		T(test_now_and_then),
		T(test_down_at_start),
	};

	return port_bed() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
