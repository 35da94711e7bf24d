/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * nic bind and unbind. All cards of one call are looked at before the first is touched; what cannot
 * be finished is undone.
 *
 * A driver is chosen as the kernel wants it (Documentation/ABI/testing/sysfs-bus-pci): its name
 * into driver_override, the old one unbound, the device probed.
 */
#include "nic.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CARDS 64 /* of one call */

struct cards {
	struct nic list[CARDS];
	uint32_t n;
};

/* --- sysfs --- */

/* Writes into a file below sysfs' bus/pci. */
static int put(const struct host *h, const char *text, const char *file, ...)
	__attribute__((format(printf, 3, 4)));
static int put(const struct host *h, const char *text, const char *file, ...)
{
	char path[256];
	int used = snprintf(path, sizeof(path), "%s/bus/pci/", h->sys);
	va_list ap;

	va_start(ap, file);
	vsnprintf(path + used, sizeof(path) - (size_t)used, file, ap);
	va_end(ap);
	return h->write(path, text);
}

static void driver_of(const struct host *h, const char *address, char driver[SYSFS_NAME])
{
	sysfs_link(driver, "%s/bus/pci/devices/%s/driver", h->sys, address);
}

static int let_go(const struct host *h, const char *address)
{
	char now[SYSFS_NAME];

	driver_of(h, address, now);
	return now[0] == '\0' ? 0 : put(h, address, "devices/%s/driver/unbind", address);
}

/* From whatever driver it has to this one and no other. 0, or -errno: -ENODEV: it was not taken. */
static int take_driver(const struct host *h, const char *address, const char *driver)
{
	int rc = put(h, driver, "devices/%s/driver_override", address);
	char now[SYSFS_NAME];

	if (rc == 0)
		rc = let_go(h, address);
	if (rc == 0)
		rc = put(h, address, "drivers_probe");
	driver_of(h, address, now);
	if (strcmp(now, driver) == 0)
		return 0;
	return rc < 0 ? rc : -ENODEV;
}

/*
 * Back to a driver, to none (""), or to the one that the kernel chooses (NULL). 0 or -errno, as
 * above. A driver for programs stays the device's only one; the kernel's own may be any again.
 */
static int give_back(const struct host *h, const char *address, const char *driver)
{
	char now[SYSFS_NAME];
	int rc = 0;

	if (driver != NULL && driver[0] != '\0')
		rc = take_driver(h, address, driver);
	else
		rc = let_go(h, address);
	if (driver == NULL || !pci_is_users(driver))
		put(h, "\n", "devices/%s/driver_override", address);
	if (driver != NULL || rc < 0)
		return rc;
	rc = put(h, address, "drivers_probe");
	driver_of(h, address, now);
	return now[0] != '\0' ? 0 : rc < 0 ? rc : -ENODEV;
}

/*
 * A session that goes with its card hangs up on us (SIGHUP), and an impatient operator interrupts:
 * what has begun comes to its end first.
 */
static void hold_signals(sigset_t *before)
{
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, before);
}

static void let_signals(const sigset_t *before)
{
	sigprocmask(SIG_SETMASK, before, NULL);
}

/* --- which cards --- */

static bool has_iface(const struct nic *nic, const char *name)
{
	for (uint32_t i = 0; i < nic->n_ifaces; i++)
		if (strcmp(nic->iface[i], name) == 0)
			return true;
	return false;
}

/* The card that a word means: an address, with or without its domain, or an interface. */
static const struct nic *find(const struct nic *all, uint32_t n, const char *word)
{
	for (uint32_t i = 0; i < n; i++) {
		const char *address = all[i].pci.address, *colon = strchr(address, ':');

		if (strcasecmp(word, address) == 0 || has_iface(&all[i], word) ||
			(strncmp(address, "0000:", 5) == 0 && strcasecmp(word, colon + 1) == 0))
			return &all[i];
	}
	return NULL;
}

static bool refuse_word(struct host *h, const char *word)
{
	struct pci_device d;

	if (pci_read(h->sys, word, &d) == 0)
		return host_refuse(h, "%s is no network card (class %04x)", word, d.class >> 8);
	return host_refuse(
		h, "there is no network card %s; `millctl nic list` shows which there are", word);
}

static bool is_among(const struct cards *c, const char *address)
{
	for (uint32_t i = 0; i < c->n; i++)
		if (strcmp(c->list[i].pci.address, address) == 0)
			return true;
	return false;
}

