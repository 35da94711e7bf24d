/* SPDX-License-Identifier: BSD-3-Clause */
/* Flows' lives: states by flags, times, backends that close or end, a table that is full. */
#include "inner.h"
#include "lb_bed.h"
#include "net/error.h"

#define WEB FAKE_ADDR(198, 18, 0, 100) /* :80, TCP and UDP */
#define A   WAN_HOST
#define B   FAR_HOST

static struct lb_bed_conf conf;
static struct worker *w;
static uint8_t frame[FRAME_MAX];

static int set_up(void **state)
{
	struct lb_service_conf *s;

	(void)state;
	if (eal_for_tests(128) < 0)
		return -1;
	lb_bed_clear(&conf);
	s = lb_bed_service(&conf, "web", WEB, 80, LB_TCP_AND_UDP);
	s->scheduler = LB_ROUND_ROBIN;
	lb_bed_backend(s, A, 0, 1);
	w = lb_bed_new(1, &conf);
	assert_int_equal(lb_bed_apply(w->net, &conf), 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	lb_bed_end(w);
	return 0;
}

enum verdict { GOES, REFUSED, DROPPED, ERROR };

static enum verdict verdict_of(uint32_t *addr)
{
	enum verdict v = w->fwd_out.n == 1 ? GOES
			 : w->out.n == 1   ? REFUSED
			 : w->error.n == 1 ? ERROR
					   : DROPPED;

	*addr = v == GOES ? ip4_hdr_dst(pkt_ip4(w->fwd_out.pkt[0])) : 0;
	return v;
}

/* A client's packet; *backend: where it went. flags 0: UDP. */
static enum verdict client(uint16_t port, uint8_t flags, uint32_t *backend)
{
	struct lb_bed_packet p = {LAN_HOST, WEB, port, 80, flags};
	uint32_t len = lb_bed_frame(frame, &p);
	enum verdict v;

	lane_put(&w->service, fake_packet(w, LAN, frame, len, 0, FAKE_EXACT),
		fib_entry_index(fib4_lookup(w->net->fib, WEB)));
	lb_bed_balance(w);
	v = verdict_of(backend);
	fake_rest(w);
	return v;
}

static uint32_t to(uint16_t port, uint8_t flags)
{
	uint32_t backend;

	return client(port, flags, &backend) == GOES ? backend : 0;
}

/* A packet of a backend's; whether it was a reply. */
static bool from(uint32_t backend, uint16_t port, uint8_t flags)
{
	struct lb_bed_packet p = {backend, LAN_HOST, 80, port, flags};
	uint32_t len = lb_bed_frame(frame, &p);
	bool reply;

	lane_put(&w->in, fake_packet(w, WAN, frame, len, 0, FAKE_EXACT), 0);
	lb_bed_replies(w);
	reply = w->fwd_out.n == 1;
	assert_int_equal(w->in.n, !reply);
	fake_rest(w);
	return reply;
}

static uint16_t slot_of(uint32_t backend, bool udp)
{
	return lb_member_find(w->net, "web", backend, 0)->slot[udp];
}

static struct lb_count count_of(uint32_t backend, bool udp)
{
	return lb_backend_count(w->net, slot_of(backend, udp));
}

static const struct flow *flow_of(uint16_t port, bool udp)
{
	struct flow_key key = {.addr = to_be32(LAN_HOST),
		.port = to_be16(port),
		.service_port = to_be16(80),
		.service = w->net->lb->control->plan->services[0].slot[udp]};
	struct flow_table *t = w->lb->flows;

	return flow_find(t, flow_hash(t, &key), &key, w->lb->seconds);
}

static uint64_t flows(void)
{
	return flow_count(w->lb->flows)->flows;
}

/* Every flow that there is gets over, within the longest timeout, and no book has a trace of it. */
static void all_over(void)
{
	for (int minute = 0; minute < 125 && flows() > 0; minute++)
		lb_bed_wait(w->net, 60000);
	assert_int_equal(flows(), 0);
	for (uint32_t i = 0; i < w->net->lb->n_backends; i++)
		assert_int_equal(w->lb->backend[i].flows, 0);
	for (uint32_t i = 0; i < w->net->lb->n_vservices; i++)
		assert_int_equal(w->lb->service[i].flows, 0);
}

/*
 * What passes, a letter a packet: from the client s SYN, a ACK, f FIN, r RST; from the backend the
 * same in capitals, S with ACK. Then the flow's state and the seconds that it has.
 */
static const struct {
	const char *packets;
	enum flow_state state;
	uint16_t lives;
} walks[] = {
	{"s", FLOW_NEW, 30},
	{"ss", FLOW_NEW, 30},
	{"sS", FLOW_NEW, 30},
	{"sSS", FLOW_NEW, 30},
	{"sSsS", FLOW_NEW, 30},
	{"sSsa", FLOW_ESTABLISHED, 7440}, /* the second SYN crossed the answer */
	{"sSa", FLOW_ESTABLISHED, 7440},
	{"sSaaA", FLOW_ESTABLISHED, 7440},
	{"sSas", FLOW_ESTABLISHED, 7440}, /* a SYN into the window is challenged (RFC 5961 4) */
	{"sSaf", FLOW_CLOSING, 240},
	{"sSaF", FLOW_CLOSING, 240},
	{"sSafA", FLOW_CLOSING, 240},
	{"sSaFa", FLOW_CLOSING, 240},
	{"sSaff", FLOW_CLOSING, 240}, /* the same one again */
	{"sSafF", FLOW_CLOSED, 10},
	{"sSaFf", FLOW_CLOSED, 10},
	{"sSafFa", FLOW_CLOSED, 10}, /* the last acknowledgement */
	{"sSfF", FLOW_CLOSED, 10},
	{"sf", FLOW_CLOSING, 240},
	{"sR", FLOW_CLOSED, 10},
	{"sr", FLOW_CLOSED, 10},
	{"sSar", FLOW_CLOSED, 10},
	{"sSaR", FLOW_CLOSED, 10},
	{"sSaRrr", FLOW_CLOSED, 10},
	{"sSarA", FLOW_CLOSED, 10}, /* what was under way */
	{"sSarAA", FLOW_CLOSED, 10},
	{"sSaRa", FLOW_CLOSED, 10},
	{"sSarAa", FLOW_ESTABLISHED, 7440}, /* neither believes in the reset */
	{"sSaRaA", FLOW_ESTABLISHED, 7440},
	{"sSafrAa", FLOW_CLOSING, 240},
	{"sSarAaRa", FLOW_CLOSED, 10}, /* another reset, and only one of them goes on */
	{"sSafFs", FLOW_NEW, 30},      /* the port is used again */
	{"sSafFsSa", FLOW_ESTABLISHED, 7440},
	{"sSafsSa", FLOW_ESTABLISHED, 7440},
	{"sRsSa", FLOW_ESTABLISHED, 7440},
	{"a", FLOW_NEW, 30}, /* from the midst of one */
	{"aA", FLOW_NEW, 30},
	{"aAa", FLOW_ESTABLISHED, 7440},
	{"aR", FLOW_CLOSED, 10},
};

static uint8_t flags_of(char c)
{
	switch (c) {
	case 's':
		return TCP_SYN;
	case 'S':
		return TCP_SYN | TCP_ACK;
	case 'f':
	case 'F':
		return TCP_FIN | TCP_ACK;
	case 'r':
	case 'R':
		return TCP_RST;
	default:
		return TCP_ACK;
	}
}

static void walk(uint16_t port, const char *packets)
{
	for (const char *p = packets; *p != '\0'; p++) {
		if (*p >= 'a')
			assert_int_equal(to(port, flags_of(*p)), A);
		else
			assert_true(from(A, port, flags_of(*p)));
	}
}

static void test_walks(void **state)
{
	(void)state;
	for (uint16_t i = 0; i < RTE_DIM(walks); i++) {
		const struct flow *f;

		walk(i + 1, walks[i].packets);
		f = flow_of(i + 1, false);
		if (f == NULL || f->state != walks[i].state ||
			f->ends != (uint16_t)(w->lb->seconds + walks[i].lives))
			fail_msg("%s: state %d, ends in %d", walks[i].packets,
				f == NULL ? -1 : f->state,
				f == NULL ? -1 : f->ends - w->lb->seconds);
	}
	all_over();
}

/* In books: closed ones are no flows any more, and come back as one. */
static void test_counts(void **state)
{
	struct lb_count was = count_of(A, false), now;

	(void)state;
	walk(1, "sSa");
	walk(2, "sSafF");
	walk(3, "sSar");
	walk(4, "s");
	walk(5, "sR"); /* a refusal is no answer */
	now = count_of(A, false);
	assert_int_equal(now.flows, 2);
	assert_int_equal(now.opened - was.opened, 5);
	assert_int_equal(now.answered - was.answered, 3);
	assert_int_equal(now.packets_in - was.packets_in, 10);
	assert_int_equal(now.packets_out - was.packets_out, 5);
	walk(2, "sSa");
	assert_int_equal(count_of(A, false).flows, 3);
	all_over();
}

/* A backend refuses by a reset in answer to a SYN; nobody else makes it look as if it did. */
static void test_refusals(void **state)
{
	struct lb_count was = count_of(A, false);

	(void)state;
	walk(1, "aR"); /* an ACK for nothing, as anybody may send */
	walk(2, "fR");
	walk(3, "sr");
	walk(4, "sSaR");
	walk(5, "sSR");
	assert_int_equal(count_of(A, false).refused - was.refused, 0);
	walk(6, "sR");
	walk(6, "sRR");
	assert_int_equal(count_of(A, false).refused - was.refused, 2);
	all_over();
}

static void test_udp(void **state)
{
	(void)state;
	assert_int_equal(to(1, 0), A);
	assert_int_equal(flow_of(1, true)->state, FLOW_NEW);
	assert_int_equal(to(1, 0), A);
	assert_int_equal(flow_of(1, true)->state, FLOW_NEW);
	assert_true(from(A, 1, 0));
	assert_int_equal(flow_of(1, true)->state, FLOW_ESTABLISHED);
	lb_bed_wait(w->net, 299000);
	assert_true(from(A, 1, 0));
	lb_bed_wait(w->net, 299000);
	assert_int_equal(to(1, 0), A);
	lb_bed_wait(w->net, 301000);
	assert_false(from(A, 1, 0));
	all_over();
}

/* A service's own times count for its flows, each by itself; the others are everybody's. */
static void test_own_times(void **state)
{
	static const struct {
		const char *packets;
		uint16_t lives;
	} own[] = {{"s", 5}, {"sSa", 600}, {"sSaf", 240}, {"sSafF", 2}};
	struct lb_timeouts_conf *mine = &conf.service[0].timeouts;

	(void)state;
	*mine = (struct lb_timeouts_conf){
		.tcp_half_open_ms = 5999, .tcp_established_ms = 600000, .tcp_closed_ms = 2000};
	mine->udp_one_way_ms = 3000;
	assert_int_equal(lb_bed_apply(w->net, &conf), 0);
	for (uint16_t i = 0; i < RTE_DIM(own); i++) {
		walk(i + 1, own[i].packets);
		assert_int_equal(
			flow_of(i + 1, false)->ends, (uint16_t)(w->lb->seconds + own[i].lives));
	}
	assert_int_equal(to(1, 0), A);
	assert_int_equal(flow_of(1, true)->ends, (uint16_t)(w->lb->seconds + 3));
	assert_true(from(A, 1, 0));
	assert_int_equal(flow_of(1, true)->ends, (uint16_t)(w->lb->seconds + 300));

	*mine = (struct lb_timeouts_conf){0}; /* from their next packets on */
	assert_int_equal(lb_bed_apply(w->net, &conf), 0);
	assert_int_equal(flow_of(2, false)->ends, (uint16_t)(w->lb->seconds + 600));
	assert_int_equal(to(2, TCP_ACK), A);
	assert_int_equal(flow_of(2, false)->ends, (uint16_t)(w->lb->seconds + 7440));
	all_over();
}

/* A flow lives for as long as was configured, and not much longer, wherever the clock stands. */
static void test_time_wraps(void **state)
{
	(void)state;
	for (int i = 0; i < 5; i++) { /* 20 hours: 18 are round the clock */
		uint16_t begun = w->lb->seconds;

		walk(1, "sSa");
		lb_bed_wait(w->net, 7439000);
		assert_non_null(flow_of(1, false));
		assert_true(from(A, 1, TCP_ACK));
		lb_bed_wait(w->net, 7441000);
		assert_null(flow_of(1, false));
		lb_bed_wait(w->net, 30000);
		assert_int_equal(flows(), 0);
		assert_int_not_equal(begun, w->lb->seconds);
	}
}

static void with(uint32_t n, enum lb_admin of_a)
{
	conf.service[0].n_backends = 0;
	lb_bed_backend(&conf.service[0], n == 1 ? B : A, 0, 1)->admin = n == 1 ? LB_ENABLED : of_a;
	if (n == 2)
		lb_bed_backend(&conf.service[0], B, 0, 1);
	assert_int_equal(lb_bed_apply(w->net, &conf), 0);
}

/* What a draining backend has, it keeps; what begins goes elsewhere. */
static void test_drain(void **state)
{
	(void)state;
	walk(1, "sSa");
	walk(2, "sSafF");
	walk(3, "s");
	walk(5, "sS");
	assert_int_equal(to(1, 0), A);
	assert_true(from(A, 1, 0));
	assert_int_equal(to(2, 0), A);
	with(2, LB_DRAIN);
	assert_int_equal(to(1, TCP_ACK), A);
	assert_true(from(A, 1, TCP_ACK));
	assert_int_equal(to(1, TCP_SYN), A); /* a challenge will answer it */
	assert_int_equal(to(2, TCP_ACK), A); /* its last */
	assert_int_equal(to(2, TCP_SYN), B);
	assert_int_equal(to(3, TCP_SYN), B); /* it was not answered */
	assert_int_equal(to(4, TCP_SYN), B);
	assert_int_equal(to(5, TCP_SYN), A); /* sent again before the answer had come */
	assert_int_equal(to(5, TCP_ACK), A);
	assert_int_equal(to(1, 0), A); /* a datagram of a conversation */
	assert_int_equal(to(2, 0), B); /* and of none */
	assert_int_equal(to(3, 0), B);
	with(2, LB_ENABLED);
	assert_int_equal(to(1, TCP_ACK), A);
	assert_int_equal(to(2, TCP_ACK), B);
	all_over();
	with(2, LB_ENABLED);
}

/* What is down does not answer: datagrams go to who does; connections may yet be served. */
static void test_down(void **state)
{
	(void)state;
	with(2, LB_DRAIN); /* of A: B takes what begins */
	assert_int_equal(to(1, 0), B);
	assert_true(from(B, 1, 0));
	assert_int_equal(to(1, TCP_SYN), B);
	assert_true(from(B, 1, TCP_SYN | TCP_ACK));
	assert_int_equal(to(1, TCP_ACK), B);
	with(2, LB_ENABLED);
	lb_set_health(w->net, lb_member_find(w->net, "web", B, 0), LB_HEALTH_DOWN, w->now);
	assert_int_equal(to(1, 0), A);
	assert_int_equal(to(1, TCP_ACK), B);
	assert_int_equal(to(2, TCP_SYN), A);
	lb_set_health(w->net, lb_member_find(w->net, "web", B, 0), LB_HEALTH_UP, w->now);
	assert_int_equal(to(1, 0), A);
	all_over();
}

/* Connections of a backend that was removed are refused; what begins goes elsewhere. */
static void test_removed(void **state)
{
	uint32_t backend;

	(void)state;
	with(2, LB_ENABLED);
	for (uint16_t i = 1; i < 9; i++) {
		uint32_t b = to(i, TCP_SYN);

		assert_true(from(b, i, TCP_SYN | TCP_ACK));
		assert_int_equal(to(i, TCP_ACK), b);
		b = to(i, 0);
		assert_true(from(b, i, 0));
	}
	assert_int_equal(count_of(A, false).flows, 4);
	assert_int_equal(count_of(A, true).flows, 4);
	with(1, LB_ENABLED);
	for (uint16_t i = 1; i < 9; i++) {
		bool was = flow_of(i, false)->backend != slot_of(B, false);

		if (was && i < 4) {
			assert_int_equal(client(i, TCP_SYN, &backend), GOES);
			assert_int_equal(backend, B);
		} else if (was) {
			assert_int_equal(client(i, TCP_ACK, &backend), REFUSED);
			assert_null(flow_of(i, false));
			assert_false(from(A, i, TCP_ACK));
		} else {
			assert_int_equal(to(i, TCP_ACK), B);
		}
		assert_int_equal(to(i, 0), B);
		assert_int_equal(flow_of(i, true)->backend, slot_of(B, true));
	}
	lb_bed_wait(w->net, 62000);
	assert_null(w->net->lb->control->leaving);
	all_over();
}

/* Half-open flows fill the table: who is established stays, and newcomers are served all the same.
 */
static void test_flood(void **state)
{
	uint32_t served = 0;

	(void)state;
	with(2, LB_ENABLED);
	for (uint16_t i = 1; i <= 100; i++) {
		uint32_t b = to(i, TCP_SYN);

		assert_true(from(b, i, TCP_SYN | TCP_ACK));
		assert_int_equal(to(i, TCP_ACK), b);
	}
	for (uint32_t i = 1000; i < 20000; i++)
		assert_int_not_equal(to((uint16_t)i, TCP_SYN), 0);
	for (uint16_t i = 1; i <= 100; i++)
		served += from(
			w->net->lb->backend[flow_of(i, false)->backend].addr == to_be32(A) ? A : B,
			i, TCP_ACK);
	assert_int_equal(served, 100);
	for (uint16_t i = 101; i <= 200; i++) {
		uint32_t b = to(i, TCP_SYN);

		assert_true(from(b, i, TCP_SYN | TCP_ACK));
	}
	all_over();
}

/* A slot that a flow names is nobody else's before the sweep has ended that. */
static void test_slots_wait_for_flows(void **state)
{
	uint16_t gone;

	(void)state;
	with(2, LB_ENABLED);
	for (uint16_t i = 1; i < 5; i++)
		assert_int_not_equal(to(i, TCP_SYN), 0);
	gone = slot_of(A, false);
	assert_int_equal(w->lb->backend[gone].flows, 2);
	with(1, LB_ENABLED);
	for (int i = 0; i < 10; i++) {
		lb_bed_wait(w->net, 250);
		assert_true(
			w->lb->backend[gone].flows == 0 || w->net->lb->control->backend_used[gone]);
	}
	lb_bed_wait(w->net, 18000);
	assert_int_equal(w->lb->backend[gone].flows, 0);
	lb_bed_wait(w->net, 44000);
	assert_false(w->net->lb->control->backend_used[gone]);
	assert_null(w->net->lb->control->leaving);
	all_over();
	with(2, LB_ENABLED);
}

/* A table that is not looked at for long, as a sleeper's, is none the worse for it. */
static void test_sleeper(void **state)
{
	(void)state;
	assert_int_not_equal(to(1, TCP_SYN), 0);
	assert_int_equal(flows(), 1);
	w->now += clock_of_ms(3000 * 1000u);
	lb_time(w);
	assert_null(flow_of(1, false));
	lb_bed_wait(w->net, 30000);
	assert_int_equal(flows(), 0);
	all_over();
}

/* The round under way when a slot is given up has been past some of its flows. */
static void test_slots_wait_for_a_whole_round(void **state)
{
	(void)state;
	for (uint32_t ms = 0; ms < 60; ms += 7) {
		uint16_t gone;

		with(2, LB_ENABLED);
		for (uint16_t i = 1; i < 200; i++)
			assert_int_not_equal(to(i, TCP_SYN), 0);
		w->now += clock_of_ms(ms);
		lb_time(w);
		gone = slot_of(A, false);
		with(1, LB_ENABLED);
		while (w->net->lb->control->backend_used[gone]) {
			w->now += clock_of_ms(3);
			lb_time(w);
			lb_tick(w->net, w->now);
		}
		assert_int_equal(w->lb->backend[gone].flows, 0);
		epoch_poll(w->net->epoch);
		all_over();
	}
	with(2, LB_ENABLED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_walks),
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_udp),
		cmocka_unit_test(test_own_times),
		cmocka_unit_test(test_time_wraps),
		cmocka_unit_test(test_drain),
		cmocka_unit_test(test_down),
		cmocka_unit_test(test_removed),
		cmocka_unit_test(test_flood),
		cmocka_unit_test(test_slots_wait_for_flows),
		cmocka_unit_test(test_slots_wait_for_a_whole_round),
		cmocka_unit_test(test_sleeper),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
