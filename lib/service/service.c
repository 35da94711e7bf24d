/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The list of services: checked, published, and carried out by each worker for itself.
 *
 * UDP's are net/udp.h's. TCP's are listeners of every worker's stack: steering brings a connection
 * to one worker, and whichever that is listens.
 */
#include "service/service.h"

#include "base/log.h"
#include "files.h"
#include "http.h"
#include "net/net.h"
#include "net/udp.h"
#include "services.h"
#include "tcp/stage.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#define BACKLOG 1024

static const struct {
	const char *name;
	bool is_udp;
	enum udp_kind udp;
	const struct tcp_ops *tcp;
	bool has_files; /* below a root: http, whose listeners have a site for a user */
} kinds[] = {
	[SERVICE_UDP_ECHO] = {"udp-echo", true, UDP_ECHO, NULL, false},
	[SERVICE_UDP_DISCARD] = {"udp-discard", true, UDP_DISCARD, NULL, false},
	[SERVICE_TCP_ECHO] = {"tcp-echo", false, 0, &tcp_echo, false},
	[SERVICE_TCP_DISCARD] = {"tcp-discard", false, 0, &tcp_discard, false},
	[SERVICE_TCP_SOURCE] = {"tcp-source", false, 0, &tcp_source, false},
	[SERVICE_HTTP] = {"http", false, 0, &tcp_http, true},
};

struct endpoint {
	uint32_t addr;
	uint16_t port;
	enum service_kind kind;
	struct files *files; /* of http */
};

/* Published whole. `number` tells a worker that it is another one, wherever it lies. */
struct service_table {
	uint64_t number;
	struct tcp_settings tcp;
	struct service_http_conf http;
	struct net *net;
	struct service_table *next; /* of net->services_old */
	uint32_t n;
	struct endpoint list[];
};

struct open_listener {
	struct endpoint at;
	int listener;
	struct http_site *site; /* of http */
};

/* What a worker has carried out. */
struct service_host {
	uint64_t number;
	uint32_t n;
	uint32_t room;
	struct open_listener *list;
	bool wants; /* something listed is not open */
	struct http_host *http;
	uint64_t told_ms; /* when unix_s was read */
	int64_t unix_s;
};

/* --- control --- */

const char *service_kind_name(enum service_kind kind)
{
	return kinds[kind].name;
}

bool service_is_udp(enum service_kind kind)
{
	return kinds[kind].is_udp;
}

/* Where a service's files are; false: they cannot be named. */
static bool root_of(const struct services_conf *c, const struct service_conf *s, char root[512])
{
	return snprintf(root, 512, "%s%s", s->root[0] == '/' ? "" : c->directory, s->root) < 512;
}

static struct files_budget budget_of(const struct services_conf *c)
{
	return (struct files_budget){c->http.files_bytes, c->http.files};
}

static void check_root(const struct services_conf *c, const struct service_conf *s,
	struct files_budget *budget, struct errs *e)
{
	char path[64], root[512];

	snprintf(path, sizeof(path), "services.%s.root", s->name);
	if (!kinds[s->kind].has_files) {
		if (s->root[0] != '\0')
			errs_add(e, s->at, path, "only a service of kind http has one");
	} else if (s->root[0] == '\0') {
		errs_add(e, s->at, path, "missing; the directory whose files are shown");
	} else if (!root_of(c, s, root)) {
		errs_add(e, s->at, path, "too long together with the configuration's directory");
	} else {
		files_check(&(struct files_owner){s->at, path, root}, budget, e);
	}
}

int service_check(const struct services_conf *c, struct errs *e)
{
	struct files_budget budget = budget_of(c);
	size_t before = e->n;
	char path[64];

	for (uint32_t i = 0; i < c->n; i++) {
		const struct service_conf *s = &c->list[i];

		snprintf(path, sizeof(path), "services.%s.listen", s->name);
		if (s->port == 0)
			errs_add(e, s->at, path, "port 0; 1 to 65535 are allowed");
		if (s->addr != 0 && ip4_src_is_martian(s->addr))
			errs_add(e, s->at, path, "not an address of one host, nor 0.0.0.0 for all");
		check_root(c, s, &budget, e);
		for (uint32_t j = 0; j < i; j++)
			if (c->list[j].port == s->port && c->list[j].addr == s->addr &&
				kinds[c->list[j].kind].is_udp == kinds[s->kind].is_udp)
				errs_add(e, s->at, path, "service %s has this address and port",
					c->list[j].name);
	}
	return e->n == before ? 0 : -EINVAL;
}

static int build_udp(struct net *net, const struct services_conf *c)
{
	struct udp_conf udp = {.list = calloc(c->n + 1, sizeof(udp.list[0]))};
	int rc;

	if (udp.list == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < c->n; i++)
		if (kinds[c->list[i].kind].is_udp)
			udp.list[udp.n++] =
				(struct udp_service_conf){.kind = kinds[c->list[i].kind].udp,
					.addr = c->list[i].addr,
					.port = c->list[i].port};
	rc = udp_build(net, &udp);
	free(udp.list);
	return rc;
}

