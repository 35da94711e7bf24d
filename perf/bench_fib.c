/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fib4 beside rte_fib, both with the same full table: look-ups in bursts, a load of all routes, a
 * change of one, and the longest time for which a default route keeps control from other work.
 */
#include "base/clock.h"
#include "base/epoch.h"
#include "gbench.h"
#include "measure.h"
#include "net/rib4.h"
#include "routes.h"

#include <math.h>
#include <rte_fib.h>
#include <rte_prefetch.h>
#include <rte_vect.h>
#include <stdio.h>
#include <stdlib.h>

#define LONG	2000 /* routes of more than 24 bits */
#define TBL8	4096
#define HOPS	16
#define BURST	64
#define AHEAD	16
#define MOST	65536 /* addresses in flight */
#define LOOKUPS 65536 /* in a slice */
#define CHANGES 256   /* in a slice */

static struct route_prefix *routes;
static uint32_t n_routes;
static struct epoch *epoch;
static struct rib4 *rib;
static struct rte_fib *peer;

static void must(bool well, const char *what)
{
	if (well)
		return;
	fprintf(stderr, "bench_fib: %s\n", what);
	exit(1);
}

static fib_entry entry_of(uint32_t route)
{
	return fib_entry_make(FIB_FORWARD, 1 + route % HOPS);
}

static double seconds_since(ticks begun)
{
	return (double)(clock_now() - begun) / (double)rte_get_tsc_hz();
}

/* --- the two tables; a change says whether it went well --- */

struct table {
	const char *name;
	void (*make)(void); /* anew and empty */
	bool (*add)(uint32_t route);
	bool (*del)(uint32_t route);
	double (*add_default)(void); /* the longest time without return, in seconds */
	void (*del_default)(void);
};

static void make_ours(void)
{
	struct rib4_conf conf = {.max_routes = 1 << 20, .max_tbl8 = TBL8, .node = -1};

	rib4_free(rib);
	rib = rib4_new(&conf, epoch);
	must(rib != NULL, "no memory");
}

static bool add_ours(uint32_t route)
{
	return rib4_add(rib, routes[route].prefix, routes[route].depth, RIB4_KERNEL, 20, 0,
		       entry_of(route)) == 0;
}

static bool del_ours(uint32_t route)
{
	return rib4_del(rib, routes[route].prefix, routes[route].depth, RIB4_KERNEL) == 0;
}

static double add_default_ours(void)
{
	double longest = 0;

	rib4_add(rib, 0, 0, RIB4_STATIC, 1, 0, fib_entry_make(FIB_BLACKHOLE, 0));
	do {
		ticks begun = clock_now();

		rib4_poll(rib, begun + clock_of_us(500));
		longest = RTE_MAX(longest, seconds_since(begun));
	} while (rib4_pending(rib) > 0);
	return longest;
}

static void del_default_ours(void)
{
	rib4_del(rib, 0, 0, RIB4_STATIC);
	rib4_poll(rib, UINT64_MAX);
}

static void make_peers(void)
{
	struct rte_fib_conf conf = {.type = RTE_FIB_DIR24_8, .max_routes = 1 << 20};

	conf.dir24_8.nh_sz = RTE_FIB_DIR24_8_4B;
	conf.dir24_8.num_tbl8 = TBL8;
	rte_fib_free(peer);
	peer = rte_fib_create("peer", SOCKET_ID_ANY, &conf);
	must(peer != NULL, "rte_fib: no memory");
}

static bool add_peers(uint32_t route)
{
	return rte_fib_add(peer, routes[route].prefix, routes[route].depth, entry_of(route)) == 0;
}

static bool del_peers(uint32_t route)
{
	return rte_fib_delete(peer, routes[route].prefix, routes[route].depth) == 0;
}

static double add_default_peers(void)
{
	ticks begun = clock_now();

	rte_fib_add(peer, 0, 0, fib_entry_make(FIB_BLACKHOLE, 0));
	return seconds_since(begun);
}

static void del_default_peers(void)
{
	rte_fib_delete(peer, 0, 0);
}

static struct table tables[] = {
	{"millrace", make_ours, add_ours, del_ours, add_default_ours, del_default_ours},
	{"rte_fib", make_peers, add_peers, del_peers, add_default_peers, del_default_peers},
};

static bool load(const struct table *t)
{
	bool well = true;

	t->make();
	for (uint32_t i = 0; i < n_routes; i++)
		well &= t->add(i);
	return well;
}

/* --- look-ups --- */

struct lookup {
	uint32_t in_flight;	       /* different addresses; a power of two */
	enum rte_fib_lookup_type type; /* of rte_fib's functions */
	uint32_t n;		       /* of addrs; BURST at least */
	uint32_t addrs[MOST];	       /* each in some route */
};

/* Slots are prefetched a few look-ups ahead: further than memory can follow would be in vain. */
static uint64_t look_up_ours(void *arg)
{
	const struct lookup *l = arg;
	const struct fib4 *f = rib4_fib(rib);
	fib_entry found[BURST];

	for (uint32_t done = 0; done < LOOKUPS; done += BURST) {
		const uint32_t *burst = &l->addrs[done & (l->n - 1)];

		for (int i = 0; i < AHEAD; i++)
			rte_prefetch0(fib4_slot(f, burst[i]));
		for (int i = 0; i < BURST; i++) {
			if (i + AHEAD < BURST)
				rte_prefetch0(fib4_slot(f, burst[i + AHEAD]));
			found[i] = fib4_follow(f, fib4_load(fib4_slot(f, burst[i])), burst[i]);
		}
		gbench_keep((unsigned long)found);
	}
	return LOOKUPS;
}

