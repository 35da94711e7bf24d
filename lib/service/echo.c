/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tcp-echo (RFC 862): what comes goes back, in the very buffers that it came in.
 *
 * A service in one file: its callbacks in a struct tcp_ops, and a line in service.c. Bytes count as
 * read when they have arrived back at the peer: one that does not read does not get to write.
 */
#include "services.h"

static void on_data(struct tcp *t, struct tcp_conn *c, struct rte_mbuf *m)
{
	if (tcp_send(t, c, m, 0) == 0)
		return;
	rte_pktmbuf_free(m);
	tcp_abort(t, c);
}

static void on_sent(struct tcp *t, struct tcp_conn *c, uint32_t bytes)
{
	tcp_consumed(t, c, bytes);
}

/* All that came has been queued: nothing is unread, whatever the window says. */
static void on_close(struct tcp *t, struct tcp_conn *c)
{
	tcp_consumed(t, c, UINT32_MAX);
	tcp_close(t, c);
}

const struct tcp_ops tcp_echo = {.on_data = on_data, .on_sent = on_sent, .on_close = on_close};
