/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tcp_conn: one connection, laid out by what touches it, and what exists only while it is busy.
 *
 * Line 1 is all that a segment in order needs, with line 2 it is answered; line 3 is for what we
 * send, line 4 for openings, settings and what is rare. Ticks are of the timer wheel. The
 * variables have RFC 9293's names (3.3.1). For lib/tcp and what shows connections.
 */
#ifndef TCP_CONN_H
#define TCP_CONN_H

#include "base/wheel.h"
#include "tcp/table.h"
#include "tcp/tcp.h"
#include "wire/tcp_opt.h"

#include <assert.h>
#include <stdalign.h>
#include <stddef.h>

struct tcp_flight;
struct tcp_ooo;

/* Why segments leave the fast path, beside their own looks. */
enum {
	ODD_OUT_OF_ORDER = 1, /* segments are held for a hole */
	ODD_RECOVERY = 2,     /* losses are being repaired, or looked for */
	ODD_URGENT = 4,	      /* urgent data are announced */
	ODD_DEAF = 8,	      /* the application has closed: data are refused */
	ODD_PROBED = 16,      /* keepalive or window probes are out, or will be */
	ODD_ECHO = 32,	      /* congestion is echoed (ECN) until the peer says CWR */
};

/* What both sides agreed on (options of the SYNs). */
enum {
	USES_TS = 1,
	USES_SACK = 2,
	USES_SCALE = 4,
	USES_ECN = 8,
	HOLDS_SMALL = 16, /* not agreed on: `small` is not 0 */
};

/* What tcp_output() has to look at. */
enum {
	TODO_ACK = 1,	    /* at once */
	TODO_ACK_LATER = 2, /* with data, at every second segment, or when the timer says */
	TODO_SEND = 4,	    /* data, FIN or SYN, new or again */
	TODO_PROBE = 8,	    /* a keepalive probe */
	TODO_RESET = 16,    /* and then the connection is gone */
	TODO_LISTED = 32,   /* stands on the dirty list */
	TODO_DELAYED = 64,  /* stands in the queue of delayed acknowledgements */
};

/* What the application wants. */
enum {
	WANT_NODELAY = 1,
	WANT_CORK = 2,
	WANT_MORE = 4,	   /* the last send said so */
	WANT_FIN = 8,	   /* shut down: FIN follows what is queued */
	WANT_NOTHING = 16, /* closed: an orphan */
	IS_ACTIVE = 32,	   /* opened by us (RFC 9293 MUST-11) */
	NO_DF = 64,	   /* a path that swallows large packets */
	CWR_DUE = 128,	   /* the next new data say that the window was reduced (RFC 3168) */
	RTT_KNOWN = 256,
	TOLD_R1 = 512,
	IS_ENDING = 1024, /* on_end() is being called */
	MTU_LOW = 2048,	  /* a router said that the path takes less than the link */
};

struct tcp_conn {
	/* line 1: a segment in order */
	alignas(64) struct tcp_key key; /* first: the table compares it */
	uint32_t rcv_nxt;
	uint32_t rcv_end; /* right edge of the window that we announced: never moves back */
	uint32_t snd_una;
	uint32_t snd_nxt;
	uint32_t snd_wnd; /* bytes, scaled */
	uint32_t snd_wl1;
	uint32_t ts_recent;
	uint32_t last_ack; /* the last acknowledgement number that we sent */
	uint32_t unread;   /* bytes delivered and not consumed */
	uint8_t state;	   /* enum tcp_state */
	uint8_t odd;	   /* ODD_... */
	uint8_t offset;	   /* the byte of a plain header's data offset: 0x50, or 0x80 with TS */
	uint8_t uses;	   /* USES_... */
	uint8_t snd_scale;
	uint8_t rcv_scale;
	uint16_t rcv_mss; /* the largest segment received */
	const struct tcp_ops *ops;

	/* line 2: answers and timers */
	void *user;
	struct tcp_flight *flight; /* NULL while nothing is queued or unacknowledged */
	uint32_t dirty_next;	   /* index + 1 */
	uint8_t todo;		   /* TODO_... */
	uint8_t backoff;	   /* how often the RTO was doubled */
	uint16_t wants;		   /* WANT_... */
	struct wheel_timer timer;  /* armed for the first of rtx_at and idle_at, or earlier */
	uint32_t rtx_at;	   /* tick; 0: off. Which timer it is: flight->timer */
	uint32_t ack_at;	   /* tick; 0: off. In the queue of delayed acknowledgements */
	uint32_t idle_at;	   /* keepalive, FIN_WAIT_2 of an orphan */
	uint32_t last_rx;	   /* ms: when the last segment came */
	uint32_t rcv_buf;
	uint32_t ts_off;
	uint16_t our_mss; /* as announced by us */
	uint8_t ttl;
	uint8_t tos;

	/* line 3: what was sent and is acknowledged */
	struct tcp_ooo *ooo; /* NULL while nothing is out of order */
	const struct tcp_cc *cc;
	uint32_t srtt;	  /* us, times 8 */
	uint32_t rttvar;  /* us, times 4 */
	uint32_t rto;	  /* us, without backoff */
	uint32_t min_rtt; /* us */
	uint32_t cwnd;
	uint32_t ssthresh;
	uint32_t max_wnd;     /* the largest window that the peer offered */
	uint32_t snd_up;      /* end of our urgent data; valid while after snd_una */
	uint32_t stuck_since; /* tick of the last progress, while something is unacknowledged */
	uint32_t snd_buf;
	uint32_t hash;
	uint16_t mss;	   /* payload of a full segment, options of each taken off */
	uint16_t peer_mss; /* as announced, 536 if not */

