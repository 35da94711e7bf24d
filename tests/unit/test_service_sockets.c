/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The socket service's thread between a program and a worker, both played here: what the program
 * asks is written to its stream, what the worker is asked is taken from its ring.
 */
#include "heap_pool.h"
#include "sockets_inner.h"

#include "net/pkt.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#define LIMIT_MS 60000 /* never reached: for what comes for certain */
#define POOL	 4096

static struct {
	struct net *net;
	struct worker *w;
	struct rte_mempool *pool;
	struct socket_service *service;
	int program;
	char path[64];
} world;

static const struct sockets_conf conf = {
	.clients = 16, .sockets = 4, .calls = 32, .buffer_bytes = 1 << 20};

/* --- the worker --- */

static void take_asked(struct ask *a)
{
	struct pollfd bell = {.fd = world.w->bell.fd, .events = POLLIN};

	while (mailbox_take(world.w->sockets->asked, a, 1) == 0) {
		bell_arm(&world.w->bell);
		if (mailbox_count(world.w->sockets->asked) == 0)
			assert_int_equal(poll(&bell, 1, LIMIT_MS), 1);
		bell_disarm(&world.w->bell);
	}
}

/* The next thing asked is of that kind. */
static struct ask asked(enum ask_kind kind)
{
	struct ask a;

	take_asked(&a);
	assert_int_equal(a.kind, kind);
	return a;
}

static void tell(struct tell t)
{
	assert_true(mailbox_post(world.w->sockets->told, &t));
	bell_ring(world.w->sockets->thread);
}

static struct rte_mbuf *data_of(uint32_t size)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(world.pool);

	assert_non_null(m);
	memset(rte_pktmbuf_append(m, (uint16_t)size), 'x', size);
	return m;
}

/* --- the program --- */

static int open_program(void)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memcpy(at.sun_path, world.path, sizeof(world.path));
	assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	return fd;
}

static uint32_t put(char *to, struct sockets_request r, const void *body, uint32_t size)
{
	r.version = SOCKETS_VERSION;
	r.length = (uint32_t)sizeof(r) + size;
	memcpy(to, &r, sizeof(r));
	if (size != 0)
		memcpy(to + sizeof(r), body, size);
	return r.length;
}

static void ask(struct sockets_request r, const void *body, uint32_t size)
{
	static char message[SOCKETS_REQUEST_MAX];
	uint32_t length = put(message, r, body, size);

	assert_int_equal(send(world.program, message, length, MSG_NOSIGNAL), length);
}

/* The next answer's result; what it gives is thrown away. */
static int32_t result(void)
{
	struct pollfd in = {.fd = world.program, .events = POLLIN};
	static char rest[SOCKETS_REQUEST_MAX];
	struct sockets_answer a;

	assert_int_equal(poll(&in, 1, LIMIT_MS), 1);
	assert_int_equal(recv(world.program, &a, sizeof(a), MSG_WAITALL), sizeof(a));
	if (a.length > sizeof(a))
		assert_int_equal(recv(world.program, rest, a.length - sizeof(a), MSG_WAITALL),
			a.length - sizeof(a));
	return a.result;
}

/* The thread has done all that it was asked and told before: it answers the next, too. */
static void settle(void)
{
	ask((struct sockets_request){.call = SOCKETS_POLL}, NULL, 0);
	assert_int_equal(result(), 0);
}

/* Socket 0, connected. */
static struct seat *connected(void)
{
	const struct sockets_name to = {0xc6120001, 80, 0};
	struct ask a;

	ask((struct sockets_request){.call = SOCKETS_SOCKET, .flags = SOCK_STREAM}, NULL, 0);
	assert_int_equal(result(), 0);
	ask((struct sockets_request){.call = SOCKETS_CONNECT, .timeout_ms = -1}, &to, sizeof(to));
	a = asked(ASK_CONNECT);
	tell((struct tell){
		.seat = a.seat, .what = SEAT_READY | SEAT_OPEN, .addr = 0xc61200fe, .port = 40000});
	assert_int_equal(result(), 0);
	return a.seat;
}

/* --- life --- */

