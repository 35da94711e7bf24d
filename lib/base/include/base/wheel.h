/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * wheel: timers of one core, a hierarchical wheel (Varghese and Lauck, 1987) of 4 levels of 256
 * slots.
 *
 * A timer is twelve bytes inside an element of the caller's array, and known by the element's
 * index: links are indexes, no pointers. Time is a tick count of 32 bits, whose length the caller
 * chooses; it wraps round, and a timer is due at most 2^31 - 1 ticks after wheel_now(). One thread.
 *
 * Arming and cancelling cost O(1) and write to a neighbour in the list or two; moving to a later
 * tick writes to the timer alone. Ticks that nobody waits for are jumped over with the help of
 * bitmaps, a second of them as quickly as one. A timer whose tick differs from wheel_now() in more
 * than the lowest byte sinks to a lower level on its way, at most three times; one that was moved
 * to a later tick is also put right when the earlier one comes. WHEEL_MOVES bounds how often a call
 * does either.
 */
#ifndef BASE_WHEEL_H
#define BASE_WHEEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WHEEL_NONE  UINT32_MAX
#define WHEEL_MOVES 64

/* Zeroed: not armed. */
struct wheel_timer {
	uint32_t next; /* index of the element + 1 of the next in the slot, 0 = none */
	uint32_t link; /* the wheel's own: who names us */
	uint32_t due;  /* tick at which it fires; valid while armed */
};

struct wheel;

/*
 * Over an array of fewer than 2^31 - 1 elements of `stride` bytes at `base`, each with a struct
 * wheel_timer `offset` bytes into it. now: the first tick. node: where the memory lies. NULL: no
 * memory.
 */
struct wheel *wheel_new(void *base, size_t stride, size_t offset, uint32_t now, int node);
/* The timers are left as they are. NULL is allowed. */
void wheel_free(struct wheel *w);

/*
 * The timer of `element` fires at tick `due`: of one that is wheel_now(), the next call of
 * wheel_advance() tells; one that has passed becomes the tick after it. Moves a timer that is
 * armed.
 */
void wheel_arm(struct wheel *w, uint32_t element, uint32_t due);
/* Nothing, if it is not armed. */
void wheel_cancel(struct wheel *w, uint32_t element);

static inline bool wheel_armed(const struct wheel_timer *t)
{
	return t->link != 0;
}

/*
 * Goes on to tick `now`, less than 2^31 ticks on, and takes at most max elements whose timers are
 * due off the wheel, in the order of their ticks (those of one tick in any order); writes their
 * indexes to `fired` and returns how many. Between calls, timers may be armed and cancelled, those
 * that are still due as well.
 *
 * A call moves at most WHEEL_MOVES timers to lower levels and then leaves the rest to the next one,
 * rather than that packets wait (a move costs some 450 cycles if the timer is in no cache): fewer
 * than max does not mean that nothing is due any more.
 */
uint32_t wheel_advance(struct wheel *w, uint32_t now, uint32_t *fired, uint32_t max);

/* Whether another wheel_advance() to `now` may find more to do. */
bool wheel_behind(const struct wheel *w, uint32_t now);

/* The tick that the wheel has come to. */
uint32_t wheel_now(const struct wheel *w);

/*
 * A tick before which no timer fires, at most `horizon` ticks from wheel_now(): how long the core
 * may sleep. wheel_now() itself if there is more to do now. The tick is that of the next timer if
 * this is due before the next multiple of 256, else it may be an earlier one: whoever wakes up then
 * and goes on is at most three times too early for a timer that was not moved.
 */
uint32_t wheel_next(const struct wheel *w, uint32_t horizon);

/* Timers armed. */
uint32_t wheel_count(const struct wheel *w);

#endif
