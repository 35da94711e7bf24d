/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What programs ask for, but for data and options. A call is tried when it comes, and again when
 * its socket has changed, until it has a result; k->step says how far it got. As Linux does it,
 * where POSIX leaves a choice.
 */
#include "sockets_inner.h"

#include "wire/ip4_addr.h"

#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#define ASKED 1000 /* a step beyond what finding a port counts */

int32_t call_wait(const struct call *k)
{
	return k->may_wait ? CALL_WAITS : -EAGAIN;
}

static struct sockets_name name_of(const struct call *k)
{
	struct sockets_name name;

	memcpy(&name, k->body, sizeof(name));
	return name;
}

static void give_name(struct reply *r, uint32_t addr, uint16_t port)
{
	const struct sockets_name name = {.addr = addr, .port = port};

	memcpy(r->data, &name, sizeof(name));
	r->size = sizeof(name);
}

/* Its workers were asked: the answer, once. */
static int32_t answer_of(struct sock *s, const struct call *k)
{
	if (s->asking != k)
		return -EALREADY; /* another thread's call on the same socket is under way */
	if (s->awaited != 0)
		return CALL_SOON;
	s->asking = NULL;
	return s->answer;
}

/* --- socket, bind --- */

static int32_t call_socket(struct client *c, struct call *k, struct reply *r)
{
	int32_t number;
	struct sock *s;

	(void)r;
	if (k->r.flags != SOCK_STREAM && k->r.flags != SOCK_DGRAM)
		return -EPROTOTYPE;
	s = sock_new(c, k->r.flags == SOCK_DGRAM);
	if (s == NULL)
		return -EMFILE;
	number = sock_number(c, s);
	if (number < 0 || sock_sit(s, false) < 0) {
		sock_end(s, true);
		return -ENOMEM;
	}
	return number;
}

/* Asks worker by worker whether the name may be ours; a UDP port is open then. */
static int32_t ask_bind(struct sock *s, struct call *k, uint32_t addr, uint16_t port)
{
	int rc = port == 0 ? -EADDRINUSE : sock_bind(s, addr, port);
	struct ask a = {.kind = s->is_udp ? ASK_OPEN_UDP : ASK_BIND,
		.udp = s->is_udp,
		.addr = addr,
		.port = port,
		.n = s->options.tcp.receive_buffer};

	if (rc == 0 && sock_sit(s, s->is_udp) < 0)
		rc = -ENOMEM;
	if (rc < 0) {
		sock_unbind(s);
		return rc;
	}
	s->asking = k;
	sock_ask_all(s, &a);
	return CALL_SOON;
}

/* What the workers said. A port that we chose and a service has is not the last. */
static int32_t bind_done(struct sock *s, struct call *k, uint32_t addr, bool chosen)
{
	int32_t rc = answer_of(s, k);

	if (rc == CALL_SOON || rc == -EALREADY)
		return rc;
	if (rc == 0) {
		s->state = s->is_udp ? SOCK_OPEN : s->state;
		return 0;
	}
	sock_unbind(s);
	if (s->is_udp) { /* some of its workers may have it open */
		sock_leave(s, true);
		if (sock_sit(s, false) < 0)
			return -ENOMEM;
	}
	if (rc == -EADDRINUSE && chosen && k->step++ < 64)
		return ask_bind(s, k, addr, sock_free_port(s, addr));
	s->port = 0;
	s->addr = 0;
	return rc;
}

static int32_t call_bind(struct client *c, struct call *k, struct reply *r)
{
	struct sockets_name name = name_of(k);
	struct sock *s = k->sock;

	(void)c;
	(void)r;
	if (k->step != 0)
		return bind_done(s, k, name.addr, name.port == 0);
	if (s->bound || s->state != SOCK_NEW || s->asking != NULL)
		return -EINVAL;
	k->step = 1;
	return ask_bind(s, k, name.addr, name.port != 0 ? name.port : sock_free_port(s, name.addr));
}

int32_t call_autobind(struct sock *s, struct call *k)
{
	if (s->asking == k)
		return bind_done(s, k, 0, true);
	if (s->asking != NULL) /* another thread's call is at it */
		return CALL_SOON;
	if (s->bound)
		return 0;
	return ask_bind(s, k, 0, sock_free_port(s, 0));
}

