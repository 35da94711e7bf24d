/* SPDX-License-Identifier: BSD-3-Clause */
/* The application of a script: what it does, hears, and is set up with. */
#include "script.h"

#include "tcp/cc.h"

#include <errno.h>
#include <string.h>

/* --- errors by name --- */

static const struct {
	const char *name;
	int error;
} errors[] = {
	{"0", 0},
	{"EADDRINUSE", EADDRINUSE},
	{"EADDRNOTAVAIL", EADDRNOTAVAIL},
	{"ECONNREFUSED", ECONNREFUSED},
	{"ECONNRESET", ECONNRESET},
	{"EHOSTUNREACH", EHOSTUNREACH},
	{"EINVAL", EINVAL},
	{"ENETUNREACH", ENETUNREACH},
	{"ENOBUFS", ENOBUFS},
	{"ENOMEM", ENOMEM},
	{"ENOPROTOOPT", ENOPROTOOPT},
	{"ENOSPC", ENOSPC},
	{"ENOTCONN", ENOTCONN},
	{"EPIPE", EPIPE},
	{"ETIMEDOUT", ETIMEDOUT},
};

int errno_of(struct bed *b, const char *name)
{
	for (size_t i = 0; i < RTE_DIM(errors); i++)
		if (strcmp(errors[i].name, name) == 0)
			return errors[i].error;
	fail(b, "no error: %s", name);
}

const char *errno_name(int error)
{
	for (size_t i = 0; i < RTE_DIM(errors); i++)
		if (errors[i].error == error)
			return errors[i].name;
	return "an error without a name";
}

/* --- hearing --- */

static const char *const heard_names[] = {
	[HEARD_DATA] = "data",
	[HEARD_CLOSE] = "close",
	[HEARD_END] = "end",
	[HEARD_URGENT] = "urgent",
	[HEARD_NOTICE] = "notice",
};

void event_print(const struct hearing *e, char *to, size_t room)
{
	int n = snprintf(to, room, "event %s", heard_names[e->what]);

	if (e->what == HEARD_DATA || e->what == HEARD_URGENT)
		snprintf(to + n, room - (size_t)n, " %u", e->value);
	else if (e->what != HEARD_CLOSE)
		snprintf(to + n, room - (size_t)n, " %s", errno_name((int)e->value));
}

static struct bed *bed; /* whose application this is: callbacks know the stack alone */

static struct peer *peer_of(struct tcp *t, const struct tcp_conn *c)
{
	struct tcp_info info;

	tcp_info(t, c, &info);
	return bed_peer(bed, info.remote_port);
}

static void hear(const struct peer *p, enum heard what, uint32_t value)
{
	struct hearing *last = bed->n_events > 0 ? &bed->event[bed->n_events - 1] : NULL;

	if (last != NULL && what == HEARD_DATA && last->what == what && last->port == p->port) {
		last->value += value;
		return;
	}
	if (bed->n_events == QUEUED_MAX)
		fail(bed, "more than %d events", QUEUED_MAX);
	bed->event[bed->n_events++] = (struct hearing){what, p->port, value};
}

/* `when accept close`: from inside the callback. */
static void react(struct peer *p, enum when when)
{
	struct peer *on = bed->on;
	struct words w;
	char text[64];

	if (bed->when[when][0] == 0)
		return;
	snprintf(text, sizeof(text), "%s", bed->when[when]);
	split_words(text, &w);
	bed->on = p;
	call(bed, &w, 0);
	bed->on = on;
}

static void on_accept(struct tcp *t, struct tcp_conn *c)
{
	struct peer *p = peer_of(t, c);

	p->conn = c;
	p->accepted++;
	react(p, WHEN_ACCEPT);
}

static void on_connect(struct tcp *t, struct tcp_conn *c)
{
	struct peer *p = peer_of(t, c);

	p->connected++;
	react(p, WHEN_CONNECT);
}

