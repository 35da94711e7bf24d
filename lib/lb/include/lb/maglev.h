/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * maglev: from a flow's hash to a backend, by a table (Eisenbud et al., "Maglev", NSDI 2016, 3.4).
 *
 * The table is a pure function of its backends' ids, weights and states, whatever their order: any
 * number of balancers with one configuration pick the same backend.
 *
 * Placement has two steps. All configured backends share the table by their weights, whether they
 * may be used now or not; then the places of those that may not are shared by the others. So a
 * backend that goes down, drains or comes back moves its own share and no other place. Only a
 * change of the set or of the weights moves places between others, few, as the paper has it.
 */
#ifndef LB_MAGLEV_H
#define LB_MAGLEV_H

#include <stdbool.h>
#include <stdint.h>

#define MAGLEV_SIZE	  65537	  /* the default: under 1 % of difference for 655 backends */
#define MAGLEV_SIZE_MAX	  8388617 /* a prime above 2^23 */
#define MAGLEV_WEIGHT_MAX 256
#define MAGLEV_BACKENDS	  65535
#define MAGLEV_NONE	  UINT16_MAX

struct maglev_backend {
	uint64_t id;	 /* who it is, of its address, port and protocol: unique in the table */
	uint16_t weight; /* share, 0 to MAGLEV_WEIGHT_MAX; 0 has no places */
	bool usable;	 /* up, and not draining: may get new flows */
};

/* Whether a table may have so many places: a prime, up to MAGLEV_SIZE_MAX. */
bool maglev_size_ok(uint32_t size);

/*
 * Writes size places: each the index in b of a backend, or MAGLEV_NONE where none is usable.
 * size: maglev_size_ok(), and not below n; n: up to MAGLEV_BACKENDS. Takes some milliseconds: for
 * control. 0, or -ENOMEM, and nothing is written.
 */
int maglev_build(uint16_t *place, uint32_t size, const struct maglev_backend *b, uint32_t n);

/* The place of a hash, all of whose 32 bits are good. */
static inline uint32_t maglev_place(uint32_t hash, uint32_t size)
{
	return (uint32_t)((uint64_t)hash * size >> 32);
}

#endif
