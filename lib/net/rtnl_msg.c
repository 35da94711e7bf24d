/* SPDX-License-Identifier: BSD-3-Clause */
/* Heads and attributes by libmnl's accessors; every length is looked at before it is used. */
#include "rtnl_msg.h"

#include "wire/bytes.h"
#include "wire/ip4_addr.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/nexthop.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#define MAC_LEN	  6
#define ATTRS_MAX 64 /* types of higher numbers are of no interest */

/* The attributes of a message or of a nest, by type; NULL where there is none. */
struct attrs {
	const struct nlattr *of[ATTRS_MAX];
	bool bad; /* a length was wrong: here, or in what was read of them since */
};

static void attrs_read(struct attrs *t, const void *first, const void *tail)
{
	const char *at = first, *end = tail;

	memset(t, 0, sizeof(*t));
	while (at < end && mnl_attr_ok((const struct nlattr *)at, (int)(end - at))) {
		const struct nlattr *a = (const struct nlattr *)at;
		uint16_t type = mnl_attr_get_type(a);

		if (type < ATTRS_MAX)
			t->of[type] = a;
		at += MNL_ALIGN(a->nla_len);
	}
	t->bad = at < end;
}

/* Behind a family's head of `size` bytes. False: the message is shorter than that. */
static bool body(const struct nlmsghdr *h, size_t size, struct attrs *t)
{
	if (mnl_nlmsg_get_payload_len(h) < size)
		return false;
	/* libmnl's own tail is aligned: up to three bytes behind what there is */
	attrs_read(t, mnl_nlmsg_get_payload_offset(h, size), (const char *)h + h->nlmsg_len);
	return !t->bad;
}

static void nest(struct attrs *inner, struct attrs *outer, uint16_t type)
{
	const struct nlattr *a = outer->of[type];
	const char *payload = a == NULL ? NULL : mnl_attr_get_payload(a);

	memset(inner, 0, sizeof(*inner));
	if (a == NULL)
		return;
	attrs_read(inner, payload, payload + mnl_attr_get_payload_len(a));
	outer->bad |= inner->bad;
}

/* An attribute's value, of exactly `size` bytes; NULL without one, or if it has another size. */
static const void *value(struct attrs *t, uint16_t type, uint16_t size)
{
	const struct nlattr *a = t->of[type];

	if (a == NULL)
		return NULL;
	if (mnl_attr_get_payload_len(a) != size) {
		t->bad = true;
		return NULL;
	}
	return mnl_attr_get_payload(a);
}

static uint32_t number(struct attrs *t, uint16_t type, uint32_t without)
{
	const void *v = value(t, type, sizeof(uint32_t));

	return v == NULL ? without : load32(v);
}

static uint32_t address(struct attrs *t, uint16_t type)
{
	return from_be32(number(t, type, 0));
}

static void read_link(const struct nlmsghdr *h, struct rtnl_msg *m, bool *bad)
{
	const struct ifinfomsg *i = mnl_nlmsg_get_payload(h);
	struct attrs t, info, data;
	const struct nlattr *name, *kind;
	const void *mac, *vlan;

	*bad = !body(h, sizeof(*i), &t);
	if (*bad || i->ifi_family != AF_UNSPEC || i->ifi_index <= 0)
		return;
	m->kind = RTNL_LINK;
	m->link = (struct rtnl_link){
		.index = (uint32_t)i->ifi_index,
		.mtu = number(&t, IFLA_MTU, 0),
		.up = i->ifi_flags & IFF_UP,
		.loopback = i->ifi_flags & IFF_LOOPBACK,
	};
	name = t.of[IFLA_IFNAME];
	if (name != NULL && mnl_attr_get_payload_len(name) <= RTNL_NAME)
		memcpy(m->link.name, mnl_attr_get_payload(name), mnl_attr_get_payload_len(name));
	m->link.name[RTNL_NAME - 1] = '\0';
	mac = t.of[IFLA_ADDRESS] == NULL || mnl_attr_get_payload_len(t.of[IFLA_ADDRESS]) != MAC_LEN
		      ? NULL
		      : mnl_attr_get_payload(t.of[IFLA_ADDRESS]);
	if (mac != NULL)
		memcpy(m->link.mac, mac, MAC_LEN);
	nest(&info, &t, IFLA_LINKINFO);
	nest(&data, &info, IFLA_INFO_DATA);
	kind = info.of[IFLA_INFO_KIND];
	if (kind != NULL && mnl_attr_get_payload_len(kind) == sizeof("vlan") &&
		memcmp(mnl_attr_get_payload(kind), "vlan", sizeof("vlan")) == 0) {
		vlan = value(&data, IFLA_VLAN_ID, sizeof(uint16_t));
		m->link.vlan = vlan == NULL ? 0 : load16(vlan);
		m->link.parent = number(&t, IFLA_LINK, 0);
	}
	*bad = t.bad || info.bad || data.bad;
}

