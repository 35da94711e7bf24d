/* SPDX-License-Identifier: BSD-3-Clause */
/* What workers need to tell flows and to take some: made for a plan, published with it. */
#include "base/log.h"
#include "control.h"
#include "net/udp.h"
#include "sync_inner.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

static void put_service(struct lb_sync *s, const struct lb_svc *svc, uint32_t k)
{
	for (uint32_t i = 0; i < svc->conf.n_backends; i++) {
		const struct lb_member *m = &svc->members[i];

		lb_sync_put(s, svc->slot[k], to_be32(m->conf->addr), to_be16(m->conf->port),
			m->slot[k]);
	}
}

int lb_sync_new(struct lb_plan *p)
{
	const struct lb_sync_conf *c = &p->conf.sync;
	uint32_t places = (uint32_t)rte_align32pow2(LB_PROTOS * 2 * p->n_members + 2);
	struct lb_sync *s;

	if (c->addr == 0)
		return 0;
	s = p->sync = malloc(sizeof(*s) + places * sizeof(s->place[0]));
	if (s == NULL)
		return -ENOMEM;
	*s = (struct lb_sync){.key = sync_key(c->key),
		.addr = c->addr,
		.peer = c->peer,
		.port = c->port,
		.rate = c->rate,
		.mask = places - 1};
	for (uint32_t i = 0; i < places; i++)
		s->place[i] = (struct sync_place){.backend = LB_NOBODY};
	for (uint32_t i = 0; i < p->conf.n_services; i++)
		for (uint32_t k = 0; k < LB_PROTOS; k++)
			if (p->services[i].slot[k] != LB_NOBODY)
				put_service(s, &p->services[i], k);
	return 0;
}

void lb_sync_publish(struct net *net, struct lb_plan *p)
{
	struct lb_sync *s = p->sync;

	atomic_store_explicit(&net->sync_end, s == NULL ? 0 : udp_sync_end(s->addr, s->port),
		memory_order_relaxed);
	s = atomic_exchange_explicit(&net->lb->sync, s, memory_order_acq_rel);
	p->sync = NULL;
	if (s != NULL)
		epoch_defer(net->epoch, free, s);
}

void lb_sync_tick(struct net *net, ticks now)
{
	const struct lb_sync *s = atomic_load_explicit(&net->lb->sync, memory_order_relaxed);
	uint64_t peer = atomic_load_explicit(&net->lb->peer, memory_order_relaxed);
	char text[IP4_ADDR_TEXT];

	if (s == NULL)
		peer = 0;
	if (peer == net->lb->control->peer)
		return;
	net->lb->control->peer = peer;
	net->lb->control->peer_since = now;
	if (s != NULL && peer != 0)
		log_notice("balancers.sync: %s is there, session %016" PRIx64,
			ip4_addr_text(s->peer, text), peer);
	else if (s != NULL)
		log_notice("balancers.sync: %s is silent", ip4_addr_text(s->peer, text));
}

/* What a worker has still to say; it writes meanwhile, each number by itself. */
static void add_pending(struct lb_peer *p, const struct sync_end *e)
{
	if (__atomic_load_n(&e->telling, __ATOMIC_RELAXED) == 0)
		return;
	p->unwalked += __atomic_load_n(&e->left, __ATOMIC_RELAXED);
	for (uint32_t i = 0; i < SYNC_SLOTS; i++)
		p->pending += __atomic_load_n(&e->n[i], __ATOMIC_RELAXED);
}

bool lb_peer(const struct net *net, struct lb_peer *p)
{
	const struct lb_control *c = net->lb == NULL ? NULL : net->lb->control;

	*p = (struct lb_peer){0};
	if (c == NULL || c->plan == NULL || c->plan->conf.sync.addr == 0)
		return false;
	p->conf = &c->plan->conf.sync;
	p->session = c->peer;
	p->up = c->peer != 0;
	p->since = c->peer_since;
	p->listens = p->up && atomic_load_explicit(&net->lb->telling, memory_order_relaxed) != 0;
	for (uint16_t i = 0; i < net->n_workers; i++)
		add_pending(p, net->worker[i]->lb->sync);
	return true;
}
