/* SPDX-License-Identifier: BSD-3-Clause */
/* Reassembly: orders, copies, overlaps, ends, limits, time; the books after each. */
#include "exact.h"
#include "frame.h"
#include "net/error.h"
#include "the_worker.h"

static uint8_t frame[FRAME_MAX];

/* A fragment in units of 8 bytes, its data those of the whole datagram at this place. */
struct frag {
	uint16_t from; /* units */
	uint16_t len;  /* bytes */
	bool more;
	uint8_t xor ; /* what its data differ by */
};

static uint32_t make(struct frag f, uint16_t id, const void *opts, uint32_t opt_len)
{
	static uint8_t data[IP4_PACKET_MAX];
	struct ip4_fields ip = {.id = id,
		.frag = (uint16_t)(f.from | (f.more ? IP4_MF : 0)),
		.ttl = 60,
		.proto = IP4_PROTO_UDP,
		.src = LAN_HOST,
		.dst = LAN_ADDR};

	frame_fill(data, IP4_PACKET_MAX);
	for (uint32_t i = 0; i < f.len && f.xor ; i++)
		data[f.from * 8u + i] ^= f.xor ;
	return frame_ip4(frame, ip, opts, opt_len, data + f.from * 8u, f.len);
}

static struct rte_mbuf *put(struct frag f, uint16_t id)
{
	uint32_t len = make(f, id, NULL, 0);

	/* the split leaves some fragments a first segment without payload */
	return reasm_put(w, fake_packet(w, LAN, frame, len, f.from % 3 == 1 ? 40 : 0, FAKE_EXACT));
}

/* The datagram that fragments of `len` bytes in all make. */
static void expect_whole(struct rte_mbuf *m, uint16_t id, uint32_t len)
{
	uint32_t frame_len;

	assert_non_null(m);
	frame_len = make((struct frag){0, (uint16_t)len, false, 0}, id, NULL, 0);
	fake_expect(m, frame, frame_len);
	lane_put(&w->steer, m, 0);
}

