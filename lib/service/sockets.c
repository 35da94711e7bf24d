/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The socket service's thread: it takes what workers tell, what programs ask, and what time has
 * brought, in turns; and how it is started and ended by control.
 */
#include "sockets_inner.h"
#include "sockets_listen.h"

#include "base/log.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define TOLD_BUDGET 256
#define EVENTS	    64
#define END_MS	    1000 /* for workers to let go of everything at the end */

static uint64_t monotonic_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* --- asking --- */

/* What does not fit goes behind what did not before; false: no memory for that either. */
static bool keep(struct socket_service *s, struct asks *q, const struct ask *a)
{
	if (q->first + q->n == q->room) {
		uint32_t room = q->room == 0 ? 256 : 2 * q->room;
		struct ask *list = realloc(q->list, room * sizeof(*list));

		if (list == NULL)
			return false;
		q->list = list;
		q->room = room;
	}
	q->list[q->first + q->n++] = *a;
	s->n_overflow++;
	return true;
}

void service_ask(struct socket_service *s, uint16_t worker, const struct ask *a)
{
	struct asks *q = &s->asks[worker];
	struct mailbox *asked = s->net->worker[worker]->sockets->asked;

	q->ring = true;
	if (q->n == 0 && mailbox_post(asked, a))
		return;
	while (!keep(s, q, a)) { /* no memory: the worker will make room */
		bell_ring(&s->net->worker[worker]->bell);
		poll(NULL, 0, 1);
		if (q->n == 0 && mailbox_post(asked, a))
			return;
	}
}

/* What had to wait goes first; then the bells of those that were asked something. */
static void send_asks(struct socket_service *s)
{
	for (uint16_t i = 0; i < s->net->n_workers; i++) {
		struct worker *w = s->net->worker[i];
		struct asks *q = &s->asks[i];

		while (q->n > 0 && mailbox_post(w->sockets->asked, &q->list[q->first])) {
			q->first++;
			q->n--;
			s->n_overflow--;
		}
		if (q->n == 0)
			q->first = 0;
		if (q->ring)
			bell_ring(&w->bell);
		q->ring = q->n != 0;
	}
}

/* The worker hears of it by its ring, so that it cannot miss it. */
static void starve(struct socket_service *s, uint16_t worker)
{
	if (s->asks[worker].starved)
		return;
	s->asks[worker].starved = true;
	service_ask(s, worker, &(struct ask){.kind = ASK_STOCK});
}

struct rte_mbuf *service_buffer(struct socket_service *s, uint16_t worker)
{
	struct rte_mbuf *m;

	if (mailbox_take(s->net->worker[worker]->sockets->stock, &m, 1) == 1)
		return m;
	starve(s, worker);
	return NULL;
}

bool service_has_buffers(struct socket_service *s, uint16_t worker, uint32_t n)
{
	if (mailbox_count(s->net->worker[worker]->sockets->stock) >= n)
		return true;
	starve(s, worker);
	return false;
}

void service_deadline(struct socket_service *s, uint64_t at_ms)
{
	s->next_deadline_ms = RTE_MIN(s->next_deadline_ms, at_ms);
}

/* --- a turn --- */

/* Calls that wait for buffers are tried again; and those that wait for room to send, if it may be.
 */
static void feed(struct socket_service *s, uint16_t worker, uint32_t n)
{
	struct client *c;
	struct call *k;

	s->asks[worker].starved = s->asks[worker].barren = n == 0;
	TAILQ_FOREACH (c, &s->clients, all) {
		TAILQ_FOREACH (k, &c->calls, next) {
			if (k->soon && k->r.call == SOCKETS_SEND)
				sock_changed(k->sock);
			else if (k->r.call == SOCKETS_POLL)
				client_changed(c);
		}
	}
}