static struct tcp_settings settings_of(const struct service_tcp_conf *c)
{
	struct tcp_settings s = tcp_settings_default;

	s.msl_ms = c->msl_ms;
	s.rto_min_us = c->rto_min_ms * 1000;
	s.delayed_ack_us = c->delayed_ack_ms * 1000;
	s.challenge_acks = c->challenge_acks;
	s.options.stall_timeout_ms = c->stall_timeout_ms;
	s.options.keepalive_idle_s = c->keepalive_ms / 1000;
	s.timestamps = c->timestamps != 0;
	s.sack = c->sack != 0;
	s.ecn = c->ecn != 0;
	return s;
}

static void table_free(struct service_table *t)
{
	for (uint32_t i = 0; t != NULL && i < t->n; i++)
		files_free(t->list[i].files);
	free(t);
}

/* The services of TCP, with their files; false: what is wrong is said. */
static bool list_services(struct service_table *t, const struct services_conf *c, struct errs *e)
{
	struct files_budget budget = budget_of(c);
	char path[64], root[512];

	for (uint32_t i = 0; i < c->n; i++) {
		const struct service_conf *s = &c->list[i];
		struct endpoint *to = &t->list[t->n];

		if (kinds[s->kind].is_udp)
			continue;
		*to = (struct endpoint){s->addr, s->port, s->kind, NULL};
		if (kinds[s->kind].has_files) {
			snprintf(path, sizeof(path), "services.%s.root", s->name);
			root_of(c, s, root);
			to->files = files_load(&(struct files_owner){s->at, path, root}, &budget,
				t->net->n_workers, e);
			if (to->files == NULL)
				return false;
		}
		t->n++;
	}
	return true;
}

int service_build(struct net *net, const struct services_conf *c, struct errs *e)
{
	static uint64_t number;
	struct service_table *t = calloc(1, sizeof(*t) + c->n * sizeof(t->list[0]));
	int rc = t == NULL ? -ENOMEM : build_udp(net, c);

	if (rc < 0) {
		free(t);
		return rc;
	}
	t->number = ++number;
	t->tcp = settings_of(&c->tcp);
	t->http = c->http;
	t->net = net;
	net->services_next = t;
	service_poll(net);
	if (list_services(t, c, e))
		return 0;
	service_abandon(net);
	return -EINVAL;
}

void service_abandon(struct net *net)
{
	udp_abandon(net);
	table_free(net->services_next);
	net->services_next = NULL;
}

void service_publish(struct net *net)
{
	udp_publish(net);
	net->services_next =
		atomic_exchange_explicit(&net->services, net->services_next, memory_order_acq_rel);
}

/* No worker can find it any more; but those that did may still send its files. */
static void grow_old(void *table)
{
	struct service_table *t = table;

	t->next = t->net->services_old;
	t->net->services_old = t;
}

void service_retire(struct net *net)
{
	udp_retire(net);
	if (net->services_next != NULL)
		epoch_defer(net->epoch, grow_old, net->services_next);
	net->services_next = NULL;
}

static bool is_in_use(const struct service_table *t)
{
	for (uint32_t i = 0; i < t->n; i++)
		if (t->list[i].files != NULL && files_in_use(t->list[i].files, t->net->n_workers))
			return true;
	return false;
}

void service_poll(struct net *net)
{
	struct service_table **link = &net->services_old;

	while (*link != NULL) {
		struct service_table *t = *link;

		if (is_in_use(t)) {
			link = &t->next;
			continue;
		}
		*link = t->next;
		table_free(t);
	}
}

void service_free(struct net *net)
{
	service_abandon(net);
	table_free(atomic_exchange_explicit(&net->services, NULL, memory_order_relaxed));
	while (net->services_old != NULL) {
		struct service_table *t = net->services_old;

		net->services_old = t->next;
		table_free(t);
	}
}

int service_attach(struct net *net, const struct services_conf *c)
{
	const struct tcp_settings settings = settings_of(&c->tcp);
	struct tcp_limits limits = tcp_limits_default;
	uint64_t seed[4];

	limits.connections = c->tcp.connections;
	limits.time_waits = c->tcp.time_waits;
	/* half of the buffers stay for packets that pass */
	limits.held_buffers = net->limits.mbufs / 2 / net->n_workers;
	limits.held_bytes = (uint64_t)limits.held_buffers * net->limits.mbuf_size;
	if (getrandom(seed, sizeof(seed), 0) != sizeof(seed))
		return -errno;
	for (uint16_t i = 0; i < net->n_workers; i++) {
		struct worker *w = net->worker[i];

		w->host = calloc(1, sizeof(*w->host));
		if (w->host != NULL)
			w->host->http = http_new(w, limits.connections);
		if (w->host == NULL || w->host->http == NULL ||
			tcp_attach(w, &settings, &limits, seed) < 0) {
			log_error("no memory for %u TCP connections (system.limits)",
				limits.connections);
			return -ENOMEM;
		}
	}
	return 0;
}

