/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What churn breaks: 16 balancers behind a router's ECMP, 1,000 backends, a million flows. A
 * simulation, for what does not fit one machine; the same numbers in every run.
 *
 *   lb_churn [--short]    prints two tables: events and policies; sizes of Maglev's table
 *
 * Each event begins with all flows where they were opened. A flow is broken when its next packet
 * goes to another backend than the one that has its connection. Flows whose own backend has gone
 * are not counted: no balancer can keep them. Tables of flows and of Maglev are lib/lb's own; what
 * a policy of tables must hold is asserted.
 */
#include "base/hash.h"
#include "lb/flow.h"
#include "lb/maglev.h"
#include "routes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BALANCERS 16
#define BACKENDS  1000
#define SPARE	  16 /* backends that may be added */
#define ALL	  (BACKENDS + SPARE)
#define BUCKETS	  4096 /* of a resilient ECMP group */
#define POINTS	  100  /* of a backend on the ring */
#define NOBODY	  UINT16_MAX

enum policy { MODULO, RING, MAGLEV, MAGLEV_TABLES, TURN_TABLES, POLICIES };

static const char *const policy_names[POLICIES] = {
	"modulo", "ring of 100 points", "Maglev alone", "Maglev, tables", "round robin, tables"};

enum life { ABSENT, OPEN, DRAINING, GONE };

struct point {
	uint64_t at;
	uint16_t backend;
};

static struct {
	uint32_t flows;
	enum policy policy;
	bool resilient; /* the router's ECMP */
	bool balancer[BALANCERS + 1];
	uint16_t bucket[BUCKETS]; /* resilient: its balancer */
	enum life life[ALL];
	uint16_t place[MAGLEV_SIZE];
	uint16_t open[ALL]; /* modulo's and round robin's */
	uint32_t n_open;
	struct point ring[ALL * POINTS];
	uint32_t n_ring;
	struct flow_table *table[BALANCERS + 1];
	uint32_t turn[BALANCERS + 1];
	uint16_t *opened; /* the backend that has a flow's connection */
} sim;

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "lb_churn: %s\n", what);
	exit(1);
}

static uint64_t mixed(uint64_t x)
{
	uint64_t state = x;

	return random64(&state);
}

/* A flow's hash at every balancer, and another at the router. */
static uint32_t flow_word(uint32_t flow)
{
	return (uint32_t)(mixed(flow) >> 32);
}

static uint32_t router_word(uint32_t flow)
{
	return (uint32_t)mixed(flow + UINT64_C(0x100000000));
}

/* --- the router --- */

static uint32_t balancers(void)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i <= BALANCERS; i++)
		n += sim.balancer[i];
	return n;
}

static uint16_t nth_balancer(uint32_t n)
{
	uint16_t i = 0;

	while (!sim.balancer[i] || n-- > 0)
		i++;
	return i;
}

static uint16_t balancer_of(uint32_t flow)
{
	uint32_t word = router_word(flow);

	return sim.resilient ? sim.bucket[word % BUCKETS] : nth_balancer(word % balancers());
}

/* A resilient group: the buckets of one that was lost are shared, a new one takes its share. */
static void settle_buckets(uint16_t added)
{
	uint32_t turn = 0, share = BUCKETS / balancers();

	for (uint32_t i = 0; i < BUCKETS; i++)
		if (!sim.balancer[sim.bucket[i]])
			sim.bucket[i] = nth_balancer(turn++ % balancers());
	for (uint32_t i = 0; added != NOBODY && i < share; i++)
		sim.bucket[i * balancers() % BUCKETS] = added;
}

/* --- the balancers --- */

static int by_place(const void *a, const void *b)
{
	uint64_t x = ((const struct point *)a)->at, y = ((const struct point *)b)->at;

	return x < y ? -1 : x > y;
}

/* Every balancer has the same configuration, and of it the same tables. */
static void configure(void)
{
	static struct maglev_backend b[ALL];
	uint32_t n = 0;
	static uint16_t index[ALL];

	sim.n_open = sim.n_ring = 0;
	for (uint16_t i = 0; i < ALL; i++) {
		if (sim.life[i] != OPEN && sim.life[i] != DRAINING)
			continue;
		b[n] = (struct maglev_backend){mixed(i + 77u), 1, sim.life[i] == OPEN};
		index[n++] = i;
		if (sim.life[i] != OPEN)
			continue;
		sim.open[sim.n_open++] = i;
		for (uint32_t j = 0; j < POINTS; j++)
			sim.ring[sim.n_ring++] = (struct point){mixed(i * 1000u + j + 500000u), i};
	}
	qsort(sim.ring, sim.n_ring, sizeof(*sim.ring), by_place);
	must(maglev_build(sim.place, MAGLEV_SIZE, b, n) == 0, "no memory for Maglev");
	for (uint32_t i = 0; i < MAGLEV_SIZE; i++)
		sim.place[i] = index[sim.place[i]];
}

