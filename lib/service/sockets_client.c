/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A program's stream: requests are read and begun in order, answers gathered and written together.
 *
 * A program that does not take its answers is not read from either; what it can make us hold is
 * its calls that wait (conf.calls), one message in and OUT_MOST and some answers out.
 */
#include "sockets_inner.h"

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define IN_FIRST  4096
#define OUT_MOST  (256 << 10)
#define SOON_MOST 64 /* calls that wait for workers; beyond them nothing is read */
/* Room for what any call but SOCKETS_RECV and SOCKETS_POLL gives. */
#define GIVES 256

/* --- answers --- */

/* Room for `more` bytes at the end; false: no memory, the client is given up. */
static bool out_room(struct client *c, uint32_t more)
{
	uint32_t need = c->out_end - c->out_at + more, room = c->out_room == 0 ? 4096 : c->out_room;
	char *out;

	if (c->out_end + more <= c->out_room)
		return true;
	if (c->out_at != 0) {
		memmove(c->out, c->out + c->out_at, c->out_end - c->out_at);
		c->out_end -= c->out_at;
		c->out_at = 0;
	}
	if (need <= c->out_room)
		return true;
	while (room < need)
		room *= 2;
	out = realloc(c->out, room);
	if (out == NULL) {
		c->dead = c->service->any_dead = true;
		return false;
	}
	c->out = out;
	c->out_room = room;
	return true;
}

static uint32_t gives(const struct call *k)
{
	struct sockets_recv recv;

	if (k->r.call == SOCKETS_POLL)
		return k->size;
	if (k->r.call != SOCKETS_RECV)
		return GIVES;
	memcpy(&recv, k->body, sizeof(recv));
	return (uint32_t)sizeof(struct sockets_name) +
	       RTE_MIN(recv.size, (uint32_t)SOCKETS_DATA_MAX);
}

/* The answer of `size` bytes stands behind the room for its header. */
static void answer(struct client *c, uint32_t id, int32_t result, uint32_t size)
{
	struct sockets_answer a = {
		.length = (uint32_t)sizeof(a) + size, .id = id, .result = result};

	memcpy(c->out + c->out_end, &a, sizeof(a));
	c->out_end += a.length;
}

static void answer_alone(struct client *c, uint32_t id, int32_t result)
{
	if (out_room(c, sizeof(struct sockets_answer)))
		answer(c, id, result, 0);
}

/* Room for answers, or requests, or (its end apart) nothing. */
static void listen_to(struct client *c)
{
	uint32_t reads = c->n_soon < SOON_MOST ? EPOLLIN : 0;
	struct epoll_event e = {.events = c->stalled ? EPOLLOUT : reads, .data.ptr = c};

	if (e.events == c->events)
		return;
	c->events = e.events;
	epoll_ctl(c->service->epoll, EPOLL_CTL_MOD, c->fd, &e);
}

static bool is_crowded(const struct client *c)
{
	return c->out_end - c->out_at >= OUT_MOST;
}

void client_flush(struct client *c)
{
	while (!c->dead && c->out_at < c->out_end) {
		ssize_t n = send(c->fd, c->out + c->out_at, c->out_end - c->out_at, MSG_NOSIGNAL);

		if (n > 0) {
			c->out_at += (uint32_t)n;
		} else if (n < 0 && errno == EAGAIN) {
			break;
		} else if (n == 0 || errno != EINTR) {
			c->dead = c->service->any_dead = true;
			return;
		}
	}
	if (c->out_at == c->out_end)
		c->out_at = c->out_end = 0;
	if (c->stalled && c->out_end == 0) {
		c->service->held_back = true;
		if (c->late)
			client_changed(c);
	}
	c->stalled = c->out_end != 0;
	listen_to(c);
}

/* --- calls --- */

/* Requests may have waited for it to fall. */
static void count_soon(struct client *c, int more)
{
	if (c->n_soon >= SOON_MOST)
		c->service->held_back = true;
	c->n_soon = (uint32_t)((int)c->n_soon + more);
}

static void drop_call(struct client *c, struct call *k)
{
	TAILQ_REMOVE(&c->calls, k, next);
	c->n_calls--;
	count_soon(c, -k->soon);
	free(k);
}

