/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * UDP of local programs on a worker: its table of ports, datagrams in and out, ICMP errors.
 *
 * Every worker has every port, since a peer's datagrams may come to any of them.
 */
#include "net/chain.h"
#include "net/error.h"
#include "net/lookup.h"
#include "net/punt.h"
#include "service/service.h"
#include "service/socket_service.h"
#include "sockets_seat.h"
#include "tcp/stage.h"
#include "wire/icmp_hdr.h"
#include "wire/udp_hdr.h"

#include <errno.h>

#define HEADERS (ETH_HDR_LEN + IP4_HDR_LEN + UDP_HDR_LEN)

int seat_may_bind(const struct worker *w, bool udp, uint32_t addr, uint16_t port)
{
	if (addr != 0 && !lookup_is_ours(w->net, addr))
		return -EADDRNOTAVAIL;
	return service_has(w->net, udp, addr, port) ? -EADDRINUSE : 0;
}

/* --- the table --- */

static struct seat **bucket(struct sockets_end *e, uint16_t port)
{
	return &e->by_port[port & (RTE_DIM(e->by_port) - 1)];
}

/* How well it fits: the peer that it is connected to, then an address of its own; -1: not. */
static int fit(const struct seat *s, uint32_t addr, uint16_t port, uint32_t remote, uint16_t rport)
{
	if (s->port != port || (s->addr != 0 && s->addr != addr) ||
		(s->remote != 0 && (s->remote != remote || s->remote_port != rport)))
		return -1;
	return 2 * (s->remote != 0) + (s->addr != 0);
}

static struct seat *find(
	struct sockets_end *e, uint32_t addr, uint16_t port, uint32_t remote, uint16_t rport)
{
	struct seat *best = NULL;
	int best_fit = -1;

	for (struct seat *s = *bucket(e, port); s != NULL; s = s->on_port) {
		int f = fit(s, addr, port, remote, rport);

		if (f > best_fit) {
			best = s;
			best_fit = f;
		}
	}
	return best;
}

/* ASK_OPEN_UDP, or ASK_AIM_UDP of one that is open. */
int seat_open_udp(struct worker *w, struct seat *s, const struct ask *a)
{
	struct seat **b = bucket(w->sockets, a->port);
	uint16_t mtu;
	int rc;

	if (a->kind == ASK_AIM_UDP) {
		uint32_t local = s->addr;

		rc = a->remote == 0 ? 0 : tcp_stage_route(w, a->remote, &local, &mtu);
		if (rc == 0 && a->remote != 0 && lookup_is_group(w->net, a->remote))
			rc = -EACCES;
		if (rc == 0) {
			s->remote = a->remote;
			s->remote_port = a->remote_port;
			s->local = local;
		}
		return rc;
	}
	rc = seat_may_bind(w, true, a->addr, a->port);
	if (rc < 0)
		return rc;
	s->addr = s->local = a->addr;
	s->port = s->local_port = a->port;
	s->hold_most = a->n;
	s->is_udp = true;
	s->on_port = *b;
	*b = s;
	return 0;
}

void seat_close_udp(struct sockets_end *e, struct seat *s)
{
	struct seat **link = bucket(e, s->port);

	while (*link != s)
		link = &(*link)->on_port;
	*link = s->on_port;
	s->is_udp = false;
}

/* --- out --- */

static void write_headers(struct worker *w, struct rte_mbuf *m, const struct ask *a, uint32_t local)
{
	uint16_t len = (uint16_t)rte_pktmbuf_pkt_len(m);
	struct udp_hdr *udp;
	struct ip4_hdr *ip;

	rte_pktmbuf_prepend(m, HEADERS);
	ip = pkt_ip4(m);
	ip4_hdr_build(ip, &(struct ip4_fields){
				  .total_len = (uint16_t)(IP4_HDR_LEN + UDP_HDR_LEN + len),
				  .id = w->ip_id++,
				  .tos = a->options.tcp.tos,
				  .ttl = a->options.tcp.ttl,
				  .proto = IP4_PROTO_UDP,
				  .src = local,
				  .dst = a->remote,
			  });
	udp = pkt_l4(m);
	udp_hdr_build(udp, a->port, a->remote_port, len);
	len = (uint16_t)(len + UDP_HDR_LEN);
	udp->csum = udp_csum_fold(
		chain_csum(m, ETH_HDR_LEN + IP4_HDR_LEN, len, ip4_hdr_pseudo(ip, len)));
}