static uint16_t on_ring(uint64_t at)
{
	uint32_t low = 0, high = sim.n_ring;

	while (low < high) {
		uint32_t mid = (low + high) / 2;

		low = sim.ring[mid].at < at ? mid + 1 : low;
		high = sim.ring[mid].at < at ? high : mid;
	}
	return sim.ring[low % sim.n_ring].backend;
}

static uint16_t chosen(uint16_t balancer, uint32_t flow)
{
	uint32_t word = flow_word(flow);

	switch (sim.policy) {
	case MODULO:
		return sim.open[word % sim.n_open];
	case RING:
		return on_ring(mixed(word));
	case TURN_TABLES:
		return sim.open[sim.turn[balancer]++ % sim.n_open];
	default:
		return sim.place[maglev_place(word, MAGLEV_SIZE)];
	}
}

/* The backend of a flow's packet at a balancer, as its table has it, or as it is put there. */
static uint16_t backend_at(uint16_t balancer, uint32_t flow)
{
	struct flow_key key = {.addr = flow + 1, .port = 1024, .service_port = 80};
	struct flow_table *t = sim.table[balancer];
	struct flow gone, *f;
	uint32_t hash;

	if (sim.policy < MAGLEV_TABLES)
		return chosen(balancer, flow);
	hash = flow_hash(t, &key);
	f = flow_find(t, hash, &key, 0);
	if (f != NULL && sim.life[f->backend] != GONE)
		return f->backend;
	if (f != NULL)
		flow_end(t, f);
	f = flow_add(t, hash, &key, 0, &gone);
	must(f != NULL && gone.state == FLOW_FREE, "a flow had no place");
	f->state = FLOW_ESTABLISHED;
	f->backend = chosen(balancer, flow);
	flow_touch(f, 0, 1000);
	return f->backend;
}

/* --- events --- */

static void begin(enum policy policy, bool resilient)
{
	static const uint64_t secret[2] = {
		UINT64_C(0x243f6a8885a308d3), UINT64_C(0x13198a2e03707344)};

	sim.policy = policy;
	sim.resilient = resilient;
	for (uint32_t i = 0; i <= BALANCERS; i++) {
		flow_table_free(sim.table[i]);
		/* one balancer's share, that of one lost, and room that none is without a place */
		sim.table[i] = policy < MAGLEV_TABLES
				       ? NULL
				       : flow_table_new(sim.flows / BALANCERS * 4, secret, -1);
		must(policy < MAGLEV_TABLES || sim.table[i] != NULL, "no memory for flows");
		sim.balancer[i] = i < BALANCERS;
		sim.turn[i] = i;
	}
	for (uint32_t i = 0; i < BUCKETS; i++)
		sim.bucket[i] = (uint16_t)(i % BALANCERS);
	for (uint32_t i = 0; i < ALL; i++)
		sim.life[i] = i < BACKENDS ? OPEN : ABSENT;
	configure();
	for (uint32_t i = 0; i < sim.flows; i++)
		sim.opened[i] = backend_at(balancer_of(i), i);
}

static void remove_some(uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		sim.life[i * 97 % BACKENDS] = GONE;
}

static void add_some(uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		sim.life[BACKENDS + i] = OPEN;
}

static void remove_one(void)
{
	remove_some(1);
}

static void add_one(void)
{
	add_some(1);
}

static void drain_one(void)
{
	sim.life[500] = DRAINING;
}

static void remove_ten(void)
{
	remove_some(10);
}

static void replace_ten(void)
{
	remove_some(10);
	add_some(10);
}

static void lose_balancer(void)
{
	sim.balancer[5] = false;
	settle_buckets(NOBODY);
}

static void gain_balancer(void)
{
	sim.balancer[BALANCERS] = true;
	settle_buckets(BALANCERS);
}

/* A balancer is lost after its flows were opened, and backends have been replaced since. */
static void replace_and_lose(void)
{
	replace_ten();
	lose_balancer();
}

