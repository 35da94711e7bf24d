/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * engine: one core's stack, and what the files of lib/tcp ask of each other. For lib/tcp alone.
 *
 *   input.c      a burst of segments: look-up, fast path, delivery
 *   slow.c       RFC 9293 3.10.7.4, step by step
 *   handshake.c  LISTEN, SYN_SENT, SYN cookies
 *   receive.c    what waits for a hole to be filled
 *   ack.c        acknowledgements: RTT, SACK, the window
 *   recovery.c   RACK-TLP, PRR, time-outs
 *   rto.c        which timer stands, and until when
 *   output.c     what a connection may say now; segment.c writes it
 *   timers.c     what time brings
 *   sweep.c      connections that are looked at one after the other
 *   timewait.c   records of connections that have ended
 *   icmp.c       ICMP errors about our segments
 *   calls.c      what the application calls
 *   show.c       what operators see
 *   cc_*.c       congestion control
 *   stack.c      memory, the dirty list, the end of a connection
 */
#ifndef TCP_ENGINE_H
#define TCP_ENGINE_H

#include "base/seq.h"
#include "base/siphash.h"
#include "net/worker.h"
#include "tcp/cc.h"
#include "tcp/conn.h"
#include "wire/ip4_hdr.h"

#include <errno.h>

/* A tick of the wheel is 64 us. */
#define TICK_SHIFT	6
#define TICKS_OF_US(us) (((us) + 63) >> TICK_SHIFT)
#define TICKS_MAX	(UINT32_C(1) << 30) /* 19 hours: half of what two ticks may be apart */
#define TICKS_OF_MS(ms) ((uint32_t)RTE_MIN(((uint64_t)(ms)*1000) >> TICK_SHIFT, TICKS_MAX))

/* 32 bits of microseconds tell what is older from what is newer over 35 minutes. */
#define RECORD_OLD_US (UINT32_C(1) << 30)
#define RTT_MAX_US    UINT32_C(60000000)

#define WINDOW_UNSCALED UINT32_C(65535)
#define CWND_MAX	(UINT32_C(1) << 30)

/*
 * A segment with less data than this takes a buffer all the same: while it is unread it fills so
 * much of the window, and there may be no more of them than would fill it (receive.c).
 */
#define SMALL_BELOW UINT32_C(512)

/* How long less than a segment is held back with nothing out, by the window or by a cork. */
#define RECOVERY_OVERRIDE_US 200000

/* Elements of one size, taken and given back by index; memory is touched when first used. */
struct slab {
	char *base;
	uint32_t stride;
	uint32_t max;
	uint32_t fresh; /* never taken from here on */
	uint32_t free;	/* index + 1 of the first free; its first word is the next */
	uint32_t used;
};

struct listener {
	uint32_t addr; /* host order, 0 = any */
	uint16_t port;
	uint16_t next; /* number + 1 of the next on the port */
	bool open;
	bool paused;
	uint32_t backlog;
	uint32_t half_open;
	const struct tcp_ops *ops;
	void *user;
	bool own_options;
	struct tcp_options options; /* if it has its own: else the stack's, as they are then */
};

/* A segment of no connection (any more): tcp_output() writes it. */
struct loose {
	struct tcp_key key;
	uint32_t seq;
	uint32_t ack;
	uint16_t window;
	uint8_t flags;
	uint8_t ttl;
	uint8_t tos;
	struct tcp_opts opts;
};
#define LOOSE_MAX 256

/*
 * Delayed acknowledgements: all wait equally long, so those that are due first stand first. An
 * entry whose connection has answered since, or is gone, does nothing.
 */
struct delayed {
	struct {
		uint32_t conn;
		uint32_t at; /* tick */
	} * ring;
	uint32_t size; /* a power of two */
	uint32_t first;
	uint32_t n;
};

/* 2 MSL of one connection. */
struct time_wait {
	struct tcp_key key; /* first: the table compares it */
	uint32_t hash;
	uint32_t snd_nxt;
	uint32_t rcv_nxt;
	uint32_t ts_recent;
	uint32_t ts_off;
	uint32_t until; /* tick */
	uint32_t next;	/* index + 1, in the order of their ends */
	uint32_t prev;
	uint16_t window; /* as announced last */
	uint8_t uses;
	uint8_t ttl;
};
_Static_assert(sizeof(struct time_wait) == 48, "a TIME_WAIT record");

struct tcp {
	/* the pass */
	uint64_t now_us;
	uint32_t us;	/* its low 32 bits */
	uint32_t tick;	/* of the wheel; never 0, which is "off" */
	uint32_t stamp; /* ms: the clock of timestamps, before a connection's offset */
	int32_t share;	/* of free memory, bytes: see stack_weigh() */
	int32_t most;	/* unread, beyond which data are refused: the share, once memory is short */
	struct worker *w;

