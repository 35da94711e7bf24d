/* SPDX-License-Identifier: BSD-3-Clause */
/* Virtual addresses on their links: announced when they are new and when a link comes up. */
#include "lb_bed.h"

#define VIP(n) FAKE_ADDR(198, 18, 0, 100 + (n))

static struct lb_bed_conf conf;
static struct worker *w;

static int set_up(void **state)
{
	(void)state;
	if (eal_for_tests(128) < 0)
		return -1;
	lb_bed_clear(&conf);
	w = lb_bed_new(1, &conf);
	for (uint16_t slot = 0; slot < 2; slot++)
		w->tx[slot].ready = 1;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	lb_bed_end(w);
	return 0;
}

/* Announcements of an address that control has asked for since; all are on its link. */
static uint32_t announced(uint32_t addr)
{
	struct command c;
	uint32_t n = 0;

	while (mailbox_take(w->commands, &c, 1) == 1) {
		assert_int_equal(c.kind, COMMAND_ARP_REQUEST);
		assert_int_equal(c.iface, LAN);
		assert_int_equal(c.sender, c.addr);
		n += c.addr == addr;
	}
	return n;
}

static void wait_ms(uint32_t ms)
{
	lb_bed_wait(w->net, ms);
}

static void apply(uint32_t services, bool takeover)
{
	lb_bed_clear(&conf);
	for (uint32_t i = 0; i < services; i++) {
		char name[8];

		snprintf(name, sizeof(name), "s%u", i);
		lb_bed_service(&conf, name, VIP(i), 80, LB_TCP)->takeover = takeover;
	}
	assert_int_equal(lb_bed_apply(w->net, &conf), 0);
}

static void test_new_addresses(void **state)
{
	(void)state;
	apply(1, false);
	wait_ms(250);
	assert_int_equal(announced(VIP(0)), 1);
	wait_ms(1500);
	assert_int_equal(announced(VIP(0)), 0);
	wait_ms(10000);
	assert_int_equal(announced(VIP(0)), 2);
	apply(1, false); /* it is not new */
	wait_ms(10000);
	assert_int_equal(announced(VIP(0)), 0);
	apply(2, false);
	wait_ms(10000);
	assert_int_equal(announced(VIP(1)), 3);
	apply(0, false);
	wait_ms(70000);
	apply(1, true); /* its program announces it */
	wait_ms(10000);
	assert_int_equal(announced(VIP(0)), 0);
	apply(1, false);
	wait_ms(10000);
	assert_int_equal(announced(VIP(0)), 3);
	apply(0, false);
}

static void test_links(void **state)
{
	(void)state;
	apply(1, false);
	wait_ms(10000);
	announced(0);
	w->net->iface[LAN].flags &= (uint16_t)~IFACE_UP;
	wait_ms(10000);
	apply(2, false); /* another one meanwhile, which nobody can be told of */
	wait_ms(10000);
	assert_int_equal(announced(VIP(1)), 0);
	w->net->iface[LAN].flags |= IFACE_UP;
	wait_ms(10000);
	assert_int_equal(announced(VIP(0)), 3);
	w->net->iface[WAN].flags &= (uint16_t)~IFACE_UP; /* another link's news */
	wait_ms(1000);
	w->net->iface[WAN].flags |= IFACE_UP;
	wait_ms(10000);
	assert_int_equal(announced(VIP(1)), 0);
	apply(0, false);
}

/* Where no worker can send, it is tried again. */
static void test_nobody_to_send(void **state)
{
	(void)state;
	w->tx[0].ready = 0;
	apply(1, false);
	wait_ms(20000);
	assert_int_equal(announced(VIP(0)), 0);
	w->tx[0].ready = 1;
	wait_ms(10000);
	assert_int_equal(announced(VIP(0)), 3);
	apply(0, false);
}

static bool is_answered(uint32_t addr)
{
	fib_entry e = fib4_lookup(w->net->fib, addr);

	assert_int_equal(fib_entry_kind(e), FIB_SERVICE);
	return (fib_entry_index(e) & FIB_SERVICE_ARP) != 0;
}

/* A masquerade's is answered for and announced; one that moves by its program alone. */
static void test_masquerades(void **state)
{
	static struct lb_masquerade_conf rules[] = {
		{.name = "a", .out = "lan", .addr = VIP(9), .port = 1024, .last_port = 2000},
		{.name = "b", .out = "lan", .addr = VIP(9), .port = 3000, .last_port = 4000}};

	(void)state;
	apply(0, false);
	conf.c.masquerades = rules;
	for (uint32_t moving = 0; moving <= 2; moving++) {
		for (uint32_t i = 0; i < 2; i++)
			rules[i].takeover = i < moving;
		conf.c.n_masquerades = 2;
		assert_int_equal(lb_bed_apply(w->net, &conf), 0);
		assert_int_equal(is_answered(VIP(9)), moving < 2);
		wait_ms(10000);
		assert_int_equal(announced(VIP(9)), moving < 2 ? 3 : 0);
		conf.c.n_masquerades = 0;
		assert_int_equal(lb_bed_apply(w->net, &conf), 0);
		wait_ms(90000);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_new_addresses),
		cmocka_unit_test(test_links),
		cmocka_unit_test(test_nobody_to_send),
		cmocka_unit_test(test_masquerades),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
