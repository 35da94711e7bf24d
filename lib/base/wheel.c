/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where a timer stands follows from its due tick and the wheel's: the level is that of the highest
 * byte in which the two differ, the slot is that byte of the due tick. So all of a level is due
 * before all of the next level; the slot of level 0 that now points to holds what is due now, and
 * those of the other levels are empty, but while they are being drained: a slot is drained when now
 * reaches its first tick, each of its timers to a lower level or, if it is due at once, to the
 * caller.
 *
 * A timer that is moved to a later tick stays where it is: it is put right when its slot is
 * drained. (A retransmission timer is moved by each ACK and hardly ever fires.) So a slot may hold
 * timers due later than it says, never earlier.
 */
#include "base/wheel.h"

#include "base/numa.h"
#include "base/seq.h"

#include <assert.h>

static_assert(sizeof(struct wheel_timer) == 12, "three words in an element's warm line");

#define LEVELS 4
#define SLOTS  256
#define NEVER  UINT32_MAX

/* In a link: the number of the slot that we are the first of; else the element + 1 before us. */
#define FIRST (UINT32_C(1) << 31)

struct wheel {
	char *timers; /* of element 0 */
	size_t stride;
	uint32_t now;
	uint32_t count;
	uint64_t occupied[LEVELS * SLOTS / 64]; /* a bit of each slot */
	uint32_t first[LEVELS * SLOTS];		/* element + 1, 0 = none */
};

/* What a call of wheel_advance() may still do. */
struct spell {
	uint32_t *fired;
	uint32_t left;
	uint32_t moves;
};

struct wheel *wheel_new(void *base, size_t stride, size_t offset, uint32_t now, int node)
{
	struct wheel *w = numa_take(sizeof(*w), node);

	if (w == NULL)
		return NULL;
	w->timers = (char *)base + offset;
	w->stride = stride;
	w->now = now;
	return w;
}

void wheel_free(struct wheel *w)
{
	if (w != NULL)
		numa_drop(w, sizeof(*w));
}

static inline struct wheel_timer *timer_of(const struct wheel *w, uint32_t element)
{
	return (struct wheel_timer *)(w->timers + element * w->stride);
}

static inline uint32_t slot_of(uint32_t level, uint32_t tick)
{
	return level * SLOTS + (tick >> 8 * level & 255);
}

static inline bool is_occupied(const struct wheel *w, uint32_t slot)
{
	return w->occupied[slot / 64] >> slot % 64 & 1;
}

static inline void set_first(struct wheel *w, uint32_t slot, uint32_t name)
{
	uint64_t bit = UINT64_C(1) << slot % 64;

	w->first[slot] = name;
	if (name != 0) {
		timer_of(w, name - 1)->link = FIRST | slot;
		w->occupied[slot / 64] |= bit;
	} else {
		w->occupied[slot / 64] &= ~bit;
	}
}

static inline void put(struct wheel *w, uint32_t element, struct wheel_timer *t)
{
	uint32_t level = (31 - (uint32_t)__builtin_clz((t->due ^ w->now) | 1)) / 8;
	uint32_t slot = slot_of(level, t->due);

	t->next = w->first[slot];
	if (t->next != 0)
		timer_of(w, t->next - 1)->link = element + 1;
	set_first(w, slot, element + 1);
}

static inline void take_out(struct wheel *w, struct wheel_timer *t)
{
	if (t->link & FIRST) {
		set_first(w, t->link & ~FIRST, t->next);
		return;
	}
	timer_of(w, t->link - 1)->next = t->next;
	if (t->next != 0)
		timer_of(w, t->next - 1)->link = t->link;
}

void wheel_arm(struct wheel *w, uint32_t element, uint32_t due)
{
	struct wheel_timer *t = timer_of(w, element);

	if (seq_lt(due, w->now))
		due = w->now + 1;
	if (!wheel_armed(t)) {
		w->count++;
	} else if (seq_geq(due, t->due)) {
		t->due = due;
		return;
	} else {
		take_out(w, t);
	}
	t->due = due;
	put(w, element, t);
}

void wheel_cancel(struct wheel *w, uint32_t element)
{
	struct wheel_timer *t = timer_of(w, element);

	if (!wheel_armed(t))
		return;
	take_out(w, t);
	t->link = 0;
	w->count--;
}

/* Empties a slot that now points to. False: the caller's room or the moves were used up before. */
static bool drain(struct wheel *w, uint32_t slot, struct spell *s)
{
	uint32_t name = w->first[slot];

	while (name != 0) {
		struct wheel_timer *t = timer_of(w, name - 1);
		uint32_t next = t->next;

		if (t->due == w->now) {
			if (s->left == 0)
				break;
			s->left--;
			*s->fired++ = name - 1;
			t->link = 0;
			w->count--;
		} else {
			if (s->moves == 0)
				break;
			s->moves--;
			put(w, name - 1, t);
		}
		name = next;
	}
	set_first(w, slot, name);
	return name == 0;
}

static bool drain_all(struct wheel *w, struct spell *s)
{
	for (uint32_t level = LEVELS; level-- > 0;) {
		uint32_t slot = slot_of(level, w->now);

		if (is_occupied(w, slot) && !drain(w, slot, s))
			return false;
	}
	return true;
}

/* The first occupied slot of a level from `at` on, or SLOTS. */
static uint32_t occupied_from(const struct wheel *w, uint32_t level, uint32_t at)
{
	const uint64_t *occupied = &w->occupied[level * SLOTS / 64];
	uint64_t mask = UINT64_MAX << at % 64;

	for (uint32_t word = at / 64; word < SLOTS / 64; word++, mask = UINT64_MAX)
		if (occupied[word] & mask)
			return word * 64 + (uint32_t)__builtin_ctzll(occupied[word] & mask);
	return SLOTS;
}

/* How many ticks after now, which is drained, the next occupied slot begins; or NEVER. */
static uint32_t ahead(const struct wheel *w)
{
	uint32_t i = SLOTS;

	for (uint32_t level = 0; level < LEVELS; level++) {
		uint32_t position = w->now >> 8 * level;

		i = occupied_from(w, level, position & 255);
		if (i < SLOTS)
			return (((position & ~255u) | i) << 8 * level) - w->now;
	}
	/* the top level goes round: the rest of its slots come after the wrap */
	i = occupied_from(w, LEVELS - 1, 0);
	return i < SLOTS ? (i << 8 * (LEVELS - 1)) - w->now : NEVER;
}

uint32_t wheel_advance(struct wheel *w, uint32_t now, uint32_t *fired, uint32_t max)
{
	struct spell s = {fired, max, WHEEL_MOVES};

	if (w->count == 0) {
		w->now = now;
		return 0;
	}
	while (drain_all(w, &s) && seq_lt(w->now, now)) {
		uint32_t step = ahead(w);

		if (step > now - w->now) {
			w->now = now;
			break;
		}
		w->now += step;
	}
	return max - s.left;
}

bool wheel_behind(const struct wheel *w, uint32_t now)
{
	for (uint32_t level = 0; level < LEVELS; level++)
		if (is_occupied(w, slot_of(level, w->now)))
			return true;
	return seq_lt(w->now, now);
}

uint32_t wheel_now(const struct wheel *w)
{
	return w->now;
}

uint32_t wheel_next(const struct wheel *w, uint32_t horizon)
{
	uint32_t step;

	if (wheel_behind(w, w->now))
		return w->now;
	step = ahead(w);
	return w->now + (step < horizon ? step : horizon);
}

uint32_t wheel_count(const struct wheel *w)
{
	return w->count;
}
