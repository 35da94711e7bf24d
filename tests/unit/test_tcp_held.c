/* SPDX-License-Identifier: BSD-3-Clause */
/* Peers that want our memory: by small segments that nobody reads, by queues that nobody empties.
 */
#define BED_POOL 70000
#include "tcp_bed.h"
#include "tcp_invariants.h"
#include "tcp_peer.h"

static bool echoes; /* else what comes is kept, and not read */
static struct rte_mbuf *kept[8192];
static uint32_t n_kept;
static int ended;

static void on_open(struct tcp *t, struct tcp_conn *c)
{
	(void)t;
	peer_opened(c);
}

static void on_data(struct tcp *t, struct tcp_conn *c, struct rte_mbuf *m)
{
	if (echoes) {
		assert_int_equal(tcp_send(t, c, m, 0), 0);
		return;
	}
	assert_true(n_kept < RTE_DIM(kept));
	kept[n_kept++] = m;
}

static void on_sent(struct tcp *t, struct tcp_conn *c, uint32_t bytes)
{
	if (echoes)
		tcp_consumed(t, c, bytes);
}

static void on_end(struct tcp *t, struct tcp_conn *c, int error)
{
	(void)t, (void)c;
	ended = error;
}

static const struct tcp_ops ops = {
	.on_accept = on_open, .on_data = on_data, .on_sent = on_sent, .on_end = on_end};

static int open_peer(void **state)
{
	(void)state;
	echoes = false;
	n_kept = 0;
	ended = 0;
	peer_open(&ops);
	return 0;
}

static int free_kept(void **state)
{
	for (uint32_t i = 0; i < n_kept; i++)
		rte_pktmbuf_free(kept[i]);
	return close_peer(state);
}

static uint64_t refused(void)
{
	return bed_of_peer()->w->books.drop[DROP_TCP_CROWDED];
}

/* The peer writes n segments of len bytes, one at a time; what is refused, again and again. */
static void write_small(struct tcp_conn *c, uint32_t n, uint32_t len)
{
	for (uint32_t i = 0; i < n; i++) {
		peer_say(c, TCP_ACK | TCP_PSH, len);
		peer_pass(10);
	}
}

static uint32_t in_use(void)
{
	return rte_mempool_in_use_count(bed_of_peer()->pool);
}

/* Bytes one by one to an application that reads nothing: buffers are bounded, not only bytes. */
static void bytes_that_nobody_reads(void **state)
{
	struct tcp_conn *c = peer_accept(1);
	uint32_t share = c->rcv_buf / 512 + 16, had;

	(void)state;
	write_small(c, 4000, 1);
	assert_in_range(n_kept, share, share + 1); /* the first was not small: nothing was unread */
	assert_int_equal(refused(), 4000 - n_kept);
	assert_true(in_use() <= share + 8);
	assert_int_equal(peer.heard, 1); /* each that is refused is answered */
	assert_int_equal(from_be32(peer.last.ack), c->rcv_nxt);

	/* full segments are the window's business: some more of those */
	had = n_kept;
	peer_say(c, TCP_ACK, 1000);
	peer_pass(10);
	assert_int_equal(n_kept, had + 1);

	/* half is read: so much may come again */
	tcp_consumed(bed_of_peer()->t, c, c->unread / 2);
	had = n_kept;
	write_small(c, 4000, 1);
	assert_in_range(n_kept - had, share / 2 - 2, share / 2 + 2);

	tcp_consumed(bed_of_peer()->t, c, UINT32_MAX);
	assert_int_equal(c->uses & HOLDS_SMALL, 0);
	had = n_kept;
	write_small(c, 100, 1);
	assert_int_equal(n_kept, had + 100);
}

/* Whoever reads as it comes is never refused. */
static void bytes_that_are_read(void **state)
{
	struct tcp_conn *c = peer_accept(1);

	(void)state;
	for (int i = 0; i < 4000; i++) {
		write_small(c, 2, 1);
		tcp_consumed(bed_of_peer()->t, c, 2);
	}
	assert_int_equal(n_kept, 8000);
	assert_int_equal(refused(), 0);
}

/* An echo whose peer never reads: as many buffers as its share, then the window is closed. */
static void echo_that_nobody_reads(void **state)
{
	static const uint32_t lens[] = {1, 200};

	(void)state;
	echoes = true;
	for (uint16_t i = 0; i < RTE_DIM(lens); i++) {
		struct tcp_conn *c = peer_accept((uint16_t)(i + 1));
		uint32_t had = in_use();

		for (int n = 0; n < 6000; n++) {
			struct tcp_opts o = peer_stamps(c);

			peer_give(&c->key, c->rcv_nxt, c->snd_una, TCP_ACK, 0, lens[i], &o);
			peer_pass(10);
		}
		assert_true(in_use() - had <= c->rcv_buf / 512 + 32);
		assert_true(refused() != 0);
		/* nothing is announced beyond what was: it ends when that is used up */
		assert_true(c->rcv_end - c->rcv_nxt < c->rcv_buf);
	}
}

/* Bytes from the back to the front, of which none can be put behind another: the same share. */
static void holes_from_the_back(void **state)
{
	struct tcp_conn *c = peer_accept(1);
	uint32_t share = c->rcv_buf / 512 + 16;

	(void)state;
	for (uint32_t at = 5000; at > 0; at--) {
		peer_say_at(c, at, TCP_ACK, 65535, 1);
		peer_pass(10);
	}
	assert_int_equal(bed_of_peer()->t->held_buffers, share);
}

