/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * siphash: SipHash-2-4 (Aumasson and Bernstein, 2012), a keyed hash of short inputs that an
 * outsider can neither predict nor collide: sequence numbers, timestamp offsets, SYN cookies.
 */
#ifndef BASE_SIPHASH_H
#define BASE_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

struct siphash_key {
	uint64_t word[2];
};

/* A key from the kernel's random source; the process ends if there is none. Any thread, set-up. */
struct siphash_key siphash_new_key(void);

/* len bytes at p, any alignment. */
uint64_t siphash(const struct siphash_key *key, const void *p, size_t len);

#endif