static int setup(void **state)
{
	struct sockets_conf c = conf;

	(void)state;
	world.pool = heap_pool_new(POOL, 2048 + RTE_PKTMBUF_HEADROOM);
	world.net = calloc(1, sizeof(*world.net));
	world.w = aligned_alloc(64, RTE_ALIGN_CEIL(sizeof(*world.w), 64));
	memset(world.w, 0, sizeof(*world.w));
	world.net->limits.mbufs = POOL;
	world.net->limits.mbuf_size = 2048;
	world.net->n_workers = 1;
	world.net->worker[0] = world.w;
	world.w->net = world.net;
	world.w->pool = world.pool;
	world.w->node = -1;
	bell_open(&world.w->bell);
	snprintf(world.path, sizeof(world.path), "/tmp/test-sockets-%d", getpid());
	memcpy(c.path, world.path, sizeof(world.path));
	assert_int_equal(socket_service_open(&world.service, world.net, &c), 0);
	assert_int_equal(socket_service_start(world.service), 0);
	world.program = open_program();
	return 0;
}

/* As a worker that carries out what is asked at the end. */
static void *end_of_worker(void *stop)
{
	atomic_bool *over = stop;
	struct ask a;

	while (!atomic_load(over)) {
		if (mailbox_take(world.w->sockets->asked, &a, 1) == 0) {
			usleep(100);
			continue;
		}
		seat_free_buffers(a.m);
		if (a.kind == ASK_CLOSE)
			tell((struct tell){.seat = a.seat, .what = SEAT_GONE});
	}
	return NULL;
}

static int teardown(void **state)
{
	atomic_bool over = false;
	pthread_t worker;

	(void)state;
	close(world.program);
	assert_int_equal(pthread_create(&worker, NULL, end_of_worker, &over), 0);
	socket_service_stop(world.service);
	atomic_store(&over, true);
	pthread_join(worker, NULL);
	assert_int_equal(world.service->n_seats, 0);
	socket_service_close(world.service);
	assert_int_equal(rte_mempool_in_use_count(world.pool), 0);
	heap_pool_free(world.pool);
	bell_close(&world.w->bell);
	free(world.w);
	free(world.net);
	return 0;
}

/* --- cases --- */

/* The next post of the thread's finds its ring full, and the one after it does not. */
static atomic_bool is_full;

bool __real_mailbox_post(struct mailbox *b, const void *message);
bool __wrap_mailbox_post(struct mailbox *b, const void *message);

bool __wrap_mailbox_post(struct mailbox *b, const void *message)
{
	if (b == world.w->sockets->asked && atomic_exchange(&is_full, false))
		return false;
	return __real_mailbox_post(b, message);
}

/* What was read behind the request for which there was no room is gone on with when there is. */
static void requests_held_back_go_on(void **state)
{
	const int32_t on = 1;
	char out[3 * (sizeof(struct sockets_request) + sizeof(on))];
	uint32_t end = 0;

	(void)state;
	connected();
	for (uint32_t i = 0; i < 3; i++)
		end += put(out + end,
			(struct sockets_request){.call = SOCKETS_SETOPT, .flags = SOCKETS_NODELAY},
			&on, sizeof(on));
	atomic_store(&is_full, true);
	assert_int_equal(send(world.program, out, end, MSG_NOSIGNAL), end);
	for (uint32_t i = 0; i < 3; i++) {
		assert_int_equal(result(), 0);
		asked(ASK_SET);
	}
}

static struct seat *child_of(struct seat *parent)
{
	struct seat *s = seat_new();

	s->parent = parent;
	s->peer_port = 1;
	tell((struct tell){.seat = s, .what = SEAT_CHILD});
	return s;
}

/* A connection that the program may not have leaves its place in the backlog to the next. */
static void a_refused_child_leaves_the_backlog(void **state)
{
	struct seat *parent, *child;
	struct ask a;

	(void)state;
	ask((struct sockets_request){.call = SOCKETS_SOCKET, .flags = SOCK_STREAM}, NULL, 0);
	assert_int_equal(result(), 0);
	ask((struct sockets_request){.call = SOCKETS_LISTEN, .timeout_ms = -1, .flags = 2}, NULL,
		0);
	a = asked(ASK_BIND);
	tell((struct tell){.seat = a.seat, .what = SEAT_READY});
	a = asked(ASK_LISTEN);
	parent = a.seat;
	tell((struct tell){.seat = parent, .what = SEAT_READY});
	assert_int_equal(result(), 0);
	for (uint32_t i = 1; i < conf.sockets; i++)
		child_of(parent);
	child = child_of(parent); /* one too many */
	a = asked(ASK_ACCEPTED);
	assert_ptr_equal(a.seat, parent);
	a = asked(ASK_CLOSE);
	assert_ptr_equal(a.seat, child);
	tell((struct tell){.seat = child, .what = SEAT_GONE});
}

