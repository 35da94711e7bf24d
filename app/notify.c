/* SPDX-License-Identifier: BSD-3-Clause */
/* Datagrams to a Unix socket, and when the watchdog is due. */
#include "notify.h"

#include "base/log.h"
#include "net/net.h"
#include "net/port.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define LOOK_MS	      1000
#define FEEDS	      4	      /* in the manager's interval */
#define SEND_US	      100000  /* the longest that a full queue of the manager's holds us */
#define FEED_LEAST_US 4000000 /* an idle worker may sleep for a fifth of a second */

static void tell(struct notify *n, const char *lines)
{
	if (n->on && send(n->fd, lines, strlen(lines), MSG_NOSIGNAL) < 0)
		log_warning("the service manager was not told: %s", strerror(errno));
}

/* A path, or with @ a name in the abstract space (unix(7)). */
static int connect_to(const char *name)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	struct timeval patience = {.tv_usec = SEND_US};
	size_t len = strlen(name);
	int fd, rc;

	if ((name[0] != '/' && name[0] != '@') || len < 2 || len >= sizeof(to.sun_path))
		return -EINVAL;
	memcpy(to.sun_path, name, len);
	if (name[0] == '@')
		to.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	rc = connect(fd, (struct sockaddr *)&to,
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
	if (rc == 0)
		rc = setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (rc < 0) {
		rc = -errno;
		close(fd);
		return rc;
	}
	return fd;
}

/* A number from the environment, 0 if it is not there or none. */
static uint64_t number_of(const char *name)
{
	const char *text = getenv(name);
	char *end = NULL;
	unsigned long long n;

	if (text == NULL)
		return 0;
	errno = 0;
	n = strtoull(text, &end, 10);
	if (errno == 0 && end != text && *end == '\0' && text[0] != '-')
		return n;
	log_warning("%s=%s is no number, and is passed over", name, text);
	return 0;
}

static void open_watchdog(struct notify *n)
{
	uint64_t us = number_of("WATCHDOG_USEC"), pid = number_of("WATCHDOG_PID");

	if (us == 0 || (pid != 0 && pid != (uint64_t)getpid()))
		return;
	if (us < FEED_LEAST_US) {
		log_warning("WATCHDOG_USEC: less than %u s is too little for workers that sleep; "
			    "there will be no watchdog",
			FEED_LEAST_US / 1000000);
		return;
	}
	n->feed_every = clock_of_us(us / FEEDS);
}

void notify_open(struct notify *n)
{
	const char *name = getenv("NOTIFY_SOCKET");
	int fd;

	*n = (struct notify){0};
	if (name == NULL)
		return;
	fd = connect_to(name);
	if (fd < 0) {
		log_warning("NOTIFY_SOCKET=%s: %s", name, strerror(-fd));
		return;
	}
	n->on = true;
	n->fd = fd;
	open_watchdog(n);
}

void notify_close(struct notify *n)
{
	if (n->on)
		close(n->fd);
	n->on = false;
}

static void make_status(const struct notify *n, const struct net *net, char *text, size_t size)
{
	unsigned int ports = 0, up = 0;

	for (int i = 0; i < PORT_MAX; i++) {
		if (net->port[i] == NULL)
			continue;
		ports++;
		up += net->port[i]->link;
	}
	snprintf(text, size, "%u of %u ports up, %u workers%s", up, ports, net->n_workers,
		n->refused ? "; the file was refused and what was in force stays" : "");
}

/* The status, after `first`, which may be empty; not again what was told already. */
static void tell_status(struct notify *n, const struct net *net, const char *first)
{
	char status[sizeof(n->status)], lines[sizeof(status) + 64];

	make_status(n, net, status, sizeof(status));
	if (first[0] == '\0' && strcmp(status, n->status) == 0)
		return;
	memcpy(n->status, status, sizeof(status));
	snprintf(lines, sizeof(lines), "%sSTATUS=%s", first, status);
	tell(n, lines);
}

void notify_ready(struct notify *n, const struct net *net)
{
	tell_status(n, net, "READY=1\n");
}

void notify_reloading(struct notify *n)
{
	struct timespec t;
	char lines[96];

	clock_gettime(CLOCK_MONOTONIC, &t);
	snprintf(lines, sizeof(lines),
		"RELOADING=1\nMONOTONIC_USEC=%llu\nSTATUS=reading the file again",
		(unsigned long long)t.tv_sec * 1000000 + (unsigned long long)t.tv_nsec / 1000);
	tell(n, lines);
}

void notify_reloaded(struct notify *n, const struct net *net, bool applied)
{
	n->refused = !applied;
	notify_ready(n, net);
}

void notify_stopping(struct notify *n)
{
	tell(n, "STOPPING=1\nSTATUS=waiting for packets that are under way");
}

/* Whether every worker has finished a pass since the watchdog was fed. */
static bool all_move(struct notify *n, const struct net *net)
{
	bool all = true;

	for (uint16_t i = 0; i < net->n_workers; i++) {
		bool stuck = net->worker[i]->passes == n->passes[i];

		if (stuck && !n->stuck[i])
			log_error("worker %u has finished no pass for %lu ms", i,
				(unsigned long)clock_to_ms(n->feed_every));
		if (!stuck && n->stuck[i])
			log_warning("worker %u goes on", i);
		n->stuck[i] = stuck;
		all &= !stuck;
	}
	return all;
}

static void feed(struct notify *n, const struct net *net)
{
	if (!all_move(n, net))
		return;
	for (uint16_t i = 0; i < net->n_workers; i++)
		n->passes[i] = net->worker[i]->passes;
	tell(n, "WATCHDOG=1");
}

void notify_tick(struct notify *n, const struct net *net, ticks now)
{
	if (!n->on)
		return;
	if (now >= n->look_at) {
		tell_status(n, net, "");
		n->look_at = now + clock_of_ms(LOOK_MS);
	}
	if (n->feed_every != 0 && now >= n->feed_at) {
		feed(n, net);
		n->feed_at = now + n->feed_every;
	}
}
