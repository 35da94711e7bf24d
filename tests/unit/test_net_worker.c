/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What brings packets into a worker and takes them out, without devices: rings between workers, the
 * again ring, commands, tx lanes; each with its bound, and the books balanced after each.
 */
#include "fake_worker.h"

#include <rte_eth_ring.h>
#include <rte_ethdev.h>

static struct net *net;
static struct worker *a, *b;

static const uint8_t frame[ETH_MIN_FRAME] = {[12] = 8,
	[14] = 0x45,
	[17] = 46,
	[22] = 64,
	[23] = 17,
	[26] = 198,
	18,
	0,
	2,
	198,
	18,
	1,
	2};

static struct rte_mbuf *packet(struct worker *w)
{
	return fake_packet(w, LAN, frame, sizeof(frame), 0, FAKE_POOL);
}

static void balanced(const struct worker *w, uint32_t in_lanes)
{
	struct books k;
	uint64_t dropped = 0;

	worker_books(w, &k);
	for (int i = 0; i < DROP_MAX; i++)
		dropped += k.drop[i];
	assert_int_equal(k.rx + k.originated + k.handed_in,
		k.tx + k.consumed + k.handed_out + k.held + dropped + in_lanes);
}

static int set_up(void **state)
{
	(void)state;
	a = fake_worker(2);
	net = a->net;
	b = net->worker[1];
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	fake_end(a);
	return 0;
}

/* A packet that was handed over enters its owner's fib(in), marked, and is counted once. */
static void test_handover(void **state)
{
	struct rte_mbuf *m = packet(a);

	(void)state;
	handover(a, 1, m);
	balanced(a, 0);
	assert_int_equal(a->to_ring, 2);
	assert_int_equal(stage_handover(b), 1);
	assert_int_equal(b->in.n, 1);
	assert_ptr_equal(b->in.pkt[0], m);
	assert_int_equal(b->in.aux[0], WAN_HOST);
	assert_true(m->port & PKT_STEERED);
	balanced(b, 1);
	rte_pktmbuf_free(m);
}

/*
 * What is for this host by more than its address has no route to come back by: where there is a
 * default route, a broadcast would leave by it.
 */
static void test_a_group_is_handed_over(void **state)
{
	static const uint32_t groups[] = {IP4_BROADCAST, 0xe0000001};

	(void)state;
	fake_route(net, 0, 0, FIB_FORWARD, WAN);
	while (rib4_poll(net->rib, clock_now()) > 0)
		;
	for (size_t i = 0; i < RTE_DIM(groups); i++) {
		struct rte_mbuf *m = packet(a);

		pkt_ip4(m)->dst = to_be32(groups[i]);
		m->port |= PKT_LINK_GROUP;
		handover(a, 1, m);
		assert_int_equal(stage_handover(b), 1);
		fake_run(b, &b->in, stage_fib_in);
		assert_int_equal(b->local.n, 1);
		assert_ptr_equal(b->local.pkt[0], m);
		balanced(b, 1);
		b->local.n = 0;
		rte_pktmbuf_free(m);
		b->books.handed_in--;
	}
}

static void test_a_full_ring_is_a_named_drop(void **state)
{
	uint32_t sent = 0;

	(void)state;
	while (a->books.drop[DROP_HANDOVER_FULL] == 0 && ++sent < 2000)
		handover(a, 1, packet(a));
	assert_int_equal(a->books.drop[DROP_HANDOVER_FULL], 1);
	balanced(a, 0);
	for (uint32_t taken = 1; taken < sent;) { /* no more than the budget at a time */
		uint32_t n = stage_handover(b);

		assert_in_range(n, 1, HANDOVER_BUDGET);
		assert_int_equal(b->in.n, n);
		rte_pktmbuf_free_bulk(b->in.pkt, n);
		b->in.n = 0;
		taken += n;
	}
	assert_int_equal(stage_handover(b), 0);
}

/* Two that bring more than the budget have half of the passes each. */
static void test_every_ring_has_its_turn(void **state)
{
	uint32_t of[2] = {0};

	(void)state;
	fake_end(a);
	a = fake_worker(3);
	net = a->net;
	b = net->worker[1];
	for (uint32_t i = 0; i < 300; i++) {
		handover(a, 2, packet(a));
		handover(b, 2, packet(b));
	}
	for (int pass = 0; pass < 6; pass++) {
		struct worker *c = net->worker[2];
		uint32_t n = stage_handover(c);

		assert_int_equal(n, HANDOVER_BUDGET);
		rte_pktmbuf_free_bulk(c->in.pkt, n);
		c->in.n = 0;
	}
	of[0] = 300 - rte_ring_count(net->worker[2]->from[0]);
	of[1] = 300 - rte_ring_count(net->worker[2]->from[1]);
	assert_int_equal(of[0], 3 * HANDOVER_BUDGET);
	assert_int_equal(of[1], 3 * HANDOVER_BUDGET);
}

