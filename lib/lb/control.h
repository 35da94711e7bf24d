/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * control: what control knows of services and backends, for lb's own files.
 *
 * A plan is a configuration with slots, made by lb_build(); published, it is what is in force.
 * Members carry what was learnt from one plan to the next.
 */
#ifndef LB_CONTROL_H
#define LB_CONTROL_H

#include "lb/lb.h"
#include "net/net.h"

#define LB_PROTOS 2 /* a service's slots: of TCP, of UDP */

struct lb_svc {
	struct lb_service_conf conf; /* first: a member's service is in it. Lists: the plan's */
	uint16_t slot[LB_PROTOS];    /* LB_NOBODY: not that protocol */
	uint16_t vip;
	struct lb_member *members;	 /* [conf.n_backends] of the plan's */
	struct lb_pick *pick[LB_PROTOS]; /* built, not published yet */
	struct lb_acl *acl[LB_PROTOS];	 /* the same; NULL: everybody */
	bool changed;			 /* members are not what workers see: settle it */
	bool ramps;			 /* a member starts slowly */
	uint32_t scale;			 /* members' parts of a weight of 1 */
	ticks weighed_at;
};

struct lb_plan {
	struct lb_conf conf; /* a copy with its own lists */
	struct lb_svc *services;
	struct lb_member *members;
	uint32_t n_members;
	struct lb_match *match; /* built, not published yet */
	struct lb_sync *sync;	/* the same; NULL: off */
	uint16_t *new_vip;	/* indexes taken for it */
	uint32_t n_new_vips;
	uint32_t services_from, backends_from; /* while it is built: lower slots are taken */
	uint64_t nat;			       /* indexes of its addresses of ours, as bits, */
	uint64_t new_nat;		       /* those taken for it, */
	uint64_t pool[LB_POOL_MAX];	       /* by pool, */
	uint16_t masquerade[LB_POOL_MAX];      /* and by masquerade */
};

/* Slots that were given up together, until no flow can name them. */
struct lb_leaving {
	struct lb_leaving *next;
	uint32_t need[WORKER_MAX]; /* rounds that each worker has to reach */
	uint32_t n_services, n_backends;
	uint16_t *slot; /* the services', then the backends' */
	uint64_t nat;	/* addresses of ours */
};

struct lb_control {
	uint64_t peer;	      /* sync's, as the log has it, */
	ticks peer_since;     /* and since when; 0: the start */
	struct lb_plan *plan; /* in force; NULL before the first */
	struct lb_plan *next; /* built */
	struct lb_plan *old;  /* published over, not retired */
	struct lb_leaving *leaving;
	bool *service_used; /* by slot */
	bool *backend_used;
	bool *service_kept; /* for lb_plan_mark() */
	bool *backend_kept;
	struct lb_count *service_base; /* by slot: what it had counted when it was given out */
	struct lb_count *backend_base;
	struct lb_vip_use {
		be32 addr; /* 0: free */
		bool live; /* of the plan in force */
		bool arp;
		uint8_t announce; /* gratuitous ARP requests still to send */
		ticks due;	  /* the next of them */
	} * vip;
	uint32_t n_vips; /* indexes that were ever in use */
	uint32_t max_vips;
	uint16_t *vip_at; /* while a plan is built: indexes by addresses, open addressing, */
	uint32_t vip_at_mask;
	uint32_t vips_from;	  /* and lower indexes are taken */
	bool iface_up[IFACE_MAX]; /* when links were last looked at */
	uint32_t ticks;		  /* that lb_tick() has counted */
	uint64_t version;	  /* lb_version() */
	/* prepare.c's: tables that an apply will need, by lb_table_key(), open addressing */
	struct lb_prepared {
		uint64_t key; /* 0: none */
		uint16_t *place;
		uint32_t users; /* services */
	} * prepared;
	uint32_t prepared_mask, n_prepared;
	/* health.c's */
	struct lb_member **of_slot; /* of the plan in force; NULL: nobody's */
	ticks stepped_at;
	uint32_t next_settled; /* service that is looked at first */
	uint32_t lines;	       /* that may still be logged in this second, */
	uint32_t unsaid;       /* and those that were not */
	ticks lines_at;
	/* by index: what it is while it is used; its slots are its own as long */
	struct lb_nat_use {
		bool used;
		bool masquerade;
		char name[LB_NAME]; /* of a masquerade */
		uint32_t addr;
		uint16_t port, last_port;
		uint16_t vip; /* LB_NOBODY: none, it is an interface's */
		uint16_t service[LB_NAT_PROTOS], backend[LB_NAT_PROTOS];
	} nat[LB_POOL_MAX];
};

