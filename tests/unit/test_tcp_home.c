/* SPDX-License-Identifier: BSD-3-Clause */
/* Stacks of several workers: a connection that one of them opens is answered to that one. */
#include "fake_worker.h"
#include "net/steer.h"
#include "tcp/stage.h"
#include "wire/tcp_hdr.h"

#define WORKERS 4
#define OPENED	50

static struct worker *w;
static const struct tcp_ops ops;

/* The owner of what comes back for a segment, by steering, which knows nothing of the stack. */
static uint16_t owner_of_answer(const struct rte_mbuf *said)
{
	struct rte_mbuf *m = rte_pktmbuf_copy(said, w->pool, 0, UINT32_MAX);
	struct ip4_hdr *ip = pkt_ip4(m);
	struct tcp_hdr *h = pkt_l4(m);
	be32 addr = ip->src;
	be16 port = h->sport;
	uint16_t owner;

	ip->src = ip->dst;
	ip->dst = addr;
	h->sport = h->dport;
	h->dport = port;
	m->port = LAN;
	owner = steer_owner(w, m);
	rte_pktmbuf_free(m);
	return owner;
}

/* Whoever asks, wherever: every SYN's answer would be its own. */
static void answers_come_home(void **state)
{
	static const uint32_t peers[] = {LAN_HOST, WAN_HOST, FAR_HOST};

	(void)state;
	for (uint16_t i = 0; i < WORKERS; i++) {
		struct worker *one = w->net->worker[i];

		for (uint32_t n = 0; n < OPENED; n++) {
			int error = 0;

			assert_non_null(tcp_connect(one->stack, 0, 0, peers[n % RTE_DIM(peers)],
				(uint16_t)(80 + n / 10), &ops, NULL, NULL, &error));
		}
		one->tcp_waits = true;
		stage_tcp_output(one, false);
		assert_int_equal(one->out.n, OPENED);
		for (uint32_t n = 0; n < OPENED; n++)
			assert_int_equal(owner_of_answer(one->out.pkt[n]), i);
		rte_pktmbuf_free_bulk(one->out.pkt, one->out.n);
		one->out.n = 0;
	}
}

/* A port that the application names is nobody's choice; it is taken as it is. */
static void a_port_that_is_named(void **state)
{
	uint32_t elsewhere = 0;

	(void)state;
	for (uint16_t port = 1000; port < 1064; port++) {
		int error = 0;

		assert_non_null(
			tcp_connect(w->stack, 0, port, LAN_HOST, 80, &ops, NULL, NULL, &error));
	}
	w->tcp_waits = true;
	stage_tcp_output(w, false);
	assert_int_equal(w->out.n, 64);
	for (uint32_t n = 0; n < 64; n++)
		elsewhere += owner_of_answer(w->out.pkt[n]) != 0;
	assert_in_range(elsewhere, 24, 63); /* three in four: what is chosen above is no accident */
	rte_pktmbuf_free_bulk(w->out.pkt, w->out.n);
	w->out.n = 0;
}

static int set_up(void **state)
{
	static const uint64_t seed[4] = {1, 2, 3, 4};
	struct tcp_limits limits = tcp_limits_default;

	(void)state;
	if (eal_for_tests(128) < 0)
		return -1;
	w = fake_worker(WORKERS);
	limits.connections = limits.time_waits = 256;
	for (uint32_t i = 0; i < OWNER_MAP; i++)
		w->net->owner[i] = (uint8_t)(i * 7 % WORKERS);
	for (uint16_t i = 0; i < WORKERS; i++)
		if (tcp_attach(w->net->worker[i], &tcp_settings_default, &limits, seed) < 0)
			return -1;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	for (uint16_t i = 0; i < WORKERS; i++)
		tcp_detach(w->net->worker[i]);
	fake_end(w);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_come_home),
		cmocka_unit_test(a_port_that_is_named),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
