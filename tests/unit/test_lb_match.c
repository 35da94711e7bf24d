/* SPDX-License-Identifier: BSD-3-Clause */
/* How packets find services. */
#include "inner.h"
#include "lb_bed.h"

#define VIP(n) FAKE_ADDR(198, 18, 0, 100 + (n))

/* Many ranges of one address: each port has the service that its range says. */
static void test_ranges(void **state)
{
	static struct lb_bed_conf conf;
	const struct lb_match *match;
	const struct lb_vip *vip;
	struct lb_running s;
	struct worker *w;

	(void)state;
	assert_int_equal(eal_for_tests(128), 0);
	lb_bed_clear(&conf);
	for (uint16_t i = 0; i < 7; i++) { /* not in their order */
		char name[8];
		uint16_t at = (uint16_t)(i * 3 % 7);

		snprintf(name, sizeof(name), "s%u", at);
		lb_bed_service(&conf, name, VIP(0), (uint16_t)(1000 + 100 * at),
			at == 3	 ? LB_UDP
			: at & 1 ? LB_TCP
				 : LB_TCP_AND_UDP)
			->last_port = (uint16_t)(1000 + 100 * at + (at == 2 ? 0 : 49));
	}
	lb_bed_service(&conf, "other", VIP(1), 1000, LB_TCP);
	w = lb_bed_new(1, &conf);
	assert_int_equal(lb_bed_apply(w->net, &conf), 0);
	match = atomic_load(&w->net->lb->match);
	vip = &match->vip[fib_entry_index(fib4_lookup(w->net->fib, VIP(0))) & ~FIB_SERVICE_ARP];
	assert_int_equal(vip->addr, to_be32(VIP(0)));
	for (uint32_t port = 0; port <= UINT16_MAX; port++) {
		uint32_t at = (port - 1000) / 100;
		uint16_t want[2] = {LB_NOBODY, LB_NOBODY};

		if (port >= 1000 && at < 7 && port % 100 <= (at == 2 ? 0 : 49)) {
			char name[8];

			snprintf(name, sizeof(name), "s%u", at);
			assert_true(lb_service_find(w->net, name, &s));
			memcpy(want, s.slot, sizeof(want));
		}
		assert_int_equal(
			lb_service_of(match, vip, IP4_PROTO_TCP, to_be16((be16)port)), want[0]);
		assert_int_equal(
			lb_service_of(match, vip, IP4_PROTO_UDP, to_be16((be16)port)), want[1]);
	}
	lb_bed_end(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ranges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
