/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tcp: one core's TCP (RFC 9293), as a server and as a client.
 *
 * Segments, time and calls of the application go in; events and segments come out. Nothing here
 * waits, reads a clock or asks another core. A pass of the worker is
 *
 *   tcp_clock()   the time, once
 *   tcp_input()   received segments, and the callbacks that they cause
 *   tcp_timers()  what time has brought
 *   tcp_output()  segments, of every connection that has something to say
 *
 * Callbacks may call anything below on any connection of the same core; they never emit a packet.
 *
 * A handle (struct tcp_conn *) is the application's from tcp_connect() or on_accept() until it
 * calls tcp_close() or tcp_abort(), or until on_end() returns. After that no callback comes.
 *
 * Addresses and ports are in host order, times in microseconds unless the name says otherwise.
 * Everything is called by the one thread that owns the stack.
 */
#ifndef TCP_TCP_H
#define TCP_TCP_H

#include <rte_mbuf.h>

#include <stdbool.h>
#include <stdint.h>

struct tcp;
struct tcp_conn;
struct tcp_cc;
struct worker;

enum tcp_state {
	TCP_CLOSED,
	TCP_LISTEN, /* of listeners; no connection has it */
	TCP_SYN_SENT,
	TCP_SYN_RCVD,
	TCP_ESTABLISHED,
	TCP_FIN_WAIT_1,
	TCP_FIN_WAIT_2,
	TCP_CLOSING,
	TCP_TIME_WAIT, /* of records: see timewait.h */
	TCP_CLOSE_WAIT,
	TCP_LAST_ACK,
};

/* "FIN_WAIT_2" */
const char *tcp_state_name(enum tcp_state s);

/* What an application hears. Each may be NULL. */
struct tcp_ops {
	/* The handshake is done: of a listener's connection, of our own. */
	void (*on_accept)(struct tcp *t, struct tcp_conn *c);
	void (*on_connect)(struct tcp *t, struct tcp_conn *c);
	/*
	 * Bytes in order: a chain whose data are nothing but the payload, now the application's to
	 * free. They fill the receive window until tcp_consumed() says otherwise: a small segment,
	 * which takes a buffer all the same, by 512 bytes more than it has, and of such segments
	 * there are no more unread than that allows (DROP_TCP_CROWDED; they come again). Who reads
	 * nothing before all has come, in a copy, says that it is consumed. Without on_data they
	 * are freed and consumed.
	 */
	void (*on_data)(struct tcp *t, struct tcp_conn *c, struct rte_mbuf *m);
	/* So many bytes, the oldest, were acknowledged; their buffers are freed. */
	void (*on_sent)(struct tcp *t, struct tcp_conn *c, uint32_t bytes);
	/* The peer will send no more (its FIN). We still may. */
	void (*on_close)(struct tcp *t, struct tcp_conn *c);
	/* The peer has urgent data; tcp_urgent() says where they end (RFC 9293 MUST-31, 32). */
	void (*on_urgent)(struct tcp *t, struct tcp_conn *c);
	/*
	 * Not the end, but good to know: a soft error (RFC 9293 MUST-56, SHLD-25), or ETIMEDOUT
	 * when retransmission has gone on for R1 (SHLD-9).
	 */
	void (*on_notice)(struct tcp *t, struct tcp_conn *c, int error);
	/*
	 * The connection has ended: 0 when both directions were closed in order, else ECONNRESET,
	 * ECONNREFUSED, ECONNABORTED (an operator did it), ETIMEDOUT, EHOSTUNREACH, ENETUNREACH,
	 * ENOPROTOOPT, ENOMEM.
	 */
	void (*on_end)(struct tcp *t, struct tcp_conn *c, int error);
};