	struct tcp_table *table;
	uint32_t changes; /* of the table: an index found before one may be stale */
	struct tcp_conn *conn;
	struct time_wait *tw;
	struct wheel *wheel;
	struct delayed delayed;

	/* connections with something to say, by dirty_next; index + 1 */
	uint32_t dirty_first;
	uint32_t dirty_last;
	uint32_t dead; /* ended in this pass: memory that callbacks may still look at */

	/* data of one connection that came one after the other, delivered together */
	struct tcp_conn *run;
	struct rte_mbuf *run_head;
	struct rte_mbuf *run_tail;

	uint32_t hand;	  /* of the sweep: the index that it stands at */
	uint32_t closing; /* half open, of listeners that are closed */

	uint32_t n_loose;
	struct loose loose[LOOSE_MAX];

	struct slab conns;
	struct slab flights;
	struct slab tws;
	uint32_t tw_first; /* index + 1 */
	uint32_t tw_last;
	uint32_t half_open;
	uint32_t orphans;
	uint32_t held_buffers;
	uint32_t held_packets;
	uint64_t held_bytes;
	uint64_t unread; /* bytes of all connections */
	uint32_t challenge_second;
	uint32_t challenges;
	uint16_t next_port;

	struct tcp_settings set;
	struct tcp_limits limits;
	struct tcp_env env;
	uint64_t cookies_until_ms; /* some of ours may still come back */
	struct siphash_key isn_key;
	struct siphash_key cookie_key;

	struct listener *listener;
	uint16_t n_listeners;	 /* numbers in use or once used */
	uint16_t by_port[65536]; /* number + 1 of the first listener */
};

/* Bytes that came before their time, without overlap: one chain. */
struct range {
	uint32_t start;
	uint32_t end;
	struct rte_mbuf *head;
	struct rte_mbuf *tail;
	uint32_t buffers;
	uint32_t packets; /* of the worker's books */
};

/* What waits for a hole: ranges in order, none touching another. */
struct tcp_ooo {
	uint32_t n;
	uint32_t room;
	uint32_t buffers; /* of all ranges */
	uint32_t newest;  /* a byte of the range that grew last: its SACK block comes first */
	uint32_t since;	  /* tick: nothing has come into order from then on */
	uint32_t fin_at;
	bool fin;
	bool duplicate;
	struct tcp_sack dsack;
	struct range range[];
};

/* A received segment, its header checked. */
struct segment {
	struct rte_mbuf *m; /* NULL once it was taken */
	const struct ip4_hdr *ip;
	const struct tcp_hdr *h;
	struct tcp_key key;
	uint32_t hash;
	uint32_t seq;
	uint32_t ack;
	uint32_t len;  /* of its data, without what was skipped */
	uint32_t skip; /* data at the front that had come before */
	uint32_t window;
	uint16_t l4_at; /* where the TCP header is in the frame */
	uint8_t flags;
	uint8_t hdr_len;
	bool ce;	      /* a router saw congestion (RFC 3168) */
	struct tcp_opts opts; /* valid on the slow path */
};

static inline uint32_t conn_index(const struct tcp *t, const struct tcp_conn *c)
{
	return (uint32_t)(c - t->conn);
}

/* Bytes that a queued buffer keeps from others: none, where they lie in memory of somebody's own.
 */
static inline uint32_t held_of(const struct rte_mbuf *m)
{
	return RTE_MBUF_HAS_EXTBUF(m) ? 0 : m->data_len;
}

/* A tick that is not 0. */
static inline uint32_t tick_in(const struct tcp *t, uint32_t delay)
{
	return (t->tick + delay) | 1;
}

static inline bool tick_due(const struct tcp *t, uint32_t at)
{
	return at != 0 && seq_geq(t->tick, at);
}

/* Puts the connection on the dirty list with one more thing to do. */
static inline void conn_todo(struct tcp *t, struct tcp_conn *c, uint8_t todo)
{
	c->todo |= todo;
	if (c->todo & TODO_LISTED)
		return;
	c->todo |= TODO_LISTED;
	c->dirty_next = 0;
	if (t->dirty_last != 0)
		t->conn[t->dirty_last - 1].dirty_next = conn_index(t, c) + 1;
	else
		t->dirty_first = conn_index(t, c) + 1;
	t->dirty_last = conn_index(t, c) + 1;
}

static inline struct tcp_sent *flight_sent(const struct tcp_flight *f, uint32_t i)
{
	return &f->sent[(f->first + i) & (f->size - 1)];
}

