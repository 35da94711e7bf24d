/* SPDX-License-Identifier: BSD-3-Clause */
/* A socket's life on the thread, and what it hears from workers. */
#include "sockets_inner.h"

#include "base/seq.h"

#include <stdlib.h>
#include <string.h>

#define PORT_FIRST 32768 /* of those we choose, as the stack has it */
#define PORT_LAST  60999
#define KEEP_IDLE  7200
#define COPY_BELOW 512 /* data that rather go behind others than hold a buffer */

static void set_defaults(struct sock *s)
{
	struct tcp_options *o = &s->options.tcp;

	*o = tcp_settings_default.options;
	o->receive_buffer = o->send_buffer = s->client->service->conf.buffer_bytes;
	s->keep_idle_s = KEEP_IDLE;
	s->linger = -1;
}

struct sock *sock_new(struct client *c, bool is_udp)
{
	struct socket_service *service = c->service;
	struct sock *s;

	if (c->n_socks >= service->conf.sockets)
		return NULL;
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return NULL;
	s->client = c;
	s->is_udp = is_udp;
	s->number = -1;
	s->home = service->next_worker;
	service->next_worker = (uint16_t)((s->home + 1) % service->net->n_workers);
	TAILQ_INIT(&s->children);
	STAILQ_INIT(&s->datagrams);
	set_defaults(s);
	TAILQ_INSERT_TAIL(&c->socks, s, all);
	c->n_socks++;
	return s;
}

int32_t sock_number(struct client *c, struct sock *s)
{
	uint32_t room = c->n_numbers == 0 ? 8 : 2 * c->n_numbers;
	struct sock **more;

	for (uint32_t i = 0; i < c->n_numbers; i++) {
		if (c->sock[i] == NULL) {
			c->sock[i] = s;
			return s->number = (int32_t)i;
		}
	}
	more = realloc(c->sock, room * sizeof(struct sock *));
	if (more == NULL)
		return -1;
	memset(more + c->n_numbers, 0, (room - c->n_numbers) * sizeof(*more));
	s->number = (int32_t)c->n_numbers;
	more[c->n_numbers] = s;
	c->sock = more;
	c->n_numbers = room;
	return s->number;
}

struct sock *sock_of(const struct client *c, int32_t number)
{
	return number < 0 || (uint32_t)number >= c->n_numbers ? NULL : c->sock[number];
}

void sock_changed(struct sock *s)
{
	s->turn = s->client->service->turn;
	client_changed(s->client);
}

int sock_take_error(struct sock *s)
{
	int error = s->error;

	s->error = 0;
	return error;
}

/* --- ports --- */

static struct sock **bucket(struct socket_service *s, uint16_t port)
{
	return &s->bound[port % BOUND_BUCKETS];
}

static bool is_taken(struct sock *s, uint32_t addr, uint16_t port)
{
	for (struct sock *x = *bucket(s->client->service, port); x != NULL; x = x->next_bound)
		if (x->is_udp == s->is_udp && x->port == port &&
			(x->addr == addr || x->addr == 0 || addr == 0) &&
			!(x->reuse && s->reuse && x->state != SOCK_LISTENS))
			return true;
	return false;
}

int sock_bind(struct sock *s, uint32_t addr, uint16_t port)
{
	struct sock **b = bucket(s->client->service, port);

	if (is_taken(s, addr, port))
		return -EADDRINUSE;
	s->addr = addr;
	s->port = port;
	s->bound = true;
	s->next_bound = *b;
	*b = s;
	return 0;
}

void sock_unbind(struct sock *s)
{
	struct sock **link = bucket(s->client->service, s->port);

	if (!s->bound)
		return;
	while (*link != s)
		link = &(*link)->next_bound;
	*link = s->next_bound;
	s->bound = false;
}

uint16_t sock_free_port(struct sock *s, uint32_t addr)
{
	struct socket_service *service = s->client->service;

	for (uint32_t i = 0; i <= PORT_LAST - PORT_FIRST; i++) {
		uint16_t port = (uint16_t)(PORT_FIRST + service->next_port);

		service->next_port =
			(uint16_t)((service->next_port + 1) % (PORT_LAST - PORT_FIRST + 1));
		if (!is_taken(s, addr, port))
			return port;
	}
	return 0;
}

/* --- seats --- */

