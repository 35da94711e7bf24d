/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Checks on workers without devices: whom they ask and when, what they tell control, and what is
 * left of a list that is replaced. Time is a number; packets are read from the lane `out`.
 */
#include "bed.h"
#include "frame.h"
#include "lb/lb.h"
#include "net/expect.h"
#include "service/checks.h"
#include "tcp/stage.h"
#include "wire/dns_hdr.h"

#define MANY 100

static struct lb_backend_conf backends[MANY];
static struct lb_service_conf service;
static struct lb_conf conf;
static struct bed *b;
static uint32_t asked[MANY]; /* of each backend: questions */
static uint8_t frame[FRAME_MAX];

static void apply(void)
{
	struct errs e = {0};

	assert_int_equal(lb_build(b->net, &conf, &e), 0);
	lb_publish(b->net, b->now);
	lb_retire(b->net);
	checks_tick(b->net);
}

static void forget_packets(struct worker *w)
{
	rte_pktmbuf_free_bulk(w->out.pkt, w->out.n);
	w->out.n = 0;
	rte_pktmbuf_free_bulk(w->to_free, w->n_free);
	w->n_free = 0;
}

/* A pass of each worker; the questions are counted, and stay in the lanes. Returns how many. */
static uint32_t pass(uint32_t ms)
{
	uint32_t n = 0;

	b->now += clock_of_ms(ms);
	for (uint16_t i = 0; i < b->net->n_workers; i++) {
		struct worker *w = b->net->worker[i];

		forget_packets(w);
		w->now = b->now;
		checks_run(w);
		stage_tcp_output(w, true);
		n += w->out.n;
		for (uint32_t k = 0; k < w->out.n; k++)
			asked[w->out.aux[k] - WAN_NET(1)]++;
	}
	lb_tick(b->net, b->now);
	checks_tick(b->net);
	epoch_poll(b->net->epoch);
	return n;
}

static bool told(struct worker *w, uint32_t i, enum lb_reason *reason)
{
	struct lb_member *m = lb_member_find(b->net, "shop", WAN_NET(1 + i), 0);
	struct event e;

	while (bed_event(w, &e)) {
		if (e.kind != EVENT_CHECKED || e.check.slot != m->slot[0])
			continue;
		*reason = e.reason;
		return true;
	}
	return false;
}

static void open_with(enum lb_check_kind kind, uint32_t n, uint16_t workers)
{
	struct tcp_settings set = tcp_settings_default;
	struct tcp_limits limits = tcp_limits_default;
	static const uint64_t seed[4] = {1, 2, 3, 4};

	limits.connections = limits.time_waits = 256;
	for (uint32_t i = 0; i < MANY; i++)
		backends[i] = (struct lb_backend_conf){.addr = WAN_NET(1 + i), .weight = 1};
	service = (struct lb_service_conf){.name = "shop",
		.addr = LAN_NET(100),
		.port = 80,
		.last_port = 80,
		.protocol = LB_TCP,
		.keep = true,
		.table_size = 1009,
		.check = {.kind = kind,
			.interval_ms = 2000,
			.timeout_ms = 1000,
			.rise = 1,
			.fall = 1,
			.host = "x.example",
			.path = "/",
			.status_min = 200,
			.status_max = 299},
		.n_backends = n,
		.backends = backends};
	conf = (struct lb_conf){.n_services = 1,
		.services = &service,
		.max_flows = 64,
		.max_services = 2,
		.max_backends = MANY};
	memset(asked, 0, sizeof(asked));
	b = bed_new(workers);
	for (uint16_t i = 0; i < OWNER_MAP; i++)
		b->net->owner[i] = (uint8_t)(i % workers);
	b->now = clock_now();
	for (uint16_t i = 0; i < workers; i++)
		assert_int_equal(tcp_attach(b->net->worker[i], &set, &limits, seed), 0);
	assert_int_equal(lb_attach(b->net, &conf), 0);
	assert_int_equal(checks_attach(b->net), 0);
	apply();
}

