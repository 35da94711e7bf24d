/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A neighbour that is resolved is published first (adjacency, then its /32 in the RIB), and only
 * then are the workers told to release what they parked for it.
 */
#include "neigh_step.h"

#include "base/log.h"
#include "kernel_told.h"
#include "net/arp.h"
#include "net/net.h"
#include "wire/eth_hdr.h"

#define EVICT_AT_ONCE 64 /* entries looked at to make room for one */
#define COMPLAIN_MS   60000

static const uint8_t everybody[ETH_MAC_LEN] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

void neigh_step_tell(struct net *net, struct neigh *n)
{
	struct command c = {.kind = n->state == NEIGH_FAILED ? COMMAND_FAILED : COMMAND_RESOLVED,
		.iface = n->iface,
		.addr = n->addr};

	for (uint64_t left = n->tell; left != 0; left &= left - 1) {
		uint16_t worker = (uint16_t)__builtin_ctzll(left);

		if (net_command(net, worker, &c) == 0)
			n->tell &= ~(UINT64_C(1) << worker);
	}
}

void neigh_step_tell_all(struct net *net, struct neigh *n)
{
	n->tell = net->n_workers == 0 ? 0 : UINT64_MAX >> (64 - net->n_workers);
	neigh_step_tell(net, n);
	neigh_table_place(net->neigh, n); /* with the next slot again, if a mailbox was full */
}

static fib_entry entry_of(const struct net *net, const struct neigh *n)
{
	return fib_entry_make(FIB_FORWARD, neigh_adj(net->neigh, n));
}

/* It loses against any route for the same address that somebody asked for. */
bool neigh_step_install(struct net *net, struct neigh *n)
{
	if (n->installed)
		return true;
	n->installed = rib4_add(net->rib, n->addr, 32, RIB4_CONNECTED, NEIGH_PREFERENCE, 0,
			       entry_of(net, n)) == 0;
	if (!n->installed)
		rib4_del(net->rib, n->addr, 32, RIB4_CONNECTED);
	return n->installed;
}

/* An address of ours may have taken its place in the RIB: that stays. */
static void withdraw(struct net *net, struct neigh *n)
{
	struct rib4_route r;

	if (n->installed && rib4_get(net->rib, n->addr, 32, RIB4_CONNECTED, &r) &&
		r.entry == entry_of(net, n))
		rib4_del(net->rib, n->addr, 32, RIB4_CONNECTED);
	n->installed = false;
}

static void set_state(struct net *net, struct neigh *n, enum neigh_state state)
{
	struct neigh_table *t = net->neigh;

	t->n_static += (state == NEIGH_STATIC) - (n->state == NEIGH_STATIC);
	n->state = state;
	n->tell = 0;
	n->asks = 0;
	kernel_told_neigh(net, neigh_adj(t, n));
	adj_set_asked(net, neigh_adj(t, n), state != NEIGH_REACHABLE && state != NEIGH_STATIC);
}

void neigh_step_ask_again(struct net *net, struct neigh *n, ticks now)
{
	const struct iface *f = &net->iface[n->iface];
	const struct iface_addr *from = iface_link(f, n->addr);

	n->asks++;
	n->asked = now;
	n->due = now + clock_of_ms(net->neigh->conf.retry_ms);
	/* a request that cannot be sent counts as one that was not answered */
	arp_request(net, n->iface, n->state == NEIGH_PROBING ? n->mac : everybody,
		from == NULL ? f->addr : from->addr, n->addr);
	neigh_table_place(net->neigh, n);
}

void neigh_step_ask(struct net *net, struct neigh *n, ticks now)
{
	set_state(net, n, NEIGH_INCOMPLETE);
	neigh_step_ask_again(net, n, now);
}

void neigh_step_probe(struct net *net, struct neigh *n, ticks now)
{
	set_state(net, n, NEIGH_PROBING);
	neigh_step_ask_again(net, n, now);
}

static void set_silent(struct net *net, struct neigh *n, bool silent)
{
	net->neigh->silences += n->refs > 0 && n->silent != silent;
	n->silent = silent;
}

void neigh_step_fail(struct net *net, struct neigh *n, ticks now)
{
	set_state(net, n, NEIGH_FAILED);
	set_silent(net, n, true);
	n->pause = clock_of_ms(net->neigh->conf.retry_ms);
	n->due = now + n->pause;
	neigh_step_tell_all(net, n);
}

void neigh_step_suspend(struct net *net, struct neigh *n)
{
	adj_set(net, neigh_adj(net->neigh, n), n->iface, n->addr, NULL);
	withdraw(net, n);
	set_state(net, n, NEIGH_FAILED);
	n->due = NEIGH_NEVER;
	neigh_step_tell_all(net, n);
}

