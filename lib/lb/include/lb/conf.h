/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * conf: virtual services, their backends, pools and masquerades, as a configuration lists them.
 *
 * Addresses and ports are in host order; texts and lists are the configuration's memory, and
 * copied by lb_build(). Times are in the unit of their name.
 */
#ifndef LB_CONF_H
#define LB_CONF_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

#define LB_NAME	      32
#define LB_ACLS	      256  /* prefixes of a service's list */
#define LB_POOL_MAX   64   /* addresses in all pools and masquerades together */
#define LB_PORT_LEAST 1024 /* of pools and masquerades: those below are services' */
#define LB_CHECK_HOST 128
#define LB_CHECK_PATH 256

/* How a packet gets from the service's address to the backend. */
enum lb_mode {
	LB_NAT,	     /* destination rewritten; replies come back this way */
	LB_FULL_NAT, /* source, too: an address and port of a pool */
	LB_DSR,	     /* the backend's MAC alone; it answers by itself */
	LB_IPIP,     /* in an IPv4 packet of ours (RFC 2003); it answers by itself */
	LB_GRE,	     /* the same by GRE (RFC 2784) */
	LB_MODES
};

/* Who gets a new flow. */
enum lb_scheduler {
	LB_MAGLEV,
	LB_ROUND_ROBIN,	      /* by weights, on each worker in turn */
	LB_LEAST_CONNECTIONS, /* fewest flows for its weight, as each worker counts them */
	LB_SOURCE_HASH,	      /* one for all flows of a client's address */
	LB_SCHEDULERS
};

enum lb_protocol { LB_TCP = 1, LB_UDP = 2, LB_TCP_AND_UDP = 3 };

enum lb_check_kind { LB_CHECK_NONE, LB_CHECK_ICMP, LB_CHECK_TCP, LB_CHECK_HTTP, LB_CHECK_DNS };

/* How a service's backends are asked whether they are well. */
struct lb_check_conf {
	enum lb_check_kind kind;
	uint32_t port;		  /* 0: the backend's, or the service's */
	uint32_t interval_ms;	  /* from the begin of a check to that of the next */
	uint32_t timeout_ms;	  /* at most the interval */
	uint32_t rise;		  /* so many good ones in a row: up */
	uint32_t fall;		  /* so many bad ones in a row: down */
	char host[LB_CHECK_HOST]; /* of http: its Host; of dns: the name that is asked for */
	char path[LB_CHECK_PATH]; /* of http */
	char body[LB_CHECK_PATH]; /* of http: what the body must contain; "": anything */
	uint16_t status_min;	  /* of http, both included */
	uint16_t status_max;
};

enum lb_admin {
	LB_ENABLED,
	LB_DRAIN,	/* established flows stay, new ones go elsewhere */
	LB_MAINTENANCE, /* the same, and it is not checked */
};

struct lb_backend_conf {
	struct conf_pos at;
	uint32_t addr;
	uint16_t port;	 /* 0: the one that was asked for */
	uint16_t weight; /* 0: none of the new flows */
	enum lb_admin admin;
	uint32_t max_flows; /* 0: no limit */
	uint32_t rate;	    /* new flows a second, 0: no limit */
};

/* One line of a list of sources; the longest prefix that matches says. */
struct lb_acl_conf {
	struct conf_pos at;
	uint32_t prefix;
	uint8_t depth;
	bool allow;
};

/* When a SYN is answered by us, with a cookie, before a backend hears of it. */
enum lb_syn_proxy { LB_SYN_OFF, LB_SYN_AUTO, LB_SYN_ALWAYS };

/* Without a packet for so long, a flow is over; in milliseconds, of which whole seconds count. */
struct lb_timeouts_conf {
	uint32_t tcp_half_open_ms;
	uint32_t tcp_established_ms;
	uint32_t tcp_closing_ms;
	uint32_t tcp_closed_ms;
	uint32_t udp_one_way_ms;
	uint32_t udp_ms;
	uint32_t icmp_ms;
};

struct lb_service_conf {
	struct conf_pos at;
	char name[LB_NAME];
	uint32_t addr;
	uint16_t port; /* first; 0 with last_port 65535: any */
	uint16_t last_port;
	enum lb_protocol protocol;
	enum lb_mode mode;
	enum lb_scheduler scheduler;
	bool takeover;		/* ARP is answered only while an interface has the address (VRRP) */
	bool keep;		/* a table of flows; false: the hash alone, for DSR and tunnels */
	uint32_t table_size;	/* of Maglev: a prime */
	char pool[LB_NAME];	/* of full NAT; of NAT: for clients on the backend's own link */
	uint16_t mss;		/* clamp for SYNs that pass; 0: what a tunnel leaves, else none */
	uint32_t tunnel_source; /* 0: the address of the interface that the tunnel leaves by */
	bool ignore_df;		/* what a tunnel makes too long is cut, whatever the client said */
	uint32_t panic;		/* percent: with less of the weight up, all get flows; 0: never */
	uint32_t slow_start_ms; /* from up to the whole weight */
	uint32_t drain_ms;	/* then what is left of a draining backend's flows ends; 0: never */
	uint32_t max_flows;	/* 0: no limit */
	uint32_t rate;		/* new flows a second, 0: no limit */
	enum lb_syn_proxy syn_proxy;
	uint32_t syn_rate;	/* auto: so many SYNs a second begin it */
	uint32_t passive_fails; /* consecutive refusals or time-outs: down; 0: not looked at */
	uint32_t passive_hold_ms;
	struct lb_timeouts_conf timeouts; /* those that are 0: all services' */
	struct lb_check_conf check;
	uint32_t n_acl;
	struct lb_acl_conf *acl; /* empty: everybody; else whom no line matches is refused */
	uint32_t n_backends;
	struct lb_backend_conf *backends;
};

/* Addresses of ours that full NAT sends from. */
struct lb_pool_conf {
	struct conf_pos at;
	char name[LB_NAME];
	bool takeover; /* as a service's */
	uint32_t n;
	struct lb_addr_conf {
		struct conf_pos at;
		uint32_t addr;
	} * addrs;
	uint16_t port; /* first and last of the ports */
	uint16_t last_port;
};

/* Flows from a network go out by an interface with one address of ours. */
struct lb_masquerade_conf {
	struct conf_pos at;
	char name[LB_NAME];
	uint32_t prefix; /* whose */
	uint8_t depth;
	char out[LB_NAME]; /* interface */
	uint32_t addr;	   /* 0: the interface's own */
	uint16_t port;	   /* first and last of the ports and ICMP ids */
	uint16_t last_port;
	bool takeover;	       /* of addr, as a service's */
	uint32_t max_mappings; /* of an inside host, each worker its part; 0: no limit */
};

/* Flows told to another instance, and taken from it. */
struct lb_sync_conf {
	struct conf_pos at;
	uint32_t addr; /* ours; 0: off */
	uint16_t port;
	uint32_t peer; /* where it listens, at the same port */
	char key[64];  /* both have the same */
	uint32_t rate; /* flows told a second, on each worker */
};

struct lb_conf {
	uint32_t n_services, n_pools, n_masquerades;
	struct lb_service_conf *services;
	struct lb_pool_conf *pools;
	struct lb_masquerade_conf *masquerades;
	struct lb_timeouts_conf timeouts;
	struct lb_sync_conf sync;
	char seed[64]; /* all instances behind one router have the same: then they agree */
	/* fixed at start */
	uint32_t max_flows;    /* on each worker; 0: no balancing at all */
	uint32_t max_services; /* twice as many slots: one for TCP, one for UDP */
	uint32_t max_backends;
};

#endif