static void close_all(void)
{
	for (uint16_t i = 0; i < b->net->n_workers; i++)
		forget_packets(b->net->worker[i]);
	checks_detach(b->net);
	for (uint16_t i = 0; i < b->net->n_workers; i++)
		tcp_detach(b->net->worker[i]);
	epoch_drain(b->net->epoch);
	lb_detach(b->net);
	bed_rest(b);
	bed_free(b);
}

/* Each once in an interval, and never many at once: neither at first nor later. */
static void questions_are_spread(void **state)
{
	(void)state;
	open_with(LB_CHECK_ICMP, MANY, 1);
	for (uint32_t round = 1; round <= 3; round++) {
		for (uint32_t ms = 0; ms < 2000; ms += 10)
			assert_in_range(pass(10), 0, 3);
		for (uint32_t i = 0; i < MANY; i++)
			assert_in_range(asked[i], round - 1, round + 1);
	}
	close_all();
}

/* By one worker alone, and UDP from a port whose answer comes to that worker. */
static void one_worker_asks(void **state)
{
	static const enum lb_check_kind kinds[] = {LB_CHECK_ICMP, LB_CHECK_DNS, LB_CHECK_TCP};

	(void)state;
	for (size_t k = 0; k < RTE_DIM(kinds); k++) {
		open_with(kinds[k], 20, 3);
		for (uint32_t ms = 0; ms < 500; ms += 10) {
			pass(10);
			for (uint16_t i = 0; i < 3; i++) {
				struct worker *w = b->net->worker[i];

				for (uint32_t p = 0; p < w->out.n; p++) {
					const struct ip4_hdr *ip = pkt_ip4(w->out.pkt[p]);
					const struct udp_hdr *udp = pkt_l4(w->out.pkt[p]);
					bool is_icmp = kinds[k] == LB_CHECK_ICMP;

					assert_int_equal(ip4_hdr_src(ip), WAN_ADDR);
					assert_int_equal(
						tcp_stage_owner(w, WAN_ADDR, ip4_hdr_dst(ip),
							is_icmp ? 0 : udp_hdr_sport(udp),
							is_icmp ? 0 : udp_hdr_dport(udp)),
						w->id);
				}
			}
		}
		for (uint32_t i = 0; i < 20; i++)
			assert_int_equal(asked[i], 1);
		close_all();
	}
}

/* The answer to the one question in the lane: an echo reply, or a DNS response with an rcode. */
static void answer(struct worker *w, uint8_t rcode)
{
	const struct ip4_hdr *ip = pkt_ip4(w->out.pkt[0]);
	struct ip4_fields f = {.ttl = 64, .src = ip4_hdr_dst(ip), .dst = ip4_hdr_src(ip)};
	uint32_t len = ip4_hdr_payload_len(ip);
	uint8_t message[512];

	memcpy(message, pkt_l4(w->out.pkt[0]), len);
	f.proto = ip->proto;
	if (ip->proto == IP4_PROTO_ICMP) {
		icmp_hdr_to_echo_reply((struct icmp_hdr *)message);
	} else {
		struct udp_hdr *udp = (struct udp_hdr *)message;
		uint16_t from = udp_hdr_sport(udp);

		message[UDP_HDR_LEN + 2] |= 0x80;
		message[UDP_HDR_LEN + 3] = rcode;
		udp_hdr_build(udp, udp_hdr_dport(udp), from, (uint16_t)(len - UDP_HDR_LEN));
		udp_hdr_csum_set(udp, to_be32(f.src), to_be32(f.dst));
	}
	len = frame_ip4(frame, f, NULL, 0, message, len);
	for (int twice = 0; twice < 2; twice++) {
		struct lane *in = f.proto == IP4_PROTO_ICMP ? &w->icmp : &w->udp;

		lane_put(in, bed_frame(b, WAN, frame, len), 0);
	}
	stage_icmp(w);
	stage_udp(w);
	w->icmp.n = w->udp.n = 0;
	stage_checks(w);
	w->answer.n = 0;
}