#define FRAGS 8
static const struct {
	const char *name;
	struct frag in[FRAGS];
	uint32_t len;		 /* of the datagram that comes out; 0: none does */
	uint32_t held;		 /* fragments held at the end */
	enum drop_reason reason; /* of all that was dropped */
	uint32_t drops;
} cases[] = {
	{"in order", {{0, 16, true}, {2, 16, true}, {4, 5, false}}, 37, 0, DROP_MAX, 0},
	{"reversed", {{4, 5, false}, {2, 16, true}, {0, 16, true}}, 37, 0, DROP_MAX, 0},
	{"middle last", {{4, 5, false}, {0, 16, true}, {2, 16, true}}, 37, 0, DROP_MAX, 0},
	{"one byte behind", {{0, 1480, true}, {185, 1, false}}, 1481, 0, DROP_MAX, 0},
	{"a hole", {{0, 16, true}, {4, 5, false}}, 0, 2, DROP_MAX, 0},
	{"no end", {{0, 16, true}, {2, 16, true}}, 0, 2, DROP_MAX, 0},
	{"no start", {{2, 16, true}, {4, 5, false}}, 0, 2, DROP_MAX, 0},
	{"copy of the first", {{0, 16, true}, {0, 16, true}, {2, 5, false}}, 21, 0,
		DROP_REASM_DUPLICATE, 1},
	{"copy of the last", {{2, 5, false}, {2, 5, false}, {0, 16, true}}, 21, 0,
		DROP_REASM_DUPLICATE, 1},
	{"copies of the middle", {{2, 8, true}, {2, 8, true}, {2, 8, true}, {0, 16, true}}, 0, 2,
		DROP_REASM_DUPLICATE, 2},
	{"same place, other data", {{0, 16, true}, {0, 16, true, 1}}, 0, 0, DROP_REASM_OVERLAP, 2},
	{"same place, other end", {{0, 16, true}, {0, 16, false}}, 0, 0, DROP_REASM_OVERLAP, 2},
	{"subset at the start", {{0, 32, true}, {0, 16, true}}, 0, 0, DROP_REASM_OVERLAP, 2},
	{"subset at the end", {{0, 32, true}, {2, 16, true}}, 0, 0, DROP_REASM_OVERLAP, 2},
	{"subset inside", {{0, 32, true}, {1, 8, true}}, 0, 0, DROP_REASM_OVERLAP, 2},
	{"superset", {{1, 8, true}, {0, 32, true}}, 0, 0, DROP_REASM_OVERLAP, 2},
	{"same start, longer", {{1, 8, true}, {1, 16, true}}, 0, 0, DROP_REASM_OVERLAP, 2},
	{"overlap before", {{2, 16, true}, {1, 16, true}}, 0, 0, DROP_REASM_OVERLAP, 2},
	{"overlap behind", {{2, 16, true}, {3, 16, true}}, 0, 0, DROP_REASM_OVERLAP, 2},
	{"over two", {{0, 8, true}, {2, 8, true}, {0, 24, true}}, 0, 0, DROP_REASM_OVERLAP, 3},
	{"what comes after an overlap", {{0, 16, true}, {1, 16, true}, {4, 8, false}, {0, 8, true}},
		0, 0, DROP_REASM_OVERLAP, 4},
	{"two ends", {{4, 8, false}, {2, 8, false}}, 0, 0, DROP_REASM_BAD, 2},
	{"a later end", {{4, 8, false}, {6, 8, false}}, 0, 0, DROP_REASM_BAD, 2},
	{"behind the end", {{2, 8, false}, {4, 8, true}}, 0, 0, DROP_REASM_BAD, 2},
	{"the end before what is there", {{4, 8, true}, {2, 8, false}}, 0, 0, DROP_REASM_BAD, 2},
	{"empty", {{2, 0, true}}, 0, 0, DROP_REASM_BAD, 1},
	{"empty last", {{2, 0, false}}, 0, 0, DROP_REASM_BAD, 1},
	{"not a multiple of 8", {{2, 15, true}}, 0, 0, DROP_REASM_BAD, 1},
	{"past 65535", {{8189, 16, false}}, 0, 0, DROP_REASM_BAD, 1},
	{"just past 65535", {{8189, 4, false}}, 0, 0, DROP_REASM_BAD, 1},
};

static void test_cases(void **state)
{
	(void)state;
	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		struct rte_mbuf *out = NULL;
		uint32_t n = 0;

		for (; n < FRAGS && (cases[i].in[n].len || cases[i].in[n].from); n++) {
			struct rte_mbuf *m = put(cases[i].in[n], 7);

			assert_true(m == NULL || out == NULL);
			out = m != NULL ? m : out;
		}
		if ((out != NULL) != (cases[i].len != 0) ||
			reasm_held(w->reasm_table) != cases[i].held ||
			(cases[i].drops && w->books.drop[cases[i].reason] != cases[i].drops))
			fail_msg("%s: %u held", cases[i].name, reasm_held(w->reasm_table));
		if (out != NULL)
			expect_whole(out, 7, cases[i].len);
		assert_int_equal(w->count[COUNT_reassembled], cases[i].len != 0);
		fake_rest(w);
	}
}

/* Everything of a header but what must change comes from the first fragment. */
static void test_header(void **state)
{
	static const uint8_t router_alert[] = {148, 4, 0, 0};
	static const uint8_t stream[] = {136, 4, 0, 1, 136, 4, 0, 2};
	uint8_t payload[24];
	struct ip4_fields f = {
		.id = 9, .ttl = 60, .tos = 0x28, .proto = 17, .src = LAN_HOST, .dst = LAN_ADDR};
	struct rte_mbuf *m;
	uint32_t len;

	(void)state;
	frame_fill(payload, 24);
	f.frag = 2;
	f.ttl = 3;
	len = frame_ip4(frame, f, stream, sizeof(stream), payload + 16, 8);
	assert_null(reasm_put(w, fake_packet(w, LAN | PKT_LINK_GROUP, frame, len, 0, FAKE_POOL)));
	f.frag = IP4_MF;
	f.ttl = 60;
	len = frame_ip4(frame, f, router_alert, sizeof(router_alert), payload, 16);
	m = reasm_put(w, fake_packet(w, LAN | PKT_STEERED, frame, len, 0, FAKE_POOL));
	assert_non_null(m);
	f.frag = 0;
	len = frame_ip4(frame, f, router_alert, sizeof(router_alert), payload, 24);
	fake_expect(m, frame, len);
	assert_int_equal(m->port, LAN | PKT_LINK_GROUP);
	lane_put(&w->steer, m, 0);
	fake_rest(w);
}

