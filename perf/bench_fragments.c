/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reassembly and fragmentation beside rte_ip_frag, in cycles per fragment. rte_ip_frag takes no
 * more than 8 fragments of a datagram; a row of 44 (a datagram of 64 KiB) is ours alone.
 *
 * Fragments come in order, those of eight datagrams interleaved. Nothing is missing and every
 * datagram comes out, which is asserted.
 */
#include "measure.h"
#include "net/net.h"
#include "net/reasm.h"
#include "net/stage.h"

#include <rte_ip_frag.h>

#include <stdio.h>
#include <stdlib.h>

#define POOL	   16383
#define FRAGMENTS  4096 /* of one slice, at most */
#define CUT	   192	/* fragments made in a slice: what stays in L2 */
#define INTERLEAVE 8
#define MTU	   1500
#define PIECE	   (MTU - IP4_HDR_LEN)
#define ADJ	   1

static struct {
	struct net *net;
	struct worker *w;
	struct rte_mempool *pool;
	struct rte_ip_frag_tbl *table;
	struct rte_ip_frag_death_row dead;
	struct rte_mbuf *in[FRAGMENTS];
	struct rte_mbuf *out[FRAGMENTS];
	uint32_t n_in, n_out;
	uint16_t id;
} bench;

struct row {
	const char *name;
	uint32_t fragments; /* of one datagram */
};

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "bench_fragments: %s\n", what);
	exit(1);
}

static void make_tables(void)
{
	struct net_limits limits = {.routes = 64, .tbl8 = 64, .adjacencies = 16, .groups = 4};
	static const uint8_t mac[6] = {2, 0, 0, 0, 0, 1};

	bench.pool =
		rte_pktmbuf_pool_create("fragments", POOL, 256, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0);
	must(bench.pool != NULL && net_new(&bench.net, &limits) == 0, "no memory");
	bench.net->n_workers = 1;
	bench.w = worker_new(bench.net, 0, 0, 0, bench.pool);
	must(bench.w != NULL, "no memory for the worker");
	bench.net->worker[0] = bench.w;
	bench.w->now = clock_now();
	bench.net->iface[1].mtu = MTU;
	adj_set(bench.net, ADJ, 1, ip4_addr(198, 18, 1, 2), mac);
	bench.table =
		rte_ip_frag_table_create(1024, 8, 1024 * 8, rte_get_tsc_hz() * 30, SOCKET_ID_ANY);
	must(bench.table != NULL, "no memory for rte_ip_frag");
}

static struct rte_mbuf *packet(uint16_t id, uint16_t frag, uint32_t len)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(bench.pool);
	struct ip4_fields f = {.total_len = (uint16_t)(IP4_HDR_LEN + len),
		.id = id,
		.frag = frag,
		.ttl = 64,
		.proto = IP4_PROTO_UDP,
		.src = ip4_addr(198, 18, 0, 2),
		.dst = ip4_addr(198, 18, 0, 1)};

	must(m != NULL, "out of buffers");
	rte_pktmbuf_append(m, (uint16_t)(ETH_HDR_LEN + f.total_len));
	ip4_hdr_build(pkt_ip4(m), &f);
	return m;
}

static void take_back(void)
{
	rte_pktmbuf_free_bulk(bench.out, bench.n_out);
	rte_pktmbuf_free_bulk(bench.w->to_free, bench.w->n_free);
	bench.n_out = bench.w->n_free = bench.n_in = 0;
}

static void fragments_of(void *arg)
{
	const struct row *r = arg;

	take_back();
	while (bench.n_in + INTERLEAVE * r->fragments <= FRAGMENTS) {
		for (uint32_t i = 0; i < r->fragments; i++) {
			bool last = i == r->fragments - 1;
			uint16_t frag = (uint16_t)(i * (PIECE / 8) | (last ? 0 : IP4_MF));

			for (uint16_t d = 0; d < INTERLEAVE; d++)
				bench.in[bench.n_in++] =
					packet((uint16_t)(bench.id + d), frag, last ? 100 : PIECE);
		}
		bench.id += INTERLEAVE;
	}
}

static uint64_t all_came(const struct row *r)
{
	return bench.n_out * r->fragments == bench.n_in ? bench.n_in : 0;
}

static uint64_t put_ours(void *arg)
{
	for (uint32_t i = 0; i < bench.n_in; i++) {
		struct rte_mbuf *m = reasm_put(bench.w, bench.in[i]);

		if (m != NULL)
			bench.out[bench.n_out++] = m;
	}
	return all_came(arg);
}

