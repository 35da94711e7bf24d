/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Workers' counters are read while they count: each is a single load, and two of them need not
 * belong together. What must add up, the books, is taken by snapshots (show_counters()).
 */
#include "show.h"

#include "app.h"
#include "config/conf.h"
#include "json.h"
#include "lb/lb.h"
#include "loop.h"
#include "net/absent.h"
#include "net/kernel.h"
#include "net/net.h"
#include "net/port.h"
#include "net/punt.h"

#include <rte_ethdev.h>

#include <stdlib.h>

#define SNAPSHOT_MS 1000

/* --- ports and interfaces --- */

static json_t *addresses(const struct iface *f)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < f->n_addrs; i++)
		json_array_append_new(list, json_prefix(f->addrs[i].addr, f->addrs[i].depth));
	return list;
}

static json_t *iface_mac(const struct iface *f)
{
	uint8_t mac[ETH_MAC_LEN];

	eth_mac_store(mac, f->mac);
	return f->mac != 0 ? json_mac(mac) : json_null();
}

static json_t *vlans(const struct net *net, const struct port *p)
{
	json_t *list = json_array();

	for (int i = 1; i < IFACE_MAX; i++) {
		const struct iface *f = &net->iface[i];

		if (f->name[0] != 0 && f->slot == p->slot && f->vlan != 0)
			json_array_append_new(
				list, json_pack("{s:i, s:s, s:i, s:o}", "vlan", f->vlan, "name",
					      f->name, "mtu", f->mtu, "addresses", addresses(f)));
	}
	return list;
}

static json_t *offloads(const struct port *p)
{
	struct port_work works[PORT_WORKS];
	uint32_t n = port_offloads(p, works);
	json_t *list = json_array();

	for (uint32_t i = 0; i < n; i++)
		json_array_append_new(
			list, json_pack("{s:s, s:s}", "work", works[i].what, "by", works[i].who));
	return list;
}

/* What the device itself counts. */
static void port_counts(const struct port *p, json_t *row)
{
	struct rte_eth_stats stats = {0};

	if (rte_eth_stats_get(p->device, &stats) != 0)
		return;
	json_object_set_new(row, "rx_packets", json_count(stats.ipackets));
	json_object_set_new(row, "rx_bytes", json_count(stats.ibytes));
	json_object_set_new(row, "tx_packets", json_count(stats.opackets));
	json_object_set_new(row, "tx_bytes", json_count(stats.obytes));
	json_object_set_new(row, "rx_missed", json_count(stats.imissed));
	json_object_set_new(row, "rx_errors", json_count(stats.ierrors));
	json_object_set_new(row, "rx_nombuf", json_count(stats.rx_nombuf));
	json_object_set_new(row, "tx_errors", json_count(stats.oerrors));
}

static json_t *port_row(const struct net *net, const struct port *p)
{
	const struct iface *f = &net->iface[p->iface];
	struct rte_eth_dev_info info = {0};
	struct rte_eth_link link = {0};
	json_t *row, *speed = json_null();

	if (rte_eth_dev_info_get(p->device, &info) != 0)
		info.driver_name = "";
	if (rte_eth_link_get_nowait(p->device, &link) == 0 && p->link &&
		link.link_speed != RTE_ETH_SPEED_NUM_UNKNOWN)
		speed = json_integer(link.link_speed);
	row = json_pack("{s:s, s:s, s:s, s:s, s:o, s:i, s:s, s:i, s:o, s:i, s:i, s:i}", "name",
		p->name, "state", "open", "device", p->devname, "driver", info.driver_name, "mac",
		iface_mac(f), "mtu", f->mtu, "link", p->link ? "up" : "down", "link_changes",
		(int)p->link_log.changes, "speed_mbps", speed, "numa", p->node, "rx_queues",
		p->n_rxq, "tx_queues", p->n_txq);
	port_counts(p, row);
	json_object_set_new(row, "addresses", addresses(f));
	json_object_set_new(row, "vlans", vlans(net, p));
	json_object_set_new(row, "offloads", offloads(p));
	return row;
}

/* A port of the configuration that there is not. */
static json_t *absent_row(const struct absent *a)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:[], s:[]}", "name", a->name, "state",
		"failed", "device", a->device, "link", "down", "error", a->why.text, "addresses",
		"offloads");
}