/* Two of the four numbers that name a datagram are not enough. */
static void test_keys(void **state)
{
	struct ip4_fields f = {.id = 1, .frag = IP4_MF, .proto = 17, .src = 1, .dst = 2};
	uint8_t payload[8] = {0};

	(void)state;
	for (int i = 0; i < 16; i++) {
		struct ip4_fields g = f;

		g.id += i & 1;
		g.proto += i >> 1 & 1;
		g.src += i >> 2 & 1;
		g.dst += i >> 3 & 1;
		assert_null(reasm_put(
			w, fake_packet(w, LAN, frame, frame_ip4(frame, g, NULL, 0, payload, 8), 0,
				   FAKE_EXACT)));
	}
	assert_int_equal(reasm_held(w->reasm_table), 16);
	f.frag = 1;
	for (int i = 0; i < 16; i++) {
		struct ip4_fields g = f;
		struct rte_mbuf *m;

		g.id += i & 1;
		g.proto += i >> 1 & 1;
		g.src += i >> 2 & 1;
		g.dst += i >> 3 & 1;
		m = reasm_put(w, fake_packet(w, LAN, frame,
					 frame_ip4(frame, g, NULL, 0, payload, 8), 0, FAKE_EXACT));
		assert_non_null(m);
		assert_int_equal(ip4_hdr_src(pkt_ip4(m)), g.src);
		assert_int_equal(ip4_hdr_dst(pkt_ip4(m)), g.dst);
		assert_int_equal(pkt_ip4(m)->proto, g.proto);
		lane_put(&w->steer, m, 0);
	}
	fake_rest(w);
}

/* 65,535 bytes in 45 fragments; with a longer first header they are too many. */
static void test_largest(void **state)
{
	static const uint8_t alert[] = {148, 4, 0, 0};
	const uint32_t payload = IP4_PACKET_MAX - IP4_HDR_LEN;
	struct rte_mbuf *m = NULL;

	(void)state;
	for (uint32_t at = 0; at < payload; at += 1480)
		m = put((struct frag){(uint16_t)(at / 8), (uint16_t)RTE_MIN(payload - at, 1480u),
				at + 1480 < payload, 0},
			3);
	expect_whole(m, 3, payload);
	fake_rest(w);
	for (uint32_t at = 1480; at < payload; at += 1480)
		put((struct frag){(uint16_t)(at / 8), (uint16_t)RTE_MIN(payload - at, 1480u),
			    at + 1480 < payload, 0},
			3);
	m = fake_packet(
		w, LAN, frame, make((struct frag){0, 1480, true, 0}, 3, alert, 4), 0, FAKE_EXACT);
	assert_null(reasm_put(w, m));
	assert_int_equal(w->books.drop[DROP_REASM_BAD], 45);
	fake_rest(w);
}

static void test_many(void **state)
{
	struct rte_mbuf *m = NULL;

	(void)state;
	for (uint16_t i = 0; i < REASM_FRAGMENTS; i++) /* as many as there may be */
		m = put((struct frag){i, 8, i < REASM_FRAGMENTS - 1, 0}, 4);
	expect_whole(m, 4, REASM_FRAGMENTS * 8);
	fake_rest(w);
	for (uint16_t i = 0; i <= REASM_FRAGMENTS; i++)
		assert_null(put((struct frag){i, 8, true, 0}, 4));
	assert_int_equal(w->books.drop[DROP_REASM_MANY], REASM_FRAGMENTS + 1);
	fake_rest(w);
	w->net->set.reasm_fragments = 2; /* the setting counts where it is lower */
	for (uint16_t i = 0; i < 3; i++)
		assert_null(put((struct frag){i, 8, true, 0}, 4));
	assert_int_equal(w->books.drop[DROP_REASM_MANY], 3);
	w->net->set.reasm_fragments = REASM_FRAGMENTS;
	fake_rest(w);
}

