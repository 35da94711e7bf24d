/* SPDX-License-Identifier: BSD-3-Clause */
/* What is odd or huge: numbers at their ends, rings that are full, peers that offer hardly
 * anything. */
#define BED_POOL 70000
#include "tcp_bed.h"
#include "tcp_invariants.h"
#include "tcp_peer.h"

static uint32_t urgent_at;
static uint32_t received;

static void on_open(struct tcp *t, struct tcp_conn *c)
{
	(void)t;
	peer_opened(c);
}

static void on_data(struct tcp *t, struct tcp_conn *c, struct rte_mbuf *m)
{
	received += m->pkt_len;
	tcp_consumed(t, c, m->pkt_len);
	rte_pktmbuf_free(m);
	urgent_at = tcp_urgent(c);
}

static const struct tcp_ops ops = {.on_accept = on_open, .on_connect = on_open, .on_data = on_data};

static int open_peer(void **state)
{
	(void)state;
	received = urgent_at = 0;
	peer_open(&ops);
	return 0;
}

/* A ring that can grow no more waits for an acknowledgement, and holds up nobody else. */
static void full_ring_waits_alone(void **state)
{
	struct tcp_conn *a = peer_accept(1), *b = peer_accept(2);
	struct tcp *t = bed_of_peer()->t;

	(void)state;
	tcp_set_nodelay(t, a, true);
	a->cwnd = 1 << 20;
	for (int i = 0; i < 65540; i += 32) {
		for (int n = 0; n < 32; n++) {
			struct rte_mbuf *m = bed_data(bed_of_peer(), 0, 1);
			struct rte_mbuf *out;

			if (tcp_send(t, a, m, 0) != 0)
				rte_pktmbuf_free(m);
			else if (tcp_output(t, &out, 1) == 1)
				bed_of_peer()->w->books.tx++, rte_pktmbuf_free(out);
		}
	}
	peer_send(b, 100);
	peer_pass(10);
	assert_true(peer.heard >= 1);
	assert_int_equal(b->snd_nxt - b->snd_una, 100);
}

/* An MSS option of the application's that leaves no room beside timestamps. */
static void tiny_mss(void **state)
{
	struct tcp_options o = tcp_settings_default.options;
	struct tcp_conn *c;
	int error;

	(void)state;
	o.mss = 10;
	c = tcp_connect(bed_of_peer()->t, 0, 0, PEER_ADDR, 80, &ops, NULL, &o, &error);
	assert_non_null(c);
	peer_pass(1000);
	peer_answer(c);
	peer_pass(1000);
	peer_send(c, 100);
	peer_pass(1000);
	assert_in_range(c->mss, 1, 10);
	assert_in_range(peer.last_len, 1, 10);
}

/* Urgent data of 2 GiB ago are not urgent any more: the number that ended them is ahead again. */
static void old_urgent_pointer(void **state)
{
	struct tcp_conn *c = peer_accept(1);
	uint32_t far = UINT32_C(0x7fffffff) - 20;

	(void)state;
	for (int i = 0; i < 2; i++) {
		peer_send(c, 100);
		peer_pass(100000);
		assert_int_equal(peer.last.flags & TCP_URG, 0);
		peer_say(c, TCP_ACK, 0);
		peer_pass(1000);
		if (i == 0) { /* as if so much more had been sent and acknowledged */
			assert_null(c->flight);
			c->snd_una = c->snd_nxt = c->snd_nxt + far;
			c->iss += far;
		}
	}
}

/* The end of urgent data passes while what was held is released. */
static void urgent_data_released(void **state)
{
	struct tcp_conn *c = peer_accept(1);

	(void)state;
	peer_say_at(c, 0, TCP_ACK | TCP_URG, 65535, 0); /* ends behind the next byte */
	peer_say_at(c, 100, TCP_ACK, 65535, 100);
	peer_pass(1000);
	assert_int_equal(tcp_urgent(c), 1);
	c->rcv_up = c->rcv_nxt + 150;
	peer_say(c, TCP_ACK, 100);
	peer_pass(1000);
	assert_int_equal(received, 200);
	assert_int_equal(tcp_urgent(c), 0);
	assert_int_equal(urgent_at, 0);
}

