/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Connections that end, or are written to, inside a callback: of their own, or of another whose
 * segment or timer is of the same burst; or that an operator ends. The invariants hold after each
 * pass.
 */
#include "tcp_bed.h"
#include "tcp_invariants.h"
#include "tcp_peer.h"

#include <errno.h>

static struct tcp_conn *victim;	     /* what the next callback aborts */
static struct tcp_conn *one, *other; /* on_notice() of either aborts the other */
static int ends, end_error;

static void abort_victim(struct tcp *t)
{
	struct tcp_conn *c = victim;

	victim = NULL;
	if (c != NULL)
		tcp_abort(t, c);
}

static void on_open(struct tcp *t, struct tcp_conn *c)
{
	peer_opened(c);
	abort_victim(t);
}

static void on_data(struct tcp *t, struct tcp_conn *c, struct rte_mbuf *m)
{
	tcp_consumed(t, c, m->pkt_len);
	rte_pktmbuf_free(m);
	abort_victim(t);
}

static void on_sent(struct tcp *t, struct tcp_conn *c, uint32_t bytes)
{
	(void)c, (void)bytes;
	abort_victim(t);
}

static void on_notice(struct tcp *t, struct tcp_conn *c, int error)
{
	(void)error;
	if (one != NULL)
		victim = c == one ? other : one;
	one = NULL;
	abort_victim(t);
}

static void on_end(struct tcp *t, struct tcp_conn *c, int error)
{
	(void)t, (void)c;
	ends++;
	end_error = error;
}

static const struct tcp_ops ops = {.on_accept = on_open,
	.on_connect = on_open,
	.on_data = on_data,
	.on_sent = on_sent,
	.on_notice = on_notice,
	.on_end = on_end};

static int open_peer(void **state)
{
	(void)state;
	victim = one = other = NULL;
	ends = 0;
	peer_open(&ops);
	return 0;
}

/* Data and an acknowledgement in one segment; on_sent() aborts: the data have no taker. */
static void ends_in_on_sent(void **state)
{
	struct tcp_conn *c = peer_accept(1);

	(void)state;
	peer_send(c, 100);
	peer_pass(1000);
	victim = c;
	peer_say(c, TCP_ACK, 100);
	peer_pass(1000);
	assert_int_equal(peer_connections(), 0);
	assert_int_equal(ends, 0); /* who aborts is not told */
}

/* on_data() of one connection aborts another, whose segment is the next of the burst. */
static void ends_between_segments(void **state)
{
	struct tcp_conn *a = peer_accept(1), *b = peer_accept(2);

	(void)state;
	peer_say(a, TCP_ACK, 100);
	peer_say(b, TCP_ACK | TCP_URG, 100); /* not for the fast path */
	victim = b;
	peer_pass(1000);
	assert_int_equal(peer_connections(), 1);
}

static void ends_in_on_connect(void **state)
{
	struct tcp_conn *c = peer_connect();

	(void)state;
	victim = c;
	peer_answer(c);
	peer_pass(1000);
	assert_int_equal(peer_connections(), 0);
}

static void times_out_with_an_ack(struct tcp_conn *c, uint32_t at)
{
	c->flight->timer = TIMER_RTO;
	c->rtx_at = c->ack_at = at;
	conn_arm(bed_of_peer()->t, c);
}

/* Both time out at once; on_notice() of the first aborts the other, which had an ACK to delay. */
static void ends_between_timers(void **state)
{
	struct tcp_conn *a = peer_accept(1), *b = peer_accept(2);
	uint32_t at = bed_of_peer()->t->tick + 200;

	(void)state;
	bed_of_peer()->t->set.r1_retries = 1;
	peer_send(a, 100);
	peer_send(b, 100);
	peer_pass(10);
	times_out_with_an_ack(a, at);
	times_out_with_an_ack(b, at);
	one = a;
	other = b;
	peer_pass(20000);
	assert_int_equal(peer_connections(), 1);
}

