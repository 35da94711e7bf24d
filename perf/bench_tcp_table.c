/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tcp_table beside rte_hash, with the same keys and about as full: look-ups in bursts at random
 * over all elements, hits and misses; an addition and a removal; the longest single addition from
 * nothing to all.
 *
 * Ours compares the key in the element and so has its line at hand when it answers. rte_hash keeps
 * copies of the keys and answers with a pointer: the row rte_hash_touch follows it, in a pass of
 * its own, as whoever wants the element has to.
 */
#include "base/numa.h"
#include "gbench.h"
#include "measure.h"
#include "routes.h"
#include "tcp/table.h"

#include <rte_common.h>
#include <rte_cycles.h>
#include <rte_errno.h>
#include <rte_hash.h>
#include <rte_prefetch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOOKUPS 4096 /* in a slice */
#define CHANGES 1024 /* in a slice, at most */
#define OUT	65536
#define STRIDE	64

/* --- the elements: a line each, with its key at the front --- */

static struct {
	uint32_t n;
	char *elements;
	struct tcp_table *ours;
	struct rte_hash *peers;
	uint64_t seed;
	struct tcp_key keys[LOOKUPS];
	const struct tcp_key *at[LOOKUPS];
	uint32_t picked[LOOKUPS];
	uint32_t first_out; /* the window of elements that are in neither table; see nth_change() */
	uint32_t n_out;
	bool refused;
} bench;

static void must(bool well, const char *what)
{
	if (well)
		return;
	fprintf(stderr, "bench_tcp_table: %s: %s\n", what, rte_strerror(rte_errno));
	exit(1);
}

/* Clients of one service; a key without touching its element. */
static struct tcp_key key_of(uint32_t i)
{
	return (struct tcp_key){.local = 0x010012c6,
		.remote = 0x000012c6 + (i >> 13 << 16),
		.local_port = 0x5000,
		.remote_port = (uint16_t)(1024 + (i & 0x1fff))};
}

static void *element(uint32_t i)
{
	return bench.elements + (size_t)i * STRIDE;
}

/* Elements in an order that memory cannot guess: each once in n. */
static uint32_t nth_change(uint32_t i)
{
	return (uint32_t)((uint64_t)i * 2654435761u % bench.n);
}

/* --- the two tables --- */

struct table {
	const char *name;
	void (*make)(void); /* anew and empty */
	bool (*add)(uint32_t i);
	bool (*del)(uint32_t i);
};

static void make_ours(void)
{
	static const uint64_t secret[2] = {0x0123456789abcdef, 0xfedcba9876543210};
	struct tcp_table_elements elements = {
		.first = bench.elements, .split = bench.n, .first_stride = STRIDE};

	tcp_table_free(bench.ours);
	bench.ours = tcp_table_new(&elements, bench.n, secret, -1);
	must(bench.ours != NULL, "tcp_table");
}

static bool add_ours(uint32_t i)
{
	struct tcp_key key = key_of(i);

	return tcp_table_add(bench.ours, tcp_table_hash(bench.ours, &key), i) == 0;
}

static bool del_ours(uint32_t i)
{
	struct tcp_key key = key_of(i);

	tcp_table_remove(bench.ours, tcp_table_hash(bench.ours, &key), i);
	return true;
}

static void make_peers(void)
{
	struct rte_hash_parameters p = {
		.name = "peer", .key_len = sizeof(struct tcp_key), .socket_id = SOCKET_ID_ANY};

	p.entries = bench.n + bench.n / 3; /* as many buckets as ours has */
	rte_hash_free(bench.peers);
	bench.peers = rte_hash_create(&p);
	must(bench.peers != NULL, "rte_hash");
}

static bool add_peers(uint32_t i)
{
	struct tcp_key key = key_of(i);

	return rte_hash_add_key_data(bench.peers, &key, element(i)) == 0;
}

static bool del_peers(uint32_t i)
{
	struct tcp_key key = key_of(i);

	return rte_hash_del_key(bench.peers, &key) >= 0;
}

static struct table tables[] = {
	{"millrace", make_ours, add_ours, del_ours},
	{"rte_hash", make_peers, add_peers, del_peers},
};

static void fill(const struct table *t)
{
	t->make();
	for (uint32_t i = 0; i < bench.n; i++)
		must(t->add(i), "an element was refused");
}

