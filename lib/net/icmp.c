/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stage_icmp: ICMP for this host (RFC 792, RFC 1122 3.2.2, RFC 1812 4.3.3).
 *
 * icmp -> out | consumed | drop. Echo requests become their replies in place, whole, whatever their
 * length. Errors about our packets are counted; a router acts on no redirect.
 */
#include "net/chain.h"
#include "net/local.h"
#include "net/lookup.h"
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

static void icmp_in(struct worker *w, struct rte_mbuf *m)
{
	struct rte_mbuf *head;
	uint8_t type;

	if (!is_valid(m)) {
		drop(w, m, DROP_ICMP_BAD);
		return;
	}
	head = chain_head(w, m, ETH_HDR_LEN + ip4_hdr_len(pkt_ip4(m)) + ICMP_HDR_LEN);
	if (head == NULL) {
		drop(w, m, DROP_NO_BUFFER);
		return;
	}
	type = ((const struct icmp_hdr *)pkt_l4(head))->type;
	if (type == ICMP_TYPE_ECHO) {
		echo(w, head);
	} else if (icmp_type_is_error(type)) {
		w->count[COUNT_icmp_errors_in]++;
		consume(w, head);
	} else {
		drop(w, head, DROP_ICMP_TYPE);
	}
}

void stage_icmp(struct worker *w)
{
	for (uint32_t i = 0; i < w->icmp.n; i++)
		icmp_in(w, w->icmp.pkt[i]);
}
