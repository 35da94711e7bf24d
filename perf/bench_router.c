/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The whole router from rx to tx on a preloaded ring: real 64-byte packets that circulate, a
 * million routes, 16 next hops, every check and every counter on.
 *
 * A packet lives 250 laps: TTL and checksum are put back between slices, outside the clock. Each
 * bench asserts that every packet was forwarded and none dropped.
 */
#include "laps.h"
#include "pipelines/router.h"
#include "wire/udp_hdr.h"

#include "routes.h"

#define NEXT_HOPS 16
#define LAPS	  200
#define ROUTES	  1000000
#define LONG	  2000

static struct {
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

static void make_net(void)
{
	struct net_limits limits = net_limits_default;
	uint32_t hops[NEXT_HOPS];

	limits.routes = bench.n_routes + 64;
	limits.tbl8 = 4096;
	laps_net(&limits);
	for (uint32_t i = 0; i < NEXT_HOPS; i++)
		hops[i] = laps_hop(ip4_addr(198, 18, 1, (uint8_t)(i + 1)));
	for (uint32_t i = 0; i < bench.n_routes; i++)
		laps_route(bench.routes[i].prefix, bench.routes[i].depth, hops[i % NEXT_HOPS]);
	laps_routes_done();
}

static void write_packet(struct rte_mbuf *m, uint32_t dst, uint32_t number)
{
	struct ip4_fields f = {.total_len = FRAME - ETH_HDR_LEN,
		.ttl = 255,
		.proto = IP4_PROTO_UDP,
		.src = ip4_addr(100, 64, 0, 1) + number % 65536,
		.dst = dst};
	char *frame = rte_pktmbuf_append(m, FRAME);

	must(frame != NULL, "a buffer is too short");
	memset(frame, 0, FRAME);
	eth_hdr_build((struct eth_hdr *)frame, laps_mac, laps_mac, ETH_TYPE_IP4);
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
	laps_empty();
	for (uint32_t i = 0; i < f->packets; i++) {
		struct rte_mbuf *m;
		uint32_t dst = address_in(i % f->prefixes, i);

		/* the mix has prefixes in 127/8 and 169.254/16 */
		if (ip4_dst_is_martian(dst) || ip4_is_link_local(dst))
			dst = address_in(0, i);

		must(fib_entry_kind(fib4_lookup(laps.net->fib, dst)) == FIB_FORWARD,
			"a packet's destination has no route");
		m = rte_pktmbuf_alloc(laps.pool);
		must(m != NULL, "no buffer");
		write_packet(m, dst, i);
		laps_give(m);
	}
}

static void restore(void *arg)
{
	struct flight *f = arg;

	if (f->used + f->laps < LAPS)
		return;
	for (uint32_t i = 0; i < f->packets; i++) {
		struct rte_mbuf *m = laps_take();
		struct ip4_hdr *ip = pkt_ip4(m);

		ip->ttl = 255;
		ip4_hdr_csum_set(ip);
		laps_give(m);
	}
	f->used = 0;
}

static uint64_t slice(void *arg)
{
	struct flight *f = arg;
	uint64_t goal = (uint64_t)f->packets * f->laps, done = 0;

	while (done < goal)
		done += router(laps.w);
	f->used += f->laps;
	return done;
}

static uint64_t floor_slice(void *arg)
{
	struct flight *f = arg;
	uint64_t goal = (uint64_t)f->packets * f->laps, done = 0;
	struct rte_mbuf *burst[RX_BUDGET];

	while (done < goal) {
		uint16_t n = rte_eth_rx_burst(laps.device, 0, burst, RX_BUDGET);

		done += rte_eth_tx_burst(laps.device, 0, burst, n);
	}
	return done;
}

/* Stage by stage, from the passes whose time was taken. */
static void report_stages(struct gbench *b)
{
	static const enum stage_id shown[] = {
		STAGE_rx, STAGE_check, STAGE_fib_in, STAGE_forward, STAGE_tx};

	for (size_t i = 0; i < RTE_DIM(shown); i++) {
		struct stage_count *c = &laps.w->stage[shown[i]];
		uint64_t packets = RTE_MAX(c->timed_packets, UINT64_C(1));

		gbench_counter(b, stage_name(shown[i]), (double)c->timed_ticks / (double)packets);
	}
}

static void bench_router(struct gbench *b, void *arg)
{
	struct flight *f = arg;

	load(f);
	f->used = 0;
	memset(laps.w->stage, 0, sizeof(laps.w->stage));
	slice(f); /* the caches and the branch predictor are warm from the first slice on */
	measure_slices(b, slice, restore, f);
	report_stages(b);
	laps_are_clean(f->packets);
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
		router(laps.w);
	return 20000;
}

/* What of an empty pass is the device's: its receive function, which finds nothing. */
static uint64_t empty_poll_slice(void *arg)
{
	struct rte_mbuf *burst[RX_BUDGET];

	(void)arg;
	for (int i = 0; i < 20000; i++)
		gbench_keep(rte_eth_rx_burst(laps.device, 0, burst, RX_BUDGET));
	return 20000;
}

static void bench_empty(struct gbench *b, void *arg)
{
	laps_empty();
	measure_slices(b, empty_slice, NULL, arg);
}

/* Every lane, every source and the tx lanes; the list of receive queues has none. */
static void bench_empty_lanes(struct gbench *b, void *arg)
{
	struct rxq_list *l = laps.w->rxqs;
	uint32_t n = l->n;

	laps_empty();
	l->n = 0;
	measure_slices(b, empty_slice, NULL, arg);
	l->n = n;
}

static void bench_empty_poll(struct gbench *b, void *arg)
{
	laps_empty();
	measure_slices(b, empty_poll_slice, NULL, arg);
}

int main(int argc, char **argv)
{
	static struct flight one = {1024, 1, 20, 0}, some = {1024, 1024, 20, 0},
			     many = {65536, 65536, 1, 0};
	uint32_t routes = measure_short() ? 100000 : ROUTES;

	measure_eal(256);
	laps.pool = rte_pktmbuf_pool_create("packets", 70000, 512, 0, 2048 + 128, 0);
	must(laps.pool != NULL, "no memory for packets");
	bench.n_routes = routes + LONG;
	bench.routes = calloc(bench.n_routes, sizeof(*bench.routes));
	must(bench.routes != NULL, "no memory for routes");
	routes_mix(bench.routes, routes, LONG, 1);
	make_net();
	laps_device();
	gbench_add("router/floor rx tx, 1024 packets/ring", bench_floor, &some);
	gbench_add("router/1 prefix/millrace", bench_router, &one);
	gbench_add("router/1024 prefixes/millrace", bench_router, &some);
	gbench_add("router/65536 prefixes/millrace", bench_router, &many);
	gbench_add("router/empty pass/millrace", bench_empty, NULL);
	gbench_add("router/empty pass/all lanes and sources, no device", bench_empty_lanes, NULL);
	gbench_add("router/empty pass/device alone", bench_empty_poll, NULL);
	return gbench_run(argc, argv);
}
