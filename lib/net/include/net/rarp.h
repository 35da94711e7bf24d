/* SPDX-License-Identifier: BSD-3-Clause */
/* rarp: the table from MAC to address that RARP requests are answered from (RFC 903). */
#ifndef NET_RARP_H
#define NET_RARP_H

#include "base/err.h"

#include <stdint.h>

struct net;

struct rarp_entry_conf {
	struct conf_pos at;
	uint8_t mac[6];
	uint32_t addr; /* host order */
};

struct rarp_conf {
	uint32_t n;
	struct rarp_entry_conf *list; /* the configuration's memory; copied by build */
};

int rarp_check(const struct rarp_conf *c, struct errs *e);
int rarp_build(struct net *net, const struct rarp_conf *c);
void rarp_abandon(struct net *net); /* undoes a build that will not be published */
void rarp_publish(struct net *net);
void rarp_retire(struct net *net);
void rarp_free(struct net *net); /* the workers are gone */

/* The address that belongs to mac (host order), 0 when the table does not have it. Worker. */
uint32_t rarp_lookup(const struct net *net, const uint8_t mac[6]);

#endif
