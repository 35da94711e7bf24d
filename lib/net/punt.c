/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The kernel path as control sees it: interfaces from one configuration to the next, the thread's
 * life, groups and carriers. A TAP belongs to the thread from the order that adds it until it says
 * that it has closed it.
 */
#include "punt_inner.h"

#include "base/log.h"
#include "net/net.h"
#include "wire/eth_hdr.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#define ORDERS	  256
#define SURPLUS	  65536
#define ENDING_MS 1000 /* for the thread to close an interface whose name is wanted again */

/* --- the thread --- */

static int open_thread(struct punt *p)
{
	struct epoll_event e = {.events = EPOLLIN, .data.ptr = &p->bell};

	p->orders = mailbox_new(ORDERS, sizeof(struct tap_order), -1);
	p->surplus = malloc(SURPLUS);
	if (p->orders == NULL || p->surplus == NULL || bell_open(&p->bell) < 0)
		return -ENOMEM;
	p->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (p->epoll < 0 || epoll_ctl(p->epoll, EPOLL_CTL_ADD, p->bell.fd, &e) < 0)
		return -errno;
	return 0;
}

/* With the first punt interface; it stays until the end. */
static int start(struct net *net)
{
	struct punt *p = net->punt;
	int rc = 0;

	if (p == NULL) {
		p = aligned_alloc(alignof(struct punt), sizeof(*p));
		if (p == NULL)
			return -ENOMEM;
		memset(p, 0, sizeof(*p));
		p->net = net;
		p->bell.fd = p->epoll = -1;
		net->punt = p;
		rc = open_thread(p);
		if (rc < 0)
			punt_free(net);
	}
	if (rc == 0)
		rc = punt_ends_new(p);
	if (rc < 0 || p->runs)
		return rc;
	rc = -pthread_create(&p->thread, NULL, punt_thread, p);
	p->runs = rc == 0;
	if (p->runs)
		pthread_setname_np(p->thread, "punt");
	return rc;
}

static bool order(struct punt *p, enum tap_order_kind kind, struct tap *t)
{
	struct tap_order o = {kind, t};
	bool posted = mailbox_post(p->orders, &o);

	bell_ring(&p->bell);
	return posted;
}

/* Frees what the thread has closed. */
static void bury(struct punt *p)
{
	struct tap **link = &p->ending;

	while (*link != NULL) {
		struct tap *t = *link;

		if (!atomic_load_explicit(&t->ended, memory_order_acquire)) {
			link = &t->next_ending;
			continue;
		}
		*link = t->next_ending;
		tap_close(t);
	}
}

/* --- build --- */

static bool is_ending(const struct punt *p, const char *name)
{
	for (const struct tap *t = p->ending; t != NULL; t = t->next_ending)
		if (strcmp(t->name, name) == 0)
			return true;
	return false;
}

/* The thread closes it within a turn of its own, whatever workers do. */
static void wait_for_name(struct punt *p, const char *name)
{
	bury(p);
	for (int i = 0; i < ENDING_MS && is_ending(p, name); i++) {
		poll(NULL, 0, 1);
		bury(p);
	}
}

static struct tap *tap_named(const struct punt *p, const char *name)
{
	for (int i = 0; i < PORT_MAX; i++)
		if (p->tap[i] != NULL && strcmp(p->tap[i]->name, name) == 0)
			return p->tap[i];
	return NULL;
}

static int fail(const struct port_conf *c, struct errs *e, int rc, const char *why)
{
	char path[64];

	snprintf(path, sizeof(path), "ports.%s.kernel", c->iface.name);
	errs_add(e, c->iface.at, path, "%s cannot be made: %s", c->kernel, why);
	return rc;
}

static const char *why_not(int rc)
{
	switch (rc) {
	case -ENOENT:
		return "no such namespace (system.kernel.netns), or no /dev/net/tun";
	case -EBUSY:
		return "another process has this TAP";
	case -EINVAL:
		return "an interface of another kind has this name";
	default:
		return strerror(-rc);
	}
}

