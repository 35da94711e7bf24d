/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * nat: another address and port in place of one end of a packet; the checksums follow (RFC 1624).
 *
 * ip is an IPv4 header that was checked; l4 is what follows it: TCP with its 20 bytes, UDP with its
 * 8, at hand; or NULL for a fragment that is not the first, which has no ports. Whoever calls may
 * write the packet. Pure.
 */
#ifndef LB_NAT_H
#define LB_NAT_H

#include "wire/ip4_hdr.h"
#include "wire/tcp_hdr.h"
#include "wire/udp_hdr.h"

#include <stdbool.h>
#include <stddef.h>

/* One end of a flow, as it stands in packets. */
struct nat_end {
	be32 addr;
	be16 port;
};

/*
 * The header's checksum when an address changes, and the other one's, when it is at hand, when a
 * port does, too: both by one difference. A UDP checksum of 0 is none, and stays so; one that comes
 * to 0 is written as ~0 (RFC 768).
 */
static inline void nat_csums(
	struct ip4_hdr *ip, void *l4, be32 old, be32 addr, be16 old_port, be16 port)
{
	uint64_t change = (uint64_t)(uint32_t)~old + addr;
	struct tcp_hdr *tcp = l4;
	struct udp_hdr *udp = l4;

	ip->csum = (be16)~csum_fold64(change + (uint16_t)~ip->csum);
	change += (uint64_t)(uint16_t)~old_port + port;
	if (l4 != NULL && ip->proto == IP4_PROTO_TCP) {
		tcp->csum = (be16)~csum_fold64(change + (uint16_t)~tcp->csum);
	} else if (l4 != NULL && udp->csum != 0) {
		be16 csum = (be16)~csum_fold64(change + (uint16_t)~udp->csum);

		udp->csum = csum == 0 ? 0xffff : csum;
	}
}

/* The packet is for `to`. */
static inline void nat_dst(struct ip4_hdr *ip, void *l4, struct nat_end to)
{
	be16 none = 0, *port = l4 != NULL ? (be16 *)l4 + 1 : &none; /* as in TCP, so in UDP */

	nat_csums(ip, l4, ip->dst, to.addr, *port, to.port);
	*port = to.port;
	ip->dst = to.addr;
}

/* The packet is from `from`. */
static inline void nat_src(struct ip4_hdr *ip, void *l4, struct nat_end from)
{
	be16 none = 0, *port = l4 != NULL ? l4 : &none;

	nat_csums(ip, l4, ip->src, from.addr, *port, from.port);
	*port = from.port;
	ip->src = from.addr;
}

/*
 * The packet that an ICMP error quotes, of which `room` bytes are there from its IPv4 header on:
 * its ends become src and dst, and what it quotes of a checksum follows, as does the ICMP checksum
 * *csum, whose message covers all of it. At least the quoted header and four bytes of ports are
 * there, and it is TCP or UDP.
 */
void nat_quoted(
	struct ip4_hdr *quoted, size_t room, struct nat_end src, struct nat_end dst, be16 *csum);
/* The same of TCP's sequence number, which is more by so much; at least eight bytes of TCP's. */
void nat_quoted_seq(struct ip4_hdr *quoted, size_t room, uint32_t more, be16 *csum);

#endif