/* A worker without a queue of the port sends through one that has. */
static void test_sent_by_another(void **state)
{
	struct rte_mbuf *m = packet(a);

	(void)state;
	a->tx[1].via = 1;
	tx_put(a, 1, m);
	tx_flush(a, 1);
	balanced(a, 0);
	assert_int_equal(stage_handover(b), 1);
	assert_int_equal(b->tx[1].n, 1);
	assert_ptr_equal(b->tx[1].pkt[0], m);
	tx_flush(b, 1);
	assert_int_equal(b->books.drop[DROP_TX_PORT_GONE], 1);
	balanced(b, 0);
}

static void test_a_port_that_is_gone(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < TX_LANE + 1; i++) /* a full lane flushes itself */
		tx_put(a, 0, packet(a));
	assert_int_equal(a->tx[0].n, 1);
	assert_int_equal(a->books.drop[DROP_TX_PORT_GONE], TX_LANE);
	tx_flush(a, 0);
	assert_int_equal(a->tx[0].sent.packets, 0);
	assert_int_equal(a->tx[0].sent.bytes, 0);
	balanced(a, 0);
}

/* A device that receives from the ring, and nothing else that a waits for. */
static uint16_t receive_from(struct rte_ring *ring, bool lent)
{
	struct rxq_list *l = calloc(1, sizeof(*l) + sizeof(l->q[0]));
	struct rte_eth_conf conf = {0};
	int device;

	assert_true(l != NULL && ring != NULL);
	device = rte_eth_from_rings(ring->name, &ring, 1, &ring, 1, 0);
	assert_true(device >= 0);
	assert_int_equal(rte_eth_dev_configure((uint16_t)device, 1, 1, &conf), 0);
	assert_int_equal(rte_eth_rx_queue_setup((uint16_t)device, 0, 64, 0, NULL, a->pool), 0);
	assert_int_equal(rte_eth_tx_queue_setup((uint16_t)device, 0, 64, 0, NULL), 0);
	assert_int_equal(rte_eth_dev_start((uint16_t)device), 0);
	l->n = 1;
	l->q[0] = (struct rxq){.device = (uint16_t)device, .iface = LAN, .fd = -1, .lent = lent};
	a->rxqs = l;
	return (uint16_t)device;
}

static void receive_no_more(uint16_t device, struct rte_ring *ring)
{
	rte_eth_dev_stop(device);
	rte_eth_dev_close(device);
	rte_ring_free(ring);
}

/*
 * net_ring hands out what was put in, also to two at once, and each writes what it holds: nobody
 * gets a buffer that somebody else has.
 */
static void test_lent_buffers(void **state)
{
	struct rte_ring *ring = rte_ring_create("lent", 64, -1, RING_F_SP_ENQ | RING_F_SC_DEQ);
	struct rte_mbuf *m[4] = {packet(a), packet(a), rte_pktmbuf_alloc(a->pool), packet(a)};
	uint16_t device = receive_from(ring, true);

	(void)state;
	rte_mbuf_refcnt_update(m[1], 1);
	rte_pktmbuf_attach(m[2], m[0]); /* m[0] is held twice by that */
	for (int i = 0; i < 4; i++)
		assert_int_equal(rte_ring_sp_enqueue(ring, m[i]), 0);
	assert_int_equal(stage_rx(a), 4);
	assert_int_equal(a->rx.n, 4);
	for (int i = 0; i < 4; i++) {
		struct rte_mbuf *got = a->rx.pkt[i];

		assert_int_equal(rte_mbuf_refcnt_read(got), 1);
		assert_true(RTE_MBUF_DIRECT(got));
		assert_int_equal(got->pkt_len, sizeof(frame));
		assert_memory_equal(rte_pktmbuf_mtod(got, void *), frame, sizeof(frame));
	}
	assert_ptr_equal(a->rx.pkt[3], m[3]);
	assert_ptr_not_equal(a->rx.pkt[1], m[1]);
	assert_int_equal(rte_mbuf_refcnt_read(m[1]), 1); /* the other holder's */
	rte_pktmbuf_free_bulk(a->rx.pkt, 4);
	rte_pktmbuf_free(m[1]);
	a->rx.n = 0;
	receive_no_more(device, ring);
}

