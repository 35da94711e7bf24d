/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The applications of a simulation: they write a pattern, compare what they read with the peer's,
 * and end as they were told. Any thing out of order fails the run. See sim.h.
 */
#include "state.h"

#include <string.h>

uint8_t app_pattern[PATTERN + 65536];

void app_prepare(void)
{
	for (uint32_t i = 0; i < sizeof(app_pattern); i++)
		app_pattern[i] = (uint8_t)(i % PATTERN * 31 + (i % PATTERN >> 8));
}

static struct tcp *stack_of(const struct side *s)
{
	return sim.stack[s->end];
}

/* Each side's bytes are others than its peer's. */
static const uint8_t *bytes_from(const struct side *writer, uint64_t at)
{
	return &app_pattern[(at + 7919 * writer->end) % PATTERN];
}

static void check_bytes(const struct side *s, const struct rte_mbuf *m)
{
	const struct side *peer = &sim.side[s->flow][!s->end];
	uint64_t at = s->received;

	for (; m != NULL; at += m->data_len, m = m->next)
		if (memcmp(rte_pktmbuf_mtod(m, const uint8_t *), bytes_from(peer, at),
			    m->data_len) != 0)
			FAIL("wrong bytes near %llu", (unsigned long long)at);
	if (at > peer->sent)
		FAIL("%llu bytes, the peer sent %llu", (unsigned long long)at,
			(unsigned long long)peer->sent);
}

static void on_data(struct tcp *t, struct tcp_conn *c, struct rte_mbuf *m)
{
	struct side *s = tcp_user(c);

	check_bytes(s, m);
	if (s->peer_shut || m->pkt_len == 0)
		FAIL("data after the peer's end, or none");
	s->received += m->pkt_len;
	if (s->app->sleep_us != 0 && !s->slept && s->received >= s->app->sleep_after) {
		s->slept = true;
		s->next_read = sim.now + s->app->sleep_us;
	}
	if (s->app->read_every != 0 || sim.now < s->next_read)
		s->unread += m->pkt_len;
	else
		tcp_consumed(t, c, m->pkt_len);
	rte_pktmbuf_free(m);
}

static void on_sent(struct tcp *t, struct tcp_conn *c, uint32_t bytes)
{
	struct side *s = tcp_user(c);

	(void)t;
	s->acked += bytes;
	if (s->acked > s->sent)
		FAIL("more was acknowledged than sent");
}

static void on_close(struct tcp *t, struct tcp_conn *c)
{
	struct side *s = tcp_user(c);

	(void)t;
	if (s->peer_shut || s->received != sim.side[s->flow][!s->end].sent)
		FAIL("the end came twice or early");
	s->peer_shut = true;
}

static void on_end(struct tcp *t, struct tcp_conn *c, int error)
{
	struct side *s = tcp_user(c);

	(void)t;
	s->ended = true;
	s->error = error;
	s->conn = NULL;
}

static void on_connect(struct tcp *t, struct tcp_conn *c)
{
	struct side *s = tcp_user(c);

	(void)t;
	s->opened = true;
}

static void on_accept(struct tcp *t, struct tcp_conn *c)
{
	struct tcp_info info;
	struct side *s;

	tcp_info(t, c, &info);
	s = &sim.side[(info.remote_port - PORT) % SIM_FLOWS][SERVER];
	if (s->opened && !s->ended) /* an old SYN came again */
		FAIL("accepted twice");
	s->opened = true;
	s->conn = c;
	tcp_set_user(c, &app_ops, s);
}

const struct tcp_ops app_ops = {.on_accept = on_accept,
	.on_connect = on_connect,
	.on_data = on_data,
	.on_sent = on_sent,
	.on_close = on_close,
	.on_end = on_end};

void app_let_go(struct side *s, int error)
{
	s->ended = s->let_go = true;
	s->error = error;
	s->conn = NULL;
}

static void reads(struct side *s)
{
	uint32_t part = s->app->read_every == 0 ? UINT32_MAX : s->app->read_bytes;

	if (s->unread == 0 || sim.now < s->next_read)
		return;
	part = (uint32_t)RTE_MIN((uint64_t)part, s->unread);
	s->unread -= part;
	s->next_read = sim.now + s->app->read_every;
	tcp_consumed(stack_of(s), s->conn, part);
}

static bool writes_one(struct side *s)
{
	uint32_t most = s->app->write_bytes != 0 ? s->app->write_bytes : 1448;
	uint32_t len = (uint32_t)RTE_MIN((uint64_t)most, s->app->bytes - s->sent);
	struct rte_mbuf *m;

	len = RTE_MIN(len, tcp_send_room(stack_of(s), s->conn));
	if (len == 0)
		return false;
	m = rte_pktmbuf_alloc(sim.pool);
	if (m == NULL)
		FAIL("no buffers");
	memcpy(rte_pktmbuf_append(m, (uint16_t)len), bytes_from(s, s->sent), len);
	if (tcp_send(stack_of(s), s->conn, m, 0) != 0) {
		rte_pktmbuf_free(m);
		return false;
	}
	s->sent += len;
	return true;
}

static void writes(struct side *s)
{
	if (s->app->write_every == 0) {
		while (s->sent < s->app->bytes && writes_one(s))
			;
		return;
	}
	if (s->sent == s->app->bytes || sim.now < s->next_write)
		return;
	s->next_write = sim.now + s->app->write_every;
	if (!writes_one(s)) /* all buffers are in use: a little later */
		s->next_write += 1000;
}

bool app_has_all(const struct side *s)
{
	return s->received == sim.side[s->flow][!s->end].app->bytes;
}

static void ends(struct side *s)
{
	struct tcp_conn *c = s->conn;

	if (s->app->abort_after != 0 && s->sent + s->received >= s->app->abort_after) {
		app_let_go(s, ECONNABORTED);
		tcp_abort(stack_of(s), c);
		return;
	}
	if (s->sent < s->app->bytes || s->shut)
		return;
	if (s->app->end == SIM_CLOSE && app_has_all(s) && s->unread == 0) {
		app_let_go(s, 0);
		tcp_close(stack_of(s), c);
	} else if (s->app->end == SIM_HALF_CLOSE ||
		   (s->app->end == SIM_AFTER_PEER && s->peer_shut)) {
		s->shut = true;
		tcp_shutdown(stack_of(s), c);
	}
}

void app_move(struct side *s)
{
	if (!s->opened || s->conn == NULL)
		return;
	reads(s);
	if (!s->shut)
		writes(s);
	ends(s);
}

/* When an application moves without being called. */
uint64_t app_next(const struct side *s)
{
	uint64_t at = UINT64_MAX;

	if (!s->opened || s->conn == NULL)
		return at;
	if (s->unread != 0)
		at = s->next_read;
	if (s->app->write_every != 0 && s->sent < s->app->bytes &&
		tcp_send_room(stack_of(s), s->conn) != 0)
		at = RTE_MIN(at, s->next_write);
	return at;
}
