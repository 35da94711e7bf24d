/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stage_tcp_reset: every port is closed (RFC 9293 3.10.7.1).
 *
 * tcp -> out | punt | drop. A valid segment to one of our addresses that is no reset itself is
 * answered by a reset that its sender will accept.
 */
#include "net/tcp_reset.h"

#include "net/local.h"
#include "net/lookup.h"
#include "net/punt.h"
#include "net/stage.h"
#include "wire/tcp_hdr.h"

/* Sends a reset in answer to the segment `in` of len bytes, which came in the packet of ip. */
static void reset(
	struct worker *w, const struct ip4_hdr *ip, const struct tcp_hdr *in, uint32_t len)
{
	struct rte_mbuf *m = originate(w);
	struct tcp_fields f = {.sport = tcp_hdr_dport(in), .dport = tcp_hdr_sport(in)};
	struct tcp_hdr *tcp;

	if (m == NULL)
		return;
	if (in->flags & TCP_ACK) {
		f.seq = tcp_hdr_ack(in);
		f.flags = TCP_RST;
	} else {
		f.ack = tcp_hdr_seq(in) + tcp_hdr_seg_len(in, len);
		f.flags = TCP_RST | TCP_ACK;
	}
	rte_pktmbuf_append(m, ETH_HDR_LEN + IP4_HDR_LEN + TCP_HDR_LEN);
	ip4_hdr_build(pkt_ip4(m), &(struct ip4_fields){
					  .total_len = IP4_HDR_LEN + TCP_HDR_LEN,
					  .id = w->ip_id++,
					  .frag = IP4_DF,
					  .ttl = (uint8_t)w->net->set.ttl,
					  .proto = IP4_PROTO_TCP,
					  .src = ip4_hdr_dst(ip),
					  .dst = ip4_hdr_src(ip),
				  });
	tcp = pkt_l4(m);
	tcp_hdr_build(tcp, &f);
	tcp_hdr_csum_set(tcp, TCP_HDR_LEN, ip->dst, ip->src);
	w->count[COUNT_tcp_resets_out]++;
	lane_put(&w->out, m, ip4_hdr_src(ip));
}

void tcp_reset_answer(struct worker *w, const struct rte_mbuf *m)
{
	const struct ip4_hdr *ip = pkt_ip4(m);
	uint32_t len = ip4_hdr_payload_len(ip);
	const struct tcp_hdr *tcp = pkt_l4(m);

	if (tcp_hdr_check(tcp, RTE_MIN(len, m->data_len - ETH_HDR_LEN - ip4_hdr_len(ip))) ==
			TCP_OK &&
		(tcp->flags & TCP_RST) == 0 && local_csum_ok(m, (uint16_t)len))
		reset(w, ip, tcp, len);
}

/* What becomes of it, DROP_MAX if it is the kernel's. */
static enum drop_reason tcp_in(struct worker *w, const struct rte_mbuf *m)
{
	const struct ip4_hdr *ip = pkt_ip4(m);
	uint32_t at = ETH_HDR_LEN + ip4_hdr_len(ip), len = ip4_hdr_payload_len(ip);
	const struct tcp_hdr *tcp;
	struct tcp_hdr copy;

	if (len < TCP_HDR_LEN)
		return DROP_TCP_BAD;
	tcp = rte_pktmbuf_read(m, at, TCP_HDR_LEN, &copy);
	if (tcp_hdr_check(tcp, len) != TCP_OK || !local_csum_ok(m, (uint16_t)len))
		return DROP_TCP_BAD;
	if (lookup_is_group(w->net, ip4_hdr_dst(ip))) /* RFC 9293 MUST-57 */
		return DROP_LOCAL_GROUP;
	if (punt_wants(w, m)) /* it may have that port open */
		return DROP_MAX;
	if (tcp->flags & TCP_RST)
		w->count[COUNT_tcp_resets_in]++;
	else
		reset(w, ip, tcp, len);
	return DROP_TCP_NO_PORT;
}

void stage_tcp_reset(struct worker *w)
{
	for (uint32_t i = 0; i < w->tcp.n; i++) {
		enum drop_reason r = tcp_in(w, w->tcp.pkt[i]);

		if (r == DROP_MAX)
			lane_put(&w->punt, w->tcp.pkt[i], 0);
		else
			drop(w, w->tcp.pkt[i], r);
	}
}
