/* SPDX-License-Identifier: BSD-3-Clause */
/* Options on their way through a router, and in its answers; the egress that they depend on. */
#include "exact.h"
#include "frame.h"
#include "net/error.h"
#include "net/lookup.h"
#include "net/options.h"
#include "the_worker.h"

#include <time.h>

#define OPTS_MAX 40

static uint8_t frame[FRAME_MAX], expected[FRAME_MAX];

/* An address in a table of bytes. */
#define A(addr)                                                                                    \
	(uint8_t)((addr) >> 24), (uint8_t)((addr) >> 16), (uint8_t)((addr) >> 8), (uint8_t)(addr)

static uint32_t make(
	uint8_t *to, uint32_t src, uint32_t dst, uint8_t ttl, const uint8_t *opts, uint32_t len)
{
	struct ip4_fields f = {.id = 5, .ttl = ttl, .proto = 99, .src = src, .dst = dst};
	uint8_t payload[8] = {1, 2, 3, 4, 5, 6, 7, 8};

	return frame_ip4(to, f, opts, len, payload, sizeof(payload));
}

/* Options as they come in and go on; all are padded to whole words by END. */
struct option_case {
	const char *name;
	uint32_t dst;
	uint8_t ttl;
	uint8_t in[OPTS_MAX];
	uint8_t out[OPTS_MAX]; /* empty: as they came */
	uint32_t new_dst;      /* 0: as it came */
	int cause;	       /* enum error_cause; -1: it passes */
	uint32_t value;
};

static uint32_t opts_len(const uint8_t *opts)
{
	uint32_t len = OPTS_MAX;

	while (len > 0 && opts[len - 1] == 0)
		len--;
	return (len + 3) & ~3u;
}

static void check(const struct option_case *c)
{
	uint32_t opt_len = opts_len(c->out[0] ? c->out : c->in);
	uint32_t len = make(frame, LAN_HOST, c->dst, c->ttl, c->in, opt_len);
	struct rte_mbuf *m = fake_packet(w, LAN, frame, len, 0, FAKE_EXACT);
	bool passes = options_pass(w, m);

	if (passes != (c->cause < 0))
		fail_msg("%s: %d", c->name, passes);
	if (passes) {
		make(expected, LAN_HOST, c->new_dst ? c->new_dst : c->dst, c->ttl,
			c->out[0] ? c->out : c->in, opt_len);
		fake_expect(m, expected, len);
		lane_put(&w->in, m, 0);
	} else {
		if (w->error.n != 1 || error_cause(w->error.aux[0]) != (unsigned int)c->cause ||
			error_value(w->error.aux[0]) != c->value)
			fail_msg("%s: value %u", c->name, error_value(w->error.aux[0]));
		if (c->cause == ERROR_OPTION)
			fake_expect(m, frame, len); /* quoted as it came */
	}
	fake_rest(w);
}

