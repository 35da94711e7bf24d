/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * kernel_bed: a bed whose two ports have an interface in the kernel. The kernel is one end of a
 * pair of sockets here: it answers no request, so that all of ours are refused.
 */
#ifndef UNIT_KERNEL_BED_H
#define UNIT_KERNEL_BED_H

#include "bed.h"
#include "kernel_table.h"
#include "netlink.h"

#include "net/port.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LAN_K = 7, WAN_K = 8, OTHER_K = 9, LO_K = 1 };

#define FAR   IP(100, 64, 0, 0)
#define VIP   WAN_NET(77)
#define ROUND 99 /* a dump's sequence number */

static struct bed *b;
static struct port ports[2];
static int kernel; /* its end */
static struct told told;

/* All that was told is read, and what follows from it done. */
static inline void turn(void)
{
	struct kernel *k = b->net->kernel;

	if (told.n > 0)
		assert_int_equal(send(kernel, told.bytes, told.n, 0), told.n);
	told.n = 0;
	k->again = false; /* nobody would answer the dump */
	while (kernel_work(b->net, clock_now() + clock_of_ms(1000)))
		;
	while (rib4_poll(b->net->rib, clock_now()) > 0)
		;
	bed_clear(b);
}

static inline void name_port(int slot, const char *name, uint16_t iface)
{
	struct port *p = &ports[slot];

	*p = (struct port){.slot = (uint16_t)slot, .iface = iface};
	snprintf(p->conf.kernel, sizeof(p->conf.kernel), "%s", name);
	b->net->port[slot] = p;
}

static inline int setup(void **state)
{
	struct kernel *k;
	int pair[2];

	(void)state;
	b = bed_new(1);
	name_port(0, "lan-k", LAN);
	name_port(1, "wan-k", WAN);
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, pair), 0);
	k = b->net->kernel;
	kernel = pair[1];
	k->rtnl.events = pair[0];
	k->rtnl.bytes = malloc(32768);
	k->on = k->wanted = k->counts.on = k->counts.synced = true;
	told.n = 0;
	tell_link(&told, RTM_NEWLINK, LAN_K, "lan-k", true);
	tell_link(&told, RTM_NEWLINK, WAN_K, "wan-k", true);
	tell_link(&told, RTM_NEWLINK, OTHER_K, "eth0", true);
	turn();
	return 0;
}

static inline int teardown(void **state)
{
	(void)state;
	close(kernel);
	b->net->port[0] = b->net->port[1] = NULL;
	bed_free(b);
	return 0;
}

static inline void tell_round_over(uint16_t flags)
{
	tell_done(&told, ROUND, flags);
	turn();
}

static inline void begin_round(enum kernel_stage stage)
{
	struct kernel *k = b->net->kernel;

	k->round++;
	k->disturbed = false;
	k->stage = stage;
	k->rtnl.dump = ROUND;
}

static inline void expect_via(uint32_t addr, uint32_t gateway)
{
	assert_int_equal(bed_kind(b, addr), FIB_FORWARD);
	assert_int_equal(b->net->adj[bed_index(b, addr)].addr, gateway);
}

#endif
