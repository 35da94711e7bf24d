/* SPDX-License-Identifier: BSD-3-Clause */
/* getsockopt and setsockopt: the system's names and forms, and the service's. */
#include "exchange.h"
#include "mrs/mrs.h"
#include "state.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/time.h>

static const struct {
	int level;
	int name;
	uint32_t option;
} options[] = {
	{SOL_SOCKET, SO_ERROR, SOCKETS_ERROR},
	{SOL_SOCKET, SO_TYPE, SOCKETS_TYPE},
	{SOL_SOCKET, SO_ACCEPTCONN, SOCKETS_LISTENS},
	{SOL_SOCKET, SO_REUSEADDR, SOCKETS_REUSEADDR},
	{SOL_SOCKET, SO_LINGER, SOCKETS_LINGER},
	{SOL_SOCKET, SO_SNDBUF, SOCKETS_SNDBUF},
	{SOL_SOCKET, SO_RCVBUF, SOCKETS_RCVBUF},
	{SOL_SOCKET, SO_OOBINLINE, SOCKETS_OOBINLINE},
	{SOL_SOCKET, SO_KEEPALIVE, SOCKETS_KEEPALIVE},
	{IPPROTO_TCP, TCP_KEEPIDLE, SOCKETS_KEEPIDLE},
	{IPPROTO_TCP, TCP_KEEPINTVL, SOCKETS_KEEPINTVL},
	{IPPROTO_TCP, TCP_KEEPCNT, SOCKETS_KEEPCNT},
	{IPPROTO_TCP, TCP_NODELAY, SOCKETS_NODELAY},
	{IPPROTO_TCP, TCP_CORK, SOCKETS_CORK},
	{IPPROTO_TCP, TCP_USER_TIMEOUT, SOCKETS_USER_TIMEOUT},
	{IPPROTO_TCP, TCP_MAXSEG, SOCKETS_MAXSEG},
	{IPPROTO_TCP, TCP_CONGESTION, SOCKETS_CONGESTION},
	{IPPROTO_TCP, TCP_INFO, SOCKETS_INFO},
	{IPPROTO_IP, IP_TTL, SOCKETS_TTL},
	{IPPROTO_IP, IP_TOS, SOCKETS_TOS},
};

/* SOCKETS_OPTIONS: none. */
static uint32_t option_of(int level, int name)
{
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		if (options[i].level == level && options[i].name == name)
			return options[i].option;
	return SOCKETS_OPTIONS;
}

static int fail(int error)
{
	errno = error;
	return -1;
}

/* As much of it as the caller has room for. */
static int give(void *to, socklen_t *length, const void *from, size_t size)
{
	if (*length < size)
		size = *length;
	memcpy(to, from, size);
	*length = (socklen_t)size;
	return 0;
}

static bool is_time(int level, int name)
{
	return level == SOL_SOCKET && (name == SO_RCVTIMEO || name == SO_SNDTIMEO);
}

static uint32_t *time_of(int socket, int name)
{
	struct socket_state *s = &socket_state[socket];

	return name == SO_RCVTIMEO ? &s->receive_ms : &s->send_ms;
}

static int32_t get(int socket, uint32_t option, void *value, uint32_t room, uint32_t *got)
{
	struct sockets_request r = {
		.call = SOCKETS_GETOPT, .socket = socket, .timeout_ms = -1, .flags = option};

	return exchange(&r, NULL, 0, value, room, got);
}

