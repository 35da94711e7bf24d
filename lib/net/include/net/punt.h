/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * punt: the kernel path. A port with a `kernel` name has a punt interface, a TAP of that name with
 * the port's MAC, MTU and carrier, for programs that know the kernel's network alone (routing
 * daemons, SSH): what is for this host and nobody here takes comes up in it, and the kernel's
 * frames go out of the port as they are.
 *
 * One thread beside the workers reads and writes the TAPs, so that no worker makes a system call
 * for a packet. Between it and each worker are four rings with one writer and one reader each:
 * packets up to the kernel, the same ones back with what became of them, packets down from the
 * kernel, and the empty buffers that they are read into; so that the thread touches no mempool and
 * no counter of a worker. What a full ring means has a name: PUNT_FULL on the way up; on the way
 * down the kernel keeps its frames, and drops what its own queue has no room for.
 */
#ifndef NET_PUNT_H
#define NET_PUNT_H

#include "base/err.h"
#include "net/net.h"
#include "net/port.h"
#include "net/stage.h"

#include <stdbool.h>

#define PUNT_GROUPS 64 /* groups of one port; the kernel joins a handful by itself */

/* MAC addresses of groups that the kernel has joined on a punt interface. */
struct punt_groups {
	uint32_t n;
	uint64_t mac[PUNT_GROUPS]; /* eth_mac_u48(), ascending */
};

/* --- control --- */

/*
 * As every module: what is new is opened by build, in force from publish on; 0, or -errno with the
 * causes in e. After the ports' own; the thread starts with the first punt interface.
 */
int punt_build(struct net *net, const struct ports_conf *c, struct errs *e);
void punt_abandon(struct net *net);
void punt_publish(struct net *net);

/* Carriers follow the links; interfaces that were deleted in the kernel are given up. */
void punt_poll(struct net *net);

/*
 * The groups that p's frames may be for: n MAC addresses, of which those beyond PUNT_GROUPS are
 * left out (logged when they change). Cheap when nothing has changed. Devices listen to all groups
 * from their start: there is no filter of theirs to set. 0 or -ENOMEM: the old ones stay.
 */
int punt_groups(struct net *net, struct port *p, const uint8_t (*macs)[6], uint32_t n);

/*
 * How often the kernel has sent a frame that joins or leaves a group (IGMP, MLD): its groups are
 * worth a look when this has changed. Control's bell is rung.
 */
uint32_t punt_joins(const struct net *net);

/* What there is to say of a port's punt interface. */
struct punt_info {
	const char *name;
	struct pair_count to_kernel;   /* packets and bytes that it took */
	struct pair_count from_kernel; /* and sent, dropped ones among them */
	uint64_t refused;	       /* packets that it did not take */
	bool carrier;
	uint32_t groups;
};
/* False: the port has none. */
bool punt_info(const struct net *net, const struct port *p, struct punt_info *info);

/* The thread ends; workers may still run. NULL as net->punt is allowed in both. */
void punt_stop(struct net *net);
/* The interfaces go; the workers have ended, and give their ends back by punt_end_free(). */
void punt_free(struct net *net);

/* --- worker --- */

/* Whether a received packet that nobody here takes goes to the kernel: by the punt lane. */
static inline bool punt_wants(const struct worker *w, const struct rte_mbuf *m)
{
	return (w->net->iface[pkt_iface(m)].flags & IFACE_KERNEL) != 0;
}

/* Whether frames to the group address mac (eth_mac_u48()) on the interface are for the kernel. */
bool punt_joined(const struct net *net, const struct iface *f, uint64_t mac);

/* Whether the thread has something for a worker that is about to sleep. */
bool punt_waits(const struct worker *w);
/* Packets that are with the thread, or on the way to it and back. */
uint32_t punt_held(const struct worker *w);
/* Of a worker that has ended, as has the thread: drops what is held (as DRAIN). */
void punt_end_free(struct worker *w);

#endif