static void read_addr(const struct nlmsghdr *h, struct rtnl_msg *m, bool *bad)
{
	const struct ifaddrmsg *i = mnl_nlmsg_get_payload(h);
	struct attrs t;
	uint32_t peer;
	const uint8_t *protocol;

	*bad = !body(h, sizeof(*i), &t);
	if (*bad || i->ifa_family != AF_INET)
		return;
	m->kind = RTNL_ADDR;
	peer = address(&t, IFA_ADDRESS);
	protocol = value(&t, IFA_PROTO, 1);
	m->addr = (struct rtnl_addr){
		.index = i->ifa_index,
		.addr = t.of[IFA_LOCAL] == NULL ? peer : address(&t, IFA_LOCAL),
		.depth = i->ifa_prefixlen,
		.protocol = protocol == NULL ? 0 : *protocol,
	};
	if (peer != m->addr.addr)
		m->addr.depth = 32; /* the length is the peer's network's */
	*bad = t.bad || i->ifa_prefixlen > 32 || m->addr.addr == 0;
}

static void read_neigh(const struct nlmsghdr *h, struct rtnl_msg *m, bool *bad)
{
	const struct ndmsg *n = mnl_nlmsg_get_payload(h);
	struct attrs t;
	const struct nlattr *mac;

	*bad = !body(h, sizeof(*n), &t);
	if (*bad || n->ndm_family != AF_INET)
		return;
	m->kind = RTNL_NEIGH;
	mac = t.of[NDA_LLADDR];
	m->neigh = (struct rtnl_neigh){
		.index = (uint32_t)n->ndm_ifindex,
		.addr = address(&t, NDA_DST),
		.permanent = (n->ndm_state & NUD_PERMANENT) != 0 &&
			     (n->ndm_flags & (NTF_EXT_LEARNED | NTF_PROXY)) == 0 && mac != NULL &&
			     mnl_attr_get_payload_len(mac) == MAC_LEN,
	};
	if (m->neigh.permanent)
		memcpy(m->neigh.mac, mnl_attr_get_payload(mac), MAC_LEN);
	*bad = t.bad;
}

static uint8_t flags_of(uint32_t kernels)
{
	/* a lost carrier counts by our own link: the port's is the truth */
	return kernels & RTNH_F_DEAD ? RTNL_HOP_DEAD : 0;
}

static void read_members(struct attrs *t, struct rtnl_nexthop *n)
{
	const struct nlattr *a = t->of[NHA_GROUP];
	const char *members = mnl_attr_get_payload(a);
	uint32_t size = mnl_attr_get_payload_len(a);

	n->is_group = true;
	t->bad |= size % sizeof(struct nexthop_grp) != 0;
	n->n = size / sizeof(struct nexthop_grp);
	for (uint32_t i = 0; i < n->n && i < RTNL_HOPS; i++) {
		struct nexthop_grp g;

		memcpy(&g, members + i * sizeof(g), sizeof(g));
		n->member[i] = (struct rtnl_member){g.id, (uint16_t)(g.weight + 1)};
	}
}

static void read_nexthop(const struct nlmsghdr *h, struct rtnl_msg *m, bool *bad)
{
	const struct nhmsg *i = mnl_nlmsg_get_payload(h);
	struct attrs t;

	*bad = !body(h, sizeof(*i), &t);
	if (*bad)
		return;
	m->kind = RTNL_NEXTHOP;
	m->nexthop = (struct rtnl_nexthop){
		.id = number(&t, NHA_ID, 0),
		.blackhole = t.of[NHA_BLACKHOLE] != NULL,
		.n = 1,
		.hop = {.index = number(&t, NHA_OIF, 0),
			.weight = 1,
			.flags = flags_of(i->nh_flags)},
	};
	if (t.of[NHA_GROUP] != NULL)
		read_members(&t, &m->nexthop);
	else if (i->nh_family == AF_INET)
		m->nexthop.hop.gateway = address(&t, NHA_GATEWAY);
	else
		m->nexthop.hop.flags |= RTNL_HOP_OTHER;
	if (t.of[NHA_ENCAP] != NULL || t.of[NHA_FDB] != NULL)
		m->nexthop.hop.flags |= RTNL_HOP_OTHER;
	*bad = t.bad || m->nexthop.id == 0;
}

static struct rtnl_hop hop_of(struct attrs *t, uint32_t index, uint32_t flags, uint16_t weight)
{
	bool other = t->of[RTA_VIA] != NULL || t->of[RTA_ENCAP] != NULL;

	return (struct rtnl_hop){
		.gateway = address(t, RTA_GATEWAY),
		.index = index,
		.weight = weight,
		.flags = flags_of(flags) | (other ? RTNL_HOP_OTHER : 0),
	};
}