/* Empty buffers for the thread; it hears of them. */
static void stock(uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(world.pool);

		assert_true(mailbox_post(world.w->sockets->stock, &m));
	}
	tell((struct tell){.what = SEAT_STOCK, .n = n});
}

static void send_bytes(uint32_t size, int32_t timeout_ms)
{
	static char body[sizeof(struct sockets_name) + SOCKETS_DATA_MAX];

	ask((struct sockets_request){.call = SOCKETS_SEND, .timeout_ms = timeout_ms}, body,
		(uint32_t)sizeof(struct sockets_name) + size);
}

/* No buffers: the worker is asked, and who may not wait is told when there are none to be had. */
static void sends_wait_for_buffers(void **state)
{
	struct ask a;

	(void)state;
	connected();
	send_bytes(100, -1);
	asked(ASK_STOCK);
	send_bytes(100, 0);
	tell((struct tell){.what = SEAT_STOCK, .n = 0});
	assert_int_equal(result(), -EAGAIN);
	stock(STOCK_LEAST);
	a = asked(ASK_SEND);
	assert_int_equal(a.m->pkt_len, 100);
	rte_pktmbuf_free(a.m);
	assert_int_equal(result(), 100);
}

/* A datagram for which there are too few buffers takes none: of these nothing is given back. */
static void a_datagram_takes_all_or_nothing(void **state)
{
	const struct sockets_name to = {0xc6120001, 9, 0};
	static char body[sizeof(to) + 60000];
	struct ask a;

	(void)state;
	memcpy(body, &to, sizeof(to));
	ask((struct sockets_request){.call = SOCKETS_SOCKET, .flags = SOCK_DGRAM}, NULL, 0);
	assert_int_equal(result(), 0);
	stock(10);
	ask((struct sockets_request){.call = SOCKETS_SEND, .timeout_ms = -1}, body, sizeof(body));
	a = asked(ASK_OPEN_UDP);
	tell((struct tell){.seat = a.seat, .what = SEAT_READY});
	asked(ASK_STOCK);
	assert_int_equal(mailbox_count(world.w->sockets->stock), 10);
	stock(STOCK_LEAST);
	a = asked(ASK_SEND_UDP);
	assert_int_equal(a.m->pkt_len, 60000);
	rte_pktmbuf_free(a.m);
	assert_int_equal(result(), 60000);
}

/* Whether the program's stream takes more within a second. */
static bool takes_more(void)
{
	struct pollfd out = {.fd = world.program, .events = POLLOUT};

	return poll(&out, 1, 1000) == 1;
}

#define SENDS 256

/* Calls that wait for a worker hold memory: beyond some of them nothing is read. */
static void calls_that_wait_for_workers_are_bounded(void **state)
{
	static char message[SOCKETS_REQUEST_MAX], body[sizeof(struct sockets_name) + 60000];
	uint32_t size =
		put(message, (struct sockets_request){.call = SOCKETS_SEND, .timeout_ms = -1}, body,
			sizeof(body));
	uint32_t sent = 0;

	(void)state;
	connected();
	while (sent < SENDS * size && takes_more()) {
		ssize_t n = send(world.program, message + sent % size, size - sent % size,
			MSG_DONTWAIT | MSG_NOSIGNAL);

		sent += n > 0 ? (uint32_t)n : 0;
	}
	assert_true(sent < SENDS * size / 2);
}

#define PEEKS 30

