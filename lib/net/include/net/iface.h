/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * iface: where addresses live: a port, or one VLAN of a port.
 *
 * Control writes, workers read single fields; the hot ones are the first line. Index 0 is the
 * loopback, which has addresses and no port.
 */
#ifndef NET_IFACE_H
#define NET_IFACE_H

#include "net/counter.h"
#include "wire/ip4_addr.h"

#include <assert.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IFACE_MAX      1024
#define IFACE_LOOPBACK 0
#define IFACE_NAME     32
#define IFACE_ADDRS    16

enum {
	IFACE_UP = 1,		   /* configured, link up */
	IFACE_URPF_STRICT = 2,	   /* source must be routed back by this interface (RFC 3704) */
	IFACE_URPF_LOOSE = 4,	   /* source must be routed by some interface */
	IFACE_PROXY_ARP = 8,	   /* answer for what is routed elsewhere (RFC 1027) */
	IFACE_DIRECTED_BCAST = 16, /* forward directed broadcasts out of here (RFC 2644: off) */
	IFACE_REDIRECTS = 32,	   /* may send ICMP redirects */
	IFACE_KERNEL = 64,	   /* what nobody here takes goes to the kernel (net/punt.h) */
};

struct iface {
	alignas(64) uint64_t mac; /* eth_mac_u48(): six bytes as the low 48 bits */
	uint32_t addr;		  /* primary address, host order, 0 = none: source of ICMP errors */
	uint16_t flags;
	uint16_t mtu;  /* largest IPv4 packet, bytes */
	uint16_t slot; /* of its port */
	uint16_t vlan; /* 0 = untagged */
	uint16_t mss;  /* clamp for SYNs that leave here, 0 = off */

	alignas(64) char name[IFACE_NAME]; /* control's: "lan", "lan.10"; empty = index is free */
	struct iface_addr {
		uint32_t addr; /* host order */
		uint8_t depth; /* prefix length */
		bool kernels;  /* control's: came by netlink; these are the last ones */
	} addrs[IFACE_ADDRS];  /* control: w, workers: r (slow path) */
	uint32_t n_addrs;
	uint32_t changes; /* control's: counts up when addresses change */

	struct pair_count before; /* control's: received by earlier owners of the index */
};
static_assert(sizeof(struct iface) % 64 == 0, "interfaces do not share lines");

/*
 * The address of ours on the network where addr may be a host (the longest such network), NULL
 * where there is none: its network and broadcast addresses are no hosts, but for /31 (RFC 3021).
 * Any thread; while control changes the addresses, one that goes or comes may be missed.
 */
static inline const struct iface_addr *iface_link(const struct iface *f, uint32_t addr)
{
	const struct iface_addr *best = NULL;

	for (uint32_t i = 0; i < f->n_addrs && i < IFACE_ADDRS; i++) {
		const struct iface_addr *a = &f->addrs[i];
		uint32_t hosts = ~ip4_mask(a->depth), host = addr & hosts;

		if (((a->addr ^ addr) & ~hosts) != 0 || (best != NULL && best->depth >= a->depth))
			continue;
		if (hosts <= 1 || (host != 0 && host != hosts))
			best = a;
	}
	return best;
}

/* Whether addr is one of f's own. Any thread, as above. */
static inline bool iface_owns(const struct iface *f, uint32_t addr)
{
	for (uint32_t i = 0; i < f->n_addrs && i < IFACE_ADDRS; i++) {
		if (f->addrs[i].addr == addr)
			return true;
	}
	return false;
}

#endif