/*
 * It waits, in memory of its own. What waits for a worker is not refused: with many of these the
 * program is not read from.
 */
static void park(struct client *c, const struct call *k)
{
	struct call *kept;

	if (!k->soon && c->n_calls >= c->service->conf.calls) {
		answer_alone(c, k->r.id, -ENOBUFS);
		return;
	}
	kept = malloc(sizeof(*kept) + k->size);
	if (kept == NULL) {
		c->dead = c->service->any_dead = true;
		return;
	}
	*kept = *k;
	kept->body = (char *)(kept + 1);
	memcpy(kept + 1, k->body, k->size);
	if (k->sock != NULL && k->sock->asking == k)
		k->sock->asking = kept;
	TAILQ_INSERT_TAIL(&c->calls, kept, next);
	c->n_calls++;
	c->n_soon += kept->soon;
	if (kept->deadline_ms != UINT64_MAX)
		service_deadline(c->service, kept->deadline_ms);
}

/* True: it was answered. */
static bool try_call(struct client *c, struct call *k)
{
	struct reply r = {.room = gives(k)};
	int32_t result;

	if (!out_room(c, (uint32_t)sizeof(struct sockets_answer) + r.room))
		return false;
	r.data = c->out + c->out_end + sizeof(struct sockets_answer);
	result = sockets_calls[k->r.call](c, k, &r);
	k->soon = result == CALL_SOON;
	if (result == CALL_WAITS || result == CALL_SOON)
		return false;
	answer(c, k->r.id, result, result < 0 ? 0 : r.size);
	return true;
}

static void begin(struct client *c, const char *request, const struct sockets_request *r)
{
	struct call k = {.r = *r,
		.may_wait = r->timeout_ms != 0,
		.deadline_ms = UINT64_MAX,
		.size = r->length - (uint32_t)sizeof(*r),
		.body = request + sizeof(*r)};

	if (r->timeout_ms > 0)
		k.deadline_ms = c->service->now_ms + (uint32_t)r->timeout_ms;
	if (r->call != SOCKETS_SOCKET && r->call != SOCKETS_POLL) {
		k.sock = sock_of(c, r->socket);
		if (k.sock == NULL) {
			answer_alone(c, r->id, -EBADF);
			return;
		}
	}
	if (!try_call(c, &k) && !c->dead)
		park(c, &k);
}

void client_changed(struct client *c)
{
	if (c->changed)
		return;
	c->changed = true;
	TAILQ_INSERT_TAIL(&c->service->changed, c, change);
}

/* One that has waited. Returns the next: of those behind it the call may have ended some. */
static struct call *try_again(struct client *c, struct call *k)
{
	bool was_soon = k->soon, done = try_call(c, k);
	struct call *next = TAILQ_NEXT(k, next);

	count_soon(c, k->soon - was_soon);
	if (done)
		drop_call(c, k);
	return next;
}

void client_retry(struct client *c)
{
	struct call *k = TAILQ_FIRST(&c->calls);
	bool all = c->late;

	c->late = false;
	while (k != NULL && !c->dead) {
		if (is_crowded(c))
			client_flush(c);
		if (is_crowded(c)) {
			c->late = true;
			return;
		}
		if (all || k->sock == NULL || k->sock->turn == c->service->turn)
			k = try_again(c, k);
		else
			k = TAILQ_NEXT(k, next);
	}
}

void client_expire(struct client *c)
{
	struct call *k = TAILQ_FIRST(&c->calls), *next;

	for (; k != NULL && !c->dead; k = next) {
		next = TAILQ_NEXT(k, next);
		if (k->deadline_ms > c->service->now_ms) {
			if (k->deadline_ms != UINT64_MAX)
				service_deadline(c->service, k->deadline_ms);
			continue;
		}
		k->may_wait = false;
		k->deadline_ms = UINT64_MAX;
		next = try_again(c, k);
	}
}

void client_fail_calls(struct client *c, const struct sock *s, const struct call *except, int rc)
{
	struct call *k = TAILQ_FIRST(&c->calls), *next;

	for (; k != NULL; k = next) {
		next = TAILQ_NEXT(k, next);
		if (k->sock != s || k == except)
			continue;
		k->sock = NULL;
		if (k->r.call == SOCKETS_CLOSE)
			continue; /* it is what ends s, and answers */
		answer_alone(c, k->r.id, rc);
		drop_call(c, k);
	}
}