/* Who waits hears of its last state; who misses that asks again, or gives up by himself. */
static void leave(struct net *net, struct neigh *n, enum neigh_state last)
{
	uint32_t adj = neigh_adj(net->neigh, n);
	bool awaited = n->state == NEIGH_INCOMPLETE;

	set_state(net, n, last);
	withdraw(net, n);
	if (awaited)
		neigh_step_tell_all(net, n);
	neigh_table_remove(net->neigh, n);
	adj_return(net, adj);
}

void neigh_step_forget(struct net *net, struct neigh *n)
{
	leave(net, n, NEIGH_FAILED);
}

void neigh_step_yield(struct net *net, struct neigh *n)
{
	leave(net, n, NEIGH_REACHABLE); /* workers tell two ends: try again, or give up */
}

void neigh_step_release(struct net *net, uint16_t iface, uint32_t addr)
{
	struct command c = {.kind = COMMAND_RESOLVED, .iface = iface, .addr = addr};

	for (uint16_t i = 0; i < net->n_workers; i++)
		net_command(net, i, &c); /* who misses that asks again */
}

void neigh_step_lose(struct net *net, struct neigh *n, ticks now)
{
	if (n->refs == 0) {
		neigh_step_forget(net, n);
		return;
	}
	adj_set(net, neigh_adj(net->neigh, n), n->iface, n->addr, NULL);
	neigh_step_ask(net, n, now);
}

/* At most once a minute. */
static void complain(struct net *net, ticks now, const char *what)
{
	struct neigh_table *t = net->neigh;

	if (t->complained != 0 && now - t->complained < clock_of_ms(COMPLAIN_MS))
		return;
	t->complained = now;
	log_warning("neighbours: %s: new ones are refused (%u known)", what, t->n);
}

void neigh_step_resolve(
	struct net *net, struct neigh *n, enum neigh_state state, const uint8_t mac[6], ticks now)
{
	bool was_resolved = neigh_is_resolved(n);

	memcpy(n->mac, mac, sizeof(n->mac));
	adj_set(net, neigh_adj(net->neigh, n), n->iface, n->addr, mac);
	if (!neigh_step_install(net, n) && n->refs == 0) {
		complain(net, now, "the FIB has no room for longer prefixes");
		neigh_step_fail(net, n, now);
		return;
	}
	set_state(net, n, state);
	set_silent(net, n, false);
	n->confirmed = now;
	n->due = state == NEIGH_STATIC ? NEIGH_NEVER
				       : now; /* how it ages is seen with the next slot */
	neigh_table_place(net->neigh, n);
	if (was_resolved)
		return;
	n->used = now;
	neigh_step_tell_all(net, n);
}

bool neigh_step_possible(const struct net *net, uint16_t iface, uint32_t addr)
{
	const struct iface *f = &net->iface[iface];
	struct rib4_route r;

	if (iface == IFACE_LOOPBACK || (f->flags & IFACE_UP) == 0 || iface_link(f, addr) == NULL)
		return false;
	return !rib4_get(net->rib, addr, 32, RIB4_CONNECTED, &r) ||
	       fib_entry_kind(r.entry) == FIB_FORWARD;
}

/* Makes room for a neighbour that is needed: one goes that nobody needed yet, or that failed. */
static bool evict(struct net *net)
{
	struct neigh_table *t = net->neigh;

	for (uint32_t i = 0; i < EVICT_AT_ONCE && i < t->high; i++) {
		struct neigh *n = &t->entry[t->cursor = t->cursor % t->high + 1];
		bool idle = n->state == NEIGH_REACHABLE &&
			    adj_sent(net, neigh_adj(t, n)).packets == n->base.packets;

		if (n->addr != 0 && n->refs == 0 && (idle || n->state == NEIGH_FAILED)) {
			neigh_step_forget(net, n);
			return true;
		}
	}
	return false;
}

struct neigh *neigh_step_make(
	struct net *net, uint16_t iface, uint32_t addr, bool learnt, ticks now)
{
	struct neigh_table *t = net->neigh;
	struct neigh *n;
	uint32_t adj;

	if (learnt && t->n - t->n_static >= t->conf.max && !evict(net)) {
		complain(net, now, "neighbours.max is reached");
		return NULL;
	}
	adj = adj_take(net);
	if (adj == 0) {
		complain(net, now, "no adjacency is free");
		return NULL;
	}
	n = neigh_table_put(t, adj, iface, addr);
	n->state = NEIGH_FAILED;
	n->base = adj_sent(net, adj);
	n->seen = n->base.packets;
	adj_set(net, adj, iface, addr, NULL);
	return n;
}