	/* line 4: opening, settings, what is rare */
	uint32_t cc_state[6];
	uint32_t iss;
	uint32_t irs;
	uint32_t rcv_up;       /* end of the peer's urgent data */
	uint32_t user_timeout; /* ms */
	uint32_t keep_idle;    /* s */
	uint16_t keep_interval;
	uint8_t keep_probes;
	uint8_t probes;		   /* keepalive probes that are unanswered */
	uint16_t listener;	   /* number + 1 while half open */
	uint16_t challenges;	   /* in challenge_second */
	uint16_t challenge_second; /* its low bits */
	uint16_t stall_timeout;	   /* s; 0: off */
	uint32_t small;		   /* segments of SMALL_BELOW, unread, times 256 */
	uint16_t retransmits;	   /* of its whole life; stays at the top */
	uint8_t soft_error;	   /* errno of the last soft error */
	uint8_t mtu_minute;	   /* its low bits, when the path MTU was lowered */
};

static_assert(offsetof(struct tcp_conn, user) == 64, "a segment in order touches one line");
static_assert(offsetof(struct tcp_conn, ooo) == 128, "to take data and answer touches two");
static_assert(offsetof(struct tcp_conn, cc_state) == 192, "the cold lines");
static_assert(sizeof(struct tcp_conn) == 256, "an idle connection");

/* What was sent at once and is not acknowledged: data, SYN or FIN. */
struct tcp_sent {
	uint32_t seq;
	uint32_t end;
	uint32_t at; /* us (low 32 bits) of the last transmission */
	uint8_t flags;
	uint8_t sends;
	uint16_t skip;	    /* where in m it begins */
	struct rte_mbuf *m; /* the buffer of its first byte; NULL: no data (SYN, FIN) */
};
static_assert(sizeof(struct tcp_sent) == 24, "eight to three lines");

enum {
	SENT_SACKED = 1,
	SENT_LOST = 2,
	SENT_AGAIN = 4, /* a retransmission of it is out */
	SENT_EVER = 8,	/* was ever retransmitted: no RTT by Karn's rule */
	SENT_SYN = 16,
	SENT_FIN = 32,
	SENT_URG = 64,
};

enum flight_timer { TIMER_NONE, TIMER_RTO, TIMER_TLP, TIMER_REORDER, TIMER_PERSIST };
enum flight_phase { PHASE_OPEN, PHASE_RECOVERY, PHASE_LOSS, PHASE_REDUCED };

#define FLIGHT_INLINE 4

/* Exists while something is queued or unacknowledged. */
struct tcp_flight {
	/* the queue: a list of buffers by `next`, oldest first */
	struct rte_mbuf *head;
	struct rte_mbuf *tail;
	struct rte_mbuf *cursor; /* holds the byte at snd_nxt; NULL: all is sent */
	uint32_t head_seq;	 /* sequence number of head's first byte */
	uint32_t cursor_skip;	 /* the byte's place in cursor */
	uint32_t queued_end;	 /* sequence number after the last byte queued */
	uint32_t buffers;

	/* what is out, a ring, oldest first */
	uint32_t first;
	uint32_t n;
	uint32_t size;	       /* a power of two */
	struct tcp_sent *sent; /* inline_sent, or the stack's heap */

	/* loss recovery, in bytes */
	uint8_t phase;
	uint8_t timer;
	uint8_t dupacks;
	uint8_t tlp_send;  /* a probe is due: 1 with new data, 2 with the last ones again */
	bool tlp_out;	   /* and this one is out */
	bool tlp_again;	   /* with data that were out before */
	bool override;	   /* what was held back goes, however small */
	bool held;	   /* nothing that is out will let the rest go */
	bool window_probe; /* an octet beyond the closed window is due */
	bool guarded;	   /* duplicates up to recover may be of what was sent again */
	uint8_t timeouts;  /* in a row: since something was acknowledged */
	/* what the peer has to take, and since when (timers.c) */
	uint32_t stall_since; /* tick */
	uint32_t stall_from;  /* snd_una then */
	uint32_t stall_goal;
	uint32_t aged_at; /* tick: no record is older than RECORD_OLD_US by then */
	uint32_t recover; /* recovery ends when this is acknowledged */
	uint32_t sacked;
	uint32_t lost; /* marked, not sent again */
	uint32_t tlp_end;
	uint32_t highest_sack; /* end of the highest SACK block; valid while sacked is not 0 */
	uint32_t run_start;    /* what the last SACK block that grew has covered: all SACKED, */
	uint32_t run_end;      /* or popped since; equal: none */
	uint32_t presumed;     /* without SACK: what duplicates say has arrived */
	uint32_t full_end;     /* snd_nxt when cwnd last held something back */
	/* RACK (RFC 8985) */
	uint32_t rack_at;
	uint32_t rack_end;
	uint32_t rack_rtt;
	uint8_t reo_steps; /* times a quarter of min_rtt */
	uint8_t reo_persist;
	bool reordering_seen;
	uint32_t dsack_round;
	/* PRR (RFC 6937) */
	uint32_t prr_delivered;
	uint32_t prr_out;
	uint32_t prr_flight;
	/* undo (RFC 3522; RFC 2883 as RFC 3708 has it) */
	uint32_t undo_cwnd; /* 0: nothing to undo */
	uint32_t undo_ssthresh;
	uint32_t undo_ts; /* 0: timestamps have decided, or cannot */
	uint32_t undo_cc[6];
	uint32_t undo_left; /* retransmissions that were not reported as duplicates */

	struct tcp_sent inline_sent[FLIGHT_INLINE];
};

#endif
