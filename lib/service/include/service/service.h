/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * service: what answers on addresses of ours, as the configuration lists it.
 *
 * Control checks, builds, publishes and retires; each worker sees a new list in a pass of its own
 * and opens and closes its listeners. A service that stays keeps its connections; those of one that
 * went end in their own time.
 */
#ifndef SERVICE_SERVICE_H
#define SERVICE_SERVICE_H

#include "base/err.h"
#include "tcp/tcp.h"

#include <stdint.h>

struct net;

enum service_kind {
	SERVICE_UDP_ECHO,    /* RFC 862 */
	SERVICE_UDP_DISCARD, /* RFC 863 */
	SERVICE_TCP_ECHO,
	SERVICE_TCP_DISCARD,
	SERVICE_TCP_SOURCE, /* RFC 864's characters, as fast as the window allows */
	SERVICE_HTTP,	    /* files below a directory (RFC 9110, RFC 9112) */
};

struct service_conf {
	struct conf_pos at;
	char name[32];
	enum service_kind kind;
	uint32_t addr; /* host order; 0 = any of ours */
	uint16_t port;
	char root[256]; /* of http: from services_conf's directory on, or absolute; else "" */
};

/* What the configuration says of TCP; the rest is tcp_settings_default. */
struct service_tcp_conf {
	uint32_t msl_ms;
	uint32_t rto_min_ms;
	uint32_t delayed_ack_ms;
	uint32_t challenge_acks;
	uint32_t stall_timeout_ms; /* 0: never */
	uint32_t keepalive_ms;	   /* 0: off; else at least a second */
	uint32_t timestamps;
	uint32_t sack;
	uint32_t ecn;
	/* of each worker; fixed at start */
	uint32_t connections;
	uint32_t time_waits;
};

/* Of all http services together; times in milliseconds. */
struct service_http_conf {
	uint32_t head_bytes; /* of a request */
	uint32_t fields;
	uint32_t body_bytes; /* that are passed over */
	uint32_t requests;   /* on one connection */
	uint32_t idle_ms;
	uint32_t head_ms;	/* from its first byte to its last */
	uint32_t waiting_bytes; /* of requests that cannot be answered yet, on each worker */
	uint32_t files;		/* and directories */
	uint64_t files_bytes;
};

struct services_conf {
	uint32_t n;
	struct service_conf *list; /* the configuration's memory; copied by build */
	struct service_tcp_conf tcp;
	struct service_http_conf http;
	char directory[256]; /* that relative roots begin at, with its slash; "": the process's own
			      */
};

/* Its name in a configuration; whether it is over UDP, else TCP. */
const char *service_kind_name(enum service_kind kind);
bool service_is_udp(enum service_kind kind);

int service_check(const struct services_conf *c, struct errs *e);
/* Reads the files of http; what is wrong with them is said in e. */
int service_build(struct net *net, const struct services_conf *c, struct errs *e);
void service_abandon(struct net *net);
void service_publish(struct net *net);
void service_retire(struct net *net);
/* Frees files that no packet refers to any more. Now and then. */
void service_poll(struct net *net);
/* The workers are gone, and all packets. */
void service_free(struct net *net);

/* Every worker gets a stack, which no service uses yet. 0 or -ENOMEM. Control, before the start. */
int service_attach(struct net *net, const struct services_conf *c);
/* The workers have ended. */
void service_detach(struct net *net);

struct worker;

/* Whether a service has this address and port, or one of them is on every address. Worker. */
bool service_has(const struct net *net, bool udp, uint32_t addr, uint16_t port);

/* Listeners as the list that is in force says, and the time for services. Worker, once in a while.
 */
void service_sync(struct worker *w);

#endif
