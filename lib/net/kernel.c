/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reads what the kernel tells, and now and then everything that it has: at the start, when
 * messages were lost, and when the kernel is known to drop routes without a word (an interface or
 * an address that goes). Everything comes in one order on one socket, so what is told while a dump
 * is under way is newer than what the dump said before.
 */
#include "net/kernel.h"

#include "base/log.h"
#include "kernel_table.h"
#include "net/net.h"
#include "net/port.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>

#define SOON_MS	  20   /* several changes are often told one after the other */
#define PAUSE_MS  1000 /* between two readings of everything */
#define LOOK_EACH 16   /* messages between two looks at the clock */

const struct kernel_conf kernel_conf_default = {
	.table = RT_TABLE_MAIN,
	.protocol = 77,
	.buffer = 4 << 20,
	.preference = 20,
	.take_routes = true,
	.take_addresses = true,
	.take_neighbours = true,
	.give_routes = true,
	.give_neighbours = true,
};

const char *kernel_fate_name(enum kernel_fate f)
{
	static const char *const names[] = {
#define X(name, text) [KERNEL_##name] = #name,
		KERNEL_FATES(X)
#undef X
	};

	return names[f];
}

const char *kernel_fate_text(enum kernel_fate f)
{
	static const char *const texts[] = {
#define X(name, text) [KERNEL_##name] = text,
		KERNEL_FATES(X)
#undef X
	};

	return texts[f];
}

int kernel_new(struct net *net)
{
	struct kernel *k = calloc(1, sizeof(*k));
	int rc;

	if (k == NULL)
		return -ENOMEM;
	net->kernel = k;
	k->conf = kernel_conf_default;
	k->rtnl = (struct rtnl){.events = -1, .asking = -1};
	k->topology = 1;
	rc = kernel_hops_new(k);
	if (rc == 0)
		rc = kernel_neighs_new(net);
	if (rc == 0)
		rc = kernel_routes_new(net);
	if (rc < 0)
		kernel_free(net);
	return rc;
}

void kernel_free(struct net *net)
{
	struct kernel *k = net->kernel;

	if (k == NULL)
		return;
	if (k->on)
		kernel_links_leave(net);
	kernel_routes_free(net);
	kernel_neighs_free(net);
	kernel_hops_free(k);
	rtnl_close(&k->rtnl);
	kernel_groups_close(k);
	for (uint32_t i = 0; i < k->n_links; i++)
		free(k->link[i]);
	free(k);
	net->kernel = NULL;
}

int kernel_ask(struct net *net, struct rtnl_request *q, int expected, const char *what)
{
	struct kernel *k = net->kernel;
	int rc = rtnl_ask(&k->rtnl, q);

	if (rc == 0 || rc == expected || rc == -ENODEV) /* its interface has just gone */
		return rc;
	k->counts.refused++;
	log_detail("kernel: %s: %s", what, strerror(-rc));
	return rc;
}

/* --- reading everything --- */

void kernel_again(struct net *net, ticks now)
{
	struct kernel *k = net->kernel;
	ticks soon = now + clock_of_ms(SOON_MS);

	if (k->read_at != 0 && k->read_at + clock_of_ms(PAUSE_MS) > soon)
		soon = k->read_at + clock_of_ms(PAUSE_MS);
	if (!k->again)
		k->again_at = soon;
	k->again = true;
}

static void dump(struct net *net, enum kernel_stage stage, ticks now)
{
	static const uint16_t types[] = {
		[DUMP_LINKS] = RTM_GETLINK,
		[DUMP_ADDRS] = RTM_GETADDR,
		[DUMP_NEIGHS] = RTM_GETNEIGH,
		[DUMP_NEXTHOPS] = RTM_GETNEXTHOP,
		[DUMP_ROUTES] = RTM_GETROUTE,
	};
	struct kernel *k = net->kernel;
	int rc = rtnl_dump(&k->rtnl, types[stage], k->conf.table);

	k->stage = rc < 0 ? KERNEL_IDLE : stage;
	if (rc == 0)
		return;
	log_error("kernel: it cannot be asked: %s", strerror(-rc));
	k->read_at = now;
	kernel_again(net, now);
}

static void begin(struct net *net, ticks now)
{
	struct kernel *k = net->kernel;

	k->again = false;
	k->disturbed = k->nudged = false;
	k->round++;
	dump(net, DUMP_LINKS, now);
}

