/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * udp: which service takes a datagram, by address and port.
 *
 * The table is built whole by control, published by a pointer store and retired by epoch. A
 * service on address 0 takes the port on every address of ours; an exact address comes first.
 */
#ifndef NET_UDP_H
#define NET_UDP_H

#include "base/err.h"

#include <stdint.h>

struct net;

enum udp_kind { UDP_ECHO, UDP_DISCARD }; /* RFC 862, RFC 863 */

struct udp_service_conf {
	struct conf_pos at;
	char name[32];
	enum udp_kind kind;
	uint32_t addr; /* host order; 0 = any of ours */
	uint16_t port;
};

struct udp_conf {
	uint32_t n;
	struct udp_service_conf *list; /* the configuration's memory; copied by build */
};

int udp_check(const struct udp_conf *c, struct errs *e);
int udp_build(struct net *net, const struct udp_conf *c);
void udp_abandon(struct net *net); /* undoes a build that will not be published */
void udp_publish(struct net *net);
void udp_retire(struct net *net);
/* The workers are gone. */
void udp_free(struct net *net);

/*
 * The one end (host order) whose datagrams go to the lane `sync`, for net->sync_end; a service on
 * it comes first.
 */
static inline uint64_t udp_sync_end(uint32_t addr, uint16_t port)
{
	return (uint64_t)port << 32 | addr;
}

/* The kind of the service that takes addr:port (host order), or -1. Worker. */
int udp_service(const struct net *net, uint32_t addr, uint16_t port);

#endif
