/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * kernel: what millrace and the kernel tell each other by netlink, about ports that have an
 * interface in the kernel (port_conf.kernel).
 *
 * Down go what the interfaces are (MAC, MTU, addresses, VLANs), the routes of the configuration
 * and the operator, and neighbours that are resolved; up come the kernel's routes, addresses and
 * permanent neighbours, all with the origin "kernel". What has our protocol number, or is marked
 * as told by a program, is our own and never comes up again.
 *
 * Control's alone. All work is done in slices by kernel_work(); messages that were lost make it
 * read everything again, and what is not there any more goes.
 */
#ifndef NET_KERNEL_H
#define NET_KERNEL_H

#include "base/clock.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct net;
struct ports_conf;

struct kernel_conf {
	/* for good, from the start on */
	uint32_t table;	   /* of routes, both ways: RT_TABLE_MAIN or another */
	uint32_t protocol; /* 1..255: rtm_protocol and IFA_PROTO of what we put there */
	uint32_t buffer;   /* bytes that may wait in the socket */
	/* live */
	uint8_t preference; /* of the kernel's routes in the RIB */
	bool take_routes;   /* up: */
	bool take_addresses;
	bool take_neighbours;
	bool give_routes; /* down: */
	bool give_neighbours;
};

/* clang-format off */
/* Why a route of the kernel's is not in the RIB, or is: X(name, as shown) */
#define KERNEL_FATES(X) \
	X(TAKEN, "taken") \
	X(PARTLY, "taken, but without some of its next hops, or with equal weights") \
	X(SHADOWED, "another one of the prefix has a lower metric") \
	X(KIND, "neither unicast nor blackhole, unreachable or prohibit") \
	X(TOS, "for one type of service") \
	X(OTHER_LINK, "out of an interface that is no port's") \
	X(NO_GATEWAY, "without a gateway") \
	X(OTHER_GATEWAY, "by an IPv6 gateway or through a tunnel") \
	X(NOT_NEIGHBOUR, "the gateway is on no network of the port") \
	X(NO_NEXTHOP, "its nexthop object is not there") \
	X(NO_ROOM, "no room: see system.limits")
/* clang-format on */

enum kernel_fate {
#define X(name, text) KERNEL_##name,
	KERNEL_FATES(X)
#undef X
		KERNEL_FATES_MAX
};

/* "taken", and the sentence that explains it */
const char *kernel_fate_name(enum kernel_fate f);
const char *kernel_fate_text(enum kernel_fate f);

/* clang-format off */
#define KERNEL_COUNTS(X) \
	X(routes)	    /* the kernel's that are known; a prefix may have several */ \
	X(nexthops)	    /* nexthop objects, and those that are only asked for */ \
	X(addresses)	    /* the kernel's that are ours, too */ \
	X(neighbours)	    /* its permanent ones that are ours, too */ \
	X(routes_given)	    /* ours that are there */ \
	X(neighbours_given) \
	X(messages)	    /* read, since the start */ \
	X(malformed) \
	X(overruns)	    /* how often messages were lost */ \
	X(resyncs)	    /* how often everything was read, and what had gone went */ \
	X(interrupted)	    /* how often it changed meanwhile, and was read again */ \
	X(refused)	    /* requests that the kernel refused */
/* clang-format on */

struct kernel_counts {
	bool on;     /* some port has an interface there */
	bool synced; /* everything was read */
	uint64_t fate[KERNEL_FATES_MAX];
#define X(name) uint64_t name;
	KERNEL_COUNTS(X)
#undef X
};

int kernel_new(struct net *net);
void kernel_free(struct net *net); /* takes from the kernel what would stay without us */

extern const struct kernel_conf kernel_conf_default;

/* Opens the sockets if one of the ports is to have an interface there. 0 or -errno, said in e. */
int kernel_build(struct net *net, const struct kernel_conf *c, const struct ports_conf *ports,
	struct errs *e);
void kernel_abandon(struct net *net);
/* After ports, neighbours and routes: follows them. */
void kernel_publish(struct net *net, ticks now);

/* The socket to wait for (readable), -1 for none. It may be another after each publish. */
int kernel_fd(const struct net *net);

/* A slice of what there is to do, until about `deadline`. True: there is more. */
bool kernel_work(struct net *net, ticks deadline);

struct kernel_counts kernel_counts(const struct net *net);

/* An interface of the kernel's that is a port's. */
struct kernel_link {
	const char *name;
	uint32_t index;
	uint16_t iface; /* ours */
	bool up;
};
void kernel_links(const struct net *net, void (*fn)(const struct kernel_link *, void *), void *arg);

#endif
