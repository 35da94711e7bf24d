/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vservice: virtual services and backends as workers read them.
 *
 * Control writes, workers read. Services and backends have slots that stay theirs for life, named
 * in flows; a slot is given to another only after every worker has gone over its whole table of
 * flows since (lb_worker.rounds). What leads from a packet to a slot is one snapshot, struct
 * lb_match, replaced as a whole and retired by epoch, as is each service's struct lb_pick.
 *
 * Addresses and ports are as they stand in packets.
 */
#ifndef LB_VSERVICE_H
#define LB_VSERVICE_H

#include "base/siphash.h"
#include "lb/conf.h"
#include "lb/flow.h"
#include "wire/bytes.h"

#include <assert.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stddef.h>

#define LB_NOBODY UINT16_MAX /* no backend; no service */

enum lb_backend_state {
	LB_BACKEND_FREE,   /* nobody's slot; flows that still name it end */
	LB_BACKEND_OPEN,   /* may get new flows */
	LB_BACKEND_DOWN,   /* keeps what may yet go on, its connections; datagrams go elsewhere */
	LB_BACKEND_CLOSED, /* draining, in maintenance: keeps its flows, gets no new ones */
	LB_BACKEND_ENDED,  /* removed, or drained for long enough: its flows end */
};

/* What a packet of a flow needs of its backend: one line. */
struct lb_backend {
	alignas(64) be32 addr;
	be16 port;	    /* 0: the service's */
	uint16_t service;   /* slot */
	uint8_t mode;	    /* enum lb_mode */
	uint8_t state;	    /* enum lb_backend_state; control: w, workers: r */
	uint16_t weight;    /* control: w, workers: r: what it has now (slow start) */
	uint32_t rate;	    /* new flows a second, of which each worker has its part; 0: no limit */
	be32 tunnel_source; /* 0: the egress interface's */
	uint8_t ignore_df;  /* of a tunnel */
	/*
	 * Of a tunnel: what an ICMP error said of the way to it, in bytes (0: nothing), and the
	 * second. Written when one comes, which is seldom; workers: w, r
	 */
	_Atomic uint16_t path_mtu;
	_Atomic uint16_t path_at;
};
static_assert(sizeof(struct lb_backend) == 64, "a backend is one line");

/* Who gets a service's new flows: made by control, never changed, retired by epoch. */
struct lb_pick {
	uint32_t size;	  /* places */
	uint32_t n;	  /* backends that may get new flows */
	uint32_t n_turn;  /* round robin */
	uint16_t *open;	  /* [n] slots */
	uint32_t *price;  /* [n] of a flow, by weight: least connections */
	uint16_t *turn;	  /* [n_turn] slots in the order of their turns */
	uint64_t made_of; /* of what it was made of: with the same it would be the same */
	uint16_t place[]; /* Maglev: slot, or LB_NOBODY */
};

/* Of sources: disjoint and in order. */
struct lb_source {
	uint32_t last; /* host order: from the one before to here */
	bool allow;
};

struct lb_acl {
	uint32_t n;
	struct lb_source source[];
};

/* What the list says of an address (host order). */
bool lb_acl_allows_in(const struct lb_acl *acl, uint32_t addr);

enum { LB_SLOT_FREE, LB_SLOT_SERVICE, LB_SLOT_MASQUERADE, LB_SLOT_ENDED };

/* A service of one protocol (one configured for both has two slots), or a masquerade's. */
struct lb_vservice {
	alignas(64) struct lb_pick *_Atomic pick; /* control: w, workers: r; NULL: nobody */
	struct lb_acl *_Atomic acl;		  /* control: w, workers: r; NULL: everybody */
	be32 addr;
	uint8_t kind;	   /* LB_SLOT_...; control: w, workers: r */
	uint8_t proto;	   /* IP4_PROTO_... */
	uint8_t mode;	   /* enum lb_mode */
	uint8_t scheduler; /* enum lb_scheduler */
	uint8_t keep;	   /* flows have places in the table */
	uint8_t syn_proxy; /* enum lb_syn_proxy */
	uint16_t mss;	   /* clamp, 0: none */
	uint64_t nat;	   /* bits: indexes of the addresses of its pool; 0: it has none */
	uint32_t rate;	   /* as a backend's */
	uint32_t syn_rate;
	alignas(64) uint16_t idle[FLOW_STATES]; /* seconds that a flow lives on after a packet */
};

/* An address of FIB_SERVICE, by the entry's index (without FIB_SERVICE_ARP). */
struct lb_vip {
	alignas(32) be32 addr;
	uint32_t one; /* lb_port_of() of its first range, where that is one port; 0: it is not */
	uint16_t service; /* of that port */
	uint16_t nat;	  /* it is this one of the addresses of ours; LB_NOBODY: of services */
	uint32_t first;	  /* of its ranges, */
	uint32_t n;	  /* in order of protocol and port; they do not overlap */
};