static void round_over(struct net *net, ticks now)
{
	struct kernel *k = net->kernel;

	k->stage = KERNEL_IDLE;
	k->read_at = now;
	k->counts.interrupted += k->disturbed;
	k->counts.resyncs += !k->disturbed;
	if (k->disturbed)
		kernel_again(net, now);
	if (!k->counts.synced)
		kernel_routes_give_all(net);
	k->counts.synced = true;
	kernel_routes_walk(net, !k->disturbed);
}

/* One of the dumps is over. */
static void next_stage(struct net *net, int error, ticks now)
{
	struct kernel *k = net->kernel;

	k->rtnl.dump = 0;
	/* no such table yet; no nexthop objects before Linux 5.3 */
	k->disturbed |= error != 0 && error != -ENOENT && error != -EOPNOTSUPP;
	switch (k->stage) {
	case DUMP_LINKS:
		kernel_links_swept(net, now);
		break;
	case DUMP_ADDRS:
		kernel_links_addrs_swept(net, now);
		break;
	case DUMP_NEIGHS:
		kernel_neighs_swept(net, now);
		break;
	case DUMP_NEXTHOPS:
		kernel_hops_swept(net, now);
		break;
	case DUMP_ROUTES:
		round_over(net, now);
		return;
	default:
		return;
	}
	dump(net, k->stage + 1, now);
}

/* --- what is told --- */

static void told(struct net *net, const struct rtnl_msg *m, ticks now)
{
	struct kernel *k = net->kernel;
	bool of_dump = k->rtnl.dump != 0 && m->sequence == k->rtnl.dump;

	k->counts.messages++;
	k->disturbed |= of_dump && m->interrupted;
	k->nudged = k->nudged && !of_dump;
	switch (m->kind) {
	case RTNL_LINK:
		kernel_links_told(net, m, now);
		return;
	case RTNL_ADDR:
		kernel_links_addr_told(net, m, now);
		return;
	case RTNL_NEIGH:
		kernel_neighs_told(net, m, now);
		return;
	case RTNL_NEXTHOP:
		kernel_hops_nexthop_told(net, m, now);
		return;
	case RTNL_ROUTE:
		kernel_routes_told(net, m);
		return;
	case RTNL_DONE:
	case RTNL_ERROR:
		if (of_dump && m->error == -ENOBUFS)
			k->disturbed = true; /* it has begun, and found no room for its start */
		else if (of_dump)
			next_stage(net, m->error, now);
		return;
	case RTNL_OTHER:
		return;
	}
}

static void lost(struct net *net, int rc, ticks now)
{
	struct kernel *k = net->kernel;

	k->disturbed = true;
	if (rc == -ENOBUFS)
		k->counts.overruns++;
	if (!k->again)
		log_notice("kernel: %s: everything is read again",
			rc == -ENOBUFS ? "messages were lost" : strerror(-rc));
	kernel_again(net, now);
}

/*
 * Nothing can be read, and a dump is under way: it stands still, for want of room a moment ago. Or
 * it never began, and the message that said so was lost.
 */
static void stalled(struct net *net, ticks now)
{
	struct kernel *k = net->kernel;

	if (!k->nudged) {
		k->nudged = true;
		rtnl_nudge(&k->rtnl);
		return;
	}
	k->rtnl.dump = 0;
	k->disturbed = true;
	round_over(net, now);
}

/* True: there may be more. */
static bool read_some(struct net *net, ticks deadline)
{
	struct kernel *k = net->kernel;
	ticks now = clock_now();
	struct rtnl_msg m;

	do {
		for (int i = 0; i < LOOK_EACH; i++) {
			int rc = rtnl_next(&k->rtnl, &m);

			if (rc == 0 && k->stage != KERNEL_IDLE)
				stalled(net, now);
			if (rc == 0)
				return false;
			if (rc == 1) {
				told(net, &m, now);
			} else if (rc == -EBADMSG) {
				k->counts.malformed++;
			} else {
				lost(net, rc, now);
				return false; /* the next turn finds what there still is */
			}
		}
		now = clock_now();
	} while (now < deadline);
	return true;
}

/* --- the configuration --- */