static const struct event {
	const char *name;
	void (*happens)(void);
	bool plain; /* ECMP, too */
} events[] = {
	{"a backend removed", remove_one, false},
	{"a backend added", add_one, false},
	{"a backend drained", drain_one, false},
	{"1 % of backends removed", remove_ten, false},
	{"1 % of backends replaced", replace_ten, false},
	{"a balancer lost", lose_balancer, true},
	{"a balancer added", gain_balancer, true},
	{"1 % replaced, then a balancer lost", replace_and_lose, true},
};

/* The share of flows that the event breaks, in percent. */
static double broken(const struct event *e, enum policy policy, bool resilient)
{
	uint32_t n = 0, counted = 0;

	begin(policy, resilient);
	e->happens();
	configure();
	for (uint32_t i = 0; i < sim.flows; i++) {
		if (sim.life[sim.opened[i]] == GONE)
			continue;
		counted++;
		n += backend_at(balancer_of(i), i) != sim.opened[i];
	}
	/* what a table holds cannot be moved by backends, nor what Maglev agrees on by balancers */
	must(policy < MAGLEV_TABLES || e->plain || n == 0, "a flow in a table was broken");
	must((policy != MAGLEV_TABLES && policy != MAGLEV) || e->happens == replace_and_lose ||
			!e->plain || n == 0,
		"two balancers do not agree");
	return 100.0 * n / counted;
}

/* --- Maglev's table: size and disruption --- */

/* The share of places not of removed backends that move, in percent. */
static double moved(uint32_t size, uint32_t removed, bool kept)
{
	uint16_t *before = calloc(size, sizeof(*before)), *after = calloc(size, sizeof(*after));
	struct maglev_backend b[BACKENDS];
	static uint16_t index[BACKENDS];
	uint32_t n = 0, others = 0, moves = 0;

	must(before != NULL && after != NULL, "no memory");
	for (uint32_t i = 0; i < BACKENDS; i++)
		b[i] = (struct maglev_backend){mixed(i + 77u), 1, true};
	must(maglev_build(before, size, b, BACKENDS) == 0, "no memory for Maglev");
	for (uint16_t i = 0; i < BACKENDS; i++) {
		bool out = i * 997u % BACKENDS < removed;

		if (out && !kept)
			continue;
		b[n] = (struct maglev_backend){mixed(i + 77u), 1, !out};
		index[n++] = i;
	}
	must(maglev_build(after, size, b, n) == 0, "no memory for Maglev");
	for (uint32_t i = 0; i < size; i++) {
		if (before[i] * 997u % BACKENDS < removed)
			continue;
		others++;
		moves += index[after[i]] != before[i];
	}
	free(before);
	free(after);
	must(!kept || moves == 0, "a place moved that did not have to");
	return 100.0 * moves / others;
}

static void print_events(void)
{
	printf("event\tECMP");
	for (int p = 0; p < POLICIES; p++)
		printf("\t%s", policy_names[p]);
	printf("\n");
	for (size_t i = 0; i < sizeof(events) / sizeof(*events); i++)
		for (int plain = 0; plain <= events[i].plain; plain++) {
			printf("%s\t%s", events[i].name,
				!events[i].plain ? "any"
				: plain		 ? "plain"
						 : "resilient");
			for (int p = 0; p < POLICIES; p++)
				printf("\t%.2f", broken(&events[i], (enum policy)p, !plain));
			printf("\n");
			fflush(stdout);
		}
}

static void print_sizes(bool brief)
{
	static const uint32_t removed[] = {1, 2, 5, 10, 20, 50, 100};
	static const uint32_t sizes[] = {65537, 655373};

	printf("\nremoved, percent\tfrom the set, %u places", sizes[0]);
	if (!brief)
		printf("\tfrom the set, %u places", sizes[1]);
	printf("\tkept in the set, not usable\n");
	for (size_t i = 0; i < sizeof(removed) / sizeof(*removed); i++) {
		printf("%.1f", 100.0 * removed[i] / BACKENDS);
		for (int j = 0; j < (brief ? 1 : 2); j++)
			printf("\t%.2f", moved(sizes[j], removed[i], false));
		printf("\t%.2f\n", moved(sizes[0], removed[i], true));
	}
}

int main(int argc, char **argv)
{
	bool brief = argc > 1 && strcmp(argv[1], "--short") == 0;

	sim.flows = brief ? 1 << 16 : 1 << 20;
	sim.opened = calloc(sim.flows, sizeof(*sim.opened));
	must(sim.opened != NULL, "no memory");
	print_events();
	print_sizes(brief);
	return 0;
}