static uint64_t look_up_peers(void *arg)
{
	struct lookup *l = arg;
	uint64_t found[BURST];

	for (uint32_t done = 0; done < LOOKUPS; done += BURST) {
		rte_fib_lookup_bulk(peer, &l->addrs[done & (l->n - 1)], found, BURST);
		gbench_keep((unsigned long)found);
	}
	return LOOKUPS;
}

/* Or the figures mean nothing. */
static bool found_and_the_same(struct lookup *l)
{
	uint64_t found[BURST];

	for (uint32_t i = 0; i < l->n; i += BURST) {
		rte_fib_lookup_bulk(peer, &l->addrs[i], found, BURST);
		for (uint32_t j = 0; j < BURST; j++)
			if (found[j] == 0 ||
				fib4_lookup(rib4_fib(rib), l->addrs[i + j]) != found[j])
				return false;
	}
	return true;
}

static void bench_ours(struct gbench *b, void *arg)
{
	measure_slices(b, look_up_ours, NULL, arg);
}

static void bench_peers(struct gbench *b, void *arg)
{
	struct lookup *l = arg;

	gbench_label(b, measure_memory());
	if (rte_fib_select_lookup(peer, l->type) != 0)
		gbench_fail(b, "this CPU has no such look-up");
	else if (!found_and_the_same(l))
		gbench_fail(b, "the tables differ");
	else
		measure_slices(b, look_up_peers, NULL, arg);
}

static struct lookup *new_lookup(uint32_t in_flight, enum rte_fib_lookup_type type)
{
	struct lookup *l = malloc(sizeof(*l));
	uint64_t seed = 2;

	must(l != NULL, "no memory");
	l->in_flight = in_flight;
	l->type = type;
	l->n = RTE_MAX(in_flight, (uint32_t)BURST);
	for (uint32_t i = 0; i < l->n; i++) {
		const struct route_prefix *p = &routes[random_below(&seed, n_routes)];
		uint32_t host = (uint32_t)random64(&seed) & ~depth_mask(p->depth);

		l->addrs[i] = i < in_flight ? p->prefix | host : l->addrs[i % in_flight];
	}
	return l;
}

/* --- changes --- */

static bool refused;

static uint64_t add_some(void *arg)
{
	const struct table *t = arg;

	for (uint32_t i = 0; i < CHANGES; i++)
		refused |= !t->add(i);
	return CHANGES;
}

static void del_some(void *arg)
{
	const struct table *t = arg;

	for (uint32_t i = 0; i < CHANGES; i++)
		refused |= !t->del(i);
	epoch_poll(epoch);
}

static void bench_add(struct gbench *b, void *arg)
{
	refused = false;
	measure_slices(b, add_some, del_some, arg);
	if (refused)
		gbench_fail(b, "a change was refused");
}

static void bench_load(struct gbench *b, void *arg)
{
	const struct table *t = arg;
	double least = INFINITY;

	while (gbench_next(b)) {
		ticks begun = clock_now();

		if (!load(t))
			gbench_fail(b, "a route was refused");
		least = RTE_MIN(least, seconds_since(begun));
	}
	gbench_counter(b, "seconds_min", least);
}

/* How long a call keeps control from its other work; the least of all rounds: others disturb. */
static void bench_default(struct gbench *b, void *arg)
{
	const struct table *t = arg;
	double least = INFINITY;

	while (gbench_next(b)) {
		double longest = t->add_default();

		least = RTE_MIN(least, longest);
		gbench_pause(b);
		t->del_default();
		gbench_resume(b);
	}
	gbench_counter(b, "longest_call_us", least * 1e6);
}

/* --- */

static void add_lookups(uint32_t in_flight)
{
	static const struct {
		const char *who;
		gbench_fn *bench;
		enum rte_fib_lookup_type type;
	} kinds[] = {
		{"millrace", bench_ours, RTE_FIB_LOOKUP_DEFAULT},
		{"rte_fib", bench_peers, RTE_FIB_LOOKUP_DIR24_8_SCALAR_MACRO},
		{"rte_fib_avx512", bench_peers, RTE_FIB_LOOKUP_DIR24_8_VECTOR_AVX512},
	};

	for (size_t i = 0; i < RTE_DIM(kinds); i++) {
		char name[64];

		snprintf(name, sizeof(name), "fib4/lookup/%u/%s", in_flight, kinds[i].who);
		gbench_add(name, kinds[i].bench, new_lookup(in_flight, kinds[i].type));
	}
}

static void add_changes(const char *what, gbench_fn *bench)
{
	for (size_t i = 0; i < RTE_DIM(tables); i++) {
		char name[64];

		snprintf(name, sizeof(name), "fib4/%s/%u/%s", what, n_routes, tables[i].name);
		gbench_add(name, bench, &tables[i]);
	}
}

int main(int argc, char **argv)
{
	uint32_t n = measure_short() ? 20000 : 1000000;

	measure_eal(512);
	rte_vect_set_max_simd_bitwidth(RTE_VECT_SIMD_512);
	n_routes = n + LONG;
	routes = malloc(n_routes * sizeof(*routes));
	epoch = epoch_new(1);
	must(routes != NULL && epoch != NULL, "no memory");
	routes_mix(routes, n, LONG, 1);
	for (size_t i = 0; i < RTE_DIM(tables); i++)
		must(load(&tables[i]), "a route was refused");

	add_lookups(1);
	add_lookups(1024);
	add_lookups(65536);
	add_changes("add", bench_add);
	add_changes("load", bench_load);
	add_changes("default_route", bench_default);
	return gbench_run(argc, argv);
}