static int build_one(struct net *net, const struct ports_conf *all, uint32_t i, struct errs *e)
{
	const struct port_conf *c = &all->list[i];
	int rc = start(net);
	struct punt *p = net->punt;
	struct tap *t;

	if (rc < 0)
		return fail(c, e, rc, strerror(-rc));
	t = tap_named(p, c->kernel);
	if (t != NULL && !atomic_load(&t->gone)) {
		if (strcmp(t->port, c->iface.name) == 0)
			return 0;
		return fail(c, e, -EBUSY, "another port has it until an apply of its own frees it");
	}
	wait_for_name(p, c->kernel);
	p->next[i] = tap_open(all->kernel_netns, c->kernel, &rc);
	if (p->next[i] == NULL)
		return fail(c, e, rc, why_not(rc));
	snprintf(p->next[i]->port, IFACE_NAME, "%s", c->iface.name);
	return 0;
}

int punt_build(struct net *net, const struct ports_conf *c, struct errs *e)
{
	int rc = 0;

	for (uint32_t i = 0; i < c->n && rc == 0; i++)
		if (c->list[i].kernel[0] != '\0')
			rc = build_one(net, c, i, e);
	if (rc < 0)
		punt_abandon(net);
	return rc;
}

void punt_abandon(struct net *net)
{
	struct punt *p = net->punt;

	for (int i = 0; p != NULL && i < PORT_MAX; i++) {
		tap_close(p->next[i]);
		p->next[i] = NULL;
	}
}

/* --- publish --- */

/* What of a port's interfaces workers look at. */
static void mark(struct net *net, const struct port *p, bool on)
{
	struct iface *f = &net->iface[p->iface];

	f->flags = on ? f->flags | IFACE_KERNEL : f->flags & (uint16_t)~IFACE_KERNEL;
	for (uint16_t vid = 1; vid < 4095; vid++) {
		if (p->vlan_iface[vid] == 0)
			continue;
		f = &net->iface[p->vlan_iface[vid]];
		f->flags = on ? f->flags | IFACE_KERNEL : f->flags & (uint16_t)~IFACE_KERNEL;
	}
}

/* Off: its port (NULL: gone too) is as if it had never been on. */
static void turn_off(struct net *net, uint16_t slot)
{
	struct punt *p = net->punt;
	struct tap *t = p->tap[slot];
	struct port *port = net->port[slot];

	if (port != NULL && port->punt == t->id) {
		port->punt = 0;
		mark(net, port, false);
		punt_groups(net, port, NULL, 0);
	}
	p->tap[slot] = NULL;
	t->next_ending = p->ending;
	p->ending = t;
	if (!order(p, TAP_REMOVE, t))
		log_error("%s stays: too many orders for the punt thread", t->name);
}

static bool is_wanted(const struct port *port, const struct tap *t)
{
	return port != NULL && strcmp(port->name, t->port) == 0 &&
	       strcmp(port->conf.kernel, t->name) == 0 && !atomic_load(&t->gone);
}

static void turn_on(struct net *net, struct port *port, struct tap *t)
{
	struct punt *p = net->punt;

	p->ids = p->ids + 1 < UINT32_MAX / PORT_MAX ? p->ids + 1 : 1;
	t->id = p->ids * PORT_MAX | port->slot;
	t->worker = port->first;
	p->tap[port->slot] = t;
	tap_set_mtu(t, port->conf.iface.mtu);
	if (!order(p, TAP_ADD, t)) {
		log_error("%s: too many orders for the punt thread", t->name);
		return;
	}
	port->punt = t->id;
	log_notice("port %s: the kernel has it as %s", port->name, t->name);
}

/* What may have changed of a port whose interface stays. */
static void follow(struct net *net, const struct port *port, struct tap *t)
{
	int rc = tap_set_mac(t, net->iface[port->iface].mac);

	if (rc == 0)
		rc = tap_set_mtu(t, port->conf.iface.mtu);
	if (rc < 0)
		log_error("port %s: %s has not its MAC and MTU: %s", port->name, t->name,
			strerror(-rc));
	tap_set_carrier(t, port->link);
	mark(net, port, true);
}