json_t *show_ports(struct app *app, struct call *call)
{
	const struct absents *absents = absent_ports(app->net);
	json_t *list = json_array();

	(void)call;
	for (int i = 0; i < PORT_MAX; i++)
		if (app->net->port[i] != NULL)
			json_array_append_new(list, port_row(app->net, app->net->port[i]));
	for (uint32_t i = 0; i < absents->n; i++)
		json_array_append_new(list, absent_row(&absents->list[i]));
	return list;
}

static json_t *iface_row(const struct net *net, uint16_t index)
{
	const struct iface *f = &net->iface[index];
	const struct port *p = index == IFACE_LOOPBACK ? NULL : net->port[f->slot];
	struct pair_count received = iface_received(net, index);

	return json_pack("{s:s, s:s?, s:i, s:o, s:i, s:s, s:o, s:o, s:o}", "name", f->name, "port",
		p != NULL ? p->name : NULL, "vlan", f->vlan, "mac", iface_mac(f), "mtu", f->mtu,
		"state", f->flags & IFACE_UP ? "up" : "down", "addresses", addresses(f),
		"rx_packets", json_count(received.packets), "rx_bytes", json_count(received.bytes));
}

json_t *show_interfaces(struct app *app, struct call *call)
{
	json_t *list = json_array();

	(void)call;
	for (uint16_t i = 0; i < IFACE_MAX; i++)
		if (app->net->iface[i].name[0] != 0)
			json_array_append_new(list, iface_row(app->net, i));
	return list;
}

static json_t *kernel_row(const struct port *p, const struct punt_info *i, const char *netns)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:i, s:o, s:o, s:o, s:o, s:o}", "port", p->name,
		"interface", i->name, "netns", netns, "carrier", i->carrier ? "up" : "down",
		"groups", i->groups, "to_kernel_packets", json_count(i->to_kernel.packets),
		"to_kernel_bytes", json_count(i->to_kernel.bytes), "refused",
		json_count(i->refused), "from_kernel_packets", json_count(i->from_kernel.packets),
		"from_kernel_bytes", json_count(i->from_kernel.bytes));
}

json_t *show_kernel(struct app *app, struct call *call)
{
	json_t *list = json_array();
	struct punt_info info;

	(void)call;
	for (int i = 0; i < PORT_MAX; i++) {
		const struct port *p = app->net->port[i];

		if (p != NULL && punt_info(app->net, p, &info))
			json_array_append_new(
				list, kernel_row(p, &info, app->conf->ports.kernel_netns));
	}
	return list;
}

static void link_row(const struct kernel_link *l, void *list)
{
	json_array_append_new(list, json_pack("{s:s, s:I, s:b}", "interface", l->name, "index",
					    (json_int_t)l->index, "up", l->up));
}

/* What becomes of the kernel's routes. */
static json_t *fates(const struct kernel_counts *c)
{
	json_t *list = json_array();

	for (int f = 0; f < KERNEL_FATES_MAX; f++)
		json_array_append_new(
			list, json_pack("{s:s, s:o, s:s}", "fate", kernel_fate_name(f), "count",
				      json_count(c->fate[f]), "text", kernel_fate_text(f)));
	return list;
}

json_t *show_netlink(struct app *app, struct call *call)
{
	struct kernel_counts c = kernel_counts(app->net);
	json_t *links = json_array(), *counters = json_object();

	(void)call;
	kernel_links(app->net, link_row, links);
#define X(name) json_object_set_new(counters, #name, json_count(c.name));
	KERNEL_COUNTS(X)
#undef X
	return json_pack("{s:b, s:b, s:o, s:o, s:o}", "on", c.on, "synced", c.synced, "interfaces",
		links, "fates", fates(&c), "counters", counters);
}

/* --- workers and stages --- */

static int first_cpu(unsigned int lcore)
{
	rte_cpuset_t set = rte_lcore_cpuset(lcore);

	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &set))
			return cpu;
	return -1;
}