int sock_sit(struct sock *s, bool everywhere)
{
	struct socket_service *service = s->client->service;
	uint16_t n = everywhere ? service->net->n_workers : 1;
	struct seat **list = realloc(s->seat, n * sizeof(struct seat *));

	if (list == NULL)
		return -ENOMEM;
	s->seat = list;
	while (s->n_seats < n) {
		struct seat *seat = seat_new();

		if (seat == NULL)
			return -ENOMEM;
		seat->sock = s;
		seat->worker = (uint16_t)((s->home + s->n_seats) % service->net->n_workers);
		s->seat[s->n_seats++] = seat;
		service->n_seats++;
	}
	return 0;
}

static void release(struct socket_service *service, struct seat *seat, bool abort)
{
	seat->sock = NULL;
	service_ask(service, seat->worker,
		&(struct ask){.kind = ASK_CLOSE, .flags = abort ? ASK_ABORT : 0, .seat = seat});
}

static void give_back(struct socket_service *service, uint16_t worker, struct rte_mbuf *m)
{
	if (m != NULL)
		service_ask(service, worker, &(struct ask){.kind = ASK_TAKEN, .m = m});
}

void sock_leave(struct sock *s, bool abort)
{
	struct socket_service *service = s->client->service;
	struct datagram *d;

	if (s->in != NULL)
		give_back(service, s->seat[0]->worker, s->in);
	s->in = s->in_last = NULL;
	s->unread = s->skip = 0;
	while ((d = STAILQ_FIRST(&s->datagrams)) != NULL) {
		STAILQ_REMOVE_HEAD(&s->datagrams, next);
		give_back(service, d->worker, d->m);
		free(d);
	}
	for (uint16_t i = 0; i < s->n_seats; i++)
		release(service, s->seat[i], abort);
	free(s->seat);
	s->seat = NULL;
	s->n_seats = 0;
	s->awaited = 0;
	s->asking = NULL;
	s->info_asked = s->info_there = false;
}

void sock_end(struct sock *s, bool abort)
{
	struct client *c = s->client;
	struct sock *child;

	client_fail_calls(c, s, NULL, -EBADF);
	while ((child = TAILQ_FIRST(&s->children)) != NULL)
		sock_end(child, true);
	if (s->listener != NULL)
		TAILQ_REMOVE(&s->listener->children, s, waiting);
	sock_leave(s, abort);
	sock_unbind(s);
	if (s->number >= 0)
		c->sock[s->number] = NULL;
	TAILQ_REMOVE(&c->socks, s, all);
	c->n_socks--;
	free(s);
}

void sock_ask(struct sock *s, struct ask *a)
{
	a->seat = s->seat[0];
	service_ask(s->client->service, s->seat[0]->worker, a);
}

void sock_ask_all(struct sock *s, struct ask *a)
{
	s->answer = 0;
	s->awaited = s->n_seats;
	for (uint16_t i = 0; i < s->n_seats; i++) {
		a->seat = s->seat[i];
		service_ask(s->client->service, s->seat[i]->worker, a);
	}
}

/* --- what workers tell --- */

/* m's data go behind what is there, if they are few; then m goes back at once. */
static bool copied(struct sock *s, struct rte_mbuf *m)
{
	struct rte_mbuf *tail = s->in_last;

	if (tail == NULL || m->data_len > COPY_BELOW || !RTE_MBUF_DIRECT(tail) ||
		rte_mbuf_refcnt_read(tail) != 1 || rte_pktmbuf_tailroom(tail) < m->data_len)
		return false;
	memcpy(rte_pktmbuf_mtod_offset(tail, char *, tail->data_len), rte_pktmbuf_mtod(m, char *),
		m->data_len);
	tail->data_len = (uint16_t)(tail->data_len + m->data_len);
	return true;
}

static void take_data(struct sock *s, struct rte_mbuf *m)
{
	while (m != NULL) {
		struct rte_mbuf *next = m->next;

		m->next = NULL;
		s->unread += m->data_len;
		if (copied(s, m)) {
			give_back(s->client->service, s->seat[0]->worker, m);
		} else {
			if (s->in_last != NULL)
				s->in_last->next = m;
			else
				s->in = m;
			s->in_last = m;
		}
		m = next;
	}
}

static void take_datagram(struct sock *s, const struct tell *t)
{
	struct datagram *d = malloc(sizeof(*d));

	if (d == NULL) {
		give_back(s->client->service, t->seat->worker, t->m);
		return;
	}
	*d = (struct datagram){.m = t->m,
		.size = t->n,
		.addr = t->addr,
		.port = t->port,
		.worker = t->seat->worker};
	STAILQ_INSERT_TAIL(&s->datagrams, d, next);
}

