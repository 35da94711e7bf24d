/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * inside: how many mappings of a masquerade each inside host has. One worker's own.
 *
 * A host is there while it has any, and each has a port: so a table with a place for every port
 * holds all that can be there, and nobody's count depends on another's. It is memory that is
 * touched where somebody is. Looked at when mappings begin and end, by no other packet.
 */
#ifndef LB_INSIDE_H
#define LB_INSIDE_H

#include "wire/bytes.h"

#include <stdint.h>

struct lb_inside;

/* For at most so many mappings at a time. NULL: no memory. Control. */
struct lb_inside *lb_inside_new(uint32_t mappings, int node);
/* NULL is allowed; a void pointer for epoch_defer(). */
void lb_inside_free(void *inside);

/* Mappings of a host, which is never 0.0.0.0. */
uint32_t lb_inside_count(const struct lb_inside *t, be32 host);
/* It has one more; one less, of those that it has. */
void lb_inside_took(struct lb_inside *t, be32 host);
void lb_inside_gave(struct lb_inside *t, be32 host);

#endif
