/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tcp-source: the characters of RFC 864 for as long as the peer reads, as fast as its window
 * allows. A buffer holds twenty lines.
 */
#include "services.h"

#include "net/worker.h"

#define LINE	74 /* 72 characters, CR and LF */
#define LINES	95
#define PATTERN 1480 /* bytes of twenty lines */

/* The printing characters of ASCII, twice: each line is 72 of them in a row. */
static const char ring[] =
	" !\"#$%&'()*+,-./"
	"0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz"
	"{|}~"
	" !\"#$%&'()*+,-./"
	"0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz"
	"{|}~";
static_assert(sizeof(ring) == 2 * LINES + 1, "each begins one line");

/* Line `number` of the 95: each begins one character later than the one before. */
static void write_line(char *to, uint32_t number)
{
	memcpy(to, ring + number % LINES, LINE - 2);
	to[LINE - 2] = '\r';
	to[LINE - 1] = '\n';
}

static struct rte_mbuf *lines(struct worker *w, uint32_t first)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(w->pool);

	if (m == NULL)
		return NULL;
	for (uint32_t i = 0; i < PATTERN / LINE; i++)
		write_line(rte_pktmbuf_append(m, LINE), first + i);
	return m;
}

/* No memory: what is queued will ask again when it is acknowledged; nothing would wait for ever. */
static void starve(struct tcp *t, struct tcp_conn *c)
{
	struct tcp_info info;

	tcp_info(t, c, &info);
	if (info.unsent + info.unacked <= 1) /* the SYN may still count */
		tcp_abort(t, c);
}

/* As long as half of the queue is free. The user pointer counts lines. */
static void fill(struct tcp *t, struct tcp_conn *c)
{
	uintptr_t line = (uintptr_t)tcp_user(c);

	while (tcp_send_low(t, c)) {
		struct rte_mbuf *m = lines(tcp_worker(t), (uint32_t)(line % LINES));

		if (m == NULL || tcp_send(t, c, m, 0) != 0) {
			rte_pktmbuf_free(m);
			starve(t, c);
			return;
		}
		line += PATTERN / LINE;
		tcp_set_user(c, &tcp_source, (void *)line);
	}
}

static void on_accept(struct tcp *t, struct tcp_conn *c)
{
	tcp_set_user(c, &tcp_source, NULL);
	fill(t, c);
}

static void on_sent(struct tcp *t, struct tcp_conn *c, uint32_t bytes)
{
	(void)bytes;
	fill(t, c);
}

static void on_close(struct tcp *t, struct tcp_conn *c)
{
	tcp_close(t, c);
}

const struct tcp_ops tcp_source = {
	.on_accept = on_accept, .on_sent = on_sent, .on_close = on_close};