static json_t *rx_queues(struct worker *w)
{
	const struct rxq_list *l = atomic_load_explicit(&w->rxqs, memory_order_relaxed);
	json_t *list = json_array();

	for (uint32_t i = 0; l != NULL && i < l->n; i++) {
		const struct rxq *q = &l->q[i];

		json_array_append_new(
			list, json_pack("{s:s, s:i}", "port", w->net->iface[q->iface].name, "queue",
				      q->queue));
	}
	return list;
}

json_t *show_workers(struct app *app, struct call *call)
{
	json_t *list = json_array();

	(void)call;
	for (uint16_t i = 0; i < app->net->n_workers; i++) {
		struct worker *w = app->net->worker[i];

		json_array_append_new(list,
			json_pack("{s:i, s:i, s:i, s:i, s:o, s:i, s:o, s:o, s:o, s:o, s:o}", "id",
				w->id, "cpu", first_cpu(w->lcore), "numa", w->node, "lcore",
				w->lcore, "rx_queues", rx_queues(w), "busy_percent", app->load[i],
				"passes", json_count(w->passes - w->skipped), "idle",
				json_count(w->idle_passes), "sleeps", json_count(w->sleeps),
				"handed_in", json_count(w->books.handed_in), "handed_out",
				json_count(w->books.handed_out)));
	}
	return list;
}

/* a / b with one decimal, or null. */
static json_t *ratio(uint64_t a, uint64_t b)
{
	return b == 0 ? json_null() : json_real((double)(a * 10 / b) / 10);
}

static json_t *stage_row(const struct worker *w, enum stage_id s)
{
	const struct stage_count *c = &w->stage[s];

	return json_pack("{s:i, s:s, s:o, s:o, s:o, s:o, s:s}", "worker", w->id, "stage",
		stage_name(s), "calls", json_count(c->calls), "packets", json_count(c->packets),
		"packets_per_call", ratio(c->packets, c->calls), "cycles_per_packet",
		ratio(c->timed_ticks, c->timed_packets), "text", stage_text(s));
}

json_t *show_stages(struct app *app, struct call *call)
{
	json_t *list = json_array();

	(void)call;
	for (uint16_t i = 0; i < app->net->n_workers; i++)
		for (int s = 0; s < STAGE_MAX; s++)
			json_array_append_new(
				list, stage_row(app->net->worker[i], (enum stage_id)s));
	return list;
}

/* --- drops --- */

struct drop_count {
	enum drop_reason reason;
	uint64_t count;
};

static int by_count(const void *a, const void *b)
{
	const struct drop_count *x = a, *y = b;

	if (x->count != y->count)
		return x->count > y->count ? -1 : 1;
	return (x->reason > y->reason) - (x->reason < y->reason);
}

json_t *show_drops(struct app *app, struct call *call)
{
	struct drop_count drops[DROP_MAX];
	json_t *list = json_array();

	(void)call;
	for (int r = 0; r < DROP_MAX; r++) {
		drops[r] = (struct drop_count){.reason = (enum drop_reason)r};
		for (uint16_t i = 0; i < app->net->n_workers; i++)
			drops[r].count += app->net->worker[i]->books.drop[r];
	}
	qsort(drops, DROP_MAX, sizeof(*drops), by_count);
	for (int i = 0; i < DROP_MAX; i++)
		json_array_append_new(list,
			json_pack("{s:s, s:o, s:s}", "reason", drop_name(drops[i].reason), "count",
				json_count(drops[i].count), "text", drop_text(drops[i].reason)));
	return list;
}

/* --- counters --- */

static uint64_t all_drops(const struct books *b)
{
	uint64_t sum = 0;

	for (int r = 0; r < DROP_MAX; r++)
		sum += b->drop[r];
	return sum;
}

static bool is_balanced(const struct books *b)
{
	return b->rx + b->originated + b->handed_in ==
	       b->tx + b->consumed + b->handed_out + b->held + all_drops(b);
}

static void add(struct books *sum, const struct books *b)
{
	sum->rx += b->rx;
	sum->originated += b->originated;
	sum->tx += b->tx;
	sum->consumed += b->consumed;
	sum->handed_in += b->handed_in;
	sum->handed_out += b->handed_out;
	sum->held += b->held;
	for (int r = 0; r < DROP_MAX; r++)
		sum->drop[r] += b->drop[r];
}

