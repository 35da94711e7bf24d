/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * host: the machine that a command of millctl's looks at and changes, so that a test can put a tree
 * of files and functions of its own in its place.
 */
#ifndef APP_HOST_H
#define APP_HOST_H

#include "kroute.h"

#include <jansson.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct host {
	const char *sys, *proc; /* "/sys", "/proc" */
	/* Where it is noted what bind has changed, till the next boot. Root believes it, so that it
	 * is a folder of root's own: the daemon's is its user's. */
	const char *run;
	const char *socket; /* the daemon's control socket */
	int pid;	    /* whose ancestors may have come by SSH */
	/* 0 or -errno each */
	int (*write)(const char *path, const char *text); /* to a file that is there */
	int (*modprobe)(const char *module);
	int (*rename)(const char *iface, const char *name);
	int (*routes)(kroute_fn *each, void *arg);
	int (*route_to)(const struct sockaddr *to, char iface[IF_NAMESIZE]);
	int (*owner)(const struct sockaddr *own, char iface[IF_NAMESIZE]);
	/* New references; NULL without a daemon, or for a file that is no configuration */
	json_t *(*ask)(const struct host *h, const char *method);
	json_t *(*plan)(const struct host *h, const char *file);

	/* the command's answer beside its result */
	char why[4096]; /* what is wrong: sentences, one a line */
	int status;	/* exit status when there is a result */
};

/* This machine. */
void host_here(struct host *h, const char *socket);

/* Adds a sentence to h->why; always false. */
bool host_refuse(struct host *h, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