/* The cards that the parameter `address` names. */
static bool choose(struct host *h, const json_t *params, struct cards *c)
{
	json_t *words = json_object_get(params, "address"), *word;
	struct nic *all;
	uint32_t n = nic_scan(h, &all);
	size_t i;

	c->n = 0;
	json_array_foreach (words, i, word) {
		const struct nic *nic = find(all, n, json_string_value(word));

		if (nic == NULL)
			refuse_word(h, json_string_value(word));
		else if (c->n == CARDS)
			host_refuse(h, "more than %d cards at once", CARDS);
		else if (!is_among(c, nic->pci.address))
			c->list[c->n++] = *nic;
	}
	free(all);
	return h->why[0] == '\0';
}

/* --- whether bind may --- */

/* The operator's own way in is never taken; the rest is with --force. */
static void check_use(struct host *h, const struct nic *nic, bool force)
{
	const char *address = nic->pci.address, *through = nic->through;

	switch (force && nic->use != NIC_OUR_SSH ? NIC_FREE : nic->use) {
	case NIC_OUR_SSH:
		host_refuse(h,
			"%s carries the SSH session that you are in, through %s: come by another "
			"way, or from the console",
			address, through);
		break;
	case NIC_SSH:
		host_refuse(h,
			"%s carries somebody's SSH session, through %s: end it first (`ss -tp`), "
			"or "
			"--force",
			address, through);
		break;
	case NIC_DEFAULT:
		host_refuse(h,
			"%s carries a default route, through %s: give it to another interface "
			"first, or --force",
			address, through);
		break;
	case NIC_UNKNOWN:
		host_refuse(h,
			"the kernel does not tell its routes, so that nobody knows what %s (%s) is "
			"in use for: --force if for nothing",
			address, through);
		break;
	case NIC_ROUTES:
		host_refuse(h,
			"%s is in use, by routes through %s: `ip link set %s down`, or --force",
			address, through, through);
		break;
	case NIC_HIDDEN:
		host_refuse(h,
			"%s is %s's but has no interface here, so that another network namespace "
			"(`ip netns`) may have it: --force if not",
			address, nic->pci.driver);
		break;
	case NIC_FREE:
		break;
	}
}

/* They go with their card's driver, also from under the virtual machines that have them. */
static void check_functions(struct host *h, const struct nic *nic, bool force)
{
	int n = nic_functions(h, nic);

	if (n > 0 && !force)
		host_refuse(h,
			"%s has %d virtual functions, which go with it: "
			"`echo 0 >/sys/bus/pci/devices/%s/sriov_numvfs`, or --force",
			nic->pci.address, n, nic->pci.address);
}

static bool is_intel(const struct host *h)
{
	char line[256];

	sysfs_line_of(line, sizeof(line), "vendor_id", "%s/cpuinfo", h->proc);
	return strstr(line, "GenuineIntel") != NULL;
}

/* No IOMMU: nothing keeps the card, and so the program, from any of the machine's memory. */
static bool has_iommu(struct host *h, const struct nic *nic)
{
	if (nic->pci.group >= 0 || pci_is_unsafe(h->sys))
		return true;
	return host_refuse(h,
		"%s has no IOMMU group, which vfio-pci needs: switch %s on in the firmware, put "
		"`%siommu=pt` on the kernel's command line and restart; or, if the card may write "
		"anywhere in memory, `modprobe vfio; echo 1 "
		">/sys/module/vfio/parameters/enable_unsafe_noiommu_mode` (Debian's kernel has no "
		"such mode)",
		nic->pci.address, is_intel(h) ? "VT-d" : "the IOMMU",
		is_intel(h) ? "intel_iommu=on " : "");
}

/* All others of a group that are in the way, that they may be bound along with it. */
static void check_group(struct host *h, const struct cards *c, const struct nic *nic)
{
	char others[256] = "", along[192] = "";
	struct pci_device *members;
	uint32_t n = pci_group(h->sys, nic->pci.group, &members);
	bool cards_only = true;
	size_t used = 0, listed = 0;

	for (uint32_t i = 0; i < n; i++) {
		const struct pci_device *m = &members[i];

		if (!pci_blocks_group(m) || is_among(c, m->address))
			continue;
		if (used < sizeof(others))
			used += (size_t)snprintf(others + used, sizeof(others) - used, "%s%s (%s)",
				used > 0 ? ", " : "", m->address, m->driver);
		if (listed < sizeof(along))
			listed += (size_t)snprintf(
				along + listed, sizeof(along) - listed, " %s", m->address);
		cards_only &= m->class >> 16 == PCI_CLASS_NETWORK;
	}
	free(members);
	if (others[0] == '\0')
		return;
	if (cards_only)
		host_refuse(h,
			"%s shares IOMMU group %d with %s, so that they go together: millctl nic "
			"bind "
			"%s%s",
			nic->pci.address, nic->pci.group, others, nic->pci.address, along);
	else
		host_refuse(h,
			"%s shares IOMMU group %d with %s, not all of them network cards: put the "
			"card "
			"into another slot, or unbind those from their drivers if nobody needs "
			"them",
			nic->pci.address, nic->pci.group, others);
}

