/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sockets: the messages by which local programs use millrace's TCP and UDP.
 *
 * A program connects to the Unix stream socket that the configuration names
 * (system.socket_service), sends requests and gets answers. libmillrace_sockets (mrs.h) does this
 * for C programs; whoever speaks for himself needs only this page.
 *
 * A request is a struct sockets_request, what its call takes, and, for SOCKETS_SEND and
 * SOCKETS_SETOPT, bytes up to `length`. Each request gets one answer with its id: a struct
 * sockets_answer and what the call gives. Numbers are in the machine's byte order (both ends are on
 * one machine), addresses and ports too: 198.18.0.1 is 0xc6120001. Padding and `zero` are 0.
 *
 * Requests begin in the order in which they came and are answered when they can be: one that
 * waits (timeout_ms not 0) keeps no other from being answered, so that threads can share a
 * connection. With timeout_ms 0 the answer is -EAGAIN (-EINPROGRESS for SOCKETS_CONNECT) where
 * it would wait.
 *
 * Sockets belong to the connection that made them, numbered from 0, lowest free first. When it
 * closes, they are aborted: peers get resets. A request that is none (version, length, call or size
 * of its arguments) is answered by -EBADMSG; then the connection is closed. One call too many that
 * waits is answered by -ENOBUFS.
 */
#ifndef SERVICE_SOCKETS_H
#define SERVICE_SOCKETS_H

#include <stddef.h>
#include <stdint.h>

#define SOCKETS_VERSION	    1
#define SOCKETS_DATA_MAX    65536 /* bytes of data in one message */
#define SOCKETS_POLL_MAX    4096  /* sockets in one SOCKETS_POLL */
#define SOCKETS_REQUEST_MAX (sizeof(struct sockets_request) + 8 + SOCKETS_DATA_MAX)

enum sockets_call {
	/* flags: SOCK_STREAM or SOCK_DGRAM. Result: the socket. */
	SOCKETS_SOCKET,
	/* takes struct sockets_name; address 0: any, port 0: chosen */
	SOCKETS_BIND,
	/* flags: the backlog */
	SOCKETS_LISTEN,
	/* Result: the socket; gives struct sockets_name, the peer's. */
	SOCKETS_ACCEPT,
	/* takes struct sockets_name; of a UDP socket, 0 and 0 undo it */
	SOCKETS_CONNECT,
	/*
	 * takes struct sockets_recv; flags: MSG_PEEK, MSG_WAITALL, MSG_OOB, MSG_TRUNC (UDP: the
	 * result is the whole datagram's length). Gives struct sockets_name (of UDP, the sender)
	 * and the bytes; result: how many, 0 at the end of the stream.
	 */
	SOCKETS_RECV,
	/*
	 * takes struct sockets_name (of UDP: to whom, 0 and 0 if connected) and the bytes; flags:
	 * MSG_MORE, MSG_OOB. Waits until all of it is queued. Result: how many bytes are.
	 */
	SOCKETS_SEND,
	/* flags: SHUT_RD, SHUT_WR, SHUT_RDWR */
	SOCKETS_SHUTDOWN,
	/* The number is free at once; the answer waits for SOCKETS_LINGER. */
	SOCKETS_CLOSE,
	/* flags: enum sockets_option. Gives an int32_t, struct sockets_info or a text. */
	SOCKETS_GETOPT,
	/* flags: enum sockets_option, and its value */
	SOCKETS_SETOPT,
	/* flags: enum sockets_count; result: the number */
	SOCKETS_COUNT,
	/* Gives struct sockets_name; flags: 0 its own, 1 the peer's */
	SOCKETS_NAME,
	/*
	 * takes struct sockets_poll, any number up to SOCKETS_POLL_MAX, and gives them with
	 * `revents` filled in; `socket` of the request is not used. Result: how many have any.
	 */
	SOCKETS_POLL,
	SOCKETS_CALLS,
};

