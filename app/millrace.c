/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * millrace: the daemon. Reads its configuration, becomes EAL's main lcore, which is control, sends
 * the workers off, and then only turns the loop; on SIGTERM it drains, and leaves nothing behind.
 */
#include "app.h"
#include "apply.h"
#include "base/log.h"
#include "config/conf.h"
#include "control.h"
#include "eal.h"
#include "lb/lb.h"
#include "loop.h"
#include "method.h"
#include "net/net.h"
#include "net/park.h"
#include "net/port.h"
#include "net/punt.h"
#include "net/reasm.h"
#include "pipelines/appliance.h"
#include "pipelines/balancer.h"
#include "pipelines/host.h"
#include "plan.h"
#include "rights.h"
#include "service/checks.h"
#include "service/service.h"
#include "service/socket_service.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DRAIN_STEP_US 2000

static const char usage[] =
	"usage: millrace CONFIG.yaml\n"
	"       millrace --check CONFIG.yaml   says everything that is wrong with it, starts "
	"nothing\n"
	"       millrace --plan CONFIG.yaml    prints what it takes of the machine, as JSON\n"
	"       millrace --config-reference    prints every option with its default\n"
	"       millrace --version\n";

/* Whether all that was printed has arrived. */
static int printed(void)
{
	if (fflush(stdout) == 0 && ferror(stdout) == 0)
		return EXIT_SUCCESS;
	fprintf(stderr, "millrace: standard output: %s\n", strerror(errno));
	return EXIT_FAILURE;
}

/* NULL when the file has errors, which were printed. */
static struct conf *read_conf(const char *file)
{
	struct errs e = {0};
	struct conf *c = conf_load(file, &e);

	if (c != NULL)
		conf_check(c, NULL, &e);
	if (e.n > 0) {
		conf_print_errors(stderr, file, &e);
		conf_free(c);
		c = NULL;
	}
	errs_clear(&e);
	return c;
}

static void print_port(const struct net *net, const struct port *p)
{
	struct port_work works[PORT_WORKS];
	uint32_t n = port_offloads(p, works);

	log_notice("port %s: %s, %u rx and %u tx queues, link %s", p->name, p->devname, p->n_rxq,
		p->n_txq, p->link ? "up" : "down");
	for (uint32_t i = 0; i < n; i++)
		log_notice("  %-34s %s", works[i].what, works[i].who);
	for (uint16_t q = 0; q < p->n_rxq; q++) {
		const struct worker *w = net->worker[(p->first + q) % net->n_workers];

		if (p->node >= 0 && p->node != w->node)
			log_warning("port %s is on NUMA node %d, worker %u that polls it on %d",
				p->name, p->node, w->id, w->node);
	}
}

static void print_start(const struct net *net)
{
	for (int i = 0; i < PORT_MAX; i++)
		if (net->port[i] != NULL)
			print_port(net, net->port[i]);
	log_notice("ready: %u workers", net->n_workers);
}

static void on_signal(void *arg, int signal)
{
	struct app *app = arg;

	if (signal == SIGHUP) {
		notify_reloading(&app->notify);
		if (apply_reread(app) != -EAGAIN)
			notify_reloaded(&app->notify, app->net, false);
		return;
	}
	log_notice("stopping on %s", strsignal(signal));
	notify_stopping(&app->notify);
	loop_stop(app->loop);
}

static uint64_t waiting_packets(const struct net *net)
{
	uint64_t n = 0;

	for (uint16_t i = 0; i < net->n_workers; i++)
		n += park_held(net->worker[i]->park) + reasm_held(net->worker[i]->reasm_table);
	return n;
}

/* Packets that wait for a neighbour or for their other fragments may still go. */
static void drain(struct app *app)
{
	ticks deadline = clock_now() + clock_of_ms(app->conf->system.drain_ms);

	while (waiting_packets(app->net) > 0 && clock_now() < deadline) {
		loop_turn(app->loop);
		usleep(DRAIN_STEP_US);
	}
}

static void print_books(const struct net *net)
{
	uint64_t in = 0, out = 0, dropped = 0, consumed = 0;

	for (uint16_t i = 0; i < net->n_workers && net->worker[i] != NULL; i++) {
		const struct books *b = &net->worker[i]->books;

		in += b->rx + b->originated;
		out += b->tx;
		consumed += b->consumed;
		for (int r = 0; r < DROP_MAX; r++)
			dropped += b->drop[r];
	}
	log_notice("stopped: %lu packets received and made, %lu sent, %lu consumed, %lu dropped",
		(unsigned long)in, (unsigned long)out, (unsigned long)consumed,
		(unsigned long)dropped);
}

