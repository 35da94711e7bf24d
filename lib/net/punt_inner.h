/* SPDX-License-Identifier: BSD-3-Clause */
/* punt_inner: what control, the punt thread and the workers' stages share. Private to lib/net. */
#ifndef NET_PUNT_INNER_H
#define NET_PUNT_INNER_H

#include "base/mailbox.h"
#include "net/punt.h"

#include <pthread.h>
#include <stdalign.h>

#define PUNT_STOCK 256 /* empty buffers that lie with the thread, of each worker */
#define PUNT_SPARE 64  /* of them, those that it has in its hands; a frame takes no more */

enum punt_class { PUNT_ROUTING, PUNT_REST, PUNT_CLASSES };

/* A worker's end. */
struct punt_end {
	/* set before the worker sees it, then constant */
	struct rte_ring *up;	/* worker: w, thread: r; hash.usr: id of the tap */
	struct rte_ring *back;	/* thread: w, worker: r; hash.usr: why not taken, or DROP_MAX */
	struct rte_ring *down;	/* thread: w, worker: r; hash.usr: id of the tap, or TAP_TOO_LONG */
	struct rte_ring *stock; /* worker: w, thread: r; empty buffers */
	size_t ring_bytes, stock_bytes;
	uint32_t most;	       /* packets in up and back together, and in down */
	uint32_t most_buffers; /* of packets in up and back: a reassembled one has many */
	uint32_t most_stock;   /* empty buffers in the ring */
	struct bell *bell;     /* the thread's */

	/* the worker's */
	alignas(64) uint32_t held; /* packets in up, with the thread, and in back */
	uint32_t held_buffers;	   /* and the buffers that they are in */
	ticks due[PUNT_CLASSES];   /* of the policer: when the next would be on time */

	/* the thread's */
	alignas(64) uint32_t n_spare;
	struct rte_mbuf *spare[PUNT_SPARE];
	bool ring;	      /* the worker has something new */
	_Atomic bool starved; /* thread: w, worker: r; an interface waits for buffers or room */
};

/* A punt interface. Control makes it, the thread has it from TAP_ADD to `ended`. */
struct tap {
	/* constant once the thread has it */
	uint32_t id;	 /* what packets call it: never 0, low five bits are the port's slot */
	uint16_t worker; /* who sends what comes from it */
	int fd;
	char name[KERNEL_NAME];

	/* control's */
	char port[IFACE_NAME];
	int control; /* a socket in its namespace, for ioctls */
	uint64_t mac;
	bool carrier;
	struct tap *next_ending;

	_Atomic uint32_t mtu;	     /* control: w, thread: r */
	struct pair_count to_kernel; /* thread: w, control: r, as the next two */
	struct pair_count from_kernel;
	uint64_t refused;
	_Atomic bool gone;  /* thread: w, control: r; deleted in the kernel */
	_Atomic bool ended; /* thread: w, control: r; closed, and the thread has forgotten it */

	bool waits; /* thread's: for buffers or room, and is not listened to */
};

#define TAP_TOO_LONG 0 /* in place of the id, on the way down: the frame is not whole */
#define TAP_SLOT(id) ((id)&31)
_Static_assert(PORT_MAX == 32, "five bits of an id are a slot");

enum tap_order_kind { TAP_ADD, TAP_REMOVE };
struct tap_order {
	uint64_t kind; /* enum tap_order_kind */
	struct tap *tap;
};

struct punt {
	struct net *net;
	struct mailbox *orders; /* control posts, the thread takes: struct tap_order */
	struct bell bell;	/* the thread's */
	pthread_t thread;
	bool runs;
	_Atomic bool stop;	/* control: w, thread: r */
	_Atomic uint32_t joins; /* thread: w, control: r; IGMP and MLD frames of the kernel's */

	/* control's */
	struct tap *tap[PORT_MAX];  /* in force, by slot of the port */
	struct tap *next[PORT_MAX]; /* built, not published; in the configuration's order */
	struct tap *ending;	    /* that the thread was told to close */
	uint32_t ids;

	/* the thread's */
	alignas(64) int epoll;
	struct tap *open[PORT_MAX]; /* by slot */
	char *surplus; /* where bytes of a frame go that is longer than its interface's MTU */
};

/* The thread's body; arg: struct punt. */
void *punt_thread(void *arg);

/* Gives every worker its end, unless they have one. 0 or -ENOMEM. Control. */
int punt_ends_new(struct punt *p);

/* The TAP behind a punt interface: punt_tap.c. Control. */
struct tap *tap_open(const char *netns, const char *name, int *rc);
void tap_close(struct tap *t); /* NULL is allowed */
int tap_set_mac(struct tap *t, uint64_t mac);
int tap_set_mtu(struct tap *t, uint16_t mtu);
void tap_set_carrier(struct tap *t, bool up);

#endif