/* The window is used up, then all is acknowledged: FIN goes. */
static void fin_waits_for_the_window(void **state)
{
	struct tcp_conn *c = peer_accept(1);
	struct tcp_opts o;

	(void)state;
	peer_say_at(c, 0, TCP_ACK, 0, 1); /* with data: not a duplicate */
	peer_pass(1000);
	peer_say_at(c, 0, TCP_ACK, 25, 1); /* 100 bytes */
	peer_pass(1000);
	peer_send(c, 100);
	peer_pass(1000);
	tcp_shutdown(bed_of_peer()->t, c);
	peer_pass(1000);
	assert_int_equal(peer.heard, 0);
	o = peer_stamps(c);
	peer_give(&c->key, c->rcv_nxt, c->snd_nxt, TCP_ACK, 65535, 0, &o);
	peer_pass(1000);
	assert_int_equal(peer.heard, 1);
	assert_int_equal(peer.last.flags, TCP_FIN | TCP_ACK);
}

/* A SYN-ACK with more than the window has room for: nothing of it is taken but the handshake. */
static void data_on_syn_ack(void **state)
{
	struct tcp_options o = tcp_settings_default.options;
	struct tcp_opts answer = peer_syn_opts;
	struct tcp_conn *c;
	int error;

	(void)state;
	o.receive_buffer = 100;
	c = tcp_connect(bed_of_peer()->t, 0, 0, PEER_ADDR, 80, &ops, NULL, &o, &error);
	assert_non_null(c);
	peer_pass(1000);
	answer.ts_ecr = stack_stamp(bed_of_peer()->t, c);
	peer_give(&c->key, 5000, c->snd_nxt, TCP_SYN | TCP_ACK | TCP_FIN, 65535, 101, &answer);
	peer_pass(1000);
	assert_int_equal(c->state, TCP_ESTABLISHED);
	assert_int_equal(c->rcv_nxt, 5001);
	assert_int_equal(received, 0);
}

/* Two stacks that disagree about their numbers: each ACK would draw another. */
static void acks_draw_no_storm(void **state)
{
	struct tcp_conn *c = peer_accept(1);
	uint32_t heard = 0;

	(void)state;
	for (int i = 0; i < 100; i++) {
		struct tcp_opts o = peer_stamps(c);

		if (i & 1)
			peer_say_at(c, UINT32_MAX - 1000, TCP_ACK, 65535, 0);
		else
			peer_give(&c->key, c->rcv_nxt, c->snd_nxt + 1, TCP_ACK, 65535, 0, &o);
		peer_pass(1000);
		heard += peer.heard;
	}
	assert_in_range(heard, 1, 4);
	for (int i = 0; i < 3; i++) { /* data are answered always: somebody waits */
		peer_say_at(c, UINT32_MAX - 1000, TCP_ACK, 65535, 10);
		peer_pass(1000);
		assert_int_equal(peer.heard, 1);
	}
}

/* A peer that leaves holes fills what may be held, and others send all the same. */
static void holes_do_not_stop_senders(void **state)
{
	struct tcp_conn *a = peer_accept(1), *b = peer_accept(2);

	(void)state;
	bed_of_peer()->t->limits.held_buffers = 16;
	for (uint32_t i = 0; i < 32; i++) {
		peer_say_at(a, 1000 + 2 * i, TCP_ACK, 65535, 1);
		peer_pass(100);
	}
	assert_in_range(bed_of_peer()->t->held_buffers, 8, 12);
	peer_send(b, 100);
	peer_pass(100);
	assert_int_equal(peer.last_len, 100);
}

