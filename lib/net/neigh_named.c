/* SPDX-License-Identifier: BSD-3-Clause */
/* The lists stay as they are while an interface is down; its neighbours come from them again. */
#include "neigh_named.h"

#include "neigh_step.h"
#include "net/net.h"
#include "net/port.h"
#include "wire/eth_hdr.h"

#include <errno.h>
#include <stdlib.h>

static int set_static(struct net *net, uint16_t iface, const struct neigh_static *s, ticks now)
{
	struct neigh *n = neigh_table_find(net->neigh, iface, s->addr);

	if (n == NULL)
		n = neigh_step_make(net, iface, s->addr, false, now);
	if (n == NULL)
		return -ENOSPC;
	n->kept = true;
	neigh_step_resolve(net, n, NEIGH_STATIC, s->mac, now);
	return n->state == NEIGH_STATIC ? 0 : -ENOSPC;
}

static void set_list(
	struct net *net, const struct neigh_static *list, uint32_t n, uint16_t only, ticks now)
{
	for (uint32_t i = 0; i < n; i++) {
		uint16_t iface = iface_by_name(net, list[i].iface);

		if ((only == 0 || only == iface) && neigh_step_possible(net, iface, list[i].addr))
			set_static(net, iface, &list[i], now);
	}
}

void neigh_named_set(struct net *net, uint16_t only, ticks now)
{
	const struct neigh_table *t = net->neigh;

	set_list(net, t->kernels.list, t->kernels.n, only, now);
	set_list(net, t->conf.statics, t->conf.n_static, only, now);
	set_list(net, t->added.list, t->added.n, only, now);
}

static struct neigh_static *find(
	struct neigh_static *list, uint32_t n, const char *iface, uint32_t addr)
{
	for (uint32_t i = 0; i < n; i++) {
		if (list[i].addr == addr && strcmp(list[i].iface, iface) == 0)
			return &list[i];
	}
	return NULL;
}

bool neigh_named_has(const struct neigh_named *by, const char *iface, uint32_t addr)
{
	return find(by->list, by->n, iface, addr) != NULL;
}

const struct neigh_static *neigh_named_find(
	const struct neigh_table *t, const char *iface, uint32_t addr)
{
	const struct neigh_static *s = find(t->added.list, t->added.n, iface, addr);

	if (s == NULL)
		s = find(t->conf.statics, t->conf.n_static, iface, addr);
	return s != NULL ? s : find(t->kernels.list, t->kernels.n, iface, addr);
}

bool neigh_named_is_kernels(const struct net *net, uint16_t iface, uint32_t addr)
{
	const struct neigh_table *t = net->neigh;
	const char *name = net->iface[iface].name;

	return neigh_named_has(&t->kernels, name, addr) &&
	       find(t->conf.statics, t->conf.n_static, name, addr) == NULL &&
	       !neigh_named_has(&t->added, name, addr);
}

int neigh_named_add(struct net *net, struct neigh_named *by, uint16_t iface, uint32_t addr,
	const uint8_t mac[6], ticks now)
{
	const struct iface *f = &net->iface[iface];
	struct neigh_static *s = find(by->list, by->n, f->name, addr);

	if (!eth_is_unicast(mac) || iface_link(f, addr) == NULL || iface_owns(f, addr))
		return -EINVAL;
	if (s == NULL) {
		struct neigh_static *grown = realloc(by->list, (by->n + 1) * sizeof(*grown));

		if (grown == NULL)
			return -ENOSPC;
		by->list = grown;
		s = &grown[by->n++];
		*s = (struct neigh_static){.addr = addr};
		memcpy(s->iface, f->name, sizeof(s->iface));
	}
	memcpy(s->mac, mac, sizeof(s->mac));
	if (!neigh_step_possible(net, iface, addr))
		return 0;
	return set_static(net, iface, neigh_named_find(net->neigh, f->name, addr), now);
}

void neigh_named_remove(
	struct net *net, struct neigh_named *by, const char *name, uint32_t addr, ticks now)
{
	uint16_t iface = iface_by_name(net, name);
	struct neigh_static *s = find(by->list, by->n, name, addr);
	struct neigh *n = iface == 0 ? NULL : neigh_table_find(net->neigh, iface, addr);
	const struct neigh_static *other;

	if (s != NULL)
		*s = by->list[--by->n];
	other = neigh_named_find(net->neigh, name, addr);
	if (n != NULL && other != NULL)
		set_static(net, iface, other, now);
	else if (n != NULL)
		neigh_step_lose(net, n, now);
}