/* Time passes in which nothing comes. */
static void wait_ms(uint32_t ms)
{
	for (uint32_t i = 0; i < ms; i += 100)
		peer_pass(100000);
}

static void queue(struct tcp_conn *c, uint32_t buffers)
{
	for (uint32_t i = 0; i < buffers; i++)
		peer_send(c, 1000);
	peer_pass(1000);
}

static uint64_t evicted(void)
{
	return bed_of_peer()->w->count[COUNT_tcp_evicted];
}

static void answer(struct tcp_conn *c, uint32_t ack, uint16_t window)
{
	struct tcp_opts o = peer_stamps(c);

	peer_give(&c->key, c->rcv_nxt, ack, TCP_ACK, window, 0, &o);
	peer_pass(1000);
}

/*
 * Two thirds are held. The one that holds most and takes nothing goes, though it answers; neither
 * who takes what it gets, nor who holds less than the average.
 */
static void the_worst_goes_under_pressure(void **state)
{
	struct tcp_conn *worst = peer_accept(1), *reads = peer_accept(2), *small = peer_accept(3);
	struct tcp *t = bed_of_peer()->t;

	(void)state;
	t->limits.held_buffers = 90;
	answer(worst, worst->snd_una, 0);
	answer(small, small->snd_una, 0);
	queue(worst, 30);
	queue(small, 2);
	wait_ms(11000);
	assert_int_equal(evicted(), 0); /* there is room */
	queue(reads, 40);
	answer(reads, reads->snd_una, 1000);
	assert_int_equal(evicted(), 1);
	assert_int_equal(ended, ENOMEM);
	assert_int_equal(worst->state, TCP_CLOSED);
	assert_int_equal(reads->state, TCP_ESTABLISHED);
	assert_int_equal(small->state, TCP_ESTABLISHED);
	assert_int_equal(peer_connections(), 2);
}

/* Who takes bytes, but next to none, is stalled all the same; and holds all that there is. */
static void a_trickle_is_no_progress(void **state)
{
	struct tcp_conn *c = peer_accept(1);
	struct tcp *t = bed_of_peer()->t;

	(void)state;
	t->limits.held_buffers = 90;
	queue(c, 61);
	for (int i = 0; i < 150 && evicted() == 0; i++) {
		answer(c, c->snd_una + 1, 10);
		wait_ms(100);
	}
	assert_int_equal(evicted(), 1);
	assert_int_equal(t->held_buffers, 0);
}

/* All that is held is of those who make progress: nobody goes. */
static void progress_is_safe(void **state)
{
	struct tcp_conn *c = peer_accept(1);
	struct tcp *t = bed_of_peer()->t;

	(void)state;
	t->limits.held_buffers = 90;
	for (int i = 0; i < 200; i++) {
		while (t->held_buffers < 80)
			queue(c, 1);
		answer(c, c->snd_una + 100, 100);
		wait_ms(100);
	}
	assert_int_equal(evicted(), 0);
	assert_int_equal(c->state, TCP_ESTABLISHED);
}

/* A hole that is never filled. */
static void holes_go_under_pressure(void **state)
{
	struct tcp_conn *c = peer_accept(1);
	struct tcp *t = bed_of_peer()->t;

	(void)state;
	t->limits.held_buffers = 90;
	for (uint32_t i = 0; i < 70; i++) {
		peer_say_at(c, 1000 + 1000 * i, TCP_ACK, 65535, 900);
		peer_pass(1000);
	}
	assert_in_range(t->held_buffers, 61, 68);
	wait_ms(9000);
	assert_int_equal(evicted(), 0);
	wait_ms(2000);
	assert_int_equal(evicted(), 1);
	assert_int_equal(t->held_buffers, 0);
}

/* What waits for a handshake has the handshake's patience. */
static void half_open_is_not_stalled(void **state)
{
	struct tcp_conn *c = peer_connect();

	(void)state;
	bed_of_peer()->t->limits.held_buffers = 90;
	queue(c, 80);
	wait_ms(30000);
	assert_int_equal(evicted(), 0);
	peer_answer(c);
	peer_pass(1000);
	assert_int_equal(c->state, TCP_ESTABLISHED);
	assert_int_equal(evicted(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(bytes_that_nobody_reads, open_peer, free_kept),
		cmocka_unit_test_setup_teardown(bytes_that_are_read, open_peer, free_kept),
		cmocka_unit_test_setup_teardown(echo_that_nobody_reads, open_peer, free_kept),
		cmocka_unit_test_setup_teardown(holes_from_the_back, open_peer, free_kept),
		cmocka_unit_test_setup_teardown(
			the_worst_goes_under_pressure, open_peer, free_kept),
		cmocka_unit_test_setup_teardown(a_trickle_is_no_progress, open_peer, free_kept),
		cmocka_unit_test_setup_teardown(progress_is_safe, open_peer, free_kept),
		cmocka_unit_test_setup_teardown(holes_go_under_pressure, open_peer, free_kept),
		cmocka_unit_test_setup_teardown(half_open_is_not_stalled, open_peer, free_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
