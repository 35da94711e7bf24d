/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lb: virtual services from configuration to workers, and back to who asks how they are.
 *
 * Control's alone. What was learnt about a backend (its health, what an operator said, its flows)
 * outlives every apply that keeps the backend: same service, address and port.
 */
#ifndef LB_LB_H
#define LB_LB_H

#include "base/clock.h"
#include "lb/conf.h"
#include "lb/stage.h"

struct net;

/* Each worker gets a table of flows; nothing with max_flows 0. 0 or -ENOMEM. Before the start. */
int lb_attach(struct net *net, const struct lb_conf *c);
/* The workers have ended. */
void lb_detach(struct net *net);

/* What services and backends show by themselves; 0, or -1 with errors added. */
int lb_check(const struct lb_conf *c, struct errs *e);
/* The same of pools, masquerades and what services say of them. */
int lb_check_nat(const struct lb_conf *c, struct errs *e);
/*
 * Makes some of the tables that lb_build() of c, which was checked, will need: for milliseconds,
 * where that may be hundreds of them. True: there are more, and it may be called again; what was
 * made is kept until lb_build(), of whatever, or lb_unprepare().
 */
bool lb_prepare(struct net *net, const struct lb_conf *c);
void lb_unprepare(struct net *net);
int lb_build(struct net *net, const struct lb_conf *c, struct errs *e);
void lb_abandon(struct net *net);
void lb_publish(struct net *net, ticks now);
void lb_retire(struct net *net);

/* Some times a second: slots that may be used again, changed states and weights, shares. */
void lb_tick(struct net *net, ticks now);

/* A worker has asked a backend how it is (EVENT_CHECKED). In force at the next tick. */
struct event;
void lb_checked(struct net *net, const struct event *e, ticks now);
/* Another number whenever who is to be checked, or how, may have changed; 0: nobody ever. */
uint64_t lb_version(const struct net *net);

/* --- backends, as control knows them --- */

enum lb_health { LB_HEALTH_UNKNOWN, LB_HEALTH_UP, LB_HEALTH_DOWN };

/* Why a backend was not well. %u: the detail. */
/* clang-format off */
#define LB_REASONS(X) \
	X(NONE, "") \
	X(REFUSED, "connection refused") \
	X(RESET, "connection reset") \
	X(TIMEOUT, "timed out") \
	X(UNREACHABLE, "unreachable") \
	X(NO_ROUTE, "no route") \
	X(CLOSED, "closed before it had answered") \
	X(GARBAGE, "no answer that can be read") \
	X(STATUS, "status %u") \
	X(BODY, "body without the text") \
	X(RCODE, "rcode %u") \
	X(FLOWS_REFUSED, "%u flows in a row refused") \
	X(FLOWS_SILENT, "%u flows in a row without an answer")
/* clang-format on */
enum lb_reason {
#define X(name, text) LB_REASON_##name,
	LB_REASONS(X)
#undef X
		LB_REASONS_N
};

#define LB_REASON_TEXT 64 /* bytes that any of them takes */
/* "status 503"; returns text. */
char *lb_reason_text(enum lb_reason reason, uint32_t detail, char text[LB_REASON_TEXT]);

/* What a backend's flows showed (health.c). */
#define LB_PASSIVE_SAMPLES 13 /* of 250 ms: the first is of 3 s ago */
struct lb_passive {
	uint64_t answered;		 /* when it was last looked at */
	uint64_t opened, refused;	 /* when an answer was last seen, or a hold ended */
	uint64_t at[LB_PASSIVE_SAMPLES]; /* opened, as it was seen since, oldest first */
	bool begun;
};

/* What was learnt about a backend; survives every apply that keeps the backend. */
struct lb_learnt {
	enum lb_health checked; /* by checks alone */
	enum lb_reason reason;	/* of the last failure, */
	uint16_t detail;
	ticks failed_at;    /* and when; 0: never */
	uint32_t streak;    /* checks in a row that said otherwise than `checked` */
	uint64_t checks;    /* results, since it was first configured */
	uint64_t fails;	    /* of them, bad ones */
	uint32_t last_us;   /* of the last good check; 0: none yet */
	uint32_t mean_us;   /* of the good ones, an eighth of each new one */
	ticks held_until;   /* down by what its flows showed; 0: not */
	ticks drains_since; /* gets no new flows by an operator's or the file's will; 0: it may */
	bool ended;	    /* that was long enough ago (drain_ms) */
	bool untold;	    /* nobody was told yet that its health has changed */
	bool fresh;	    /* as old as its service: begins without a slow start */
	struct lb_passive passive;
};

