/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ip4_addr: what an IPv4 address is, and addresses and prefixes as text.
 *
 * Every address here is in the host's order. Pure functions, from any thread.
 */
#ifndef WIRE_IP4_ADDR_H
#define WIRE_IP4_ADDR_H

#include <stdbool.h>
#include <stdint.h>

#define IP4_BROADCAST	UINT32_C(0xffffffff) /* limited: to this link, never forwarded */
#define IP4_ADDR_TEXT	16		     /* "255.255.255.255" and its end */
#define IP4_PREFIX_TEXT 19		     /* the same with "/32" */

/* 192.0.2.1 as ip4_addr(192, 0, 2, 1): for constants and tests. */
static inline uint32_t ip4_addr(uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
	return (uint32_t)a << 24 | (uint32_t)b << 16 | (uint32_t)c << 8 | d;
}

/* Network 0, "this host on this network" (RFC 1122 3.2.1.3). */
static inline bool ip4_is_zero_net(uint32_t addr)
{
	return addr >> 24 == 0;
}

static inline bool ip4_is_loopback(uint32_t addr)
{
	return addr >> 24 == 127;
}

static inline bool ip4_is_multicast(uint32_t addr)
{
	return addr >> 28 == 0xe;
}

/* 240.0.0.0/4, the limited broadcast among it. */
static inline bool ip4_is_class_e(uint32_t addr)
{
	return addr >> 28 == 0xf;
}

static inline bool ip4_is_broadcast(uint32_t addr)
{
	return addr == IP4_BROADCAST;
}

/* 169.254.0.0/16: routers must not forward it (RFC 3927 2.7). */
static inline bool ip4_is_link_local(uint32_t addr)
{
	return addr >> 16 == 0xa9fe;
}

/*
 * A source that is never forwarded (RFC 1812 5.3.7): networks 0 and 127, multicast, class E with
 * the limited broadcast. Asked per packet: 0 and everything from 224 up are one unsigned compare.
 * 0.0.0.0 may still be accepted for local delivery where a protocol says so (RFC 1812 4.2.2.11).
 */
static inline bool ip4_src_is_martian(uint32_t addr)
{
	uint32_t net = addr >> 24;

	return (net - 1 >= 223) | (net == 127);
}

/*
 * A destination that is never forwarded (RFC 1812 5.3.7): networks 0 and 127, class E but for the
 * limited broadcast, which is legal on its link.
 */
static inline bool ip4_dst_is_martian(uint32_t addr)
{
	uint32_t net = addr >> 24;

	return (net == 0) | (net == 127) | ((net >= 240) & (addr != IP4_BROADCAST));
}

struct ip4_prefix {
	uint32_t addr;
	uint8_t len; /* 0 to 32 */
};

/* len 0 to 32. */
static inline uint32_t ip4_mask(uint8_t len)
{
	return (uint32_t) ~(UINT64_C(0xffffffff) >> len);
}

static inline bool ip4_prefix_has(struct ip4_prefix p, uint32_t addr)
{
	return ((addr ^ p.addr) & ip4_mask(p.len)) == 0;
}

/* "a.b.c.d": four decimal numbers without leading zeros and nothing after; else false. */
bool ip4_addr_parse(const char *text, uint32_t *addr);

/* Returns text. */
char *ip4_addr_text(uint32_t addr, char text[IP4_ADDR_TEXT]);

/* "a.b.c.d:port", port 1 to 65535, as strictly; else false, and nothing is written. */
bool ip4_endpoint_parse(const char *text, uint32_t *addr, uint16_t *port);

enum ip4_prefix_verdict {
	IP4_PREFIX_OK,
	IP4_PREFIX_ADDR,      /* the address is not "a.b.c.d" */
	IP4_PREFIX_LEN,	      /* no "/", or not 0 to 32 after it */
	IP4_PREFIX_HOST_BITS, /* both are right, but the address is not the prefix's first */
};

/*
 * "a.b.c.d/len". With IP4_PREFIX_OK and IP4_PREFIX_HOST_BITS *p is filled in, so that a route can
 * be refused with the prefix that was meant, and an interface's "192.0.2.1/24" taken as it is.
 * Otherwise *p is untouched.
 */
enum ip4_prefix_verdict ip4_prefix_parse(const char *text, struct ip4_prefix *p);

/* Returns text. */
char *ip4_prefix_text(struct ip4_prefix p, char text[IP4_PREFIX_TEXT]);

#endif
