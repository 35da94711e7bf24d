/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pci: what the kernel says of a PCI device: its driver, its IOMMU group and who else is in that.
 *
 * libc only; any thread. `sys` is where sysfs is, "/sys" but in tests.
 */
#ifndef BASE_PCI_H
#define BASE_PCI_H

#include "base/sysfs.h"

#include <stdbool.h>

#define PCI_ADDRESS	  16   /* bytes of "0000:01:00.0", a longer domain and the 0 */
#define PCI_CLASS_NETWORK 0x02 /* base class of network controllers */
#define PCI_CLASS_BRIDGE  0x06

struct pci_device {
	char address[PCI_ADDRESS];
	uint32_t class;		 /* base class, subclass, interface: 0x020000 is Ethernet */
	uint16_t vendor, device; /* 0x8086, ... */
	char driver[SYSFS_NAME]; /* the kernel's; "" = none */
	int node;		 /* NUMA; -1 = the machine does not say */
	int group;		 /* of the IOMMU; -1 = none */
};

/* 0, or -ENODEV. */
int pci_read(const char *sys, const char *address, struct pci_device *d);

/* Everyone in an IOMMU group, in order: *members is an array to free(). Returns how many. */
uint32_t pci_group(const char *sys, int group, struct pci_device **members);

/* Whether a kernel driver leaves its device to programs: VFIO's, UIO's, and those that share it. */
bool pci_is_users(const char *driver);

/* Whether VFIO is to do without an IOMMU (enable_unsafe_noiommu_mode). */
bool pci_is_unsafe(const char *sys);

/*
 * Whether somebody keeps VFIO from handing out the group: it has a kernel driver that does DMA.
 * Bridges do none of their own.
 */
bool pci_blocks_group(const struct pci_device *member);

/*
 * Whether no program can have the device as things are; then why, and what to do, in one sentence.
 */
bool pci_is_refused(const char *sys, const char *address, char *why, size_t size);

#endif
