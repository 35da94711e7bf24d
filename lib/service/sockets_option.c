/* SPDX-License-Identifier: BSD-3-Clause */
/* getsockopt and setsockopt: one table of numbers, and the few options that are more than one. */
#include "sockets_inner.h"

#include "tcp/cc.h"

#include <string.h>
#include <sys/socket.h>

#define BUFFER_LEAST  2048
#define BUFFER_MOST   (64 << 20)
#define LINGER_MOST   86400
#define KEEPIDLE_MOST 32767 /* s, as Linux has it; the engine's interval has 16 bits, too */

/* What a number may be. */
static const struct {
	int32_t least;
	int32_t most;
	bool tcp; /* UDP has none */
} numbers[SOCKETS_OPTIONS] = {
	[SOCKETS_REUSEADDR] = {INT32_MIN, INT32_MAX, false},
	[SOCKETS_LINGER] = {-1, LINGER_MOST, false},
	[SOCKETS_SNDBUF] = {0, INT32_MAX, false},
	[SOCKETS_RCVBUF] = {0, INT32_MAX, false},
	[SOCKETS_OOBINLINE] = {INT32_MIN, INT32_MAX, false},
	[SOCKETS_KEEPALIVE] = {INT32_MIN, INT32_MAX, false},
	[SOCKETS_KEEPIDLE] = {1, KEEPIDLE_MOST, true},
	[SOCKETS_KEEPINTVL] = {1, KEEPIDLE_MOST, true},
	[SOCKETS_KEEPCNT] = {1, 127, true},
	[SOCKETS_NODELAY] = {INT32_MIN, INT32_MAX, true},
	[SOCKETS_CORK] = {INT32_MIN, INT32_MAX, true},
	[SOCKETS_USER_TIMEOUT] = {0, INT32_MAX, true},
	[SOCKETS_MAXSEG] = {88, 32767, true},
	[SOCKETS_TTL] = {1, 255, false},
	[SOCKETS_TOS] = {0, 255, false},
};

static uint32_t buffer_of(int32_t value)
{
	return (uint32_t)RTE_MIN(RTE_MAX(value, BUFFER_LEAST), BUFFER_MOST);
}

static bool has_begun(const struct sock *s)
{
	return s->state == SOCK_OPEN || s->state == SOCK_CONNECTING;
}

/* The value is one that the option may have. 0 or -errno. */
static int32_t set_number(struct sock *s, uint32_t option, int32_t value)
{
	struct tcp_options *o = &s->options.tcp;

	switch (option) {
	case SOCKETS_REUSEADDR:
		s->reuse = value != 0;
		return 0;
	case SOCKETS_LINGER:
		s->linger = value;
		return 0;
	case SOCKETS_SNDBUF:
		o->send_buffer = buffer_of(value);
		break;
	case SOCKETS_RCVBUF:
		o->receive_buffer = buffer_of(value);
		break;
	case SOCKETS_OOBINLINE:
		s->oob_inline = value != 0;
		return 0;
	case SOCKETS_KEEPALIVE:
		s->keepalive = value != 0;
		break;
	case SOCKETS_KEEPIDLE:
		s->keep_idle_s = (uint32_t)value;
		break;
	case SOCKETS_KEEPINTVL:
		o->keepalive_interval_s = (uint16_t)value;
		break;
	case SOCKETS_KEEPCNT:
		o->keepalive_probes = (uint8_t)value;
		break;
	case SOCKETS_NODELAY:
		o->nodelay = value != 0;
		break;
	case SOCKETS_CORK:
		s->options.cork = value != 0;
		break;
	case SOCKETS_USER_TIMEOUT:
		o->user_timeout_ms = (uint32_t)value;
		break;
	case SOCKETS_MAXSEG:
		if (has_begun(s))
			return -EISCONN;
		o->mss = (uint16_t)value;
		break;
	case SOCKETS_TTL:
		o->ttl = (uint8_t)value;
		break;
	case SOCKETS_TOS:
		o->tos = (uint8_t)value & 0xfc;
		break;
	}
	o->keepalive_idle_s = s->keepalive ? s->keep_idle_s : 0;
	if (!s->is_udp && has_begun(s))
		sock_ask(s, &(struct ask){.kind = ASK_SET, .options = s->options});
	return 0;
}

static int32_t set_congestion(struct sock *s, const struct call *k)
{
	const struct tcp_cc *cc;
	char name[17] = "";

	memcpy(name, k->body, k->size);
	cc = tcp_cc_named(name);
	if (s->is_udp)
		return -ENOPROTOOPT;
	if (cc == NULL)
		return -ENOENT;
	if (has_begun(s))
		return -EISCONN;
	s->options.tcp.cc = cc;
	return 0;
}

int32_t call_setopt(struct client *c, struct call *k, struct reply *r)
{
	uint32_t option = k->r.flags;
	int32_t value;

	(void)c;
	(void)r;
	if (option == SOCKETS_CONGESTION)
		return set_congestion(k->sock, k);
	if (option >= SOCKETS_OPTIONS || numbers[option].most == 0 ||
		(numbers[option].tcp && k->sock->is_udp))
		return -ENOPROTOOPT;
	if (k->size != sizeof(value))
		return -EINVAL;
	memcpy(&value, k->body, sizeof(value));
	if (value < numbers[option].least || value > numbers[option].most)
		return option == SOCKETS_LINGER && value > 0
			       ? set_number(k->sock, option, LINGER_MOST)
			       : -EINVAL;
	return set_number(k->sock, option, value);
}

