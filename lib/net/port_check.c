/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * port_check: what is wrong with a configuration of ports, before any device is touched.
 *
 * Devices that cannot be, two ports that want one device, addresses that no host may have or that
 * are given twice, and networks that two interfaces claim.
 */
#include "net/port.h"

#include "wire/ip4_addr.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATH 96

/* One address, where it stands and whose it is. */
struct place {
	const struct addr_conf *conf;
	const struct iface_conf *iface; /* NULL: the loopback */
	uint32_t index;			/* in its list */
};

struct places {
	struct place *list;
	uint32_t n;
};

static const char *place_path(const struct place *p, char path[PATH])
{
	const char *dot = p->iface ? strchr(p->iface->name, '.') : NULL;

	if (p->iface == NULL)
		snprintf(path, PATH, "system.loopback[%u]", p->index);
	else if (dot)
		snprintf(path, PATH, "ports.%.*s.vlans.%s.addresses[%u]",
			(int)(dot - p->iface->name), p->iface->name, dot + 1, p->index);
	else
		snprintf(path, PATH, "ports.%s.addresses[%u]", p->iface->name, p->index);
	return path;
}

static const char *place_name(const struct place *p)
{
	return p->iface ? p->iface->name : "the loopback";
}

/* --- devices --- */

/* "0000:0a:00.0", in small letters, as DPDK names its ports after it. */
static bool is_pci(const char *s)
{
	static const char form[] = "xxxx:xx:xx.x";
	size_t i = 0;

	for (; s[i] && form[i]; i++)
		if (form[i] == 'x' ? !strchr("0123456789abcdef", s[i]) : s[i] != form[i])
			return false;
	return s[i] == form[i];
}

/* A name of the kernel's for an interface. */
static bool is_ifname(const char *s)
{
	if (strcmp(s, ".") == 0 || strcmp(s, "..") == 0)
		return false;
	for (; *s; s++)
		if (!isgraph((unsigned char)*s) || *s == '/' || *s == ':' || *s == '%')
			return false;
	return true;
}

static void check_device(const struct port_conf *p, struct errs *e)
{
	char path[PATH];

	if (p->kind == PORT_TAP && !is_ifname(p->tap_iface)) {
		snprintf(path, sizeof(path), "ports.%s.tap.iface", p->iface.name);
		errs_add(e, p->iface.at, path,
			"`%s` cannot be an interface's name; no spaces, / : %%", p->tap_iface);
	} else if (p->kind == PORT_TAP && strchr(p->tap_netns, '/')) {
		snprintf(path, sizeof(path), "ports.%s.tap.netns", p->iface.name);
		errs_add(e, p->iface.at, path, "`%s` is not a namespace's name; see `ip netns`",
			p->tap_netns);
	} else if (p->kind == PORT_PCI && !is_pci(p->device)) {
		snprintf(path, sizeof(path), "ports.%s.pci", p->iface.name);
		errs_add(e, p->iface.at, path,
			"`%s` is not a PCI address as 0000:0a:00.0, in small letters", p->device);
	} else if (p->kind == PORT_VDEV && strncmp(p->device, "net_", 4) != 0) {
		snprintf(path, sizeof(path), "ports.%s.vdev", p->iface.name);
		errs_add(e, p->iface.at, path,
			"`%s` is not a DPDK network device; they begin with net_", p->device);
	}
}

/* The members of a bond are devices; nothing else has any. */
static void check_members(const struct port_conf *p, struct errs *e)
{
	bool bond = p->kind == PORT_VDEV && strncmp(p->device, "net_bonding", 11) == 0;
	char path[PATH];

	snprintf(path, sizeof(path), "ports.%s.members", p->iface.name);
	if (bond && p->n_members == 0)
		errs_add(e, p->iface.at, path, "missing; a bond has at least one");
	if (!bond && p->n_members)
		errs_add(e, p->iface.at, path, "only a vdev of net_bonding has members");
	for (uint32_t i = 0; i < p->n_members; i++)
		if (!is_pci(p->members[i]) && strncmp(p->members[i], "net_", 4) != 0)
			errs_add(e, p->iface.at, path,
				"`%s` is neither a PCI address nor a DPDK network device",
				p->members[i]);
}