/* --- listen, accept --- */

static int32_t ask_listen(struct sock *s, struct call *k)
{
	struct ask a = {.kind = ASK_LISTEN,
		.addr = s->addr,
		.port = s->port,
		.n = RTE_MIN(k->r.flags, 65536u),
		.options = s->options};

	if (sock_sit(s, true) < 0)
		return -ENOMEM;
	s->asking = k;
	k->step = ASKED;
	sock_ask_all(s, &a);
	return CALL_SOON;
}

static int32_t call_listen(struct client *c, struct call *k, struct reply *r)
{
	struct sock *s = k->sock;
	int32_t rc;

	(void)c;
	(void)r;
	if (s->is_udp)
		return -EOPNOTSUPP;
	if (k->step == ASKED) {
		rc = answer_of(s, k);
		if (rc == 0)
			s->state = SOCK_LISTENS;
		if (rc >= 0 || rc == CALL_SOON)
			return rc;
		sock_leave(s, true);
		return sock_sit(s, false) < 0 ? -ENOMEM : rc;
	}
	if (s->state == SOCK_LISTENS)
		return 0;
	if (s->state != SOCK_NEW)
		return -EINVAL;
	rc = call_autobind(s, k);
	return rc == 0 ? ask_listen(s, k) : rc;
}

static int32_t call_accept(struct client *c, struct call *k, struct reply *r)
{
	struct sock *s = k->sock, *child = TAILQ_FIRST(&s->children);
	int32_t number;

	if (s->is_udp)
		return -EOPNOTSUPP;
	if (s->state != SOCK_LISTENS)
		return -EINVAL;
	if (child == NULL)
		return call_wait(k);
	number = sock_number(c, child);
	if (number < 0)
		return -ENOMEM;
	TAILQ_REMOVE(&s->children, child, waiting);
	child->listener = NULL;
	/* what was set on the listener since it began to listen */
	child->options = s->options;
	sock_ask(child, &(struct ask){.kind = ASK_SET, .options = child->options});
	for (uint16_t i = 0; i < s->n_seats; i++)
		if (s->seat[i]->worker == child->home)
			service_ask(c->service, child->home,
				&(struct ask){.kind = ASK_ACCEPTED, .seat = s->seat[i]});
	give_name(r, child->remote, child->remote_port);
	return number;
}

/* --- connect --- */

static int32_t ask_connect(struct sock *s, struct call *k, const struct sockets_name *to)
{
	struct ask a = {.kind = ASK_CONNECT,
		.addr = s->addr,
		.port = s->port,
		.remote = to->addr,
		.remote_port = to->port,
		.options = s->options};

	if (s->n_seats == 0 && sock_sit(s, false) < 0)
		return -ENOMEM;
	s->state = SOCK_CONNECTING;
	s->asking = k;
	s->remote = to->addr;
	s->remote_port = to->port;
	k->step = 1;
	s->answer = 0;
	s->awaited = 1;
	sock_ask(s, &a);
	return CALL_SOON;
}

/* The worker has begun, or cannot; then the peer answers, or does not. */
static int32_t connect_begun(struct sock *s, struct call *k, const struct sockets_name *to)
{
	int32_t rc = answer_of(s, k);

	if (rc == CALL_SOON)
		return rc;
	if (rc == -EXDEV) {
		s->state = SOCK_NEW;
		return ask_connect(s, k, to);
	}
	if (rc < 0) {
		s->state = SOCK_NEW;
		return rc;
	}
	k->step = 2;
	return 0;
}

static int32_t connect_done(struct sock *s, const struct call *k)
{
	if (k->step != 0 && !k->may_wait)
		return -EINPROGRESS; /* this call has begun it: SO_ERROR or the next will say */
	if (s->failed) {
		s->failed = false;
		return -(s->error != 0 ? sock_take_error(s) : ECONNABORTED);
	}
	if (s->state != SOCK_OPEN)
		return CALL_WAITS;
	s->agreed = true;
	return 0;
}