/* An empty buffer sent before the SYN is out. */
static void nothing_before_the_syn(void **state)
{
	struct tcp_conn *c;
	int error;

	(void)state;
	c = tcp_connect(bed_of_peer()->t, 0, 0, PEER_ADDR, 80, &ops, NULL, NULL, &error);
	assert_non_null(c);
	peer_send(c, 0);
	peer_pass(1000);
	assert_int_equal(peer.heard, 1);
	assert_int_equal(peer.last.flags, TCP_SYN);
}

/* The octet that probes a closed window is new, and yet not to be marked. */
static void probe_without_ect(void **state)
{
	struct tcp_conn *c = peer_accept(1);

	(void)state;
	c->uses |= USES_ECN;
	peer_send(c, 10);
	peer_pass(1000);
	assert_int_equal(peer.last_tos, 2);
	peer_say_at(c, 0, TCP_ACK, 0, 0);
	peer_pass(1000);
	peer_send(c, 10);
	for (int i = 0; i < 100 && peer.heard == 0; i++)
		peer_pass(100000);
	assert_int_equal(peer.last_len, 1);
	assert_int_equal(peer.last_tos, 0);
}

/* Numbers that no listener has, or has any more. */
static void unlisten_what_is_not(void **state)
{
	struct tcp *t = bed_of_peer()->t;
	int other = tcp_listen(t, 0, PEER_PORT + 1, 16, &ops, NULL, NULL);

	(void)state;
	assert_true(other > 0);
	for (int i = 0; i < 2; i++)
		tcp_unlisten(t, other);
	tcp_unlisten(t, -1);
	tcp_unlisten(t, 5);
	tcp_unlisten(t, INT_MAX);
	tcp_listen_pause(t, other, true);
	assert_non_null(peer_accept(1));
	assert_int_equal(tcp_listen(t, 0, PEER_PORT + 1, 16, &ops, NULL, NULL), other);
}

/* What connections begin with changes with the stack's settings, unless a listener has its own. */
static void options_of_a_listener(void **state)
{
	struct tcp *t = bed_of_peer()->t;
	struct tcp_settings set = tcp_settings_default;
	struct tcp_options own = set.options;

	(void)state;
	set.options.ttl = 33;
	own.ttl = 44;
	tcp_configure(t, &set);
	assert_int_equal(peer_accept(1)->ttl, 33);
	tcp_listen_options(t, 0, &own);
	assert_int_equal(peer_accept(2)->ttl, 44);
	tcp_listen_options(t, 0, NULL);
	tcp_listen_options(t, 7, &own);
	assert_int_equal(peer_accept(3)->ttl, 33);
}

static const struct tcp_ops other_ops = {.on_accept = on_open};

/* n that wait for their last ACK, from port 1000 on. */
static struct tcp *open_half(uint16_t n)
{
	struct tcp_key key = {to_be32(PEER_US), to_be32(PEER_ADDR), to_be16(PEER_PORT), 0};
	struct tcp *t;

	peer_close();
	peer_defaults();
	peer.limits.connections = 4096;
	peer_open_with(&ops);
	t = bed_of_peer()->t;
	t->listener[0].backlog = 4096;
	for (uint16_t i = 0; i < n; i++) {
		key.remote_port = to_be16((uint16_t)(1000 + i));
		peer_give(&key, 1000, 0, TCP_SYN, 65535, 0, &peer_syn_opts);
		if (i % 32 == 31)
			peer_pass(100);
	}
	peer_pass(100);
	assert_int_equal(t->half_open, n);
	return t;
}

/* A service goes, and with it 2,048 handshakes: each peer is told, at the pace of the output. */
static void unlisten_tells_each(void **state)
{
	struct tcp *t = open_half(2048);
	uint64_t before = bed_of_peer()->w->count[COUNT_tcp_resets_sent];
	uint32_t heard = 0;

	(void)state;
	tcp_unlisten(t, 0);
	for (int i = 0; i < 2048 / 64 + 8; i++) {
		peer_pass(100);
		heard += peer.heard;
	}
	assert_int_equal(t->half_open, 0);
	assert_int_equal(heard, 2048);
	assert_int_equal(bed_of_peer()->w->count[COUNT_tcp_resets_sent] - before, 2048);
	assert_int_equal(bed_of_peer()->w->count[COUNT_tcp_loose_lost], 0);
}