static uint64_t put_peer(void *arg)
{
	for (uint32_t i = 0; i < bench.n_in; i++) {
		struct rte_mbuf *m = bench.in[i];

		m->l2_len = ETH_HDR_LEN;
		m->l3_len = IP4_HDR_LEN;
		m = rte_ipv4_frag_reassemble_packet(bench.table, &bench.dead, m, bench.w->now,
			rte_pktmbuf_mtod_offset(m, struct rte_ipv4_hdr *, ETH_HDR_LEN));
		if (m != NULL)
			bench.out[bench.n_out++] = m;
	}
	rte_ip_frag_free_death_row(&bench.dead, 3);
	return all_came(arg);
}

/* Packets to be cut: chains, as they come from reassembly. */
static void packets_of(void *arg)
{
	const struct row *r = arg;

	take_back();
	for (uint32_t n = 0; n + r->fragments <= CUT; n += r->fragments) {
		struct rte_mbuf *m = packet(1, 0, PIECE), *last = m;

		for (uint32_t i = 1; i < r->fragments; i++, last = last->next) {
			last->next = packet(1, 0, PIECE);
			rte_pktmbuf_adj(last->next, ETH_HDR_LEN + IP4_HDR_LEN);
			m->nb_segs++;
			m->pkt_len += PIECE;
		}
		pkt_ip4(m)->total_len = to_be16((uint16_t)(m->pkt_len - ETH_HDR_LEN));
		bench.in[bench.n_in++] = m;
	}
}

static void keep_sent(void)
{
	struct txlane *t = &bench.w->tx[0];

	memcpy(&bench.out[bench.n_out], t->pkt, t->n * sizeof(t->pkt[0]));
	bench.n_out += t->n;
	t->n = 0;
}

static uint64_t cut_ours(void *arg)
{
	const struct row *r = arg;

	for (uint32_t i = 0; i < bench.n_in; i++) {
		lane_put(&bench.w->frag, bench.in[i], ADJ);
		if (bench.w->frag.n * r->fragments + r->fragments < TX_LANE && i < bench.n_in - 1)
			continue;
		stage_fragment(bench.w);
		bench.w->frag.n = 0;
		keep_sent();
	}
	return bench.n_out == bench.n_in * r->fragments ? bench.n_out : 0;
}

static uint64_t cut_peer(void *arg)
{
	const struct row *r = arg;

	for (uint32_t i = 0; i < bench.n_in; i++) {
		struct rte_mbuf **out = &bench.out[bench.n_out];
		int32_t n;

		rte_pktmbuf_adj(bench.in[i], ETH_HDR_LEN);
		n = rte_ipv4_fragment_packet(bench.in[i], out, 64, MTU, bench.pool, bench.pool);
		if (n < 0)
			return 0;
		for (int32_t j = 0; j < n; j++) {
			char *eth = rte_pktmbuf_prepend(out[j], ETH_HDR_LEN);

			memcpy(eth, &bench.net->adj[ADJ], ETH_HDR_LEN);
		}
		rte_pktmbuf_free(bench.in[i]);
		bench.n_out += (uint32_t)n;
	}
	return bench.n_out == bench.n_in * r->fragments ? bench.n_out : 0;
}

static struct row rows[] = {{"2", 2}, {"6", 6}, {"44", 44}};

static void reasm_ours(struct gbench *b, void *arg)
{
	measure_slices(b, put_ours, fragments_of, arg);
}

static void reasm_peer(struct gbench *b, void *arg)
{
	measure_slices(b, put_peer, fragments_of, arg);
}

static void fragment_ours(struct gbench *b, void *arg)
{
	measure_slices(b, cut_ours, packets_of, arg);
}

static void fragment_peer(struct gbench *b, void *arg)
{
	measure_slices(b, cut_peer, packets_of, arg);
}

int main(int argc, char **argv)
{
	char name[64];

	measure_eal(128);
	make_tables();
	for (size_t i = 0; i < RTE_DIM(rows); i++) {
		snprintf(name, sizeof(name), "reasm/%s fragments/millrace", rows[i].name);
		gbench_add(name, reasm_ours, &rows[i]);
		if (rows[i].fragments <= RTE_LIBRTE_IP_FRAG_MAX_FRAG) {
			snprintf(
				name, sizeof(name), "reasm/%s fragments/rte_ip_frag", rows[i].name);
			gbench_add(name, reasm_peer, &rows[i]);
		}
		snprintf(name, sizeof(name), "fragment/%s fragments/millrace", rows[i].name);
		gbench_add(name, fragment_ours, &rows[i]);
		snprintf(name, sizeof(name), "fragment/%s fragments/rte_ip_frag", rows[i].name);
		gbench_add(name, fragment_peer, &rows[i]);
	}
	return gbench_run(argc, argv);
}
