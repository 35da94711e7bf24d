/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stage_icmp: ICMP for this host (RFC 792, RFC 1122 3.2.2, RFC 1812 4.3.3).
 *
 * icmp -> out | answer | tcp | datagram | quoted | punt | consumed | drop. Echo requests become
 * their replies in place, whole, whatever their length. Errors about our packets are counted; a
 * router acts on no redirect.
 */
#include "net/chain.h"
#include "net/expect.h"
#include "net/local.h"
#include "net/lookup.h"
#include "net/punt.h"
#include "net/stage.h"
#include "wire/icmp_hdr.h"

/* The address that an echo request is answered from, 0 = not at all (RFC 1122 3.2.2.6). */
static uint32_t echo_source(const struct net *net, const struct rte_mbuf *m)
{
	uint32_t dst = ip4_hdr_dst(pkt_ip4(m));

	if (!lookup_is_group(net, dst))
		return dst;
	return net->set.echo_group ? net->iface[pkt_iface(m)].addr : 0;
}

static void echo(struct worker *w, struct rte_mbuf *m)
{
	uint32_t from = echo_source(w->net, m);

	if (from == 0) {
		drop(w, m, DROP_ICMP_ECHO_GROUP);
		return;
	}
	icmp_hdr_to_echo_reply(pkt_l4(m));
	local_answer(w, m, from);
	w->count[COUNT_icmp_echo_replies]++;
}

static bool is_valid(const struct rte_mbuf *m)
{
	const struct ip4_hdr *ip = pkt_ip4(m);
	uint32_t len = ip4_hdr_payload_len(ip);

	return len >= ICMP_HDR_LEN &&
	       csum_fold(chain_csum(m, ETH_HDR_LEN + ip4_hdr_len(ip), len, 0)) == 0;
}

/* About a packet of a virtual service, or one that a balancer sent through a tunnel. */
static bool is_balanced(const struct worker *w, const struct rte_mbuf *m, uint8_t quoted_proto)
{
	return w->lb != NULL && (quoted_proto == IP4_PROTO_IPIP || quoted_proto == IP4_PROTO_GRE ||
					lookup_is_service(w->net, ip4_hdr_dst(pkt_ip4(m))));
}

/*
 * What an ICMP error quotes of a segment goes to TCP, where there is one (RFC 9293 MUST-54), of a
 * datagram to whoever has sockets (RFC 1122 4.1.3.3).
 */
static void error_in(struct worker *w, struct rte_mbuf *m)
{
	const struct ip4_hdr *quoted =
		(const struct ip4_hdr *)((const struct icmp_hdr *)pkt_l4(m) + 1);
	uint32_t at = ETH_HDR_LEN + ip4_hdr_len(pkt_ip4(m)) + ICMP_HDR_LEN;
	uint8_t proto = m->data_len >= at + IP4_HDR_LEN ? quoted->proto : 0;

	w->count[COUNT_icmp_errors_in]++;
	if (is_balanced(w, m, proto))
		lane_put(&w->quoted, m, 0);
	else if (w->stack != NULL && proto == IP4_PROTO_TCP)
		lane_put(&w->tcp, m, 0);
	else if (w->sockets != NULL && proto == IP4_PROTO_UDP)
		lane_put(&w->dgram, m, 0);
	else if (punt_wants(w, m))
		lane_put(&w->punt, m, 0);
	else
		consume(w, m);
}

static void icmp_in(struct worker *w, struct rte_mbuf *m)
{
	struct rte_mbuf *head;
	uint32_t len, number;
	uint8_t type;

	if (!is_valid(m)) {
		drop(w, m, DROP_ICMP_BAD);
		return;
	}
	/* what an error quotes of a packet, too */
	len = ETH_HDR_LEN + ip4_hdr_len(pkt_ip4(m)) + ICMP_HDR_LEN + IP4_HDR_LEN_MAX +
	      ICMP_QUOTE_L4;
	head = chain_head(w, m, RTE_MIN(len, rte_pktmbuf_pkt_len(m)));
	if (head == NULL) {
		drop(w, m, DROP_NO_BUFFER);
		return;
	}
	type = ((const struct icmp_hdr *)pkt_l4(head))->type;
	if (type == ICMP_TYPE_ECHO) {
		echo(w, head);
	} else if ((number = expect_of(w, head)) != EXPECT_NONE) {
		w->count[COUNT_icmp_errors_in] += icmp_type_is_error(type);
		lane_put(&w->answer, head, number);
	} else if (icmp_type_is_error(type)) {
		error_in(w, head);
	} else if (punt_wants(w, head)) { /* replies to its own requests, and what is rare */
		lane_put(&w->punt, head, 0);
	} else {
		drop(w, head, DROP_ICMP_TYPE);
	}
}

void stage_icmp(struct worker *w)
{
	for (uint32_t i = 0; i < w->icmp.n; i++)
		icmp_in(w, w->icmp.pkt[i]);
}