static int32_t connect_tcp(struct sock *s, struct call *k, const struct sockets_name *to)
{
	int32_t rc;

	if (k->step == 1 && s->asking == k) {
		rc = connect_begun(s, k, to);
		if (rc != 0)
			return rc;
	}
	if (k->step == 2 || (k->step == 1 && s->failed))
		return connect_done(s, k);
	if (s->state == SOCK_CONNECTING) { /* begun by an earlier call */
		if (!k->may_wait)
			return -EALREADY;
		k->step = 2;
		return CALL_WAITS;
	}
	if (s->failed || (s->state == SOCK_OPEN && !s->agreed))
		return connect_done(s, k);
	if (s->state != SOCK_NEW)
		return -EISCONN;
	return s->asking != NULL ? -EALREADY : ask_connect(s, k, to);
}

static int32_t connect_udp(struct sock *s, struct call *k, const struct sockets_name *to)
{
	struct ask a = {.kind = ASK_AIM_UDP, .remote = to->addr, .remote_port = to->port};
	int32_t rc;

	if (k->step == ASKED) {
		rc = answer_of(s, k);
		if (rc == 0) {
			s->remote = to->addr;
			s->remote_port = to->port;
		}
		return rc;
	}
	rc = call_autobind(s, k);
	if (rc != 0)
		return rc;
	if (s->asking != NULL)
		return -EALREADY;
	a.addr = s->addr;
	a.port = s->port;
	k->step = ASKED;
	s->asking = k;
	sock_ask_all(s, &a);
	return CALL_SOON;
}

static int32_t call_connect(struct client *c, struct call *k, struct reply *r)
{
	struct sockets_name to = name_of(k);
	struct sock *s = k->sock;

	(void)c;
	(void)r;
	if (s->is_udp)
		return (to.addr == 0) != (to.port == 0) ? -EINVAL : connect_udp(s, k, &to);
	if (s->state == SOCK_LISTENS)
		return -EISCONN;
	return connect_tcp(s, k, &to);
}

/* --- shutdown, close --- */

/* It listens no more; calls that accept hear EINVAL. */
static int32_t stop_listening(struct sock *s)
{
	struct sock *child;

	while ((child = TAILQ_FIRST(&s->children)) != NULL)
		sock_end(child, true);
	sock_leave(s, true);
	s->state = SOCK_NEW;
	sock_changed(s);
	return sock_sit(s, false);
}

static int32_t call_shutdown(struct client *c, struct call *k, struct reply *r)
{
	struct sock *s = k->sock;

	(void)c;
	(void)r;
	if (k->r.flags > SHUT_RDWR)
		return -EINVAL;
	if (s->state == SOCK_LISTENS && k->r.flags != SHUT_WR)
		return stop_listening(s);
	if (s->is_udp ? s->remote == 0 : s->state != SOCK_OPEN || s->ended)
		return -ENOTCONN;
	if (k->r.flags != SHUT_WR)
		s->shut_rd = true;
	if (k->r.flags != SHUT_RD && !s->shut_wr) {
		s->shut_wr = true;
		if (!s->is_udp)
			sock_ask(s, &(struct ask){.kind = ASK_SHUTDOWN});
	}
	sock_changed(s);
	return 0;
}

/* Waits as SO_LINGER says; without the number, which may be another's by now. */
static int32_t call_close(struct client *c, struct call *k, struct reply *r)
{
	struct sock *s = k->sock;

	(void)r;
	if (s == NULL)
		return 0;
	if (k->step == 0) {
		k->step = 1;
		client_fail_calls(c, s, k, -EBADF);
		c->sock[s->number] = NULL;
		s->number = -1;
		if (s->state == SOCK_OPEN && !s->is_udp && !s->ended && s->linger > 0 &&
			s->unread == 0) {
			if (!s->shut_wr)
				sock_ask(s, &(struct ask){.kind = ASK_SHUTDOWN});
			k->may_wait = c->n_calls < c->service->conf.calls;
			k->deadline_ms = c->service->now_ms + (uint64_t)s->linger * 1000;
		}
	}
	if (k->may_wait && k->deadline_ms != UINT64_MAX && s->linger > 0 && s->unacked != 0 &&
		!s->ended)
		return CALL_WAITS;
	k->sock = NULL;
	sock_end(s, s->linger == 0 && !s->is_udp);
	return 0;
}

/* --- names, poll --- */

