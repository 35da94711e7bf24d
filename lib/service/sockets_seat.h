/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * seat: what the socket service's thread and a worker know of the same TCP connection, listener
 * or UDP port; and what they say to each other. For lib/service alone.
 *
 * The thread makes seats for what it asks for, the worker for connections that it accepts. Each
 * ends the same way: ASK_CLOSE, after which the worker tells SEAT_GONE and nothing more, and then
 * the thread frees it.
 */
#ifndef SERVICE_SOCKETS_SEAT_H
#define SERVICE_SOCKETS_SEAT_H

#include "base/mailbox.h"
#include "net/worker.h"
#include "tcp/tcp.h"

#include <stdalign.h>

#define SOCKETS_RING  4096 /* messages between the thread and a worker, each way */
#define SOCKETS_STOCK 512  /* empty buffers that wait for the thread */
#define STOCK_LEAST   128  /* of these, before it hears that there are some: any one call's */

struct sock;

enum ask_kind {
	ASK_BIND,    /* may addr:port be ours? udp says for whom -> SEAT_READY */
	ASK_LISTEN,  /* addr:port, n the backlog, options -> SEAT_READY */
	ASK_CONNECT, /* from addr:port to remote, options -> SEAT_READY, SEAT_OPEN */
	ASK_SEND,    /* m; flags: TCP_SEND_... */
	ASK_TAKEN,   /* n bytes were read; m: buffers that are empty now, or NULL. seat or NULL */
	ASK_SHUTDOWN,
	ASK_SET,      /* options */
	ASK_INFO,     /* -> SEAT_INFO */
	ASK_ACCEPTED, /* of a listener: there is room for one more */
	ASK_OPEN_UDP, /* addr:port, n: bytes of buffers that may wait -> SEAT_READY */
	ASK_AIM_UDP,  /* from remote alone; 0: any -> SEAT_READY */
	ASK_SEND_UDP, /* m, from addr (0: by the route) to remote; options' ttl and tos */
	ASK_CLOSE,    /* flags: ASK_ABORT -> SEAT_GONE */
	ASK_STOCK,    /* no seat: of buffers there are too few -> SEAT_STOCK, once or twice */
};
#define ASK_ABORT 1

struct sock_options {
	struct tcp_options tcp;
	bool cork;
};

/* The thread to a worker. Addresses and ports in host order. */
struct ask {
	uint8_t kind;
	uint8_t flags;
	uint16_t port;
	uint16_t remote_port;
	bool udp;
	uint32_t addr;
	uint32_t remote;
	uint32_t n;
	struct seat *seat;
	struct rte_mbuf *m;
	struct sock_options options;
};

enum {
	SEAT_READY = 1,		 /* what was asked for has been done, or not: error */
	SEAT_CHILD = 2,		 /* a listener's new connection; seat->parent is the listener's */
	SEAT_OPEN = 4,		 /* our own connection is established */
	SEAT_DATA = 8,		 /* m: buffers with what came, by `next` alone */
	SEAT_SENT = 16,		 /* n more bytes were acknowledged */
	SEAT_FIN = 32,		 /* the peer will send no more */
	SEAT_URGENT = 64,	 /* mark: where urgent data end, in bytes from the first received */
	SEAT_END = 128,		 /* the connection is no more; error */
	SEAT_INFO = 256,	 /* seat->info is there */
	SEAT_GONE = 512,	 /* the last */
	SEAT_DATAGRAM = 1024,	 /* m: its data (NULL: none), from addr:port */
	SEAT_UNREACHABLE = 2048, /* UDP: an ICMP error, or no route: error */
	SEAT_STOCK = 4096,	 /* no seat: n buffers are there; 0: none are to be had, wait */
};

/* A worker to the thread. */
struct tell {
	struct seat *seat;
	struct rte_mbuf *m;
	uint32_t n;
	uint32_t mark;
	uint32_t addr; /* of SEAT_DATAGRAM: the peer's; else our own */
	uint16_t port;
	uint16_t what;
	uint8_t error;
	uint8_t ready_error;
	uint8_t owner; /* SEAT_READY with EXDEV: ask this worker */
};

struct seat {
	/* worker's, from the first ask on; a child's is born there */
	struct tcp_conn *conn;
	int listener;	    /* -1: none */
	bool is_udp;	    /* in the table of ports */
	bool listed;	    /* has something to tell */
	uint8_t send_flags; /* of what waits */
	bool shuts;	    /* after that */
	struct seat *next;  /* on the list of those that tell */
	struct seat *on_port;
	struct rte_mbuf *in; /* came, not told yet */
	struct rte_mbuf *in_last;
	struct rte_mbuf *out; /* asked to be sent, when the stack had no room */
	struct tell told;     /* what there is to tell */
	struct sock_options options;
	uint32_t waiting; /* of a listener: accepted by us, not by the program */
	uint32_t backlog;
	uint32_t addr;
	uint32_t remote;
	uint32_t held; /* UDP: bytes of buffers that wait to be read */
	uint32_t hold_most;
	uint16_t port;
	uint16_t remote_port;

	/* worker: w before it is told, thread: r after */
	struct seat *parent;
	uint32_t local;
	uint32_t peer;
	uint16_t local_port;
	uint16_t peer_port;
	struct tcp_info info;

	/* thread's */
	alignas(64) struct sock *sock; /* NULL: waits for its end */
	uint16_t worker;
	bool closing;
};

/* A worker's end. */
struct sockets_end {
	struct mailbox *asked; /* thread: w, worker: r */
	struct mailbox *told;  /* worker: w, thread: r */
	struct mailbox *stock; /* of struct rte_mbuf *; worker: w, thread: r */
	struct bell *thread;   /* rung when something was told */

	/* worker's */
	struct seat *first; /* those that have something to tell */
	struct seat *last;
	bool ring;     /* something was told that is in no seat */
	bool starved;  /* the thread waits for buffers */
	bool barren;   /* and knows that there are none */
	uint32_t held; /* buffers that the thread has, but for the stock */
	uint32_t held_most;
	struct seat *by_port[1024]; /* UDP, by the low bits of the port */
};

extern const struct tcp_ops sockets_ops; /* of connections; user: the seat */

/* NULL: no memory. Freed by free(). Either thread. */
struct seat *seat_new(void);
/* The seat has more to tell. Worker. */
void seat_tell(struct sockets_end *e, struct seat *s, uint16_t what);
/* Segments of a list by `next`, each for itself. Returns how many. Worker. */
uint32_t seat_free_buffers(struct rte_mbuf *m);

/* sockets_udp.c; worker */
int seat_open_udp(struct worker *w, struct seat *s, const struct ask *a);
void seat_close_udp(struct sockets_end *e, struct seat *s);
void seat_send_udp(struct worker *w, const struct ask *a);
/* 0 or -errno: whether a socket of ours may have this address and port. */
int seat_may_bind(const struct worker *w, bool udp, uint32_t addr, uint16_t port);

/* Both, for the thread alone: the worker's ends come and go with the service. Control. */
int sockets_end_new(struct worker *w, struct bell *thread, uint32_t held_most);
void sockets_end_free(struct worker *w);

#endif
