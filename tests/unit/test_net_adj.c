/* SPDX-License-Identifier: BSD-3-Clause */
/* Adjacencies: indexes that are not reused too early, bytes as sent; groups that stay as they are.
 */
#include "bed.h"
#include "exact.h"

static struct bed *b;

static int setup(void **state)
{
	(void)state;
	b = bed_new(1);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	bed_free(b);
	return 0;
}

static void settle(void)
{
	adj_pool_poll(b->net);
	epoch_poll(b->net->epoch);
}

/* Every index but 0, each once; then 0; then those that were returned. */
static void test_indexes(void **state)
{
	bool seen[256] = {false};
	uint32_t index, n = 0;

	(void)state;
	while ((index = adj_take(b->net)) != 0) {
		assert_in_range(index, 1, 255);
		assert_false(seen[index]);
		seen[index] = true;
		n++;
	}
	assert_int_equal(n, 255);
	adj_return(b->net, 7);
	settle();
	assert_int_equal(adj_take(b->net), 7);
	assert_int_equal(adj_take(b->net), 0);
	for (n = 0; (index = adj_group_take(b->net)) != 0; n++)
		assert_in_range(index, 1, 7);
	assert_int_equal(n, 7);
}

/* Reused only after a reader that may hold it has looked away. */
static void test_reader(void **state)
{
	uint32_t index, first = adj_take(b->net);

	(void)state;
	while (adj_take(b->net) != 0)
		;
	epoch_online(b->net->epoch, 0);
	adj_return(b->net, first);
	settle();
	assert_int_equal(adj_take(b->net), 0);
	epoch_quiescent(b->net->epoch, 0);
	settle();
	index = adj_take(b->net);
	assert_int_equal(index, first);
	epoch_offline(b->net->epoch, 0);
}

/* And only after the RIB's changes are in the FIB: a default route's take some time. */
static void test_fib_is_behind(void **state)
{
	uint32_t adj = adj_take(b->net);

	(void)state;
	assert_int_equal(
		rib4_add(b->net->rib, 0, 0, RIB4_STATIC, 1, 0, fib_entry_make(FIB_FORWARD, adj)),
		0);
	while (rib4_poll(b->net->rib, clock_now()) > 0)
		;
	while (adj_take(b->net) != 0)
		;
	assert_int_equal(bed_index(b, IP(8, 8, 8, 8)), adj);
	assert_int_equal(rib4_del(b->net->rib, 0, 0, RIB4_STATIC), 0);
	adj_return(b->net, adj);
	settle();
	assert_int_equal(adj_take(b->net), 0); /* 8.8.8.8 may still lead there */
	while (rib4_poll(b->net->rib, clock_now()) > 0)
		;
	settle();
	assert_int_equal(adj_take(b->net), adj);
}

static void test_set(void **state)
{
	static const uint8_t mac[6] = {2, 0, 0, 0, 0, 0x11}, other[6] = {2, 0, 0, 0, 0, 0x22};
	uint32_t index = adj_take(b->net);
	const struct adj *a = &b->net->adj[index];

	(void)state;
	adj_set(b->net, index, LAN, LAN_HOST, NULL);
	assert_int_equal(a->flags, 0);
	assert_int_equal(a->addr, LAN_HOST);
	assert_int_equal(a->iface, LAN);
	adj_set(b->net, index, LAN, LAN_HOST, mac);
	assert_int_equal(a->flags, ADJ_RESOLVED);
	assert_memory_equal(&a->l2_first, "\x02\x00\x00\x00\x00\x11\x02\x00", 8);
	assert_memory_equal(a->l2_rest, "\x00\x00\x00\xa1\x08\x00\x00\x00\x00\x00", 10);
	assert_int_equal(a->l2_len, 14);
	adj_set_asked(b->net, index, true);
	adj_set(b->net, index, LAN, LAN_HOST, other);
	assert_int_equal(a->flags, ADJ_RESOLVED | ADJ_ASKED);
	assert_memory_equal(&a->l2_first, "\x02\x00\x00\x00\x00\x22\x02\x00", 8);
	adj_set_asked(b->net, index, false);
	b->net->iface[LAN].vlan = 0xabc;
	adj_set(b->net, index, LAN, LAN_HOST, mac);
	assert_memory_equal(a->l2_rest, "\x00\x00\x00\xa1\x81\x00\x0a\xbc\x08\x00", 10);
	assert_int_equal(a->l2_len, 18);
	adj_set(b->net, index, LAN, LAN_HOST, NULL);
	assert_int_equal(a->flags, 0);
}

