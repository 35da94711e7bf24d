/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The whole router from rx to tx on a preloaded ring: real 64-byte packets that circulate, a
 * million routes, 16 next hops, every check and every counter on.
 *
 * One ring is both the receive and the transmit queue of one device. The next hops' MAC is the
 * port's own, so that what is sent is received again; it goes out by a second interface, as it
 * does in a router. A packet lives 250 laps: TTL and checksum are put back between slices, outside
 * the clock. Each bench asserts that every packet was forwarded and none dropped.
 */
#include "measure.h"
#include "net/net.h"
#include "pipelines/router.h"
#include "wire/udp_hdr.h"

#include "routes.h"

#include <rte_eth_ring.h>
#include <rte_ethdev.h>

#include <stdio.h>
#include <stdlib.h>

#define RING	  131072
#define NEXT_HOPS 16
#define LAPS	  200
#define FRAME	  60 /* 64 with the FCS */
#define ROUTES	  1000000
#define LONG	  2000

static struct {
	struct net *net;
	struct worker *w;
	uint16_t device;
	struct rte_ring *ring;
	struct rte_mempool *pool;
	struct route_prefix *routes;
	uint32_t n_routes;
} bench;

/* What one row circulates. */
struct flight {
	uint32_t packets;
	uint32_t prefixes;
	uint32_t laps; /* of one slice */
	uint32_t used; /* laps since TTLs were put back */
};

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "bench_router: %s\n", what);
	exit(1);
}

static void make_net(void)
{
	struct net_limits limits = net_limits_default;
	static const uint8_t mac[6] = {2, 0, 0, 0, 0, 1};
	uint32_t hops[NEXT_HOPS];

	limits.routes = bench.n_routes + 64;
	limits.tbl8 = 4096;
	must(net_new(&bench.net, &limits) == 0, "no memory for the tables");
	bench.net->n_workers = 1;
	bench.w = worker_new(bench.net, 0, 1, -1, bench.pool);
	must(bench.w != NULL, "no memory for the worker");
	bench.net->worker[0] = bench.w;
	for (uint16_t i = 1; i <= 2; i++) {
		struct iface *f = &bench.net->iface[i];

		f->mac = eth_mac_u48(mac);
		f->flags = IFACE_UP;
		f->mtu = 1500;
		f->slot = i - 1;
	}
	for (uint32_t i = 0; i < NEXT_HOPS; i++) {
		hops[i] = adj_take(bench.net);
		adj_set(bench.net, hops[i], 2, ip4_addr(198, 18, 1, (uint8_t)(i + 1)), mac);
	}
	for (uint32_t i = 0; i < bench.n_routes; i++) {
		fib_entry e = fib_entry_make(FIB_FORWARD, hops[i % NEXT_HOPS]);

		must(rib4_add(bench.net->rib, bench.routes[i].prefix, bench.routes[i].depth,
			     RIB4_STATIC, 1, 0, e) == 0,
			"a route was refused");
	}
	while (rib4_pending(bench.net->rib) > 0)
		rib4_poll(bench.net->rib, UINT64_MAX);
}

static void make_device(void)
{
	struct rte_eth_conf conf = {0};
	struct rxq_list *l = calloc(1, sizeof(*l) + sizeof(l->q[0]));
	int id;

	bench.ring = rte_ring_create("laps", RING, 0, RING_F_SP_ENQ | RING_F_SC_DEQ);
	must(bench.ring != NULL && l != NULL, "no memory for the ring");
	id = rte_eth_from_rings("laps", &bench.ring, 1, &bench.ring, 1, 0);
	must(id >= 0, "no device from the ring");
	bench.device = (uint16_t)id;
	must(rte_eth_dev_configure(bench.device, 1, 1, &conf) == 0 &&
			rte_eth_rx_queue_setup(bench.device, 0, 512, 0, NULL, bench.pool) == 0 &&
			rte_eth_tx_queue_setup(bench.device, 0, 512, 0, NULL) == 0 &&
			rte_eth_dev_start(bench.device) == 0,
		"the device did not start");
	l->n = 1;
	l->q[0] = (struct rxq){bench.device, 0, 1, 0, -1};
	bench.w->rxqs = l;
	bench.w->n_slots = 2;
	for (int slot = 0; slot < 2; slot++) {
		bench.w->tx[slot].device = bench.device;
		bench.w->tx[slot].ready = 1;
		bench.w->tx[slot].via = -1;
	}
}

