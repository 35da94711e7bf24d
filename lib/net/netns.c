/* SPDX-License-Identifier: BSD-3-Clause */
/* setns() and the few ioctls that a TAP's kernel end needs. */
#include "netns.h"

#include "base/log.h"
#include "wire/eth_hdr.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

int netns_enter(const char *name)
{
	char path[128];
	int home, there, rc;

	snprintf(path, sizeof(path), "/run/netns/%s", name);
	there = open(path, O_RDONLY | O_CLOEXEC);
	if (there < 0)
		return -errno;
	home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	rc = home < 0 ? -errno : setns(there, CLONE_NEWNET) < 0 ? -errno : home;
	close(there);
	if (rc < 0 && home >= 0)
		close(home);
	return rc;
}

void netns_return(int home)
{
	if (setns(home, CLONE_NEWNET) < 0) {
		/* what follows would happen in somebody else's network: there is no safe way on */
		log_error("cannot return to the network namespace: %s", strerror(errno));
		abort();
	}
	close(home);
}

static int iface_ioctl(unsigned long request, struct ifreq *r, const char *iface)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int rc;

	if (fd < 0)
		return -errno;
	snprintf(r->ifr_name, sizeof(r->ifr_name), "%s", iface);
	rc = ioctl(fd, request, r) < 0 ? -errno : 0;
	close(fd);
	return rc;
}

int netns_iface_exists(const char *iface)
{
	struct ifreq r = {0};
	int rc = iface_ioctl(SIOCGIFINDEX, &r, iface);

	return rc == 0 ? 1 : rc == -ENODEV ? 0 : rc;
}

int netns_random_mac(const char *iface)
{
	struct ifreq r = {0};

	if (getrandom(r.ifr_hwaddr.sa_data, ETH_MAC_LEN, 0) != ETH_MAC_LEN)
		return -errno;
	r.ifr_hwaddr.sa_data[0] = (char)((r.ifr_hwaddr.sa_data[0] & 0xfc) | 2);
	r.ifr_hwaddr.sa_family = ARPHRD_ETHER;
	return iface_ioctl(SIOCSIFHWADDR, &r, iface);
}