/* True: there may be more. */
static bool take_told(struct socket_service *s)
{
	struct tell told[TOLD_BUDGET];
	bool more = false;

	for (uint16_t i = 0; i < s->net->n_workers; i++) {
		struct mailbox *from = s->net->worker[i]->sockets->told;
		uint32_t n = mailbox_take(from, told, TOLD_BUDGET);

		for (uint32_t k = 0; k < n; k++) {
			if (told[k].what == SEAT_STOCK)
				feed(s, i, told[k].n);
			else
				sock_told(s, &told[k]);
		}
		if (n > TOLD_BUDGET / 2) /* it may have more to tell, for which there was no room */
			s->asks[i].ring = true;
		more |= n == TOLD_BUDGET;
	}
	return more;
}

static void retry_changed(struct socket_service *s)
{
	struct client *c;

	while ((c = TAILQ_FIRST(&s->changed)) != NULL) {
		TAILQ_REMOVE(&s->changed, c, change);
		c->changed = false;
		client_retry(c);
		client_flush(c);
	}
	s->turn++;
}

static void expire(struct socket_service *s)
{
	struct client *c;

	if (s->now_ms < s->next_deadline_ms)
		return;
	s->next_deadline_ms = UINT64_MAX;
	TAILQ_FOREACH (c, &s->clients, all) {
		client_expire(c);
		client_flush(c);
	}
}

static void bury(struct socket_service *s)
{
	struct client *c = TAILQ_FIRST(&s->clients), *next;

	if (!s->any_dead)
		return;
	s->any_dead = false;
	for (; c != NULL; c = next) {
		next = TAILQ_NEXT(c, all);
		if (c->dead)
			client_end(c);
	}
}

static void accept_clients(struct socket_service *s)
{
	int fd;

	while ((fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0)
		client_new(s, fd);
}

/* True: the bell has rung. */
static bool take_events(struct socket_service *s, int timeout_ms)
{
	struct epoll_event e[EVENTS];
	int n = epoll_wait(s->epoll, e, EVENTS, timeout_ms);
	bool rang = false;

	s->now_ms = monotonic_ms();
	for (int i = 0; i < n; i++) {
		if (e[i].data.ptr == &s->listener)
			accept_clients(s);
		else if (e[i].data.ptr == &s->bell)
			rang = true;
		else
			client_event(e[i].data.ptr, e[i].events);
	}
	return rang;
}

/* A worker's ring is full: programs wait until it has taken some. */
static void wait_for_room(struct socket_service *s)
{
	struct pollfd bell = {.fd = s->bell.fd, .events = POLLIN};

	poll(&bell, 1, 1);
	s->now_ms = monotonic_ms();
}

/* Requests that lie in buffers of ours: no event says that they are there. */
static void go_on(struct socket_service *s)
{
	struct client *c;

	s->held_back = false;
	TAILQ_FOREACH (c, &s->clients, all)
		client_go_on(c);
}

static int sleep_ms(const struct socket_service *s)
{
	if (s->next_deadline_ms == UINT64_MAX)
		return -1;
	return s->next_deadline_ms <= s->now_ms
		       ? 0
		       : (int)RTE_MIN(s->next_deadline_ms - s->now_ms, UINT64_C(3600000));
}

static bool anything_told(const struct socket_service *s)
{
	for (uint16_t i = 0; i < s->net->n_workers; i++)
		if (mailbox_count(s->net->worker[i]->sockets->told) > 0)
			return true;
	return false;
}

/* The bell is armed before the last look at the rings: whoever posts after it rings. */
static void turn(struct socket_service *s, bool more)
{
	send_asks(s);
	if (s->n_overflow != 0) {
		wait_for_room(s);
		return;
	}
	if (s->held_back) {
		go_on(s);
		return;
	}
	if (more || anything_told(s)) {
		if (take_events(s, 0))
			bell_disarm(&s->bell);
		return;
	}
	bell_arm(&s->bell);
	more = anything_told(s) || atomic_load(&s->stop);
	if (take_events(s, more ? 0 : sleep_ms(s)))
		bell_disarm(&s->bell);
	else
		bell_unarm(&s->bell);
}

static void *serve(void *arg)
{
	struct socket_service *s = arg;
	uint64_t end_ms;

	while (!atomic_load_explicit(&s->stop, memory_order_relaxed)) {
		bool more = take_told(s);

		retry_changed(s);
		expire(s);
		bury(s);
		turn(s, more);
	}
	while (!TAILQ_EMPTY(&s->clients))
		client_end(TAILQ_FIRST(&s->clients));
	end_ms = monotonic_ms() + END_MS;
	while ((s->n_seats != 0 || s->n_overflow != 0) && monotonic_ms() < end_ms) {
		struct pollfd bell = {.fd = s->bell.fd, .events = POLLIN};

		send_asks(s);
		bell_arm(&s->bell);
		if (!anything_told(s))
			poll(&bell, 1, 1);
		bell_disarm(&s->bell);
		take_told(s);
	}
	return NULL;
}

/* --- control --- */

static int add(struct socket_service *s, int fd, void *what)
{
	struct epoll_event e = {.events = EPOLLIN, .data.ptr = what};

	return epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &e) < 0 ? -errno : 0;
}

