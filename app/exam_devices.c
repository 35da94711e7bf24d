/* SPDX-License-Identifier: BSD-3-Clause */
/* Doctor's checks of cards and what they need: IOMMU, vfio-pci, the ports themselves. */
#include "base/pci.h"
#include "exam.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void check_iommu(struct exam *x)
{
	char(*groups)[SYSFS_NAME];
	uint32_t n = sysfs_list(&groups, "%s/kernel/iommu_groups", x->h->sys);
	uint32_t cards = exam_cards(x, NULL);
	enum verdict verdict = cards > 0 ? EXAM_BAD : x->plan == NULL ? EXAM_WARN : EXAM_OK;

	free(groups);
	if (pci_is_unsafe(x->h->sys))
		exam_add(x, EXAM_WARN, "iommu",
			"echo 0 >/sys/module/vfio/parameters/enable_unsafe_noiommu_mode, and an "
			"IOMMU",
			"a card, and so the program, may write anywhere in memory",
			"VFIO is to do without");
	else if (n > 0)
		exam_add(x, EXAM_OK, "iommu", NULL, "vfio-pci can hand cards to programs",
			"%u groups", n);
	else
		exam_add(x, verdict, "iommu",
			"VT-d or AMD-Vi in the firmware, `intel_iommu=on iommu=pt` (AMD: "
			"`iommu=pt`) on the kernel's command line, and a restart",
			cards > 0 ? "vfio-pci cannot hand out the ports' cards"
				  : "software devices need none; a card's vfio-pci does",
			"off");
}

static void check_vfio(struct exam *x)
{
	char(*files)[SYSFS_NAME];
	bool there = sysfs_list(&files, "%s/bus/pci/drivers/vfio-pci", x->h->sys) > 0;

	free(files);
	if (there)
		exam_add(
			x, EXAM_OK, "vfio", NULL, "cards can be bound to it", "vfio-pci is loaded");
	else
		exam_add(x, exam_cards(x, NULL) > 0 ? EXAM_WARN : EXAM_OK, "vfio",
			"modprobe vfio-pci (`millctl nic bind` does)", "no card is bound to it yet",
			"vfio-pci is not loaded");
}

/* What the slot gives of what the card could take. */
static void check_slot(struct exam *x, const char *port, const char *pci)
{
	char speed[SYSFS_NAME], most[SYSFS_NAME];
	int64_t width = sysfs_number(0, "%s/bus/pci/devices/%s/current_link_width", x->h->sys, pci);
	int64_t widest = sysfs_number(0, "%s/bus/pci/devices/%s/max_link_width", x->h->sys, pci);

	sysfs_line(
		speed, sizeof(speed), "%s/bus/pci/devices/%s/current_link_speed", x->h->sys, pci);
	sysfs_line(most, sizeof(most), "%s/bus/pci/devices/%s/max_link_speed", x->h->sys, pci);
	if (width > 0 && (width < widest || atof(speed) < atof(most)))
		exam_add(x, EXAM_WARN, "slot",
			"another slot (`lspci -tv`), if the card is to be full",
			"the bus may be narrower than the card's links",
			"port %s (%s): x%d at %s of x%d at %s", port, pci, (int)width, speed,
			(int)widest, most);
}

static void check_card(struct exam *x, const char *port, const char *pci)
{
	struct pci_device d;
	char why[256], mend[64];

	snprintf(mend, sizeof(mend), "millctl nic bind %s", pci);
	if (pci_is_refused(x->h->sys, pci, why, sizeof(why)))
		exam_add(x, EXAM_BAD, "card", "millctl nic list", "the port will not open",
			"port %s: %s", port, why);
	else if (pci_read(x->h->sys, pci, &d) == 0 && d.driver[0] == '\0')
		exam_add(x, EXAM_BAD, "card", mend, "the port will not open",
			"port %s: %s has no driver", port, pci);
	else
		exam_add(x, EXAM_OK, "card", NULL, "the port can have it", "port %s: %s, %s", port,
			pci, d.driver);
	check_slot(x, port, pci);
}

/* --- of the daemon that runs --- */

static bool spreads(const json_t *port)
{
	json_t *work;
	size_t i;

	json_array_foreach (json_object_get(port, "offloads"), i, work)
		if (strcmp(json_string_value(json_object_get(work, "work")),
			    "spreading flows to workers") == 0)
			return strncmp(json_string_value(json_object_get(work, "by")), "device",
				       6) == 0;
	return false;
}

static void check_running(struct exam *x, const json_t *port, size_t workers)
{
	const char *name = json_string_value(json_object_get(port, "name"));
	const char *error = json_string_value(json_object_get(port, "error"));
	int queues = (int)json_integer_value(json_object_get(port, "rx_queues"));

	if (error != NULL) {
		exam_add(x, EXAM_BAD, "port", "millctl config apply FILE, once it is mended",
			"the others work without it", "port %s: %s", name, error);
		return;
	}
	if (strcmp(json_string_value(json_object_get(port, "link")), "up") != 0)
		exam_add(x, EXAM_WARN, "link", "the cable, or the other end",
			"nothing goes or comes by it", "port %s: down", name);
	if (workers > 1 && (!spreads(port) || (size_t)queues < workers))
		exam_add(x, EXAM_WARN, "rss",
			"ports.X.queues: auto; a card with RSS and as many queues as workers",
			"workers hand packets to each other",
			"port %s: %d queues for %zu workers, spread by %s", name, queues, workers,
			spreads(port) ? "the device" : "software");
	else
		exam_add(x, EXAM_OK, "rss", NULL, "each flow comes to its worker",
			"port %s: %d queue%s for %zu worker%s", name, queues,
			queues == 1 ? "" : "s", workers, workers == 1 ? "" : "s");
}

/* What the file asks for; what the card has shows when it runs. */
static void check_asked(struct exam *x, const json_t *port, size_t workers)
{
	size_t queues = (size_t)json_integer_value(json_object_get(port, "queues"));

	if (queues != 0 && queues < workers)
		exam_add(x, EXAM_WARN, "rss", "ports.X.queues: auto",
			"workers hand packets to each other",
			"port %s: %zu queues are asked for, and there are %zu workers",
			json_string_value(json_object_get(port, "name")), queues, workers);
}

void exam_devices(struct exam *x)
{
	size_t workers = json_array_size(json_object_get(x->plan, "workers")), i;
	json_t *port;

	check_iommu(x);
	check_vfio(x);
	if (!x->runs) /* who runs has its cards */
		exam_cards(x, check_card);
	if (x->runs) {
		json_array_foreach (x->ports, i, port)
			check_running(x, port, workers);
		return;
	}
	json_array_foreach (json_object_get(x->plan, "ports"), i, port)
		check_asked(x, port, workers);
}