/* A listener of one address goes, one of all stays, or comes: handshakes go on with that. */
static void half_open_are_inherited(void **state)
{
	struct tcp *t = open_half(200);
	struct tcp_conn *c;
	int number;

	(void)state;
	tcp_unlisten(t, 0);
	number = tcp_listen(t, PEER_US, PEER_PORT, 16, &ops, t, NULL);
	assert_true(number > 0);
	c = &t->conn[199]; /* its ACK comes before the hand does */
	peer_say(c, TCP_ACK, 0);
	peer_pass(100);
	assert_ptr_equal(peer.opened, c);
	assert_ptr_equal(tcp_user(c), t);
	for (int i = 0; i < 8; i++)
		peer_pass(100);
	assert_int_equal(t->closing, 0);
	assert_int_equal(t->half_open, 199);
	assert_int_equal(t->listener[number].half_open, 199);
	assert_int_equal(bed_of_peer()->w->count[COUNT_tcp_resets_sent], 0);
	/* but not by a service of another kind */
	tcp_unlisten(t, number);
	assert_true(tcp_listen(t, 0, PEER_PORT, 16, &other_ops, NULL, NULL) >= 0);
	for (int i = 0; i < 8; i++)
		peer_pass(100);
	assert_int_equal(t->half_open, 0);
	assert_int_equal(bed_of_peer()->w->count[COUNT_tcp_resets_sent], 199);
}

/* Half-open connections of a listener that was closed end a few in a pass, or by their ACK. */
static void unlisten_with_many_half_open(void **state)
{
	struct tcp_key key = {to_be32(PEER_US), to_be32(PEER_ADDR), to_be16(PEER_PORT), 0};
	struct tcp *t;
	uint32_t last = 0;

	(void)state;
	peer_close();
	peer_defaults();
	peer.limits.connections = 256;
	peer_open_with(&ops);
	t = bed_of_peer()->t;
	for (uint16_t i = 0; i < 200; i++) {
		if (i % 16 == 0) { /* the backlog is sixteen: as if it were more */
			t->listener[0].backlog = 1000;
			peer_pass(1000);
		}
		key.remote_port = to_be16((uint16_t)(1000 + i));
		peer_give(&key, 1000, 0, TCP_SYN, 65535, 0, &peer_syn_opts);
	}
	peer_pass(1000);
	assert_int_equal(t->half_open, 200);
	tcp_unlisten(t, 0);
	assert_int_equal(tcp_listen(t, 0, PEER_PORT, 16, &other_ops, NULL, NULL), 1);
	assert_int_equal(tcp_next_timer(t, 1000000), 0);
	for (int i = 0; i < 4; i++) {
		last = t->half_open;
		/* the hand stands far from this one, whose handshake comes to its end */
		if (i == 0)
			peer_say(&t->conn[199], TCP_ACK, 0);
		peer_pass(1000);
		assert_in_range(last - t->half_open, 7, 65);
	}
	assert_int_equal(t->half_open, 0);
	assert_int_equal(t->closing, 0);
	assert_null(peer.opened);
	assert_int_equal(tcp_listen(t, 0, PEER_PORT + 1, 16, &ops, NULL, NULL), 0);
}

/* Three segments are out when the window closes; it stays so, answering, for so many seconds. */
static struct tcp_conn *keep_out(uint16_t port, uint32_t seconds)
{
	struct tcp_conn *c = peer_accept(port);
	struct tcp_opts o;

