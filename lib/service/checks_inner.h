/* SPDX-License-Identifier: BSD-3-Clause */
/* checks_inner: a worker's checks, for checks*.c alone. */
#ifndef SERVICE_CHECKS_INNER_H
#define SERVICE_CHECKS_INNER_H

#include "base/wheel.h"
#include "check_http.h"
#include "lb/lb.h"
#include "net/net.h"
#include "tcp/tcp.h"

/* Whom to ask, and how. */
struct check_item {
	uint16_t slot;			  /* a backend's: its first */
	uint16_t port;			  /* 0: of ICMP */
	uint32_t addr;			  /* host order */
	const struct lb_check_conf *conf; /* the list's */
};

/* Made by control, never changed, freed when every worker has taken over a later one. */
struct check_list {
	uint64_t number;
	struct check_list *next; /* of those that were replaced: an older one */
	struct lb_check_conf *confs;
	uint32_t n;
	struct check_item item[];
};

enum check_state {
	CHECK_IDLE,   /* its timer: the next question */
	CHECK_ASKING, /* its timer: the time-out */
	CHECK_TOLD,   /* the same; the result is known, the connection has not ended */
};

/* One backend on one worker, by slot. */
struct check_run {
	struct wheel_timer timer;
	uint16_t slot;
	uint8_t state;		       /* enum check_state */
	bool is_unreachable;	       /* an ICMP error has said so meanwhile */
	uint64_t number;	       /* of the last list that has it */
	const struct check_item *item; /* NULL: it is not checked */
	struct tcp_conn *conn;
	struct check_http *http;
	ticks begun;
	uint32_t passed_over; /* bytes after the verdict */
	uint16_t id;	      /* of a DNS query */
};

struct check_host {
	struct worker *w;
	const struct check_list *list;
	_Atomic uint64_t seen; /* worker: w, control: r; its list's number */
	uint32_t n;	       /* slots */
	struct check_run *run;
	struct wheel *wheel; /* in milliseconds */
};

/* --- checks.c --- */

static inline uint32_t check_ms(const struct worker *w)
{
	return (uint32_t)clock_to_ms(w->now);
}

/* What is known now; the first time it is told, later nothing happens. */
void check_told(struct check_host *h, struct check_run *r, enum lb_reason reason, uint16_t detail);
/* All that the question has taken is given back, and the next one is due in its time. */
void check_over(struct check_host *h, struct check_run *r);

/* --- check_ask.c --- */

/* Whether this worker is the one to ask, as things are. */
bool check_is_mine(const struct check_host *h, const struct check_item *i);
/* Asks. 0, or -errno: it could not be asked at all, for no fault of the backend's; -ENETUNREACH. */
int check_ask(struct check_host *h, struct check_run *r);
/* No more is heard of it: connection and notes are given back. */
void check_forget(struct check_host *h, struct check_run *r);

#endif
