/* SPDX-License-Identifier: BSD-3-Clause */
/* The SYN proxy and what does not fit: sizes, segments of no handshake, backends that go, too many.
 */
#include "synproxy_bed.h"

/* The client's MSS, or what there is without one, and no more than the service's. */
static void test_mss(void **state)
{
	static const uint16_t mss[][3] = {
		{0, 0, 536}, {0, 1460, 1460}, {1300, 1460, 1300}, {1300, 536, 536}};

	(void)state;
	for (size_t i = 0; i < RTE_DIM(mss); i++) {
		struct seg s = client_says(7, TCP_SYN, CISN, 0);

		bed_conf();
		service.syn_proxy = LB_SYN_ALWAYS;
		service.mss = mss[i][0];
		bed_begin();
		s.mss = mss[i][1];
		bed_send(s);
		assert_int_equal(asked(7, CISN, bed_take().seq).mss, mss[i][2]);
		bed_end();
	}
}

/* What does not fit a handshake, or comes after one, makes nothing of it. */
static void test_what_does_not_fit(void **state)
{
	uint32_t cookie, len;
	struct seg syn, s;
	uint8_t frame[FRAME_MAX];

	(void)state;
	begin_proxy(LB_SYN_ALWAYS);
	cookie = cookie_for(7, CISN, 1460);
	s = client_says(7, TCP_ACK, CISN + 1, cookie + 1);
	len = bed_bytes(frame, &s);
	((struct tcp_hdr *)frame_l4(frame))->csum ^= 1;
	bed_give(frame, len);
	bed_ignore();
	assert_int_equal(bed_service()->flows, 0);
	syn = asked(7, CISN, cookie);
	bed_send(backend_says(&syn, TCP_RST | TCP_ACK, 0, CISN + 2)); /* not of this SYN */
	bed_silence();
	opened(&syn, cookie);
	bed_send(backend_says(&syn, TCP_SYN | TCP_ACK, BISN, CISN + 77)); /* nor this */
	s = bed_take();
	EXPECT(s, VIP, CLIENT(1), TCP_SYN | TCP_ACK, cookie, CISN + 77);
	bed_silence();
	cookie = cookie_for(8, CISN, 1460);
	asked(8, CISN, cookie);
	bed_send(client_says(8, TCP_RST, CISN + 1, 0));
	bed_send(client_says(
		8, TCP_ACK | TCP_PSH, CISN + 1, cookie + 500)); /* the backend knows nothing */
	bed_silence();
	bed_end();
}

/* A SYN waits for itself: not for the one that had its place before; nor for a backend that went.
 */
static void test_waits(void **state)
{
	uint32_t cookie;
	struct seg syn, s;

	(void)state;
	begin_proxy(LB_SYN_ALWAYS);
	asked(7, CISN, cookie_for(7, CISN, 1460));
	bed_after(500);
	cookie = cookie_for(7, CISN + 9000, 1460);
	syn = asked(7, CISN + 9000, cookie);
	bed_after(600);
	fake_run(w, &w->out, stage_fib_out);
	bed_silence();
	bed_after(500);
	fake_run(w, &w->out, stage_fib_out);
	s = bed_take();
	EXPECT(s, CLIENT(1), syn.dst, TCP_SYN, CISN + 9000, 0);
	w->net->lb->backend[lb_member_find(w->net, "shop", syn.dst, 0)->slot[0]].state =
		LB_BACKEND_ENDED;
	bed_after(1100);
	fake_run(w, &w->out, stage_fib_out);
	s = bed_take();
	EXPECT(s, VIP, CLIENT(1), TCP_RST | TCP_ACK, cookie + 1, CISN + 9001);
	bed_silence();
	bed_end();
}

/* A pass makes so many packets more than it takes; what is beyond comes again. */
static void test_budget(void **state)
{
	static uint32_t cookie[PROXY_BUDGET + 1];
	static struct seg syn[PROXY_BUDGET + 1];

	(void)state;
	begin_proxy(LB_SYN_ALWAYS);
	for (uint16_t i = 0; i <= PROXY_BUDGET; i++) {
		cookie[i] = cookie_for(100 + i, CISN, 1460);
		syn[i] = asked(100 + i, CISN, cookie[i]);
	}
	for (uint16_t i = 0; i < PROXY_BUDGET; i++)
		opened(&syn[i], cookie[i]);
	bed_send(backend_says(&syn[PROXY_BUDGET], TCP_SYN | TCP_ACK, BISN, CISN + 1));
	bed_silence();
	assert_int_equal(w->books.drop[DROP_LB_PROXY_WAIT], 1);
	w->passes++;
	opened(&syn[PROXY_BUDGET], cookie[PROXY_BUDGET]);
	bed_end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mss),
		cmocka_unit_test(test_what_does_not_fit),
		cmocka_unit_test(test_waits),
		cmocka_unit_test(test_budget),
	};

	return cmocka_run_group_tests(tests, fake_set_up, fake_tear_down);
}
