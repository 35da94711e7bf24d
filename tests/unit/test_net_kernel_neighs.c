/* SPDX-License-Identifier: BSD-3-Clause */
/* The kernel's permanent neighbours, told as bytes. */
#include "kernel_bed.h"

#include "ifaces.h"
#include "neigh_table.h"

static void test_neighbours(void **state)
{
	(void)state;
	tell_neigh(&told, RTM_NEWNEIGH, WAN_K, WAN_HOST, NUD_REACHABLE, 0);
	tell_neigh(&told, RTM_NEWNEIGH, WAN_K, WAN_NET(2), NUD_PERMANENT, NTF_EXT_LEARNED);
	tell_neigh(&told, RTM_NEWNEIGH, OTHER_K, WAN_NET(3), NUD_PERMANENT, 0);
	tell_neigh(&told, RTM_NEWNEIGH, WAN_K, IP(10, 0, 0, 1), NUD_PERMANENT, 0);
	turn();
	assert_int_equal(kernel_counts(b->net).neighbours, 0);
	tell_neigh(&told, RTM_NEWNEIGH, WAN_K, WAN_HOST, NUD_PERMANENT, 0);
	turn();
	expect_via(WAN_HOST, WAN_HOST);
	assert_int_equal(neigh_del(b->net, WAN, WAN_HOST, b->now), -EPERM);
	assert_int_equal(neigh_add(b->net, WAN, WAN_HOST, lan_mac, b->now), 0);
	tell_neigh(&told, RTM_DELNEIGH, WAN_K, WAN_HOST, NUD_FAILED, 0);
	turn();
	expect_via(WAN_HOST, WAN_HOST); /* the operator's */
	assert_int_equal(neigh_del(b->net, WAN, WAN_HOST, b->now), 0);
	assert_int_equal(bed_kind(b, WAN_HOST), FIB_GLEAN);
}

/* A port that goes takes with it what the kernel said of its neighbours; its next life is another.
 */
static void test_neighbours_of_a_port_that_goes(void **state)
{
	(void)state;
	tell_neigh(&told, RTM_NEWNEIGH, WAN_K, WAN_HOST, NUD_PERMANENT, 0);
	turn();
	iface_return(b->net, WAN, b->now);
	tell_neigh(&told, RTM_DELNEIGH, WAN_K, WAN_HOST, NUD_FAILED, 0);
	turn();
	assert_int_equal(b->net->neigh->kernels.n, 0);
}

/* One for whom there is no room is not kept in mind: it would come when nobody has him any more. */
static void test_neighbours_without_room(void **state)
{
	(void)state;
	while (adj_take(b->net) != 0)
		;
	tell_neigh(&told, RTM_NEWNEIGH, WAN_K, WAN_HOST, NUD_PERMANENT, 0);
	turn();
	assert_int_equal(kernel_counts(b->net).neighbours, 0);
	assert_int_equal(b->net->neigh->kernels.n, 0);
}

/* The kernel refuses all that is asked here. */
static void test_what_is_refused_is_not_given(void **state)
{
	(void)state;
	assert_int_equal(neigh_add(b->net, WAN, WAN_HOST, lan_mac, b->now), 0);
	turn();
	assert_true(kernel_counts(b->net).refused > 0);
	assert_int_equal(kernel_counts(b->net).neighbours_given, 0);
}

static void test_neighbours_are_swept(void **state)
{
	(void)state;
	tell_neigh(&told, RTM_NEWNEIGH, WAN_K, WAN_HOST, NUD_PERMANENT, 0);
	tell_neigh(&told, RTM_NEWNEIGH, WAN_K, WAN_NET(2), NUD_PERMANENT, 0);
	turn();
	assert_int_equal(kernel_counts(b->net).neighbours, 2);
	begin_round(DUMP_NEIGHS);
	tell_neigh(&told, RTM_NEWNEIGH, WAN_K, WAN_HOST, NUD_PERMANENT, 0);
	tell_round_over(0);
	assert_int_equal(kernel_counts(b->net).neighbours, 1);
	expect_via(WAN_HOST, WAN_HOST);
	assert_int_equal(bed_kind(b, WAN_NET(2)), FIB_GLEAN);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_neighbours),
		TEST(test_neighbours_of_a_port_that_goes),
		TEST(test_neighbours_without_room),
		TEST(test_what_is_refused_is_not_given),
		TEST(test_neighbours_are_swept),
	};

	if (eal_for_tests(128) < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
