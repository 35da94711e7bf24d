/* SPDX-License-Identifier: BSD-3-Clause */
/* offload: sums that are left open, and closed; the contract is in net/offload.h. */
#include "net/offload.h"

#include "net/chain.h"
#include "net/pkt.h"
#include "wire/tcp_hdr.h"
#include "wire/udp_hdr.h"

/* Where the checksum stands. */
static be16 *place(const struct rte_mbuf *m)
{
	if (pkt_ip4(m)->proto == IP4_PROTO_UDP)
		return &((struct udp_hdr *)pkt_l4(m))->csum;
	return &((struct tcp_hdr *)pkt_l4(m))->csum;
}

void offload_mark(struct rte_mbuf *m)
{
	const struct ip4_hdr *ip = pkt_ip4(m);
	bool udp = ip->proto == IP4_PROTO_UDP;

	m->l2_len = ETH_HDR_LEN;
	m->l3_len = ip4_hdr_len(ip);
	m->l4_len = udp ? UDP_HDR_LEN : tcp_hdr_len(pkt_l4(m));
	m->ol_flags |=
		RTE_MBUF_F_TX_IPV4 | (udp ? RTE_MBUF_F_TX_UDP_CKSUM : RTE_MBUF_F_TX_TCP_CKSUM);
	*place(m) = (be16)~csum_fold(ip4_hdr_pseudo(ip, (uint16_t)ip4_hdr_payload_len(ip)));
}

void offload_sum(struct rte_mbuf *m)
{
	const struct ip4_hdr *ip = pkt_ip4(m);
	uint16_t len = (uint16_t)ip4_hdr_payload_len(ip);
	uint32_t sum = ip4_hdr_pseudo(ip, len);
	be16 *csum = place(m);

	*csum = 0;
	sum = chain_csum(m, ETH_HDR_LEN + ip4_hdr_len(ip), len, sum);
	*csum = ip->proto == IP4_PROTO_UDP ? udp_csum_fold(sum) : csum_fold(sum);
}

void offload_finish(struct rte_mbuf *m)
{
	offload_sum(m);
	m->ol_flags &= ~(OFFLOAD_OPEN | RTE_MBUF_F_TX_IPV4);
}

bool offload_leave(struct rte_mbuf *m, uint8_t does, uint16_t l2_len)
{
	bool cut = m->ol_flags & RTE_MBUF_F_TX_TCP_SEG;
	bool udp = (m->ol_flags & RTE_MBUF_F_TX_L4_MASK) == RTE_MBUF_F_TX_UDP_CKSUM;

	if ((does & (cut ? OFFLOAD_TSO : udp ? OFFLOAD_UDP_SUM : OFFLOAD_TCP_SUM)) == 0)
		return false;
	m->l2_len = l2_len;
	if (cut && (does & OFFLOAD_IP4_SUM)) { /* each piece has its own: devices begin at zero */
		m->ol_flags |= RTE_MBUF_F_TX_IP_CKSUM;
		pkt_ip4(m)->csum = 0;
	}
	return true;
}