void punt_publish(struct net *net)
{
	struct punt *p = net->punt;

	if (p == NULL)
		return;
	for (uint16_t slot = 0; slot < PORT_MAX; slot++)
		if (p->tap[slot] != NULL && !is_wanted(net->port[slot], p->tap[slot]))
			turn_off(net, slot);
	for (int i = 0; i < PORT_MAX; i++) {
		struct port *port = p->next[i] ? port_by_name(net, p->next[i]->port) : NULL;

		if (port != NULL)
			turn_on(net, port, p->next[i]);
		else
			tap_close(p->next[i]);
		p->next[i] = NULL;
	}
	for (uint16_t slot = 0; slot < PORT_MAX; slot++)
		if (p->tap[slot] != NULL)
			follow(net, net->port[slot], p->tap[slot]);
}

void punt_poll(struct net *net)
{
	struct punt *p = net->punt;

	if (p == NULL)
		return;
	bury(p);
	for (uint16_t slot = 0; slot < PORT_MAX; slot++) {
		struct tap *t = p->tap[slot];

		if (t == NULL)
			continue;
		if (!atomic_load_explicit(&t->gone, memory_order_relaxed)) {
			tap_set_carrier(t, net->port[slot]->link);
			continue;
		}
		log_error("port %s: somebody has deleted %s; `config apply` makes it anew", t->port,
			t->name);
		turn_off(net, slot);
	}
}

/* --- groups --- */

static int by_mac(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static bool same_groups(const struct punt_groups *a, const struct punt_groups *b)
{
	return (a == NULL ? 0 : a->n) == b->n &&
	       (b->n == 0 || memcmp(a->mac, b->mac, b->n * sizeof(a->mac[0])) == 0);
}

int punt_groups(struct net *net, struct port *p, const uint8_t (*macs)[6], uint32_t n)
{
	struct punt_groups *old = atomic_load(&p->groups), *new, g = {0};

	for (uint32_t i = 0; i < n && g.n < PUNT_GROUPS; i++)
		if (eth_is_group(macs[i]))
			g.mac[g.n++] = eth_mac_u48(macs[i]);
	qsort(g.mac, g.n, sizeof(g.mac[0]), by_mac);
	if (same_groups(old, &g))
		return 0;
	new = malloc(sizeof(*new));
	if (new == NULL)
		return -ENOMEM;
	*new = g;
	if (n > PUNT_GROUPS)
		log_warning("port %s: the kernel has joined %u groups; %u are taken", p->name, n,
			PUNT_GROUPS);
	atomic_store_explicit(&p->groups, new, memory_order_release);
	if (old != NULL)
		epoch_defer(net->epoch, free, old);
	return 0;
}

uint32_t punt_joins(const struct net *net)
{
	return net->punt == NULL ? 0 : atomic_load(&net->punt->joins);
}

/* --- looks --- */

static struct pair_count read_pair(const struct pair_count *c)
{
	return (struct pair_count){__atomic_load_n(&c->packets, __ATOMIC_RELAXED),
		__atomic_load_n(&c->bytes, __ATOMIC_RELAXED)};
}

bool punt_info(const struct net *net, const struct port *p, struct punt_info *info)
{
	const struct tap *t = net->punt == NULL ? NULL : net->punt->tap[p->slot];
	const struct punt_groups *g = atomic_load(&p->groups);

	if (t == NULL)
		return false;
	*info = (struct punt_info){
		.name = t->name,
		.to_kernel = read_pair(&t->to_kernel),
		.from_kernel = read_pair(&t->from_kernel),
		.refused = __atomic_load_n(&t->refused, __ATOMIC_RELAXED),
		.carrier = t->carrier,
		.groups = g == NULL ? 0 : g->n,
	};
	return true;
}

/* --- the end --- */

void punt_stop(struct net *net)
{
	struct punt *p = net->punt;

	if (p == NULL || !p->runs)
		return;
	atomic_store(&p->stop, true);
	bell_ring(&p->bell);
	pthread_join(p->thread, NULL);
	p->runs = false;
}

void punt_free(struct net *net)
{
	struct punt *p = net->punt;

	if (p == NULL)
		return;
	punt_stop(net);
	punt_abandon(net);
	for (int i = 0; i < PORT_MAX; i++)
		tap_close(p->tap[i]);
	while (p->ending != NULL) {
		struct tap *t = p->ending;

		p->ending = t->next_ending;
		tap_close(t);
	}
	if (p->epoll >= 0)
		close(p->epoll);
	bell_close(&p->bell);
	mailbox_free(p->orders);
	free(p->surplus);
	net->punt = NULL;
	free(p);
}
