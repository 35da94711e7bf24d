/* SPDX-License-Identifier: BSD-3-Clause */
/* mss: the contract is in net/mss.h. */
#include "net/mss.h"

#include "wire/tcp_hdr.h"

void mss_clamp(struct worker *w, struct rte_mbuf *m, uint16_t mss)
{
	struct ip4_hdr *ip = pkt_ip4(m);
	uint32_t room = m->data_len - ETH_HDR_LEN - ip4_hdr_len(ip);

	if (ip->proto != IP4_PROTO_TCP || (from_be16(ip->frag) & IP4_OFFSET_MASK) != 0)
		return;
	if (tcp_hdr_check(pkt_l4(m), RTE_MIN(room, ip4_hdr_payload_len(ip))) != TCP_OK)
		return;
	if (tcp_hdr_clamp_mss(pkt_l4(m), tcp_hdr_len(pkt_l4(m)), mss))
		w->count[COUNT_mss_clamped]++;
}
