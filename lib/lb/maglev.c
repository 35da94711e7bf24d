/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Backends take turns at the free places, each along a permutation of its own; one of less weight
 * than the largest sits out some of the turns. Free places are bits, so that what a turn looks at
 * stays in the first-level cache.
 */
#include "lb/maglev.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A backend's way through the table: at, at + step, at + 2 step ... modulo the size. */
struct turn {
	uint64_t id;
	uint32_t at;
	uint32_t step;
	uint32_t weight;
	uint32_t due; /* the weighted turn at which it takes its next place */
	uint16_t backend;
	bool usable;
};

struct places {
	uint16_t *of;
	uint32_t size;
	uint32_t n_free;
	uint64_t *free; /* a bit each */
};

bool maglev_size_ok(uint32_t size)
{
	if (size < 2 || size > MAGLEV_SIZE_MAX)
		return false;
	for (uint32_t i = 2; i * i <= size; i++)
		if (size % i == 0)
			return false;
	return true;
}

/* Two independent words of one id: the finalizer of MurmurHash3 (Appleby), public domain. */
static uint64_t scattered(uint64_t x)
{
	x = (x ^ x >> 33) * UINT64_C(0xff51afd7ed558ccd);
	x = (x ^ x >> 33) * UINT64_C(0xc4ceb9fe1a85ec53);
	return x ^ x >> 33;
}

static void begin(struct turn *t, uint32_t size)
{
	uint64_t word = scattered(t->id);

	t->at = (uint32_t)(word >> 32) % size;
	t->step = (uint32_t)word % (size - 1) + 1;
	t->due = 0;
}

static int by_id(const void *a, const void *b)
{
	uint64_t x = ((const struct turn *)a)->id, y = ((const struct turn *)b)->id;

	return x < y ? -1 : x > y;
}

static bool is_free(const struct places *p, uint32_t at)
{
	return p->free[at / 64] >> at % 64 & 1;
}

static void set_free(struct places *p, uint32_t at, bool to)
{
	uint64_t bit = UINT64_C(1) << at % 64;

	p->free[at / 64] = to ? p->free[at / 64] | bit : p->free[at / 64] & ~bit;
	p->n_free += to ? 1 : UINT32_MAX;
}

static void take_next(struct places *p, struct turn *t)
{
	uint32_t at = t->at;

	while (!is_free(p, at)) {
		at += t->step;
		at -= at >= p->size ? p->size : 0;
	}
	set_free(p, at, false);
	p->of[at] = t->backend;
	t->at = at;
}

/* Fills the free places with those of turn[0..n), none of which has weight 0. */
static void fill(struct places *p, struct turn *turn, uint32_t n)
{
	uint32_t most = 0;

	for (uint32_t i = 0; i < n; i++) {
		begin(&turn[i], p->size);
		most = turn[i].weight > most ? turn[i].weight : most;
	}
	/* in k turns a backend of weight w takes about k w / most places */
	for (uint32_t now = 0; n > 0 && p->n_free > 0; now++) {
		for (uint32_t i = 0; i < n && p->n_free > 0; i++) {
			struct turn *t = &turn[i];

			if (now * t->weight < t->due)
				continue;
			t->due += most;
			take_next(p, t);
		}
	}
}

/* Those that may not be used give their places back, and are no longer in turn[]: how many stay. */
static uint32_t only_usable(
	struct places *p, const struct maglev_backend *b, struct turn *turn, uint32_t n)
{
	uint32_t usable = 0;

	for (uint32_t at = 0; at < p->size; at++) {
		if (p->of[at] == MAGLEV_NONE || b[p->of[at]].usable)
			continue;
		p->of[at] = MAGLEV_NONE;
		set_free(p, at, true);
	}
	for (uint32_t i = 0; i < n; i++)
		if (turn[i].usable)
			turn[usable++] = turn[i];
	return usable;
}

int maglev_build(uint16_t *place, uint32_t size, const struct maglev_backend *b, uint32_t n)
{
	size_t words = (size_t)size / 64 + 1;
	struct places p = {.of = place, .size = size, .n_free = size};
	struct turn *turn = calloc((size_t)n + 1, sizeof(*turn));
	uint32_t some = 0, usable = 0;

	p.free = malloc(words * sizeof(*p.free));
	if (turn == NULL || p.free == NULL) {
		free(turn);
		free(p.free);
		return -ENOMEM;
	}
	memset(place, 0xff, size * sizeof(*place));
	memset(p.free, 0xff, words * sizeof(*p.free));
	for (uint32_t i = 0; i < n; i++) {
		if (b[i].weight == 0)
			continue;
		usable += b[i].usable;
		turn[some++] = (struct turn){.id = b[i].id,
			.weight = b[i].weight,
			.backend = (uint16_t)i,
			.usable = b[i].usable};
	}
	qsort(turn, some, sizeof(*turn), by_id);
	fill(&p, turn, some);
	if (usable < some)
		fill(&p, turn, only_usable(&p, b, turn, some));
	free(turn);
	free(p.free);
	return 0;
}