static void on_data(struct tcp *t, struct tcp_conn *c, struct rte_mbuf *m)
{
	struct peer *p = peer_of(t, c);
	uint32_t len = m->pkt_len;
	uint8_t byte;
	bool same = true;

	for (uint32_t i = 0; i < len; i++) {
		const uint8_t *got = rte_pktmbuf_read(m, i, 1, &byte);

		same = same && got != NULL && *got == pattern(p->to_come + i);
	}
	rte_pktmbuf_free(m);
	if (!same)
		fail(bed, "the application got %u bytes, not those that were sent", len);
	p->to_come += len;
	p->unread += len;
	hear(p, HEARD_DATA, len);
	if (bed->reading) {
		p->unread -= len;
		tcp_consumed(t, c, len);
	}
	react(p, WHEN_DATA);
}

static void on_sent(struct tcp *t, struct tcp_conn *c, uint32_t bytes)
{
	struct peer *p = peer_of(t, c);

	p->sent += bytes;
	react(p, WHEN_SENT);
}

static void on_close(struct tcp *t, struct tcp_conn *c)
{
	struct peer *p = peer_of(t, c);

	hear(p, HEARD_CLOSE, 0);
	react(p, WHEN_CLOSE);
}

static void on_urgent(struct tcp *t, struct tcp_conn *c)
{
	hear(peer_of(t, c), HEARD_URGENT, tcp_urgent(c));
}

static void on_notice(struct tcp *t, struct tcp_conn *c, int error)
{
	hear(peer_of(t, c), HEARD_NOTICE, (uint32_t)error);
}

static void on_end(struct tcp *t, struct tcp_conn *c, int error)
{
	struct peer *p = peer_of(t, c);

	hear(p, HEARD_END, (uint32_t)error);
	p->conn = NULL;
}

const struct tcp_ops script_ops = {.on_accept = on_accept,
	.on_connect = on_connect,
	.on_data = on_data,
	.on_sent = on_sent,
	.on_close = on_close,
	.on_urgent = on_urgent,
	.on_notice = on_notice,
	.on_end = on_end};

/* --- event --- */

/* Those that may go without a line of their own. */
static bool expect_count(struct bed *b, const struct words *w, uint32_t at)
{
	struct peer *p = b->on;
	uint32_t *n = strcmp(w->word[at], "accept") == 0    ? &p->accepted
		      : strcmp(w->word[at], "connect") == 0 ? &p->connected
		      : strcmp(w->word[at], "sent") == 0    ? &p->sent
							    : NULL;
	uint32_t want;

	if (n == NULL)
		return false;
	want = w->n > at + 1 ? number(b, w->word[at + 1]) : 1;
	if (*n != want)
		fail(b, "came: event %s %u", w->word[at], *n);
	*n = 0;
	return true;
}

void expect_event(struct bed *b, const struct words *w, uint32_t at)
{
	const struct hearing *e = &b->event[0];
	const char *value = w->n > at + 1 ? w->word[at + 1] : "0";
	char came[64];

	if (w->n == at)
		fail(b, "which event?");
	if (expect_count(b, w, at))
		return;
	if (b->n_events == 0)
		fail(b, "no event came");
	event_print(e, came, sizeof(came));
	if (e->port != b->on->port || strcmp(heard_names[e->what], w->word[at]) != 0 ||
		e->value != (e->what == HEARD_DATA || e->what == HEARD_URGENT
					    ? number(b, value)
					    : (uint32_t)errno_of(b, value)))
		fail(b, "came: %s", came);
	memmove(b->event, b->event + 1, --b->n_events * sizeof(b->event[0]));
}

/* --- settings --- */

struct knob {
	const char *name;
	size_t at;
	size_t size;
};
#define SETTING(name, field)                                                                       \
	{                                                                                          \
		name, offsetof(struct bed, field), sizeof(((struct bed *)0)->field)                \
	}

