/* SPDX-License-Identifier: BSD-3-Clause */
/* Reads sysfs; changes nothing. */
#include "base/pci.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CLASS_PCI_BRIDGE 0x0604

int pci_read(const char *sys, const char *address, struct pci_device *d)
{
	char group[SYSFS_NAME];
	int64_t class = sysfs_number(-1, "%s/bus/pci/devices/%s/class", sys, address);

	if (class < 0)
		return -ENODEV;
	*d = (struct pci_device){.class = (uint32_t) class, .group = -1};
	snprintf(d->address, sizeof(d->address), "%s", address);
	d->vendor = (uint16_t)sysfs_number(0, "%s/bus/pci/devices/%s/vendor", sys, address);
	d->device = (uint16_t)sysfs_number(0, "%s/bus/pci/devices/%s/device", sys, address);
	d->node = (int)sysfs_number(-1, "%s/bus/pci/devices/%s/numa_node", sys, address);
	sysfs_link(d->driver, "%s/bus/pci/devices/%s/driver", sys, address);
	if (sysfs_link(group, "%s/bus/pci/devices/%s/iommu_group", sys, address) == 0)
		d->group = atoi(group);
	return 0;
}

uint32_t pci_group(const char *sys, int group, struct pci_device **members)
{
	char(*names)[SYSFS_NAME];
	uint32_t found = group < 0 ? 0
				   : sysfs_list(&names, "%s/kernel/iommu_groups/%d/devices", sys,
					     group),
		 n = 0;

	*members = found == 0 ? NULL : calloc(found, sizeof(**members));
	for (uint32_t i = 0; *members != NULL && i < found; i++)
		if (pci_read(sys, names[i], &(*members)[n]) == 0)
			n++;
	if (found > 0)
		free(names);
	return n;
}

bool pci_is_users(const char *driver)
{
	static const char *const users[] = {
		"vfio-pci", "uio_pci_generic", "igb_uio", /* the device is the program's */
		"mlx4_core", "mlx5_core", "mana", /* it is both the kernel's and the program's */
	};

	for (size_t i = 0; i < sizeof(users) / sizeof(users[0]); i++)
		if (strcmp(driver, users[i]) == 0)
			return true;
	return strstr(driver, "vfio_pci") != NULL || strstr(driver, "vfio-pci") != NULL;
}

bool pci_is_unsafe(const char *sys)
{
	char on[8];

	sysfs_line(on, sizeof(on), "%s/module/vfio/parameters/enable_unsafe_noiommu_mode", sys);
	return on[0] == 'Y' || on[0] == '1';
}

/* As drivers/iommu and drivers/vfio have it since Linux 5.19 (driver_managed_dma). */
bool pci_blocks_group(const struct pci_device *member)
{
	return member->driver[0] != '\0' && member->class >> 8 != CLASS_PCI_BRIDGE &&
	       strstr(member->driver, "vfio") == NULL && strcmp(member->driver, "pci-stub") != 0;
}

/* Who else in its group is not VFIO's; "" if nobody. They are named as far as there is room. */
static void name_blockers(const char *sys, const struct pci_device *d, char *text, size_t size)
{
	struct pci_device *members;
	uint32_t n = pci_group(sys, d->group, &members);
	size_t used = 0;

	text[0] = '\0';
	for (uint32_t i = 0; i < n && used < size; i++)
		if (pci_blocks_group(&members[i]) && strcmp(members[i].address, d->address) != 0)
			used += (size_t)snprintf(text + used, size - used, "%s%s (%s)",
				used > 0 ? ", " : "", members[i].address, members[i].driver);
	free(members);
}

bool pci_is_refused(const char *sys, const char *address, char *why, size_t size)
{
	struct pci_device d;
	char others[160];

	if (pci_read(sys, address, &d) < 0) {
		snprintf(why, size,
			"there is no PCI device %s; `millctl nic list` shows the network cards",
			address);
		return true;
	}
	if (d.driver[0] != '\0' && !pci_is_users(d.driver)) {
		snprintf(why, size,
			"%s is bound to the kernel's driver %s; `millctl nic bind %s` gives it to "
			"vfio-pci",
			address, d.driver, address);
		return true;
	}
	name_blockers(sys, &d, others, sizeof(others));
	if (strstr(d.driver, "vfio") == NULL || others[0] == '\0')
		return false;
	snprintf(why, size,
		"%s shares IOMMU group %d with %s, which vfio-pci has to have, too (millctl nic "
		"bind)",
		address, d.group, others);
	return true;
}