/* A full table ends its oldest datagram, and the others are none the worse. */
static void test_table_full(void **state)
{
	uint16_t n = (uint16_t)w->net->set.reasm_datagrams;

	(void)state;
	for (uint16_t id = 0; id <= n; id++)
		assert_null(put((struct frag){0, 8, true, 0}, id));
	assert_int_equal(w->books.drop[DROP_REASM_FULL], 1);
	assert_int_equal(reasm_held(w->reasm_table), n);
	for (uint16_t id = 1; id <= n; id++) {
		struct rte_mbuf *m = put((struct frag){1, 8, false, 0}, id);

		assert_non_null(m);
		consume(w, m);
	}
	assert_int_equal(reasm_held(w->reasm_table), 0);
	fake_rest(w);
}

/* However many datagrams are allowed, the pool stays usable. */
static void test_pool_share(void **state)
{
	uint32_t limit = w->net->set.reasm_datagrams;

	(void)state;
	w->net->set.reasm_datagrams = REASM_DATAGRAMS;
	for (uint16_t id = 0; id < 100; id++)
		for (uint16_t i = 0; i < 40; i++)
			assert_null(put((struct frag){(uint16_t)(i * 3), 8, true, 0}, id));
	assert_true(rte_mempool_in_use_count(w->pool) <= w->pool->size / 4 + FREE_BATCH + 1);
	assert_true(w->books.drop[DROP_REASM_FULL] > 0);
	w->net->set.reasm_datagrams = limit;
	fake_rest(w);
}

static void test_timeout(void **state)
{
	ticks start = w->now;

	(void)state;
	put((struct frag){0, 8, true, 0}, 1);
	put((struct frag){2, 8, true, 0}, 1);
	w->now += clock_of_ms(1000);
	put((struct frag){1, 8, true, 0}, 2);
	w->now = start + clock_of_ms(60000) - 1;
	assert_int_equal(reasm_expire(w, 8), 0);
	assert_int_equal(reasm_held(w->reasm_table), 3);
	w->now += 1; /* with its first fragment: its sender is told, once */
	assert_int_equal(reasm_expire(w, 8), 1);
	assert_int_equal(w->error.n, 1);
	assert_int_equal(error_cause(w->error.aux[0]), ERROR_REASSEMBLY);
	assert_int_equal(ip4_hdr_frag_offset(pkt_ip4(w->error.pkt[0])), 0);
	fake_dropped(w, DROP_REASM_TIMEOUT);
	assert_int_equal(reasm_held(w->reasm_table), 1);
	w->now += clock_of_ms(1000); /* without: nobody is */
	assert_int_equal(reasm_expire(w, 8), 0);
	assert_int_equal(w->books.drop[DROP_REASM_TIMEOUT], 2);
	assert_int_equal(reasm_held(w->reasm_table), 0);
	fake_rest(w);

	for (uint16_t id = 0; id < 10; id++)
		put((struct frag){0, 8, true, 0}, id);
	w->now += clock_of_ms(61000);
	assert_int_equal(reasm_expire(w, 4), 4); /* within its budget */
	assert_int_equal(reasm_held(w->reasm_table), 6);
	fake_rest(w);

	put((struct frag){0, 16, true, 0}, 5); /* a bad one is forgotten in time */
	put((struct frag){1, 16, true, 0}, 5);
	w->now += clock_of_ms(60000);
	assert_int_equal(reasm_expire(w, 8), 0);
	assert_null(put((struct frag){0, 8, true, 0}, 5));
	expect_whole(put((struct frag){1, 8, false, 0}, 5), 5, 16);
	fake_rest(w);
}