static void write_packet(struct rte_mbuf *m, uint32_t dst, uint32_t number)
{
	static const uint8_t mac[6] = {2, 0, 0, 0, 0, 1};
	struct ip4_fields f = {.total_len = FRAME - ETH_HDR_LEN,
		.ttl = 255,
		.proto = IP4_PROTO_UDP,
		.src = ip4_addr(100, 64, 0, 1) + number % 65536,
		.dst = dst};
	char *frame = rte_pktmbuf_append(m, FRAME);

	must(frame != NULL, "a buffer is too short");
	memset(frame, 0, FRAME);
	eth_hdr_build((struct eth_hdr *)frame, mac, mac, ETH_TYPE_IP4);
	ip4_hdr_build((struct ip4_hdr *)(frame + ETH_HDR_LEN), &f);
}

/* An address of its prefix; every one of them hits, which is asserted. */
static uint32_t address_in(uint32_t route, uint32_t number)
{
	const struct route_prefix *r = &bench.routes[route];
	uint32_t host = number * 2654435761u & ~depth_mask(r->depth);

	return r->prefix | host;
}

static void load(const struct flight *f)
{
	struct rte_mbuf *m;

	while (rte_ring_sc_dequeue(bench.ring, (void **)&m) == 0)
		rte_pktmbuf_free(m);
	for (uint32_t i = 0; i < f->packets; i++) {
		uint32_t dst = address_in(i % f->prefixes, i);

		/* the mix has prefixes in 127/8 and 169.254/16 */
		if (ip4_dst_is_martian(dst) || ip4_is_link_local(dst))
			dst = address_in(0, i);

		must(fib_entry_kind(fib4_lookup(bench.net->fib, dst)) == FIB_FORWARD,
			"a packet's destination has no route");
		m = rte_pktmbuf_alloc(bench.pool);
		must(m != NULL, "no buffer");
		write_packet(m, dst, i);
		rte_ring_sp_enqueue(bench.ring, m);
	}
}

static void restore(void *arg)
{
	struct flight *f = arg;
	struct rte_mbuf *m;

	if (f->used + f->laps < LAPS)
		return;
	for (uint32_t i = 0; i < f->packets; i++) {
		struct ip4_hdr *ip;

		must(rte_ring_sc_dequeue(bench.ring, (void **)&m) == 0, "a packet was lost");
		ip = pkt_ip4(m);
		ip->ttl = 255;
		ip4_hdr_csum_set(ip);
		rte_ring_sp_enqueue(bench.ring, m);
	}
	f->used = 0;
}

static uint64_t slice(void *arg)
{
	struct flight *f = arg;
	uint64_t goal = (uint64_t)f->packets * f->laps, done = 0;

	while (done < goal)
		done += router(bench.w);
	f->used += f->laps;
	return done;
}

static uint64_t floor_slice(void *arg)
{
	struct flight *f = arg;
	uint64_t goal = (uint64_t)f->packets * f->laps, done = 0;
	struct rte_mbuf *burst[RX_BUDGET];

	while (done < goal) {
		uint16_t n = rte_eth_rx_burst(bench.device, 0, burst, RX_BUDGET);

		done += rte_eth_tx_burst(bench.device, 0, burst, n);
	}
	return done;
}

static void assert_clean(const struct flight *f)
{
	for (int r = 0; r < DROP_MAX; r++)
		must(bench.w->books.drop[r] == 0, "a packet was dropped");
	must(bench.w->books.rx == bench.w->books.tx &&
			bench.w->count[COUNT_ip4_forwarded] == bench.w->books.tx,
		"a packet was not forwarded");
	must(rte_ring_count(bench.ring) == f->packets, "a packet was lost");
}