void seat_send_udp(struct worker *w, const struct ask *a)
{
	uint32_t local = a->addr;
	uint16_t mtu;
	int rc = tcp_stage_route(w, a->remote, &local, &mtu);

	if (rc == 0 && lookup_is_group(w->net, a->remote))
		rc = -EACCES;
	if (rc < 0) {
		rte_pktmbuf_free(a->m);
		a->seat->told.error = (uint8_t)-rc;
		seat_tell(w->sockets, a->seat, SEAT_UNREACHABLE);
		return;
	}
	write_headers(w, a->m, a, local);
	a->m->port = PKT_ORIGIN;
	w->books.originated++;
	w->count[COUNT_udp_sent]++;
	lane_put(&w->out, a->m, a->remote);
}

/* --- in --- */

static uint8_t error_of(const struct icmp_hdr *h)
{
	static const uint8_t codes[] = {[ICMP_CODE_NET] = ENETUNREACH,
		[ICMP_CODE_HOST] = EHOSTUNREACH,
		[ICMP_CODE_PROTO] = ENOPROTOOPT,
		[ICMP_CODE_PORT] = ECONNREFUSED};

	if (h->type != ICMP_TYPE_UNREACH || h->code >= RTE_DIM(codes))
		return 0;
	return codes[h->code];
}

/* Of a peer that a program has connected to, it is told (RFC 1122 4.1.3.3). */
static void error_in(struct worker *w, struct rte_mbuf *m)
{
	const struct icmp_hdr *icmp = pkt_l4(m);
	uint32_t at = ETH_HDR_LEN + ip4_hdr_len(pkt_ip4(m));
	const struct ip4_hdr *quoted = icmp_hdr_quoted(icmp, m->data_len - at);
	const struct udp_hdr *udp = quoted != NULL ? ip4_hdr_payload(quoted) : NULL;
	struct seat *s = NULL;

	if (udp != NULL && error_of(icmp) != 0)
		s = find(w->sockets, ip4_hdr_src(quoted), udp_hdr_sport(udp), ip4_hdr_dst(quoted),
			udp_hdr_dport(udp));
	if (s != NULL && s->remote != 0) {
		s->told.error = error_of(icmp);
		seat_tell(w->sockets, s, SEAT_UNREACHABLE);
	}
	if (s == NULL && punt_wants(w, m))
		lane_put(&w->punt, m, 0);
	else
		consume(w, m);
}

static bool has_room(const struct sockets_end *e, const struct seat *s, uint32_t bytes, uint32_t n)
{
	return s->held + bytes <= s->hold_most && e->held + n <= e->held_most &&
	       mailbox_count(e->told) < SOCKETS_RING - 1;
}

static void datagram_in(struct worker *w, struct rte_mbuf *m)
{
	const struct ip4_hdr *ip = pkt_ip4(m);
	const struct udp_hdr *udp = pkt_l4(m);
	uint32_t head = ETH_HDR_LEN + ip4_hdr_len(ip) + UDP_HDR_LEN, data = udp_hdr_data_len(udp);
	struct tell t = {.what = SEAT_DATAGRAM,
		.addr = ip4_hdr_src(ip),
		.port = udp_hdr_sport(udp),
		.n = data};
	struct sockets_end *e = w->sockets;

	t.seat = find(e, ip4_hdr_dst(ip), udp_hdr_dport(udp), t.addr, t.port);
	if (t.seat == NULL && punt_wants(w, m)) {
		lane_put(&w->punt, m, 0);
		return;
	}
	if (t.seat == NULL) {
		error_put(w, m, ERROR_PORT, 0);
		return;
	}
	/* bytes behind the UDP length are not data */
	chain_trim(m, head + data);
	if (!has_room(e, t.seat, m->nb_segs * w->net->limits.mbuf_size, m->nb_segs)) {
		drop(w, m, DROP_UDP_QUEUE_FULL);
		return;
	}
	t.m = chain_behead(m, head);
	if (t.m != NULL) {
		e->held += t.m->nb_segs;
		t.seat->held += t.m->nb_segs * w->net->limits.mbuf_size;
	}
	w->books.consumed++;
	w->count[COUNT_udp_received]++;
	mailbox_post(e->told, &t);
	e->ring = true;
}

void stage_datagram(struct worker *w)
{
	for (uint32_t i = 0; i < w->dgram.n; i++) {
		if (pkt_ip4(w->dgram.pkt[i])->proto == IP4_PROTO_ICMP)
			error_in(w, w->dgram.pkt[i]);
		else
			datagram_in(w, w->dgram.pkt[i]);
	}
}
