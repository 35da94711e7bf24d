/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * kernel_table: what the files of the netlink part share. Control's alone; private to lib/net.
 *
 * kernel.c reads and schedules, kernel_links.c has interfaces and addresses, kernel_neighs.c the
 * neighbours, kernel_hops.c next hops, kernel_routes.c the prefixes. Whatever the kernel has bears
 * the number of the round (of reading everything) in which it was heard of last: what the round
 * that is over did not bring is gone.
 */
#ifndef NET_KERNEL_TABLE_H
#define NET_KERNEL_TABLE_H

#include "net/iface.h"
#include "net/kernel.h"
#include "net/route.h"
#include "rtnl.h"

#define KERNEL_LINK_ADDRS 64

/* An interface of the kernel's that is a port, a VLAN of one, or the loopback. */
struct klink {
	uint32_t index;
	char name[RTNL_NAME];
	uint8_t mac[6];
	uint32_t mtu;
	bool up;
	bool full;     /* and it was said that some addresses have no room */
	bool no_vlans; /* and it was said that they cannot be made */
	uint8_t round;
	uint16_t iface; /* ours */
	uint16_t slot;	/* of its port; the loopback has none */
	uint32_t parent;
	uint16_t vlan;
	uint32_t n_addrs;
	struct kaddr {
		uint32_t addr;
		uint8_t depth;
		uint8_t round;
		bool ours; /* its protocol says so */
	} addrs[KERNEL_LINK_ADDRS];
};

/* A set of next hops as the kernel's routes name it, shared by all that name the same. */
struct khops {
	uint32_t chain; /* next of the hash, or next free */
	uint32_t refs;	/* 0: free */
	uint32_t stamp; /* of the topology that `conf` and `fate` were found in; 0: never */
	uint8_t fate;	/* enum kernel_fate: taken, or why not */
	bool partial;	/* some hop was left out, or its weight */
	struct route_conf *conf; /* kind and gateways, while it is taken */
	uint8_t type;		 /* RTN_ */
	uint32_t nexthop;
	uint32_t n;
	struct rtnl_hop *hop; /* [n] */
};

/* A nexthop object. */
struct knexthop {
	struct knexthop *chain;
	bool known;  /* else it was only asked for */
	bool wanted; /* some set of next hops depends on it */
	uint8_t round;
	struct rtnl_nexthop as; /* as told */
};

struct kroutes;
struct kneighs;
struct kgroups;

enum kernel_stage { KERNEL_IDLE, DUMP_LINKS, DUMP_ADDRS, DUMP_NEIGHS, DUMP_NEXTHOPS, DUMP_ROUTES };

struct kernel {
	struct kernel_conf conf;
	struct kernel_conf built;
	bool at_home; /* in millrace's own namespace, with the host's management */
	bool pending; /* built is to be published */
	bool opened;  /* by the build */
	bool wanted;  /* by the ports of the build, then in force */
	bool on;      /* sockets are open, and it is read */
	struct rtnl rtnl;

	enum kernel_stage stage;
	uint8_t round;
	bool disturbed; /* the dump under way missed something */
	bool nudged;	/* it stood still, and nothing of it has come since */
	bool again;	/* everything is to be read, at again_at */
	ticks again_at;
	ticks read_at; /* when everything was read last */
	bool owing;    /* some route was refused: it is tried again, at try_at */
	ticks try_at;

	uint32_t topology; /* counts up with links, addresses and nexthop objects; 0 is none */
	struct klink *link[IFACE_MAX];
	uint32_t n_links;

	struct khops *hops; /* [hops_room]; 0 is nobody's */
	uint32_t hops_room, hops_used, hops_free;
	uint32_t *hops_hash;
	struct knexthop **nexthops; /* hash by id */

	struct kroutes *routes;
	struct kneighs *neighs;
	struct kgroups *groups;
	struct kernel_counts counts;
};

/* --- kernel.c --- */

