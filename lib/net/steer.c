/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stage_steer: packets for this host, whole by now, to their protocol on the worker that owns the
 * flow. steer -> icmp | udp | tcp | punt | error | hand-over.
 */
#include "net/steer.h"

#include "base/hash.h"
#include "net/error.h"
#include "net/net.h"
#include "net/port.h"
#include "net/punt.h"
#include "net/stage.h"
#include "wire/icmp_hdr.h"

static uint32_t hash_ports(const struct ip4_hdr *ip, const void *l4)
{
	return hash_flow_wire(ip->src, ip->dst, load16(l4), load16((const char *)l4 + 2));
}

static bool has_ports(const struct ip4_hdr *ip)
{
	return (ip->proto == IP4_PROTO_TCP || ip->proto == IP4_PROTO_UDP) &&
	       !ip4_hdr_is_fragment(ip);
}

/* The flow that an ICMP error speaks of: the packet it quotes was sent by us. */
static uint32_t hash_quoted(const struct rte_mbuf *m, const struct ip4_hdr *ip, uint32_t room)
{
	const struct icmp_hdr *icmp = pkt_l4(m);
	const struct ip4_hdr *quoted = (const struct ip4_hdr *)(icmp + 1);
	uint32_t quoted_room = room - (uint32_t)sizeof(*icmp);

	if (quoted_room < IP4_HDR_LEN || quoted_room < ip4_hdr_len(quoted) + 4 ||
		!has_ports(quoted))
		return hash_flow_wire(ip->src, ip->dst, 0, 0);
	return hash_ports(quoted, ip4_hdr_payload(quoted));
}

static uint32_t hash_of(const struct rte_mbuf *m)
{
	const struct ip4_hdr *ip = pkt_ip4(m);
	uint32_t room = m->data_len - ETH_HDR_LEN - ip4_hdr_len(ip);

	if (ip4_hdr_is_fragment(ip))
		return hash_flow_wire(ip->src, ip->dst, ip->id, 0);
	if (has_ports(ip) && room >= 4)
		return hash_ports(ip, pkt_l4(m));
	if (ip->proto == IP4_PROTO_ICMP && room >= sizeof(struct icmp_hdr) &&
		icmp_type_is_error(((const struct icmp_hdr *)pkt_l4(m))->type))
		return hash_quoted(m, ip, room);
	return hash_flow_wire(ip->src, ip->dst, 0, 0);
}

uint16_t steer_owner(const struct worker *w, const struct rte_mbuf *m)
{
	if (w->net->n_workers == 1)
		return w->id;
	return w->net->owner[hash_of(m) & (OWNER_MAP - 1)];
}

uint16_t steer_owner_by(const struct worker *w, be32 src, be32 dst, be16 sport, be16 dport)
{
	return w->net->owner[hash_flow_wire(src, dst, sport, dport) & (OWNER_MAP - 1)];
}

/* It was put together here, and lies in one buffer all the same. */
static bool was_in_parts(const struct rte_mbuf *m)
{
	return (m->packet_type & RTE_PTYPE_L4_MASK) == RTE_PTYPE_L4_FRAG;
}

/* The NIC has put it here by the same hash and map, so nobody need ask again. */
static bool is_home(const struct worker *w, const struct rte_mbuf *m)
{
	const struct iface *f = &w->net->iface[pkt_iface(m)];
	const struct port *p = w->net->port[f->slot];

	if (m->port & PKT_STEERED)
		return true;
	return p != NULL && p->rss_trusted && m->nb_segs == 1 && !was_in_parts(m) &&
	       has_ports(pkt_ip4(m));
}

uint16_t steer_owner_of(const struct worker *w, const struct rte_mbuf *m)
{
	return is_home(w, m) ? w->id : steer_owner(w, m);
}

void stage_steer(struct worker *w)
{
	struct lane *l = &w->steer;

	for (uint32_t i = 0; i < l->n; i++) {
		struct rte_mbuf *m = l->pkt[i];
		uint16_t owner = steer_owner_of(w, m);

		if (owner != w->id) {
			handover(w, owner, m);
			continue;
		}
		switch (pkt_ip4(m)->proto) {
		case IP4_PROTO_ICMP:
			lane_put(&w->icmp, m, 0);
			break;
		case IP4_PROTO_UDP:
			lane_put(&w->udp, m, 0);
			break;
		case IP4_PROTO_TCP:
			lane_put(&w->tcp, m, 0);
			break;
		default:
			if (punt_wants(w, m))
				lane_put(&w->punt, m, 0);
			else
				error_put(w, m, ERROR_PROTOCOL, 0);
		}
	}
}
