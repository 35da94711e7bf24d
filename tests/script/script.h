/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * script: the parts of the program that runs TCP scripts (README.md has their form).
 *
 *   main.c     files, cases, results as cmocka prints them
 *   matrix.c   a table of states, segments and calls becomes cases
 *   script.c   a case, line by line
 *   calls.c    what the application does and hears
 *   packet.c   a packet as words, as bytes, and one compared with the other
 *   bed.c      the stack, its clock and its surroundings
 *
 * Scripts count sequence numbers from numbers of their own; a "peer" knows what they are on the
 * wire. One case runs several times, with other numbers on the wire each time.
 */
#ifndef SCRIPT_SCRIPT_H
#define SCRIPT_SCRIPT_H

#include "net/worker.h"
#include "tcp/table.h"
#include "tcp/tcp.h"
#include "wire/tcp_opt.h"

#include <setjmp.h>
#include <stdio.h>

#define OURS	  UINT32_C(0xc6120101) /* 198.18.1.1 */
#define PEERS	  UINT32_C(0xc6120001)
#define PORT	  7	/* of listeners */
#define PEER_PORT 5000	/* unless `on` says another */
#define FROM_PORT 40000 /* of our own connections */

#define PEERS_MAX  8
#define VARS_MAX   16
#define WORDS_MAX  40
#define QUEUED_MAX 256
#define SLACK_US   1000 /* how far a packet may be from its time */

/* One end of the script's connections: the other is the stack's. */
struct peer {
	uint16_t port;
	uint16_t local_port;
	struct tcp_conn *conn; /* the application's handle; NULL: has none */
	uint32_t window;       /* the last that it announced, as on the wire */
	/* on the wire = in the script + offset */
	uint32_t our_offset, their_offset, stamp_offset;
	bool our_known, their_known, stamp_known;
	bool began;			 /* their_offset holds, for what comes after `anew` too */
	uint32_t our_first, their_first; /* the script's number of the first byte of data */
	uint32_t to_send;		 /* place in our stream of the next byte */
	uint32_t to_come;		 /* place in theirs */
	uint32_t unread;
	uint32_t accepted, connected, sent; /* heard and not asked for yet */
};

enum heard { HEARD_DATA, HEARD_CLOSE, HEARD_END, HEARD_URGENT, HEARD_NOTICE, HEARD_KINDS };

struct hearing {
	enum heard what;
	uint16_t port;
	uint32_t value; /* bytes, or errno */
};

/* What is to be done when the application hears something. */
enum when { WHEN_ACCEPT, WHEN_CONNECT, WHEN_DATA, WHEN_SENT, WHEN_CLOSE, WHEN_KINDS };

struct var {
	char name[16];
	uint32_t value;
};

/* How a run numbers: from which ISNs (0: as they come) or, if start_us is not 0, when it begins. */
struct numbering {
	uint32_t ours;
	uint32_t theirs;
	uint64_t start_us;
	uint32_t burst; /* packets that one call of tcp_output() may write */
};

struct bed {
	struct worker *w;
	struct tcp *t;
	struct tcp_settings set;
	struct tcp_limits limits;
	uint16_t mtu;
	bool no_route;
	bool reading; /* the application takes what comes, at once */
	uint64_t start_us, now_us;
	const struct numbering *numbering;
	int listener;
	uint32_t n_starved; /* buffers that `call starve` holds */
	char when[WHEN_KINDS][64];

	struct peer peer[PEERS_MAX];
	uint32_t n_peers;
	struct peer *on;

	struct rte_mbuf *in[TCP_BURST];
	uint32_t n_in;
	struct {
		struct rte_mbuf *m;
		uint64_t at;
	} out[QUEUED_MAX];
	uint32_t n_out;
	uint16_t last_id;
	bool any_id;
	struct hearing event[QUEUED_MAX];
	uint32_t n_events;
	struct var var[VARS_MAX];
	uint32_t n_vars;

	const char *file;
	int line;
	jmp_buf failed;
};

/* The case has failed: says where and why, and does not return. */
_Noreturn void fail(struct bed *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* --- bed.c --- */

/* Everything as it is at the beginning; tcp_new() only when the first line needs it. */
void bed_begin(struct bed *b, const struct numbering *n);
struct tcp *bed_stack(struct bed *b);
/* The clock goes to `us` from the case's start; packets that timers send are kept. */
void bed_run_to(struct bed *b, uint64_t us);
/* The same, but no further than the first packet. */
void bed_run_until_packet(struct bed *b, uint64_t us);
/* A pass at this instant, with what was put in. */
void bed_pass(struct bed *b);
/* Connections end, nothing is left, the books balance. */
void bed_end(struct bed *b);
/* After a failure: memory alone. */
void bed_break(struct bed *b);
struct peer *bed_peer(struct bed *b, uint16_t port);
enum tcp_state bed_state(struct bed *b, const struct peer *p);
struct rte_mempool *bed_pool(void);
/* Leaves `rest` buffers in the pool; UINT32_MAX: all are there again. */
void bed_starve(struct bed *b, uint32_t rest);

/* --- packet.c --- */

struct words {
	char *word[WORDS_MAX];
	uint32_t n;
};

struct packet {
	uint8_t flags; /* ECE and CWR too */
	uint32_t seq, len, ack;
	bool has_ack, has_window, has_urgent, has_tos, has_ttl;
	uint32_t window; /* as on the wire */
	uint16_t urgent;
	uint8_t tos, ttl;
	int8_t df;  /* -1: not said */
	int8_t psh; /* the same */
	struct tcp_opts opts;
	uint8_t without; /* TCP_HAS_... that must not be there */
	uint8_t raw[TCP_OPT_MAX];
	uint32_t raw_len;
	bool bad_sum, group;
	uint16_t to_port;
};

void packet_read(struct bed *b, const struct words *w, uint32_t from, struct packet *p);
struct rte_mbuf *packet_make(struct bed *b, const struct packet *p);
/* Fails unless m is what p says. */
void packet_expect(struct bed *b, const struct packet *p, const struct rte_mbuf *m);
void packet_print(struct bed *b, const struct rte_mbuf *m, char *to, size_t room);
uint32_t number(struct bed *b, const char *word);
uint8_t pattern(uint32_t place);
int errno_of(struct bed *b, const char *name);
const char *errno_name(int error);

/* --- calls.c --- */

extern const struct tcp_ops script_ops;
void call(struct bed *b, const struct words *w, uint32_t from);
void setting(struct bed *b, const char *name, const char *value);
void expect_event(struct bed *b, const struct words *w, uint32_t from);
void event_print(const struct hearing *e, char *to, size_t room);

/* --- script.c, matrix.c --- */

/* Runs the lines from *at up to the next case; line: of the first. True: passed. */
bool script_run(const char *file, int line, const char *text, const char *end);
/* Cases of a table, each handed to `run` with its name and text. */
void matrix_cases(const char *file, const char *text,
	void (*run)(const char *name, const char *file, int line, const char *text));
void split_words(char *line, struct words *w);

#endif