/* --- notes --- */

/*
 * A card that bind had before, or was killed with on its way, is not noted again: what counts is
 * whose it was at first.
 */
static void note(json_t *notes, const struct nic *nic)
{
	json_t *ifaces;

	if (json_object_get(notes, nic->pci.address) != NULL &&
		(nic->pci.driver[0] == '\0' || pci_is_users(nic->pci.driver)))
		return;
	ifaces = json_array();
	for (uint32_t i = 0; i < nic->n_ifaces; i++)
		json_array_append_new(ifaces, json_string(nic->iface[i]));
	json_object_set_new(notes, nic->pci.address,
		json_pack("{s:s, s:o}", "driver", nic->pci.driver, "interfaces", ifaces));
}

/* --- bind --- */

static bool has_driver(const struct host *h, const char *driver)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/bus/pci/drivers/%s", h->sys, driver);
	return access(path, F_OK) == 0;
}

static bool check_driver(struct host *h, const char *driver)
{
	if (has_driver(h, driver))
		return true;
	h->modprobe(driver);
	if (has_driver(h, driver))
		return true;
	return host_refuse(
		h, "this kernel has no driver %s, and `modprobe %s` brings none", driver, driver);
}

/* A program that has the group open keeps the kernel waiting for it to let go. */
static void check_holder(struct host *h, const struct nic *nic)
{
	char who[SYSFS_NAME];

	if (nic_holder(h, nic, who))
		host_refuse(h, "%s is in use by %s: stop that first", nic->pci.address, who);
}

static bool may_bind(struct host *h, const struct cards *c, const char *driver, bool force)
{
	for (uint32_t i = 0; i < c->n; i++) {
		const struct nic *nic = &c->list[i];

		if (strcmp(nic->pci.driver, driver) == 0)
			continue;
		check_use(h, nic, force);
		check_functions(h, nic, force);
		check_holder(h, nic);
		if (strcmp(driver, "vfio-pci") != 0)
			continue;
		if (!has_iommu(h, nic)) /* nor has any of them */
			return false;
		check_group(h, c, nic);
	}
	return h->why[0] == '\0' && check_driver(h, driver);
}

static json_t *changed(const char *address, const char *before, const char *now)
{
	return json_pack("{s:s, s:s?, s:s?}", "address", address, "before",
		before[0] != '\0' ? before : NULL, "driver", now[0] != '\0' ? now : NULL);
}

/* The first n go back to whose they were; those that do not are named. */
static void undo(const struct host *h, const struct cards *c, uint32_t n, char *left, size_t size)
{
	size_t used = 0;

	left[0] = '\0';
	while (n-- > 0) {
		const struct pci_device *d = &c->list[n].pci;

		if (give_back(h, d->address, d->driver) < 0 && used < size)
			used += (size_t)snprintf(left + used, size - used, " %s", d->address);
	}
}

/* One of them was not taken, and the first n have been touched. */
static void take_back(struct host *h, const struct cards *c, uint32_t n, const char *driver, int rc)
{
	const struct pci_device *d = &c->list[n - 1].pci;
	const char *had = d->driver[0] != '\0' ? d->driver : "no driver";
	char left[CARDS * PCI_ADDRESS + 1];

	undo(h, c, n, left, sizeof(left));
	if (left[0] == '\0')
		host_refuse(h,
			"%s did not go from %s to %s (%s); all have the drivers that they had, "
			"their interfaces no addresses",
			d->address, had, driver, strerror(-rc));
	else
		host_refuse(h,
			"%s did not go from %s to %s (%s), nor did all go back: `millctl nic "
			"unbind%s` tries again",
			d->address, had, driver, strerror(-rc), left);
}

static json_t *bind_all(struct host *h, const struct cards *c, const char *driver)
{
	json_t *rows = json_array();

	for (uint32_t i = 0; i < c->n; i++) {
		const struct pci_device *d = &c->list[i].pci;
		int rc = strcmp(d->driver, driver) == 0 ? 0 : take_driver(h, d->address, driver);

		if (rc == 0) {
			json_array_append_new(rows, changed(d->address, d->driver, driver));
			continue;
		}
		take_back(h, c, i + 1, driver, rc);
		json_decref(rows);
		return NULL;
	}
	return rows;
}

