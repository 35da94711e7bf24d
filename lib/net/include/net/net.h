/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * net: what all workers of one appliance share and only control writes.
 *
 * Tables are read without locks; control publishes by single stores and retires by epoch. There
 * is one struct net in a process, handed around, never global, so that a test can make its own.
 */
#ifndef NET_NET_H
#define NET_NET_H

#include "base/epoch.h"
#include "base/err.h"
#include "net/adj.h"
#include "net/fib4.h"
#include "net/iface.h"
#include "net/rib4.h"
#include "net/worker.h"

#include <rte_mempool.h>

/*
 * Slots of the map from hash to owner: the smallest table that a NIC with RSS has, whose period is
 * then one of every larger table too.
 */
#define OWNER_MAP 64

struct absents;
struct checks;
struct lb;
struct port;
struct punt;
struct service_table;
struct adj_pool;
struct neigh_table;
struct kernel;
struct port_table;
struct route_table;
struct udp_table;
struct rarp_table;
struct icmp_limit;

/* Sizes of the tables: fixed at start-up. */
struct net_limits {
	uint32_t routes;      /* prefixes in the RIB */
	uint32_t tbl8;	      /* FIB groups for prefixes longer than /24 */
	uint32_t adjacencies; /* neighbours and next hops; at most FIB_INDEX_MAX */
	uint32_t groups;      /* ECMP groups */
	uint32_t mbufs;	      /* packet buffers on each NUMA node in use */
	uint32_t mbuf_size;   /* data bytes in a buffer, headroom not counted */
	uint32_t punt_queue;  /* packets on their way to the kernel, and from it, each worker */
};

/* What the data path reads of the settings; each field is one load. Control: w, workers: r. */
struct net_settings {
	/* icmp */
	uint32_t error_rate;	    /* ICMP errors a second in all; 0 = none are sent */
	uint32_t error_source_rate; /* and to one source */
	uint32_t error_source_burst;
	uint32_t error_type_rate; /* and of one type; 0 = no such limit */
	uint32_t echo_group;	  /* answer echo requests to broadcast addresses */
	uint32_t redirects;	  /* send redirects at all */
	/* ip4 */
	uint32_t source_route; /* forward source-routed packets as RFC 1812 has it */
	uint32_t ttl;	       /* of packets of our own */
	/* neighbours */
	uint32_t park_each;  /* packets that may wait for one neighbour, on one worker */
	uint32_t park_total; /* and for all of them, on one worker */
	uint32_t park_ms;    /* how long at the longest */
	/* reassembly, on each worker */
	uint32_t reasm_datagrams;
	uint32_t reasm_fragments; /* of one datagram, at most 64 */
	uint32_t reasm_ms;
	/* kernel path */
	uint32_t punt_rate; /* packets a second to the kernel: of either class, on each worker */
};

struct net {
	/* read per packet */
	const struct fib4 *fib;
	struct adj *adj;	  /* [limits.adjacencies] */
	struct iface *iface;	  /* [IFACE_MAX] */
	struct group *group;	  /* [limits.groups] */
	uint8_t owner[OWNER_MAP]; /* worker that owns hash & (OWNER_MAP - 1) */
	uint16_t n_workers;
	struct net_settings set;

	struct lb *lb; /* virtual services; NULL: no balancing. Set before the workers run */
	struct checks *checks;	  /* of their backends; the same */
	_Atomic bool whole_again; /* control: w, workers: r; reassembled: back to fib(in) */

	/* read on the slow path */
	_Atomic uint64_t sync_end;	 /* udp_sync_end(); control: w, workers: r; 0: none */
	struct udp_table *_Atomic udp;	 /* services by port; control: w, workers: r */
	struct rarp_table *_Atomic rarp; /* control: w, workers: r */
	struct service_table *_Atomic services; /* TCP's; control: w, workers: r */
	struct service_table *services_next;	/* control's: built, not published; then old */
	struct service_table *services_old;	/* control's: workers may still refer to files */
	struct port *port[PORT_MAX];		/* by slot; control: w, workers: r */
	struct udp_table *udp_next;    /* control's: built, not published; then the old one */
	struct icmp_limit *icmp_limit; /* token buckets of ICMP errors; workers: rw, atomically */

	/* control's */
	struct net_limits limits;
	struct epoch *epoch;
	struct rib4 *rib;
	struct adj_pool *adj_pool;
	const char *sys;			/* where sysfs is */
	struct port_table *ports;		/* port.c's */
	struct absents *absents, *absents_next; /* absent.c's */
	struct errs made_do; /* what the last build made do with: whoever applies tells it */
	ticks next_link_poll;
	struct neigh_table *neigh;
	struct route_table *routes;
	struct punt *punt;	       /* the kernel path's; NULL: no punt interface yet */
	struct kernel *kernel;	       /* kernel.c's */
	struct rarp_table *rarp_built; /* by rarp_build(), not published yet */
	struct rarp_table *rarp_old;   /* replaced by rarp_publish(), not retired yet */
	struct rte_mempool *pool[RTE_MAX_NUMA_NODES]; /* by node; NULL where no worker is */
	struct worker *worker[WORKER_MAX];
	struct bell bell; /* control's: rung by workers that posted an event */
};

/* Allocates the tables; no ports, no routes. 0 or -errno. Control thread. */
int net_new(struct net **net, const struct net_limits *limits);
void net_free(struct net *net);

/* The settings' defaults, as the configuration's reference shows them. */
extern const struct net_settings net_settings_default;
extern const struct net_limits net_limits_default;

/*
 * Which indexes of net->adj and net->group are free. The tables themselves are net_new()'s; the
 * pool is made by neigh_new() and polled by neigh_tick(). 0 or -ENOMEM.
 */
int adj_pool_new(struct net *net);
void adj_pool_free(struct net *net);

/* Moves on what was returned: call it now and then. */
void adj_pool_poll(struct net *net);

/*
 * Adjacencies: control takes and returns indexes; 0 when the table is full. Whoever returns one
 * has taken the routes to it out of the RIB: it is reused only after those changes have reached
 * the FIB and then every worker has passed a quiescent state.
 */
uint32_t adj_take(struct net *net);
void adj_return(struct net *net, uint32_t index);

/*
 * Writes an adjacency's header for a neighbour on an interface and marks it resolved, so that a
 * reader sees either none of it or all (see adj.h); or only its address when mac is NULL: packets
 * then wait. Same address, interface and MAC again: what the interface changed (MTU, own MAC).
 */
void adj_set(struct net *net, uint32_t index, uint16_t iface, uint32_t addr, const uint8_t *mac);

/* Whether control waits to hear from the neighbour: workers then report all that it says. */
void adj_set_asked(struct net *net, uint32_t index, bool asked);

/* Packets and bytes sent by an adjacency, all workers, since the start. */
struct pair_count adj_sent(const struct net *net, uint32_t index);

/* ECMP groups: taken and returned as adjacencies are. */
uint32_t adj_group_take(struct net *net);
void adj_group_return(struct net *net, uint32_t index);

/*
 * Gives a group its members, n (1 to GROUP_MEMBERS) different adjacencies. A bucket keeps its
 * member unless that is gone, or holds more than its share while another has less.
 */
void adj_group_set(struct net *net, uint32_t index, const uint32_t *member, uint32_t n);

/* Posts a command to a worker and wakes it; a full mailbox is -EAGAIN: try again later. */
int net_command(struct net *net, uint16_t worker, const struct command *c);

#endif
