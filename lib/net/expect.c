/* SPDX-License-Identifier: BSD-3-Clause */
/* expect: the table, chained by index, and what of a packet is looked up in it. */
#include "net/expect.h"

#include "wire/icmp_hdr.h"
#include "wire/udp_hdr.h"

#include <stdlib.h>

#define BUCKETS 256

struct place {
	struct expected e;
	uint32_t next; /* number + 1 of the next in the bucket; 0: none */
	bool used;
};

struct expect {
	uint32_t n;		 /* numbers */
	uint32_t count;		 /* in use */
	uint32_t first[BUCKETS]; /* number + 1 */
	struct place place[];
};

struct expect *expect_new(uint32_t n)
{
	struct expect *x = calloc(1, sizeof(*x) + n * sizeof(x->place[0]));

	if (x != NULL)
		x->n = n;
	return x;
}

void expect_free(struct expect *x)
{
	free(x);
}

/* Ports and ids are random: nobody else chooses what falls together. */
static uint32_t bucket_of(const struct expected *e)
{
	return (e->to_port ^ e->from) % BUCKETS;
}

static bool same(const struct expected *a, const struct expected *b)
{
	return a->from == b->from && a->to == b->to && a->from_port == b->from_port &&
	       a->to_port == b->to_port && a->proto == b->proto;
}

void expect_add(struct expect *x, uint32_t number, const struct expected *e)
{
	uint32_t *first = &x->first[bucket_of(e)];

	x->place[number] = (struct place){.e = *e, .next = *first, .used = true};
	*first = number + 1;
	x->count++;
}

void expect_del(struct expect *x, uint32_t number)
{
	uint32_t *link;

	if (!x->place[number].used)
		return;
	link = &x->first[bucket_of(&x->place[number].e)];
	while (*link != number + 1)
		link = &x->place[*link - 1].next;
	*link = x->place[number].next;
	x->place[number].used = false;
	x->count--;
}

uint32_t expect_find(const struct expect *x, const struct expected *e)
{
	for (uint32_t i = x->first[bucket_of(e)]; i != 0; i = x->place[i - 1].next)
		if (same(&x->place[i - 1].e, e))
			return i - 1;
	return EXPECT_NONE;
}

uint32_t expect_count(const struct expect *x)
{
	return x->count;
}

/* --- packets --- */

/* Ends as they stand in a packet from who was asked; false: nobody asks so. */
static bool reply_of(const struct ip4_hdr *ip, const void *l4, struct expected *e)
{
	const struct icmp_hdr *icmp = l4;
	const struct udp_hdr *udp = l4;
	bool is_udp = ip->proto == IP4_PROTO_UDP;

	if (!is_udp && (ip->proto != IP4_PROTO_ICMP || icmp->type != ICMP_TYPE_ECHO_REPLY))
		return false;
	*e = (struct expected){.from = ip4_hdr_src(ip),
		.to = ip4_hdr_dst(ip),
		.from_port = is_udp ? udp_hdr_sport(udp) : from_be16(icmp->echo.seq),
		.to_port = is_udp ? udp_hdr_dport(udp) : from_be16(icmp->echo.id),
		.proto = ip->proto};
	return true;
}

/* What an ICMP error quotes: what we have asked, the other way round. */
static bool asked_of(const struct icmp_hdr *error, uint32_t room, struct expected *e)
{
	const struct ip4_hdr *ip = icmp_hdr_quoted(error, room);
	const struct icmp_hdr *icmp;
	const struct udp_hdr *udp;
	bool is_udp;

	if (ip == NULL || ip4_hdr_is_fragment(ip))
		return false;
	is_udp = ip->proto == IP4_PROTO_UDP;
	icmp = ip4_hdr_payload(ip);
	udp = ip4_hdr_payload(ip);
	if (!is_udp && (ip->proto != IP4_PROTO_ICMP || icmp->type != ICMP_TYPE_ECHO))
		return false;
	*e = (struct expected){.from = ip4_hdr_dst(ip),
		.to = ip4_hdr_src(ip),
		.from_port = is_udp ? udp_hdr_dport(udp) : from_be16(icmp->echo.seq),
		.to_port = is_udp ? udp_hdr_sport(udp) : from_be16(icmp->echo.id),
		.proto = ip->proto};
	return true;
}

uint32_t expect_of(const struct worker *w, const struct rte_mbuf *m)
{
	const struct ip4_hdr *ip = pkt_ip4(m);
	const struct icmp_hdr *icmp = pkt_l4(m);
	uint32_t room = m->data_len - ETH_HDR_LEN - ip4_hdr_len(ip);
	struct expected e;
	bool some;

	if (w->expect == NULL || w->expect->count == 0)
		return EXPECT_NONE;
	if (ip->proto == IP4_PROTO_ICMP && icmp_type_is_error(icmp->type))
		some = asked_of(icmp, RTE_MIN(room, ip4_hdr_payload_len(ip)), &e);
	else
		some = reply_of(ip, icmp, &e);
	return some ? expect_find(w->expect, &e) : EXPECT_NONE;
}
