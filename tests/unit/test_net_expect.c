/* SPDX-License-Identifier: BSD-3-Clause */
/* expect: replies that somebody waits for leave by the lane `answer`; all others go their way. */
#include "net/expect.h"

#include "frame.h"
#include "net/error.h"
#include "the_worker.h"

static uint8_t frame[FRAME_MAX];

static const struct ip4_fields from_host = {.ttl = 64, .src = LAN_HOST, .dst = LAN_ADDR};
static const struct expected
	ping = {.from = LAN_HOST, .to = LAN_ADDR, .from_port = 7, .to_port = 99, .proto = 1},
	query = {.from = LAN_HOST, .to = LAN_ADDR, .from_port = 53, .to_port = 40000, .proto = 17};

enum { PING = 3, QUERY = 5, NUMBERS = 8 };

static int set_up(void **state)
{
	(void)state;
	w->expect = expect_new(NUMBERS);
	assert_non_null(w->expect);
	expect_add(w->expect, PING, &ping);
	expect_add(w->expect, QUERY, &query);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	fake_rest(w);
	expect_free(w->expect);
	w->expect = NULL;
	return 0;
}

/* A reply with its id and sequence number. */
static uint32_t echo_reply(struct ip4_fields f, uint16_t id, uint16_t seq)
{
	uint32_t len = frame_icmp(frame, f, ICMP_TYPE_ECHO_REPLY, 0, 16);
	struct icmp_hdr *icmp = frame_l4(frame);

	icmp_hdr_build(icmp, ICMP_TYPE_ECHO_REPLY, 0, (uint32_t)id << 16 | seq, ICMP_HDR_LEN + 16);
	return len;
}

static void icmp_in(uint32_t len, size_t seg)
{
	lane_put(&w->icmp, fake_packet(w, LAN, frame, len, seg, FAKE_EXACT), 0);
	fake_run(w, &w->icmp, stage_icmp);
}

static void udp_in(uint32_t len, size_t seg)
{
	lane_put(&w->udp, fake_packet(w, LAN, frame, len, seg, FAKE_EXACT), 0);
	fake_run(w, &w->udp, stage_udp);
}

static void answered(uint32_t number)
{
	assert_int_equal(w->answer.n, 1);
	assert_int_equal(w->answer.aux[0], number);
	fake_rest(w);
}

static void replies(void **state)
{
	(void)state;
	for (size_t seg = 0; seg < 4; seg += 3) {
		icmp_in(echo_reply(from_host, 99, 7), seg);
		answered(PING);
		udp_in(frame_udp(frame, from_host, 53, 40000, 30), seg);
		answered(QUERY);
	}
}

/* One thing is not as it was asked. */
static void others(void **state)
{
	const struct ip4_fields other_host = {.ttl = 64, .src = LAN_HOST + 1, .dst = LAN_ADDR},
				other_addr = {.ttl = 64, .src = LAN_HOST, .dst = WAN_ADDR};
	const struct {
		struct ip4_fields f;
		uint16_t theirs, ours;
	} rows[] = {{other_host, 53, 40000}, {other_addr, 53, 40000}, {from_host, 54, 40000},
		{from_host, 53, 40001}};

	(void)state;
	for (size_t i = 0; i < RTE_DIM(rows); i++) {
		udp_in(frame_udp(frame, rows[i].f, rows[i].theirs, rows[i].ours, 30), 0);
		assert_int_equal(w->answer.n, 0);
		assert_int_equal(w->error.n, 1);
		fake_rest(w);
		icmp_in(echo_reply(rows[i].f, rows[i].ours == 40000 ? 99 : 98,
				rows[i].theirs == 53 ? 7 : 8),
			0);
		fake_dropped(w, DROP_ICMP_TYPE);
		fake_rest(w);
	}
	icmp_in(echo_reply(from_host, 40000, 53), 0); /* the numbers of the other */
	fake_dropped(w, DROP_ICMP_TYPE);
	fake_rest(w);
}

/* An ICMP error about a datagram from to_port to from_port. */
static uint32_t error_about(uint16_t to_port, uint16_t from_port)
{
	const struct ip4_fields out = {.ttl = 64, .src = LAN_ADDR, .dst = LAN_HOST};
	struct ip4_fields f = from_host;
	uint8_t quoted[256], message[256];
	uint32_t len = frame_udp(quoted, out, to_port, from_port, 20) - ETH_HDR_LEN;

	memcpy(message + ICMP_HDR_LEN, quoted + ETH_HDR_LEN, len);
	icmp_hdr_build((struct icmp_hdr *)message, ICMP_TYPE_UNREACH, ICMP_CODE_PORT, 0,
		ICMP_HDR_LEN + len);
	f.proto = IP4_PROTO_ICMP;
	return frame_ip4(frame, f, NULL, 0, message, ICMP_HDR_LEN + len);
}

static void errors(void **state)
{
	(void)state;
	icmp_in(error_about(40000, 53), 0);
	answered(QUERY);
	icmp_in(error_about(40000, 54), 0);
	assert_int_equal(w->answer.n, 0);
	assert_int_equal(w->books.consumed, 1);
}

static void nobody_waits_any_more(void **state)
{
	(void)state;
	expect_del(w->expect, QUERY);
	expect_del(w->expect, QUERY);
	assert_int_equal(expect_count(w->expect), 1);
	udp_in(frame_udp(frame, from_host, 53, 40000, 30), 0);
	assert_int_equal(w->answer.n, 0);
	fake_rest(w);
	icmp_in(echo_reply(from_host, 99, 7), 0);
	answered(PING);
	expect_add(w->expect, QUERY, &query); /* the number again */
	udp_in(frame_udp(frame, from_host, 53, 40000, 30), 0);
	answered(QUERY);
}

/* What falls into one bucket is told apart, and goes in any order. */
static void one_bucket(void **state)
{
	struct expected e = query;

	(void)state;
	for (uint32_t i = 0; i < NUMBERS; i++)
		expect_del(w->expect, i);
	for (uint32_t i = 0; i < NUMBERS; i++, e.to_port += 256)
		expect_add(w->expect, i, &e);
	for (uint32_t gone = 0; gone < NUMBERS; gone++) {
		expect_del(w->expect, gone * 5 % NUMBERS);
		e.to_port = query.to_port;
		for (uint32_t i = 0; i < NUMBERS; i++, e.to_port += 256) {
			bool there = true;

			for (uint32_t k = 0; k <= gone; k++)
				there &= k * 5 % NUMBERS != i;
			assert_int_equal(expect_find(w->expect, &e), there ? i : EXPECT_NONE);
		}
	}
	assert_int_equal(expect_count(w->expect), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define WAITED(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		WAITED(replies),
		WAITED(others),
		WAITED(errors),
		WAITED(nobody_waits_any_more),
		WAITED(one_bucket),
	};

	return cmocka_run_group_tests(tests, fake_set_up, fake_tear_down);
}