void service_detach(struct net *net)
{
	for (uint16_t i = 0; i < net->n_workers; i++) {
		struct worker *w = net->worker[i];

		if (w == NULL)
			continue;
		tcp_detach(w);
		if (w->host != NULL) {
			http_free(w->host->http);
			free(w->host->list);
		}
		free(w->host);
		w->host = NULL;
	}
}

/* --- worker --- */

static bool same(const struct endpoint *a, const struct endpoint *b)
{
	return a->addr == b->addr && a->port == b->port && a->kind == b->kind;
}

static const struct endpoint *listed(const struct service_table *t, const struct endpoint *e)
{
	for (uint32_t i = 0; i < t->n; i++)
		if (same(&t->list[i], e))
			return &t->list[i];
	return NULL;
}

bool service_has(const struct net *net, bool udp, uint32_t addr, uint16_t port)
{
	const struct service_table *t = atomic_load_explicit(&net->services, memory_order_acquire);

	if (udp)
		return udp_service(net, addr, port) >= 0;
	for (uint32_t i = 0; t != NULL && i < t->n; i++)
		if (t->list[i].port == port &&
			(addr == 0 || t->list[i].addr == 0 || t->list[i].addr == addr))
			return true;
	return false;
}

/* What its connections begin with where a kind has its own mind; NULL: what the stack says. */
static const struct tcp_options *own_options(
	const struct service_table *t, enum service_kind kind, struct tcp_options *o)
{
	if (!kinds[kind].has_files)
		return NULL;
	*o = t->tcp.options;
	http_options(o);
	return o;
}

static void close_others(struct worker *w, struct service_host *h, const struct service_table *t)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < h->n; i++) {
		struct open_listener *l = &h->list[i];
		const struct endpoint *now = listed(t, &l->at);
		struct tcp_options o;

		if (now != NULL) {
			tcp_listen_options(w->stack, l->listener, own_options(t, l->at.kind, &o));
			if (l->site != NULL)
				http_site_give(l->site, now->files);
			h->list[kept++] = *l;
			continue;
		}
		tcp_unlisten(w->stack, l->listener);
		if (l->site != NULL)
			http_site_close(l->site);
	}
	h->n = kept;
}

/* A program's socket may have the port, or there may be no memory: again later. */
static void open_new(struct worker *w, struct service_host *h, const struct service_table *t,
	const struct endpoint *e)
{
	struct tcp_options o;
	struct http_site *site = NULL;
	int listener = -ENOMEM;

	for (uint32_t i = 0; i < h->n; i++)
		if (same(&h->list[i].at, e))
			return;
	if (kinds[e->kind].has_files)
		site = http_site_open(h->http, e->files);
	if (site != NULL || !kinds[e->kind].has_files)
		listener = tcp_listen(w->stack, e->addr, e->port, BACKLOG, kinds[e->kind].tcp, site,
			own_options(t, e->kind, &o));
	if (listener >= 0) {
		h->list[h->n++] = (struct open_listener){*e, listener, site};
		return;
	}
	h->wants = true;
	w->count[COUNT_tcp_no_memory] += listener != -EADDRINUSE;
	if (site != NULL)
		http_site_close(site);
}

/* Once a second of the pass's clock (true); the date that answers bear is the system's. */
static bool tell_time(struct worker *w, struct service_host *h)
{
	uint64_t ms = clock_to_ms(w->now);
	bool is_next = ms - h->told_ms >= 1000;

	if (is_next) {
		h->told_ms = ms;
		h->unix_s = time(NULL);
	}
	http_clock(h->http, ms, h->unix_s);
	return is_next;
}

static void open_all(struct worker *w, struct service_host *h, const struct service_table *t)
{
	h->wants = false;
	for (uint32_t i = 0; i < t->n; i++)
		open_new(w, h, t, &t->list[i]);
}

void service_sync(struct worker *w)
{
	const struct service_table *t =
		atomic_load_explicit(&w->net->services, memory_order_acquire);
	struct service_host *h = w->host;
	bool is_next = tell_time(w, h);

	if (t == NULL)
		return;
	if (t->number == h->number) {
		if (h->wants && is_next)
			open_all(w, h, t);
		return;
	}
	if (t->n > h->room) {
		struct open_listener *more = realloc(h->list, t->n * sizeof(*more));

		if (more == NULL) {
			w->count[COUNT_tcp_no_memory]++;
			return; /* again in a later pass */
		}
		h->list = more;
		h->room = t->n;
	}
	h->number = t->number;
	tcp_configure(w->stack, &t->tcp);
	http_configure(h->http, &t->http);
	close_others(w, h, t);
	open_all(w, h, t);
}
