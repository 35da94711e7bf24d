/* SPDX-License-Identifier: BSD-3-Clause */
/* Which device needs which capability: by what the kernel asks of who opens it. */
#include "rights.h"

#include "net/port.h"

#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BIT(capability) (UINT64_C(1) << (capability))

/* A card needs none: /dev/vfio's files belong to who may use them (README, Deployment). */
static const struct {
	const char *driver;
	uint64_t needs;
} drivers[] = {
	{"net_tap", BIT(CAP_NET_ADMIN)},     /* TUNSETIFF, netlink */
	{"net_af_packet", BIT(CAP_NET_RAW)}, /* packet(7) */
	{"net_af_xdp", BIT(CAP_NET_ADMIN) | BIT(CAP_NET_RAW) | BIT(CAP_BPF)},
};

static const struct {
	int capability;
	const char *name;
} names[] = {
	{CAP_NET_ADMIN, "CAP_NET_ADMIN"},
	{CAP_NET_RAW, "CAP_NET_RAW"},
	{CAP_SYS_ADMIN, "CAP_SYS_ADMIN"},
	{CAP_BPF, "CAP_BPF"},
};

uint64_t rights_held(void)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	if (syscall(SYS_capget, &head, data) < 0)
		return 0;
	return (uint64_t)data[1].effective << 32 | data[0].effective;
}

static uint64_t driver_needs(const char *device)
{
	for (size_t i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++)
		if (strncmp(device, drivers[i].driver, strlen(drivers[i].driver)) == 0)
			return drivers[i].needs;
	return 0;
}

/* setns() asks for CAP_SYS_ADMIN in the namespace and in our own (setns(2)). */
static uint64_t tap_needs(const char *netns)
{
	return BIT(CAP_NET_ADMIN) | (netns[0] != '\0' ? BIT(CAP_SYS_ADMIN) : 0);
}

static uint64_t port_needs(const struct port_conf *p, const char *kernel_netns)
{
	uint64_t needs = p->kernel[0] != '\0' ? tap_needs(kernel_netns) : 0;

	for (uint32_t i = 0; i < p->n_members; i++)
		needs |= driver_needs(p->members[i]);
	if (p->kind == PORT_TAP)
		needs |= tap_needs(p->tap_netns);
	return needs | (p->kind == PORT_VDEV ? driver_needs(p->device) : 0);
}

void rights_check(const struct ports_conf *c, uint64_t held, struct errs *e)
{
	for (const struct port_conf *p = c->list; p < c->list + c->n; p++) {
		uint64_t lacks = port_needs(p, c->kernel_netns) & ~held;
		char path[64];

		snprintf(path, sizeof(path), "ports.%s", p->iface.name);
		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
			if (lacks & BIT(names[i].capability))
				errs_add(e, p->iface.at, path,
					"this port needs %s, which this process has not: run it "
					"as root, or let its unit give it AmbientCapabilities=%s",
					names[i].name, names[i].name);
	}
}