static void answers_are_told(void **state)
{
	static const struct {
		enum lb_check_kind kind;
		uint8_t rcode;
		enum lb_reason reason;
	} rows[] = {{LB_CHECK_ICMP, 0, LB_REASON_NONE}, {LB_CHECK_DNS, 0, LB_REASON_NONE},
		{LB_CHECK_DNS, 5, LB_REASON_RCODE}};

	(void)state;
	for (size_t i = 0; i < RTE_DIM(rows); i++) {
		enum lb_reason reason;

		open_with(rows[i].kind, 1, 1);
		while (pass(10) == 0)
			;
		assert_int_equal(expect_count(b->w->expect), 1);
		answer(b->w, rows[i].rcode);
		assert_int_equal(expect_count(b->w->expect), 0);
		assert_true(told(b->w, 0, &reason));
		assert_int_equal(reason, rows[i].reason);
		assert_false(told(b->w, 0, &reason)); /* twice answered, once told */
		for (uint32_t ms = 0; ms < 1800; ms += 50)
			assert_int_equal(pass(50), 0);
		assert_false(told(b->w, 0, &reason));
		close_all();
	}
}

/* One that is silent: its time-out, and then the next interval; others are asked as ever. */
static void silence(void **state)
{
	static const enum lb_check_kind kinds[] = {
		LB_CHECK_ICMP, LB_CHECK_DNS, LB_CHECK_TCP, LB_CHECK_HTTP};

	(void)state;
	for (size_t k = 0; k < RTE_DIM(kinds); k++) {
		enum lb_reason reason;

		open_with(kinds[k], 2, 1);
		for (uint32_t ms = 0; ms < 900; ms += 50)
			pass(50);
		assert_false(told(b->w, 0, &reason));
		for (uint32_t ms = 0; ms < 500; ms += 50)
			pass(50);
		assert_true(told(b->w, 0, &reason));
		assert_int_equal(reason, LB_REASON_TIMEOUT);
		assert_int_equal(expect_count(b->w->expect), 0);
		close_all();
	}
}

static void no_route(void **state)
{
	enum lb_reason reason;

	(void)state;
	open_with(LB_CHECK_TCP, 1, 2);
	bed_down(b, WAN);
	bed_wait(b, 100);
	b->now = clock_now();
	for (uint32_t ms = 0; ms < 2100; ms += 50)
		pass(50);
	assert_true(told(b->net->worker[0], 0, &reason) || told(b->net->worker[1], 0, &reason));
	assert_int_equal(reason, LB_REASON_NO_ROUTE);
	close_all();
}

/* An apply in the middle of everything: who stays goes on, who goes is asked no more. */
static void another_list(void **state)
{
	(void)state;
	open_with(LB_CHECK_ICMP, 10, 1);
	for (uint32_t ms = 0; ms < 300; ms += 10)
		pass(10);
	assert_int_equal(expect_count(b->w->expect), 10);
	service.n_backends = 4;
	apply();
	pass(10);
	assert_int_equal(expect_count(b->w->expect), 4);
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(asked[i], 1); /* not again, before it is due */
	lb_set_admin(b->net, lb_member_find(b->net, "shop", WAN_NET(2), 0), LB_MAINTENANCE, b->now);
	pass(10);
	pass(10);
	assert_int_equal(expect_count(b->w->expect), 3);
	service.check.timeout_ms = 500; /* asked otherwise: all begin again */
	apply();
	for (uint32_t ms = 0; ms < 200; ms += 10)
		pass(10);
	assert_int_equal(asked[0], 2);
	assert_int_equal(asked[1], 1);
	service.check.kind = LB_CHECK_NONE;
	apply();
	pass(10);
	assert_int_equal(expect_count(b->w->expect), 0);
	for (uint32_t ms = 0; ms < 3000; ms += 50)
		assert_int_equal(pass(50), 0);
	close_all();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(questions_are_spread),
		cmocka_unit_test(one_worker_asks),
		cmocka_unit_test(answers_are_told),
		cmocka_unit_test(silence),
		cmocka_unit_test(no_route),
		cmocka_unit_test(another_list),
	};

	if (eal_for_tests(128) < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