/* Bytes become segments where Linux counts these. */
static int give_info(void *to, socklen_t *length, const struct sockets_info *i)
{
	uint32_t mss = i->mss != 0 ? i->mss : 1;
	struct tcp_info t = {.tcpi_state = (uint8_t)i->state,
		.tcpi_rto = i->rto_us,
		.tcpi_snd_mss = i->mss,
		.tcpi_rcv_mss = i->mss,
		.tcpi_unacked = (i->unacked + mss - 1) / mss,
		.tcpi_rtt = i->srtt_us,
		.tcpi_rttvar = i->rttvar_us,
		.tcpi_snd_ssthresh = i->ssthresh / mss,
		.tcpi_snd_cwnd = i->cwnd / mss,
		.tcpi_advmss = i->mss,
		.tcpi_rcv_space = i->receive_window,
		.tcpi_total_retrans = i->retransmits};

	if (i->has_timestamps)
		t.tcpi_options |= TCPI_OPT_TIMESTAMPS;
	if (i->has_sack)
		t.tcpi_options |= TCPI_OPT_SACK;
	if (i->has_ecn)
		t.tcpi_options |= TCPI_OPT_ECN;
	if (i->send_scale != 0 || i->receive_scale != 0)
		t.tcpi_options |= TCPI_OPT_WSCALE;
	t.tcpi_snd_wscale = i->send_scale & 15;
	t.tcpi_rcv_wscale = i->receive_scale & 15;
	return give(to, length, &t, sizeof(t));
}

static int get_time(int socket, int name, void *value, socklen_t *length)
{
	uint32_t type, ms;
	int32_t rc = get(socket, SOCKETS_TYPE, &type, sizeof(type), NULL);
	struct timeval t;

	if (rc < 0)
		return fail(-rc);
	ms = *time_of(socket, name);
	t = (struct timeval){.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
	return give(value, length, &t, sizeof(t));
}

int mrs_getsockopt(int socket, int level, int name, void *value, socklen_t *length)
{
	uint32_t option = option_of(level, name), got;
	union {
		int32_t number;
		char text[16];
		struct sockets_info info;
	} u = {0};
	struct linger linger;
	int32_t rc;

	if (is_time(level, name))
		return get_time(socket, name, value, length);
	if (option == SOCKETS_OPTIONS)
		return fail(ENOPROTOOPT);
	rc = get(socket, option, &u, sizeof(u), &got);
	if (rc < 0)
		return fail(-rc);
	switch (option) {
	case SOCKETS_LINGER:
		linger = (struct linger){u.number >= 0, u.number < 0 ? 0 : u.number};
		return give(value, length, &linger, sizeof(linger));
	case SOCKETS_INFO:
		return give_info(value, length, &u.info);
	case SOCKETS_CONGESTION:
		return give(value, length, u.text, sizeof(u.text));
	default:
		return give(value, length, &u.number, sizeof(u.number));
	}
}

/* --- setting --- */

static int set_time(int socket, int name, const void *value, socklen_t length)
{
	uint32_t type;
	int32_t rc = get(socket, SOCKETS_TYPE, &type, sizeof(type), NULL);
	struct timeval t;

	if (rc < 0)
		return fail(-rc);
	if (length < sizeof(t))
		return fail(EINVAL);
	memcpy(&t, value, sizeof(t));
	if (t.tv_usec < 0 || t.tv_usec >= 1000000)
		return fail(EDOM);
	if (t.tv_sec < 0 || t.tv_sec > 1000000)
		t = (struct timeval){0}; /* as good as for ever */
	*time_of(socket, name) = (uint32_t)(t.tv_sec * 1000 + (t.tv_usec + 999) / 1000);
	return 0;
}

int mrs_setsockopt(int socket, int level, int name, const void *value, socklen_t length)
{
	struct sockets_request r = {.call = SOCKETS_SETOPT,
		.socket = socket,
		.timeout_ms = -1,
		.flags = option_of(level, name)};
	struct iovec arg = {(void *)(uintptr_t)value, sizeof(int32_t)};
	struct linger linger;
	int32_t number, rc;

	if (is_time(level, name))
		return set_time(socket, name, value, length);
	if (r.flags == SOCKETS_OPTIONS)
		return fail(ENOPROTOOPT);
	if (r.flags == SOCKETS_CONGESTION) {
		arg.iov_len = strnlen(value, length < 15 ? length : 15);
	} else if (r.flags == SOCKETS_LINGER) {
		if (length < sizeof(linger))
			return fail(EINVAL);
		memcpy(&linger, value, sizeof(linger));
		number = linger.l_onoff ? linger.l_linger : -1;
		arg.iov_base = &number;
	} else if (length < sizeof(number)) {
		return fail(EINVAL);
	}
	rc = exchange(&r, &arg, 1, NULL, 0, NULL);
	return rc < 0 ? fail(-rc) : 0;
}
