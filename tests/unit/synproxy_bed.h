/* SPDX-License-Identifier: BSD-3-Clause */
/* synproxy_bed: a client and a backend of a service with a SYN proxy, step by step. */
#ifndef UNIT_SYNPROXY_BED_H
#define UNIT_SYNPROXY_BED_H

#include "limits_bed.h"

#define CISN 1000
#define BISN 0xfffffff0u /* numbers wrap */

static inline void begin_proxy(enum lb_syn_proxy mode)
{
	bed_conf();
	service.syn_proxy = mode;
	service.syn_rate = 100;
	bed_begin();
}

static inline struct seg client_says(uint16_t port, uint8_t flags, uint32_t seq, uint32_t ack)
{
	return (struct seg){CLIENT(1), port, VIP, VPORT, flags, seq, ack, 64000, 0, 0};
}

static inline struct seg backend_says(
	const struct seg *syn, uint8_t flags, uint32_t seq, uint32_t ack)
{
	return (struct seg){
		syn->dst, syn->dport, syn->src, syn->sport, flags, seq, ack, 28000, 0, 0};
}

#define EXPECT(got, from, to, flag, sequence, acked)                                               \
	do {                                                                                       \
		assert_int_equal((got).src, from);                                                 \
		assert_int_equal((got).dst, to);                                                   \
		assert_int_equal((got).flags, flag);                                               \
		assert_int_equal((got).seq, (uint32_t)(sequence));                                 \
		assert_int_equal((got).ack, (uint32_t)(acked));                                    \
	} while (0)

/* A client's SYN, and the cookie that it gets. */
static inline uint32_t cookie_for(uint16_t port, uint32_t isn, uint16_t mss)
{
	struct seg s = client_says(port, TCP_SYN, isn, 0);

	s.mss = mss;
	bed_send(s);
	s = bed_take();
	EXPECT(s, VIP, CLIENT(1), TCP_SYN | TCP_ACK, s.seq, isn + 1);
	assert_int_equal(s.sport, VPORT);
	assert_int_equal(s.dport, port);
	assert_int_equal(s.window, 0);
	assert_int_equal(s.mss, 1460);
	bed_silence();
	return s.seq;
}

/* The cookie comes back: what the backend is asked. */
static inline struct seg asked(uint16_t port, uint32_t isn, uint32_t cookie)
{
	struct seg s;

	bed_send(client_says(port, TCP_ACK, isn + 1, cookie + 1));
	s = bed_take();
	assert_int_equal(s.src, CLIENT(1));
	assert_int_equal(s.sport, port);
	assert_int_equal(s.dport, BPORT);
	assert_int_equal(s.flags, TCP_SYN);
	assert_int_equal(s.seq, isn);
	assert_int_equal(s.window, 64000);
	bed_silence();
	return s;
}

/* The backend answers: it gets its ACK, and the client's window opens. */
static inline void opened(const struct seg *syn, uint32_t cookie)
{
	struct seg s;

	bed_send(backend_says(syn, TCP_SYN | TCP_ACK, BISN, syn->seq + 1));
	s = bed_take();
	EXPECT(s, CLIENT(1), syn->dst, TCP_ACK, syn->seq + 1, BISN + 1);
	assert_int_equal(s.window, 64000);
	s = bed_take();
	EXPECT(s, VIP, CLIENT(1), TCP_ACK, cookie + 1, syn->seq + 1);
	assert_int_equal(s.window, 28000);
	bed_silence();
}

static inline struct seg handshake(uint16_t port, uint32_t *cookie)
{
	struct seg syn;

	*cookie = cookie_for(port, CISN, 1400);
	syn = asked(port, CISN, *cookie);
	assert_int_equal(syn.mss, 1400);
	opened(&syn, *cookie);
	return syn;
}

#endif
