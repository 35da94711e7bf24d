/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * neigh: neighbours as an operating system has them (RFC 826, 1122 2.3.2, 5227).
 *
 * Control's alone: a table of {interface, address} with state, MAC and timers, fed by workers'
 * events and by a tick. It owns the adjacencies and the /32 entries of resolved neighbours. An
 * entry not used for `age` goes silently; one in use is confirmed by unicast probes when its last
 * confirmation is `age` old, and removed after three failures. "Used" is the workers' counters of
 * its adjacency having moved.
 */
#ifndef NET_NEIGH_H
#define NET_NEIGH_H

#include "base/clock.h"
#include "base/err.h"
#include "net/msg.h"

#include <stdbool.h>
#include <stdint.h>

struct net;

struct neigh_static {
	struct conf_pos at;
	char iface[32];
	uint32_t addr; /* host order */
	uint8_t mac[6];
};

struct neigh_conf {
	struct conf_pos at;
	uint32_t age_ms;     /* 20 min */
	uint32_t retry_ms;   /* 1 s between requests */
	uint32_t retries;    /* 3 */
	uint32_t max;	     /* entries learnt; static ones come on top */
	uint32_t gratuitous; /* gratuitous requests sent when an address comes up (RFC 5227) */
	uint32_t n_static;
	struct neigh_static *statics; /* the configuration's memory; copied by build */
};

enum neigh_state { NEIGH_INCOMPLETE, NEIGH_REACHABLE, NEIGH_PROBING, NEIGH_FAILED, NEIGH_STATIC };

/* A neighbour as shown. */
struct neigh_row {
	uint16_t iface;
	uint32_t addr;
	uint8_t mac[6];
	enum neigh_state state;
	uint32_t adj;
	uint64_t age_ms;  /* since last confirmed */
	uint64_t packets; /* sent to it, all workers */
	uint64_t bytes;
	uint32_t refs; /* routes that go through it */
	bool kernels;  /* NEIGH_STATIC since the kernel has it so, and nobody else */
};

int neigh_new(struct net *net);
void neigh_free(struct net *net);

/* The contract of every configurable module: see CONTRIBUTING. */
int neigh_check(const struct neigh_conf *c, struct errs *e);
int neigh_build(struct net *net, const struct neigh_conf *c);
void neigh_abandon(struct net *net); /* undoes a build that will not be published */
void neigh_publish(struct net *net, ticks now);
void neigh_retire(struct net *net);

/*
 * A route's next hop: the index of its adjacency (made incomplete and asked for when unknown), 0
 * when the table is full. Each neigh_ref() is paired with a neigh_unref().
 */
uint32_t neigh_ref(struct net *net, uint16_t iface, uint32_t addr, ticks now);
void neigh_unref(struct net *net, uint32_t adj);
/* Whether a next hop failed to answer and has not been heard of since. */
bool neigh_is_silent(const struct net *net, uint32_t adj);
/* Counts up whenever a next hop becomes silent or is heard of again. */
uint32_t neigh_silences(const struct net *net);

/*
 * Operator's changes: 0, -ENOENT, -ENOSPC, -EINVAL (not on the interface's networks), -EPERM (it is
 * the configuration's, or the kernel's). What is added stands above the configuration's, and
 * deleted gives way to it.
 */
int neigh_add(struct net *net, uint16_t iface, uint32_t addr, const uint8_t mac[6], ticks now);
int neigh_del(struct net *net, uint16_t iface, uint32_t addr, ticks now);
/*
 * The kernel's word: it counts less than the configuration's and the operator's. 0, -EINVAL,
 * -ENOSPC (more than NEIGH_KERNELS, too); -ENOENT.
 */
#define NEIGH_KERNELS 1024
int neigh_learn(struct net *net, uint16_t iface, uint32_t addr, const uint8_t mac[6], ticks now);
/* Of an interface that was called so, and may be gone. */
int neigh_unlearn(struct net *net, const char *iface, uint32_t addr, ticks now);
/* One neighbour as neigh_walk() shows it, by its adjacency; false: there is none. */
bool neigh_get(const struct net *net, uint32_t adj, ticks now, struct neigh_row *row);
/* Forgets learnt entries, of one interface or of all (iface 0); returns how many. */
uint32_t neigh_flush(struct net *net, uint16_t iface, ticks now);

/*
 * The RIB has another best route for a prefix, or none: neighbours that were learnt in it give way
 * where the longest prefix is not their link's any more. Those that a route or the operator names
 * stay.
 */
void neigh_prefix_changed(struct net *net, uint32_t prefix, uint8_t depth);

/* Addresses of an interface came up, changed or went; link came back: announce, forget. */
void neigh_iface_up(struct net *net, uint16_t iface, ticks now);
void neigh_iface_down(struct net *net, uint16_t iface);

/* What a worker told. */
void neigh_event(struct net *net, const struct event *e, ticks now);
/* Timers; call at least ten times a second. */
void neigh_tick(struct net *net, ticks now);

/* Calls fn for each neighbour. */
void neigh_walk(
	struct net *net, ticks now, void (*fn)(const struct neigh_row *, void *), void *arg);
const char *neigh_state_name(enum neigh_state s);

#endif
