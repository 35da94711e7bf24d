/* SPDX-License-Identifier: BSD-3-Clause */
/* What NAT writes, against checksums made anew over the whole. */
#include "lb/nat.h"
#include "routes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define DATA 24 /* bytes behind the IPv4 header */

static uint64_t seed = 5;

static struct nat_end any_end(void)
{
	uint64_t word = random64(&seed);

	return (struct nat_end){.addr = (be32)word, .port = (be16)(word >> 32)};
}

/* A packet of its exact size, with right checksums; UDP's may be none. */
static struct ip4_hdr *packet(uint8_t proto, bool csum)
{
	struct ip4_hdr *ip = malloc(IP4_HDR_LEN + DATA);
	be16 *at;

	assert_non_null(ip);
	for (uint32_t i = 0; i < IP4_HDR_LEN + DATA; i++)
		((uint8_t *)ip)[i] = (uint8_t)random64(&seed);
	ip4_hdr_build(ip, &(struct ip4_fields){.total_len = IP4_HDR_LEN + DATA,
				  .ttl = 64,
				  .proto = proto,
				  .src = (uint32_t)random64(&seed),
				  .dst = (uint32_t)random64(&seed)});
	at = (be16 *)((char *)ip4_hdr_payload(ip) + (proto == IP4_PROTO_TCP ? 16 : 6));
	*at = 0;
	if (csum) {
		*at = csum_fold(csum_add(ip4_hdr_payload(ip), DATA, ip4_hdr_pseudo(ip, DATA)));
		if (*at == 0 && proto == IP4_PROTO_UDP)
			*at = 0xffff;
	}
	return ip;
}

static void assert_sums(const struct ip4_hdr *ip, bool csum)
{
	const struct udp_hdr *udp = ip4_hdr_payload(ip);

	assert_int_equal(csum_fold(csum_add(ip, IP4_HDR_LEN, 0)), 0);
	if (csum)
		assert_int_equal(csum_fold(csum_add(udp, DATA, ip4_hdr_pseudo(ip, DATA))), 0);
	else
		assert_int_equal(udp->csum, 0);
	if (csum && ip->proto == IP4_PROTO_UDP)
		assert_int_not_equal(udp->csum, 0);
}

static void one_end(uint8_t proto, bool csum, bool whole)
{
	struct ip4_hdr *ip = packet(proto, csum), before = *ip;
	struct nat_end to = any_end(), from = any_end();
	be16 *ports = ip4_hdr_payload(ip), was[2] = {ports[0], ports[1]};

	nat_dst(ip, whole ? ports : NULL, to);
	assert_int_equal(ip->dst, to.addr);
	assert_int_equal(ip->src, before.src);
	assert_int_equal(ports[1], whole ? to.port : was[1]);
	assert_int_equal(ports[0], was[0]);
	nat_src(ip, whole ? ports : NULL, from);
	assert_int_equal(ip->src, from.addr);
	assert_int_equal(ports[0], whole ? from.port : was[0]);
	if (whole)
		assert_sums(ip, csum);
	else
		assert_int_equal(csum_fold(csum_add(ip, IP4_HDR_LEN, 0)), 0);
	free(ip);
}

static void test_either_end(void **state)
{
	(void)state;
	for (int i = 0; i < 200000; i++) { /* some come to a sum of zero */
		one_end(IP4_PROTO_TCP, true, true);
		one_end(IP4_PROTO_UDP, true, true);
	}
	for (int i = 0; i < 1000; i++) {
		one_end(IP4_PROTO_UDP, false, true);
		one_end(IP4_PROTO_TCP, true, false);
	}
}

/* An ICMP error that quotes `room` bytes of a packet, each length that may be. */
static void quote(uint8_t proto, bool csum, size_t room)
{
	struct ip4_hdr *ip = packet(proto, csum);
	struct nat_end src = any_end(), dst = any_end();
	struct {
		be16 type, csum;
		uint32_t rest;
	} icmp = {.type = 3};
	struct ip4_hdr *quoted = malloc(room);
	be16 *ports;

	assert_non_null(quoted);
	memcpy(quoted, ip, room);
	icmp.csum = csum_fold(csum_add(quoted, room, csum_add(&icmp, sizeof(icmp), 0)));
	nat_quoted(quoted, room, src, dst, &icmp.csum);
	ports = ip4_hdr_payload(quoted);
	assert_int_equal(quoted->src, src.addr);
	assert_int_equal(quoted->dst, dst.addr);
	assert_int_equal(ports[0], src.port);
	assert_int_equal(ports[1], dst.port);
	assert_int_equal(csum_fold(csum_add(quoted, IP4_HDR_LEN, 0)), 0);
	assert_int_equal(csum_fold(csum_add(quoted, room, csum_add(&icmp, sizeof(icmp), 0))), 0);
	if (room == IP4_HDR_LEN + DATA)
		assert_sums(quoted, csum);
	free(quoted);
	free(ip);
}

static void test_quotations(void **state)
{
	(void)state;
	for (int i = 0; i < 2000; i++) {
		for (size_t room = IP4_HDR_LEN + 4; room <= IP4_HDR_LEN + DATA; room += 2) {
			quote(IP4_PROTO_TCP, true, room);
			quote(IP4_PROTO_UDP, true, room);
			quote(IP4_PROTO_UDP, false, room);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_either_end),
		cmocka_unit_test(test_quotations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
