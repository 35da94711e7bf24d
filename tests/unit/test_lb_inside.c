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
	struct lb_inside *t = lb_inside_new(FIRST, FIRST + 99, -1); /* as full as it can get */
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

/* --- whose flags say when a mapping ends --- */

#define OWN	 WAN_ADDR
#define STRANGER FAKE_ADDR(198, 19, 9, 9)

enum who { NOBODY, REMOTE, SOMEBODY };

struct step {
	enum who who; /* outside */
	uint8_t in;   /* flags from there, or */
	uint8_t out;  /* to there */
	uint32_t len; /* of data */
};

/* One host's port, towards or from the two; all are carried, whatever they say. Its port outside.
 */
static uint16_t run_steps(const struct step *steps, uint32_t n)
{
	static uint16_t port; /* that it was last seen with */

	for (uint32_t i = 0; i < n && steps[i].who != NOBODY; i++) {
		const struct step *s = &steps[i];
		uint32_t far = s->who == REMOTE ? WAN_HOST : STRANGER;
		struct lb_bed_packet out = {LAN_HOST, far, 1000, 80, s->out, .len = s->len};
		struct lb_bed_packet in = {far, OWN, 80, port, s->in, .len = s->len};
		struct nat_result r = s->out != 0 ? nat_bed_send(net, 0, LAN, &out)
						  : nat_bed_send(net, 0, WAN, &in);

		if (r.end != OUT)
			fail_msg("step %u: %d, %u", i, r.end, r.value);
		if (s->out != 0)
			port = nat_bed_sport(&r);
	}
	return port;
}

#define OPEN(who)                                                                                  \
	{who, .out = TCP_SYN}, {who, .in = TCP_SYN | TCP_ACK},                                     \
	{                                                                                          \
		who, .out = TCP_ACK                                                                \
	}
#define CLOSE(who)                                                                                 \
	{who, .out = TCP_FIN | TCP_ACK}, {who, .in = TCP_FIN | TCP_ACK},                           \
	{                                                                                          \
		who, .out = TCP_ACK                                                                \
	}

/* RFC 5382 REQ-5: what is established lives for hours, whatever others say of it. */
static void test_whose_end_it_is(void **state)
{
	enum { BRIEF = 55, MINUTES = 285, HOURS = 7490 };
	static const struct {
		const char *name;
		struct step step[16];
		uint32_t over; /* seconds: it lives till shortly before */
	} cases[] = {
		{"open", {OPEN(REMOTE)}, HOURS},
		{"reset from outside", {OPEN(REMOTE), {REMOTE, .in = TCP_RST}}, BRIEF},
		{"reset from inside", {OPEN(REMOTE), {REMOTE, .out = TCP_RST}}, BRIEF},
		{"refused", {{REMOTE, .out = TCP_SYN}, {REMOTE, .in = TCP_RST | TCP_ACK}}, BRIEF},
		{"closed", {OPEN(REMOTE), CLOSE(REMOTE)}, BRIEF},
		{"a stranger's reset", {OPEN(REMOTE), {SOMEBODY, .in = TCP_RST}}, HOURS},
		{"a stranger's reset of a SYN",
			{{REMOTE, .out = TCP_SYN}, {SOMEBODY, .in = TCP_RST | TCP_ACK}}, MINUTES},
		{"a stranger's FIN", {OPEN(REMOTE), {SOMEBODY, .in = TCP_FIN | TCP_ACK}}, HOURS},
		{"a stranger who is refused",
			{OPEN(REMOTE), {SOMEBODY, .in = TCP_SYN},
				{SOMEBODY, .out = TCP_RST | TCP_ACK}},
			HOURS},
		{"a stranger who is let in, and leaves",
			{OPEN(REMOTE), {SOMEBODY, .in = TCP_SYN},
				{SOMEBODY, .out = TCP_SYN | TCP_ACK}, {SOMEBODY, .in = TCP_ACK},
				{SOMEBODY, .in = TCP_FIN | TCP_ACK},
				{SOMEBODY, .out = TCP_FIN | TCP_ACK}, {SOMEBODY, .in = TCP_ACK}},
			HOURS},
		{"a stranger who is let in by who has nobody",
			{OPEN(REMOTE), CLOSE(REMOTE), {SOMEBODY, .in = TCP_SYN},
				{SOMEBODY, .out = TCP_SYN | TCP_ACK}, {SOMEBODY, .in = TCP_ACK},
				{SOMEBODY, .out = TCP_ACK}},
			HOURS},
		{"he leaves",
			{OPEN(REMOTE), CLOSE(REMOTE), {SOMEBODY, .in = TCP_SYN},
				{SOMEBODY, .out = TCP_SYN | TCP_ACK}, {SOMEBODY, .in = TCP_ACK},
				{SOMEBODY, .out = TCP_ACK}, {SOMEBODY, .in = TCP_RST}},
			BRIEF},
		{"two, and the first ends", {OPEN(REMOTE), OPEN(SOMEBODY), CLOSE(REMOTE)}, HOURS},
		{"two, and the second ends", {OPEN(REMOTE), OPEN(SOMEBODY), CLOSE(SOMEBODY)},
			HOURS},
		{"two, and nobody knows when both have ended",
			{OPEN(REMOTE), OPEN(SOMEBODY), CLOSE(SOMEBODY), CLOSE(REMOTE)}, HOURS},
		{"a second while the first ends",
			{OPEN(REMOTE), {REMOTE, .out = TCP_FIN | TCP_ACK}, OPEN(SOMEBODY),
				{REMOTE, .in = TCP_FIN | TCP_ACK}},
			HOURS},
		{"one after the other",
			{OPEN(REMOTE), CLOSE(REMOTE), OPEN(SOMEBODY), CLOSE(SOMEBODY)}, BRIEF},
		{"the other's last words",
			{OPEN(REMOTE), CLOSE(REMOTE), OPEN(SOMEBODY),
				{REMOTE, .in = TCP_FIN | TCP_ACK}, {REMOTE, .out = TCP_RST}},
			HOURS},
		{"the end was another's, who is spoken to, and ends",
			{OPEN(REMOTE), CLOSE(REMOTE), {SOMEBODY, .out = TCP_ACK, .len = 9},
				CLOSE(SOMEBODY)},
			BRIEF},
		{"a reset that was not believed, and data",
			{OPEN(REMOTE), {REMOTE, .in = TCP_RST}, {REMOTE, .in = TCP_ACK, .len = 9}},
			HOURS},
		{"a stranger's data after the end",
			{OPEN(REMOTE), CLOSE(REMOTE), {SOMEBODY, .in = TCP_ACK, .len = 9}}, BRIEF},
		{"one that was not seen to begin, and another's end",
			{{REMOTE, .out = TCP_ACK}, {REMOTE, .in = TCP_ACK},
				{REMOTE, .out = TCP_ACK}, OPEN(SOMEBODY), CLOSE(SOMEBODY)},
			HOURS},
	};

	(void)state;
	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		uint32_t before = cases[i].over == BRIEF ? 9 : cases[i].over - 60;

		begin(1, 0);
		run_steps(cases[i].step, RTE_DIM(cases[i].step));
		lb_bed_wait(net, before * 1000);
		if (nat_bed_ports(net, LB_NAT_TCP) != 1)
			fail_msg("%s: gone", cases[i].name);
		lb_bed_wait(net, (cases[i].over - before) * 1000);
		if (nat_bed_ports(net, LB_NAT_TCP) != 0 || nat_bed_flows(net) != 0)
			fail_msg("%s: still there", cases[i].name);
		lb_bed_end(net->worker[0]);
	}
}

