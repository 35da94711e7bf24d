/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pkt: what every stage may trust of a packet, and its hot metadata.
 *
 * From `check` on: the frame starts with a 14-byte Ethernet header (tags are gone), the IPv4
 * header and its options are contiguous in the first segment, version, lengths and checksum are
 * right, and any padding may still follow the IPv4 total length. The metadata lives in m->port,
 * in the mbuf's first line: the interface that the packet came in by (or, with PKT_TX, the slot of
 * the port it leaves by) and a few marks.
 */
#ifndef NET_PKT_H
#define NET_PKT_H

#include "wire/eth_hdr.h"
#include "wire/ip4_hdr.h"

#include <rte_mbuf.h>

#define PKT_IFACE_MASK 1023 /* IFACE_MAX - 1 */

enum {
	PKT_STEERED = 1 << 10,	  /* handed over: this worker is the owner, do not ask again */
	PKT_LINK_GROUP = 1 << 11, /* came in a link-layer broadcast or multicast */
	PKT_TX = 1 << 12,	  /* handed over to be sent: low bits are the port's slot */
	PKT_ORIGIN = 1 << 13,	  /* made here: entered the books as originated */
	PKT_WAITED = 1 << 14,	  /* was parked already */
	PKT_HAIRPIN = 1 << 15,	  /* from inside a masquerade to a mapping of it that is there */
};

static inline uint16_t pkt_iface(const struct rte_mbuf *m)
{
	return m->port & PKT_IFACE_MASK;
}

static inline struct eth_hdr *pkt_eth(const struct rte_mbuf *m)
{
	return rte_pktmbuf_mtod(m, struct eth_hdr *);
}

static inline struct ip4_hdr *pkt_ip4(const struct rte_mbuf *m)
{
	return rte_pktmbuf_mtod_offset(m, struct ip4_hdr *, ETH_HDR_LEN);
}

/* The bytes behind the IPv4 header (options included); contiguous as far as a check said so. */
static inline void *pkt_l4(const struct rte_mbuf *m)
{
	const struct ip4_hdr *ip = pkt_ip4(m);

	return rte_pktmbuf_mtod_offset(m, void *, ETH_HDR_LEN + 4 * (ip->version_ihl & 15));
}

#endif
