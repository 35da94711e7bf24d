/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A route of ours on its way into the kernel. It is created only where nothing has its prefix and
 * metric, and replaces only what is ours: what somebody else has put there stays his.
 */
#include "kernel_table.h"

#include "net/net.h"

#include <errno.h>
#include <linux/rtnetlink.h>

#define RETRY_MS 5000

/* The link by which a gateway is reached; NULL: none that is up there. */
static const struct klink *link_to(const struct net *net, uint32_t via)
{
	const struct klink *best = NULL;
	uint8_t depth = 0;

	for (uint32_t i = 0; i < net->kernel->n_links; i++) {
		const struct klink *l = net->kernel->link[i];
		const struct iface_addr *a = l->iface == IFACE_LOOPBACK || !l->up
						     ? NULL
						     : iface_link(&net->iface[l->iface], via);

		if (a != NULL && (best == NULL || a->depth > depth)) {
			best = l;
			depth = a->depth;
		}
	}
	return best;
}

static uint32_t put_hops(const struct net *net, struct rtnl_request *q, const struct route_conf *c)
{
	struct nlattr *all = c->n_via > 1 ? mnl_attr_nest_start(q->h, RTA_MULTIPATH) : NULL;
	uint32_t n = 0;

	for (uint32_t i = 0; i < c->n_via; i++) {
		const struct klink *l = link_to(net, c->via[i]);
		be32 via = to_be32(c->via[i]);
		struct rtnexthop *hop = mnl_nlmsg_get_payload_tail(q->h);

		if (l == NULL)
			continue;
		n++;
		if (all == NULL) {
			mnl_attr_put(q->h, RTA_GATEWAY, sizeof(via), &via);
			mnl_attr_put_u32(q->h, RTA_OIF, l->index);
			continue;
		}
		*hop = (struct rtnexthop){.rtnh_ifindex = (int)l->index};
		q->h->nlmsg_len += sizeof(*hop);
		mnl_attr_put(q->h, RTA_GATEWAY, sizeof(via), &via);
		hop->rtnh_len =
			(unsigned short)((char *)mnl_nlmsg_get_payload_tail(q->h) - (char *)hop);
	}
	if (all != NULL)
		mnl_attr_nest_end(q->h, all);
	return n;
}

/* A request about a route, by its key there and our protocol number. */
static struct rtmsg *begin(const struct kernel *k, uint32_t prefix, uint8_t depth, uint32_t metric,
	uint16_t type, uint16_t flags, struct rtnl_request *q)
{
	be32 dst = to_be32(prefix);
	struct rtmsg *head = rtnl_begin(q, type, flags, sizeof(*head));

	head->rtm_family = AF_INET;
	head->rtm_dst_len = depth;
	head->rtm_protocol = (uint8_t)k->conf.protocol;
	head->rtm_table = k->conf.table < 256 ? (uint8_t)k->conf.table : RT_TABLE_UNSPEC;
	mnl_attr_put_u32(q->h, RTA_TABLE, k->conf.table);
	mnl_attr_put(q->h, RTA_DST, sizeof(dst), &dst);
	mnl_attr_put_u32(q->h, RTA_PRIORITY, metric);
	return head;
}

void kernel_give_back(struct net *net, uint32_t prefix, uint8_t depth, uint32_t metric)
{
	struct rtnl_request q;
	struct rtmsg *head = begin(net->kernel, prefix, depth, metric, RTM_DELROUTE, 0, &q);

	head->rtm_scope = RT_SCOPE_NOWHERE; /* any */
	kernel_ask(net, &q, -ESRCH, "a route is not taken back");
}

bool kernel_give_make(
	const struct net *net, const struct route_conf *c, bool replaces, struct rtnl_request *q)
{
	uint16_t flags = NLM_F_CREATE | (replaces ? NLM_F_REPLACE : NLM_F_EXCL);
	struct rtmsg *head =
		begin(net->kernel, c->prefix, c->depth, c->metric, RTM_NEWROUTE, flags, q);

	head->rtm_type = c->kind == ROUTE_BLACKHOLE	? RTN_BLACKHOLE
			 : c->kind == ROUTE_UNREACHABLE ? RTN_UNREACHABLE
							: RTN_UNICAST;
	return c->kind != ROUTE_VIA || put_hops(net, q, c) > 0;
}

bool kernel_give(struct net *net, struct rtnl_request *q)
{
	struct kernel *k = net->kernel;

	if (kernel_ask(net, q, -EEXIST, "a route is not taken") == 0)
		return true;
	if (!k->owing)
		k->try_at = clock_now() + clock_of_ms(RETRY_MS);
	k->owing = true;
	return false;
}

uint32_t kernel_give_sum(const struct rtnl_request *q)
{
	uint64_t sum = q->h->nlmsg_len;

	for (uint32_t i = sizeof(*q->h); i + 4 <= q->h->nlmsg_len; i += 4) {
		uint32_t word;

		memcpy(&word, q->bytes + i, sizeof(word));
		sum = (sum ^ word) * 0x9e3779b97f4a7c15u;
		sum ^= sum >> 32;
	}
	return (uint32_t)sum | 1;
}