/* The first record that begins at seq or after it. */
static inline uint32_t flight_first_from(const struct tcp_flight *f, uint32_t seq)
{
	uint32_t low = 0, high = f->n;

	while (low < high) {
		uint32_t middle = (low + high) / 2;

		if (seq_lt(flight_sent(f, middle)->seq, seq))
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Whether seq is in the run of records that are all SACKED: they need not be looked at. */
static inline bool flight_in_run(const struct tcp_flight *f, uint32_t seq)
{
	return seq_within(seq, f->run_start, f->run_end - f->run_start);
}

/* Bytes that are in the network as far as we know (RFC 6675's pipe, RFC 8985's accounting). */
static inline uint32_t flight_pipe_from(
	const struct tcp_conn *c, const struct tcp_flight *f, uint32_t una)
{
	uint32_t out = c->snd_nxt - una, gone = f->sacked + f->lost + f->presumed;

	return out > gone ? out - gone : 0;
}

static inline uint32_t flight_pipe(const struct tcp_conn *c, const struct tcp_flight *f)
{
	return flight_pipe_from(c, f, c->snd_una);
}

static inline bool flight_has_fin(const struct tcp_flight *f)
{
	return f->n != 0 && (flight_sent(f, f->n - 1)->flags & SENT_FIN);
}

static inline const struct tcp_options *listener_options(
	const struct tcp *t, const struct listener *l)
{
	return l->own_options ? &l->options : &t->set.options;
}

/* A buffer of so many bytes, or a share of what is free; never less than two segments. */
static inline uint32_t conn_share(const struct tcp *t, uint32_t buffer, uint16_t mss)
{
	return RTE_MIN(buffer, (uint32_t)RTE_MAX(t->share, 2 * (int32_t)mss));
}

/* c has more unread than memory allows now: what comes is refused, and comes again. */
static inline bool conn_is_pressed(const struct tcp *t, const struct tcp_conn *c)
{
	return (int32_t)c->unread > t->most;
}

/* It takes no connection now: the peer asks again. */
static inline bool listener_waits(const struct tcp *t, const struct listener *l)
{
	return l->paused || t->share < 0;
}

static inline bool state_may_receive(uint8_t state)
{
	return state == TCP_ESTABLISHED || state == TCP_FIN_WAIT_1 || state == TCP_FIN_WAIT_2;
}

/* Bytes of the window that small segments fill, beside their data. */
static inline uint32_t conn_small_room(const struct tcp_conn *c)
{
	return c->uses & HOLDS_SMALL ? c->small / 256 * SMALL_BELOW : 0;
}

static inline bool state_is_half_open(uint8_t state)
{
	return state == TCP_SYN_SENT || state == TCP_SYN_RCVD;
}

/*
 * Of a segment without data: snd_nxt, but not beyond the window, where a probe may stand. The peer
 * would answer an ACK there that it is not acceptable, and if it probes too, so would we, for ever;
 * and it would not believe a reset (RFC 5961 3.2).
 */
static inline uint32_t conn_seq(const struct tcp_conn *c)
{
	return state_is_half_open(c->state) ? c->snd_nxt
					    : seq_min(c->snd_nxt, c->snd_una + c->snd_wnd);
}

static inline uint32_t stack_stamp(const struct tcp *t, const struct tcp_conn *c)
{
	return t->stamp + c->ts_off;
}

/* --- stack.c --- */

/* A connection with its options, in the table and in no state yet; NULL: no room. */
struct tcp_conn *conn_new(
	struct tcp *t, const struct tcp_key *key, uint32_t hash, const struct tcp_options *options);
/* Frees all that it has, and tells the application unless it has given up the handle. */
void conn_end(struct tcp *t, struct tcp_conn *c, int error);
/* The same after a reset to the peer, which tcp_output() writes. */
void conn_reset(struct tcp *t, struct tcp_conn *c, int error);
/* Becomes a TIME_WAIT record; the application hears that it ended in order. */
void conn_time_wait(struct tcp *t, struct tcp_conn *c);
/* Sets the first of the connection's timers on the wheel, if it is not there or later. */
void conn_arm(struct tcp *t, struct tcp_conn *c);
/* An acknowledgement at c->ack_at, if nothing has carried it before. */
void conn_wait_for_ack(struct tcp *t, struct tcp_conn *c);
struct tcp_flight *conn_flight(struct tcp *t, struct tcp_conn *c); /* NULL: no memory */
void flight_free(struct tcp *t, struct tcp_conn *c);
/* Room for n more records; false: no memory. */
bool flight_reserve(struct tcp_flight *f, uint32_t n);
/* A new record at the end of the ring, for which there is room. */
struct tcp_sent *flight_push(struct tcp_flight *f);
/* Zeroed; NULL: all are in use. */
void *slab_take(struct slab *s);
void slab_give(struct slab *s, void *p);
bool stack_has_room(const struct tcp *t);
/*
 * What one connection may have unread, and have queued, by what is free of the memory of all: half
 * of it while nothing is held, a quarter when half is, and so on, so that many who do not read
 * share what there is, and the last of a hundred still gets some. Little is left, and only who has
 * nothing unread is given data (0); less, and nobody is (-1): no application could queue its
 * answer.
 */
void stack_weigh(struct tcp *t);
/* Buffers that connections may still fill, the reserve among them. */
uint32_t stack_free(const struct tcp *t);
/* Drops a segment of a connection. */
void stack_drop(struct tcp *t, struct segment *s, enum drop_reason why);
uint32_t stack_isn(const struct tcp *t, const struct tcp_key *key);
uint32_t stack_ts_offset(const struct tcp *t, const struct tcp_key *key);
/* <SEQ=SEG.ACK><CTL=RST>: a handshake's ACK of what we never sent (RFC 9293 3.10.7.3, 3.10.7.4). */
void stack_refuse_ack(struct tcp *t, const struct tcp_conn *c, uint32_t ack);
struct loose *stack_loose(struct tcp *t); /* NULL: too many in this pass */

/* --- input.c --- */

/* Bytes in order go to the application, with those of the segments before it. */
void input_deliver(struct tcp *t, struct tcp_conn *c, struct rte_mbuf *m);
void input_flush(struct tcp *t);
/* The segment's data alone, from s->skip on, as a chain; s gives it up. */
struct rte_mbuf *input_take(struct segment *s);

/* --- icmp.c --- */

/* A path MTU that was lowered long ago is tried anew. */
void icmp_mtu_again(struct tcp *t, struct tcp_conn *c);

/* --- slow.c, handshake.c, timewait.c --- */

void slow_segment(struct tcp *t, struct tcp_conn *c, struct segment *s);
/* From the sixth step on: what an acceptable segment brings beside its ACK. */
void slow_rest(struct tcp *t, struct tcp_conn *c, struct segment *s);
/* Answers what is out of order in state or place; limited (RFC 5961). */
void slow_challenge(struct tcp *t, struct tcp_conn *c);
struct listener *listener_for(const struct tcp *t, const struct tcp_key *key);
/*
 * A half-open connection has a listener: its own, or the one that now has its address and port and
 * does the same with it. False: neither.
 */
bool handshake_inherited(struct tcp *t, struct tcp_conn *c);
/* False: it stays the caller's, a stray. */
bool handshake_listen(struct tcp *t, struct listener *l, struct segment *s, uint32_t isn_above);
void handshake_syn_sent(struct tcp *t, struct tcp_conn *c, struct segment *s);
/* SYN_RCVD or SYN_SENT to ESTABLISHED: windows, RTT, the application hears of it. */
void handshake_done(struct tcp *t, struct tcp_conn *c, const struct segment *s);
/* What our SYN will say of us. */
void handshake_offer(struct tcp *t, struct tcp_conn *c);
/* A SYN of ours, to be sent. */
void handshake_start(struct tcp *t, struct tcp_conn *c, uint32_t iss);
void handshake_mtu(struct tcp *t, struct tcp_conn *c, uint16_t mtu);
uint16_t handshake_link_mtu(struct tcp *t, const struct tcp_conn *c);
/* Puts a filled-in record on the list and in the table; without memory it is gone. */
void timewait_begin(struct tcp *t, struct time_wait *tw);
void timewait_ack(struct tcp *t, const struct time_wait *tw);
bool timewait_segment(struct tcp *t, struct time_wait *tw, struct segment *s);
void timewait_end(struct tcp *t, struct time_wait *tw);
void timewait_sweep(struct tcp *t, uint32_t max);

/* --- receive.c --- */

/* Data, or a FIN alone, beyond rcv_nxt; takes s->m. */
void receive_hold(struct tcp *t, struct tcp_conn *c, struct segment *s);
/* What has come into order behind rcv_nxt goes to the application; true: a FIN is next. */
bool receive_release(struct tcp *t, struct tcp_conn *c);
void receive_free(struct tcp *t, struct tcp_conn *c);
/* Room for data in order; false: memory is short, the segment is gone. */
bool receive_room(struct tcp *t, struct tcp_conn *c, struct segment *s);
/* Room for a small segment in order; false: the peer has filled its share, the segment is gone. */
bool receive_small(struct tcp *t, struct tcp_conn *c, struct segment *s);
/* Of `before` bytes that were unread, c->unread are left. */
void receive_small_read(struct tcp_conn *c, uint32_t before);
/* SACK blocks for the next acknowledgement, at most max. */
uint32_t receive_sacks(struct tcp *t, struct tcp_conn *c, struct tcp_sack *sacks, uint32_t max);
/* A duplicate was received: the next acknowledgement says so (RFC 2883). */
void receive_duplicate(struct tcp *t, struct tcp_conn *c, uint32_t start, uint32_t end);

/* --- ack.c, recovery.c --- */

/* ack is after snd_una and not after snd_nxt. ts_ecr 0: no timestamp. */
void ack_advance(struct tcp *t, struct tcp_conn *c, uint32_t ack, uint32_t ts_ecr);
/* Everything else that an acknowledgement may say: SACK, duplicates, ECE. */
void ack_slow(struct tcp *t, struct tcp_conn *c, struct segment *s);
/* A record was acknowledged or SACKed: RACK's clock. */
/* ts_ecr 0: no timestamp, or not one that tells of this record. */
void recovery_delivered(
	struct tcp *t, struct tcp_conn *c, const struct tcp_sent *r, uint32_t ts_ecr);
/*
 * An acknowledgement of `acked` bytes that shows `delivered` to have arrived: losses, phases, cwnd.
 * Called before snd_una moves, after the records have gone.
 */
void recovery_acked(
	struct tcp *t, struct tcp_conn *c, uint32_t acked, uint32_t delivered, uint32_t ts_ecr);
/* The same acknowledgement again, from a peer without SACK. */
void recovery_duplicate(struct tcp *t, struct tcp_conn *c);
/* The peer got something twice (RFC 2883). */
void recovery_dsack(struct tcp *t, struct tcp_conn *c);
void recovery_timeout(struct tcp *t, struct tcp_conn *c);
void recovery_reorder_timer(struct tcp *t, struct tcp_conn *c);
void recovery_ecn(struct tcp *t, struct tcp_conn *c);
/* Path MTU shrank: what is larger goes again at once. */
void recovery_probe(struct tcp *t, struct tcp_conn *c); /* a tail loss probe is due */
/* The first record goes again, though nothing says that it was lost. */
void recovery_resend_first(struct tcp_conn *c);
/* What was held back by the window is not any more. */
void recovery_window_opens(struct tcp_conn *c);
void recovery_resegment(struct tcp *t, struct tcp_conn *c);
/* The acknowledgement said nothing new: of a tail probe, that both copies arrived. */
void recovery_nothing_new(struct tcp_conn *c, uint32_t ack);
/* Whether a timer stands for what is out, and which; one that runs goes on unless restarted. */
void rto_arm(struct tcp *t, struct tcp_conn *c, bool restart);
/* New data went out: a tail probe waits for them too. */
void rto_sent(struct tcp *t, struct tcp_conn *c);
uint32_t recovery_initial_window(const struct tcp_conn *c);

/* --- timers.c --- */

/* The tick at which R2 or the user's time-out ends c, if nothing is acknowledged until then. */
uint32_t timers_patience(const struct tcp *t, const struct tcp_conn *c);
/* What is queued now has to be taken within the stall time-out. */
void timers_expect(struct tcp *t, struct tcp_conn *c);

/* --- sweep.c --- */

/* A few connections more, if there is a reason to look at them. */
void sweep_some(struct tcp *t);

/* --- segment.c --- */

struct say {
	uint32_t seq;
	uint32_t len;
	struct rte_mbuf *m; /* the data's buffer; NULL: none */
	uint32_t skip;
	uint8_t flags;
	bool leave_sum; /* over data that are sent by reference */
};

/*
 * Segments of len bytes of data, or of none: then without a look at the MSS, whose line an ACK does
 * not wait for.
 */
static inline uint32_t segment_count(const struct tcp_conn *c, uint32_t len)
{
	return len == 0 || len <= c->mss ? 1 : (len + c->mss - 1) / c->mss;
}

/* Up to here data are copied behind the header: one buffer goes out, not two. */
#define SEGMENT_COPIED 256

/* A segment of c, everything acknowledged and announced in it; NULL: no buffer. */
struct rte_mbuf *segment_write(struct tcp *t, struct tcp_conn *c, const struct say *s);
struct rte_mbuf *segment_loose(struct tcp *t, const struct loose *l);
/* The window that may be announced now grows by so much. */
uint32_t segment_window_gain(const struct tcp *t, const struct tcp_conn *c);

#endif
