/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The list of services: checked, published, and carried out by each worker for itself.
 *
 * UDP's are net/udp.h's. TCP's are listeners of every worker's stack: steering brings a connection
 * to one worker, and whichever that is listens.
 */
#include "service/service.h"

#include "base/log.h"
#include "net/net.h"
#include "net/udp.h"
#include "services.h"
#include "tcp/stage.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#define BACKLOG 1024

static const struct {
	bool is_udp;
	enum udp_kind udp;
	const struct tcp_ops *tcp;
} kinds[] = {
	[SERVICE_UDP_ECHO] = {true, UDP_ECHO, NULL},
	[SERVICE_UDP_DISCARD] = {true, UDP_DISCARD, NULL},
	[SERVICE_TCP_ECHO] = {false, 0, &tcp_echo},
	[SERVICE_TCP_DISCARD] = {false, 0, &tcp_discard},
	[SERVICE_TCP_SOURCE] = {false, 0, &tcp_source},
};

struct endpoint {
	uint32_t addr;
	uint16_t port;
	enum service_kind kind;
};

/* Published whole. `number` tells a worker that it is another one, wherever it lies. */
struct service_table {
	uint64_t number;
	struct tcp_settings tcp;
	uint32_t n;
	struct endpoint list[];
};

struct open_listener {
	struct endpoint at;
	int listener;
};

/* What a worker has carried out. */
struct service_host {
	uint64_t number;
	uint32_t n;
	uint32_t room;
	struct open_listener *list;
};

/* --- control --- */

int service_check(const struct services_conf *c, struct errs *e)
{
	size_t before = e->n;
	char path[64];

	for (uint32_t i = 0; i < c->n; i++) {
		const struct service_conf *s = &c->list[i];

		snprintf(path, sizeof(path), "services.%s.listen", s->name);
		if (s->port == 0)
			errs_add(e, s->at, path, "port 0; 1 to 65535 are allowed");
		if (s->addr != 0 && ip4_src_is_martian(s->addr))
			errs_add(e, s->at, path, "not an address of one host, nor 0.0.0.0 for all");
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

int service_build(struct net *net, const struct services_conf *c)
{
	static uint64_t number;
	struct service_table *t = malloc(sizeof(*t) + c->n * sizeof(t->list[0]));
	int rc = t == NULL ? -ENOMEM : build_udp(net, c);

	if (rc < 0) {
		free(t);
		return rc;
	}
	t->number = ++number;
	t->tcp = settings_of(&c->tcp);
	t->n = 0;
	for (uint32_t i = 0; i < c->n; i++)
		if (!kinds[c->list[i].kind].is_udp)
			t->list[t->n++] = (struct endpoint){
				c->list[i].addr, c->list[i].port, c->list[i].kind};
	net->services_next = t;
	return 0;
}

void service_abandon(struct net *net)
{
	udp_abandon(net);
	free(net->services_next);
	net->services_next = NULL;
}

void service_publish(struct net *net)
{
	udp_publish(net);
	net->services_next =
		atomic_exchange_explicit(&net->services, net->services_next, memory_order_acq_rel);
}

void service_retire(struct net *net)
{
	udp_retire(net);
	if (net->services_next != NULL)
		epoch_defer(net->epoch, free, net->services_next);
	net->services_next = NULL;
}

void service_free(struct net *net)
{
	service_abandon(net);
	free(atomic_exchange_explicit(&net->services, NULL, memory_order_relaxed));
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
		if (w->host == NULL || tcp_attach(w, &settings, &limits, seed) < 0) {
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
		if (w->host != NULL)
			free(w->host->list);
		free(w->host);
		w->host = NULL;
	}
}

/* --- worker --- */

static bool same(const struct endpoint *a, const struct endpoint *b)
{
	return a->addr == b->addr && a->port == b->port && a->kind == b->kind;
}

static bool is_listed(const struct service_table *t, const struct endpoint *e)
{
	for (uint32_t i = 0; i < t->n; i++)
		if (same(&t->list[i], e))
			return true;
	return false;
}

static void close_others(struct worker *w, struct service_host *h, const struct service_table *t)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < h->n; i++) {
		if (is_listed(t, &h->list[i].at))
			h->list[kept++] = h->list[i];
		else
			tcp_unlisten(w->stack, h->list[i].listener);
	}
	h->n = kept;
}

static void open_new(struct worker *w, struct service_host *h, const struct endpoint *e)
{
	int listener;

	for (uint32_t i = 0; i < h->n; i++)
		if (same(&h->list[i].at, e))
			return;
	listener = tcp_listen(w->stack, e->addr, e->port, BACKLOG, kinds[e->kind].tcp, NULL, NULL);
	if (listener < 0)
		w->count[COUNT_tcp_no_memory]++;
	else
		h->list[h->n++] = (struct open_listener){*e, listener};
}

void service_sync(struct worker *w)
{
	const struct service_table *t =
		atomic_load_explicit(&w->net->services, memory_order_acquire);
	struct service_host *h = w->host;

	if (t == NULL || t->number == h->number)
		return;
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
	close_others(w, h, t);
	for (uint32_t i = 0; i < t->n; i++)
		open_new(w, h, &t->list[i]);
}
