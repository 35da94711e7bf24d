/* SPDX-License-Identifier: BSD-3-Clause */
/* tcp_prologues: what leads to each of TCP's states, said by a peer that looks into the stack. */
#ifndef FUZZ_TCP_PROLOGUES_H
#define FUZZ_TCP_PROLOGUES_H

#include "tcp_life.h"

/* --- one connection as the peer sees it --- */

static struct tcp_conn *conn_at(uint32_t which)
{
	uint32_t n = f.t->conns.fresh;

	for (uint32_t i = 0; i < n; i++)
		if (f.t->conn[(which + i) % n].state != TCP_CLOSED)
			return &f.t->conn[(which + i) % n];
	return NULL;
}

static void timestamps_of(const struct tcp_conn *c, struct tcp_opts *o)
{
	if (!(c->uses & USES_TS))
		return;
	o->has |= TCP_HAS_TS;
	o->ts_val = c->ts_recent;
	o->ts_ecr = stack_stamp(f.t, c);
}

/* The next segment that c expects. */
static struct fields next_of(const struct tcp_conn *c)
{
	struct fields s = {.key = c->key,
		.seq = c->rcv_nxt,
		.ack = c->snd_nxt,
		.flags = TCP_ACK,
		.window = 65535};

	timestamps_of(c, &s.opts);
	return s;
}

static void say(const struct tcp_conn *c, uint8_t flags, uint16_t len)
{
	struct fields s = next_of(c);

	s.flags |= flags;
	s.len = len;
	give(&s);
	pass(1000);
}

static const struct tcp_opts syn_opts = {
	.has = TCP_HAS_MSS | TCP_HAS_WSCALE | TCP_HAS_SACK_OK | TCP_HAS_TS,
	.mss = 1460,
	.wscale = 2,
	.ts_val = 1000};

static struct fields syn_from(uint16_t port)
{
	return (struct fields){.key = {to_be32(US), to_be32(PEER), to_be16(PORT), to_be16(port)},
		.seq = 0xffffff00,
		.flags = TCP_SYN,
		.window = 65535,
		.opts = syn_opts};
}

static void ask(void)
{
	struct fields s = syn_from(PEER_PORT);

	give(&s);
	pass(1000);
}

/* The last of three, for whatever was answered: a cookie or a connection. */
static void confirm(void)
{
	struct fields s = syn_from(PEER_PORT);

	s.seq++;
	s.ack = tcp_hdr_seq(&f.said) + 1;
	s.flags = TCP_ACK;
	s.opts = (struct tcp_opts){
		.has = f.said_opts.has & TCP_HAS_TS, .ts_val = 1001, .ts_ecr = f.said_opts.ts_val};
	give(&s);
	pass(1000);
}

static struct tcp_conn *accepted(void)
{
	ask();
	confirm();
	return conn_at(0);
}

static struct tcp_conn *asked(void)
{
	do_connect(1);
	pass(1000);
	return conn_at(0);
}

static void answer_syn(const struct tcp_conn *c, uint8_t flags)
{
	struct fields s = next_of(c);

	s.seq = 0x7fffff00;
	s.flags = flags;
	s.opts = syn_opts;
	s.opts.ts_ecr = stack_stamp(f.t, c);
	give(&s);
	pass(1000);
}

static void open_window(struct tcp_conn *c, int segments)
{
	for (int i = 0; i < segments && c->state == TCP_ESTABLISHED; i++)
		do_send(c, 6);
	pass(1000);
}

static void sack_some(const struct tcp_conn *c)
{
	struct fields s = next_of(c);

	s.ack = c->snd_una;
	s.opts.n_sacks = 2;
	s.opts.sack[0] = (struct tcp_sack){c->snd_una + 2896, c->snd_una + 4344};
	s.opts.sack[1] = (struct tcp_sack){c->snd_una + 5792, c->snd_una + 8688};
	give(&s);
	pass(50000);
}

static void hold_some(const struct tcp_conn *c)
{
	for (uint32_t i = 1; i <= 3; i++) {
		struct fields s = next_of(c);

		s.seq += 200 * i;
		s.len = 100;
		give(&s);
	}
	pass(1000);
}

static void close_window(struct tcp_conn *c)
{
	struct fields s;

	do_send(c, 6);
	pass(1000);
	s = next_of(c);
	s.window = 0;
	give(&s);
	pass(1000);
	do_send(c, 7);
	pass(1000);
}

/* Leads to one of the states. */
static void prologue(uint8_t which)
{
	struct tcp_conn *c;

	do_listen(which % 20 == 15 ? 1 : 0x81);
	switch (which % 20) {
	case 0:
		return;
	case 1:
		ask();
		return;
	case 2:
	case 15: /* by a cookie: the backlog is 0 */
		accepted();
		return;
	case 3:
		asked();
		return;
	case 4:
		answer_syn(asked(), TCP_SYN | TCP_ACK);
		return;
	case 5:
		answer_syn(asked(), TCP_SYN);
		return;
	}
	c = accepted();
	if (c == NULL || c->state != TCP_ESTABLISHED)
		return;
	switch (which % 20) {
	case 6: /* FIN_WAIT_1 */
	case 7: /* FIN_WAIT_2 */
	case 8: /* CLOSING */
	case 9: /* TIME_WAIT */
		tcp_shutdown(f.t, c);
		pass(1000);
		if (which % 20 == 7 || which % 20 == 9)
			say(c, 0, 0);
		if (which % 20 == 8) {
			struct fields s = next_of(c);

			s.ack--;
			s.flags |= TCP_FIN;
			give(&s);
			pass(1000);
		}
		if (which % 20 == 9)
			say(c, TCP_FIN, 0);
		break;
	case 10: /* CLOSE_WAIT */
	case 11: /* LAST_ACK */
		say(c, TCP_FIN, 10);
		if (which % 20 == 11) {
			tcp_shutdown(f.t, c);
			pass(1000);
		}
		break;
	case 12:
		open_window(c, 8);
		break;
	case 13:
		open_window(c, 8);
		sack_some(c);
		break;
	case 14:
		hold_some(c);
		break;
	case 16:
		close_window(c);
		break;
	case 17: /* closed, and the peer goes on */
		forget(c);
		tcp_close(f.t, c);
		pass(1000);
		break;
	case 18:
		open_window(c, 3);
		pass(1000000);
		break;
	default:
		hold_some(c);
		open_window(c, 4);
	}
}

#endif