struct sockets_request {
	uint32_t length; /* of all of it, these bytes among them */
	uint32_t id;	 /* comes back in the answer */
	uint8_t version;
	uint8_t zero;
	uint16_t call;	    /* enum sockets_call */
	int32_t socket;	    /* of SOCKETS_SOCKET and SOCKETS_POLL: 0 */
	int32_t timeout_ms; /* how long it may wait: 0 not at all, -1 for ever */
	uint32_t flags;	    /* see the call; bits that it does not know are ignored */
};

struct sockets_answer {
	uint32_t length;
	uint32_t id;
	int32_t result; /* or a negative errno */
	uint32_t zero;
};

struct sockets_name {
	uint32_t addr;
	uint16_t port;
	uint16_t zero;
};

struct sockets_recv {
	uint32_t size; /* at most SOCKETS_DATA_MAX bytes come, whatever it says */
};

struct sockets_poll {
	int32_t socket;	 /* negative: passed over */
	int16_t events;	 /* POLLIN, POLLOUT, POLLPRI, POLLRDHUP */
	int16_t revents; /* these, POLLERR, POLLHUP, POLLNVAL */
};

/* Each an int32_t unless it says otherwise. As the option of that name, socket(7), tcp(7), ip(7).
 */
enum sockets_option {
	SOCKETS_ERROR,	   /* get: clears it */
	SOCKETS_TYPE,	   /* get */
	SOCKETS_LISTENS,   /* get: SO_ACCEPTCONN */
	SOCKETS_REUSEADDR, /* kept; an address in TIME_WAIT is no obstacle anyway */
	SOCKETS_LINGER,	   /* seconds, 0: close() resets; -1: off */
	SOCKETS_SNDBUF,	   /* bytes, as they are */
	SOCKETS_RCVBUF,
	SOCKETS_OOBINLINE,
	SOCKETS_KEEPALIVE,
	SOCKETS_KEEPIDLE,  /* s */
	SOCKETS_KEEPINTVL, /* s */
	SOCKETS_KEEPCNT,   /* at most 255 */
	SOCKETS_NODELAY,
	SOCKETS_CORK,
	SOCKETS_USER_TIMEOUT, /* ms, 0: the stack's own limit */
	SOCKETS_MAXSEG,	      /* set: before connecting or listening */
	SOCKETS_CONGESTION,   /* a text of at most 15 bytes, without a NUL; set: as MAXSEG */
	SOCKETS_TTL,	      /* 1 to 255 */
	SOCKETS_TOS,	      /* the upper six bits count */
	SOCKETS_INFO,	      /* get: struct sockets_info */
	SOCKETS_OPTIONS,
};

enum sockets_count {
	SOCKETS_UNREAD,	 /* FIONREAD */
	SOCKETS_UNACKED, /* SIOCOUTQ */
	SOCKETS_AT_MARK, /* SIOCATMARK */
	SOCKETS_COUNTS,
};

/* What Linux' struct tcp_info has of it; times in us, sizes in bytes but where they say. */
struct sockets_info {
	uint32_t state; /* Linux' numbers: 1 ESTABLISHED, ..., 11 CLOSING */
	uint32_t has_timestamps;
	uint32_t has_sack;
	uint32_t has_ecn;
	uint32_t send_scale;
	uint32_t receive_scale;
	uint32_t rto_us;
	uint32_t mss;
	uint32_t unacked;
	uint32_t unsent;
	uint32_t retransmits; /* of its whole life */
	uint32_t srtt_us;
	uint32_t rttvar_us;
	uint32_t min_rtt_us;
	uint32_t cwnd;
	uint32_t ssthresh;
	uint32_t send_window;
	uint32_t receive_window;
};

_Static_assert(sizeof(struct sockets_request) == 24 && sizeof(struct sockets_answer) == 16 &&
		       sizeof(struct sockets_name) == 8 && sizeof(struct sockets_poll) == 8,
	"as other programs lay them out");

/*
 * Whether a request is one: `have` bytes of it are at p, any number. 0: it is whole and in order.
 * A positive number: so many bytes are needed before it can be said. -EBADMSG: it is none.
 */
int sockets_request_check(const void *p, size_t have);

#endif