static void test_forwarded(void **state)
{
	static const struct option_case cases[] = {
		{"record route, empty", FAR_HOST, 9, {7, 7, 4, 0, 0, 0, 0, 0},
			{7, 7, 8, A(WAN_ADDR)}, 0, -1, 0},
		{"record route, second", FAR_HOST, 9, {7, 11, 8, 9, 9, 9, 9, 0, 0, 0, 0, 1},
			{7, 11, 12, 9, 9, 9, 9, A(WAN_ADDR), 1}, 0, -1, 0},
		{"record route, full", FAR_HOST, 9, {7, 7, 8, 9, 9, 9, 9, 1}, {0}, 0, -1, 0},
		{"record route, back on the same link", LAN_HOST, 9, {7, 7, 4, 0, 0, 0, 0, 1},
			{7, 7, 8, A(LAN_ADDR), 1}, 0, -1, 0},
		{"record route, to a neighbour not known yet", LAN_ADDR + 7, 9,
			{7, 7, 4, 0, 0, 0, 0, 1}, {7, 7, 8, A(LAN_ADDR), 1}, 0, -1, 0},
		{"record route, for us", WAN_ADDR, 9, {7, 7, 4, 0, 0, 0, 0, 1}, {0}, 0, -1, 0},
		{"record route, to all", 0xffffffff, 9, {7, 7, 4, 0, 0, 0, 0, 1}, {0}, 0, -1, 0},
		{"record route, no way", FAKE_ADDR(9, 9, 9, 9), 9, {7, 7, 4, 0, 0, 0, 0, 1}, {0}, 0,
			-1, 0},
		{"record route, at its end", FAR_HOST, 1, {7, 7, 4, 0, 0, 0, 0, 1}, {0}, 0, -1, 0},
		{"router alert", FAR_HOST, 9, {148, 4, 0, 0, 1}, {0}, 0, -1, 0},
		{"security", FAR_HOST, 9, {130, 3, 7, 1}, {0}, 0, -1, 0},
		{"unknown", FAR_HOST, 9, {222, 5, 1, 2, 3}, {0}, 0, -1, 0},
		{"unknown, then record route", FAR_HOST, 9, {30, 3, 9, 7, 7, 4, 0, 0, 0, 0, 1},
			{30, 3, 9, 7, 7, 8, A(WAN_ADDR), 1}, 0, -1, 0},
		{"no operations", FAR_HOST, 9, {1, 1, 1, 1}, {0}, 0, -1, 0},
		{"length 0", FAR_HOST, 9, {7, 0, 4, 1}, {0}, 0, ERROR_OPTION, 21},
		{"length 1", FAR_HOST, 9, {1, 99, 1, 1}, {0}, 0, ERROR_OPTION, 22},
		{"beyond the header", FAR_HOST, 9, {7, 9, 4, 1}, {0}, 0, ERROR_OPTION, 21},
		{"a pointer before the data", FAR_HOST, 9, {7, 7, 3, 0, 0, 0, 0, 1}, {0}, 0,
			ERROR_OPTION, 22},
		{"malformed, for us", WAN_ADDR, 9, {7, 7, 3, 0, 0, 0, 0, 1}, {0}, 0, ERROR_OPTION,
			22},
	};

	(void)state;
	for (size_t i = 0; i < RTE_DIM(cases); i++)
		check(&cases[i]);
}

/* RFC 7126: off by default, wherever it leads; RFC 1812 5.2.4.1 where it is on. */
static void test_source_route(void **state)
{
	static const struct option_case off[] = {
		{"loose", WAN_ADDR, 9, {131, 7, 4, A(FAR_HOST), 1}, {0}, 0, ERROR_SOURCE_ROUTE, 0},
		{"strict", WAN_ADDR, 9, {137, 7, 4, A(FAR_HOST), 1}, {0}, 0, ERROR_SOURCE_ROUTE, 0},
		{"done", WAN_ADDR, 9, {131, 7, 8, A(FAR_HOST), 1}, {0}, 0, ERROR_SOURCE_ROUTE, 0},
		{"in transit", FAR_HOST, 9, {131, 7, 4, A(FAR_HOST), 1}, {0}, 0, ERROR_SOURCE_ROUTE,
			0},
	};
	static const struct option_case on[] = {
		{"loose", LAN_ADDR, 9, {131, 7, 4, A(FAR_HOST), 1}, {131, 7, 8, A(WAN_ADDR), 1},
			FAR_HOST, -1, 0},
		{"loose, the first of two", LAN_ADDR, 9, {131, 11, 4, A(FAR_HOST), 9, 9, 9, 9, 1},
			{131, 11, 8, A(WAN_ADDR), 9, 9, 9, 9, 1}, FAR_HOST, -1, 0},
		{"loose, in transit", FAR_HOST, 9, {131, 7, 4, A(WAN_HOST), 1}, {0}, 0, -1, 0},
		{"loose, through two of ours", LAN_ADDR, 9,
			{131, 11, 4, A(WAN_ADDR), A(FAR_HOST), 1},
			{131, 11, 12, A(LAN_ADDR), A(WAN_ADDR), 1}, FAR_HOST, -1, 0},
		{"loose, no room for a second", LAN_ADDR, 9, {131, 9, 4, A(WAN_ADDR), 7, 7, 1}, {0},
			0, ERROR_SOURCE_ROUTE, 0},
		{"done, for us", LAN_ADDR, 9, {131, 7, 8, 9, 9, 9, 9, 1}, {0}, 0, -1, 0},
		{"empty, for us", LAN_ADDR, 9, {131, 3, 4, 1}, {0}, 0, -1, 0},
		{"loose and recorded", LAN_ADDR, 9,
			{131, 7, 4, A(FAR_HOST), 7, 7, 4, 0, 0, 0, 0, 1},
			{131, 7, 8, A(WAN_ADDR), 7, 7, 8, A(WAN_ADDR), 1}, FAR_HOST, -1, 0},
		{"strict, to a neighbour", LAN_ADDR, 9, {137, 7, 4, A(WAN_HOST), 1},
			{137, 7, 8, A(WAN_ADDR), 1}, WAN_HOST, -1, 0},
		{"strict, to one not known yet", LAN_ADDR, 9, {137, 7, 4, A(WAN_HOST + 9), 1},
			{137, 7, 8, A(WAN_ADDR), 1}, WAN_HOST + 9, -1, 0},
		{"strict, not to a neighbour", LAN_ADDR, 9, {137, 7, 4, A(FAR_HOST), 1}, {0}, 0,
			ERROR_SOURCE_ROUTE, 0},
		{"strict, in transit", FAR_HOST, 9, {137, 7, 4, A(FAR_HOST), 1}, {0}, 0,
			ERROR_SOURCE_ROUTE, 0},
		{"two of them", LAN_ADDR, 9, {131, 7, 4, A(FAR_HOST), 137, 7, 4, A(FAR_HOST), 1},
			{0}, 0, ERROR_OPTION, 27},
	};

	(void)state;
	for (size_t i = 0; i < RTE_DIM(off); i++)
		check(&off[i]);
	w->net->set.source_route = 1;
	for (size_t i = 0; i < RTE_DIM(on); i++)
		check(&on[i]);
	w->net->set.source_route = 0;
}

