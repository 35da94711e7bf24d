/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One epoll instance with the bell, the signals and whatever is added. A descriptor's entry is
 * found by slot and generation, so that an event that was fetched before loop_del() hits nothing.
 */
#include "loop.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

struct watch {
	int fd; /* -1: free */
	uint32_t generation;
	loop_fd_fn *fn;
	void *arg;
};

struct loop {
	int epoll;
	struct bell *bell;
	loop_work_fn *work;
	void *work_arg;
	int signals; /* -1: none */
	loop_signal_fn *signal_fn;
	void *signal_arg;
	uint64_t now_ms;
	bool stop;
	struct watch watch[LOOP_FDS];
};

static uint64_t monotonic_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static uint64_t watch_key(const struct loop *l, const struct watch *w)
{
	return (uint64_t)w->generation << 32 | (uint64_t)(w - l->watch);
}

static struct watch *watch_of(struct loop *l, int fd)
{
	for (int i = 0; i < LOOP_FDS; i++)
		if (l->watch[i].fd == fd)
			return &l->watch[i];
	return NULL;
}

/* The bell has done its work by ending the sleep: bell_disarm() swallows what was rung. */
static void bell_rang(void *arg, uint32_t events)
{
	(void)arg;
	(void)events;
}

struct loop *loop_new(struct bell *bell, loop_work_fn *work, void *arg)
{
	struct loop *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return NULL;
	for (int i = 0; i < LOOP_FDS; i++)
		l->watch[i].fd = -1;
	l->signals = -1;
	l->bell = bell;
	l->work = work;
	l->work_arg = arg;
	l->now_ms = monotonic_ms();
	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (l->epoll < 0 || loop_add(l, bell->fd, EPOLLIN, bell_rang, NULL) != 0) {
		loop_free(l);
		return NULL;
	}
	return l;
}

void loop_free(struct loop *l)
{
	if (l == NULL)
		return;
	if (l->signals >= 0)
		close(l->signals);
	if (l->epoll >= 0)
		close(l->epoll);
	free(l);
}

int loop_add(struct loop *l, int fd, uint32_t events, loop_fd_fn *fn, void *arg)
{
	struct watch *w = watch_of(l, -1);
	struct epoll_event e = {.events = events};

	if (w == NULL)
		return -ENOSPC;
	w->generation++;
	e.data.u64 = watch_key(l, w);
	if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &e) != 0)
		return -errno;
	w->fd = fd;
	w->fn = fn;
	w->arg = arg;
	return 0;
}

void loop_change(struct loop *l, int fd, uint32_t events)
{
	struct watch *w = watch_of(l, fd);
	struct epoll_event e = {.events = events};

	if (w == NULL)
		return;
	e.data.u64 = watch_key(l, w);
	epoll_ctl(l->epoll, EPOLL_CTL_MOD, fd, &e);
}

void loop_del(struct loop *l, int fd)
{
	struct watch *w = watch_of(l, fd);

	if (w == NULL)
		return;
	epoll_ctl(l->epoll, EPOLL_CTL_DEL, fd, NULL);
	w->fd = -1;
	w->generation++;
}

static void signal_set(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGHUP);
}

void loop_block_signals(void)
{
	sigset_t set;

	signal_set(&set);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
}

static void signal_came(void *arg, uint32_t events)
{
	struct loop *l = arg;
	struct signalfd_siginfo info;

	(void)events;
	while (read(l->signals, &info, sizeof(info)) == sizeof(info))
		l->signal_fn(l->signal_arg, (int)info.ssi_signo);
}

int loop_signals(struct loop *l, loop_signal_fn *fn, void *arg)
{
	sigset_t set;

	signal_set(&set);
	l->signal_fn = fn;
	l->signal_arg = arg;
	l->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (l->signals < 0)
		return -errno;
	return loop_add(l, l->signals, EPOLLIN, signal_came, l);
}

static void wait_and_run(struct loop *l, int timeout_ms)
{
	struct epoll_event e[32];
	int n = epoll_wait(l->epoll, e, 32, timeout_ms);

	bell_disarm(l->bell);
	l->now_ms = monotonic_ms();
	for (int i = 0; i < n; i++) {
		struct watch *w = &l->watch[(uint32_t)e[i].data.u64];

		if (w->fd >= 0 && watch_key(l, w) == e[i].data.u64)
			w->fn(w->arg, e[i].events);
	}
}

void loop_turn(struct loop *l)
{
	l->work(l->work_arg);
	wait_and_run(l, 0);
}

void loop_run(struct loop *l)
{
	l->stop = false;
	while (!l->stop) {
		int sleep_ms = l->work(l->work_arg);

		if (sleep_ms != 0) {
			bell_arm(l->bell);
			sleep_ms = l->work(l->work_arg);
		}
		wait_and_run(l, l->stop ? 0 : sleep_ms);
	}
}

void loop_stop(struct loop *l)
{
	l->stop = true;
}

uint64_t loop_now_ms(const struct loop *l)
{
	return l->now_ms;
}