static const struct knob knobs[] = {
	SETTING("reading", reading),
	SETTING("mtu", mtu),
	SETTING("noroute", no_route),
	SETTING("msl", set.msl_ms),
	SETTING("delack", set.delayed_ack_us),
	SETTING("r2", set.r2_ms),
	SETTING("timestamps", set.timestamps),
	SETTING("sack", set.sack),
	SETTING("wscale", set.window_scaling),
	SETTING("ecn", set.ecn),
	SETTING("pmtu", set.path_mtu),
	SETTING("challenges", set.challenge_acks),
	SETTING("challenges_all", set.challenge_acks_all),
	SETTING("rcvbuf", set.options.receive_buffer),
	SETTING("sndbuf", set.options.send_buffer),
	SETTING("mss", set.options.mss),
	SETTING("nodelay", set.options.nodelay),
	SETTING("ttl", set.options.ttl),
	SETTING("tos", set.options.tos),
	SETTING("user_timeout", set.options.user_timeout_ms),
	SETTING("stall_timeout", set.options.stall_timeout_ms),
	SETTING("keepalive", set.options.keepalive_idle_s),
	SETTING("keepalive_interval", set.options.keepalive_interval_s),
	SETTING("keepalive_probes", set.options.keepalive_probes),
	SETTING("time_waits", limits.time_waits),
	SETTING("connections", limits.connections),
	SETTING("orphans", limits.orphans),
	SETTING("held_buffers", limits.held_buffers),
};

void setting(struct bed *b, const char *name, const char *value)
{
	uint64_t v = strcmp(value, "on") == 0 ? 1 : strcmp(value, "off") == 0 ? 0 : 2;

	if (strcmp(name, "cc") == 0) {
		b->set.cc = strcmp(value, "cubic") == 0 ? &tcp_cubic : &tcp_newreno;
		return;
	}
	if (v == 2)
		v = number(b, value);
	for (size_t i = 0; i < RTE_DIM(knobs); i++) {
		if (strcmp(knobs[i].name, name) != 0)
			continue;
		memcpy((char *)b + knobs[i].at, &v, knobs[i].size); /* little endian, as x86 */
		return;
	}
	fail(b, "no setting: %s", name);
}

/* --- calling --- */

static int send_bytes(struct bed *b, uint32_t n, const char *how)
{
	struct peer *p = b->on;
	struct rte_mbuf *first = NULL, **link = &first;
	unsigned int flags = strcmp(how, "more") == 0	  ? TCP_SEND_MORE
			     : strcmp(how, "urgent") == 0 ? TCP_SEND_URGENT
							  : 0;
	int error;

	for (uint32_t done = 0, part; done < n || first == NULL; done += part) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(bed_pool());
		uint8_t *at;

		if (m == NULL)
			fail(b, "no buffers");
		part = RTE_MIN(n - done, 1500u);
		at = (uint8_t *)rte_pktmbuf_append(m, (uint16_t)part);
		for (uint32_t i = 0; i < part; i++)
			at[i] = pattern(p->to_send + done + i);
		*link = m;
		link = &m->next;
		if (m != first) {
			first->nb_segs++;
			first->pkt_len += part;
		}
	}
	error = tcp_send(b->t, p->conn, first, flags);
	if (error != 0)
		rte_pktmbuf_free(first);
	else
		p->to_send += n;
	return error;
}

static int open_listener(struct bed *b, uint32_t backlog)
{
	int n = tcp_listen(bed_stack(b), 0, PORT, backlog, &script_ops, NULL, NULL);

	if (n >= 0)
		b->listener = n;
	return RTE_MIN(n, 0);
}

static int open_connection(struct bed *b, uint32_t to)
{
	struct peer *p = b->on;
	int error;
	struct tcp_conn *c = tcp_connect(
		bed_stack(b), 0, FROM_PORT, to, p->port, &script_ops, NULL, NULL, &error);

	if (c == NULL)
		return error;
	p->conn = c;
	p->local_port = FROM_PORT;
	return 0;
}