/* --- getting --- */

static int32_t give(struct reply *r, int32_t value)
{
	memcpy(r->data, &value, sizeof(value));
	r->size = sizeof(value);
	return 0;
}

/* Linux' numbers (enum in include/net/tcp_states.h). */
static uint32_t state_of(const struct sock *s, enum tcp_state state)
{
	static const uint8_t numbers_of[] = {[TCP_CLOSED] = 7,
		[TCP_LISTEN] = 10,
		[TCP_SYN_SENT] = 2,
		[TCP_SYN_RCVD] = 3,
		[TCP_ESTABLISHED] = 1,
		[TCP_FIN_WAIT_1] = 4,
		[TCP_FIN_WAIT_2] = 5,
		[TCP_CLOSING] = 11,
		[TCP_TIME_WAIT] = 6,
		[TCP_CLOSE_WAIT] = 8,
		[TCP_LAST_ACK] = 9};

	return numbers_of[s->state == SOCK_LISTENS ? TCP_LISTEN : state];
}

/* The worker's to say, and it is asked anew by each who wants to know. NULL: not yet. */
static const struct tcp_info *info_of(struct sock *s)
{
	static const struct tcp_info none;

	if (s->n_seats == 0 || !has_begun(s))
		return &none;
	if (s->info_there) {
		s->info_there = s->info_asked = false;
		return &s->seat[0]->info;
	}
	if (!s->info_asked)
		sock_ask(s, &(struct ask){.kind = ASK_INFO});
	s->info_asked = true;
	return NULL;
}

static void give_info(const struct sock *s, struct reply *r, const struct tcp_info *i)
{
	const struct sockets_info info = {.state = state_of(s, i->state),
		.has_timestamps = i->timestamps,
		.has_sack = i->sack,
		.has_ecn = i->ecn,
		.send_scale = i->send_scale,
		.receive_scale = i->receive_scale,
		.rto_us = i->rto_us,
		.mss = i->mss,
		.unacked = i->unacked,
		.unsent = i->unsent,
		.retransmits = i->retransmits,
		.srtt_us = i->srtt_us,
		.rttvar_us = i->rttvar_us,
		.min_rtt_us = i->min_rtt_us,
		.cwnd = i->cwnd,
		.ssthresh = i->ssthresh,
		.send_window = i->send_window,
		.receive_window = i->receive_window};

	memcpy(r->data, &info, sizeof(info));
	r->size = sizeof(info);
}

/* What only the worker knows. */
static int32_t get_info(struct sock *s, struct reply *r, uint32_t option)
{
	const struct tcp_info *i = info_of(s);

	if (i == NULL)
		return CALL_SOON;
	if (option == SOCKETS_INFO)
		give_info(s, r, i);
	else
		give(r, i->mss != 0 ? i->mss : s->options.tcp.mss != 0 ? s->options.tcp.mss : 536);
	return 0;
}

static int32_t get_congestion(const struct sock *s, struct reply *r)
{
	const struct tcp_cc *cc = s->options.tcp.cc;
	const char *name = (cc != NULL ? cc : tcp_settings_default.cc)->name;

	r->size = (uint32_t)strlen(name);
	memcpy(r->data, name, r->size);
	return 0;
}

int32_t call_getopt(struct client *c, struct call *k, struct reply *r)
{
	struct sock *s = k->sock;
	const struct tcp_options *o = &s->options.tcp;

	(void)c;
	if (k->r.flags < SOCKETS_OPTIONS && numbers[k->r.flags].tcp && s->is_udp)
		return -ENOPROTOOPT;
	switch (k->r.flags) {
	case SOCKETS_ERROR:
		return give(r, sock_take_error(s));
	case SOCKETS_TYPE:
		return give(r, s->is_udp ? SOCK_DGRAM : SOCK_STREAM);
	case SOCKETS_LISTENS:
		return give(r, s->state == SOCK_LISTENS);
	case SOCKETS_REUSEADDR:
		return give(r, s->reuse);
	case SOCKETS_LINGER:
		return give(r, s->linger);
	case SOCKETS_SNDBUF:
		return give(r, (int32_t)o->send_buffer);
	case SOCKETS_RCVBUF:
		return give(r, (int32_t)o->receive_buffer);
	case SOCKETS_OOBINLINE:
		return give(r, s->oob_inline);
	case SOCKETS_KEEPALIVE:
		return give(r, s->keepalive);
	case SOCKETS_KEEPIDLE:
		return give(r, (int32_t)s->keep_idle_s);
	case SOCKETS_KEEPINTVL:
		return give(r, o->keepalive_interval_s);
	case SOCKETS_KEEPCNT:
		return give(r, o->keepalive_probes);
	case SOCKETS_NODELAY:
		return give(r, o->nodelay);
	case SOCKETS_CORK:
		return give(r, s->options.cork);
	case SOCKETS_USER_TIMEOUT:
		return give(r, (int32_t)o->user_timeout_ms);
	case SOCKETS_TTL:
		return give(r, o->ttl);
	case SOCKETS_TOS:
		return give(r, o->tos);
	case SOCKETS_MAXSEG:
	case SOCKETS_INFO:
		return s->is_udp ? -ENOPROTOOPT : get_info(s, r, k->r.flags);
	case SOCKETS_CONGESTION:
		return s->is_udp ? -ENOPROTOOPT : get_congestion(s, r);
	}
	return -ENOPROTOOPT;
}