/* --- requests --- */

/* Garbage: the error, then the end. */
static void reject(struct client *c, uint32_t have)
{
	struct sockets_request r = {0};

	memcpy(&r, c->in + c->in_at, RTE_MIN(have, (uint32_t)sizeof(r)));
	answer_alone(c, r.id, -EBADMSG);
	client_flush(c);
	c->dead = c->service->any_dead = true;
}

/* Room for a request of `need` bytes. */
static bool in_room(struct client *c, uint32_t need)
{
	char *in;

	if (c->in_at != 0) {
		memmove(c->in, c->in + c->in_at, c->in_end - c->in_at);
		c->in_end -= c->in_at;
		c->in_at = 0;
	}
	if (need <= c->in_room)
		return true;
	in = realloc(c->in, need);
	if (in == NULL) {
		c->dead = c->service->any_dead = true;
		return false;
	}
	c->in = in;
	c->in_room = need;
	return true;
}

void client_go_on(struct client *c)
{
	struct socket_service *s = c->service;

	while (!c->dead && !c->stalled && s->n_overflow == 0 && c->n_soon < SOON_MOST &&
		c->in_end - c->in_at > 0) {
		uint32_t have = c->in_end - c->in_at;
		int need = sockets_request_check(c->in + c->in_at, have);
		struct sockets_request r;
		uint32_t at = c->in_at;

		if (need < 0) {
			reject(c, have);
			return;
		}
		if (need > 0) {
			in_room(c, (uint32_t)need);
			break;
		}
		memcpy(&r, c->in + at, sizeof(r));
		c->in_at += r.length;
		begin(c, c->in + at, &r);
		if (is_crowded(c))
			client_flush(c);
	}
	if (c->in_at == c->in_end)
		c->in_at = c->in_end = 0;
	else if (s->n_overflow != 0)
		s->held_back = true;
	client_flush(c);
}

static void readable(struct client *c)
{
	ssize_t n;

	if (c->in_end == c->in_room && !in_room(c, c->in_room + IN_FIRST))
		return;
	n = read(c->fd, c->in + c->in_end, c->in_room - c->in_end);
	if (n > 0) {
		c->in_end += (uint32_t)n;
		client_go_on(c);
	} else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
		c->dead = c->service->any_dead = true;
	}
}

void client_event(struct client *c, uint32_t events)
{
	if (c->dead)
		return;
	if (c->stalled && (events & EPOLLOUT)) {
		client_flush(c);
		return;
	}
	if ((events & EPOLLIN) && c->n_soon < SOON_MOST)
		readable(c);
	else if (events & (EPOLLHUP | EPOLLERR))
		c->dead = c->service->any_dead = true;
}

/* --- life --- */

void client_new(struct socket_service *s, int fd)
{
	struct client *c = s->n_clients >= s->conf.clients ? NULL : calloc(1, sizeof(*c));
	struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};

	if (c == NULL || (c->in = malloc(IN_FIRST)) == NULL ||
		epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &e) < 0) {
		if (c != NULL)
			free(c->in);
		free(c);
		close(fd);
		return;
	}
	c->service = s;
	c->fd = fd;
	c->events = e.events;
	c->in_room = IN_FIRST;
	TAILQ_INIT(&c->socks);
	TAILQ_INIT(&c->calls);
	TAILQ_INSERT_TAIL(&s->clients, c, all);
	s->n_clients++;
}

void client_end(struct client *c)
{
	struct socket_service *s = c->service;
	struct sock *sock;
	struct call *k;

	while ((k = TAILQ_FIRST(&c->calls)) != NULL)
		drop_call(c, k);
	while ((sock = TAILQ_FIRST(&c->socks)) != NULL)
		sock_end(sock, true);
	if (c->changed)
		TAILQ_REMOVE(&s->changed, c, change);
	TAILQ_REMOVE(&s->clients, c, all);
	s->n_clients--;
	close(c->fd); /* leaves the epoll instance, too */
	free(c->sock);
	free(c->in);
	free(c->out);
	free(c);
}
