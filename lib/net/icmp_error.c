/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stage_error: tells a packet's sender what became of it, where that is allowed.
 *
 * error (aux: cause and value) -> out; the packet itself is dropped under its cause's reason. When
 * never to answer is RFC 1812 4.3.2.7, how often is net/icmp_limit.h, what the answer looks like
 * RFC 1812 4.3.2. The answer's source is the address of the interface by which it leaves.
 */
#include "net/error.h"

#include "net/icmp_limit.h"
#include "net/lookup.h"
#include "net/stage.h"
#include "wire/icmp_hdr.h"

#define ERROR_MAX_LEN 576 /* RFC 1812 4.3.2.3 */
#define QUOTE_MAX     (ERROR_MAX_LEN - IP4_HDR_LEN - ICMP_HDR_LEN)
#define PRECEDENCE_6  0xc0 /* RFC 1812 4.3.2.5 */

static const struct cause {
	uint8_t type;
	uint8_t code;
	enum drop_reason reason;
} causes[] = {
#define X(name, icmp_type, icmp_code, drop) [ERROR_##name] = {icmp_type, icmp_code, DROP_##drop},
	ERROR_CAUSES(X)
#undef X
};

static bool is_icmp_error(const struct rte_mbuf *m)
{
	const struct ip4_hdr *ip = pkt_ip4(m);
	const uint8_t *type;
	uint8_t copy;

	if (ip->proto != IP4_PROTO_ICMP)
		return false;
	if (ip4_hdr_payload_len(ip) == 0) /* it may have been one */
		return true;
	type = rte_pktmbuf_read(m, ETH_HDR_LEN + ip4_hdr_len(ip), sizeof(*type), &copy);
	return icmp_type_is_error(*type);
}

static bool is_forbidden(const struct net *net, const struct rte_mbuf *m)
{
	const struct ip4_hdr *ip = pkt_ip4(m);

	return (m->port & PKT_LINK_GROUP) || ip4_hdr_frag_offset(ip) != 0 || is_icmp_error(m) ||
	       lookup_is_group(net, ip4_hdr_dst(ip)) || !lookup_is_peer(net, ip4_hdr_src(ip));
}

/*
 * An address of the interface by which m's sender is reached (RFC 1812 4.3.2.4): the one that m was
 * sent to, if it is there. Without any, of the interface that m came by, or the loopback's. What a
 * virtual host refuses comes from that host: who has connected its socket hears of it.
 */
static uint32_t own_address(
	const struct worker *w, const struct rte_mbuf *m, enum error_cause cause)
{
	const struct iface *ifaces = w->net->iface;
	const struct ip4_hdr *ip = pkt_ip4(m);
	const struct iface *egress = &ifaces[lookup_icmp_egress(w, ip4_hdr_src(ip))];

	if (cause == ERROR_SERVICE || cause == ERROR_BACKEND)
		return ip4_hdr_dst(ip);
	for (uint32_t i = 0; i < egress->n_addrs; i++)
		if (egress->addrs[i].addr == ip4_hdr_dst(ip))
			return ip4_hdr_dst(ip);
	if (egress->addr != 0)
		return egress->addr;
	if (ifaces[pkt_iface(m)].addr != 0)
		return ifaces[pkt_iface(m)].addr;
	return ifaces[IFACE_LOOPBACK].addr;
}

/* The second word of the message. */
static uint32_t rest_of(const struct net *net, uint32_t aux)
{
	switch (error_cause(aux)) {
	case ERROR_FRAG_NEEDED:
		return error_value(aux);
	case ERROR_OPTION:
		return error_value(aux) << 24;
	case ERROR_REDIRECT:
		return net->adj[error_value(aux)].addr;
	default:
		return 0;
	}
}

/* Puts the message about m on its way: as much of m as fits, of what is there (or was quoted). */
static void send(struct worker *w, const struct rte_mbuf *m, uint32_t aux, uint32_t from)
{
	const struct cause *c = &causes[error_cause(aux)];
	const struct ip4_hdr *ip = pkt_ip4(m);
	uint32_t there = RTE_MIN(ip4_hdr_total_len(ip), rte_pktmbuf_pkt_len(m) - ETH_HDR_LEN);
	uint32_t quote = RTE_MIN(there, (uint32_t)QUOTE_MAX);
	uint32_t len = IP4_HDR_LEN + ICMP_HDR_LEN + quote;
	struct rte_mbuf *e = originate(w);
	struct icmp_hdr *icmp;
	const void *bytes;

	if (e == NULL)
		return;
	rte_pktmbuf_append(e, (uint16_t)(ETH_HDR_LEN + len));
	ip4_hdr_build(pkt_ip4(e), &(struct ip4_fields){
					  .total_len = (uint16_t)len,
					  .id = w->ip_id++,
					  .tos = PRECEDENCE_6,
					  .ttl = (uint8_t)w->net->set.ttl,
					  .proto = IP4_PROTO_ICMP,
					  .src = from,
					  .dst = ip4_hdr_src(ip),
				  });
	icmp = pkt_l4(e);
	bytes = rte_pktmbuf_read(m, ETH_HDR_LEN, quote, icmp + 1);
	if (bytes != icmp + 1)
		memcpy(icmp + 1, bytes, quote);
	icmp_hdr_build(icmp, c->type, c->code, rest_of(w->net, aux), ICMP_HDR_LEN + quote);
	w->count[error_cause(aux) == ERROR_REDIRECT ? COUNT_icmp_redirects_out
						    : COUNT_icmp_errors_out]++;
	lane_put(&w->out, e, ip4_hdr_src(ip));
}

static void answer(struct worker *w, const struct rte_mbuf *m, uint32_t aux)
{
	const struct net *net = w->net;
	uint32_t sender = ip4_hdr_src(pkt_ip4(m)), from = own_address(w, m, error_cause(aux));

	if (is_forbidden(net, m) || from == 0)
		w->count[COUNT_icmp_errors_forbidden]++;
	else if (!icmp_limit_take(
			 net->icmp_limit, &net->set, w->now, causes[error_cause(aux)].type, sender))
		w->count[COUNT_icmp_errors_limited]++;
	else
		send(w, m, aux, from);
}

void stage_error(struct worker *w)
{
	struct lane *l = &w->error;

	for (uint32_t i = 0; i < l->n; i++) {
		answer(w, l->pkt[i], l->aux[i]);
		if (error_cause(l->aux[i]) == ERROR_REDIRECT)
			consume(w, l->pkt[i]); /* a copy of a packet that went on */
		else
			drop(w, l->pkt[i], causes[error_cause(l->aux[i])].reason);
	}
}