/* Everything is to be read again, soon. */
void kernel_again(struct net *net, ticks now);
/*
 * Asks the kernel. A refusal is counted and logged, but for `expected` and an interface that is no
 * more. 0 or -errno.
 */
int kernel_ask(struct net *net, struct rtnl_request *q, int expected, const char *what);

/* --- kernel_links.c --- */

struct klink *kernel_link_of(const struct net *net, uint32_t index); /* NULL: none of ours */
struct klink *kernel_link_of_iface(const struct net *net, uint16_t iface);
void kernel_links_told(struct net *net, const struct rtnl_msg *m, ticks now);
void kernel_links_addr_told(struct net *net, const struct rtnl_msg *m, ticks now);
/* A round's dump is over: what it did not bring is gone; ours are put there. */
void kernel_links_swept(struct net *net, ticks now);
void kernel_links_addrs_swept(struct net *net, ticks now);
/* Ports, VLANs or addresses may have changed. */
void kernel_links_follow(struct net *net, ticks now);
/* Takes away from there what does not go with our interfaces. */
void kernel_links_leave(struct net *net);
/* And forgets what came from there. */
void kernel_links_end(struct net *net, ticks now);

/* --- kernel_neighs.c --- */

int kernel_neighs_new(struct net *net);
void kernel_neighs_free(struct net *net);
void kernel_neighs_told(struct net *net, const struct rtnl_msg *m, ticks now);
void kernel_neighs_swept(struct net *net, ticks now);
/* The kernel has forgotten those of a link, which is there (again): they are given anew. */
void kernel_neighs_give(struct net *net, uint32_t index);
void kernel_neighs_give_all(struct net *net);
/* A link is no port's any more: those that were given to it are taken back. */
void kernel_neighs_take_back(struct net *net, uint32_t index);
/* Until deadline. True: there is more. */
bool kernel_neighs_work(struct net *net, ticks deadline);
void kernel_neighs_end(struct net *net, ticks now);

/* --- kernel_groups.c --- */

int kernel_groups_open(struct kernel *k, const char *netns);
void kernel_groups_close(struct kernel *k);
void kernel_groups_work(struct net *net, ticks now);

/* --- kernel_hops.c --- */

int kernel_hops_new(struct kernel *k);
void kernel_hops_free(struct kernel *k);
/* The set that a route names, referenced once more; 0: no memory. */
uint32_t kernel_hops_take(struct kernel *k, const struct rtnl_route *r);
void kernel_hops_drop(struct kernel *k, uint32_t hops);
/* What it amounts to in today's topology. */
const struct khops *kernel_hops_find(struct net *net, uint32_t hops);
void kernel_hops_nexthop_told(struct net *net, const struct rtnl_msg *m, ticks now);
void kernel_hops_swept(struct net *net, ticks now);

/* --- kernel_give.c --- */

/* The request that puts a route there. False: none of its gateways is by a link there. */
bool kernel_give_make(
	const struct net *net, const struct route_conf *c, bool replaces, struct rtnl_request *q);
/* Tells requests apart by what they ask for; never 0. */
uint32_t kernel_give_sum(const struct rtnl_request *q);
/* False: the kernel refused it; all are given anew some time later. */
bool kernel_give(struct net *net, struct rtnl_request *q);
/* Takes one of ours away, if it is there. */
void kernel_give_back(struct net *net, uint32_t prefix, uint8_t depth, uint32_t metric);

/* --- kernel_routes.c --- */

int kernel_routes_new(struct net *net);
void kernel_routes_free(struct net *net);
void kernel_routes_told(struct net *net, const struct rtnl_msg *m);
/* Every prefix is to be looked at; sweep: what the round did not bring is gone. */
void kernel_routes_walk(struct net *net, bool sweep);
/* Our own routes are to be looked at as well. */
void kernel_routes_give_all(struct net *net);
/* Until deadline. True: there is more. */
bool kernel_routes_work(struct net *net, ticks deadline);
/* Takes from the kernel those of our routes that do not go with a link, and forgets all. */
void kernel_routes_end(struct net *net);

#endif
