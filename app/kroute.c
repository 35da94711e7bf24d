/* SPDX-License-Identifier: BSD-3-Clause */
/* One request of rtnetlink at a time, on a socket of its own. Links that have no name are left out.
 */
#include "kroute.h"

#include <errno.h>
#include <ifaddrs.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#define ANSWER		32768 /* bytes: what the kernel fills at the most for a dump */
#define ANSWER_WITHIN_S 5

struct request {
	struct nlmsghdr head;
	struct rtmsg route;
	uint8_t attributes[32];
};

typedef void answer_fn(void *arg, const struct rtmsg *r, const struct rtattr *first, int length);

/* One datagram of the answer. 1: more will come; 0: that was all, or -errno. */
static int take(const struct nlmsghdr *h, int length, answer_fn *fn, void *arg)
{
	for (; NLMSG_OK(h, (unsigned int)length); h = NLMSG_NEXT(h, length)) {
		if (h->nlmsg_type == NLMSG_DONE)
			return 0;
		if (h->nlmsg_type == NLMSG_ERROR)
			return ((const struct nlmsgerr *)NLMSG_DATA(h))->error;
		if (h->nlmsg_type == RTM_NEWROUTE) {
			const struct rtmsg *r = NLMSG_DATA(h);

			fn(arg, r, RTM_RTA(r), (int)RTM_PAYLOAD(h));
		}
		if ((h->nlmsg_flags & NLM_F_MULTI) == 0)
			return 0;
	}
	return 1;
}

static int ask(struct request *q, answer_fn *fn, void *arg)
{
	static union {
		struct nlmsghdr head;
		uint8_t bytes[ANSWER];
	} answer;
	struct timeval within = {.tv_sec = ANSWER_WITHIN_S};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE), rc = 1;

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &within, sizeof(within));
	if (send(fd, q, q->head.nlmsg_len, 0) < 0)
		rc = -errno;
	while (rc > 0) {
		ssize_t n = recv(fd, &answer, sizeof(answer), 0);

		rc = n < 0 ? -errno : take(&answer.head, (int)n, fn, arg);
	}
	close(fd);
	return rc;
}

/* --- all of them --- */

struct walk {
	kroute_fn *each;
	void *arg;
};

static void tell(const struct walk *w, uint32_t index, bool everything)
{
	char name[IF_NAMESIZE];

	if (if_indextoname(index, name) != NULL)
		w->each(w->arg, name, everything);
}

static void take_route(void *arg, const struct rtmsg *r, const struct rtattr *a, int length)
{
	/* 0.0.0.0/1 and 128.0.0.0/1 are a VPN's way to say default */
	bool everything = r->rtm_dst_len <= 1;
	const struct walk *w = arg;

	if (r->rtm_type != RTN_UNICAST || (r->rtm_flags & RTM_F_CLONED) != 0)
		return;
	for (; RTA_OK(a, length); a = RTA_NEXT(a, length)) {
		if (a->rta_type == RTA_OIF)
			tell(w, *(const uint32_t *)RTA_DATA(a), everything);
		if (a->rta_type != RTA_MULTIPATH)
			continue;
		const struct rtnexthop *hop = RTA_DATA(a);
		int left = (int)RTA_PAYLOAD(a);

		for (; left >= (int)sizeof(*hop) && RTNH_OK(hop, left);
			left -= (int)RTNH_ALIGN(hop->rtnh_len), hop = RTNH_NEXT(hop))
			tell(w, (uint32_t)hop->rtnh_ifindex, everything);
	}
}

int kroute_each(kroute_fn *each, void *arg)
{
	struct request q = {.head = {.nlmsg_len = NLMSG_LENGTH(sizeof(q.route)),
				    .nlmsg_type = RTM_GETROUTE,
				    .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP}};
	struct walk w = {each, arg};

	return ask(&q, take_route, &w);
}

/* --- one of them --- */

static void take_way(void *arg, const struct rtmsg *r, const struct rtattr *a, int length)
{
	uint32_t *index = arg;

	(void)r;
	for (; RTA_OK(a, length); a = RTA_NEXT(a, length))
		if (a->rta_type == RTA_OIF)
			*index = *(const uint32_t *)RTA_DATA(a);
}

static const void *bytes_of(const struct sockaddr *sa, uint8_t *length)
{
	bool ip6 = sa->sa_family == AF_INET6;

	*length = ip6 ? sizeof(struct in6_addr) : sizeof(struct in_addr);
	return ip6 ? (const void *)&((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr
		   : (const void *)&((const struct sockaddr_in *)(const void *)sa)->sin_addr;
}

int kroute_to(const struct sockaddr *to, char iface[IF_NAMESIZE])
{
	struct request q = {
		.head = {.nlmsg_type = RTM_GETROUTE, .nlmsg_flags = NLM_F_REQUEST},
		.route = {.rtm_family = (unsigned char)to->sa_family},
	};
	struct rtattr *a = (struct rtattr *)(void *)q.attributes;
	uint32_t index = 0;
	uint8_t length;
	const void *bytes = bytes_of(to, &length);
	int rc;

	a->rta_type = RTA_DST;
	a->rta_len = (unsigned short)RTA_LENGTH(length);
	memcpy(RTA_DATA(a), bytes, length);
	q.route.rtm_dst_len = (unsigned char)(8 * length);
	q.head.nlmsg_len = (uint32_t)(NLMSG_LENGTH(sizeof(q.route)) + a->rta_len);
	rc = ask(&q, take_way, &index);
	if (rc < 0)
		return rc;
	return if_indextoname(index, iface) != NULL ? 0 : -ENODEV;
}

int kroute_owner(const struct sockaddr *own, char iface[IF_NAMESIZE])
{
	struct ifaddrs *all, *i;
	uint8_t length;
	const void *bytes = bytes_of(own, &length);
	int rc = -ENODEV;

	if (getifaddrs(&all) < 0)
		return -errno;
	for (i = all; i != NULL && rc < 0; i = i->ifa_next) {
		if (i->ifa_addr == NULL || i->ifa_addr->sa_family != own->sa_family ||
			memcmp(bytes_of(i->ifa_addr, &length), bytes, length) != 0)
			continue;
		strncpy(iface, i->ifa_name, IF_NAMESIZE - 1);
		iface[IF_NAMESIZE - 1] = '\0';
		iface[strcspn(iface, ":")] = '\0'; /* "eth0:1" is an address's label */
		rc = 0;
	}
	freeifaddrs(all);
	return rc;
}