/* Each program takes a descriptor. */
static void allow_descriptors(uint32_t n)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= n)
		return;
	limit.rlim_cur = n;
	limit.rlim_max = RTE_MAX(limit.rlim_max, limit.rlim_cur);
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		log_warning("system.limits.socket_clients: no more than %lu files are allowed",
			(unsigned long)limit.rlim_max);
}

/* A quarter of the buffers, at the most, lies with programs that do not read. */
static int open_ends(struct socket_service *s)
{
	uint32_t each = s->net->limits.mbufs / 4 / s->net->n_workers;

	for (uint16_t i = 0; i < s->net->n_workers; i++)
		if (sockets_end_new(s->net->worker[i], &s->bell, each) < 0)
			return -ENOMEM;
	return 0;
}

int socket_service_open(
	struct socket_service **opened, struct net *net, const struct sockets_conf *conf)
{
	struct socket_service *s;
	int rc;

	*opened = NULL;
	if (conf->path[0] == '\0')
		return 0;
	*opened = s = calloc(1, sizeof(*s));
	if (s == NULL)
		return -ENOMEM;
	s->net = net;
	s->conf = *conf;
	s->listener = -1;
	s->bell.fd = -1;
	s->next_deadline_ms = UINT64_MAX;
	TAILQ_INIT(&s->clients);
	TAILQ_INIT(&s->changed);
	if (getrandom(&s->next_port, sizeof(s->next_port), 0) < 0)
		s->next_port = 0;
	s->next_port %= 16384;
	allow_descriptors(conf->clients + 256);
	s->epoll = epoll_create1(EPOLL_CLOEXEC);
	rc = s->epoll < 0 ? -errno : bell_open(&s->bell);
	if (rc == 0)
		rc = open_ends(s);
	if (rc == 0)
		rc = s->listener = sockets_listen(conf->path, conf->group);
	if (rc >= 0)
		rc = add(s, s->listener, &s->listener);
	if (rc == 0)
		rc = add(s, s->bell.fd, &s->bell);
	if (rc < 0)
		log_error("system.socket_service: %s: %s", conf->path, strerror(-rc));
	return rc;
}

int socket_service_start(struct socket_service *s)
{
	int rc = s == NULL ? 0 : pthread_create(&s->thread, NULL, serve, s);

	if (s == NULL)
		return 0;
	s->runs = rc == 0;
	if (rc != 0)
		log_error("system.socket_service: no thread: %s", strerror(rc));
	else
		pthread_setname_np(s->thread, "sockets");
	return -rc;
}

void socket_service_stop(struct socket_service *s)
{
	if (s == NULL || !s->runs)
		return;
	atomic_store(&s->stop, true);
	bell_ring(&s->bell);
	pthread_join(s->thread, NULL);
	s->runs = false;
}

void socket_service_close(struct socket_service *s)
{
	if (s == NULL)
		return;
	for (uint16_t i = 0; i < s->net->n_workers; i++) {
		if (s->net->worker[i] != NULL)
			sockets_end_free(s->net->worker[i]);
		free(s->asks[i].list);
	}
	if (s->listener >= 0) {
		unlink(s->conf.path);
		close(s->listener);
	}
	bell_close(&s->bell);
	if (s->epoll >= 0)
		close(s->epoll);
	free(s);
}
