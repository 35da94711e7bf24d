/* SPDX-License-Identifier: BSD-3-Clause */
/* Two stacks that talk: opening, data both ways, closing from either side and from both at once. */
#include "tcp_bed.h"

#include "net/gso.h"
#include "net/offload.h"
#include "wire/icmp_hdr.h"

#define CLIENT 0xc6120001u
#define SERVER 0xc6120101u

#define WIRE 1024

/* What is on its way to an end. */
struct wire {
	uint32_t n;
	struct rte_mbuf *pkt[WIRE];
};

struct end {
	struct bed bed;
	struct tcp_conn *conn;
	uint64_t sent;
	uint64_t received;
	uint64_t acked;
	uint32_t cut;	 /* packets that were */
	uint32_t open;	 /* those whose sum was left to us */
	uint64_t urgent; /* end of urgent data in the stream */
	bool closed;
	int ended; /* -1: not */
};

/* What the client has said to a bad path, segment by segment. */
struct said {
	uint64_t at;
	uint8_t bytes[IP4_HDR_LEN + TCP_HDR_LEN + TCP_OPT_MAX];
	uint32_t len; /* of the packet */
};

#define SAID 8192

/* A path that loses and marks; NULL: it does not. */
static struct path {
	struct said said[SAID];
	uint32_t n;
} * path;

static struct wire to_server, to_client;
static struct end client, server;
static uint64_t now;

static struct end *end_of(struct tcp *t)
{
	return t == client.bed.t ? &client : &server;
}

static void on_open(struct tcp *t, struct tcp_conn *c)
{
	end_of(t)->conn = c;
}

static void on_data(struct tcp *t, struct tcp_conn *c, struct rte_mbuf *m)
{
	struct end *e = end_of(t);

	bed_check_data(m, e->received);
	e->received += m->pkt_len;
	tcp_consumed(t, c, m->pkt_len);
	rte_pktmbuf_free(m);
}

static void on_sent(struct tcp *t, struct tcp_conn *c, uint32_t bytes)
{
	(void)c;
	end_of(t)->acked += bytes;
}

static void on_close(struct tcp *t, struct tcp_conn *c)
{
	(void)c;
	end_of(t)->closed = true;
}

static void on_end(struct tcp *t, struct tcp_conn *c, int error)
{
	(void)c;
	end_of(t)->ended = error;
	end_of(t)->conn = NULL;
}

static void on_urgent(struct tcp *t, struct tcp_conn *c)
{
	end_of(t)->urgent = end_of(t)->received + tcp_urgent(c);
}

static const struct tcp_ops ops = {.on_urgent = on_urgent,
	.on_accept = on_open,
	.on_connect = on_open,
	.on_data = on_data,
	.on_sent = on_sent,
	.on_close = on_close,
	.on_end = on_end};

/* Remembers a segment of the client's, and what becomes of it: every so often one is lost, or
 * marked by a router (RFC 3168). True: lost.
 */
static bool suffers(struct rte_mbuf *m)
{
	struct said *s = &path->said[path->n++];
	struct ip4_hdr *ip = pkt_ip4(m);

	assert_true(path->n < SAID);
	s->at = now;
	s->len = m->pkt_len;
	memcpy(s->bytes, ip, RTE_MIN(sizeof(s->bytes), m->data_len - (size_t)ETH_HDR_LEN));
	if (path->n > 3 && path->n % 149 == 0 && (ip->tos & 3) != 0) {
		ip->tos |= 3;
		ip4_hdr_csum_set(ip);
	}
	return path->n > 3 && path->n % 67 == 0;
}

/* A frame is cut on its way, if its sender left that to the device. */
static void carry(struct wire *to, struct end *from, struct end *receiver, struct rte_mbuf *m)
{
	struct rte_mbuf *cut[GSO_MAX] = {m};
	uint16_t n = 1;

	if (gso_wanted(m)) {
		/* of these each segment would have to say its own */
		assert_false(((struct tcp_hdr *)pkt_l4(m))->flags & (TCP_SYN | TCP_URG | TCP_CWR));
		from->cut++;
		n = gso_cut(from->bed.w, m, cut);
		from->bed.w->books.tx += n - 1u;
	} else if (offload_is_open(m)) {
		from->open++;
		offload_finish(m);
	}
	for (uint16_t i = 0; i < n; i++) {
		assert_true(cut[i]->pkt_len <= ETH_HDR_LEN + 1500u && to->n < WIRE);
		if (path != NULL && from == &client && suffers(cut[i])) {
			rte_pktmbuf_free(cut[i]);
			continue;
		}
		to->pkt[to->n++] = bed_carry(&receiver->bed, cut[i]);
	}
}

