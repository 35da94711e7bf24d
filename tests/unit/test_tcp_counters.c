/* SPDX-License-Identifier: BSD-3-Clause */
/* What TCP counts of a connection's life (tests/NSTAT.md): each event once, and nothing beside it.
 */
#include "tcp_peer.h"

static void on_open(struct tcp *t, struct tcp_conn *c)
{
	(void)t;
	peer_opened(c);
}

static const struct tcp_ops ops = {.on_accept = on_open, .on_connect = on_open};
static uint64_t before[COUNT_MAX];

static int open_peer(void **state)
{
	(void)state;
	peer_open(&ops);
	return 0;
}

static void from_now(void)
{
	memcpy(before, bed_of_peer()->w->count, sizeof(before));
}

static uint64_t counted(enum counter c)
{
	return bed_of_peer()->w->count[c] - before[c];
}

static const struct tcp_key nobody = {0xc6120001, 0xc6120101, 0x0700, 0x0900};

static void handshakes(void **state)
{
	struct tcp_conn *c;

	(void)state;
	from_now();
	peer_accept(1);
	assert_int_equal(counted(COUNT_tcp_accepted), 1);
	assert_int_equal(counted(COUNT_tcp_active_opens), 0);
	c = peer_connect();
	assert_int_equal(counted(COUNT_tcp_active_opens), 1);
	assert_int_equal(counted(COUNT_tcp_connected), 0);
	peer_answer(c);
	peer_pass(1000);
	assert_int_equal(counted(COUNT_tcp_connected), 1);
	assert_int_equal(counted(COUNT_tcp_attempt_fails), 0);
	assert_int_equal(counted(COUNT_tcp_segments_in), 3);
	assert_int_equal(counted(COUNT_tcp_segments_out), 3);
	assert_int_equal(counted(COUNT_tcp_data_segments_out), 0);
}

/* A SYN of ours that is refused, one of the peer's that it takes back, one that is repeated. */
static void handshakes_that_fail(void **state)
{
	const struct tcp_key key = {
		to_be32(PEER_US), to_be32(PEER_ADDR), to_be16(PEER_PORT), to_be16(9)};
	struct tcp_conn *c = peer_connect();

	(void)state;
	from_now();
	peer_pass(1500000);
	assert_int_equal(counted(COUNT_tcp_syn_retransmits), 1);
	peer_say(c, TCP_RST | TCP_ACK, 0);
	peer_pass(1000);
	assert_int_equal(counted(COUNT_tcp_attempt_fails), 1);
	assert_int_equal(counted(COUNT_tcp_embryonic_resets), 0);
	peer_give(&key, 1000, 0, TCP_SYN, 65535, 0, &peer_syn_opts);
	peer_pass(1000);
	peer_give(&key, 1001, 0, TCP_RST, 0, 0, &(struct tcp_opts){0});
	peer_pass(1000);
	assert_int_equal(counted(COUNT_tcp_attempt_fails), 2);
	assert_int_equal(counted(COUNT_tcp_embryonic_resets), 1);
	assert_int_equal(counted(COUNT_tcp_established_resets), 0);
}

static void ends(void **state)
{
	struct tcp_conn *reset = peer_accept(1), *closed = peer_accept(2);

	(void)state;
	from_now();
	peer_say(reset, TCP_RST, 0);
	peer_pass(1000);
	assert_int_equal(counted(COUNT_tcp_established_resets), 1);
	tcp_close(bed_of_peer()->t, closed);
	peer_pass(1000);
	peer_say(closed, TCP_ACK | TCP_FIN, 0);
	peer_pass(1000);
	assert_int_equal(counted(COUNT_tcp_established_resets), 1);
	assert_int_equal(counted(COUNT_tcp_time_waits), 1);
}

/* A segment in order is the fast path's; what comes twice, and a wrong sum, are not. */
static void segments(void **state)
{
	struct tcp_conn *c = peer_accept(1);

	(void)state;
	from_now();
	for (int i = 0; i < 3; i++) {
		peer_say(c, TCP_ACK | TCP_PSH, 100);
		peer_pass(1000);
	}
	assert_int_equal(counted(COUNT_tcp_segments_in), 3);
	assert_int_equal(counted(COUNT_tcp_segments_slow), 0);
	peer_say_at(c, (uint32_t)-100, TCP_ACK, 65535, 100);
	peer_pass(1000);
	assert_int_equal(counted(COUNT_tcp_segments_slow), 1);
	assert_int_equal(counted(COUNT_tcp_duplicates), 1);
	assert_int_equal(counted(COUNT_tcp_dsacks_out), 1);
	peer_say(c, TCP_ACK, 100);
	peer.in[0]->ol_flags = 0; /* and no checksum was made */
	peer_pass(1000);
	assert_int_equal(counted(COUNT_tcp_checksum_errors), 1);
	assert_int_equal(counted(COUNT_tcp_segments_in), 5);
}

/* Data once, and again after a time-out; SACK blocks and ICMP errors about what is not out. */
static void losses(void **state)
{
	struct tcp_conn *c = peer_accept(1);
	struct tcp_opts o = peer_stamps(c);
	uint8_t quoted[IP4_HDR_LEN + 8] = {0x45, [9] = IP4_PROTO_TCP};

	(void)state;
	from_now();
	peer_send(c, 100);
	peer_pass(1000);
	assert_int_equal(counted(COUNT_tcp_data_segments_out), 1);
	for (int i = 0; i < 30 && counted(COUNT_tcp_timeouts) == 0; i++)
		peer_pass(100000);
	assert_int_equal(counted(COUNT_tcp_timeouts), 1);
	assert_int_equal(counted(COUNT_tcp_loss_retransmits), 1);
	assert_int_equal(counted(COUNT_tcp_fast_retransmits), 0);
	assert_int_equal(counted(COUNT_tcp_data_segments_out), 1);
	o.n_sacks = 1;
	o.sack[0] = (struct tcp_sack){c->snd_nxt + 1000, c->snd_nxt + 2000};
	peer_give(&c->key, c->rcv_nxt, c->snd_una, TCP_ACK, 65535, 0, &o);
	peer_pass(1000);
	assert_int_equal(counted(COUNT_tcp_sacks_ignored), 1);
	memcpy(quoted + 12, &nobody, 4);
	assert_false(tcp_icmp(bed_of_peer()->t, quoted, sizeof(quoted), 3, 4, 1000));
	assert_int_equal(counted(COUNT_tcp_icmp_ignored), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(handshakes, open_peer, close_peer),
		cmocka_unit_test_setup_teardown(handshakes_that_fail, open_peer, close_peer),
		cmocka_unit_test_setup_teardown(ends, open_peer, close_peer),
		cmocka_unit_test_setup_teardown(segments, open_peer, close_peer),
		cmocka_unit_test_setup_teardown(losses, open_peer, close_peer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
