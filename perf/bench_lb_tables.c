/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The balancer's tables alone: flows found and made beside DPDK's rte_hash, as l3fwd's exact match
 * has it; what a flow takes of memory; Maglev's table built.
 *
 * Look-ups come in bursts of 64, keys at random; what is found is touched.
 */
#include "lb/flow.h"
#include "lb/maglev.h"
#include "measure.h"
#include "routes.h"

#include <rte_hash.h>
#include <rte_hash_crc.h>

#include <stdio.h>
#include <stdlib.h>

#define BURST  64
#define BURSTS 16    /* of a slice */
#define ROOM   5 / 4 /* places for more flows than there are */

static const uint64_t secret[2] = {UINT64_C(0x243f6a8885a308d3), UINT64_C(0x13198a2e03707344)};
static uint64_t seed = 1;

struct tuple {
	uint32_t src, dst;
	uint16_t sport, dport;
	uint32_t proto;
};

struct row {
	uint32_t flows;
	uint32_t at[BURSTS * BURST]; /* the next slice's */
	struct flow_table *table;
	struct rte_hash *hash;
	uint64_t *data;
	uint32_t *placed; /* flows in the table: of a million a few find no place */
	uint32_t n_placed;
};

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "bench_lb_tables: %s\n", what);
	exit(1);
}

static void draw(void *arg)
{
	struct row *r = arg;

	for (uint32_t i = 0; i < RTE_DIM(r->at); i++)
		r->at[i] = r->placed[random_below(&seed, r->n_placed)];
}

/* --- ours --- */

static struct flow_key key_of(uint32_t flow)
{
	return (struct flow_key){
		.addr = 0x64400000 + flow % 65536, .port = (uint16_t)(flow / 65536 + 1024)};
}

static uint64_t find_ours(void *arg)
{
	struct row *r = arg;
	struct flow_key key[BURST];
	uint32_t hash[BURST];

	for (uint32_t i = 0; i < RTE_DIM(r->at); i += BURST) {
		for (uint32_t j = 0; j < BURST; j++) {
			key[j] = key_of(r->at[i + j]);
			hash[j] = flow_hash(r->table, &key[j]);
			flow_prefetch(r->table, hash[j]);
		}
		for (uint32_t j = 0; j < BURST; j++) {
			struct flow *f = flow_find(r->table, hash[j], &key[j], 0);

			must(f != NULL, "a flow was not found");
			flow_touch(f, 0, 100);
		}
	}
	return RTE_DIM(r->at);
}

static void add_ours(struct row *r)
{
	struct flow gone;

	r->table = flow_table_new(r->flows * ROOM, secret, -1);
	r->placed = calloc(r->flows, sizeof(*r->placed));
	r->n_placed = 0;
	must(r->table != NULL && r->placed != NULL, "no memory for flows");
	for (uint32_t i = 0; i < r->flows; i++) {
		struct flow_key key = key_of(i);
		struct flow *f = flow_add(r->table, flow_hash(r->table, &key), &key, 0, &gone);

		if (f == NULL)
			continue;
		r->placed[r->n_placed++] = i;
		f->state = FLOW_ESTABLISHED;
		flow_touch(f, 0, 100);
	}
	must(r->flows - r->n_placed <= r->flows / 1000 + 4, "flows had no place");
}

static void bench_ours(struct gbench *b, void *arg)
{
	struct row *r = arg;

	add_ours(r);
	measure_slices(b, find_ours, draw, r);
	gbench_counter(
		b, "bytes a flow", (double)flow_buckets(r->table) * 64 / (double)(r->flows * ROOM));
	flow_table_free(r->table);
	free(r->placed);
}

/* --- rte_hash --- */

static struct tuple tuple_of(uint32_t flow)
{
	struct flow_key key = key_of(flow);

	return (struct tuple){key.addr, 1, key.port, 80, 6};
}

static uint64_t find_rte(void *arg)
{
	struct row *r = arg;
	struct tuple key[BURST];
	const void *at[BURST];
	void *data[BURST];
	uint64_t hits;

	for (uint32_t i = 0; i < RTE_DIM(r->at); i += BURST) {
		for (uint32_t j = 0; j < BURST; j++) {
			key[j] = tuple_of(r->at[i + j]);
			at[j] = &key[j];
		}
		must(rte_hash_lookup_bulk_data(r->hash, at, BURST, &hits, data) == BURST,
			"rte_hash missed");
		for (uint32_t j = 0; j < BURST; j++)
			*(uint64_t *)data[j] += 1;
	}
	return RTE_DIM(r->at);
}

static void bench_rte(struct gbench *b, void *arg)
{
	struct row *r = arg;
	struct rte_hash_parameters params = {.name = "peer",
		.entries = r->flows * ROOM,
		.key_len = sizeof(struct tuple),
		.hash_func = rte_hash_crc};

	r->hash = rte_hash_create(&params);
	r->placed = calloc(r->flows, sizeof(*r->placed));
	r->n_placed = r->flows;
	r->data = calloc(r->flows, sizeof(*r->data));
	must(r->hash != NULL && r->data != NULL && r->placed != NULL, "no memory for rte_hash");
	for (uint32_t i = 0; i < r->flows; i++) {
		struct tuple t = tuple_of(i);

		must(rte_hash_add_key_data(r->hash, &t, &r->data[i]) == 0,
			"rte_hash refused a key");
		r->placed[i] = i;
	}
	measure_slices(b, find_rte, draw, r);
	rte_hash_free(r->hash);
	free(r->data);
	free(r->placed);
}

/* --- Maglev --- */

static uint64_t build_maglev(void *arg)
{
	static uint16_t place[MAGLEV_SIZE];
	const struct maglev_backend *backends = arg;

	must(maglev_build(place, MAGLEV_SIZE, backends, 1000) == 0, "no memory");
	return 1;
}

static void bench_maglev(struct gbench *b, void *arg)
{
	static struct maglev_backend backends[1000];

	(void)arg;
	for (uint32_t i = 0; i < RTE_DIM(backends); i++)
		backends[i] = (struct maglev_backend){(uint64_t)i << 16 | 80, 1, true};
	measure_slices(b, build_maglev, NULL, backends);
}

int main(int argc, char **argv)
{
	static struct row some = {.flows = 1024}, many = {.flows = 1 << 20};

	many.flows = measure_short() ? 65536 : many.flows;
	measure_eal(256);
	gbench_add("lb_flow/hit, 1024/millrace", bench_ours, &some);
	gbench_add("lb_flow/hit, 1024/rte_hash", bench_rte, &some);
	gbench_add("lb_flow/hit, 1M/millrace", bench_ours, &many);
	gbench_add("lb_flow/hit, 1M/rte_hash", bench_rte, &many);
	gbench_add("lb_maglev/65537 places, 1000 backends built/millrace", bench_maglev, NULL);
	return gbench_run(argc, argv);
}