static uint32_t time_of_day(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (uint32_t)(t.tv_sec % 86400 * 1000 + t.tv_nsec / 1000000);
}

static void test_timestamp(void **state)
{
	static const struct {
		const char *name;
		uint8_t in[OPTS_MAX], out[OPTS_MAX];
		uint8_t stamp_at; /* offset in the options of the time; 0: none is added */
	} cases[] = {
		{"times alone", {68, 8, 5, 0, 0, 0, 0, 0}, {68, 8, 9, 0}, 4},
		{"with addresses", {68, 12, 5, 1, 0, 0, 0, 0, 0, 0, 0, 0},
			{68, 12, 13, 1, A(WAN_ADDR)}, 8},
		{"asked of our egress", {68, 12, 5, 3, A(WAN_ADDR), 0, 0, 0, 0},
			{68, 12, 13, 3, A(WAN_ADDR)}, 8},
		{"asked of another of ours", {68, 12, 5, 3, A(LAN_ADDR), 0, 0, 0, 0},
			{68, 12, 13, 3, A(LAN_ADDR)}, 8},
		{"asked of somebody else", {68, 12, 5, 3, A(FAR_HOST), 0, 0, 0, 0},
			{68, 12, 5, 3, A(FAR_HOST)}, 0},
		{"full: one more that found no room", {68, 8, 9, 0x20, 1, 2, 3, 4},
			{68, 8, 9, 0x30, 1, 2, 3, 4}, 0},
	};

	(void)state;
	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		uint32_t opt_len = cases[i].in[1], before = time_of_day(), after, got;
		uint32_t len = make(frame, LAN_HOST, FAR_HOST, 9, cases[i].in, opt_len);
		struct rte_mbuf *m = fake_packet(w, LAN, frame, len, 0, FAKE_EXACT);
		uint8_t out[OPTS_MAX];

		assert_true(options_pass(w, m));
		after = time_of_day();
		memcpy(out, cases[i].out, sizeof(out));
		if (cases[i].stamp_at) {
			got = load32((const uint8_t *)(pkt_ip4(m) + 1) + cases[i].stamp_at);
			store32(out + cases[i].stamp_at, got);
			if (before <= after) /* not over midnight */
				assert_in_range(from_be32(got), before, after);
		}
		make(expected, LAN_HOST, FAR_HOST, 9, out, opt_len);
		fake_expect(m, expected, len);
		lane_put(&w->in, m, 0);
		fake_rest(w);
	}
}