static pipeline_fn *const pipelines[] = {
	[PIPELINE_APPLIANCE] = appliance, [PIPELINE_HOST] = host, [PIPELINE_BALANCER] = balancer};

/* Everything between EAL's start and end. 0 when it ended because it was told to. */
static int run(struct app *app)
{
	const struct conf *c = app->conf;
	struct errs e = {0};
	int rc = net_new(&app->net, &c->system.limits);

	if (rc == 0)
		rc = eal_make_workers(app->net, c);
	if (rc == 0)
		rc = service_attach(app->net, &c->services);
	if (rc == 0 && c->system.pipeline != PIPELINE_HOST)
		rc = lb_attach(app->net, &c->balancers);
	if (rc == 0)
		rc = checks_attach(app->net);
	if (rc == 0)
		rc = socket_service_open(&app->sockets, app->net, &c->system.sockets);
	if (rc == 0) {
		app->loop = loop_new(&app->net->bell, app_work, app);
		rc = app->loop == NULL ? -1 : loop_signals(app->loop, on_signal, app);
	}
	if (rc == 0)
		rc = apply_start(app, &e);
	if (rc < 0) {
		conf_print_errors(stderr, c->file, &e);
		errs_clear(&e);
		return rc;
	}
	print_start(app->net);
	rc = eal_launch(app->net, pipelines[c->system.pipeline]);
	if (rc == 0)
		rc = socket_service_start(app->sockets);
	if (rc == 0)
		rc = control_serve(app->control, app->loop, &methods, app);
	if (rc == 0) {
		notify_ready(&app->notify, app->net);
		loop_run(app->loop);
		drain(app);
	}
	socket_service_stop(app->sockets);
	punt_stop(app->net);
	eal_stop_workers(app->net);
	return rc;
}

static void end(struct app *app)
{
	control_close(app->control);
	loop_free(app->loop);
	if (app->net != NULL) {
		epoch_drain(app->net->epoch);
		port_close_all(app->net);
		if (app->conf != NULL)
			print_books(app->net);
		socket_service_close(app->sockets);
		punt_free(app->net);
		checks_detach(app->net);
		service_detach(app->net);
		lb_detach(app->net);
		eal_free_workers(app->net);
		service_free(app->net); /* packets have referred to its files */
		net_free(app->net);
	}
	apply_end(app);
	eal_end();
}

static bool may_run(const struct conf *c)
{
	struct errs e = {0};
	bool may;

	rights_check(&c->ports, rights_held(), &e);
	may = e.n == 0;
	conf_print_errors(stderr, c->file, &e);
	errs_clear(&e);
	return may;
}

static int serve(const char *file)
{
	struct conf *c = read_conf(file);
	struct app app = {.file = file, .conf = c, .kernel_fd = -1};
	int rc;

	if (c == NULL)
		return EXIT_FAILURE;
	if (!may_run(c)) {
		apply_end(&app);
		return EXIT_FAILURE;
	}
	loop_block_signals();
	log_open(c->system.log, c->system.log_level);
	rc = control_open(&app.control, c->system.control_socket);
	if (rc < 0) {
		apply_end(&app);
		return EXIT_FAILURE;
	}
	rc = eal_start(c);
	if (rc == 0) {
		notify_open(&app.notify);
		rc = run(&app);
	}
	end(&app);
	notify_close(&app.notify);
	return rc == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int check(const char *file)
{
	struct conf *c = read_conf(file);

	if (c == NULL)
		return EXIT_FAILURE;
	printf("%s: good\n", file);
	conf_free(c);
	return printed();
}

static int plan(const char *file)
{
	struct conf *c = read_conf(file);
	json_t *plan;

	if (c == NULL)
		return EXIT_FAILURE;
	plan = plan_of(c);
	json_dumpf(plan, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(plan);
	conf_free(c);
	return printed();
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"check", required_argument, NULL, 'c'},
		{"plan", required_argument, NULL, 'p'},
		{"config-reference", no_argument, NULL, 'r'},
		{"version", no_argument, NULL, 'v'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};

	int option = getopt_long(argc, argv, "h", options, NULL);

	if (option == '?' || optind + (option == -1) != argc) {
		fputs(usage, stderr);
		return 2;
	}
	switch (option) {
	case 'c':
		return check(optarg);
	case 'p':
		return plan(optarg);
	case 'r':
		conf_reference(stdout);
		return printed();
	case 'v':
		printf("millrace %s\n", MILLRACE_VERSION);
		return printed();
	case 'h':
		fputs(usage, stdout);
		return printed();
	default:
		return serve(argv[optind]);
	}
}