/* A slot for a plan that is built; LB_NOBODY: all are taken. */
uint16_t lb_service_take(struct net *net, struct lb_plan *p);
uint16_t lb_backend_take(struct net *net, struct lb_plan *p);
/* Of a slot of one protocol. */
void lb_set_idle(struct lb_vservice *v, const struct lb_timeouts_conf *t);

/* --- nat_plan.c --- */

/* The plan's addresses of ours with their ports, on every worker. -errno. */
int lb_nat_plan(struct net *net, struct lb_plan *p);
/* Gives back what the plan took; it was not published. */
void lb_nat_abandon(struct net *net, struct lb_plan *p);
/* Into what workers see. */
void lb_nat_fill(const struct net *net, const struct lb_plan *p, struct lb_match *m);
void lb_nat_publish(struct net *net, const struct lb_plan *p);
/* The addresses' indexes that a service may use, as bits. */
uint64_t lb_nat_set(const struct lb_plan *p, const struct lb_service_conf *c);
/* Addresses that have gone: their flows end; then, nobody names them any more. */
void lb_nat_end(struct net *net, uint64_t set);
void lb_nat_free(struct net *net, uint64_t set);
/* Interfaces come and go between applies. */
void lb_nat_tick(struct net *net);
/* The workers have ended. */
void lb_nat_detach(struct net *net);

/* --- vip.c --- */

/* A plan is begun: what lb_vip_take() finds. */
void lb_vip_begin(struct lb_control *c);
/* The index of a virtual address for a plan; it stays while one has it, and a while. -ENOSPC. */
int lb_vip_take(struct lb_control *c, struct lb_plan *p, uint32_t addr, uint16_t *vip);

#define LB_ANNOUNCEMENTS 3

/* It is made known from the next tick on. */
static inline void lb_vip_announce(struct lb_vip_use *v, ticks now)
{
	v->announce = LB_ANNOUNCEMENTS;
	v->due = now;
}

void lb_vip_tick(struct net *net, ticks now);

/* --- plan.c --- */

/* A plan for c, with slots: those of the plan in force where they mean the same. -errno. */
int lb_plan_new(struct net *net, const struct lb_conf *c, struct lb_plan **plan);
/* The same with services and backends alone, and nothing of what workers read. */
int lb_plan_bare(struct net *net, const struct lb_conf *c, struct lb_plan **plan);
/* One that was not published: gives back what it took that `than` (NULL: nobody) has not. */
void lb_plan_free(struct net *net, struct lb_plan *p, const struct lb_plan *than);
/* Writes service_kept and backend_kept: whether p (NULL: nobody) has a slot. */
void lb_plan_mark(const struct lb *lb, const struct lb_plan *p);
/* The memory alone. */
void lb_plan_end(struct lb_plan *p);

/* --- heir.c --- */

/* The plan in force beside a new one, while that is made. */
struct lb_heirs {
	uint32_t n_before, n_now;
	const struct lb_svc **at;	 /* of the plan in force, by place, */
	const struct lb_svc **named;	 /* and by name */
	const struct lb_svc **wanted;	 /* of the new one, by place */
	const struct lb_member **member; /* of this service of the plan in force, sorted */
	const struct lb_svc *members_of;
};

/* before may be NULL. -ENOMEM, and there is nothing to end. */
int lb_heirs_new(struct lb_heirs *h, const struct lb_plan *before, const struct lb_plan *now);
void lb_heirs_end(struct lb_heirs *h);
/* Whose slot of a protocol a service takes over; NULL: nobody's. */
const struct lb_svc *lb_heir_of(const struct lb_heirs *h, const struct lb_svc *s, uint32_t k);
/* The backend of `was` at m's address and port, which has `place` in its own list; or NULL. */
const struct lb_member *lb_heir_member(
	struct lb_heirs *h, const struct lb_svc *was, const struct lb_member *m, uint32_t place);

/* --- match.c --- */

