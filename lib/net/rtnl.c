/* SPDX-License-Identifier: BSD-3-Clause */
/* Plain sockets: libmnl writes the messages, and has no say in when control waits (never). */
#include "rtnl.h"

#include "netns.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <linux/nexthop.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BUFFER 32768 /* bytes: the longest part of a dump */

static int open_one(void)
{
	struct sockaddr_nl self = {.nl_family = AF_NETLINK};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
	int on = 1;

	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&self, sizeof(self)) < 0) {
		int rc = -errno;

		close(fd);
		return rc;
	}
	setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));
	/* so that the kernel leaves other tables out of a dump; before Linux 4.20 we do */
	setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof(on));
	return fd;
}

static int join(int fd)
{
	static const int groups[] = {RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_NEIGH,
		RTNLGRP_IPV4_ROUTE, RTNLGRP_NEXTHOP};

	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		int group = groups[i];

		/* nexthop objects came with Linux 5.3 */
		if (setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) <
				0 &&
			group != RTNLGRP_NEXTHOP)
			return -errno;
	}
	return 0;
}

static int open_here(struct rtnl *r, uint32_t buffer)
{
	int half = (int)(buffer / 2); /* the kernel doubles it */
	int rc;

	r->events = open_one();
	if (r->events < 0)
		return r->events;
	r->asking = open_one();
	if (r->asking < 0)
		return r->asking;
	if (setsockopt(r->events, SOL_SOCKET, SO_RCVBUFFORCE, &half, sizeof(half)) < 0)
		setsockopt(r->events, SOL_SOCKET, SO_RCVBUF, &half, sizeof(half));
	rc = join(r->events);
	r->bytes = malloc(BUFFER);
	return rc == 0 && r->bytes == NULL ? -ENOMEM : rc;
}

int rtnl_open(struct rtnl *r, const char *netns, uint32_t buffer)
{
	bool elsewhere = netns != NULL && netns[0] != '\0';
	int home = elsewhere ? netns_enter(netns) : -1, rc;

	*r = (struct rtnl){.events = -1, .asking = -1};
	if (elsewhere && home < 0)
		return home;
	rc = open_here(r, buffer);
	if (elsewhere)
		netns_return(home);
	if (rc < 0)
		rtnl_close(r);
	return rc;
}

void rtnl_close(struct rtnl *r)
{
	if (r->events >= 0)
		close(r->events);
	if (r->asking >= 0)
		close(r->asking);
	free(r->bytes);
	*r = (struct rtnl){.events = -1, .asking = -1};
}

void *rtnl_begin(struct rtnl_request *q, uint16_t type, uint16_t flags, size_t size)
{
	q->h = mnl_nlmsg_put_header(q->bytes);
	q->h->nlmsg_type = type;
	q->h->nlmsg_flags = NLM_F_REQUEST | flags;
	return mnl_nlmsg_put_extra_header(q->h, size);
}

static int put(struct rtnl *r, int fd, struct nlmsghdr *h)
{
	static const struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};

	r->sequence = r->sequence == UINT32_MAX ? 1 : r->sequence + 1; /* 0 is the kernel's own */
	h->nlmsg_seq = r->sequence;
	if (sendto(fd, h, h->nlmsg_len, 0, (const struct sockaddr *)&kernel, sizeof(kernel)) < 0)
		return -errno;
	return 0;
}

/* One datagram of the kernel's, nobody else's. Its length or -errno. */
static int get(int fd, char *bytes, size_t room)
{
	for (;;) {
		struct sockaddr_nl from = {0};
		socklen_t size = sizeof(from);
		ssize_t n = recvfrom(fd, bytes, room, 0, (struct sockaddr *)&from, &size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (from.nl_pid == 0)
			return (int)n;
	}
}

int rtnl_ask(struct rtnl *r, struct rtnl_request *q)
{
	alignas(8) char answer[4096];
	struct rtnl_msg m;
	bool bad;
	int n;

	q->h->nlmsg_flags |= NLM_F_ACK;
	n = put(r, r->asking, q->h);
	while (n >= 0) {
		n = get(r->asking, answer, sizeof(answer));
		if (n > 0 && rtnl_msg_read(answer, (size_t)n, &m, &bad) > 0 && !bad &&
			m.kind == RTNL_ERROR && m.sequence == r->sequence)
			return m.error;
	}
	return n;
}

int rtnl_dump(struct rtnl *r, uint16_t type, uint32_t table)
{
	struct rtnl_request q;
	size_t size = sizeof(struct ifinfomsg);
	uint8_t *head;
	int rc;

	if (type == RTM_GETADDR)
		size = sizeof(struct ifaddrmsg);
	else if (type == RTM_GETNEIGH)
		size = sizeof(struct ndmsg);
	else if (type == RTM_GETNEXTHOP)
		size = sizeof(struct nhmsg);
	else if (type == RTM_GETROUTE)
		size = sizeof(struct rtmsg);
	head = rtnl_begin(&q, type, NLM_F_DUMP, size);
	if (type != RTM_GETLINK && type != RTM_GETNEXTHOP)
		head[0] = AF_INET; /* of all of these heads the first octet is the family */
	if (type == RTM_GETROUTE)
		mnl_attr_put_u32(q.h, RTA_TABLE, table);
	rc = put(r, r->events, q.h);
	r->dump = rc == 0 ? r->sequence : 0;
	return rc;
}

void rtnl_nudge(struct rtnl *r)
{
	struct rtnl_request q;

	rtnl_begin(&q, NLMSG_NOOP, NLM_F_ACK, 0);
	put(r, r->events, q.h);
}

int rtnl_next(struct rtnl *r, struct rtnl_msg *m)
{
	bool bad;
	int n;

	if (r->at >= r->length) {
		r->at = 0;
		r->length = get(r->events, r->bytes, BUFFER);
		if (r->length < 0) {
			n = r->length;
			r->length = 0;
			return n == -EAGAIN ? 0 : n;
		}
	}
	n = rtnl_msg_read(r->bytes + r->at, (size_t)(r->length - r->at), m, &bad);
	if (n < 0) {
		r->at = r->length; /* where the next one begins is unknown */
		return n;
	}
	r->at += n;
	return bad ? -EBADMSG : 1;
}
