/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The socket service's thread: what its files share. For lib/service alone.
 *
 *   sockets.c          the thread: its loop, what workers are asked and tell
 *   sockets_client.c   streams of programs: requests in, answers out, calls that wait
 *   sockets_sock.c     a socket's life, and what it hears from workers
 *   sockets_calls.c    calls: naming, connecting, accepting, closing, polling
 *   sockets_data.c     calls: receiving and sending
 *   sockets_option.c   calls: options
 *   sockets_msg.c      what a request must look like
 *   sockets_worker.c, sockets_udp.c   the other side
 */
#ifndef SERVICE_SOCKETS_INNER_H
#define SERVICE_SOCKETS_INNER_H

#include "net/net.h"
#include "service/socket_service.h"
#include "service/sockets.h"
#include "sockets_seat.h"

#include <errno.h>
#include <pthread.h>
#include <sys/queue.h>

#define BOUND_BUCKETS 1024

/* What a call answers instead of a result. */
#define CALL_WAITS INT32_MIN	   /* for a peer or another call, as long as it may */
#define CALL_SOON  (INT32_MIN + 1) /* for a worker, which will not be long */

struct client;
struct sock;

enum sock_state {
	SOCK_NEW, /* TCP: neither listens nor connects; UDP: without a port */
	SOCK_LISTENS,
	SOCK_CONNECTING,
	SOCK_OPEN, /* UDP: has a port */
};

/* A datagram that waits to be read. */
struct datagram {
	STAILQ_ENTRY(datagram) next;
	struct rte_mbuf *m; /* NULL: no data */
	uint32_t size;
	uint32_t addr;
	uint16_t port;
	uint16_t worker;
};

TAILQ_HEAD(socks, sock);

struct sock {
	TAILQ_ENTRY(sock) all;	   /* of its client */
	TAILQ_ENTRY(sock) waiting; /* for accept() */
	struct sock *next_bound;
	struct client *client;
	struct sock *listener; /* not accepted yet; else NULL */
	struct socks children;
	int32_t number; /* -1: has none (yet, or any more) */
	uint64_t turn;	/* in which it changed last */

	struct seat **seat; /* UDP and listeners: one on each worker; else seat[0] */
	uint16_t n_seats;
	uint16_t home;	     /* the worker of seat[0] */
	uint16_t awaited;    /* SEAT_READY */
	int answer;	     /* of them: 0 or the first -errno */
	struct call *asking; /* whose answer it is */

	enum sock_state state;
	bool is_udp;
	bool bound;  /* in the table of ports */
	bool failed; /* a connection could not be opened, and connect() has not said so */
	bool fin;    /* nothing more will come */
	bool eof;    /* since the peer said so */
	bool agreed; /* connect() has said that it is connected, as it does once */
	bool ended;  /* the connection is no more */
	bool shut_rd;
	bool shut_wr;
	bool reuse;
	bool oob_inline;
	bool keepalive;
	bool info_asked;
	bool info_there;
	int error;  /* errno, told once */
	int linger; /* s; -1: off */
	uint32_t keep_idle_s;
	struct sock_options options;

	/* host order */
	uint32_t addr;
	uint32_t remote;
	uint16_t port;
	uint16_t remote_port;
	uint32_t backlog;

	/* what came and was not read: buffers by `next` */
	struct rte_mbuf *in;
	struct rte_mbuf *in_last;
	uint32_t skip; /* read of the first */
	uint32_t unread;
	uint32_t at; /* bytes read since the beginning, modulo 2^32 */
	bool urgent; /* there is a mark that was not passed */
	bool urgent_read;
	uint32_t urgent_at; /* the urgent byte, counted as `at` */
	STAILQ_HEAD(, datagram) datagrams;

	uint32_t unacked; /* bytes asked to be sent and not acknowledged */
};

/* A request that has begun. */
struct call {
	TAILQ_ENTRY(call) next;
	struct sockets_request r;
	struct sock *sock;
	uint64_t deadline_ms; /* UINT64_MAX: none */
	bool may_wait;
	bool soon;     /* its last answer was CALL_SOON */
	uint32_t step; /* the call's own: what was done, and how much */
	uint32_t size; /* of what follows the header */
	const char *body;
};

TAILQ_HEAD(calls, call);

/* Where a call puts what it gives. */
struct reply {
	char *data;
	uint32_t room;
	uint32_t size;
};

struct client {
	TAILQ_ENTRY(client) all;
	TAILQ_ENTRY(client) change;
	struct socket_service *service;
	int fd;
	bool changed;	 /* on the list of those with calls to try again */
	bool dead;	 /* ended at the end of the turn */
	bool stalled;	 /* does not take its answers: no more requests meanwhile */
	uint32_t events; /* that epoll tells of */

