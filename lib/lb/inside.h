/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * inside: what a worker knows of a masquerade beside its mappings: how many of them each inside
 * host has, and whom the last connection of each of TCP's ports is with. One worker's own.
 *
 * A host is there while it has any, and each has a port: so a table with a place for every port
 * holds all that can be there, and nobody's count depends on another's. It is memory that is
 * touched where somebody is. Looked at when mappings and connections begin and end, by no other
 * packet.
 */
#ifndef LB_INSIDE_H
#define LB_INSIDE_H

#include "wire/bytes.h"

#include <stdint.h>

struct lb_inside;

/* Of ports and ids first to last. NULL: no memory. Control. */
struct lb_inside *lb_inside_new(uint16_t first, uint16_t last, int node);
/* NULL is allowed; a void pointer for epoch_defer(). */
void lb_inside_free(void *inside);

/* Mappings of a host, which is never 0.0.0.0. */
uint32_t lb_inside_count(const struct lb_inside *t, be32 host);
/* It has one more; one less, of those that it has. */
void lb_inside_took(struct lb_inside *t, be32 host);
void lb_inside_gave(struct lb_inside *t, be32 host);

#define LB_SEVERAL UINT32_MAX /* no host's address */

/*
 * The address that the last connection of a port (host order) of TCP's is with; 0: none was seen
 * to begin, LB_SEVERAL: there were several at once.
 */
be32 *lb_inside_with(struct lb_inside *t, uint16_t port);

#endif