static bool kill_of(const struct tcp_key *k)
{
	return tcp_kill(bed_of_peer()->t, from_be32(k->local), from_be16(k->local_port),
		from_be32(k->remote), from_be16(k->remote_port));
}

/* An operator's end: the peer is reset, the application is told; nobody else's has an end. */
static void ends_by_an_operator(void **state)
{
	struct tcp_conn *a = peer_accept(1), *b = peer_accept(2);
	struct tcp_key none = a->key, killed = a->key;
	uint32_t seq;

	(void)state;
	none.remote_port = to_be16(3);
	assert_false(kill_of(&none));
	peer_send(a, 100);
	peer_pass(1000);
	seq = a->snd_nxt;
	assert_true(kill_of(&killed));
	assert_false(kill_of(&killed));
	peer_pass(1000);
	assert_int_equal(peer.heard, 1);
	assert_int_equal(peer.last.flags, TCP_RST | TCP_ACK);
	assert_int_equal(tcp_hdr_seq(&peer.last), seq);
	assert_int_equal(peer_connections(), 1);
	assert_int_equal(ends, 1);
	assert_int_equal(end_error, ECONNABORTED);

	/* one that the application has closed: it is told no more */
	tcp_close(bed_of_peer()->t, b);
	killed = b->key;
	peer_pass(1000);
	assert_true(kill_of(&killed));
	peer_pass(1000);
	assert_int_equal(peer.last.flags, TCP_RST | TCP_ACK);
	assert_int_equal(peer_connections(), 0);
	assert_int_equal(ends, 1);
}

/* Half open, in either direction: a SYN of ours has nobody to reset (RFC 9293 3.10.5). */
static void ends_half_open(void **state)
{
	const struct tcp_key key = {
		to_be32(PEER_US), to_be32(PEER_ADDR), to_be16(PEER_PORT), to_be16(9)};
	struct tcp_key ours;

	(void)state;
	peer_give(&key, 1000, 0, TCP_SYN, 65535, 0, &peer_syn_opts);
	peer_pass(1000);
	assert_true(kill_of(&key));
	peer_pass(1000);
	assert_int_equal(peer.last.flags & TCP_RST, TCP_RST);
	ours = peer_connect()->key;
	assert_true(kill_of(&ours));
	peer_pass(1000);
	assert_int_equal(peer.heard, 0);
	assert_int_equal(peer_connections(), 0);
	assert_int_equal(ends, 1);
}

/* What is left of one that has ended in order: nobody is told. */
static void ends_time_wait(void **state)
{
	struct tcp_conn *c = peer_accept(1);
	struct tcp_key key = c->key;
	struct tcp_usage u;

	(void)state;
	tcp_close(bed_of_peer()->t, c);
	peer_pass(1000);
	peer_say(c, TCP_ACK | TCP_FIN, 0);
	peer_pass(1000);
	tcp_usage(bed_of_peer()->t, &u);
	assert_int_equal(u.time_waits, 1);
	assert_true(kill_of(&key));
	assert_false(kill_of(&key));
	peer_pass(1000);
	assert_int_equal(peer.heard, 0);
	tcp_usage(bed_of_peer()->t, &u);
	assert_int_equal(u.time_waits, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(ends_in_on_sent, open_peer, close_peer),
		cmocka_unit_test_setup_teardown(ends_between_segments, open_peer, close_peer),
		cmocka_unit_test_setup_teardown(ends_in_on_connect, open_peer, close_peer),
		cmocka_unit_test_setup_teardown(ends_between_timers, open_peer, close_peer),
		cmocka_unit_test_setup_teardown(ends_by_an_operator, open_peer, close_peer),
		cmocka_unit_test_setup_teardown(ends_half_open, open_peer, close_peer),
		cmocka_unit_test_setup_teardown(ends_time_wait, open_peer, close_peer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
