/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Cards, the interfaces on top of them, and what would be lost with them: routes that leave by one
 * of those, and SSH sessions that come by one.
 */
#include "nic.h"

#include "ssh.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- interfaces --- */

static bool is_above(const struct nic *nic, const char *iface)
{
	for (uint32_t i = 0; i < nic->n_above; i++)
		if (strcmp(nic->above[i], iface) == 0)
			return true;
	return false;
}

static void add_above(struct nic *nic, const char *iface)
{
	if (nic->n_above < NIC_ABOVE && !is_above(nic, iface))
		snprintf(nic->above[nic->n_above++], IF_NAMESIZE, "%.15s", iface);
}

/* Those in a device's own folder, or in one below it whose name begins so ("virtio0/net"). */
static void take_ifaces(const struct host *h, const char *device, struct nic *nic)
{
	char(*names)[SYSFS_NAME];
	uint32_t n = sysfs_list(&names, "%s/bus/pci/devices/%s/net", h->sys, device);

	for (uint32_t i = 0; i < n && nic->n_ifaces < NIC_IFACES; i++) {
		snprintf(nic->iface[nic->n_ifaces++], IF_NAMESIZE, "%.15s", names[i]);
		add_above(nic, names[i]);
	}
	free(names);
}

/* A virtio card's are its child's, a physical function's those of its virtual ones, too. */
static void take_all_ifaces(const struct host *h, struct nic *nic)
{
	const char *address = nic->pci.address;
	char(*names)[SYSFS_NAME], below[2 * SYSFS_NAME];
	uint32_t n = sysfs_list(&names, "%s/bus/pci/devices/%s", h->sys, address);

	take_ifaces(h, address, nic);
	for (uint32_t i = 0; i < n; i++) {
		if (strncmp(names[i], "virtio", 6) != 0 && strncmp(names[i], "virtfn", 6) != 0)
			continue;
		snprintf(below, sizeof(below), "%s/%s", address, names[i]);
		take_ifaces(h, below, nic);
	}
	free(names);
}

/* The list grows while it is walked: what is on top of what is on top. */
static void climb(const struct host *h, struct nic *nic)
{
	for (uint32_t i = 0; i < nic->n_above; i++) {
		char(*names)[SYSFS_NAME];
		uint32_t n = sysfs_list(&names, "%s/class/net/%s", h->sys, nic->above[i]);

		for (uint32_t k = 0; k < n; k++)
			if (strncmp(names[k], "upper_", 6) == 0)
				add_above(nic, names[k] + 6);
		free(names);
	}
}

/* --- who uses them --- */

static void used(struct nic *nic, enum nic_use use, const char *iface)
{
	nic->defaults |= use == NIC_DEFAULT;
	nic->ssh |= use >= NIC_SSH;
	if (use <= nic->use)
		return;
	nic->use = use;
	snprintf(nic->through, IF_NAMESIZE, "%.15s", iface);
}

struct all {
	struct nic *list;
	uint32_t n;
};

static void used_by(const struct all *all, enum nic_use use, const char *iface)
{
	for (uint32_t i = 0; i < all->n; i++)
		if (is_above(&all->list[i], iface))
			used(&all->list[i], use, iface);
}

static void take_route(void *arg, const char *iface, bool everything)
{
	used_by(arg, everything ? NIC_DEFAULT : NIC_ROUTES, iface);
}

/* fe80::... is on every link, and no route says on which of them somebody is. */
static bool is_local(const union ssh_end *e)
{
	return e->any.sa_family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&e->ip6.sin6_addr);
}