/* A port of a protocol, as one number that is not 0. */
static inline uint32_t lb_port_of(uint8_t proto, be16 port)
{
	return (uint32_t)proto << 16 | port;
}

struct lb_range {
	uint8_t proto;
	uint16_t lo, hi; /* host order, both included */
	uint16_t service;
};

/* From where a backend of NAT answers: one service and port. Open addressing; proto 0: empty. */
struct lb_binding {
	be32 addr;
	be16 port; /* 0: every port of it, and the service's port is the same */
	uint8_t proto;
	uint8_t pad;
	uint16_t service;
	be16 service_port;
};

/* An address that backends have, and one of them. */
struct lb_seat {
	be32 addr;
	uint16_t backend; /* slot */
};

enum { LB_NAT_TCP, LB_NAT_UDP, LB_NAT_ICMP, LB_NAT_PROTOS };
enum { LB_NAT_FREE, LB_NAT_POOL, LB_NAT_MASQUERADE, LB_NAT_ENDED };

/* An address that flows get in place of their own: of a pool, or of a masquerade. By index. */
struct lb_nat {
	be32 addr;     /* 0: the address of the interface `out` */
	uint8_t state; /* LB_NAT_...; control: w, workers: r; ended: its flows end */
	uint16_t port; /* host order: first and last of its ports and ICMP ids */
	uint16_t last_port;
	/* of a masquerade */
	uint16_t out;	   /* interface; control: w, workers: r; IFACE_LOOPBACK: it is not there */
	be32 prefix, mask; /* who is inside */
	uint32_t each;	   /* mappings of an inside host on a worker; 0: no limit */
	uint16_t service[LB_NAT_PROTOS]; /* slots */
	uint16_t backend[LB_NAT_PROTOS]; /* slots: all that is outside */
};
static_assert(LB_POOL_MAX <= 64, "a set of these addresses is a word of bits");

#define LB_FILTER_BITS 16

/* How packets find services: one snapshot. */
struct lb_match {
	uint32_t n_vips;
	uint32_t bindings_mask; /* a power of two less one; bindings of it and one more are there */
	struct lb_vip *vip;
	struct lb_range *range;
	struct lb_binding *binding; /* NULL: none */
	uint32_t n_seats;
	struct lb_seat *seat; /* all backends', in order of addresses */
	uint32_t n_masquerades;
	uint16_t masquerade[LB_POOL_MAX]; /* indexes of their addresses */
	/* by lb_filter(): addresses whose packets need a look at the bindings or masquerades */
	uint64_t source[(1 << LB_FILTER_BITS) / 64];
};

/* The bit of an address in the filter. */
static inline uint32_t lb_filter(be32 addr)
{
	return addr * 0x9e3779b1u >> (32 - LB_FILTER_BITS);
}

static inline bool lb_filter_has(const struct lb_match *match, be32 addr)
{
	uint32_t bit = lb_filter(addr);

	return match->source[bit / 64] >> bit % 64 & 1;
}

/*
 * Where a binding's search begins; port 0: of an address with every port. Bit 32 of the product is
 * the first that all bits depend on: neighbours' addresses differ in the top byte, as packets have
 * them.
 */
static inline uint32_t lb_binding_hash(be32 addr, be16 port, uint8_t proto)
{
	uint64_t word = addr ^ (uint32_t)port * 0x85ebca6bu ^ proto;

	return (uint32_t)(word * UINT64_C(0x9e3779b97f4a7c15) >> 32);
}

struct lb_control;
struct lb_sync;

/* All that balancing workers share. One of a process: net->lb. */
struct lb {
	struct lb_match *_Atomic match; /* control: w, workers: r; never NULL */
	struct lb_vservice *vservice;	/* by slot */
	struct lb_backend *backend;	/* by slot */
	struct lb_nat nat[LB_POOL_MAX]; /* by index */
	uint32_t n_vservices;		/* slots there are */
	uint32_t n_backends;
	_Atomic bool behind; /* control: w, workers: r; the match has sources */
	uint64_t seed[2];    /* of Maglev's hash; control: w, workers: r: an apply may change it */
	struct siphash_key cookie_key; /* of the SYN proxy; not known outside */
	struct lb_control *control;
	/* flows told to another instance, and taken from it (lb/sync.h) */
	struct lb_sync *_Atomic sync; /* control: w, workers: r; NULL: off */
	uint64_t session;	      /* ours, since the start */
	struct siphash_key nonces;    /* what hellos say is made with it */
	_Atomic uint64_t peer;	  /* worker of slot 0: w, others: r; session heard of, 0: none */
	_Atomic uint32_t telling; /* the same: how often one began to listen; 0: none does */
};

#endif
