/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * addresses: what a configuration's ports and loopback have, so that checks find what refers to it.
 */
#ifndef CONFIG_ADDRESSES_H
#define CONFIG_ADDRESSES_H

#include "net/port.h"

#include <stdbool.h>
#include <stdint.h>

/* A network of an interface; none is inside another. */
struct network {
	uint32_t first;
	uint8_t depth;
	const struct iface_conf *iface;
};

/* What the ports and the loopback have, each in order of address. */
struct addresses {
	struct network *networks;
	uint32_t n_networks;
	uint32_t *own;
	uint32_t n_own;
};

/* False: there was no memory. addresses_free() in any case. */
bool addresses_new(struct addresses *a, const struct ports_conf *c);
void addresses_free(struct addresses *a);

bool addresses_own(const struct addresses *a, uint32_t addr);
/* The network that an address is a host's of, NULL if there is none. */
const struct network *addresses_network(const struct addresses *a, uint32_t addr);
/* Why packets for a gateway or neighbour cannot be sent, NULL if they can. */
const char *addresses_why_not(const struct addresses *a, uint32_t addr);

/* Whether a port or VLAN has the name. */
bool addresses_iface(const struct ports_conf *c, const char *name);

#endif