/* The books as a whole; what is on its way between workers is held. */
static json_t *totals(const struct books *all, bool balanced)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:b}", "rx", json_count(all->rx),
		"originated", json_count(all->originated), "tx", json_count(all->tx), "consumed",
		json_count(all->consumed), "held",
		json_count(all->held + all->handed_out - all->handed_in), "drops",
		json_count(all_drops(all)), "balanced", balanced);
}

static json_t *worker_books_row(uint16_t id, const struct books *b)
{
	json_t *row = totals(b, is_balanced(b));

	json_object_set_new(row, "id", json_integer(id));
	json_object_set_new(row, "held", json_count(b->held));
	json_object_set_new(row, "handed_in", json_count(b->handed_in));
	json_object_set_new(row, "handed_out", json_count(b->handed_out));
	return row;
}

static void counters(const struct net *net, json_t *result)
{
	for (int c = 0; c < COUNT_MAX; c++) {
		uint64_t sum = 0;

		for (uint16_t i = 0; i < net->n_workers; i++)
			sum += net->worker[i]->count[c];
		json_object_set_new(result, counter_name((enum counter)c), json_count(sum));
	}
}

/* What devices lost before it entered the books. */
static json_t *nic(const struct net *net)
{
	struct rte_eth_stats all = {0}, one;

	for (int i = 0; i < PORT_MAX; i++) {
		if (net->port[i] == NULL || rte_eth_stats_get(net->port[i]->device, &one) != 0)
			continue;
		all.imissed += one.imissed;
		all.ierrors += one.ierrors;
		all.rx_nombuf += one.rx_nombuf;
	}
	return json_pack("{s:o, s:o, s:o}", "imissed", json_count(all.imissed), "ierrors",
		json_count(all.ierrors), "rx_nombuf", json_count(all.rx_nombuf));
}

static json_t *mbufs(const struct net *net)
{
	uint64_t in_use = 0, size = 0;

	for (int node = 0; node < RTE_MAX_NUMA_NODES; node++) {
		if (net->pool[node] == NULL)
			continue;
		in_use += rte_mempool_in_use_count(net->pool[node]);
		size += net->pool[node]->size;
	}
	return json_pack("{s:o, s:o}", "in_use", json_count(in_use), "size", json_count(size));
}

/* The tables of balanced flows. */
static json_t *flows(const struct net *net)
{
	struct flow_count c = lb_flow_count(net);

	return json_pack("{s:o, s:o, s:o, s:o}", "now", json_count(c.flows), "added",
		json_count(c.added), "displaced", json_count(c.displaced), "no_place",
		json_count(c.refused));
}

static json_t *all_counters(const struct app *app)
{
	const struct net *net = app->net;
	json_t *workers = json_array(), *result;
	struct books all = {0};
	bool balanced = true;

	for (uint16_t i = 0; i < net->n_workers; i++) {
		const struct books *b = &app->snapshot.books[i];

		add(&all, b);
		balanced &= is_balanced(b);
		json_array_append_new(workers, worker_books_row(i, b));
	}
	result = totals(&all, balanced);
	counters(net, result);
	json_object_set_new(result, "nic", nic(net));
	json_object_set_new(result, "mbufs", mbufs(net));
	json_object_set_new(result, "flows", flows(net));
	json_object_set_new(result, "workers", workers);
	return result;
}

struct wanted {
	uint64_t round;
	uint64_t until_ms;
};

json_t *show_counters(struct app *app, struct call *call)
{
	struct wanted *wanted = call->state;

	if (wanted == NULL) {
		wanted = malloc(sizeof(*wanted));
		if (wanted == NULL)
			return call_fail(call, RPC_INTERNAL, "no memory");
		wanted->round = snapshot_want(&app->snapshot);
		wanted->until_ms = loop_now_ms(app->loop) + SNAPSHOT_MS;
		call->state = wanted;
		call->state_end = free;
	}
	if (snapshot_ready(&app->snapshot, app->net, wanted->round))
		return all_counters(app);
	if (loop_now_ms(app->loop) > wanted->until_ms)
		return call_fail(
			call, RPC_LATER, "a worker did not answer within %d ms", SNAPSHOT_MS);
	return METHOD_WAITS;
}
