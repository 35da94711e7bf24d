/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * msg: what workers tell control (events) and control tells workers (commands).
 *
 * Both are small values copied through mailboxes; neither side waits for the other.
 */
#ifndef NET_MSG_H
#define NET_MSG_H

#include <assert.h>
#include <stdint.h>

enum event_kind {
	EVENT_RESOLVE,	/* a packet waits: who has addr on iface? */
	EVENT_ARP,	/* an ARP packet said that addr is at mac on iface */
	EVENT_CONFLICT, /* somebody at mac uses our own address addr on iface (RFC 5227) */
	EVENT_CHECKED,	/* a balancer's backend was asked how it is: `check` */
};

struct event {
	uint8_t kind; /* enum event_kind */
	union {
		struct {
			uint8_t arp_reply;   /* EVENT_ARP: it was a reply, else a request */
			uint8_t arp_to_us;   /* EVENT_ARP: its target is an address of ours */
			uint8_t arp_unicast; /* EVENT_ARP: the frame was addressed to our MAC */
		};
		uint8_t reason; /* EVENT_CHECKED: enum lb_reason; 0: it is well */
	};
	union {
		struct {
			uint16_t iface;
			uint8_t mac[6];
			uint32_t addr; /* host order */
		};
		struct {
			uint16_t slot;	     /* the backend's */
			uint16_t detail;     /* of the reason: an HTTP status, a DNS rcode */
			uint32_t latency_us; /* from the question to the answer */
		} check;
	};
};
static_assert(sizeof(struct event) == 16, "messages are copied by the word");

enum command_kind {
	COMMAND_ARP_REQUEST, /* send an ARP request */
	COMMAND_RESOLVED,    /* addr on iface resolved: release what is parked for it */
	COMMAND_FAILED,	     /* addr on iface did not answer: host unreachable for what waits */
	COMMAND_CONNECTIONS, /* list TCP connections from `addr` on in w->view, raise w->view_seq */
	COMMAND_ABORT,	  /* end the TCP connection `sender`:local_port to `addr`:port; the same */
	COMMAND_FLOWS,	  /* list balanced flows from `addr` on in w->lb->view; the same */
	COMMAND_SNAPSHOT, /* copy the books into w->snapshot and raise w->snapshot_seq */
};

struct command {
	uint8_t kind; /* enum command_kind */
	uint8_t pad;
	union {
		uint16_t iface;
		uint16_t local_port;
		uint16_t other_service; /* COMMAND_FLOWS: a service of two protocols has two */
	};
	union {
		struct {
			uint8_t dst_mac[6]; /* ARP: broadcast, or a neighbour's for a probe */
			uint16_t port;	    /* COMMAND_ABORT: the peer's */
		};
		struct { /* COMMAND_FLOWS: of these alone; host order, 0: any */
			uint32_t backend;
			uint16_t backend_port;
			uint16_t service; /* one more than its slot, as the next */
		};
	};
	/* COMMAND_ARP_REQUEST: sender address, host order (0: RFC 5227 probe); FLOWS: a client's */
	uint32_t sender;
	uint32_t addr; /* target address, host order; CONNECTIONS, FLOWS: where to begin */
};
static_assert(sizeof(struct command) == 20, "messages are copied by the word");

#endif
