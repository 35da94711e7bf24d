/* SPDX-License-Identifier: BSD-3-Clause */
/* Two lists: of what is in force, and of what a build makes. */
#include "net/absent.h"

#include "net/net.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct absents *absent_ports(const struct net *net)
{
	static const struct absents none;

	return net->absents != NULL ? net->absents : &none;
}

static const char *device_of(const struct port_conf *c)
{
	return c->kind == PORT_TAP ? c->tap_iface : c->device;
}

/* Whether it is absent as things are, for the same device. */
static bool was_absent(const struct net *net, const struct port_conf *c)
{
	const struct absents *now = absent_ports(net);

	for (uint32_t i = 0; i < now->n; i++) {
		const struct absent *a = &now->list[i];

		if (strcmp(a->name, c->iface.name) == 0 && a->kind == c->kind &&
			strcmp(a->device, device_of(c)) == 0 &&
			strcmp(a->tap_netns, c->tap_netns) == 0)
			return true;
	}
	return false;
}

bool absent_take(struct net *net, const struct port_conf *c, struct errs *e)
{
	bool starts = net->absents == NULL; /* nothing was published yet */
	struct absent *a;

	if (c->required || e->n == 0 || !(starts || was_absent(net, c)))
		return false;
	if (net->absents_next == NULL)
		net->absents_next = calloc(1, sizeof(*net->absents_next));
	if (net->absents_next == NULL || net->absents_next->n == PORT_MAX)
		return false;
	a = &net->absents_next->list[net->absents_next->n++];
	snprintf(a->name, sizeof(a->name), "%s", c->iface.name);
	snprintf(a->device, sizeof(a->device), "%s", device_of(c));
	snprintf(a->tap_netns, sizeof(a->tap_netns), "%s", c->tap_netns);
	a->kind = c->kind;
	a->why = e->list[--e->n];
	if (e->n == 0)
		errs_clear(e); /* who succeeds looks at no errors */
	return true;
}

void absent_return(struct net *net, struct errs *e)
{
	const struct absents *next = net->absents_next;

	for (uint32_t i = 0; next != NULL && i < next->n; i++)
		errs_add(e, next->list[i].why.at, next->list[i].why.path, "%s",
			next->list[i].why.text);
}

void absent_abandon(struct net *net)
{
	free(net->absents_next);
	net->absents_next = NULL;
}

/* One that has none of them is published, too: the start is over. */
void absent_publish(struct net *net)
{
	if (net->absents == NULL)
		net->absents = calloc(1, sizeof(*net->absents));
	if (net->absents_next != NULL) {
		free(net->absents);
		net->absents = net->absents_next;
		net->absents_next = NULL;
	} else if (net->absents != NULL) {
		net->absents->n = 0;
	}
}

void absent_free(struct net *net)
{
	absent_abandon(net);
	free(net->absents);
	net->absents = NULL;
}
