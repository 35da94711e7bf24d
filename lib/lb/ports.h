/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ports: which ports of one address of ours are free, and whose the others are. One worker's own.
 *
 * The hash that finds a packet's owner is linear: what a port adds to it are six bits, the port's
 * class. So the ports with which a reply comes home are those of some classes, which are lists, and
 * one is found at once or there is none. A list gives what was freed longest ago.
 *
 * A port takes four bytes and a bit: its flow while it is used, its neighbours in the list while it
 * is free. Ports are in host order.
 */
#ifndef LB_PORTS_H
#define LB_PORTS_H

#include "base/hash.h"
#include "lb/conf.h"
#include "lb/flow.h"
#include "net/net.h"

struct lb_ports;

/* first to last, at least LB_PORT_LEAST, all free, in no order. NULL: no memory. Control. */
struct lb_ports *lb_ports_new(uint16_t first, uint16_t last, int node);
/* NULL is allowed; a void pointer for epoch_defer(). */
void lb_ports_free(void *ports);

/*
 * A free port of a class, or 0. It is the flow's (a flow_ref()) from now on.
 *
 * Of the class that makes an answer's hash the flow's own, wherever workers' slots are: another
 * instance, with other workers, has both at one worker, too (lb/sync.h).
 */
uint16_t lb_ports_take_of(struct lb_ports *p, uint32_t class, uint32_t flow);
/*
 * A free port with which a flow whose other three parts hash to `with` is the worker's, or 0; as
 * above.
 */
uint16_t lb_ports_take(struct lb_ports *p, const struct worker *w, uint32_t with, uint32_t flow);
/* The same of one port; false: it is not free, or none of these. */
bool lb_ports_take_this(struct lb_ports *p, uint16_t port, uint32_t flow);
/* It was taken. */
void lb_ports_give(struct lb_ports *p, uint16_t port);

/* Whose a port is; FLOW_NONE: nobody's. Any port. */
uint32_t lb_ports_flow(const struct lb_ports *p, uint16_t port);
uint32_t lb_ports_used(const struct lb_ports *p);

static inline uint32_t lb_port_class(uint16_t port)
{
	return hash_word(port) & (OWNER_MAP - 1);
}

/* Whose a port is by itself, whatever it talks to: its share of a masquerade's range. */
static inline uint16_t lb_port_owner(const struct net *net, uint16_t port)
{
	return net->owner[lb_port_class(port)];
}

#endif
