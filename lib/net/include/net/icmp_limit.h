/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * icmp_limit: how many ICMP errors may go out: in all, of one type, to one source (RFC 1812
 * 4.3.2.8).
 *
 * The one table that workers share: a source's packets reach all of them, and its limit is not to
 * be multiplied by their number. Each bucket is one number, written by compare-and-swap when an
 * error is let through, which is as often as the limits allow; a refusal only reads.
 */
#ifndef NET_ICMP_LIMIT_H
#define NET_ICMP_LIMIT_H

#include "base/clock.h"

#include <stdbool.h>
#include <stdint.h>

struct icmp_limit;
struct net_settings;

/* All buckets full. One an appliance; NULL without memory. Control. */
struct icmp_limit *icmp_limit_new(int node);
void icmp_limit_free(struct icmp_limit *l);

/*
 * Whether an error of an ICMP type may go to an address (host order) now, by the rates in `set`:
 * if so its tokens are taken. Sources share a bucket where a keyed hash makes them. Any worker.
 */
bool icmp_limit_take(struct icmp_limit *l, const struct net_settings *set, ticks now, uint8_t type,
	uint32_t source);

#endif
