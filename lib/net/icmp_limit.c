/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * icmp_limit: token buckets that are one number each: the time at which the bucket is full again.
 * A token moves it on by 1/rate; a bucket whose time is `burst` such steps ahead is empty. In all
 * and by type the burst is what a second brings.
 */
#include "net/icmp_limit.h"

#include "base/numa.h"
#include "net/net.h"

#include <rte_jhash.h>
#include <rte_random.h>

#include <stdatomic.h>

#define SOURCES 4096
#define TYPES	16

struct icmp_limit {
	_Atomic ticks all;
	_Atomic ticks type[TYPES];
	_Atomic ticks source[SOURCES];
	uint32_t key; /* constant; nobody outside knows who shares a bucket */
};

struct icmp_limit *icmp_limit_new(int node)
{
	struct icmp_limit *l = numa_take(sizeof(*l), node);

	if (l != NULL)
		l->key = (uint32_t)rte_rand();
	return l;
}

void icmp_limit_free(struct icmp_limit *l)
{
	if (l != NULL)
		numa_drop(l, sizeof(*l));
}

/* How far ahead of now a bucket's time is: what was taken of it and has not come back yet. */
static ticks owed(ticks full_at, ticks now)
{
	return full_at > now ? full_at - now : 0;
}

static bool has_token(ticks full_at, ticks now, uint32_t rate, uint32_t burst)
{
	return owed(full_at, now) * rate <= (burst - 1) * rte_get_tsc_hz();
}

static bool take(_Atomic ticks *bucket, ticks now, uint32_t rate, uint32_t burst)
{
	ticks full_at = atomic_load_explicit(bucket, memory_order_relaxed), next;

	do {
		if (!has_token(full_at, now, rate, burst))
			return false;
		next = now + owed(full_at, now) + rte_get_tsc_hz() / rate;
	} while (!atomic_compare_exchange_weak_explicit(
		bucket, &full_at, next, memory_order_relaxed, memory_order_relaxed));
	return true;
}

bool icmp_limit_take(struct icmp_limit *l, const struct net_settings *set, ticks now, uint8_t type,
	uint32_t source)
{
	const uint32_t rate = set->error_rate, type_rate = set->error_type_rate,
		       source_rate = set->error_source_rate;
	uint32_t slot = rte_jhash_1word(source, l->key) % SOURCES;

	/* Asked first by a look alone: a flood with forged sources then writes nothing. */
	if (rate == 0 ||
		!has_token(atomic_load_explicit(&l->all, memory_order_relaxed), now, rate, rate))
		return false;
	/* The source before all: what one source is refused is left for the others. */
	if (source_rate != 0 &&
		!take(&l->source[slot], now, source_rate, RTE_MAX(set->error_source_burst, 1u)))
		return false;
	if (type_rate != 0 && !take(&l->type[type % TYPES], now, type_rate, type_rate))
		return false;
	return take(&l->all, now, rate, rate);
}