/* Both tables with n elements, unless they have them: benches of one n follow each other. */
static void have(uint32_t n)
{
	if (bench.n == n)
		return;
	numa_drop(bench.elements, (size_t)bench.n * STRIDE);
	bench.n = n;
	bench.first_out = bench.n_out = 0;
	bench.elements = numa_take((size_t)n * STRIDE, -1);
	must(bench.elements != NULL, "no memory");
	for (uint32_t i = 0; i < n; i++)
		*(struct tcp_key *)element(i) = key_of(i);
	for (size_t i = 0; i < RTE_DIM(tables); i++)
		fill(&tables[i]);
	for (int i = 0; i < 100000; i++) /* the old area goes back */
		tcp_table_sweep(bench.ours);
}

/* --- look-ups --- */

struct lookup {
	uint32_t n;
	bool hits;
	measure_slice_fn *slice;
};

/* Other keys for each slice: of all elements, not of some that the cache has room for. */
static void pick(void *arg)
{
	const struct lookup *l = arg;

	for (uint32_t i = 0; i < LOOKUPS; i++) {
		bench.picked[i] = random_below(&bench.seed, l->n);
		bench.keys[i] = key_of(bench.picked[i]);
		if (!l->hits)
			bench.keys[i].local_port = 1;
		bench.at[i] = &bench.keys[i];
	}
}

/* What a slice is worth: nothing if a look-up went wrong. */
static uint64_t lookups_if(bool well)
{
	return well ? LOOKUPS : 0;
}

static uint64_t look_up_ours(void *arg)
{
	const struct lookup *l = arg;
	uint32_t hashes[TCP_BURST], indexes[TCP_BURST], wrong = 0;

	for (uint32_t done = 0; done < LOOKUPS; done += TCP_BURST) {
		tcp_table_find_burst(bench.ours, &bench.at[done], TCP_BURST, hashes, indexes);
		for (uint32_t i = 0; i < TCP_BURST; i++)
			wrong |= indexes[i] ^ (l->hits ? bench.picked[done + i] : TCP_TABLE_NONE);
	}
	return lookups_if(wrong == 0);
}

static inline uint64_t look_up_peers(const struct lookup *l, bool touch)
{
	uint64_t found, wanted = l->hits ? UINT64_MAX : 0;
	void *data[TCP_BURST];
	bool well = true;

	for (uint32_t done = 0; done < LOOKUPS; done += TCP_BURST) {
		rte_hash_lookup_bulk_data(
			bench.peers, (const void **)&bench.at[done], TCP_BURST, &found, data);
		well &= found == wanted;
		for (uint32_t i = 0; touch && i < TCP_BURST; i++)
			rte_prefetch0(data[i]);
		for (uint32_t i = 0; touch && i < TCP_BURST; i++)
			well &= ((const struct tcp_key *)data[i])->remote_port ==
				bench.keys[done + i].remote_port;
		gbench_keep((unsigned long)data);
	}
	return lookups_if(well);
}

static uint64_t look_up_peers_alone(void *arg)
{
	return look_up_peers(arg, false);
}

static uint64_t look_up_peers_touch(void *arg)
{
	return look_up_peers(arg, true);
}

static void bench_lookup(struct gbench *b, void *arg)
{
	struct lookup *l = arg;

	have(l->n);
	gbench_label(b, measure_memory());
	measure_slices(b, l->slice, pick, l);
}

/* --- changes: elements leave at one end of a window and come back at the other --- */

struct change {
	uint32_t n;
	const struct table *table;
};

static uint32_t changes(void)
{
	return RTE_MIN(bench.n / 8, (uint32_t)CHANGES);
}

static uint64_t add_some(void *arg)
{
	const struct change *c = arg;

	for (uint32_t i = 0; i < changes(); i++)
		bench.refused |= !c->table->add(nth_change(bench.first_out + i));
	bench.first_out += changes();
	bench.n_out -= changes();
	return changes();
}

static uint64_t del_some(void *arg)
{
	const struct change *c = arg;
	uint32_t first = bench.first_out + bench.n_out;

	for (uint32_t i = 0; i < changes(); i++)
		bench.refused |= !c->table->del(nth_change(first + i));
	bench.n_out += changes();
	return changes();
}

/* So many are out that those which come back are no longer in the cache. */
static void del_ahead(void *arg)
{
	do
		del_some(arg);
	while (bench.n_out < RTE_MIN(bench.n / 4, (uint32_t)OUT));
}