/* An end takes what came, and says what it has to say. */
static void turn(struct end *e, struct wire *in, struct end *peer, struct wire *out)
{
	uint32_t at = 0;

	do {
		uint32_t part = RTE_MIN(in->n - at, 64u), n;
		struct rte_mbuf *said[16];

		n = bed_pass(&e->bed, now, in->pkt + at, part, said, 16);
		for (uint32_t i = 0; i < n; i++)
			carry(out, e, peer, said[i]);
		at += part;
	} while (at < in->n);
	in->n = 0;
}

/* Turns of both until nobody says anything, at most so many. */
static void talk(uint32_t turns, uint32_t step_us)
{
	for (uint32_t i = 0; i < turns; i++) {
		now += step_us;
		turn(&client, &to_client, &server, &to_server);
		turn(&server, &to_server, &client, &to_client);
		if (to_client.n == 0 && !tcp_has_output(client.bed.t) &&
			!tcp_has_output(server.bed.t) && i > 4)
			break;
	}
}

static int open_with(struct tcp_leave leave)
{
	struct tcp_settings set = tcp_settings_default;
	struct tcp_limits limits = tcp_limits_default;
	int error;

	set.ecn = path != NULL;
	limits.connections = 1024;
	limits.time_waits = 64;
	now = 1000000;
	client = (struct end){.ended = -1};
	server = (struct end){.ended = -1};
	client.bed.leave = server.bed.leave = leave;
	bed_open(&client.bed, CLIENT, &set, &limits);
	bed_open(&server.bed, SERVER, &set, &limits);
	tcp_clock(client.bed.t, now);
	tcp_clock(server.bed.t, now);
	assert_true(tcp_listen(server.bed.t, 0, 7, 16, &ops, NULL, NULL) >= 0);
	client.conn = tcp_connect(client.bed.t, 0, 0, SERVER, 7, &ops, NULL, NULL, &error);
	assert_non_null(client.conn);
	return 0;
}

static int open_both(void **state)
{
	(void)state;
	return open_with((struct tcp_leave){0});
}

/* Segmentation and sums are left to whoever sends: TSO, or gso_cut(). */
static int open_uncut(void **state)
{
	(void)state;
	return open_with((struct tcp_leave){.burst = 64000, .sums = true});
}

static int close_both(void **state)
{
	struct tcp_usage u;

	(void)state;
	now += 61000000; /* 2 MSL and more */
	talk(16, 1000);
	tcp_usage(client.bed.t, &u);
	assert_int_equal(u.connections + u.time_waits + u.timers + u.held_buffers, 0);
	tcp_usage(server.bed.t, &u);
	assert_int_equal(u.connections + u.time_waits + u.timers + u.held_buffers, 0);
	bed_close(&client.bed);
	bed_close(&server.bed);
	return 0;
}

static enum tcp_state state_of(const struct end *e)
{
	struct tcp_info info;

	tcp_info(e->bed.t, e->conn, &info);
	return info.state;
}

static void send_bytes(struct end *e, uint64_t bytes)
{
	while (bytes > 0) {
		uint32_t part = bytes < 1400 ? (uint32_t)bytes : 1400;
		struct rte_mbuf *m = bed_data(&e->bed, e->sent, part);

		if (tcp_send(e->bed.t, e->conn, m, 0) != 0) {
			rte_pktmbuf_free(m);
			return;
		}
		e->sent += part;
		bytes -= part;
	}
}

static void close_from_client(void)
{
	tcp_close(client.bed.t, client.conn);
	talk(100, 100);
	assert_true(server.closed);
	assert_int_equal(state_of(&server), TCP_CLOSE_WAIT);
	tcp_close(server.bed.t, server.conn);
	talk(100, 100);
}

static void opens_and_closes(void **state)
{
	(void)state;
	talk(100, 100);
	assert_non_null(server.conn);
	assert_int_equal(state_of(&client), TCP_ESTABLISHED);
	assert_int_equal(state_of(&server), TCP_ESTABLISHED);
	close_from_client();
}

static void carries_data(void **state)
{
	uint64_t goal = 3000000;

	(void)state;
	talk(100, 100);
	for (int i = 0; i < 10000 && (server.received < goal || client.received < goal); i++) {
		send_bytes(&client, goal - client.sent);
		send_bytes(&server, goal - server.sent);
		talk(20, 100);
	}
	assert_int_equal(server.received, goal);
	assert_int_equal(client.received, goal);
	talk(1000, 100);
	assert_int_equal(client.acked, goal);
	assert_int_equal(client.bed.w->count[COUNT_tcp_retransmits], 0);
	close_from_client();
}

