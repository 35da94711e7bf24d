/* SPDX-License-Identifier: BSD-3-Clause */
/* nic list, and the notes that bind leaves for unbind. */
#include "nic.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

json_t *nic_notes(const struct host *h)
{
	char path[256];
	json_t *notes;

	snprintf(path, sizeof(path), "%s/nic.json", h->run);
	notes = json_load_file(path, 0, NULL);
	return json_is_object(notes) ? notes : (json_decref(notes), json_object());
}

bool nic_save_notes(struct host *h, json_t *notes)
{
	char path[256], fresh[256];

	snprintf(path, sizeof(path), "%s/nic.json", h->run);
	snprintf(fresh, sizeof(fresh), "%s/nic.json.new", h->run);
	if (json_dump_file(notes, fresh, JSON_INDENT(2)) == 0 && rename(fresh, path) == 0)
		return true;
	return host_refuse(h, "%s: %s", path, strerror(errno));
}

int nic_lock(struct host *h)
{
	char path[256];
	int fd;

	mkdir(h->run, 0755);
	snprintf(path, sizeof(path), "%s/nic.lock", h->run);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600); /* nobody else may lock it */
	if (fd < 0)
		host_refuse(h, "%s: %s", path, strerror(errno));
	else if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		host_refuse(h, "another `millctl nic` is at work; try again when it has ended");
	else
		return fd;
	nic_unlock(fd);
	return -1;
}

void nic_unlock(int lock)
{
	if (lock >= 0)
		close(lock);
}

static json_t *strings(char (*list)[IF_NAMESIZE], uint32_t n)
{
	json_t *array = json_array();

	for (uint32_t i = 0; i < n; i++)
		json_array_append_new(array, json_string(list[i]));
	return array;
}

/* Everyone else in the group, with its driver. */
static json_t *mates(const struct host *h, const struct pci_device *d)
{
	struct pci_device *members;
	uint32_t n = pci_group(h->sys, d->group, &members);
	json_t *list = json_array();

	for (uint32_t i = 0; i < n; i++)
		if (strcmp(members[i].address, d->address) != 0)
			json_array_append_new(list,
				json_pack("{s:s, s:s?, s:b}", "address", members[i].address,
					"driver",
					members[i].driver[0] != '\0' ? members[i].driver : NULL,
					"in_the_way", pci_blocks_group(&members[i])));
	free(members);
	return list;
}

/* An interface's carrier: up, down, or unknown while it is off (null). */
static json_t *link_of(const struct host *h, const struct nic *nic)
{
	int64_t carrier = -1;

	for (uint32_t i = 0; i < nic->n_ifaces && carrier != 1; i++)
		carrier = sysfs_number(carrier, "%s/class/net/%s/carrier", h->sys, nic->iface[i]);
	return carrier < 0 ? json_null() : json_string(carrier != 0 ? "up" : "down");
}

static json_t *speed_of(const struct host *h, const struct nic *nic)
{
	int64_t speed = nic->n_ifaces == 0
				? -1
				: sysfs_number(-1, "%s/class/net/%s/speed", h->sys, nic->iface[0]);

	return speed < 0 ? json_null() : json_integer(speed);
}

static json_t *use_of(const struct host *h, const struct nic *nic)
{
	json_t *list = json_array();
	char who[SYSFS_NAME];

	if (nic->defaults)
		json_array_append_new(list, json_string("default route"));
	if (nic->ssh)
		json_array_append_new(list,
			json_string(nic->use == NIC_OUR_SSH ? "this SSH session" : "SSH session"));
	if (nic->use == NIC_ROUTES)
		json_array_append_new(list, json_string("routes"));
	if (nic_holder(h, nic, who))
		json_array_append_new(list, json_string(who));
	return list;
}

static json_t *row_of(const struct host *h, struct nic *nic, const json_t *notes)
{
	const struct pci_device *d = &nic->pci;
	const json_t *note = json_object_get(notes, d->address);
	char id[16];

	snprintf(id, sizeof(id), "%04x:%04x", d->vendor, d->device);
	return json_pack("{s:s, s:s, s:s?, s:O?, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
		"address", d->address, "id", id, "driver", d->driver[0] != '\0' ? d->driver : NULL,
		"driver_before", json_object_get(note, "driver"), "iommu_group",
		d->group < 0 ? json_null() : json_integer(d->group), "numa",
		d->node < 0 ? json_null() : json_integer(d->node), "link", link_of(h, nic),
		"speed_mbps", speed_of(h, nic), "interfaces", strings(nic->iface, nic->n_ifaces),
		"on_top", strings(nic->above + nic->n_ifaces, nic->n_above - nic->n_ifaces),
		"in_use_by", use_of(h, nic), "group_has", mates(h, d));
}

json_t *nic_list(struct host *h, const json_t *params)
{
	struct nic *nics;
	uint32_t n = nic_scan(h, &nics);
	json_t *list = json_array(), *notes = nic_notes(h);

	(void)params;
	for (uint32_t i = 0; i < n; i++)
		json_array_append_new(list, row_of(h, &nics[i], notes));
	json_decref(notes);
	free(nics);
	return list;
}