static bool any_port(const struct ports_conf *c)
{
	for (uint32_t i = 0; i < c->n; i++)
		if (c->list[i].kernel[0] != '\0')
			return true;
	return false;
}

int kernel_build(struct net *net, const struct kernel_conf *c, const struct ports_conf *ports,
	struct errs *e)
{
	struct kernel *k = net->kernel;
	int rc = 0;

	k->built = *c;
	k->at_home = ports->kernel_netns[0] == '\0';
	k->wanted = any_port(ports);
	k->opened = k->wanted && !k->on;
	if (k->opened)
		rc = rtnl_open(&k->rtnl, ports->kernel_netns, c->buffer);
	if (k->opened && rc == 0)
		rc = kernel_groups_open(k, ports->kernel_netns);
	if (k->opened && rc == 0)
		rc = route_reserve(net, net->limits.routes);
	if (rc < 0) {
		rtnl_close(&k->rtnl);
		kernel_groups_close(k);
		k->opened = false;
		errs_add(e, (struct conf_pos){0}, "system.kernel", "netlink in namespace `%s`: %s",
			ports->kernel_netns, strerror(-rc));
		return rc;
	}
	k->pending = true;
	return 0;
}

void kernel_abandon(struct net *net)
{
	struct kernel *k = net->kernel;

	if (k->opened) {
		rtnl_close(&k->rtnl);
		kernel_groups_close(k);
	}
	k->opened = false;
	k->pending = false;
	k->wanted = k->counts.on; /* by the ports that are in force */
}

void kernel_publish(struct net *net, ticks now)
{
	struct kernel *k = net->kernel;

	if (!k->pending)
		return;
	k->pending = false;
	k->opened = false;
	k->conf = k->built;
	k->on |= k->wanted;
	k->counts.on = k->wanted;
	if (!k->on)
		return;
	k->topology++;
	if (k->wanted) {
		k->again = false; /* sooner than it may have been put off to */
		k->read_at = 0;
		kernel_again(net, now);
		kernel_links_follow(net, now);
		kernel_neighs_give_all(net);
		kernel_routes_give_all(net);
	} else {
		kernel_links_end(net, now);
		kernel_neighs_end(net, now);
	}
	kernel_routes_walk(net, false);
}

int kernel_fd(const struct net *net)
{
	return net->kernel->on ? net->kernel->rtnl.events : -1;
}

/* No port wants it any more, and the last of the kernel's routes has gone. */
static void close_it(struct net *net)
{
	struct kernel *k = net->kernel;

	kernel_routes_end(net);
	rtnl_close(&k->rtnl);
	kernel_groups_close(k);
	k->on = k->again = false;
	k->counts.synced = false;
	k->stage = KERNEL_IDLE;
	k->read_at = 0;
}

bool kernel_work(struct net *net, ticks deadline)
{
	struct kernel *k = net->kernel;
	ticks now = clock_now();
	bool more;

	if (!k->on)
		return false;
	if (!k->wanted) {
		more = kernel_routes_work(net, deadline);
		if (!more)
			close_it(net);
		return more;
	}
	more = read_some(net, now < deadline ? now + (deadline - now) / 2 : deadline);
	now = clock_now();
	if (k->again && k->stage == KERNEL_IDLE && now >= k->again_at)
		begin(net, now);
	if (k->owing && now >= k->try_at) {
		k->owing = false;
		kernel_routes_give_all(net);
	}
	kernel_groups_work(net, now);
	more |= kernel_neighs_work(net, deadline);
	more |= kernel_routes_work(net, deadline);
	return more;
}

struct kernel_counts kernel_counts(const struct net *net)
{
	const struct kernel *k = net->kernel;
	struct kernel_counts c = k->counts;

	for (uint32_t i = 0; i < k->n_links; i++) {
		const struct iface *f = &net->iface[k->link[i]->iface];

		for (uint32_t j = 0; j < f->n_addrs; j++)
			c.addresses += f->addrs[j].kernels;
	}
	return c;
}

void kernel_links(const struct net *net, void (*fn)(const struct kernel_link *, void *), void *arg)
{
	for (uint32_t i = 0; i < net->kernel->n_links; i++) {
		const struct klink *l = net->kernel->link[i];
		struct kernel_link row = {l->name, l->index, l->iface, l->up};

		fn(&row, arg);
	}
}