/* p->match, by its slots and the indexes of vips. -ENOMEM. */
int lb_match_new(struct net *net, struct lb_plan *p);
/* Whether it has bindings or masquerades. */
bool lb_match_looks_behind(const struct lb_match *m);
/* NULL is allowed; takes a void pointer for epoch_defer(). */
void lb_match_free(void *match);

/* --- acl.c --- */

/* Of n lines, at least one: free() it. NULL: no memory. */
struct lb_acl *lb_acl_new(const struct lb_acl_conf *c, uint32_t n);

/* --- limit.c --- */

/*
 * Parts of a limit for n workers: which have[] so many flows, and may[] have so many; may[] becomes
 * what they may have from now on: what they have, and equal parts of what is left. Less at once,
 * more only of what nobody may have or has. turn: who gets what does not divide.
 */
void lb_limit_share(uint32_t limit, uint32_t n, uint32_t turn, const uint32_t *have, uint32_t *may);
/* The same for all services and backends of a plan. */
void lb_limit_deal(struct net *net, const struct lb_plan *p);
void lb_limit_check(const struct lb_service_conf *s, struct errs *e);

/* --- sync_conf.c --- */

/* p->sync, by its slots. -ENOMEM. */
int lb_sync_new(struct lb_plan *p);
void lb_sync_publish(struct net *net, struct lb_plan *p);
/* Says in the log who has come and gone. */
void lb_sync_tick(struct net *net, ticks now);

/* --- pick.c --- */

/* Whether the one in force is what members as they are would make. */
bool lb_pick_stays(const struct net *net, const struct lb_svc *s, uint32_t i);
/*
 * Who gets the service's new flows, of members as they are; i: of which protocol; table: what
 * lb_table_build() made for them, NULL: it is made now. -ENOMEM.
 */
int lb_pick_new(const struct lb_svc *s, uint32_t i, const uint16_t *table, struct lb_pick **pick);
/* Places by members' indexes in the service's list, conf.table_size of them; -ENOMEM. */
int lb_table_build(uint16_t *place, const struct lb_svc *s);
/* All that they depend on, in 64 bits; not 0. */
uint64_t lb_table_key(const struct lb_svc *s);
/* Members' effective weights, by health, admin and the service's panic threshold. */
void lb_weigh(struct lb_svc *s, ticks now);
/* Writes what workers see of each member, and publishes picks for what has changed. */
void lb_settle(struct net *net, struct lb_svc *s);

/* --- prepare.c --- */

/* The table that a service as it is planned needs, if it was made; NULL: none is, or it was not. */
struct lb_prepared *lb_prepared_for(const struct net *net, const struct lb_svc *s);
/* One of those who needed it has what is made of it. */
void lb_prepared_done(struct lb_prepared *e);

/* --- check_health.c --- */

/* What is wrong with checks, passive ones among them. */
void lb_check_health(const struct lb_service_conf *s, struct errs *e);

/* --- health.c; those without a net are pure --- */

static inline struct lb_svc *lb_svc_of(const struct lb_member *m)
{
	return (struct lb_svc *)(uintptr_t)m->service;
}

/* A result of a check; true: what checks say of the backend is another thing now. */
bool lb_learn(struct lb_learnt *l, const struct lb_check_conf *c, enum lb_reason reason,
	uint16_t detail, uint32_t latency_us, ticks now);
/*
 * Flows in a row that came to nothing, by the counts as they are LB_PASSIVE_MS after the call
 * before: refused, or without an answer for 3 s. *silent: the latter.
 */
#define LB_PASSIVE_MS 250
uint32_t lb_passive_look(struct lb_passive *p, const struct lb_count *c, bool *silent);
/* Whether it drains, and since when, and whether that has lasted; true: the last has changed. */
bool lb_drain_step(struct lb_member *m, uint32_t drain_ms, ticks now);
/* m->health by what checks and flows say; true: it is another one. */
bool lb_health_step(struct lb_member *m, ticks now);
/* It is not checked any more, or was not until now: the first result decides. */
void lb_health_forget(struct lb_member *m);
/* What another plan's member knows of the same backend. */
void lb_health_inherit(struct lb_member *m, const struct lb_member *from);
/* The plan in force is another one. */
void lb_health_plan(struct net *net);
void lb_health_tick(struct net *net, ticks now);

#endif