/* Nor does a reset that nobody asked for keep a mapping; what is said inside does. */
static void test_strangers_refresh_nothing(void **state)
{
	static const struct step open[] = {OPEN(REMOTE)};
	static const struct {
		struct step step;
		bool keeps;
	} cases[] = {{{SOMEBODY, .in = TCP_RST}, false}, {{SOMEBODY, .in = TCP_SYN}, false},
		{{SOMEBODY, .in = TCP_FIN | TCP_ACK}, false}, {{SOMEBODY, .out = TCP_RST}, true},
		{{REMOTE, .in = TCP_ACK}, true}};

	(void)state;
	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		begin(1, 0);
		run_steps(open, RTE_DIM(open));
		lb_bed_wait(net, 7000 * 1000);
		run_steps(&cases[i].step, 1);
		lb_bed_wait(net, 1000 * 1000);
		assert_int_equal(nat_bed_ports(net, LB_NAT_TCP), cases[i].keeps);
		lb_bed_end(net->worker[0]);
	}
}

/* Once it has ended nobody holds its port by speaking to it, whether he is answered or not. */
static void test_strangers_hold_nothing_that_ended(void **state)
{
	static const struct step ended[] = {OPEN(REMOTE), CLOSE(REMOTE)};
	struct lb_bed_packet in = {STRANGER, OWN, 80, 0, TCP_ACK}, out = in;
	uint32_t seconds = 0;

	(void)state;
	begin(1, 0);
	in.dport = run_steps(ended, RTE_DIM(ended));
	out = (struct lb_bed_packet){LAN_HOST, STRANGER, 1000, 80, TCP_RST};
	for (; nat_bed_ports(net, LB_NAT_TCP) > 0; seconds++) {
		assert_in_range(seconds, 0, 55);
		in.len = seconds % 2;
		nat_bed_send(net, 0, WAN, &in);
		nat_bed_send(net, 0, LAN, &out);
		lb_bed_wait(net, 1000);
	}
	assert_in_range(seconds, 10, 55);
	lb_bed_end(net->worker[0]);
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
		cmocka_unit_test(test_whose_end_it_is),
		cmocka_unit_test(test_strangers_refresh_nothing),
		cmocka_unit_test(test_strangers_hold_nothing_that_ended),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