struct args {
	const char *word[4]; /* "" where there is none */
};

static int recv_bytes(struct bed *b, uint32_t n)
{
	struct peer *p = b->on;

	if (n > p->unread)
		fail(b, "there are only %u bytes to read", p->unread);
	p->unread -= n;
	tcp_consumed(b->t, p->conn, n);
	return 0;
}

/* What needs no connection. */
static bool call_stack(struct bed *b, const struct args *a, int *result)
{
	const char *name = a->word[0];
	bool is_on = strcmp(a->word[1], "on") == 0;

	if (strcmp(name, "listen") == 0)
		*result = open_listener(b, a->word[1][0] != 0 ? number(b, a->word[1]) : 16);
	else if (strcmp(name, "unlisten") == 0)
		tcp_unlisten(b->t, b->listener), b->listener = -1;
	else if (strcmp(name, "pause") == 0)
		tcp_listen_pause(b->t, b->listener, is_on);
	else if (strcmp(name, "connect") == 0)
		*result = open_connection(b, a->word[1][0] != 0 ? number(b, a->word[1]) : PEERS);
	else if (strcmp(name, "starve") == 0)
		bed_starve(b, strcmp(a->word[1], "off") == 0 ? UINT32_MAX : number(b, a->word[1]));
	else
		return false;
	return true;
}

static void call_conn(struct bed *b, const struct args *a, struct tcp_conn *c, int *result)
{
	const char *name = a->word[0];
	bool is_on = strcmp(a->word[1], "on") == 0;

	if (strcmp(name, "send") == 0)
		*result = send_bytes(b, number(b, a->word[1]), a->word[2]);
	else if (strcmp(name, "recv") == 0)
		*result = recv_bytes(b, number(b, a->word[1]));
	else if (strcmp(name, "shutdown") == 0)
		tcp_shutdown(b->t, c);
	else if (strcmp(name, "close") == 0)
		b->on->conn = NULL, tcp_close(b->t, c);
	else if (strcmp(name, "abort") == 0)
		b->on->conn = NULL, tcp_abort(b->t, c);
	else if (strcmp(name, "nodelay") == 0)
		tcp_set_nodelay(b->t, c, is_on);
	else if (strcmp(name, "cork") == 0)
		tcp_set_cork(b->t, c, is_on);
	else if (strcmp(name, "keepalive") == 0)
		tcp_set_keepalive(b->t, c, number(b, a->word[1]), (uint16_t)number(b, a->word[2]),
			(uint8_t)number(b, a->word[3]));
	else if (strcmp(name, "user_timeout") == 0)
		tcp_set_user_timeout(b->t, c, number(b, a->word[1]));
	else if (strcmp(name, "buffers") == 0)
		tcp_set_buffers(b->t, c, number(b, a->word[1]), number(b, a->word[2]));
	else if (strcmp(name, "ttl") == 0)
		tcp_set_ttl_tos(
			b->t, c, (uint8_t)number(b, a->word[1]), (uint8_t)number(b, a->word[2]));
	else
		fail(b, "no call: %s", name);
}

void call(struct bed *b, const struct words *w, uint32_t at)
{
	struct args a = {.word = {"", "", "", ""}};
	int result = 0, want = 0;

	bed = b;
	for (uint32_t i = 0; at < w->n && i < RTE_DIM(a.word); i++, at++) {
		if (strcmp(w->word[at], "=") == 0)
			break;
		a.word[i] = w->word[at];
	}
	if (at + 1 < w->n && strcmp(w->word[at], "=") == 0)
		want = -errno_of(b, w->word[at + 1]);
	bed_stack(b);
	if (!call_stack(b, &a, &result)) {
		if (b->on->conn == NULL)
			fail(b, "the application has no connection to do that with");
		call_conn(b, &a, b->on->conn, &result);
	}
	if (result != want)
		fail(b, "came: %s", errno_name(-result));
}