/* The urgent byte is the one before the end of urgent data, as Linux has it (RFC 6093 3.1). */
static void take_mark(struct sock *s, uint32_t mark)
{
	if (s->urgent && !seq_gt(mark - 1, s->urgent_at))
		return;
	s->urgent = true;
	s->urgent_read = false;
	s->urgent_at = mark - 1;
}

/* A listener's new connection waits to be accepted. */
static void take_child(struct socket_service *service, struct seat *seat)
{
	struct sock *p = seat->parent == NULL ? NULL : seat->parent->sock, *s = NULL;

	service->n_seats++;
	if (p != NULL)
		s = sock_new(p->client, false);
	if (s != NULL)
		s->seat = malloc(sizeof(struct seat *));
	if (s == NULL || s->seat == NULL) {
		if (s != NULL)
			sock_end(s, true);
		if (p != NULL) /* its place in the backlog is free again */
			service_ask(service, seat->worker,
				&(struct ask){.kind = ASK_ACCEPTED, .seat = seat->parent});
		release(service, seat, true);
		return;
	}
	s->seat[0] = seat;
	s->n_seats = 1;
	s->home = seat->worker;
	seat->sock = s;
	s->state = SOCK_OPEN;
	s->agreed = true;
	s->addr = seat->local;
	s->port = seat->local_port;
	s->remote = seat->peer;
	s->remote_port = seat->peer_port;
	s->options = p->options;
	s->linger = p->linger;
	s->oob_inline = p->oob_inline;
	s->keepalive = p->keepalive;
	s->keep_idle_s = p->keep_idle_s;
	s->reuse = p->reuse;
	s->listener = p;
	TAILQ_INSERT_TAIL(&p->children, s, waiting);
	sock_changed(p);
}

static void take_answer(struct sock *s, const struct tell *t)
{
	if (s->awaited == 0)
		return;
	if (t->ready_error == EXDEV) { /* there its answers will come */
		s->home = t->seat->worker = t->owner;
		s->awaited--;
		s->answer = -EXDEV;
		return;
	}
	s->awaited--;
	if (t->ready_error != 0 && s->answer == 0)
		s->answer = -t->ready_error;
	if (t->ready_error != 0 || t->seat != s->seat[0] || (t->addr == 0 && !s->is_udp))
		return;
	s->addr = t->addr;
	if (!s->bound)
		s->port = t->port;
}

/* The connection has ended; one that was being opened may be tried again. */
static void take_end(struct sock *s, int error)
{
	if (s->state == SOCK_CONNECTING) {
		s->error = error != 0 ? error : ECONNABORTED;
		s->failed = true;
		s->state = SOCK_NEW;
		if (!s->bound)
			s->addr = s->port = 0;
		sock_leave(s, true);
		return;
	}
	s->ended = true;
	s->fin = true;
	s->unacked = 0;
	if (error != 0) /* in CLOSE_WAIT a reset is told to who writes */
		s->error = error == ECONNRESET && s->eof && !s->shut_wr ? EPIPE : error;
}

static void take_connection(struct sock *s, const struct tell *t)
{
	if (t->what & SEAT_OPEN)
		s->state = SOCK_OPEN;
	if (t->what & SEAT_DATA)
		take_data(s, t->m);
	if (t->what & SEAT_SENT)
		s->unacked -= RTE_MIN(t->n, s->unacked);
	if (t->what & SEAT_URGENT)
		take_mark(s, t->mark);
	if (t->what & SEAT_FIN)
		s->fin = s->eof = true;
	if (t->what & SEAT_INFO)
		s->info_there = true;
	if (t->what & SEAT_UNREACHABLE)
		s->error = t->error;
	if (t->what & SEAT_END)
		take_end(s, t->error);
}

void sock_told(struct socket_service *service, const struct tell *t)
{
	struct seat *seat = t->seat;

	if (t->what & SEAT_CHILD)
		take_child(service, seat);
	if (seat->sock == NULL) {
		give_back(service, seat->worker, t->m);
		if (t->what & SEAT_GONE) {
			service->n_seats--;
			free(seat);
		}
		return;
	}
	sock_changed(seat->sock);
	if (t->what & SEAT_DATAGRAM)
		take_datagram(seat->sock, t);
	if (t->what & SEAT_READY)
		take_answer(seat->sock, t);
	take_connection(seat->sock, t);
}
