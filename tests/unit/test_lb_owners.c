/* SPDX-License-Identifier: BSD-3-Clause */
/* Several workers: each flow has one owner, whichever way its packets go and wherever they arrive.
 */
#include "inner.h"
#include "lb_bed.h"
#include "net/steer.h"

#define WEB    FAKE_ADDR(198, 18, 0, 100) /* :80 to WAN_HOST:8080, TCP */
#define ANY    FAKE_ADDR(198, 18, 0, 110) /* every port, both protocols, to FAR_HOST */
#define CLIENT FAKE_ADDR(198, 18, 0, 2)

enum { WORKERS = 4, FLOWS = 200 };

static struct lb_bed_conf conf;
static struct net *net;
static uint8_t frame[FRAME_MAX];

static int set_up(void **state)
{
	(void)state;
	if (eal_for_tests(128) < 0)
		return -1;
	lb_bed_clear(&conf);
	lb_bed_backend(lb_bed_service(&conf, "web", WEB, 80, LB_TCP), WAN_HOST, 8080, 1);
	lb_bed_backend(lb_bed_service(&conf, "any", ANY, 0, LB_TCP_AND_UDP), FAR_HOST, 0, 1);
	net = lb_bed_new(WORKERS, &conf)->net;
	assert_int_equal(lb_bed_apply(net, &conf), 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	lb_bed_end(net->worker[0]);
	return 0;
}

/* One pass over what is in the lane `in` of a worker, as pipelines/appliance.c has it. */
static void pass(struct worker *w)
{
	lb_bed_replies(w);
	fake_run(w, &w->in, stage_fib_in);
	lb_bed_balance(w);
}

/*
 * A packet arrives at a worker and is handed over as often as it takes, once at the most. Whose
 * lane `fwd_out` it is in then, or WORKERS: it is in `fwd`, unchanged. *out: what went out.
 */
static uint16_t through(uint16_t at, const struct lb_bed_packet *p, struct lb_bed_packet *out)
{
	struct worker *w = net->worker[at];
	uint32_t len = lb_bed_frame(frame, p);
	struct rte_mbuf *m;
	uint16_t end;

	lane_put(&w->in, fake_packet(w, p->src == CLIENT ? LAN : WAN, frame, len, 0, FAKE_EXACT),
		p->dst);
	pass(w);
	for (uint16_t i = 0; i < WORKERS; i++) {
		struct worker *to = net->worker[i];

		if (i == at || rte_ring_empty(to->from[at]))
			continue;
		assert_int_equal(stage_handover(to), 1);
		pass(to);
		assert_int_equal(to->books.handed_out, 0);
		w = to;
	}
	assert_int_equal(w->fwd_out.n + w->fwd.n, 1);
	end = w->fwd_out.n == 1 ? w->id : WORKERS;
	m = end == WORKERS ? w->fwd.pkt[0] : w->fwd_out.pkt[0];
	*out = (struct lb_bed_packet){.src = ip4_hdr_src(pkt_ip4(m)),
		.dst = ip4_hdr_dst(pkt_ip4(m)),
		.sport = from_be16(((be16 *)pkt_l4(m))[0]),
		.dport = from_be16(((be16 *)pkt_l4(m))[1])};
	for (uint16_t i = 0; i < WORKERS; i++) {
		fake_balanced(net->worker[i]);
		fake_in_lanes(net->worker[i], true);
		rte_pktmbuf_free_bulk(net->worker[i]->to_free, net->worker[i]->n_free);
		net->worker[i]->n_free = 0;
		memset(&net->worker[i]->books, 0, sizeof(net->worker[i]->books));
	}
	for (uint16_t i = 0; i < WORKERS; i++)
		fake_rest(net->worker[i]);
	return end;
}

static uint64_t flows_of(uint16_t worker)
{
	return flow_count(net->worker[worker]->lb->flows)->flows;
}

/* From every worker to the same one; the backend's answer from every worker to that one, too. */
static void test_both_ways(void **state)
{
	uint64_t sum = 0;

	(void)state;
	for (uint16_t i = 0; i < FLOWS; i++) {
		struct lb_bed_packet to = {CLIENT, i & 1 ? WEB : ANY, (uint16_t)(1000 + i), 80,
			i % 3 == 0 && !(i & 1) ? 0 : TCP_SYN};
		struct lb_bed_packet out, back;
		uint16_t owner = through(i % WORKERS, &to, &out);

		assert_in_range(owner, 0, WORKERS - 1);
		assert_int_equal(out.dst, i & 1 ? WAN_HOST : FAR_HOST);
		for (uint16_t at = 0; at < WORKERS; at++) {
			struct lb_bed_packet reply = {out.dst, CLIENT, out.dport, out.sport,
				to.flags ? TCP_SYN | TCP_ACK : 0};

			assert_int_equal(through(at, &to, &out), owner);
			assert_int_equal(through(at, &reply, &back), owner);
			assert_int_equal(back.src, to.dst);
			assert_int_equal(back.sport, to.dport);
			assert_int_equal(back.dst, CLIENT);
			assert_int_equal(back.dport, to.sport);
		}
	}
	for (uint16_t i = 0; i < WORKERS; i++) {
		assert_in_range(flows_of(i), FLOWS / WORKERS / 2, FLOWS / WORKERS * 2);
		sum += flows_of(i);
	}
	assert_int_equal(sum, FLOWS);
}

/* What is no flow's goes on as it came, wherever it has been asked about. */
static void test_no_flow(void **state)
{
	(void)state;
	for (uint16_t i = 0; i < 50; i++) {
		struct lb_bed_packet p = {
			WAN_HOST, CLIENT, 8080, (uint16_t)(30000 + i), TCP_SYN | TCP_ACK};
		struct lb_bed_packet out;

		assert_int_equal(through(i % WORKERS, &p, &out), WORKERS);
		assert_int_equal(out.src, WAN_HOST);
		assert_int_equal(out.sport, 8080);
		assert_int_equal(out.dport, 30000 + i);
	}
}

/* A backend may be a client itself: its packets are no replies, and belong to its flow's owner. */
static void test_backend_as_client(void **state)
{
	(void)state;
	for (uint16_t i = 0; i < 50; i++) {
		struct lb_bed_packet to = {FAR_HOST, WEB, (uint16_t)(1000 + i), 80, TCP_SYN};
		struct lb_bed_packet reply = {
			WAN_HOST, FAR_HOST, 8080, (uint16_t)(1000 + i), TCP_SYN | TCP_ACK};
		struct lb_bed_packet out;
		uint16_t owner = steer_owner_by(net->worker[0], to_be32(FAR_HOST), to_be32(WEB),
			to_be16(to.sport), to_be16(80));

		for (uint16_t at = 0; at < WORKERS; at++) {
			assert_int_equal(through(at, &to, &out), owner);
			assert_int_equal(out.dst, WAN_HOST);
			assert_int_equal(through(at, &reply, &out), owner);
			assert_int_equal(out.src, WEB);
		}
	}
}

/* Flows that may begin at a worker at once. */
static uint32_t begin_at_once(struct worker *w, uint16_t service, uint16_t backend)
{
	uint32_t n = 0;

	for (; n < 100 && lb_limit_service(w, service); n++)
		lb_limit_took(w, service, backend);
	return n;
}

/* New flows a second are divided; where that is less than one for each, each has one at times. */
static void test_rates(void **state)
{
	struct lb_running s;
	uint16_t backend;

	(void)state;
	conf.service[0].rate = 40;
	assert_int_equal(lb_bed_apply(net, &conf), 0);
	assert_true(lb_service_find(net, "web", &s));
	backend = s.members[0].slot[0];
	for (uint16_t i = 0; i < WORKERS; i++)
		assert_int_equal(begin_at_once(net->worker[i], s.slot[0], backend), 40 / WORKERS);
	conf.service[0].rate = 1;
	assert_int_equal(lb_bed_apply(net, &conf), 0);
	lb_bed_wait(net, 5000);
	for (uint32_t second = 0; second < 12; second++) {
		for (uint16_t i = 0; i < WORKERS; i++)
			assert_int_equal(begin_at_once(net->worker[i], s.slot[0], backend),
				second % WORKERS == 0);
		lb_bed_wait(net, 1000);
	}
	conf.service[0].rate = 0;
	assert_int_equal(lb_bed_apply(net, &conf), 0);
}

/* A packet that its owner has looked at and sent here is no reply: it is not sent back and forth.
 */
static void test_its_owner_was_asked(void **state)
{
	struct lb_bed_packet p = {WAN_HOST, CLIENT, 8080, 30000, TCP_SYN | TCP_ACK};
	uint32_t len = lb_bed_frame(frame, &p);

	(void)state;
	for (uint16_t i = 0; i < WORKERS; i++) {
		struct worker *w = net->worker[i];
		struct rte_mbuf *m = fake_packet(w, WAN, frame, len, 0, FAKE_EXACT);

		m->port |= PKT_STEERED;
		lane_put(&w->in, m, p.dst);
		lb_bed_replies(w);
		assert_int_equal(w->in.n, 1);
		assert_int_equal(w->books.handed_out, 0);
		fake_rest(w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both_ways),
		cmocka_unit_test(test_no_flow),
		cmocka_unit_test(test_backend_as_client),
		cmocka_unit_test(test_its_owner_was_asked),
		cmocka_unit_test(test_rates),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
