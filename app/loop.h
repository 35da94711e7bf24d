/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * loop: the control thread's loop: file descriptors, signals, and the work that has no descriptor.
 *
 * Each turn runs the work function (what workers told, timers, slices of the RIB, ends of epochs,
 * calls under way), sleeps no longer than it allows, and then runs the functions of descriptors
 * that are ready. The bell is armed before the last look at the work, so that nothing that a
 * worker posts is slept over. All of it belongs to the control thread.
 */
#ifndef APP_LOOP_H
#define APP_LOOP_H

#include "base/mailbox.h"

#include <stdint.h>

#define LOOP_FDS 256

struct loop;

/* events: EPOLLIN and so on, as epoll_wait() gave them. May add and delete descriptors. */
typedef void loop_fd_fn(void *arg, uint32_t events);

typedef void loop_signal_fn(void *arg, int signal);

/*
 * Does what waits, in slices of a millisecond or so, and returns for how many milliseconds the
 * loop may sleep: 0 when something is left, -1 for as long as nothing happens.
 */
typedef int loop_work_fn(void *arg);

/* bell: rung by workers (net->bell), open while the loop lives. NULL: no memory or descriptor. */
struct loop *loop_new(struct bell *bell, loop_work_fn *work, void *arg);
void loop_free(struct loop *l);

/* 0, -ENOSPC when LOOP_FDS are watched, or -errno. The descriptor stays the caller's. */
int loop_add(struct loop *l, int fd, uint32_t events, loop_fd_fn *fn, void *arg);
/* Watches for other events of a descriptor that was added. */
void loop_change(struct loop *l, int fd, uint32_t events);
/* Before the descriptor is closed. Events of it that wait are forgotten. */
void loop_del(struct loop *l, int fd);

/*
 * Blocks SIGTERM, SIGINT and SIGHUP in this thread and those that it makes from now on: the first
 * thing in main(), before EAL makes threads. And ignores SIGPIPE: drivers write to sockets whose
 * other end may have gone, and so do logs.
 */
void loop_block_signals(void);
/* Hands those signals to fn, from loop_run(). 0 or -errno. */
int loop_signals(struct loop *l, loop_signal_fn *fn, void *arg);

/* Until loop_stop(), which any function that the loop runs may call. */
void loop_run(struct loop *l);
void loop_stop(struct loop *l);

/* One turn that does not sleep: while shutting down, and in tests. */
void loop_turn(struct loop *l);

/* Milliseconds of the monotonic clock, read once a turn. */
uint64_t loop_now_ms(const struct loop *l);

#endif