/* Whoever does not take answers gets no more of them, whatever calls could be answered. */
static void answers_that_nobody_takes_are_bounded(void **state)
{
	const struct sockets_recv recv = {SOCKETS_DATA_MAX};
	int other = open_program(), own;
	struct seat *seat = connected();
	struct rte_mbuf *data = NULL, **end = &data;
	struct client *c;

	(void)state;
	for (uint32_t i = 0; i < PEEKS; i++)
		ask(
			(struct sockets_request){
				.call = SOCKETS_RECV, .timeout_ms = -1, .flags = MSG_PEEK},
			&recv, sizeof(recv));
	settle();
	for (uint32_t i = 0; i < 32; i++)
		end = &(*end = data_of(2000))->next;
	tell((struct tell){.seat = seat, .what = SEAT_DATA, .m = data});
	own = world.program;
	world.program = other;
	settle();
	c = TAILQ_FIRST(&world.service->clients);
	assert_in_range(c->out_room, 1, 1 << 20);
	world.program = own;
	for (uint32_t i = 0; i < PEEKS; i++)
		assert_int_equal(result(), 64000);
	settle();
	close(other);
}

/* While the port of a datagram socket is being opened for one call, another waits for it. */
static void calls_on_a_port_that_is_being_opened_wait(void **state)
{
	const struct sockets_name to = {0xc6120001, 9, 0};
	struct ask a;

	(void)state;
	ask((struct sockets_request){.call = SOCKETS_SOCKET, .flags = SOCK_DGRAM}, NULL, 0);
	assert_int_equal(result(), 0);
	stock(STOCK_LEAST);
	for (uint32_t i = 0; i < 2; i++)
		ask((struct sockets_request){.call = SOCKETS_SEND, .timeout_ms = -1}, &to,
			sizeof(to));
	settle();
	a = asked(ASK_OPEN_UDP);
	tell((struct tell){.seat = a.seat, .what = SEAT_READY});
	for (uint32_t i = 0; i < 2; i++) {
		assert_int_equal(result(), 0);
		rte_pktmbuf_free(asked(ASK_SEND_UDP).m);
	}
}

/* close() that could linger, but for the number of calls that wait, ends the socket all the same.
 */
static void a_close_too_many_does_not_linger(void **state)
{
	const struct sockets_recv one = {1};
	const int32_t linger = 3600;

	(void)state;
	connected();
	stock(STOCK_LEAST);
	send_bytes(100, -1);
	rte_pktmbuf_free(asked(ASK_SEND).m);
	assert_int_equal(result(), 100);
	ask((struct sockets_request){.call = SOCKETS_SETOPT, .flags = SOCKETS_LINGER}, &linger,
		sizeof(linger));
	assert_int_equal(result(), 0);
	ask((struct sockets_request){.call = SOCKETS_SOCKET, .flags = SOCK_DGRAM}, NULL, 0);
	assert_int_equal(result(), 1);
	for (uint32_t i = 0; i < conf.calls; i++)
		ask((struct sockets_request){.call = SOCKETS_RECV, .socket = 1, .timeout_ms = -1},
			&one, sizeof(one));
	ask((struct sockets_request){.call = SOCKETS_CLOSE, .timeout_ms = -1}, NULL, 0);
	assert_int_equal(result(), 0);
	asked(ASK_SHUTDOWN);
	tell((struct tell){.seat = asked(ASK_CLOSE).seat, .what = SEAT_GONE});
}

/* The peer's answer and the worker's come together: what is said does not depend on it. */
static void a_connect_that_does_not_wait_says_so(void **state)
{
	const struct sockets_request call = {.call = SOCKETS_CONNECT};
	const struct sockets_name to = {0xc6120001, 80, 0};
	struct ask a;

	(void)state;
	ask((struct sockets_request){.call = SOCKETS_SOCKET, .flags = SOCK_STREAM}, NULL, 0);
	assert_int_equal(result(), 0);
	ask(call, &to, sizeof(to));
	a = asked(ASK_CONNECT);
	tell((struct tell){
		.seat = a.seat, .what = SEAT_READY | SEAT_OPEN, .addr = 0xc61200fe, .port = 40000});
	assert_int_equal(result(), -EINPROGRESS);
	ask(call, &to, sizeof(to));
	assert_int_equal(result(), 0);
	ask(call, &to, sizeof(to));
	assert_int_equal(result(), -EISCONN);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_connect_that_does_not_wait_says_so),
		CASE(requests_held_back_go_on),
		CASE(a_refused_child_leaves_the_backlog),
		CASE(sends_wait_for_buffers),
		CASE(a_datagram_takes_all_or_nothing),
		CASE(calls_on_a_port_that_is_being_opened_wait),
		CASE(a_close_too_many_does_not_linger),
		CASE(calls_that_wait_for_workers_are_bounded),
		CASE(answers_that_nobody_takes_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