/* RFC 1122 3.2.2.6: recorded once more, and the way back for a source route. */
static void test_answer(void **state)
{
	static const struct {
		const char *name;
		uint8_t in[OPTS_MAX], out[OPTS_MAX];
		uint32_t dst;
	} cases[] = {
		{"record route", {7, 11, 8, 1, 1, 1, 1, 0, 0, 0, 0, 0},
			{7, 11, 12, 1, 1, 1, 1, A(LAN_ADDR), 0}, LAN_HOST},
		{"a route of none", {131, 3, 4, 1}, {131, 3, 4, 1}, LAN_HOST},
		{"of one", {131, 7, 8, 1, 1, 1, 1, 1}, {131, 7, 4, A(LAN_HOST), 1},
			FAKE_ADDR(1, 1, 1, 1)},
		{"of two", {131, 11, 12, 1, 1, 1, 1, 2, 2, 2, 2, 1},
			{131, 11, 4, 1, 1, 1, 1, A(LAN_HOST), 1}, FAKE_ADDR(2, 2, 2, 2)},
		{"of three, strict", {137, 15, 16, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 1},
			{137, 15, 4, 2, 2, 2, 2, 1, 1, 1, 1, A(LAN_HOST), 1},
			FAKE_ADDR(3, 3, 3, 3)},
		{"of four", {131, 19, 20, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 1},
			{131, 19, 4, 3, 3, 3, 3, 2, 2, 2, 2, 1, 1, 1, 1, A(LAN_HOST), 1},
			FAKE_ADDR(4, 4, 4, 4)},
	};

	(void)state;
	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		uint32_t opt_len = opts_len(cases[i].out);
		struct ip4_hdr *ip = exact_copy(frame_ip(frame),
			make(frame, LAN_ADDR, LAN_HOST, 9, cases[i].in, opt_len) - ETH_HDR_LEN);

		options_answer(ip);
		ip4_hdr_csum_set(ip);
		make(expected, LAN_ADDR, cases[i].dst, 9, cases[i].out, opt_len);
		assert_memory_equal(ip, frame_ip(expected), 20 + opt_len);
		free(ip);
	}
}

static void test_egress(void **state)
{
	const struct net *net = w->net;
	struct group *g = &w->net->group[1];
	uint32_t seen[3] = {0}, len = make(frame, LAN_HOST, FAR_HOST, 9, NULL, 0);
	struct rte_mbuf *m = fake_packet(w, LAN, frame, len, 0, FAKE_EXACT);

	(void)state;
	assert_int_equal(lookup_egress(w, m, LAN_HOST), LAN);
	assert_int_equal(lookup_egress(w, m, LAN_ADDR + 77), LAN);
	assert_int_equal(lookup_egress(w, m, FAR_HOST), WAN);
	assert_int_equal(lookup_egress(w, m, LAN_ADDR), IFACE_LOOPBACK);
	assert_int_equal(lookup_egress(w, m, LAN_BCAST), IFACE_LOOPBACK);
	assert_int_equal(lookup_egress(w, m, FAKE_ADDR(9, 9, 9, 9)), IFACE_LOOPBACK);
	for (uint32_t i = 0; i < GROUP_BUCKETS; i++)
		g->bucket[i] = i & 1 ? LAN : WAN;
	fake_route(w->net, FAKE_ADDR(198, 18, 64, 0), 24, FIB_GROUP, 1);
	for (uint32_t i = 0; i < 100; i++) {
		pkt_ip4(m)->src = to_be32(LAN_HOST + i);
		seen[lookup_egress(w, m, FAKE_ADDR(198, 18, 64, 1))]++;
	}
	assert_int_equal(seen[IFACE_LOOPBACK], 0);
	assert_in_range(seen[LAN], 20, 80);
	assert_true(lookup_is_ours(net, WAN_ADDR) && lookup_is_ours(net, LOOPBACK));
	assert_false(lookup_is_ours(net, WAN_HOST) || lookup_is_ours(net, LAN_BCAST));
	lane_put(&w->in, m, 0);
	fake_rest(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forwarded),
		cmocka_unit_test(test_source_route),
		cmocka_unit_test(test_timestamp),
		cmocka_unit_test(test_answer),
		cmocka_unit_test(test_egress),
	};

	return cmocka_run_group_tests(tests, fake_set_up, fake_tear_down);
}