/* struct rtnexthop, each with attributes of its own, one behind the other. */
static void read_multipath(struct attrs *t, struct rtnl_route *r)
{
	const struct nlattr *a = t->of[RTA_MULTIPATH];
	const char *at = mnl_attr_get_payload(a), *end = at + mnl_attr_get_payload_len(a);

	while (at < end) {
		struct rtnexthop n;
		struct attrs own;

		if ((size_t)(end - at) < sizeof(n)) {
			t->bad = true;
			return;
		}
		memcpy(&n, at, sizeof(n));
		if (n.rtnh_len < sizeof(n) || n.rtnh_len > end - at) {
			t->bad = true;
			return;
		}
		attrs_read(&own, at + RTNH_LENGTH(0), at + n.rtnh_len);
		if (r->n < RTNL_HOPS)
			r->hop[r->n] = hop_of(&own, (uint32_t)n.rtnh_ifindex, n.rtnh_flags,
				(uint16_t)(n.rtnh_hops + 1));
		r->n++;
		t->bad |= own.bad;
		at += RTNH_ALIGN(n.rtnh_len);
	}
}

static void read_route(const struct nlmsghdr *h, struct rtnl_msg *m, bool *bad)
{
	const struct rtmsg *i = mnl_nlmsg_get_payload(h);
	struct rtnl_route *r = &m->route;
	struct attrs t;

	*bad = !body(h, sizeof(*i), &t);
	if (*bad || i->rtm_family != AF_INET)
		return;
	m->kind = RTNL_ROUTE;
	r->prefix = address(&t, RTA_DST);
	r->depth = i->rtm_dst_len;
	r->tos = i->rtm_tos;
	r->type = i->rtm_type;
	r->protocol = i->rtm_protocol;
	r->cloned = i->rtm_flags & RTM_F_CLONED;
	r->table = number(&t, RTA_TABLE, i->rtm_table);
	r->metric = number(&t, RTA_PRIORITY, 0);
	r->nexthop = number(&t, RTA_NH_ID, 0);
	r->n = 0;
	if (t.of[RTA_MULTIPATH] != NULL) {
		read_multipath(&t, r);
	} else if (t.of[RTA_OIF] != NULL || t.of[RTA_GATEWAY] != NULL) {
		r->n = 1;
		r->hop[0] = hop_of(&t, number(&t, RTA_OIF, 0), i->rtm_flags, 1);
	}
	*bad = t.bad || r->depth > 32;
	if (!*bad)
		r->prefix &= ip4_mask(r->depth);
}

static void read_error(const struct nlmsghdr *h, struct rtnl_msg *m, bool *bad)
{
	*bad = mnl_nlmsg_get_payload_len(h) < sizeof(int);
	if (*bad)
		return;
	m->kind = h->nlmsg_type == NLMSG_DONE ? RTNL_DONE : RTNL_ERROR;
	memcpy(&m->error, mnl_nlmsg_get_payload(h), sizeof(m->error));
}

static void read_one(const struct nlmsghdr *h, struct rtnl_msg *m, bool *bad)
{
	switch (h->nlmsg_type) {
	case NLMSG_ERROR:
	case NLMSG_DONE:
		read_error(h, m, bad);
		return;
	case RTM_NEWLINK:
	case RTM_DELLINK:
		read_link(h, m, bad);
		return;
	case RTM_NEWADDR:
	case RTM_DELADDR:
		read_addr(h, m, bad);
		return;
	case RTM_NEWNEIGH:
	case RTM_DELNEIGH:
		read_neigh(h, m, bad);
		return;
	case RTM_NEWNEXTHOP:
	case RTM_DELNEXTHOP:
		read_nexthop(h, m, bad);
		return;
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		read_route(h, m, bad);
		return;
	default:
		return;
	}
}

static bool is_deletion(uint16_t type)
{
	return type == RTM_DELLINK || type == RTM_DELADDR || type == RTM_DELNEIGH ||
	       type == RTM_DELNEXTHOP || type == RTM_DELROUTE;
}

int rtnl_msg_read(const void *bytes, size_t left, struct rtnl_msg *m, bool *bad)
{
	const struct nlmsghdr *h = bytes;
	size_t length;

	if (left < sizeof(*h) || h->nlmsg_len < sizeof(*h) || h->nlmsg_len > left)
		return -EBADMSG;
	m->kind = RTNL_OTHER;
	m->gone = is_deletion(h->nlmsg_type);
	m->replaces = !m->gone && (h->nlmsg_flags & NLM_F_REPLACE) != 0;
	m->appended = !m->gone && (h->nlmsg_flags & NLM_F_APPEND) != 0;
	m->listed = (h->nlmsg_flags & NLM_F_MULTI) != 0;
	m->interrupted = (h->nlmsg_flags & NLM_F_DUMP_INTR) != 0;
	m->sequence = h->nlmsg_seq;
	m->port = h->nlmsg_pid;
	m->error = 0;
	*bad = false;
	read_one(h, m, bad);
	length = MNL_ALIGN(h->nlmsg_len);
	return (int)(length < left ? length : left);
}