/* Stage by stage, from the passes whose time was taken. */
static void report_stages(struct gbench *b)
{
	static const enum stage_id shown[] = {
		STAGE_rx, STAGE_check, STAGE_fib_in, STAGE_forward, STAGE_tx};

	for (size_t i = 0; i < RTE_DIM(shown); i++) {
		struct stage_count *c = &bench.w->stage[shown[i]];
		uint64_t packets = RTE_MAX(c->timed_packets, UINT64_C(1));

		gbench_counter(b, stage_name(shown[i]), (double)c->timed_ticks / (double)packets);
	}
}

static void bench_router(struct gbench *b, void *arg)
{
	struct flight *f = arg;

	load(f);
	f->used = 0;
	memset(bench.w->stage, 0, sizeof(bench.w->stage));
	slice(f); /* the caches and the branch predictor are warm from the first slice on */
	measure_slices(b, slice, restore, f);
	report_stages(b);
	assert_clean(f);
}

static void bench_floor(struct gbench *b, void *arg)
{
	load(arg);
	measure_slices(b, floor_slice, NULL, arg);
}

static uint64_t empty_slice(void *arg)
{
	(void)arg;
	for (int i = 0; i < 20000; i++)
		router(bench.w);
	return 20000;
}

/* What of an empty pass is the device's: its receive function, which finds nothing. */
static uint64_t empty_poll_slice(void *arg)
{
	struct rte_mbuf *burst[RX_BUDGET];

	(void)arg;
	for (int i = 0; i < 20000; i++)
		gbench_keep(rte_eth_rx_burst(bench.device, 0, burst, RX_BUDGET));
	return 20000;
}

static void empty_ring(void)
{
	struct rte_mbuf *m;

	while (rte_ring_sc_dequeue(bench.ring, (void **)&m) == 0)
		rte_pktmbuf_free(m);
}

static void bench_empty(struct gbench *b, void *arg)
{
	empty_ring();
	measure_slices(b, empty_slice, NULL, arg);
}

/* Every lane, every source and the tx lanes; the list of receive queues has none. */
static void bench_empty_lanes(struct gbench *b, void *arg)
{
	struct rxq_list *l = bench.w->rxqs;
	uint32_t n = l->n;

	empty_ring();
	l->n = 0;
	measure_slices(b, empty_slice, NULL, arg);
	l->n = n;
}

static void bench_empty_poll(struct gbench *b, void *arg)
{
	empty_ring();
	measure_slices(b, empty_poll_slice, NULL, arg);
}

int main(int argc, char **argv)
{
	static struct flight one = {1024, 1, 20, 0}, some = {1024, 1024, 20, 0},
			     many = {65536, 65536, 1, 0};
	uint32_t routes = measure_short() ? 100000 : ROUTES;

	measure_eal(256);
	bench.pool = rte_pktmbuf_pool_create("packets", 70000, 512, 0, 2048 + 128, 0);
	must(bench.pool != NULL, "no memory for packets");
	bench.n_routes = routes + LONG;
	bench.routes = calloc(bench.n_routes, sizeof(*bench.routes));
	must(bench.routes != NULL, "no memory for routes");
	routes_mix(bench.routes, routes, LONG, 1);
	make_net();
	make_device();
	gbench_add("router/floor rx tx, 1024 packets/ring", bench_floor, &some);
	gbench_add("router/1 prefix/millrace", bench_router, &one);
	gbench_add("router/1024 prefixes/millrace", bench_router, &some);
	gbench_add("router/65536 prefixes/millrace", bench_router, &many);
	gbench_add("router/empty pass/millrace", bench_empty, NULL);
	gbench_add("router/empty pass/all lanes and sources, no device", bench_empty_lanes, NULL);
	gbench_add("router/empty pass/device alone", bench_empty_poll, NULL);
	return gbench_run(argc, argv);
}
