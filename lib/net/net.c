/* SPDX-License-Identifier: BSD-3-Clause */
/* The tables that workers share, from birth to end; and commands to workers. */
#include "net/net.h"

#include "base/numa.h"
#include "net/icmp_limit.h"
#include "net/kernel.h"
#include "net/neigh.h"
#include "net/rarp.h"
#include "net/route.h"
#include "net/udp.h"

#include <errno.h>
#include <stdlib.h>

const struct net_settings net_settings_default = {
	.error_rate = 1000,
	.error_source_rate = 100,
	.error_source_burst = 100,
	.redirects = 1,
	.ttl = 64,
	.park_each = 64,
	.park_total = 1024,
	.park_ms = 5000,
	.reasm_datagrams = 256,
	.reasm_fragments = 64,
	.reasm_ms = 60000, /* RFC 1122 3.3.2: 60 to 120 s */
	.punt_rate = 10000,
};

const struct net_limits net_limits_default = {
	.routes = 1048576,
	.tbl8 = 8192,
	.adjacencies = 65536,
	.groups = 1024,
	.mbufs = 16384,
	.mbuf_size = 2048,
	.punt_queue = 1024,
};

static int make_tables(struct net *net)
{
	const struct net_limits *l = &net->limits;
	struct rib4_conf rib = {.max_routes = l->routes, .max_tbl8 = l->tbl8, .node = -1};

	net->adj = numa_take(l->adjacencies * sizeof(*net->adj), -1);
	net->group = numa_take(l->groups * sizeof(*net->group), -1);
	net->iface = numa_take(IFACE_MAX * sizeof(*net->iface), -1);
	net->epoch = epoch_new(WORKER_MAX);
	net->icmp_limit = icmp_limit_new(-1);
	if (net->adj == NULL || net->group == NULL || net->iface == NULL || net->epoch == NULL ||
		net->icmp_limit == NULL)
		return -ENOMEM;
	net->rib = rib4_new(&rib, net->epoch);
	if (net->rib == NULL)
		return -ENOMEM;
	net->fib = rib4_fib(net->rib);
	strcpy(net->iface[IFACE_LOOPBACK].name, "lo");
	net->iface[IFACE_LOOPBACK].flags = IFACE_UP;
	return 0;
}

int net_new(struct net **made, const struct net_limits *limits)
{
	struct net *net = aligned_alloc(64, (sizeof(*net) + 63) & ~(size_t)63);
	int rc;

	if (net == NULL)
		return -ENOMEM;
	memset(net, 0, sizeof(*net));
	net->limits = *limits;
	net->set = net_settings_default;
	net->sys = "/sys";
	net->bell.fd = -1;
	rc = make_tables(net);
	if (rc == 0)
		rc = bell_open(&net->bell);
	if (rc == 0)
		rc = neigh_new(net);
	if (rc == 0)
		rc = route_new(net);
	if (rc == 0)
		rc = kernel_new(net);
	if (rc < 0) {
		net_free(net);
		return rc;
	}
	*made = net;
	return 0;
}

void net_free(struct net *net)
{
	if (net == NULL)
		return;
	kernel_free(net);
	if (net->routes != NULL)
		route_free(net);
	if (net->neigh != NULL)
		neigh_free(net);
	rarp_free(net);
	udp_free(net);
	rib4_free(net->rib);
	epoch_free(net->epoch);
	icmp_limit_free(net->icmp_limit);
	errs_clear(&net->made_do);
	bell_close(&net->bell);
	numa_drop(net->adj, net->limits.adjacencies * sizeof(*net->adj));
	numa_drop(net->group, net->limits.groups * sizeof(*net->group));
	numa_drop(net->iface, IFACE_MAX * sizeof(*net->iface));
	free(net);
}

int net_command(struct net *net, uint16_t worker, const struct command *c)
{
	struct worker *w = net->worker[worker];

	if (!mailbox_post(w->commands, c))
		return -EAGAIN;
	bell_ring(&w->bell);
	return 0;
}