/* What a connection starts with; tcp_settings_default, then changed where it matters. */
struct tcp_options {
	uint32_t receive_buffer; /* bytes that the peer may be ahead of the application */
	uint32_t send_buffer;	 /* bytes that tcp_send() takes before they are acknowledged */
	/*
	 * unacknowledged for so long, at most 19 h, ends it (RFC 5482), whether or not the peer
	 * answers probes of its closed window, and our SYN, too; 0: only R2, which such answers put
	 * off for ever
	 */
	uint32_t user_timeout_ms;
	/*
	 * A peer that within so long (in whole seconds, at most 18 h) takes neither all that was
	 * queued at the beginning nor 250 bytes a second of it is let go: reset, ETIMEDOUT. 0:
	 * never
	 */
	uint32_t stall_timeout_ms;
	uint32_t keepalive_idle_s;     /* 0: off (RFC 9293 MUST-25) */
	uint16_t keepalive_interval_s; /* between probes */
	uint8_t keepalive_probes;      /* unanswered ones that end it */
	uint8_t ttl;
	uint8_t tos; /* DSCP in the upper six bits */
	bool nodelay;
	uint16_t mss;		 /* never announce or send more; 0: by the MTU */
	const struct tcp_cc *cc; /* NULL: the stack's */
};

/* What holds for a whole stack. */
struct tcp_settings {
	uint32_t msl_ms; /* TIME_WAIT lasts twice as long */
	uint32_t rto_min_us;
	uint32_t rto_max_us;
	uint32_t rto_first_us; /* before there is a measurement (RFC 6298 2.1) */
	uint32_t delayed_ack_us;
	uint32_t r1_retries;	     /* on_notice() after so many retransmissions */
	uint32_t r2_ms;		     /* the end after so long without progress: data */
	uint32_t syn_r2_ms;	     /* the same for our SYN (at least 3 minutes, MUST-23) */
	uint8_t syn_ack_retries;     /* then a half-open connection is forgotten */
	uint32_t fin_wait_2_ms;	     /* for a connection that the application has closed */
	uint32_t challenge_acks;     /* per second and connection (RFC 5961), 0: none */
	uint32_t challenge_acks_all; /* per second in all, 0: no limit */
	uint16_t mtu_floor;	     /* path MTU discovery goes no lower */
	bool timestamps;
	bool sack;
	bool window_scaling;
	bool ecn;      /* ask for it; it is always granted */
	bool path_mtu; /* don't-fragment on every segment */
	const struct tcp_cc *cc;
	struct tcp_options options; /* for connections that say nothing else */
};

extern const struct tcp_settings tcp_settings_default;

/* How much of everything there may be. */
struct tcp_limits {
	uint32_t connections;
	uint32_t time_waits;
	uint32_t listeners;
	uint32_t orphans;      /* closed by the application, not yet by the peer */
	uint64_t held_bytes;   /* out of order or waiting to be sent, in all */
	uint32_t held_buffers; /* the same in mbufs */
};

extern const struct tcp_limits tcp_limits_default;

/* What the stack leaves to whoever sends its packets (net/offload.h, net/gso.h). */
struct tcp_leave {
	uint32_t burst; /* bytes of data in one packet, to be cut to segments; 0: only segments */
	bool sums;	/* checksums over data that are sent by reference */
};

/* What the stack asks its surroundings. */
struct tcp_env {
	/*
	 * The way to `remote`: *local (if it is 0) becomes the address to send from, *mtu the
	 * link's. 0 or a negative errno: no route.
	 */
	int (*route)(void *arg, uint32_t remote, uint32_t *local, uint16_t *mtu);
	/* Whether answers from remote to local come to this core; NULL: always. */
	bool (*is_home)(void *arg, uint32_t local, uint32_t remote, uint16_t local_port,
		uint16_t remote_port);
	/* What of data to `remote` whoever sends does; NULL: nothing. */
	struct tcp_leave (*leave)(void *arg, uint32_t remote);
	void *arg;
};

/*
 * A stack on a worker: packets are dropped, consumed and originated in the worker's books, buffers
 * come from its pool. seed: 32 random bytes, alike on every worker of a process (a SYN cookie may
 * come back to any). NULL: no memory. env is copied.
 */
struct tcp *tcp_new(struct worker *w, const struct tcp_settings *s, const struct tcp_limits *l,
	const struct tcp_env *env, const uint64_t seed[4]);
/* Everything is freed, nobody is told. */
void tcp_free(struct tcp *t);

/*
 * Other settings, from now on; connections keep what they began with where they have their own, and
 * so do listeners that were opened with options.
 */
void tcp_configure(struct tcp *t, const struct tcp_settings *s);

