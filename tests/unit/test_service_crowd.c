/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Many peers that do not read, and a few that do: memory for all of them is that of the quickstart.
 * Who reads is served, and never reset.
 */
#define BED_POOL 8192
#include "services.h"
#include "tcp_bed.h"
#include "tcp_invariants.h"
#include "tcp_peer.h"

#define SLEEPERS      64
#define HONEST	      8
#define SOURCE	      19
#define KEEPER	      99
#define HELD	      4096
#define ROUND_US      20000
#define SEGMENT	      1400
#define HONEST_NTH    (SLEEPERS + 1) /* their ports begin here */
#define HONEST_WINDOW 2000 /* times four: what all of them may get is what a pass can send */

static struct rte_mbuf *kept[BED_POOL];
static uint32_t n_kept;

/* An application that reads nothing. */
static void keep(struct tcp *t, struct tcp_conn *c, struct rte_mbuf *m)
{
	(void)t, (void)c;
	assert_true(n_kept < RTE_DIM(kept));
	kept[n_kept++] = m;
}

static const struct tcp_ops keeper = {.on_data = keep};

static int open_crowd(void **state)
{
	(void)state;
	n_kept = 0;
	peer_defaults();
	peer.limits.connections = 128;
	peer.limits.held_buffers = HELD;
	peer_open_with(&tcp_echo);
	assert_true(tcp_listen(peer.bed.t, 0, SOURCE, 16, &tcp_source, NULL, NULL) >= 0);
	assert_true(tcp_listen(peer.bed.t, 0, KEEPER, 16, &keeper, NULL, NULL) >= 0);
	return 0;
}

static int close_crowd(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < n_kept; i++)
		rte_pktmbuf_free(kept[i]);
	peer_close();
	return 0;
}

/* The connection from this port; NULL: it is gone. */
static struct tcp_conn *conn_of(uint16_t service, uint16_t port)
{
	const struct tcp_key key = {
		to_be32(PEER_US), to_be32(PEER_ADDR), to_be16(service), to_be16(port)};
	uint32_t at =
		tcp_table_find(peer.bed.t->table, tcp_table_hash(peer.bed.t->table, &key), &key);

	return at < peer.limits.connections ? &peer.bed.t->conn[at] : NULL;
}

/* n connections to the service from port `first` on, with this window. */
static void open_some(uint16_t service, uint16_t first, uint16_t n, uint16_t window)
{
	for (uint16_t i = 0; i < n; i++) {
		const struct tcp_key key = {to_be32(PEER_US), to_be32(PEER_ADDR), to_be16(service),
			to_be16((uint16_t)(first + i))};

		peer_give(&key, 1000, 0, TCP_SYN, 65535, 0, &peer_syn_opts);
		peer_pass(100);
		assert_non_null(conn_of(service, (uint16_t)(first + i)));
		peer_say_at(conn_of(service, (uint16_t)(first + i)), 0, TCP_ACK, window, 0);
		peer_pass(100);
	}
}

/* Each that is still there sends `len` bytes, and takes none: all that was promised to it. */
static void sleep_on(uint16_t service, uint32_t len)
{
	for (uint16_t i = 1; i <= SLEEPERS; i++) {
		struct tcp_conn *c = conn_of(service, i);
		uint32_t open = c != NULL ? c->rcv_end - c->rcv_nxt : 0;

		if (c == NULL)
			continue;
		if (len != 0 && open >= len)
			peer_say_at(c, 0, TCP_ACK, 0, len);
		else
			peer_say_at(c, 0, TCP_ACK, 0, 0);
		if (i % 32 == 0)
			peer_pass(ROUND_US / 4);
	}
	peer_pass(ROUND_US / 4);
}

/* Each of the honest sends a segment and takes what it has got; true: everybody was served. */
static bool honest_round(uint16_t service, uint32_t len)
{
	uint32_t sent[HONEST], got[HONEST];
	bool served = true;

	for (uint16_t i = 0; i < HONEST; i++) {
		struct tcp_conn *c = conn_of(service, (uint16_t)(HONEST_NTH + i));

		assert_non_null(c);
		sent[i] = c->rcv_nxt;
		got[i] = c->snd_una;
		peer_say_at(c, 0, TCP_ACK | TCP_PSH, HONEST_WINDOW, len);
	}
	peer_pass(ROUND_US / 4);
	for (uint16_t i = 0; i < HONEST; i++)
		peer_say_at(
			conn_of(service, (uint16_t)(HONEST_NTH + i)), 0, TCP_ACK, HONEST_WINDOW, 0);
	peer_pass(ROUND_US / 4);
	for (uint16_t i = 0; i < HONEST; i++) {
		struct tcp_conn *c = conn_of(service, (uint16_t)(HONEST_NTH + i));

		assert_non_null(c);
		assert_int_equal(c->state, TCP_ESTABLISHED);
		served &= c->rcv_nxt == sent[i] + len && c->snd_una != got[i];
	}
	return served;
}

