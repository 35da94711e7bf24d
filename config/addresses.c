/* SPDX-License-Identifier: BSD-3-Clause */
/* addresses: what the ports and the loopback have, for checks. The contract is in addresses.h. */
#include "addresses.h"

#include "wire/ip4_addr.h"

#include <stdlib.h>
#include <string.h>

static int by_first(const void *a, const void *b)
{
	const struct network *x = a, *y = b;

	if (x->first != y->first)
		return x->first < y->first ? -1 : 1;
	return x->depth - y->depth;
}

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static void add_iface(struct addresses *a, const struct iface_conf *c)
{
	for (uint32_t i = 0; i < c->n_addrs; i++) {
		const struct addr_conf *x = &c->addrs[i];

		a->own[a->n_own++] = x->addr;
		a->networks[a->n_networks++] =
			(struct network){x->addr & ip4_mask(x->depth), x->depth, c};
	}
}

bool addresses_new(struct addresses *a, const struct ports_conf *c)
{
	uint32_t room = c->n_loopback + 1, n = 0;

	for (uint32_t i = 0; i < c->n; i++)
		room += (c->list[i].n_vlans + 1) * IFACE_ADDRS;
	*a = (struct addresses){.networks = malloc(room * sizeof(*a->networks)),
		.own = malloc(room * sizeof(*a->own))};
	if (a->networks == NULL || a->own == NULL)
		return false;
	for (uint32_t i = 0; i < c->n_loopback; i++)
		a->own[a->n_own++] = c->loopback[i].addr;
	for (uint32_t i = 0; i < c->n; i++) {
		add_iface(a, &c->list[i].iface);
		for (uint32_t j = 0; j < c->list[i].n_vlans; j++)
			add_iface(a, &c->list[i].vlans[j]);
	}
	qsort(a->own, a->n_own, sizeof(*a->own), by_value);
	qsort(a->networks, a->n_networks, sizeof(*a->networks), by_first);
	for (uint32_t i = 0; i < a->n_networks; i++) {
		struct network *wide = n ? &a->networks[n - 1] : NULL;

		if (wide == NULL || (a->networks[i].first & ip4_mask(wide->depth)) != wide->first)
			a->networks[n++] = a->networks[i];
	}
	a->n_networks = n;
	return true;
}

bool addresses_own(const struct addresses *a, uint32_t addr)
{
	return bsearch(&addr, a->own, a->n_own, sizeof(*a->own), by_value) != NULL;
}

const struct network *addresses_network(const struct addresses *a, uint32_t addr)
{
	uint32_t low = 0, high = a->n_networks;

	while (low < high) {
		uint32_t middle = (low + high) / 2;

		if (a->networks[middle].first <= addr)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == 0 || (addr & ip4_mask(a->networks[low - 1].depth)) != a->networks[low - 1].first)
		return NULL;
	return &a->networks[low - 1];
}

const char *addresses_why_not(const struct addresses *a, uint32_t addr)
{
	const struct network *n = addresses_network(a, addr);
	uint32_t host = n ? addr & ~ip4_mask(n->depth) : 0;

	if (addresses_own(a, addr))
		return "an address of millrace itself";
	if (n == NULL)
		return "on no network of any port";
	if (n->depth < 31 && (host == 0 || host == ~ip4_mask(n->depth)))
		return "its network's first or broadcast address";
	return NULL;
}

void addresses_free(struct addresses *a)
{
	free(a->networks);
	free(a->own);
}

bool addresses_iface(const struct ports_conf *c, const char *name)
{
	for (uint32_t i = 0; i < c->n; i++) {
		const struct port_conf *p = &c->list[i];

		if (strcmp(p->iface.name, name) == 0)
			return true;
		for (uint32_t j = 0; j < p->n_vlans; j++)
			if (strcmp(p->vlans[j].name, name) == 0)
				return true;
	}
	return false;
}
