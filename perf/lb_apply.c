/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lb_apply SERVICES BACKENDS PLACES [ROUNDS]: milliseconds of control for an apply of as many
 * services, each with so many backends of its own and a Maglev table of so many places: the first,
 * one that changes nothing, one in which the first backend of each service drains, and the first of
 * others in their place; the least of ROUNDS. Tables are prepared in turns, of which the longest
 * is shown, too.
 */
#include "config/conf.h"
#include "lb/lb.h"
#include "measure.h"
#include "net/net.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PARSE, CHECK, DIFF, PREPARE, TURN, BUILD, PUBLISH, RETIRE, TICK, STEPS };
static const char *const steps[STEPS] = {
	"parse", "check", "diff", "prepare", "a turn", "build", "publish", "retire", "tick"};

static struct net *net;
static uint32_t services, backends, places;

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "lb_apply: %s\n", what);
	exit(1);
}

/* The services from `first` on, with addresses of their own. */
static char *text_of(uint32_t first, bool drains)
{
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);

	must(out != NULL, "no memory");
	fprintf(out, "system: {limits: {balanced_services: 16384, balanced_backends: 32767}}\n"
		     "ports: {wan: {vdev: net_null0, addresses: [100.64.0.1/10]}}\n"
		     "balancers:\n  services:\n");
	for (uint32_t i = first; i < first + services; i++) {
		fprintf(out,
			"    s%u:\n      {address: 11.%u.%u.%u, port: 80, table: %u, "
			"backends: [",
			i, i >> 16, i >> 8 & 255, i & 255, places);
		for (uint32_t j = 0; j < backends; j++) {
			uint32_t at = 256 + i * backends + j;

			fprintf(out, "%s{address: 100.%u.%u.%u%s}", j ? ", " : "", 64 + (at >> 16),
				at >> 8 & 255, at & 255, drains && j == 0 ? ", state: drain" : "");
		}
		fprintf(out, "]}\n");
	}
	must(fclose(out) == 0, "no memory");
	return text;
}

/* Of this thread alone: others have the CPU, too. */
static double ms_since(struct timespec *from)
{
	struct timespec was = *from;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, from);
	return (double)(from->tv_sec - was.tv_sec) * 1e3 +
	       (double)(from->tv_nsec - was.tv_nsec) / 1e6;
}

/* Applies it in place of *conf, which it then is; took[] become lower. */
static void apply(struct conf **conf, uint32_t first, bool drains, double took[STEPS])
{
	char *text = text_of(first, drains);
	struct errs e = {0};
	double now[STEPS];
	struct timespec at = {0};
	struct conf *c;

	ms_since(&at);
	c = conf_parse("apply", text, strlen(text), &e);
	conf_print_errors(stderr, "apply", &e);
	must(c != NULL, "not read");
	now[PARSE] = ms_since(&at);
	conf_check(c, *conf, &e);
	conf_print_errors(stderr, "apply", &e);
	must(e.n == 0, "refused");
	now[CHECK] = ms_since(&at);
	if (*conf == NULL) {
		must(lb_attach(net, &c->balancers) == 0, "no memory for flows");
		ms_since(&at);
	}
	free(*conf == NULL ? NULL : conf_diff(*conf, c));
	now[DIFF] = ms_since(&at);
	now[TURN] = now[PREPARE] = 0;
	for (bool more = true; more;) {
		double turn;

		more = lb_prepare(net, &c->balancers);
		turn = ms_since(&at);
		now[PREPARE] += turn;
		now[TURN] = turn > now[TURN] ? turn : now[TURN];
	}
	must(lb_build(net, &c->balancers, &e) == 0, "not built");
	now[BUILD] = ms_since(&at);
	lb_publish(net, clock_now());
	now[PUBLISH] = ms_since(&at);
	lb_retire(net);
	now[RETIRE] = ms_since(&at);
	lb_tick(net, clock_now());
	now[TICK] = ms_since(&at);
	for (uint32_t i = 0; i < STEPS; i++)
		took[i] = took[i] == 0 || now[i] < took[i] ? now[i] : took[i];
	conf_free(*conf);
	*conf = c;
	free(text);
}

/* Workers go round their tables of flows, so that what has gone is gone. */
static void rounds(void)
{
	for (uint32_t i = 0; i < 8; i++) {
		net->worker[0]->now += clock_of_ms(30000);
		lb_time(net->worker[0]);
	}
	lb_tick(net, clock_now());
	while (rib4_pending(net->rib) > 0)
		rib4_poll(net->rib, UINT64_MAX);
	epoch_poll(net->epoch);
}

int main(int argc, char **argv)
{
	static const char *const names[] = {"first", "the same", "drains", "others"};
	double took[4][STEPS] = {0};
	struct rte_mempool *pool;
	struct conf *conf = NULL;
	uint32_t n = argc > 4 ? (uint32_t)atoi(argv[4]) : 5;

	must(argc > 3, "SERVICES BACKENDS PLACES [ROUNDS]");
	services = (uint32_t)atoi(argv[1]);
	backends = (uint32_t)atoi(argv[2]);
	places = (uint32_t)atoi(argv[3]);
	measure_eal(64);
	must(net_new(&net, &net_limits_default) == 0, "no memory for the tables");
	pool = rte_pktmbuf_pool_create("pool", 1023, 0, 0, 2048, SOCKET_ID_ANY);
	must(pool != NULL, "no memory for packets");
	net->n_workers = 1;
	net->worker[0] = worker_new(net, 0, 1, -1, pool);
	must(net->worker[0] != NULL, "no memory for the worker");
	apply(&conf, 0, false, took[0]);
	for (uint32_t i = 1; i <= n; i++) {
		apply(&conf, (i - 1) % 2 * services / 2, false, took[1]);
		apply(&conf, (i - 1) % 2 * services / 2, true, took[2]);
		rounds();
		apply(&conf, i % 2 * services / 2, false, took[3]);
		rounds();
	}
	printf("%-10s", "");
	for (uint32_t s = 0; s < STEPS; s++)
		printf("%10s", steps[s]);
	for (uint32_t k = 0; k < 4; k++) {
		printf("\n%-10s", names[k]);
		for (uint32_t s = 0; s < STEPS; s++)
			printf("%10.2f", took[k][s]);
	}
	printf("  ms\n");
	return 0;
}