static int32_t call_name(struct client *c, struct call *k, struct reply *r)
{
	const struct sock *s = k->sock;

	(void)c;
	if (k->r.flags == 0) {
		give_name(r, s->addr, s->port);
		return 0;
	}
	if (s->remote == 0 || (!s->is_udp && (s->state != SOCK_OPEN || s->ended)))
		return -ENOTCONN;
	give_name(r, s->remote, s->remote_port);
	return 0;
}

static int16_t tcp_ready(const struct sock *s)
{
	int16_t ready = 0;

	if (s->state == SOCK_LISTENS)
		return TAILQ_EMPTY(&s->children) ? 0 : POLLIN;
	if (s->state == SOCK_NEW)
		return (int16_t)(POLLOUT | POLLHUP | (s->failed ? POLLIN | POLLRDHUP : 0));
	if (s->state == SOCK_CONNECTING)
		return 0;
	if (sock_readable(s) != 0 || s->fin || s->shut_rd)
		ready |= POLLIN;
	if (s->fin || s->shut_rd)
		ready |= POLLRDHUP;
	if (s->urgent && !s->urgent_read)
		ready |= POLLPRI;
	if (s->ended || s->shut_wr ||
		(!s->client->service->asks[s->home].barren &&
			sock_send_room(s) >= RTE_MIN(s->options.tcp.send_buffer / 3 + 1, 65536u)))
		ready |= POLLOUT;
	if (s->ended || (s->shut_wr && (s->fin || s->shut_rd)))
		ready |= POLLHUP;
	return ready;
}

int16_t sock_ready(const struct sock *s)
{
	int16_t ready = s->error != 0 ? POLLERR : 0;

	if (!s->is_udp)
		return ready | tcp_ready(s);
	if (!STAILQ_EMPTY(&s->datagrams) || s->shut_rd || s->error != 0)
		ready |= POLLIN;
	return ready | POLLOUT;
}

static int32_t call_poll(struct client *c, struct call *k, struct reply *r)
{
	uint32_t n = k->size / (uint32_t)sizeof(struct sockets_poll);
	int32_t ready = 0;

	for (uint32_t i = 0; i < n; i++) {
		struct sockets_poll p;
		const struct sock *s;

		memcpy(&p, k->body + i * sizeof(p), sizeof(p));
		s = sock_of(c, p.socket);
		p.revents = 0;
		if (s == NULL)
			p.revents = p.socket < 0 ? 0 : POLLNVAL;
		else
			p.revents = sock_ready(s) & (p.events | POLLERR | POLLHUP);
		ready += p.revents != 0;
		memcpy(r->data + i * sizeof(p), &p, sizeof(p));
	}
	r->size = k->size;
	return ready == 0 && k->may_wait ? CALL_WAITS : ready;
}

static int32_t call_count(struct client *c, struct call *k, struct reply *r)
{
	const struct sock *s = k->sock;
	const struct datagram *d = STAILQ_FIRST(&s->datagrams);

	(void)c;
	(void)r;
	switch (k->r.flags) {
	case SOCKETS_UNREAD:
		if (s->state == SOCK_LISTENS)
			return -EINVAL;
		if (s->is_udp)
			return d == NULL ? 0 : (int32_t)d->size;
		return (int32_t)sock_readable(s);
	case SOCKETS_UNACKED:
		return s->state == SOCK_LISTENS ? -EINVAL : (int32_t)s->unacked;
	case SOCKETS_AT_MARK:
		return s->urgent && s->at == s->urgent_at;
	}
	return -EINVAL;
}

call_fn *const sockets_calls[SOCKETS_CALLS] = {
	[SOCKETS_SOCKET] = call_socket,
	[SOCKETS_BIND] = call_bind,
	[SOCKETS_LISTEN] = call_listen,
	[SOCKETS_ACCEPT] = call_accept,
	[SOCKETS_CONNECT] = call_connect,
	[SOCKETS_RECV] = call_recv,
	[SOCKETS_SEND] = call_send,
	[SOCKETS_SHUTDOWN] = call_shutdown,
	[SOCKETS_CLOSE] = call_close,
	[SOCKETS_GETOPT] = call_getopt,
	[SOCKETS_SETOPT] = call_setopt,
	[SOCKETS_COUNT] = call_count,
	[SOCKETS_NAME] = call_name,
	[SOCKETS_POLL] = call_poll,
};
