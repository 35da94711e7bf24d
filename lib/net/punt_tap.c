/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The kernel's side of a punt interface: /dev/net/tun, and the few ioctls that it needs. Frames
 * come and go as they are on the wire (no vnet_hdr): the kernel sums and cuts before it hands them
 * over.
 */
#include "punt_inner.h"

#include "base/log.h"
#include "netns.h"
#include "wire/eth_hdr.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* Not persistent: it goes when millrace does. One that is, and waits for somebody, is taken. */
static int open_here(struct tap *t)
{
	struct ifreq r = {.ifr_flags = IFF_TAP | IFF_NO_PI};

	t->control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (t->control < 0)
		return -errno;
	t->fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (t->fd < 0)
		return -errno;
	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", t->name);
	return ioctl(t->fd, TUNSETIFF, &r) < 0 ? -errno : 0;
}

struct tap *tap_open(const char *netns, const char *name, int *rc)
{
	struct tap *t = calloc(1, sizeof(*t));
	int home = -1;

	*rc = t == NULL ? -ENOMEM : 0;
	if (t == NULL)
		return NULL;
	t->fd = t->control = -1;
	t->carrier = true; /* as the kernel makes it */
	snprintf(t->name, sizeof(t->name), "%s", name);
	if (netns[0] != '\0')
		*rc = home = netns_enter(netns);
	if (*rc >= 0)
		*rc = open_here(t);
	if (home >= 0)
		netns_return(home);
	if (*rc >= 0)
		return t;
	tap_close(t);
	return NULL;
}

void tap_close(struct tap *t)
{
	if (t == NULL)
		return;
	if (t->fd >= 0)
		close(t->fd);
	if (t->control >= 0)
		close(t->control);
	free(t);
}

static int set(const struct tap *t, unsigned long request, struct ifreq *r)
{
	snprintf(r->ifr_name, sizeof(r->ifr_name), "%s", t->name);
	return ioctl(t->control, request, r) < 0 ? -errno : 0;
}

int tap_set_mac(struct tap *t, uint64_t mac)
{
	struct ifreq r = {.ifr_hwaddr.sa_family = ARPHRD_ETHER};
	int rc;

	if (t->mac == mac)
		return 0;
	eth_mac_store((uint8_t *)r.ifr_hwaddr.sa_data, mac);
	rc = set(t, SIOCSIFHWADDR, &r);
	t->mac = rc == 0 ? mac : t->mac;
	return rc;
}

int tap_set_mtu(struct tap *t, uint16_t mtu)
{
	struct ifreq r = {.ifr_mtu = mtu};
	uint32_t before = atomic_load(&t->mtu);
	int rc;

	if (before == mtu)
		return 0;
	atomic_store(&t->mtu, RTE_MAX(before, mtu)); /* a longer frame may come from now on */
	rc = set(t, SIOCSIFMTU, &r);
	if (rc == 0)
		atomic_store(&t->mtu, mtu);
	return rc;
}

void tap_set_carrier(struct tap *t, bool up)
{
	int on = up;

	if (t->carrier == up)
		return;
	t->carrier = up;
	if (ioctl(t->fd, TUNSETCARRIER, &on) < 0)
		log_error("%s: its carrier is not the link's: %s", t->name, strerror(errno));
}
