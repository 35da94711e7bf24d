/* SPDX-License-Identifier: BSD-3-Clause */
/* Inside hosts of a masquerade: what each has is counted, refused beyond a limit, and given back.
 */
#include "inside.h"
#include "nat_bed.h"

enum { WORKERS = 4, FIRST = 10000, PORTS = 4096, HOSTS = 300 };

/* --- the table --- */

static void test_it_counts_as_a_list_does(void **state)
{
	static uint32_t n[HOSTS];
	struct lb_inside *t = lb_inside_new(HOSTS, -1); /* as full as it can get */
	uint32_t chance = 1, all = 0;

	(void)state;
	assert_non_null(t);
	for (uint32_t i = 0; i < 200000; i++) {
		uint32_t k, grows = i / 20000 % 2 == 0;

		chance = chance * 1664525 + 1013904223;
		k = (chance >> 8) % HOSTS;
		if (all < HOSTS && (chance >> 29) < (grows ? 6 : 2)) {
			lb_inside_took(t, to_be32(LAN_HOST + k));
			n[k]++;
			all++;
		} else if (n[k] > 0) {
			lb_inside_gave(t, to_be32(LAN_HOST + k));
			n[k]--;
			all--;
		}
		k = i % HOSTS;
		assert_int_equal(lb_inside_count(t, to_be32(LAN_HOST + k)), n[k]);
	}
	for (uint32_t k = 0; k < HOSTS; k++)
		for (; n[k] > 0; n[k]--)
			lb_inside_gave(t, to_be32(LAN_HOST + k));
	for (uint32_t k = 0; k < HOSTS; k++)
		assert_int_equal(lb_inside_count(t, to_be32(LAN_HOST + k)), 0);
	lb_inside_free(t);
}

/* --- the masquerade --- */

static struct lb_bed_conf conf;
static struct lb_masquerade_conf rule;
static struct net *net;
static uint32_t table = 4000; /* flows */

static void begin(uint16_t workers, uint32_t limit)
{
	lb_bed_clear(&conf);
	rule = (struct lb_masquerade_conf){.name = "home",
		.prefix = LAN_HOST & ip4_mask(24),
		.depth = 24,
		.out = "wan",
		.port = FIRST,
		.last_port = FIRST + PORTS - 1,
		.max_mappings = limit};
	conf.c.masquerades = &rule;
	conf.c.n_masquerades = 1;
	conf.c.max_flows = table;
	net = lb_bed_new(workers, &conf)->net;
	assert_int_equal(lb_bed_apply(net, &conf), 0);
}

/* A host's packet from a port of its own: by turns TCP and UDP. */
static struct nat_result sent(uint32_t host, uint32_t i)
{
	struct lb_bed_packet p = {
		host, WAN_HOST, (uint16_t)(20000 + i), 53, i % 2 == 0 ? TCP_SYN : 0};

	return nat_bed_send(net, (uint16_t)(i % net->n_workers), LAN, &p);
}

/* How many of so many new ones get out; the others end for that reason. */
static uint32_t map_some(uint32_t host, uint32_t first, uint32_t n)
{
	uint32_t out = 0;

	for (uint32_t i = first; i < first + n; i++) {
		struct nat_result r = sent(host, i);

		out += r.end == OUT;
		if (r.end != OUT) {
			assert_int_equal(r.end, DROPPED);
			assert_int_equal(r.value, DROP_LB_HOST_LIMIT);
		}
	}
	return out;
}

static void test_a_host_has_its_fill(void **state)
{
	(void)state;
	begin(1, 100);
	assert_int_equal(map_some(LAN_HOST, 0, 300), 100);
	assert_int_equal(map_some(LAN_HOST + 1, 0, 50), 50); /* others do not suffer */
	assert_int_equal(map_some(LAN_HOST, 0, 100), 100);   /* what it has goes on */
	assert_int_equal(nat_bed_flows(net), 150);
	lb_bed_wait(net, 300000 + 45000); /* and ends */
	assert_int_equal(map_some(LAN_HOST, 1000, 200), 100);
	lb_bed_end(net->worker[0]);
}

/* Each worker has its part: together they never allow more than what divides among them. */
static void test_on_several_workers(void **state)
{
	uint32_t out;

	(void)state;
	begin(WORKERS, 101);
	out = map_some(LAN_HOST, 0, 400);
	assert_int_equal(out, 104);
	assert_int_equal(map_some(LAN_HOST + 1, 0, 400), 104);
	lb_bed_end(net->worker[0]);
	begin(WORKERS, 1);
	assert_int_equal(map_some(LAN_HOST, 0, 100), WORKERS);
	lb_bed_end(net->worker[0]);
}

/* An apply may change it while hosts have theirs; 0 is no limit. */
static void test_it_changes_live(void **state)
{
	(void)state;
	begin(1, 0);
	assert_int_equal(map_some(LAN_HOST, 0, 200), 200);
	rule.max_mappings = 100;
	assert_int_equal(lb_bed_apply(net, &conf), 0);
	assert_int_equal(map_some(LAN_HOST, 0, 200), 200);
	assert_int_equal(map_some(LAN_HOST, 200, 10), 0);
	rule.max_mappings = 205;
	assert_int_equal(lb_bed_apply(net, &conf), 0);
	assert_int_equal(map_some(LAN_HOST, 200, 10), 5);
	lb_bed_end(net->worker[0]);
}

/* A host that is refused drives nobody out of a full table. */
static void test_who_is_refused_displaces_nobody(void **state)
{
	const struct flow_count *c;
	uint64_t displaced;

	(void)state;
	table = 40;
	begin(1, 10);
	c = flow_count(net->worker[0]->lb->flows);
	for (uint32_t host = 2; host < 12; host++)
		map_some(LAN_HOST + host, 0, 10);
	for (uint32_t i = 0; sent(LAN_HOST, i).end == OUT; i++)
		assert_in_range(i, 0, 1000);
	displaced = c->displaced;
	assert_true(displaced > 0);
	assert_int_equal(lb_inside_count(net->worker[0]->lb->inside[0], to_be32(LAN_HOST)), 10);
	map_some(LAN_HOST, 2000, 200);
	assert_int_equal(c->displaced, displaced);
	lb_bed_end(net->worker[0]);
	table = 4000;
}

static int set_up(void **state)
{
	(void)state;
	return eal_for_tests(256) < 0 ? -1 : 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_it_counts_as_a_list_does),
		cmocka_unit_test(test_a_host_has_its_fill),
		cmocka_unit_test(test_on_several_workers),
		cmocka_unit_test(test_it_changes_live),
		cmocka_unit_test(test_who_is_refused_displaces_nobody),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