static uint64_t evicted(void)
{
	return peer.bed.w->count[COUNT_tcp_evicted];
}

static uint32_t sleepers_left(uint16_t service)
{
	uint32_t n = 0;

	for (uint16_t i = 1; i <= SLEEPERS; i++)
		n += conn_of(service, i) != NULL;
	return n;
}

/*
 * Sleepers first, which take what they get for so long that nothing moves any more; then the
 * honest, of whom everybody is served in each round, for longer than a stall may last.
 */
static void crowd(uint16_t service, uint32_t len)
{
	open_some(service, 1, SLEEPERS, 0);
	for (int i = 0; i < 200; i++)
		sleep_on(service, len);
	assert_int_equal(sleepers_left(service), SLEEPERS);
	assert_int_equal(evicted(), 0);
	assert_true(peer.bed.t->held_buffers > HELD / 4);
	open_some(service, HONEST_NTH, HONEST, HONEST_WINDOW);
	for (int i = 0; i < 800; i++) {
		sleep_on(service, len);
		if (!honest_round(service, len == 0 ? 0 : SEGMENT))
			fail_msg("round %d: an honest one was not served", i);
	}
	/* if memory was pressed, the worst have gone */
	assert_int_equal(sleepers_left(service), SLEEPERS - evicted());
	assert_int_equal(peer.bed.w->count[COUNT_tcp_resets_sent], evicted());
}

static void test_echo_among_sleepers(void **state)
{
	(void)state;
	crowd(PEER_PORT, SEGMENT);
}

static void test_source_among_sleepers(void **state)
{
	(void)state;
	crowd(SOURCE, 0);
}

/* What came to applications that do not read it is memory, too: an echo goes on beside them. */
static void test_echo_beside_who_keeps(void **state)
{
	(void)state;
	open_some(KEEPER, 1, SLEEPERS, 65535);
	for (int i = 0; i < 300; i++)
		sleep_on(KEEPER, SEGMENT);
	assert_in_range(n_kept, HELD / 4, HELD);
	open_some(PEER_PORT, HONEST_NTH, HONEST, HONEST_WINDOW);
	for (int i = 0; i < 100; i++) {
		sleep_on(KEEPER, SEGMENT);
		assert_true(honest_round(PEER_PORT, SEGMENT));
	}
	assert_in_range(n_kept, HELD / 4, HELD);
	assert_int_equal(peer.bed.w->count[COUNT_tcp_resets_sent], 0);
}

/* One that is alone has its whole buffer; what was announced is not taken back when others come. */
static void test_shares(void **state)
{
	struct tcp_conn *c;
	uint32_t edge, before = 0;

	(void)state;
	open_some(KEEPER, 1, 1, 65535);
	c = conn_of(KEEPER, 1);
	peer_say(c, TCP_ACK, 10);
	peer_pass(ROUND_US);
	peer_pass(ROUND_US * 10);
	assert_in_range(c->rcv_end - c->rcv_nxt, (1 << 20) - 1000, 1 << 20);
	edge = c->rcv_end;
	open_some(SOURCE, 100, 40, 0);
	for (int i = 0; i < 300; i++) {
		peer_say(c, TCP_ACK, SEGMENT);
		peer_pass(ROUND_US);
		assert_true(seq_geq(c->rcv_end, edge));
		edge = c->rcv_end;
	}
	/* beyond its share it is refused, not reset, and is told so at once */
	assert_true(peer.bed.w->books.drop[DROP_TCP_PRESSED] != 0);
	assert_int_equal(peer.heard, 1);
	assert_int_equal(c->state, TCP_ESTABLISHED);
	before = c->rcv_nxt;
	tcp_consumed(peer.bed.t, c, UINT32_MAX);
	peer_say(c, TCP_ACK, SEGMENT);
	peer_pass(ROUND_US);
	assert_int_equal(c->rcv_nxt, before + SEGMENT);
}

#define T(f) cmocka_unit_test_setup_teardown(f, open_crowd, close_crowd)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_echo_among_sleepers),
		T(test_source_among_sleepers),
		T(test_echo_beside_who_keeps),
		T(test_shares),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