/* Whether two ports want the same: of a device with arguments the name before them counts. */
static bool same_device(const struct port_conf *a, const struct port_conf *b)
{
	size_t name = strcspn(a->device, ",");

	if (a->kind != b->kind)
		return false;
	if (a->kind == PORT_TAP)
		return strcmp(a->tap_netns, b->tap_netns) == 0 &&
		       strcmp(a->tap_iface, b->tap_iface) == 0;
	return name == strcspn(b->device, ",") && strncmp(a->device, b->device, name) == 0;
}

/* Whether a TAP that is a port is what would be called so in the kernel. */
static bool is_tap_of(const struct port_conf *p, const char *netns, const char *name)
{
	return p->kind == PORT_TAP && strcmp(p->tap_netns, netns) == 0 &&
	       strcmp(p->tap_iface, name) == 0;
}

/* The longest name that a VLAN's interface in the kernel would have, with the NUL. */
static size_t vlan_name_size(const struct port_conf *p)
{
	size_t most = 0;

	for (uint32_t i = 0; i < p->n_vlans; i++) {
		size_t n = (size_t)snprintf(NULL, 0, "%s.%u", p->kernel, p->vlans[i].vlan) + 1;

		most = n > most ? n : most;
	}
	return most;
}

/* The punt interface: a name that the kernel takes, and that is nobody else's there. */
static void check_kernel(const struct ports_conf *c, uint32_t i, struct errs *e)
{
	const struct port_conf *p = &c->list[i];
	char path[PATH];

	if (p->kernel[0] == '\0')
		return;
	snprintf(path, sizeof(path), "ports.%s.kernel", p->iface.name);
	if (!is_ifname(p->kernel))
		errs_add(e, p->iface.at, path,
			"`%s` cannot be an interface's name; no spaces, / : %%", p->kernel);
	if (vlan_name_size(p) > KERNEL_NAME)
		errs_add(e, p->iface.at, path,
			"`%s` is too long: with a VLAN's number it has to be at most %d characters",
			p->kernel, KERNEL_NAME - 1);
	for (uint32_t j = 0; j < c->n; j++) {
		if (j < i && strcmp(c->list[j].kernel, p->kernel) == 0)
			errs_add(e, p->iface.at, path, "port %s has this interface",
				c->list[j].iface.name);
		if (is_tap_of(&c->list[j], c->kernel_netns, p->kernel))
			errs_add(e, p->iface.at, path, "the TAP of port %s has this name there",
				c->list[j].iface.name);
	}
}

static void check_port(const struct ports_conf *c, uint32_t i, struct errs *e)
{
	const struct port_conf *p = &c->list[i];
	char path[PATH];

	check_device(p, e);
	check_members(p, e);
	check_kernel(c, i, e);
	snprintf(path, sizeof(path), "ports.%s", p->iface.name);
	for (uint32_t j = 0; j < i; j++)
		if (same_device(p, &c->list[j]))
			errs_add(e, p->iface.at, path, "port %s has this device",
				c->list[j].iface.name);
	for (uint32_t j = 0; j < p->n_vlans; j++) {
		const struct iface_conf *v = &p->vlans[j];

		snprintf(path, sizeof(path), "ports.%s.vlans.%u.mtu", p->iface.name, v->vlan);
		if (p->iface.mtu && v->mtu > p->iface.mtu)
			errs_add(e, v->at, path, "%u is more than the port's %u", v->mtu,
				p->iface.mtu);
	}
}

/* --- addresses --- */

static void places_add(struct places *all, const struct iface_conf *iface,
	const struct addr_conf *list, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		all->list[all->n++] = (struct place){&list[i], iface, i};
}

/* All addresses of a configuration; false: there was no memory. */
static bool places_of(struct places *all, const struct ports_conf *c)
{
	uint32_t n = c->n_loopback;

	for (uint32_t i = 0; i < c->n; i++)
		n += (c->list[i].n_vlans + 1) * IFACE_ADDRS;
	*all = (struct places){.list = malloc((n + 1) * sizeof(*all->list))};
	if (all->list == NULL)
		return false;
	places_add(all, NULL, c->loopback, c->n_loopback);
	for (uint32_t i = 0; i < c->n; i++) {
		const struct port_conf *p = &c->list[i];

		places_add(all, &p->iface, p->iface.addrs, p->iface.n_addrs);
		for (uint32_t j = 0; j < p->n_vlans; j++)
			places_add(all, &p->vlans[j], p->vlans[j].addrs, p->vlans[j].n_addrs);
	}
	return true;
}

