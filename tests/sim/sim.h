/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sim: two stacks and the applications on them, over a path in virtual time.
 *
 * Events are the next packet's arrival, a stack's next timer and an application's next move, so
 * that a quiet hour costs nothing. sim_run() fails the cmocka test at hand, naming the run and its
 * seed, if a byte comes twice, never or changed; if a connection ends in error on one side alone;
 * if something is queued or unacknowledged and no timer runs; if the books do not balance; or if a
 * connection, a timer or a buffer is left.
 */
#ifndef SIM_SIM_H
#define SIM_SIM_H

#include "link.h"
#include "tcp/cc.h"
#include "tcp/tcp.h"

#include <errno.h>

#define SIM_FLOWS 4

enum { CLIENT, SERVER };
enum sim_end {
	SIM_HALF_CLOSE, /* shuts down as soon as all is written, and reads on */
	SIM_AFTER_PEER, /* shuts down when the peer has */
	SIM_CLOSE,	/* gives up the handle when all is written and read */
};

/* What an application does at its end of a connection. */
struct sim_app {
	uint64_t bytes;	      /* to write */
	uint32_t write_bytes; /* at once; 0: 1448 */
	uint32_t write_every; /* us; 0: as soon as there is room */
	uint32_t read_bytes;  /* at once */
	uint32_t read_every;  /* us; 0: whatever comes, when it comes */
	uint64_t sleep_after; /* bytes received; then it reads nothing for sleep_us */
	uint64_t sleep_us;
	uint64_t abort_after; /* bytes received and written; 0: never */
	enum sim_end end;
};

struct sim_conf {
	const char *name;
	uint64_t seed;
	uint32_t flows;
	uint64_t start_us[SIM_FLOWS];
	uint64_t limit_us;	  /* the end of measuring, or a stall */
	bool measures;		  /* connections are aborted at the limit */
	bool wraps;		  /* sequence numbers of the first flow's client go round */
	uint32_t batch_us;	  /* arrivals are seen at multiples of this; 0: at once */
	struct link_conf link[2]; /* from CLIENT, from SERVER */
	struct tcp_settings set[2];
	struct tcp_options options[SIM_FLOWS][2];
	struct sim_app app[SIM_FLOWS][2];
	/* called after each event */
	void (*watch)(uint64_t now_us, struct tcp_conn *const client[SIM_FLOWS]);
};

struct sim_result {
	uint64_t received[SIM_FLOWS][2];
	uint64_t took_us[SIM_FLOWS]; /* until all was received, both ways */
	int error[SIM_FLOWS][2];
	uint64_t retransmits;
	uint64_t timeouts;
	uint64_t spurious;
	uint64_t tail_probes;
	uint64_t recoveries;
	uint64_t ecn_reductions;
	uint64_t black_holes;
	uint64_t path_mtus;
	uint64_t bad; /* segments that the checksum caught */
	struct link link[2];
};

/* Both stacks at their defaults, one flow, 10 ms each way, nothing lost; to be changed. */
struct sim_conf sim_default(const char *name, uint64_t seed);
void sim_run(const struct sim_conf *conf, struct sim_result *result);

#endif