/*
 * The budget ends before the packets of all who answered: what is newer waits in its queue, since
 * it may be of the same flows. Behind those that nobody answers for it does not wait.
 */
static void test_nothing_overtakes_what_was_parked(void **state)
{
	struct rte_ring *ring = rte_ring_create("newer", 64, -1, RING_F_SP_ENQ | RING_F_SC_DEQ);
	uint16_t device = receive_from(ring, false);
	uint32_t parked = UNPARK_BUDGET + 8, each = UNPARK_BUDGET / 2;

	(void)state;
	net->set.park_each = each;
	for (uint32_t round = 0; round < 2; round++) {
		assert_int_equal(rte_ring_sp_enqueue(ring, packet(a)), 0);
		for (uint32_t i = 0; i < parked; i++)
			park_put(a, packet(a), WAN, WAN_HOST + 1 + i / each);
		for (uint32_t i = 0; i <= parked / each; i++) {
			if (round == 0)
				park_resolved(a, WAN, WAN_HOST + 1 + i);
			else
				park_failed(a, WAN, WAN_HOST + 1 + i);
		}
		assert_int_equal(stage_unpark(a), UNPARK_BUDGET);
		assert_int_equal(stage_rx(a), round);
		assert_int_equal(stage_unpark(a), 8);
		assert_int_equal(stage_rx(a), 1 - round);
		assert_int_equal((round == 0 ? &a->in : &a->error)->n, parked);
		fake_in_lanes(a, true);
	}
	receive_no_more(device, ring);
}

static void test_again(void **state)
{
	uint32_t left = FIFO_SIZE;

	(void)state;
	for (uint32_t i = 0; i < FIFO_SIZE + 1; i++)
		again(a, packet(a));
	assert_int_equal(a->books.drop[DROP_AGAIN_FULL], 1);
	balanced(a, 0); /* what waits is held */
	while (left > 0) {
		uint32_t n = stage_again(a);

		assert_int_equal(n, AGAIN_BUDGET);
		assert_int_equal(a->in.aux[0], WAN_HOST);
		rte_pktmbuf_free_bulk(a->in.pkt, n);
		a->in.n = 0;
		left -= n;
	}
	assert_int_equal(stage_again(a), 0);
}

static void test_a_snapshot_is_of_a_pass_that_is_over(void **state)
{
	struct command c = {.kind = COMMAND_SNAPSHOT};
	uint32_t before = a->snapshot_seq;

	(void)state;
	again(a, packet(a));
	assert_int_equal(net_command(net, 0, &c), 0);
	assert_int_equal(stage_commands(a), 1);
	assert_int_equal(a->snapshot_seq, before);
	stage_tx(a, false);
	assert_int_equal(a->snapshot_seq, before + 1);
	assert_int_equal(a->snapshot.rx, 1);
	assert_int_equal(a->snapshot.held, 1);
}

static void test_full_mailboxes(void **state)
{
	struct event e = {.kind = EVENT_RESOLVE};
	struct command c = {.kind = COMMAND_SNAPSHOT};
	uint32_t posted = 0;

	(void)state;
	while (a->count[COUNT_events_lost] == 0 && posted++ < 10000)
		worker_tell(a, &e);
	assert_int_equal(mailbox_count(a->events), posted - 1);
	for (posted = 0; net_command(net, 0, &c) == 0 && posted < 10000; posted++)
		;
	assert_int_equal(mailbox_count(a->commands), posted);
	assert_in_range(posted, 1, 9999);
}

static void test_every_list_has_names(void **state)
{
	(void)state;
	assert_string_equal(drop_name(DROP_TX_FULL), "TX_FULL");
	assert_string_equal(counter_name(COUNT_arp_requests_in), "arp_requests_in");
	assert_string_equal(stage_name(STAGE_fib_in), "fib_in");
	for (int i = 0; i < DROP_MAX; i++)
		assert_true(strlen(drop_text(i)) > 10);
	for (int i = 0; i < COUNT_MAX; i++)
		assert_true(strlen(counter_text(i)) > 5);
	for (int i = 0; i < STAGE_MAX; i++)
		assert_true(strlen(stage_text(i)) > 5);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(test_handover),
		T(test_a_group_is_handed_over),
		T(test_a_full_ring_is_a_named_drop),
		T(test_every_ring_has_its_turn),
		T(test_sent_by_another),
		T(test_a_port_that_is_gone),
		T(test_lent_buffers),
		T(test_nothing_overtakes_what_was_parked),
		T(test_again),
		T(test_a_snapshot_is_of_a_pass_that_is_over),
		T(test_full_mailboxes),
		T(test_every_list_has_names),
	};

	if (eal_for_tests(512) < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