	for (int i = 0; i < 3; i++)
		peer_send(c, 1448);
	peer_pass(1000);
	assert_int_equal(c->flight->n, 3);
	for (uint32_t i = 0; i < seconds; i++) {
		o = peer_stamps(c);
		peer_give(&c->key, c->rcv_nxt, c->snd_una, TCP_ACK, 0, 0, &o);
		peer_pass(1000000);
	}
	assert_int_equal(c->flight->n, 3);
	return c;
}

static void take(struct tcp_conn *c, uint32_t bytes)
{
	struct tcp_opts o = peer_stamps(c);

	peer_give(&c->key, c->rcv_nxt, c->snd_una + bytes, TCP_ACK, 65535, 0, &o);
	peer_pass(10000);
}

/* Out for longer than half the clock of records: old all the same, and lost at once. */
static void out_for_45_minutes(void **state)
{
	struct tcp_conn *c = keep_out(1, 2700);

	(void)state;
	take(c, 1448);
	assert_int_equal(peer.heard, 2);
	assert_in_range(c->srtt / 8, 1, 1000000);
	take(c, 2 * 1448);
	assert_null(c->flight);
	assert_in_range(c->rto, 1, 2000000);
}

/* Once round the clock: no round trip of a few microseconds, nor of an hour. */
static void out_for_72_minutes(void **state)
{
	struct tcp_conn *c;

	(void)state;
	peer.set.sack = false;
	tcp_configure(bed_of_peer()->t, &peer.set);
	c = keep_out(1, 4294);
	c->uses &= (uint8_t)~USES_TS;
	c->offset = 0x50;
	take(c, 1448);
	take(c, 2 * 1448);
	assert_null(c->flight);
	assert_true(c->min_rtt >= 1000);
	assert_in_range(c->srtt / 8, 1, 1000000);
}

/* Ports that we choose for two connections to one peer; the same seed chooses the same. */
static void ports_of_their_own(void **state)
{
	struct tcp_key first = peer_connect()->key, second = peer_connect()->key;

	(void)state;
	assert_int_not_equal(first.local_port, second.local_port);
	assert_in_range(from_be16(first.local_port), 32768, 60999);
	assert_in_range(from_be16(second.local_port), 32768, 60999);
	peer_close();
	peer_open(&ops);
	assert_int_equal(peer_connect()->key.local_port, first.local_port);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(full_ring_waits_alone, open_peer, close_peer),
		cmocka_unit_test_setup_teardown(tiny_mss, open_peer, close_peer),
		cmocka_unit_test_setup_teardown(old_urgent_pointer, open_peer, close_peer),
		cmocka_unit_test_setup_teardown(urgent_data_released, open_peer, close_peer),
		cmocka_unit_test_setup_teardown(fin_waits_for_the_window, open_peer, close_peer),
		cmocka_unit_test_setup_teardown(data_on_syn_ack, open_peer, close_peer),
		cmocka_unit_test_setup_teardown(acks_draw_no_storm, open_peer, close_peer),
		cmocka_unit_test_setup_teardown(holes_do_not_stop_senders, open_peer, close_peer),
		cmocka_unit_test_setup_teardown(nothing_before_the_syn, open_peer, close_peer),
		cmocka_unit_test_setup_teardown(unlisten_what_is_not, open_peer, close_peer),
		cmocka_unit_test_setup_teardown(options_of_a_listener, open_peer, close_peer),
		cmocka_unit_test_setup_teardown(unlisten_tells_each, open_peer, close_peer),
		cmocka_unit_test_setup_teardown(half_open_are_inherited, open_peer, close_peer),
		cmocka_unit_test_setup_teardown(
			unlisten_with_many_half_open, open_peer, close_peer),
		cmocka_unit_test_setup_teardown(out_for_45_minutes, open_peer, close_peer),
		cmocka_unit_test_setup_teardown(out_for_72_minutes, open_peer, close_peer),
		cmocka_unit_test_setup_teardown(ports_of_their_own, open_peer, close_peer),
		cmocka_unit_test_setup_teardown(probe_without_ect, open_peer, close_peer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