	struct sock **sock; /* by number */
	uint32_t n_numbers;
	uint32_t n_socks;
	struct socks socks;
	struct calls calls; /* that wait, in order */
	uint32_t n_calls;
	uint32_t n_soon; /* of these, those that wait for a worker */
	bool late;	 /* calls were not tried again, for want of room for what they give */

	char *in;
	uint32_t in_at; /* read from here */
	uint32_t in_end;
	uint32_t in_room;
	char *out;
	uint32_t out_at;
	uint32_t out_end;
	uint32_t out_room;
};

TAILQ_HEAD(clients, client);

/* What there was no room to ask. */
struct asks {
	struct ask *list;
	uint32_t first;
	uint32_t n;
	uint32_t room;
	bool ring;    /* the worker's bell */
	bool starved; /* its buffers were too few; it was asked for more */
	bool barren;  /* it has said that it has none */
};

struct socket_service {
	struct net *net;
	struct sockets_conf conf;
	int listener;
	int epoll;
	pthread_t thread;
	bool runs;
	_Atomic bool stop; /* control: w, thread: r */
	struct bell bell;  /* the thread's */

	/* thread's */
	uint64_t turn;
	uint64_t now_ms;
	uint64_t next_deadline_ms;
	struct clients clients;
	struct clients changed;
	uint32_t n_clients;
	uint32_t n_seats;    /* that are not gone */
	uint32_t n_overflow; /* asks in `asks`: no more requests are read meanwhile */
	bool held_back;	     /* what kept requests from being gone on with may be over */
	bool any_dead;
	uint16_t next_worker;
	uint16_t next_port;
	struct asks asks[WORKER_MAX];
	struct sock *bound[BOUND_BUCKETS];
};

/* --- sockets.c --- */

void service_ask(struct socket_service *s, uint16_t worker, const struct ask *a);
/* An empty buffer of that worker's; NULL: none now, calls are tried again when there are. */
struct rte_mbuf *service_buffer(struct socket_service *s, uint16_t worker);
/* Whether there are as many; as above if not. */
bool service_has_buffers(struct socket_service *s, uint16_t worker, uint32_t n);
/* Calls are looked at when it is over, at the latest. */
void service_deadline(struct socket_service *s, uint64_t at_ms);

/* --- sockets_client.c --- */

void client_new(struct socket_service *s, int fd);
void client_event(struct client *c, uint32_t events);
/* Requests that were left in the buffer. */
void client_go_on(struct client *c);
/* Tries the calls again that wait for what changed in this turn. */
void client_retry(struct client *c);
void client_expire(struct client *c);
void client_flush(struct client *c);
void client_changed(struct client *c);
/* Calls on s that wait get this result; `except` may be NULL. */
void client_fail_calls(struct client *c, const struct sock *s, const struct call *except, int rc);
/* Everything of it is aborted. */
void client_end(struct client *c);

/* --- sockets_sock.c --- */

/* NULL: no memory, or the client has as many as it may. */
struct sock *sock_new(struct client *c, bool is_udp);
/* Gives it a number; -1 with no memory. */
int32_t sock_number(struct client *c, struct sock *s);
struct sock *sock_of(const struct client *c, int32_t number); /* NULL: none */
/* Its end: closed in order, or aborted. Listeners' children are aborted. */
void sock_end(struct sock *s, bool abort);
/* One seat on the home worker, or one on each. 0 or -ENOMEM. */
int sock_sit(struct sock *s, bool everywhere);
/* The seats are given up; the connection is aborted, or closed. */
void sock_leave(struct sock *s, bool abort);
/* Asks each of its workers; `answer` is there when `awaited` is 0 again. */
void sock_ask_all(struct sock *s, struct ask *a);
void sock_ask(struct sock *s, struct ask *a); /* its home */
void sock_changed(struct sock *s);
void sock_told(struct socket_service *s, const struct tell *t);
/* Puts it in the table of ports. 0 or -EADDRINUSE. */
int sock_bind(struct sock *s, uint32_t addr, uint16_t port);
void sock_unbind(struct sock *s);
/* A port that no socket of the kind has; 0: none. */
uint16_t sock_free_port(struct sock *s, uint32_t addr);
int sock_take_error(struct sock *s);

/* --- the calls --- */

typedef int32_t call_fn(struct client *c, struct call *k, struct reply *r);
extern call_fn *const sockets_calls[SOCKETS_CALLS];
call_fn call_recv, call_send, call_getopt, call_setopt;
int32_t call_wait(const struct call *k);
/* A UDP socket gets a port, if it has none: CALL_SOON, 0 or -errno. */
int32_t call_autobind(struct sock *s, struct call *k);

/* What poll() says of a socket. */
int16_t sock_ready(const struct sock *s);
/* Bytes that a read gets at once, up to the urgent byte that is not among them. */
uint32_t sock_readable(const struct sock *s);
uint32_t sock_send_room(const struct sock *s);

#endif