static void carries_uncut_data(void **state)
{
	carries_data(state);
	assert_true(client.cut > 0 && server.cut > 0);
	assert_true(client.open > 0 && server.open > 0);
}

/* Where the urgent data end is told by each segment from where it begins. */
static void carries_uncut_urgent_data(void **state)
{
	(void)state;
	talk(100, 100);
	for (uint32_t i = 0; i < 30; i++) {
		struct rte_mbuf *m = bed_data(&client.bed, client.sent, 1400);

		client.sent += 1400;
		assert_int_equal(
			tcp_send(client.bed.t, client.conn, m, i == 20 ? TCP_SEND_URGENT : 0), 0);
	}
	for (int i = 0; i < 100 && server.received < client.sent; i++)
		talk(20, 100);
	assert_int_equal(server.received, client.sent);
	assert_int_equal(server.urgent, 21 * 1400);
	assert_true(client.cut > 0);
	close_from_client();
}

/* The last segment that went was too long for somebody. */
static void shrink_path(uint16_t mtu)
{
	const struct said *s = &path->said[path->n - 1];

	for (; s->len < 1000; s--)
		;
	assert_true(tcp_icmp(client.bed.t, s->bytes, sizeof(s->bytes), ICMP_TYPE_UNREACH,
		ICMP_CODE_FRAG_NEEDED, mtu));
}

/* A life on a bad path: losses, marks, urgent data, a window that closes, a path that shrinks. */
static void suffer(struct path *over, struct tcp_leave leave)
{
	uint64_t goal = 3000000;
	bool shrunk = false;

	path = over;
	open_with(leave);
	talk(100, 100);
	for (int i = 0; i < 60000 && server.received < goal; i++) {
		send_bytes(&client, RTE_MIN(goal - client.sent, (uint64_t)200000));
		if (i == 50)
			tcp_set_buffers(server.bed.t, server.conn, 40000, 1 << 20);
		if (!shrunk && client.sent > goal / 2 && path->said[path->n - 1].len > 1000) {
			shrink_path(1100);
			shrunk = true;
		}
		talk(20, 500);
	}
	assert_int_equal(server.received, goal);
	assert_true(shrunk && client.bed.w->count[COUNT_tcp_retransmits] > 10);
	assert_true(client.bed.w->count[COUNT_tcp_ecn_reductions] > 0);
	close_from_client();
	close_both(NULL);
	path = NULL;
}

/* Who leaves the cutting to others says the same, at the same time, as who does not. */
static void says_the_same_uncut(void **state)
{
	struct path *a = calloc(1, sizeof(*a)), *b = calloc(1, sizeof(*b));

	(void)state;
	assert_true(a != NULL && b != NULL);
	suffer(a, (struct tcp_leave){0});
	suffer(b, (struct tcp_leave){.burst = 64000, .sums = true});
	assert_true(client.cut > 100);
	assert_int_equal(a->n, b->n);
	for (uint32_t i = 0; i < a->n; i++)
		if (memcmp(&a->said[i], &b->said[i], sizeof(a->said[i])) != 0)
			fail_msg("segment %u", i);
	free(a);
	free(b);
}

static void both_close_at_once(void **state)
{
	(void)state;
	talk(100, 100);
	tcp_shutdown(client.bed.t, client.conn);
	tcp_shutdown(server.bed.t, server.conn);
	talk(100, 100);
	assert_int_equal(client.ended, 0);
	assert_int_equal(server.ended, 0);
}

static void aborts(void **state)
{
	(void)state;
	talk(100, 100);
	tcp_abort(client.bed.t, client.conn);
	talk(100, 100);
	assert_int_equal(server.ended, ECONNRESET);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(opens_and_closes, open_both, close_both),
		cmocka_unit_test_setup_teardown(carries_data, open_both, close_both),
		cmocka_unit_test_setup_teardown(carries_uncut_data, open_uncut, close_both),
		cmocka_unit_test_setup_teardown(carries_uncut_urgent_data, open_uncut, close_both),
		cmocka_unit_test(says_the_same_uncut),
		cmocka_unit_test_setup_teardown(both_close_at_once, open_both, close_both),
		cmocka_unit_test_setup_teardown(aborts, open_both, close_both),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