/* RFC 3168 5.3 */
static void test_ecn(void **state)
{
	static const struct {
		uint8_t a, b;
		int out; /* -1: dropped */
	} ecn[] = {{0, 0, 0}, {2, 2, 2}, {1, 1, 1}, {2, 3, 3}, {3, 2, 3}, {1, 3, 3}, {3, 3, 3},
		{0, 3, -1}, {3, 0, -1}};
	uint8_t payload[8] = {0};

	(void)state;
	for (size_t i = 0; i < RTE_DIM(ecn); i++) {
		struct ip4_fields f = {.frag = IP4_MF, .tos = 0xb8 | ecn[i].a, .src = LAN_HOST};
		struct rte_mbuf *m;

		reasm_put(w, fake_packet(w, LAN, frame, frame_ip4(frame, f, NULL, 0, payload, 8), 0,
				     FAKE_POOL));
		f.frag = 1;
		f.tos = 0xb8 | ecn[i].b;
		m = reasm_put(w, fake_packet(w, LAN, frame,
					 frame_ip4(frame, f, NULL, 0, payload, 8), 0, FAKE_POOL));
		if (ecn[i].out < 0) {
			assert_null(m);
			assert_int_equal(w->books.drop[DROP_REASM_BAD], 2);
		} else {
			assert_int_equal(pkt_ip4(m)->tos, 0xb8 | ecn[i].out);
			assert_int_equal(csum_fold(csum_add(pkt_ip4(m), 20, 0)), 0);
			lane_put(&w->steer, m, 0);
		}
		fake_rest(w);
	}
}

/* Random cuts, orders and copies of several datagrams at once: each comes out, once, unharmed. */
static void test_random(void **state)
{
	enum { DATAGRAMS = 6 };
	uint64_t seed = 20240607;
	struct {
		struct frag f;
		uint16_t id;
	} all[DATAGRAMS * REASM_FRAGMENTS * 2];

	(void)state;
	for (int round = 0; round < 200; round++) {
		uint32_t n = 0, out = 0, len[DATAGRAMS];

		for (uint16_t id = 0; id < DATAGRAMS; id++) {
			uint32_t units = 2 + seeded(&seed) % 200, at = 0;

			len[id] = units * 8 - seeded(&seed) % 8;
			for (uint32_t i = 0, step; at < units; at += step, i++) {
				step = i == 62 ? units - at : 1 + seeded(&seed) % 9;
				step = RTE_MIN(step, units - at);
				all[n].id = id;
				all[n++].f = (struct frag){(uint16_t)at,
					(uint16_t)RTE_MIN(step * 8, len[id] - at * 8),
					at + step < units, 0};
			}
		}
		for (uint32_t i = n - 1; i > 0; i--) {
			uint32_t j = (uint32_t)(seeded(&seed) % (i + 1));
			typeof(all[0]) t = all[i];

			all[i] = all[j];
			all[j] = t;
		}
		for (uint32_t i = 0; i < n; i++) {
			struct rte_mbuf *m = put(all[i].f, all[i].id);

			if (m != NULL) {
				expect_whole(m, all[i].id, len[all[i].id]);
				out++;
			} else if (seeded(&seed) % 4 == 0) {
				assert_null(put(all[i].f, all[i].id)); /* a copy of one held */
			}
		}
		assert_int_equal(out, DATAGRAMS);
		assert_int_equal(w->books.drop[DROP_REASM_OVERLAP], 0);
		assert_int_equal(reasm_held(w->reasm_table), 0);
		fake_rest(w);
	}
}

static void test_stage(void **state)
{
	uint32_t len = make((struct frag){0, 16, true, 0}, 1, NULL, 0);

	(void)state;
	lane_put(&w->reasm, fake_packet(w, LAN, frame, len, 0, FAKE_POOL), 0);
	len = make((struct frag){2, 16, false, 0}, 1, NULL, 0);
	lane_put(&w->reasm, fake_packet(w, LAN, frame, len, 0, FAKE_POOL), 0);
	fake_run(w, &w->reasm, stage_reassemble);
	assert_int_equal(w->steer.n, 1);
	assert_int_equal(w->count[COUNT_fragments_in], 2);
	assert_int_equal(w->count[COUNT_ip4_delivered], 1);
	fake_rest(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_header),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_largest),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_table_full),
		cmocka_unit_test(test_pool_share),
		cmocka_unit_test(test_timeout),
		cmocka_unit_test(test_ecn),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_stage),
	};

	return cmocka_run_group_tests(tests, fake_set_up, fake_tear_down);
}
