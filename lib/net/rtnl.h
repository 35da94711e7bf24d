/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * rtnl: two rtnetlink sockets in a network namespace.
 *
 * One brings dumps and what the kernel tells by itself, in the one order in which they happened;
 * it is read without waiting. The other asks: the kernel does what a request says, and answers,
 * while it is sent, so that its result is there when rtnl_request() returns. Control's alone;
 * private to lib/net.
 */
#ifndef NET_RTNL_H
#define NET_RTNL_H

#include "rtnl_msg.h"

#include <libmnl/libmnl.h>
#include <stdalign.h>

struct rtnl {
	int events; /* -1: closed */
	int asking;
	uint32_t sequence;
	uint32_t dump; /* its sequence number, 0: none is under way */
	char *bytes;   /* what was received last, and how far it was read */
	int length, at;
};

/* A request that is made up; its head and attributes by libmnl. */
struct rtnl_request {
	struct nlmsghdr *h;
	alignas(8) char bytes[2048];
};

/*
 * In the namespace, NULL or "" for this thread's. buffer: bytes that the kernel may hold for us
 * before it loses some (-ENOBUFS). 0 or -errno.
 */
int rtnl_open(struct rtnl *r, const char *netns, uint32_t buffer);
void rtnl_close(struct rtnl *r); /* what was never opened, too */

/*
 * Begins a request of type RTM_ with a family's head of `size` bytes, zeroed, which is returned.
 * flags: NLM_F_CREATE and the like.
 */
void *rtnl_begin(struct rtnl_request *q, uint16_t type, uint16_t flags, size_t size);
/* 0 or the kernel's -errno; -EAGAIN: it did not answer. */
int rtnl_ask(struct rtnl *r, struct rtnl_request *q);

/* Asks for all of a kind, of AF_INET where it has families; table: of routes, else 0. */
int rtnl_dump(struct rtnl *r, uint16_t type, uint32_t table);

/*
 * A dump goes on as it is read. One that found no room in the socket stands still once the socket
 * is empty, until something else is read: this has the kernel send something.
 */
void rtnl_nudge(struct rtnl *r);

/*
 * The next message that can be read. 1: m is it; 0: there is none now; -EBADMSG: it is malformed,
 * go on; -ENOBUFS: some were lost; else -errno of the socket.
 */
int rtnl_next(struct rtnl *r, struct rtnl_msg *m);

#endif
