/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * rtnl_msg: a message of the kernel's rtnetlink, checked once, as a plain struct.
 *
 * Bytes in, values out: no state, no sockets, nothing of millrace, so that it fuzzes alone. A
 * message with a truncated or wrongly sized attribute is malformed as a whole: nobody acts on half
 * of one. Addresses are in host order. Any thread; private to lib/net.
 */
#ifndef NET_RTNL_MSG_H
#define NET_RTNL_MSG_H

#include <linux/netlink.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RTNL_HOPS 64 /* of one route, or members of one group; more are counted, not kept */
#define RTNL_NAME 16

enum rtnl_kind {
	RTNL_OTHER, /* of no interest here */
	RTNL_LINK,
	RTNL_ADDR,
	RTNL_NEIGH,
	RTNL_NEXTHOP,
	RTNL_ROUTE,
	RTNL_DONE,  /* end of a dump; error: 0 or -errno */
	RTNL_ERROR, /* answer to a request; error: 0 is an acknowledgement */
};

struct rtnl_link {
	uint32_t index;
	char name[RTNL_NAME];
	uint8_t mac[6]; /* zero: none, or not Ethernet's */
	uint32_t mtu;
	bool up; /* administratively */
	bool loopback;
	uint32_t parent; /* of a VLAN interface: the index of what it is on; else 0 */
	uint16_t vlan;	 /* its id; 0: it is none */
};

struct rtnl_addr {
	uint32_t index; /* of the link */
	uint32_t addr;
	uint8_t depth;
	uint8_t protocol; /* IFA_PROTO, 0 before Linux 5.18 */
};

struct rtnl_neigh {
	uint32_t index; /* of the link */
	uint32_t addr;
	uint8_t mac[6];
	bool permanent; /* with a MAC, and not one that a program has told the kernel of */
};

enum rtnl_hop_flags {
	RTNL_HOP_DEAD = 1,  /* the kernel does not use it */
	RTNL_HOP_OTHER = 2, /* not an IPv4 gateway: IPv6, a tunnel, a bridge */
};

struct rtnl_hop {
	uint32_t gateway; /* 0: none, the destination is on the link */
	uint32_t index;	  /* of the link */
	uint16_t weight;  /* 1 or more */
	uint8_t flags;
};

struct rtnl_nexthop {
	uint32_t id;
	bool blackhole;
	bool is_group;
	uint32_t n; /* members of a group, all of them; one hop else */
	struct rtnl_member {
		uint32_t id;
		uint16_t weight;
	} member[RTNL_HOPS];
	struct rtnl_hop hop;
};

struct rtnl_route {
	uint32_t prefix; /* no bit set beyond depth */
	uint8_t depth;
	uint8_t tos;
	uint8_t type; /* RTN_ */
	uint8_t protocol;
	bool cloned; /* a cache's: no route */
	uint32_t table;
	uint32_t metric;
	uint32_t nexthop; /* id of a nexthop object, 0: the hops below */
	uint32_t n;	  /* all of them */
	struct rtnl_hop hop[RTNL_HOPS];
};

struct rtnl_msg {
	enum rtnl_kind kind;
	bool gone;	  /* RTM_DEL: it is no more */
	bool replaces;	  /* what had the same key before */
	bool appended;	  /* behind what has the same key */
	bool listed;	  /* part of a dump */
	bool interrupted; /* of a dump: something changed meanwhile, some may be missing */
	uint32_t sequence;
	uint32_t port; /* of the request that it answers or that caused it, 0: the kernel's own */
	int error;
	union {
		struct rtnl_link link;
		struct rtnl_addr addr;
		struct rtnl_neigh neigh;
		struct rtnl_nexthop nexthop;
		struct rtnl_route route;
	};
};

/*
 * Reads the message at the start of `bytes`, of which `left` bytes are there, aligned to 4. Its
 * length as it stands in the buffer (aligned), or -EBADMSG: its head does not fit, and nothing
 * behind it can be read either. *bad: the message is malformed, m is not to be used.
 */
int rtnl_msg_read(const void *bytes, size_t left, struct rtnl_msg *m, bool *bad);

#endif