static void check_address(const struct place *p, struct errs *e)
{
	uint32_t addr = p->conf->addr, depth = p->conf->depth;
	uint32_t host = addr & ~ip4_mask(p->conf->depth);
	char path[PATH];

	if (ip4_src_is_martian(addr) || depth == 0)
		errs_add(e, p->conf->at, place_path(p, path),
			"not an address that a host may have, in a network of 1 to 32 bits");
	else if (depth < 31 && (host == 0 || host == ~ip4_mask(p->conf->depth)))
		errs_add(e, p->conf->at, place_path(p, path),
			"the %s address of its network, which no host may have",
			host ? "broadcast" : "first");
}

static bool later(const struct conf_pos *a, const struct conf_pos *b)
{
	return a->line != b->line ? a->line > b->line : a->column > b->column;
}

static int by_address(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	if (x->conf->addr != y->conf->addr)
		return x->conf->addr < y->conf->addr ? -1 : 1;
	return later(&x->conf->at, &y->conf->at) - later(&y->conf->at, &x->conf->at);
}

static void check_twice(struct places *all, struct errs *e)
{
	char path[PATH];

	if (all->n)
		qsort(all->list, all->n, sizeof(*all->list), by_address);
	for (uint32_t i = 1; i < all->n; i++)
		if (all->list[i].conf->addr == all->list[i - 1].conf->addr)
			errs_add(e, all->list[i].conf->at, place_path(&all->list[i], path),
				"%s has this address, on line %u", place_name(&all->list[i - 1]),
				all->list[i - 1].conf->at.line);
}

static uint32_t first_of(const struct place *p)
{
	return p->conf->addr & ip4_mask(p->conf->depth);
}

/* By network, the wider before those inside it. */
static int by_network(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	if (first_of(x) != first_of(y))
		return first_of(x) < first_of(y) ? -1 : 1;
	if (x->conf->depth != y->conf->depth)
		return x->conf->depth - y->conf->depth;
	return later(&x->conf->at, &y->conf->at) - later(&y->conf->at, &x->conf->at);
}

/* One network is one interface's; the loopback's addresses may be of any. */
static void check_overlap(struct places *all, struct errs *e)
{
	const struct place *wide = NULL;
	char path[PATH], net[IP4_PREFIX_TEXT];

	if (all->n)
		qsort(all->list, all->n, sizeof(*all->list), by_network);
	for (const struct place *p = all->list; p < all->list + all->n; p++) {
		struct ip4_prefix n;

		if (p->iface == NULL)
			continue;
		n = (struct ip4_prefix){wide ? first_of(wide) : 0, wide ? wide->conf->depth : 0};
		if (wide == NULL || !ip4_prefix_has(n, p->conf->addr))
			wide = p;
		else if (wide->iface != p->iface && wide->conf->addr != p->conf->addr)
			errs_add(e, p->conf->at, place_path(p, path),
				"its network overlaps %s of %s, on line %u",
				ip4_prefix_text(n, net), wide->iface->name, wide->conf->at.line);
	}
}

int port_check(const struct ports_conf *c, struct errs *e)
{
	size_t before = e->n;
	struct places all;
	uint32_t n = c->n;

	for (uint32_t i = 0; i < c->n; i++) {
		check_port(c, i, e);
		n += c->list[i].n_vlans;
	}
	if (n >= IFACE_MAX)
		errs_add(e, c->list[0].iface.at, "ports", "%u ports and VLANs; at most %u", n,
			IFACE_MAX - 1);
	if (!places_of(&all, c))
		return -ENOMEM;
	for (uint32_t i = 0; i < all.n; i++)
		check_address(&all.list[i], e);
	check_twice(&all, e);
	check_overlap(&all, e);
	free(all.list);
	return e->n == before ? 0 : -EINVAL;
}
