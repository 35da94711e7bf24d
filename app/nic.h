/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * nic: the machine's network cards: which there are, who uses them, and giving them to DPDK and
 * back.
 *
 * No daemon is needed. Each of the commands returns its result, a new reference, or NULL with
 * sentences in h->why; then nothing was changed, or what bind had changed is as before.
 */
#ifndef APP_NIC_H
#define APP_NIC_H

#include "base/pci.h"
#include "host.h"

#define NIC_IFACES 256	/* with 128 virtual functions */
#define NIC_ABOVE  4096 /* a trunk may have every VLAN */

/* What would be lost with a card. */
enum nic_use {
	NIC_FREE,
	NIC_HIDDEN,  /* a kernel driver, but no interface here: another namespace may have it */
	NIC_UNKNOWN, /* the kernel does not tell its routes */
	NIC_ROUTES,  /* a route */
	NIC_DEFAULT, /* a default route */
	NIC_SSH,     /* a session of somebody's */
	NIC_OUR_SSH, /* the session by which the operator is here */
};

struct nic {
	struct pci_device pci;
	char iface[NIC_IFACES][IF_NAMESIZE]; /* its own, and those of its virtual functions */
	uint32_t n_ifaces;
	char above[NIC_ABOVE][IF_NAMESIZE]; /* these, then bonds, bridges, VLANs on top of them */
	uint32_t n_above;
	enum nic_use use;	   /* the worst */
	char through[IF_NAMESIZE]; /* the interface that is used so */
	bool defaults;		   /* whatever `use` says */
	bool ssh;
};

/* Every network card: *nics is an array to free(). Returns how many. */
uint32_t nic_scan(const struct host *h, struct nic **nics);

/* A card's interfaces, and who uses them; the address is in nic->pci. */
void nic_look(const struct host *h, struct nic *nic, uint32_t n);

/* How many virtual functions a card has, which go with it. */
int nic_functions(const struct host *h, const struct nic *nic);

/* Whether a program has the card from vfio-pci; then who: "millrace (process 4711)". */
bool nic_holder(const struct host *h, const struct nic *nic, char who[SYSFS_NAME]);

/* The commands. */
json_t *nic_list(struct host *h, const json_t *params);
json_t *nic_bind(struct host *h, const json_t *params);
json_t *nic_unbind(struct host *h, const json_t *params);

/* What bind has noted, by address: {"driver": the former one, "interfaces": [...]}. New reference.
 */
json_t *nic_notes(const struct host *h);
bool nic_save_notes(struct host *h, json_t *notes);

/* One bind or unbind at a time: a descriptor, or -1 with the reason in h->why. */
int nic_lock(struct host *h);
void nic_unlock(int lock);

#endif