/* --- groups --- */

struct share {
	uint32_t least, most;
};

static struct share share_of(const struct group *g, const uint32_t *member, uint32_t n)
{
	struct share s = {GROUP_BUCKETS, 0};
	uint32_t all = 0;

	for (uint32_t i = 0; i < n; i++) {
		uint32_t held = 0;

		for (uint32_t k = 0; k < GROUP_BUCKETS; k++)
			held += g->bucket[k] == member[i];
		s.least = RTE_MIN(s.least, held);
		s.most = RTE_MAX(s.most, held);
		all += held;
	}
	assert_int_equal(all, GROUP_BUCKETS); /* and nobody else has one */
	return s;
}

static uint32_t moved(const uint32_t *before, const struct group *g)
{
	uint32_t n = 0;

	for (uint32_t k = 0; k < GROUP_BUCKETS; k++)
		n += before[k] != g->bucket[k];
	return n;
}

/* What a member had goes to the others when it goes; nothing else moves. */
static void test_group_sizes(void **state)
{
	uint32_t member[GROUP_MEMBERS], before[GROUP_BUCKETS];
	uint32_t index = adj_group_take(b->net);
	struct group *g = &b->net->group[index];

	(void)state;
	for (uint32_t i = 0; i < GROUP_MEMBERS; i++)
		member[i] = 100 + i;
	for (uint32_t n = 1; n <= GROUP_MEMBERS; n++) {
		struct share s;

		adj_group_set(b->net, index, member, n);
		s = share_of(g, member, n);
		assert_true(s.most - s.least <= 1);
		assert_int_equal(g->n, n);
		memcpy(before, g->bucket, sizeof(before));
		adj_group_set(b->net, index, member, n); /* the same: nothing moves */
		assert_int_equal(moved(before, g), 0);
		if (n == GROUP_MEMBERS)
			break;
		adj_group_set(b->net, index, member, n + 1); /* a newcomer takes its share only */
		assert_true(moved(before, g) <= GROUP_BUCKETS / (n + 1) + 1);
	}
}

/* Seeded comings and goings: shares stay even, and only what must move moves. */
static void test_group_random(void **state)
{
	uint32_t index = adj_group_take(b->net), before[GROUP_BUCKETS];
	struct group *g = &b->net->group[index];
	uint64_t seed = 1;

	(void)state;
	for (int round = 0; round < 5000; round++) {
		uint32_t member[GROUP_MEMBERS], n = 0, homeless = 0;
		struct share s;

		for (uint32_t i = 0; i < GROUP_MEMBERS; i++) {
			if (seeded(&seed) >> 63)
				member[n++] = 1 + i;
		}
		if (n == 0)
			continue;
		memcpy(before, g->bucket, sizeof(before));
		adj_group_set(b->net, index, member, n);
		s = share_of(g, member, n);
		assert_true(s.most - s.least <= 1);
		for (uint32_t k = 0; k < GROUP_BUCKETS; k++) {
			bool there = false;
			uint32_t held = 0;

			for (uint32_t i = 0; i < n; i++)
				there |= member[i] == before[k];
			for (uint32_t j = 0; j < k; j++)
				held += before[j] == before[k];
			homeless += !there || held >= s.most;
		}
		assert_true(moved(before, g) <= homeless + n);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {TEST(indexes), TEST(reader), TEST(fib_is_behind),
		TEST(set), TEST(group_sizes), TEST(group_random)};

	if (eal_for_tests(128) < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