/* Whose stack it is. */
struct worker *tcp_worker(const struct tcp *t);

void tcp_clock(struct tcp *t, uint64_t now_us);

/*
 * n segments for this host, at most TCP_BURST, each an IPv4 packet that check has seen: valid,
 * whole, at pkt_ip4(), its TCP header not looked at. Takes ownership. What belongs to nobody comes
 * back in `stray`, room for n: it is well-formed, and no listener or connection wants it. Returns
 * how many did.
 */
uint32_t tcp_input(struct tcp *t, struct rte_mbuf **pkt, uint32_t n, struct rte_mbuf **stray);

/* Whether the address that a segment is for has a listener: its strays are nobody else's. */
bool tcp_listens(const struct tcp *t, const struct rte_mbuf *m);

/* Answers a stray segment with the reset that RFC 9293 3.10.7.1 asks for; m stays the caller's. */
void tcp_refuse(struct tcp *t, const struct rte_mbuf *m);

/*
 * An ICMP error about a segment of ours: the quoted IPv4 header and at least eight bytes behind it.
 * mtu: of "fragmentation needed", 0 if it does not say. True: one of our connections.
 */
bool tcp_icmp(
	struct tcp *t, const void *quoted, uint32_t len, uint8_t type, uint8_t code, uint16_t mtu);

/* Timers that are due, at most `max` connections. Returns how many were looked at. */
uint32_t tcp_timers(struct tcp *t, uint32_t max);

/*
 * At most max segments, in as many packets or fewer: IPv4 packets with room for Ethernet before
 * them and PKT_ORIGIN in m->port; what is left stays queued. Returns how many packets.
 */
uint32_t tcp_output(struct tcp *t, struct rte_mbuf **pkt, uint32_t max);

/* Whether tcp_output() has something to do. */
bool tcp_has_output(const struct tcp *t);

/* Microseconds until the next timer, at most `horizon`. */
uint64_t tcp_next_timer(const struct tcp *t, uint64_t horizon_us);

/* --- listeners --- */

/*
 * addr: 0 for any. Connections get ops and user. backlog: half-open connections at the same time,
 * beyond which SYNs are answered by cookies. Returns the listener's number, or -EADDRINUSE,
 * -ENOSPC. options: NULL for the stack's.
 */
int tcp_listen(struct tcp *t, uint32_t addr, uint16_t port, uint32_t backlog,
	const struct tcp_ops *ops, void *user, const struct tcp_options *options);
/*
 * Half-open connections of it go to the listener, if there is one in the next passes, that would
 * get their SYN now, and has the same ops; else they are reset, some in each pass. Those accepted
 * go on. A number that is not open is ignored.
 */
void tcp_unlisten(struct tcp *t, int listener);
/* What connections accepted from now on begin with; NULL: the stack's. */
void tcp_listen_options(struct tcp *t, int listener, const struct tcp_options *options);
/* While paused, SYNs and final ACKs are ignored, and their senders try again. */
void tcp_listen_pause(struct tcp *t, int listener, bool paused);

/* --- connections --- */

/*
 * local and local_port 0: chosen. Returns NULL with *error: -EADDRINUSE, -EADDRNOTAVAIL (no port
 * is left), -ENETUNREACH, -EINVAL (a broadcast or multicast address), -ENOMEM.
 */
struct tcp_conn *tcp_connect(struct tcp *t, uint32_t local, uint16_t local_port, uint32_t remote,
	uint16_t remote_port, const struct tcp_ops *ops, void *user,
	const struct tcp_options *options, int *error);

enum {
	TCP_SEND_MORE = 1,   /* more comes at once: hold back what does not fill a segment */
	TCP_SEND_URGENT = 2, /* the last byte ends urgent data */
};

/*
 * Takes a chain of mbufs (direct, indirect, with external buffers) whose data are the bytes to
 * send; the data are not changed (what follows may be put behind them), and are freed when
 * acknowledged. 0, or -ENOBUFS (more than the send buffer has room for, or no connection may hold
 * more), -EPIPE (after tcp_shutdown()), -ENOTCONN; then m stays the caller's.
 * Before the handshake is done they wait.
 */