/* By the way that its packets go out, and by the address that they come in to. */
static void take_sessions(const struct host *h, const struct all *all)
{
	struct ssh_session s[SSH_SESSIONS];
	uint32_t n = ssh_sessions(h, s);
	char iface[IF_NAMESIZE];

	for (uint32_t i = 0; i < n; i++) {
		enum nic_use use = s[i].ours ? NIC_OUR_SSH : NIC_SSH;

		if (s[i].peer.any.sa_family != AF_UNSPEC && !is_local(&s[i].peer) &&
			h->route_to(&s[i].peer.any, iface) == 0)
			used_by(all, use, iface);
		if (s[i].own.any.sa_family != AF_UNSPEC && h->owner(&s[i].own.any, iface) == 0)
			used_by(all, use, iface);
	}
}

void nic_look(const struct host *h, struct nic *nic, uint32_t n)
{
	struct all all = {nic, n};

	for (uint32_t i = 0; i < n; i++) {
		take_all_ifaces(h, &nic[i]);
		climb(h, &nic[i]);
		if (nic[i].n_ifaces == 0 && nic[i].pci.driver[0] != '\0' &&
			!pci_is_users(nic[i].pci.driver))
			used(&nic[i], NIC_HIDDEN, "");
	}
	if (h->routes(take_route, &all) < 0)
		for (uint32_t i = 0; i < n; i++)
			if (nic[i].n_ifaces > 0)
				used(&nic[i], NIC_UNKNOWN, nic[i].iface[0]);
	take_sessions(h, &all);
}

uint32_t nic_scan(const struct host *h, struct nic **nics)
{
	char(*names)[SYSFS_NAME];
	uint32_t found = sysfs_list(&names, "%s/bus/pci/devices", h->sys), n = 0;

	*nics = calloc(found + 1, sizeof(**nics));
	for (uint32_t i = 0; *nics != NULL && i < found; i++) {
		struct pci_device *d = &(*nics)[n].pci;

		if (pci_read(h->sys, names[i], d) == 0 && d->class >> 16 == PCI_CLASS_NETWORK)
			n++;
	}
	free(names);
	nic_look(h, *nics, n);
	return n;
}

int nic_functions(const struct host *h, const struct nic *nic)
{
	return (int)sysfs_number(0, "%s/bus/pci/devices/%s/sriov_numvfs", h->sys, nic->pci.address);
}

/* --- programs --- */

/* A group's file, which has another name where VFIO does without an IOMMU. */
static bool is_group(const char *file, int group)
{
	char name[48];

	snprintf(name, sizeof(name), "/dev/vfio/%d", group);
	if (strcmp(file, name) == 0)
		return true;
	snprintf(name, sizeof(name), "/dev/vfio/noiommu-%d", group);
	return strcmp(file, name) == 0;
}

static bool has_open(const struct host *h, const char *pid, int group)
{
	char(*fds)[SYSFS_NAME], path[256], target[64];
	uint32_t n = sysfs_list(&fds, "%s/%s/fd", h->proc, pid);
	bool open = false;

	for (uint32_t i = 0; i < n && !open; i++) {
		snprintf(path, sizeof(path), "%s/%s/fd/%s", h->proc, pid, fds[i]);
		ssize_t length = readlink(path, target, sizeof(target) - 1);

		target[length > 0 ? length : 0] = '\0';
		open = is_group(target, group);
	}
	free(fds);
	return open;
}

bool nic_holder(const struct host *h, const struct nic *nic, char who[SYSFS_NAME])
{
	char(*pids)[SYSFS_NAME], name[32];
	uint32_t n = strstr(nic->pci.driver, "vfio") == NULL ? 0 : sysfs_list(&pids, "%s", h->proc);
	bool held = false;

	for (uint32_t i = 0; i < n && !held; i++) {
		held = pids[i][0] >= '1' && pids[i][0] <= '9' &&
		       has_open(h, pids[i], nic->pci.group);
		if (!held)
			continue;
		sysfs_line(name, sizeof(name), "%s/%s/comm", h->proc, pids[i]);
		snprintf(who, SYSFS_NAME, "%s (process %.12s)", name, pids[i]);
	}
	if (n > 0)
		free(pids);
	return held;
}
