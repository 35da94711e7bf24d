/* SPDX-License-Identifier: BSD-3-Clause */
/* Chains: every split of a packet gives the same sums, cuts and bytes. */
#include "exact.h"
#include "frame.h"
#include "net/chain.h"
#include "the_worker.h"

#define LEN 97

static uint8_t frame[FRAME_MAX];

static struct rte_mbuf *packet(uint32_t seg)
{
	struct ip4_fields f = {.src = LAN_HOST, .dst = LAN_ADDR};
	uint32_t len = frame_udp(frame, f, 1, 2, LEN - ETH_HDR_LEN - IP4_HDR_LEN - UDP_HDR_LEN);

	assert_int_equal(len, LEN);
	return fake_packet(w, LAN, frame, len, seg, FAKE_EXACT);
}

static void test_csum(void **state)
{
	(void)state;
	for (uint32_t seg = 0; seg < 20; seg++) {
		struct rte_mbuf *m = packet(seg);

		for (uint32_t off = 0; off <= LEN; off++) {
			for (uint32_t len = 0; off + len <= LEN; len++)
				assert_int_equal(csum_fold(chain_csum(m, off, len, 17)),
					csum_fold(csum_add(frame + off, len, 17)));
		}
		rte_pktmbuf_free(m);
	}
}

static void test_same(void **state)
{
	struct rte_mbuf *a = packet(7), *b = packet(0);
	char *last = rte_pktmbuf_mtod_offset(b, char *, LEN - 1);

	(void)state;
	assert_true(chain_same(a, 0, b, 0, LEN));
	assert_true(chain_same(a, 5, b, 5, LEN - 5));
	assert_false(chain_same(a, 0, b, 1, 20));
	*last ^= 1;
	assert_true(chain_same(a, 0, b, 0, LEN - 1));
	assert_false(chain_same(a, 0, b, 0, LEN));
	rte_pktmbuf_free(a);
	rte_pktmbuf_free(b);
}

static void test_same_long(void **state)
{
	struct ip4_fields f = {.src = LAN_HOST};
	uint32_t len = frame_udp(frame, f, 1, 2, 3000);
	struct rte_mbuf *a = fake_packet(w, LAN, frame, len, 100, FAKE_EXACT), *b;

	(void)state;
	for (uint32_t at = 0; at < len; at += 61) {
		frame[at] ^= 0x80;
		b = fake_packet(w, LAN, frame, len, at % 2 ? 333 : 0, FAKE_EXACT);
		frame[at] ^= 0x80;
		assert_false(chain_same(a, 0, b, 0, len));
		assert_true(chain_same(a, at + 1, b, at + 1, len - at - 1));
		assert_true(chain_same(a, 0, b, 0, at));
		rte_pktmbuf_free(b);
	}
	rte_pktmbuf_free(a);
}

static void test_trim(void **state)
{
	(void)state;
	for (uint32_t seg = 0; seg < 20; seg++) {
		for (uint32_t len = 1; len <= LEN; len++) {
			struct rte_mbuf *m = packet(seg);

			chain_trim(m, len);
			if (len > ETH_HDR_LEN)
				fake_expect(m, frame, len);
			rte_pktmbuf_free(m);
			assert_int_equal(rte_mempool_in_use_count(w->pool), 0);
		}
	}
}

static void test_behead(void **state)
{
	(void)state;
	for (uint32_t seg = 0; seg < 20; seg++) {
		for (uint32_t len = 0; len <= LEN; len++) {
			struct rte_mbuf *m = chain_behead(packet(seg), len);
			uint8_t copy[LEN];

			if (len == LEN) {
				assert_null(m);
			} else {
				assert_int_equal(rte_mbuf_check(m, 1, &(const char *){NULL}), 0);
				assert_int_equal(rte_pktmbuf_pkt_len(m), LEN - len);
				assert_true(m->data_len > 0);
				assert_memory_equal(rte_pktmbuf_read(m, 0, LEN - len, copy),
					frame + len, LEN - len);
			}
			rte_pktmbuf_free(m);
			assert_int_equal(rte_mempool_in_use_count(w->pool), 0);
		}
	}
}

static void expect_writable(struct rte_mbuf *m, uint32_t len)
{
	assert_non_null(m);
	assert_true(m->data_len >= len);
	assert_true(RTE_MBUF_DIRECT(m));
	assert_int_equal(rte_mbuf_refcnt_read(m), 1);
	assert_int_equal(m->port, LAN);
	fake_expect(m, frame, LEN);
	rte_pktmbuf_free(m);
}

static void test_head(void **state)
{
	struct rte_mbuf *m, *clone, *taken[4095];
	uint32_t n = 0;

	(void)state;
	expect_writable(chain_head(w, packet(0), 42), 42);   /* a foreign buffer */
	expect_writable(chain_head(w, packet(35), 42), 42);  /* a head in two segments */
	expect_writable(chain_head(w, packet(1), LEN), LEN); /* in many */
	m = fake_packet(w, LAN, frame, LEN, 0, FAKE_POOL);   /* our own: as it is */
	assert_ptr_equal(chain_head(w, m, 42), m);
	clone = rte_pktmbuf_clone(m, w->pool); /* another reader of its bytes */
	assert_ptr_not_equal(m = chain_head(w, m, 42), clone);
	expect_writable(m, 42);
	fake_expect(clone, frame, LEN);
	expect_writable(chain_head(w, clone, 42), 42);
	m = packet(0); /* without a buffer it stays as it was */
	while ((taken[n] = rte_pktmbuf_alloc(w->pool)) != NULL)
		n++;
	assert_null(chain_head(w, m, 42));
	fake_expect(m, frame, LEN);
	rte_pktmbuf_free(m);
	rte_pktmbuf_free_bulk(taken, n);
	assert_int_equal(rte_mempool_in_use_count(w->pool), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_csum),
		cmocka_unit_test(test_same),
		cmocka_unit_test(test_same_long),
		cmocka_unit_test(test_trim),
		cmocka_unit_test(test_behead),
		cmocka_unit_test(test_head),
	};

	return cmocka_run_group_tests(tests, fake_set_up, fake_tear_down);
}
