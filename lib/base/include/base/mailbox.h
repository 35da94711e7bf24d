/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mailbox: bounded queue of fixed-size messages from one thread to one other, and the way to wake
 * a thread that sleeps.
 *
 * A mailbox never blocks: a post to a full one says so, and the poster keeps the message.
 */
#ifndef BASE_MAILBOX_H
#define BASE_MAILBOX_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mailbox;

/*
 * entries: a power of two; size: of one message in bytes, a multiple of 4; node: where the memory
 * lies. NULL when there is none. Freed by mailbox_free().
 */
struct mailbox *mailbox_new(unsigned int entries, unsigned int size, int node);
void mailbox_free(struct mailbox *b);

/* Copies one message in. False when full. The one posting thread. */
bool mailbox_post(struct mailbox *b, const void *message);

/* Copies at most max messages out and returns how many. The one taking thread. */
unsigned int mailbox_take(struct mailbox *b, void *messages, unsigned int max);

/* How many wait. Either thread; exact for the taker at the time of asking. */
unsigned int mailbox_count(const struct mailbox *b);

/*
 * A sleeper's bell. The sleeper arms it, looks at all its queues once more, and only then sleeps
 * in poll() or epoll_wait() on fd; whoever posted rings. Ringing an unarmed bell costs a load.
 */
struct bell {
	int fd;			/* an eventfd */
	_Atomic uint32_t armed; /* sleeper: w, ringer: r */
};

/* 0 or -errno. */
int bell_open(struct bell *b);
void bell_close(struct bell *b);

void bell_arm(struct bell *b);
/* Awake again: swallows what was rung. */
void bell_disarm(struct bell *b);
/* The same where the sleep did not end by the bell: a later ring stays for bell_disarm(). */
static inline void bell_unarm(struct bell *b)
{
	atomic_store_explicit(&b->armed, 0, memory_order_relaxed);
}
void bell_ring(struct bell *b);

#endif