/* A backend of one service of the configuration. Borrowed, until the next apply. */
struct lb_member {
	const struct lb_backend_conf *conf;
	const struct lb_service_conf *service;
	enum lb_admin admin; /* the configuration's, or what an operator said since */
	uint16_t weight;     /* the same */
	enum lb_health health;
	uint16_t slot[2];   /* of TCP, of UDP; LB_NOBODY: not that protocol */
	uint32_t effective; /* weight that it has now; 0: gets no new flows */
	uint32_t parts;	    /* the same, finer while a backend of the service starts slowly */
	ticks since;	    /* its health is what it is; 0: since the start */
	struct lb_learnt learnt;
};

/* Calls fn for each, services in the order of the configuration. */
void lb_members(struct net *net, void (*fn)(struct lb_member *m, void *arg), void *arg);
/* NULL: there is none. port 0: the one of that address, if it is the only one. */
struct lb_member *lb_member_find(
	struct net *net, const char *service, uint32_t addr, uint16_t port);

/* What checks found, and what an operator wants: in force when the call returns. */
void lb_set_health(struct net *net, struct lb_member *m, enum lb_health health, ticks now);
void lb_set_admin(struct net *net, struct lb_member *m, enum lb_admin admin, ticks now);
void lb_set_weight(struct net *net, struct lb_member *m, uint16_t weight, ticks now);

/* The same for all backends of a service; false: there is no such service. */
bool lb_set_admin_all(struct net *net, const char *service, enum lb_admin admin, ticks now);

/* --- services --- */

/* A service in force, in the order of the configuration. Borrowed, until the next apply. */
struct lb_running {
	const struct lb_service_conf *conf;
	const struct lb_member *members; /* [conf->n_backends] */
	uint16_t slot[2];		 /* of TCP, of UDP; LB_NOBODY: not that protocol */
};

/* The one of that index; false: there are no more. */
bool lb_service_at(const struct net *net, uint32_t i, struct lb_running *s);
/* The one of that name; false: there is none. */
bool lb_service_find(const struct net *net, const char *name, struct lb_running *s);

/* --- counts --- */

/* All workers' counts of a slot. */
struct lb_count lb_backend_count(const struct net *net, uint16_t slot);
struct lb_count lb_service_count(const struct net *net, uint16_t slot);
/* Of both slots of a member. */
struct lb_count lb_member_count(const struct net *net, const struct lb_member *m);
/* All workers' tables of flows. */
struct flow_count lb_flow_count(const struct net *net);

/* --- the other instance (lb/sync.h) --- */

struct lb_peer {
	const struct lb_sync_conf *conf; /* in force: borrowed, until the next apply */
	bool up;			 /* its hellos are heard */
	bool listens;			 /* it hears ours, and is told flows */
	ticks since;			 /* it is up, or has been silent; 0: it never was */
	uint64_t session;		 /* its own; 0: not up */
	uint64_t pending;  /* flows whose datagram waits to be full, or for its time */
	uint64_t unwalked; /* places of the tables that the round has to look at by now */
};

/* As of the last tick; false: there is none to be told. */
bool lb_peer(const struct net *net, struct lb_peer *p);

/* --- names, static --- */

const char *lb_mode_name(enum lb_mode mode);
const char *lb_scheduler_name(enum lb_scheduler scheduler);
const char *lb_protocol_name(enum lb_protocol protocol);
const char *lb_check_name(enum lb_check_kind kind);
const char *lb_admin_name(enum lb_admin admin);
const char *lb_health_name(enum lb_health health);
/* What an operator has made of it, else its health: "drain", "maintenance", "up", ... */
const char *lb_member_state(const struct lb_member *m);
const char *lb_flow_state_name(enum flow_state state);

/* "80", "8000-8010", "any"; returns text. */
#define LB_PORTS_TEXT 16
char *lb_ports_text(const struct lb_service_conf *s, char text[LB_PORTS_TEXT]);

#endif