int tcp_send(struct tcp *t, struct tcp_conn *c, struct rte_mbuf *m, unsigned int flags);

/*
 * Bytes that may be queued now: the send buffer's, but no more than a share of what is free of all
 * connections' memory, and of that at least two segments in all. Who queues no more is not refused.
 */
uint32_t tcp_send_room(const struct tcp *t, const struct tcp_conn *c);
/* Half of what may be queued is not, or less than two segments are: time to queue more. */
bool tcp_send_low(const struct tcp *t, const struct tcp_conn *c);

/* The application has really taken n of the bytes of on_data() (or all): the window may open. */
void tcp_consumed(struct tcp *t, struct tcp_conn *c, uint32_t n);

/* Sends what is queued, then FIN; receiving goes on. */
void tcp_shutdown(struct tcp *t, struct tcp_conn *c);

/*
 * The same, and the handle is given up. With bytes that were not consumed, or that still come, the
 * peer gets a reset (RFC 9293 3.10.4, RFC 2525 2.17).
 */
void tcp_close(struct tcp *t, struct tcp_conn *c);

/* A reset, and the handle is given up. */
void tcp_abort(struct tcp *t, struct tcp_conn *c);

/* Bytes from the next to be delivered up to the end of urgent data; 0: none. */
uint32_t tcp_urgent(const struct tcp_conn *c);

void tcp_set_nodelay(struct tcp *t, struct tcp_conn *c, bool on);
void tcp_set_cork(struct tcp *t, struct tcp_conn *c, bool on);
void tcp_set_keepalive(
	struct tcp *t, struct tcp_conn *c, uint32_t idle_s, uint16_t interval_s, uint8_t probes);
void tcp_set_user_timeout(struct tcp *t, struct tcp_conn *c, uint32_t ms);
void tcp_set_buffers(struct tcp *t, struct tcp_conn *c, uint32_t receive, uint32_t send);
void tcp_set_ttl_tos(struct tcp *t, struct tcp_conn *c, uint8_t ttl, uint8_t tos);

void *tcp_user(const struct tcp_conn *c);
void tcp_set_user(struct tcp_conn *c, const struct tcp_ops *ops, void *user);

/* A look at one connection, for operators and TCP_INFO. */
struct tcp_info {
	uint32_t local;
	uint32_t remote;
	uint16_t local_port;
	uint16_t remote_port;
	enum tcp_state state;
	uint32_t unread;  /* delivered, not consumed */
	uint32_t unsent;  /* queued, not sent */
	uint32_t unacked; /* sent, not acknowledged */
	uint32_t send_window;
	uint32_t receive_window;
	uint32_t cwnd;
	uint32_t ssthresh;
	uint32_t srtt_us;
	uint32_t rttvar_us;
	uint32_t rto_us;
	uint32_t min_rtt_us;
	uint32_t retransmits; /* of its whole life */
	uint16_t mss;
	uint8_t send_scale;
	uint8_t receive_scale;
	bool timestamps;
	bool sack;
	bool ecn;
	const char *cc;
};

void tcp_info(const struct tcp *t, const struct tcp_conn *c, struct tcp_info *info);

/*
 * Calls see() for each connection and each TIME_WAIT record from *cursor (0 first) on, at most max;
 * returns false when there are no more.
 */
bool tcp_walk(const struct tcp *t, uint64_t *cursor, uint32_t max,
	void (*see)(void *arg, const struct tcp_info *info), void *arg);

/*
 * Ends a connection or TIME_WAIT record, whoever's it is: the peer gets a reset, the application's
 * on_end() says ECONNABORTED. False: there is none. Not from callbacks.
 */
bool tcp_kill(
	struct tcp *t, uint32_t local, uint16_t local_port, uint32_t remote, uint16_t remote_port);

struct tcp_usage {
	uint32_t connections;
	uint32_t half_open;
	uint32_t orphans;
	uint32_t time_waits;
	uint32_t timers;
	uint32_t held_buffers; /* mbufs in send queues and out-of-order queues */
	uint64_t held_bytes;
	uint32_t held_packets; /* received packets among them: "held" of the worker's books */
};

void tcp_usage(const struct tcp *t, struct tcp_usage *u);

#endif
