/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * notify: what a service manager is told: that we are ready, apply a file, end, and are alive.
 *
 * The protocol is systemd's (sd_notify(3)): lines in a datagram to the socket that the environment
 * names. Where it names none, each call does nothing. The watchdog is fed only while every worker
 * finishes passes and control turns its loop, so that the manager restarts us when one of them no
 * longer does. Control thread.
 */
#ifndef APP_NOTIFY_H
#define APP_NOTIFY_H

#include "base/clock.h"
#include "net/worker.h"

struct net;

struct notify {
	bool on; /* somebody is to be told, over */
	int fd;
	ticks feed_every; /* 0: no watchdog */
	ticks feed_at;
	ticks look_at;		     /* when the status is made anew */
	uint64_t passes[WORKER_MAX]; /* of each worker when the watchdog was fed last */
	bool stuck[WORKER_MAX];	     /* was said of it */
	bool refused;		     /* the last file that we were told to read */
	char status[128];	     /* as last told */
};

/*
 * Connects to $NOTIFY_SOCKET, and takes the watchdog's time from $WATCHDOG_USEC if $WATCHDOG_PID is
 * ours or not there. Logs what is wrong with them, and then tells nobody. EAL runs: it has the
 * clock.
 */
void notify_open(struct notify *n);
void notify_close(struct notify *n);

/* Ports are open, services listen, workers run. net as in notify_tick(). */
void notify_ready(struct notify *n, const struct net *net);
/* The file is read again; and then whether it was applied. */
void notify_reloading(struct notify *n);
void notify_reloaded(struct notify *n, const struct net *net, bool applied);
void notify_stopping(struct notify *n);

/*
 * In each turn of the loop once we are ready: the status when it has changed, once a second at the
 * most, and the watchdog four times in its interval. A worker that has finished no pass since the
 * last time is logged, and the watchdog goes hungry until it has: an idle one sleeps for a fifth of
 * a second at the most.
 */
void notify_tick(struct notify *n, const struct net *net, ticks now);

#endif