/* Of those that have their old drivers again what is noted is as before. */
static void forget(const struct host *h, const struct cards *c, json_t *notes, const json_t *before)
{
	char now[SYSFS_NAME];

	for (uint32_t i = 0; i < c->n; i++) {
		const char *address = c->list[i].pci.address;

		driver_of(h, address, now);
		if (strcmp(now, c->list[i].pci.driver) != 0)
			continue;
		json_object_del(notes, address);
		if (json_object_get(before, address) != NULL)
			json_object_set(notes, address, json_object_get(before, address));
	}
}

json_t *nic_bind(struct host *h, const json_t *params)
{
	const char *driver = json_string_value(json_object_get(params, "driver"));
	bool force = json_is_true(json_object_get(params, "force"));
	json_t *notes, *before, *rows = NULL;
	struct cards *c = calloc(1, sizeof(*c));
	int lock = nic_lock(h);
	sigset_t signals;

	if (driver == NULL)
		driver = "vfio-pci";
	if (c == NULL || lock < 0 || !choose(h, params, c) || !may_bind(h, c, driver, force)) {
		free(c);
		nic_unlock(lock);
		return NULL;
	}
	notes = nic_notes(h);
	before = json_deep_copy(notes);
	for (uint32_t i = 0; i < c->n; i++)
		if (strcmp(c->list[i].pci.driver, driver) != 0)
			note(notes, &c->list[i]);
	hold_signals(&signals);
	if (nic_save_notes(h, notes)) /* first: what happens then can be undone */
		rows = bind_all(h, c, driver);
	if (rows == NULL) {
		forget(h, c, notes, before);
		nic_save_notes(h, notes);
	}
	let_signals(&signals);
	json_decref(notes);
	json_decref(before);
	free(c);
	nic_unlock(lock);
	return rows;
}

/* --- unbind --- */

/* The interfaces are called as they were, as far as they are there again and down. */
static json_t *take_names(const struct host *h, struct nic *nic, const json_t *noted, bool wanted)
{
	json_t *names = json_array();

	nic->n_ifaces = nic->n_above = 0;
	nic_look(h, nic, 1);
	for (uint32_t i = 0; i < nic->n_ifaces; i++) {
		const char *before = json_string_value(json_array_get(noted, i));
		const char *name = nic->iface[i];

		if (wanted && before != NULL && strcmp(before, name) != 0 &&
			h->rename(name, before) == 0)
			name = before;
		json_array_append_new(names, json_string(name));
	}
	return names;
}

/* One card back to its former driver, or to whichever the kernel has for it. */
static json_t *unbind_one(struct host *h, struct nic *nic, const json_t *noted, bool names)
{
	const char *former = json_string_value(json_object_get(noted, "driver"));
	char now[SYSFS_NAME], before[SYSFS_NAME];
	json_t *row;
	int rc;

	snprintf(before, sizeof(before), "%s", nic->pci.driver);
	if (former != NULL && former[0] != '\0')
		h->modprobe(former);
	rc = give_back(h, nic->pci.address, former);
	driver_of(h, nic->pci.address, now);
	if (rc < 0) {
		host_refuse(h, "%s did not go back to %s (%s)", nic->pci.address,
			former != NULL ? former : "a driver of the kernel's", strerror(-rc));
		return NULL;
	}
	row = changed(nic->pci.address, before, now);
	json_object_set_new(
		row, "interfaces", take_names(h, nic, json_object_get(noted, "interfaces"), names));
	return row;
}

json_t *nic_unbind(struct host *h, const json_t *params)
{
	bool names = json_is_true(json_object_get(params, "names"));
	int lock = nic_lock(h); /* before the notes are read */
	json_t *notes = nic_notes(h), *rows = json_array();
	struct cards *c = calloc(1, sizeof(*c));
	bool good = c != NULL && lock >= 0 && choose(h, params, c);
	sigset_t signals;

	for (uint32_t i = 0; good && i < c->n; i++) {
		const struct pci_device *d = &c->list[i].pci;

		if (d->driver[0] != '\0' && !pci_is_users(d->driver))
			host_refuse(
				h, "%s is the kernel's driver %s's already", d->address, d->driver);
		else
			check_holder(h, &c->list[i]);
	}
	good = good && h->why[0] == '\0';
	hold_signals(&signals);
	for (uint32_t i = 0; good && i < c->n; i++) {
		const char *address = c->list[i].pci.address;
		json_t *row = unbind_one(h, &c->list[i], json_object_get(notes, address), names);

		good = row != NULL;
		if (!good)
			break;
		json_array_append_new(rows, row);
		json_object_del(notes, address);
	}
	if (json_array_size(rows) > 0)
		good &= nic_save_notes(h, notes);
	let_signals(&signals);
	json_decref(notes);
	free(c);
	nic_unlock(lock);
	return good ? rows : (json_decref(rows), NULL);
}
