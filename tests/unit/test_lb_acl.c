/* SPDX-License-Identifier: BSD-3-Clause */
/* Who may use a service: the compiled list against the longest prefix, and what packets meet. */
#include "limits_bed.h"

#include "control.h"
#include "routes.h"

#define CASES 200

static struct lb_acl_conf line(uint32_t addr, uint8_t depth, bool allow)
{
	return (struct lb_acl_conf){
		.prefix = addr & ip4_mask(depth), .depth = depth, .allow = allow};
}

static bool longest(const struct lb_acl_conf *c, uint32_t n, uint32_t addr)
{
	for (int depth = 32; depth >= 0; depth--)
		for (uint32_t i = 0; i < n; i++)
			if (c[i].depth == depth &&
				(addr & ip4_mask((unsigned)depth)) == c[i].prefix)
				return c[i].allow;
	return false;
}

static void ask(const struct lb_acl *a, const struct lb_acl_conf *c, uint32_t n, uint32_t addr)
{
	if (lb_acl_allows_in(a, addr) != longest(c, n, addr))
		print_error("%08x\n", addr);
	assert_int_equal(lb_acl_allows_in(a, addr), longest(c, n, addr));
}

static void test_longest_prefix(void **state)
{
	uint64_t seed = 11;

	(void)state;
	for (uint32_t round = 0; round < CASES; round++) {
		uint32_t n = 1 + (uint32_t)random64(&seed) % 12;
		struct lb_acl_conf c[12];
		struct lb_acl *a;

		for (uint32_t i = 0; i < n; i++) { /* close together, and both ends of all */
			uint32_t addr = (uint32_t)random64(&seed) & (round & 1 ? 0xff : 0xf000000f);

			c[i] = line(addr, (uint8_t)(random64(&seed) % 33), random64(&seed) & 1);
		}
		a = lb_acl_new(c, n);
		assert_non_null(a);
		for (uint32_t i = 0; i < n; i++) {
			uint32_t last = c[i].prefix | ~ip4_mask(c[i].depth);

			ask(a, c, n, c[i].prefix);
			ask(a, c, n, c[i].prefix - 1);
			ask(a, c, n, last);
			ask(a, c, n, last + 1);
		}
		for (uint32_t i = 0; i < 100; i++)
			ask(a, c, n, (uint32_t)random64(&seed) & (i & 1 ? UINT32_MAX : 0x1ff));
		for (uint32_t i = 1; i < a->n; i++)
			assert_true(a->source[i - 1].last < a->source[i].last &&
				    a->source[i - 1].allow != a->source[i].allow);
		free(a);
	}
}

static void test_who_may(void **state)
{
	(void)state;
	bed_conf();
	acl[0] = line(CLIENT(0), 24, true);
	acl[1] = line(CLIENT(7), 32, false);
	service.n_acl = 2;
	bed_begin();
	bed_send(bed_in(CLIENT(6), 1, TCP_SYN));
	assert_int_equal(bed_take().dst, BACKEND(0));
	bed_send(bed_in(CLIENT(7), 1, TCP_SYN)); /* hears nothing */
	bed_silence();
	bed_send(bed_in(CLIENT(256), 1, TCP_SYN));
	bed_silence();
	assert_int_equal(w->books.drop[DROP_LB_ACL], 2);
	assert_int_equal(bed_service()->refused, 2);
	assert_int_equal(bed_service()->flows, 1);
	bed_end();
}

/* An apply that shuts somebody out ends what it had; others go on. */
static void test_a_list_that_changes(void **state)
{
	struct seg syn;

	(void)state;
	bed_conf();
	bed_begin();
	for (uint16_t i = 1; i <= 2; i++) {
		bed_send(bed_in(CLIENT(i), 1, TCP_SYN));
		syn = bed_take();
		bed_send(bed_back(&syn, TCP_SYN | TCP_ACK));
		assert_int_equal(bed_take().dst, CLIENT(i));
		bed_send(bed_in(CLIENT(i), 1, TCP_ACK));
		bed_take();
	}
	acl[0] = line(CLIENT(1), 32, true);
	service.n_acl = 1;
	bed_apply();
	for (uint32_t i = 0; i < 50; i++) /* a round of the sweep */
		bed_after(1000);
	assert_int_equal(bed_service()->flows, 1);
	bed_send(bed_in(CLIENT(1), 1, TCP_ACK | TCP_PSH));
	assert_int_equal(bed_take().dst, BACKEND(0));
	bed_send(bed_in(CLIENT(2), 1, TCP_ACK | TCP_PSH));
	bed_silence();
	assert_int_equal(w->books.drop[DROP_LB_ACL], 1);
	service.n_acl = 0;
	bed_apply();
	bed_send(bed_in(CLIENT(2), 1, TCP_SYN));
	assert_int_equal(bed_out(), 1);
	bed_end();
}

/* Without a table of flows every packet is asked for. */
static void test_no_table(void **state)
{
	(void)state;
	bed_conf();
	service.mode = LB_DSR;
	service.scheduler = LB_MAGLEV;
	service.keep = false;
	service.n_backends = 1;
	backend[0].addr = WAN_HOST; /* a neighbour */
	backend[0].port = 0;
	bed_begin();
	bed_send(bed_in(CLIENT(1), 1, TCP_ACK));
	bed_take();
	acl[0] = line(CLIENT(1), 32, false);
	service.n_acl = 1;
	bed_apply();
	bed_send(bed_in(CLIENT(1), 1, TCP_ACK));
	bed_silence();
	assert_int_equal(w->books.drop[DROP_LB_ACL], 1);
	bed_end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_longest_prefix),
		cmocka_unit_test(test_who_may),
		cmocka_unit_test(test_a_list_that_changes),
		cmocka_unit_test(test_no_table),
	};

	return cmocka_run_group_tests(tests, fake_set_up, fake_tear_down);
}
