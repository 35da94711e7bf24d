/* SPDX-License-Identifier: BSD-3-Clause */
/* netlink: messages as the kernel would send them, one behind the other in a buffer. */
#ifndef UNIT_NETLINK_H
#define UNIT_NETLINK_H

#include "rtnl_msg.h"
#include "wire/bytes.h"

#include <libmnl/libmnl.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/nexthop.h>
#include <linux/rtnetlink.h>
#include <stdalign.h>
#include <string.h>
#include <sys/socket.h>

struct told {
	alignas(8) char bytes[8192];
	size_t n;
};

/* Another message, whose head of `size` bytes is returned, zeroed; attributes are put to *h. */
static inline void *told_begin(
	struct told *t, struct nlmsghdr **h, uint16_t type, uint16_t flags, size_t size)
{
	*h = mnl_nlmsg_put_header(t->bytes + t->n);
	(*h)->nlmsg_type = type;
	(*h)->nlmsg_flags = flags;
	return mnl_nlmsg_put_extra_header(*h, size);
}

static inline void told_end(struct told *t, const struct nlmsghdr *h)
{
	t->n += MNL_ALIGN(h->nlmsg_len);
}

static inline void told_u32(struct nlmsghdr *h, uint16_t type, uint32_t host_order)
{
	mnl_attr_put_u32(h, type, host_order);
}

static inline void told_addr(struct nlmsghdr *h, uint16_t type, uint32_t addr)
{
	be32 wire = to_be32(addr);

	mnl_attr_put(h, type, sizeof(wire), &wire);
}

static inline void tell_link(
	struct told *t, uint16_t type, uint32_t index, const char *name, bool up)
{
	static const uint8_t mac[6] = {2, 0, 0, 0, 0, 0xee};
	struct nlmsghdr *h;
	struct ifinfomsg *i = told_begin(t, &h, type, 0, sizeof(*i));

	i->ifi_index = (int)index;
	i->ifi_flags = up ? IFF_UP : 0;
	mnl_attr_put_strz(h, IFLA_IFNAME, name);
	mnl_attr_put(h, IFLA_ADDRESS, sizeof(mac), mac);
	told_u32(h, IFLA_MTU, 1500);
	told_end(t, h);
}

static inline void tell_addr(struct told *t, uint16_t type, uint32_t index, uint32_t addr,
	uint8_t depth, uint8_t protocol)
{
	struct nlmsghdr *h;
	struct ifaddrmsg *i = told_begin(t, &h, type, 0, sizeof(*i));

	i->ifa_family = AF_INET;
	i->ifa_index = index;
	i->ifa_prefixlen = depth;
	told_addr(h, IFA_LOCAL, addr);
	told_addr(h, IFA_ADDRESS, addr);
	if (protocol != 0)
		mnl_attr_put_u8(h, IFA_PROTO, protocol);
	told_end(t, h);
}

static inline void tell_neigh(
	struct told *t, uint16_t type, uint32_t index, uint32_t addr, uint16_t state, uint8_t flags)
{
	static const uint8_t mac[6] = {2, 0, 0, 0, 0, 0x99};
	struct nlmsghdr *h;
	struct ndmsg *n = told_begin(t, &h, type, 0, sizeof(*n));

	n->ndm_family = AF_INET;
	n->ndm_ifindex = (int)index;
	n->ndm_state = state;
	n->ndm_flags = flags;
	told_addr(h, NDA_DST, addr);
	mnl_attr_put(h, NDA_LLADDR, sizeof(mac), mac);
	told_end(t, h);
}

static inline void tell_nexthop(
	struct told *t, uint16_t type, uint32_t id, uint32_t index, uint32_t gateway)
{
	struct nlmsghdr *h;
	struct nhmsg *n = told_begin(t, &h, type, 0, sizeof(*n));

	n->nh_family = AF_INET;
	told_u32(h, NHA_ID, id);
	if (gateway != 0) {
		told_u32(h, NHA_OIF, index);
		told_addr(h, NHA_GATEWAY, gateway);
	}
	told_end(t, h);
}

static inline void tell_group(struct told *t, uint32_t id, uint32_t one, uint32_t two)
{
	struct nexthop_grp members[2] = {{.id = one}, {.id = two}};
	struct nlmsghdr *h;

	told_begin(t, &h, RTM_NEWNEXTHOP, 0, sizeof(struct nhmsg));
	told_u32(h, NHA_ID, id);
	mnl_attr_put(h, NHA_GROUP, sizeof(members), members);
	told_end(t, h);
}

/* What a route is told with. */
struct told_route {
	uint16_t message; /* 0: RTM_NEWROUTE */
	uint16_t flags;
	uint32_t prefix;
	uint8_t depth;
	uint8_t type;	  /* 0: RTN_UNICAST */
	uint8_t protocol; /* 0: RTPROT_STATIC */
	uint8_t tos;
	uint32_t table; /* 0: main */
	uint32_t metric;
	uint32_t nexthop;
	uint32_t n;
	struct {
		uint32_t index, gateway;
		uint8_t weight, flags;
	} hop[4];
};

static inline void told_hops(struct nlmsghdr *h, const struct told_route *r)
{
	struct nlattr *all;

	if (r->n == 1) {
		told_u32(h, RTA_OIF, r->hop[0].index);
		if (r->hop[0].gateway != 0)
			told_addr(h, RTA_GATEWAY, r->hop[0].gateway);
	}
	if (r->n <= 1)
		return;
	all = mnl_attr_nest_start(h, RTA_MULTIPATH);
	for (uint32_t i = 0; i < r->n; i++) {
		struct rtnexthop *x = mnl_nlmsg_get_payload_tail(h);

		*x = (struct rtnexthop){.rtnh_ifindex = (int)r->hop[i].index,
			.rtnh_hops = r->hop[i].weight,
			.rtnh_flags = r->hop[i].flags};
		h->nlmsg_len += sizeof(*x);
		told_addr(h, RTA_GATEWAY, r->hop[i].gateway);
		x->rtnh_len = (unsigned short)((char *)mnl_nlmsg_get_payload_tail(h) - (char *)x);
	}
	mnl_attr_nest_end(h, all);
}

static inline void tell_route(struct told *t, struct told_route r)
{
	struct nlmsghdr *h;
	struct rtmsg *i =
		told_begin(t, &h, r.message != 0 ? r.message : RTM_NEWROUTE, r.flags, sizeof(*i));
	uint32_t table = r.table != 0 ? r.table : RT_TABLE_MAIN;

	i->rtm_family = AF_INET;
	i->rtm_dst_len = r.depth;
	i->rtm_tos = r.tos;
	i->rtm_table = table < 256 ? (uint8_t)table : RT_TABLE_COMPAT;
	i->rtm_type = r.type != 0 ? r.type : RTN_UNICAST;
	i->rtm_protocol = r.protocol != 0 ? r.protocol : RTPROT_STATIC;
	told_u32(h, RTA_TABLE, table);
	if (r.depth > 0)
		told_addr(h, RTA_DST, r.prefix);
	if (r.metric != 0)
		told_u32(h, RTA_PRIORITY, r.metric);
	if (r.nexthop != 0)
		told_u32(h, RTA_NH_ID, r.nexthop);
	told_hops(h, &r);
	told_end(t, h);
}

static inline void tell_done(struct told *t, uint32_t sequence, uint16_t flags)
{
	struct nlmsghdr *h;

	told_begin(t, &h, NLMSG_DONE, (uint16_t)(NLM_F_MULTI | flags), sizeof(int));
	h->nlmsg_seq = sequence;
	told_end(t, h);
}

#endif