static void add_behind(void *arg)
{
	while (bench.n_out > RTE_MIN(bench.n / 4, (uint32_t)OUT))
		add_some(arg);
}

static void bench_change(
	struct gbench *b, measure_slice_fn *slice, measure_restore_fn *restore, struct change *c)
{
	have(c->n);
	gbench_label(b, measure_memory());
	bench.refused = false;
	measure_slices(b, slice, restore, c);
	while (bench.n_out > 0)
		add_some(c);
	if (bench.refused)
		gbench_fail(b, "a change was refused");
}

static void bench_add(struct gbench *b, void *arg)
{
	bench_change(b, add_some, del_ahead, arg);
}

static void bench_remove(struct gbench *b, void *arg)
{
	bench_change(b, del_some, add_behind, arg);
}

/*
 * From nothing to all, each addition timed. Others disturb, but hardly the same addition in every
 * round: of each the least time counts, and of these the longest.
 */
static void bench_grow(struct gbench *b, void *arg)
{
	const struct change *c = arg;
	uint64_t longest = 0, total = 0;
	uint32_t *least;

	have(c->n);
	least = malloc(c->n * sizeof(*least));
	must(least != NULL, "no memory");
	memset(least, 0xff, c->n * sizeof(*least));
	while (gbench_next(b)) {
		gbench_pause(b);
		c->table->make();
		gbench_resume(b);
		for (uint32_t i = 0; i < c->n; i++) {
			uint64_t begun = rte_rdtsc();

			must(c->table->add(i), "an element was refused");
			least[i] = RTE_MIN(least[i], (uint32_t)(rte_rdtsc() - begun));
		}
	}
	for (uint32_t i = 0; i < c->n; i++) {
		longest = RTE_MAX(longest, least[i]);
		total += least[i];
	}
	free(least);
	gbench_counter(b, "longest_us", (double)longest / (double)rte_get_tsc_hz() * 1e6);
	gbench_counter(b, "cycles_mean", (double)total / c->n);
}

/* --- */

static void add_lookups(uint32_t n, bool hits)
{
	static const struct {
		const char *who;
		measure_slice_fn *slice;
	} kinds[] = {
		{"millrace", look_up_ours},
		{"rte_hash", look_up_peers_alone},
		{"rte_hash_touch", look_up_peers_touch},
	};

	for (size_t i = 0; i < RTE_DIM(kinds) - !hits; i++) {
		struct lookup *l = malloc(sizeof(*l));
		char name[64];

		must(l != NULL, "no memory");
		*l = (struct lookup){.n = n, .hits = hits, .slice = kinds[i].slice};
		snprintf(name, sizeof(name), "tcp_table/%s/%u/%s", hits ? "hit" : "miss", n,
			kinds[i].who);
		gbench_add(name, bench_lookup, l);
	}
}

static void add_changes(const char *what, uint32_t n, gbench_fn *fn)
{
	for (size_t i = 0; i < RTE_DIM(tables); i++) {
		struct change *c = malloc(sizeof(*c));
		char name[64];

		must(c != NULL, "no memory");
		*c = (struct change){n, &tables[i]};
		snprintf(name, sizeof(name), "tcp_table/%s/%u/%s", what, n, tables[i].name);
		gbench_add(name, fn, c);
	}
}

/* Whether 4 GiB are free: elements, both tables and twice what DPDK asks for. */
static bool have_memory(void)
{
	return sysconf(_SC_AVPHYS_PAGES) / 256 * sysconf(_SC_PAGESIZE) / 4096 > 4096;
}

int main(int argc, char **argv)
{
	static const uint32_t sizes[] = {1000, 100000, 1000000, 10000000};
	size_t n_sizes = measure_short() ? 2 : have_memory() ? 4 : 3;
	uint32_t most = sizes[RTE_MIN(n_sizes, 3u) - 1];

	measure_eal(n_sizes == 4 ? 1024 : 256);
	bench.seed = 1;
	for (size_t i = 0; i < n_sizes; i++) {
		add_lookups(sizes[i], true);
		add_lookups(sizes[i], false);
		add_changes("add", sizes[i], bench_add);
		add_changes("remove", sizes[i], bench_remove);
		if (sizes[i] == most)
			add_changes("grow", most, bench_grow);
	}
	return gbench_run(argc, argv);
}
