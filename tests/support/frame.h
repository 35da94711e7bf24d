/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * frame: whole frames from a few values, valid but where a test says otherwise. Each function
 * returns the frame's length; the Ethernet addresses are 0.
 */
#ifndef TESTS_FRAME_H
#define TESTS_FRAME_H

#include "wire/eth_hdr.h"
#include "wire/icmp_hdr.h"
#include "wire/ip4_hdr.h"
#include "wire/tcp_hdr.h"
#include "wire/udp_hdr.h"

#include <stdlib.h>

#define FRAME_MAX (ETH_HDR_LEN + IP4_PACKET_MAX)

static inline struct ip4_hdr *frame_ip(uint8_t *frame)
{
	return (struct ip4_hdr *)(frame + ETH_HDR_LEN);
}

static inline void *frame_l4(uint8_t *frame)
{
	return ip4_hdr_payload(frame_ip(frame));
}

/* f.total_len is filled in; opt_len is a multiple of 4. */
static inline uint32_t frame_ip4(uint8_t *frame, struct ip4_fields f, const void *opts,
	uint32_t opt_len, const void *payload, uint32_t len)
{
	struct ip4_hdr *ip = frame_ip(frame);

	memset(frame, 0, ETH_HDR_LEN);
	((struct eth_hdr *)frame)->type = to_be16(ETH_TYPE_IP4);
	f.total_len = (uint16_t)(IP4_HDR_LEN + opt_len + len);
	ip4_hdr_build(ip, &f);
	ip->version_ihl = (uint8_t)(0x45 + opt_len / 4);
	if (opt_len)
		memcpy(ip + 1, opts, opt_len);
	ip4_hdr_csum_set(ip);
	if (len)
		memmove(ip4_hdr_payload(ip), payload, len);
	return ETH_HDR_LEN + f.total_len;
}

/*
 * Bytes that are not all alike. Not inline: gcc 14 unrolls the loop at -O3, and then believes that
 * it goes on beyond a small malloc().
 */
__attribute__((noinline, unused)) static void frame_fill(void *data, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++)
		((uint8_t *)data)[i] = (uint8_t)(i * 7 + (i >> 8));
}

static inline uint32_t frame_icmp(
	uint8_t *frame, struct ip4_fields f, uint8_t type, uint8_t code, uint32_t data_len)
{
	uint8_t *message = malloc(ICMP_HDR_LEN + data_len);
	uint32_t len;

	frame_fill(message + ICMP_HDR_LEN, data_len);
	icmp_hdr_build((struct icmp_hdr *)message, type, code, 0x12345678, ICMP_HDR_LEN + data_len);
	f.proto = IP4_PROTO_ICMP;
	len = frame_ip4(frame, f, NULL, 0, message, ICMP_HDR_LEN + data_len);
	free(message);
	return len;
}

static inline uint32_t frame_udp(
	uint8_t *frame, struct ip4_fields f, uint16_t sport, uint16_t dport, uint32_t data_len)
{
	uint8_t *message = malloc(UDP_HDR_LEN + data_len);
	struct udp_hdr *udp = (struct udp_hdr *)message;
	uint32_t len;

	frame_fill(message + UDP_HDR_LEN, data_len);
	udp_hdr_build(udp, sport, dport, (uint16_t)data_len);
	udp_hdr_csum_set(udp, to_be32(f.src), to_be32(f.dst));
	f.proto = IP4_PROTO_UDP;
	len = frame_ip4(frame, f, NULL, 0, message, UDP_HDR_LEN + data_len);
	free(message);
	return len;
}

/* t.opt_len bytes of options and data_len of data follow the header. */
static inline uint32_t frame_tcp(
	uint8_t *frame, struct ip4_fields f, struct tcp_fields t, uint32_t data_len)
{
	uint32_t l4_len = TCP_HDR_LEN + t.opt_len + data_len, len;
	uint8_t *message = malloc(l4_len);

	frame_fill(message + TCP_HDR_LEN, l4_len - TCP_HDR_LEN);
	memset(message + TCP_HDR_LEN, 1, t.opt_len); /* no operation */
	tcp_hdr_build((struct tcp_hdr *)message, &t);
	tcp_hdr_csum_set(
		(struct tcp_hdr *)message, (uint16_t)l4_len, to_be32(f.src), to_be32(f.dst));
	f.proto = IP4_PROTO_TCP;
	len = frame_ip4(frame, f, NULL, 0, message, l4_len);
	free(message);
	return len;
}

#endif
