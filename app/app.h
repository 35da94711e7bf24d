/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * app: the process as its control thread sees it.
 *
 * main() makes it and hands it around; there is no global one. Whoever is named beside a member
 * owns it. Control thread.
 */
#ifndef APP_APP_H
#define APP_APP_H

#include "base/clock.h"
#include "look.h"
#include "notify.h"
#include "snapshot.h"

struct conf;
struct control;
struct loop;
struct net;
struct socket_service;

struct app {
	struct net *net;	 /* main's */
	struct loop *loop;	 /* main's */
	struct control *control; /* main's */
	/* main's; NULL: none */
	struct socket_service *sockets;

	const char *file;      /* main's: of the start; a reread and a save are about it */
	struct conf *conf;     /* apply's: in force */
	struct conf *previous; /* apply's: what a rollback returns to, NULL without one */
	struct conf *reread;   /* apply's: read again and on its way; NULL: none is */
	uint32_t reread_turns; /* apply's */

	struct notify notify; /* main's */
	struct snapshot snapshot;
	struct views views; /* look.c's */

	/* app_work()'s */
	int kernel_fd;	 /* that the loop waits for; -1: none */
	ticks next_tick; /* when timers are due */
	ticks load_at;	 /* when the load was taken last, and what it was made from */
	double busy_ticks[WORKER_MAX];
	uint8_t load[WORKER_MAX]; /* percent of the last second that a worker had packets in hand */
};

/*
 * The loop's work function, arg a struct app: what workers told, timers ten times a second and
 * more, link states, a slice of the RIB, ends of epochs, calls under way.
 */
int app_work(void *arg);

#endif
