/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * worker: everything that one polling core writes, and the loop that runs a pipeline on it.
 *
 * A worker owns its struct (on its core's NUMA node) and every packet in its lanes. Control reads
 * counters (single 64-bit loads), publishes the list of receive queues by a pointer store, and
 * talks to the worker through `commands`.
 */
#ifndef NET_WORKER_H
#define NET_WORKER_H

#include "base/clock.h"
#include "base/mailbox.h"
#include "net/adj.h"
#include "net/counter.h"
#include "net/drop.h"
#include "net/iface.h"
#include "net/lane.h"
#include "net/msg.h"
#include "net/pkt.h"

#include <rte_ring.h>

#include <stdbool.h>

#define WORKER_MAX 64
#define PORT_MAX   32
#define TX_LANE	   256
#define FREE_BATCH 64

struct check_host;
struct expect;
struct lb_worker;
struct net;
struct punt_end;
struct service_host;
struct sockets_end;
struct tcp;
struct tcp_view;
struct park;
struct reasm;
struct udp_table;

/* The stages, in the order of the data path: name, what an operator reads beside it. */
/* clang-format off */
#define STAGES(X) \
	X(commands, "what control asked for") \
	X(unpark, "packets whose neighbour answered, or did not") \
	X(handover, "packets from other workers") \
	X(again, "packets that take another pass") \
	X(sockets, "what sockets of local programs asked for") \
	X(punted, "frames that the kernel sends, and what it has taken") \
	X(rx, "packets from receive queues") \
	X(check, "Ethernet and IPv4 checked") \
	X(odd, "VLAN tags, groups, options, broken headers") \
	X(arp, "ARP and RARP") \
	X(replies, "packets from behind a balancer found: backends' replies, what is masqueraded") \
	X(fib_in, "routes looked up for received packets") \
	X(forward, "TTL, checksum and Ethernet header of forwarded packets") \
	X(local, "packets for this host") \
	X(reassemble, "fragments for this host") \
	X(steer, "owner of a packet found") \
	X(balance, "packets for virtual services, to their backends") \
	X(icmp, "ICMP for this host") \
	X(quoted, "ICMP errors about packets that were balanced") \
	X(udp, "UDP for this host") \
	X(checks, "answers of balanced backends that were asked how they are") \
	X(datagram, "UDP for sockets of local programs") \
	X(sync, "flows that another instance tells") \
	X(tcp, "TCP for this host") \
	X(punt, "packets for the kernel") \
	X(tcp_output, "TCP segments made") \
	X(error, "ICMP errors made") \
	X(fib_out, "routes looked up for our own packets") \
	X(forward_out, "Ethernet header of our own packets") \
	X(fragment, "packets cut to the next link's MTU") \
	X(tx, "packets to transmit queues")
/* clang-format on */

enum stage_id {
#define X(name, text) STAGE_##name,
	STAGES(X)
#undef X
		STAGE_MAX
};

const char *stage_name(enum stage_id s);
const char *stage_text(enum stage_id s);

struct stage_count {
	uint64_t calls;
	uint64_t packets;
	uint64_t timed_packets; /* of the passes whose time was taken, one in sixteen */
	uint64_t timed_ticks;
};

/*
 * The books of one worker. At every end of a pass
 * rx + originated + handed_in = tx + consumed + handed_out + held + sum(drop).
 */
struct books {
	uint64_t rx;
	uint64_t originated;
	uint64_t tx;
	uint64_t consumed;
	uint64_t handed_in;
	uint64_t handed_out;
	uint64_t held; /* filled in by snapshots: parks, reassembly, rings */
	uint64_t drop[DROP_MAX];
};

/* One receive queue as a worker polls it. */
struct rxq {
	uint16_t device; /* ethdev port id */
	uint16_t queue;
	uint16_t iface; /* untagged interface of the port */
	uint16_t slot;
	int fd;	     /* readable when packets wait; -1 where the driver has no such thing */
	bool counts; /* fd is an eventfd: it stays readable until it is read */
	bool lent;   /* what comes may be shared with who sent it: struct port */
};

/* Replaced as a whole by control, retired by epoch. */
struct rxq_list {
	uint32_t n;
	struct rxq q[];
};

/* What leaves by one port, collected through a pass. */
struct txlane {
	uint16_t n;
	uint32_t bytes;	 /* of what it holds */
	uint16_t device; /* control: w, worker: r; ethdev port id */
	uint16_t queue;	 /* control: w, worker: r */
	uint8_t ready;	 /* control: w, worker: r; the port exists */
	uint8_t linear;	 /* control: w, worker: r; the device takes no mbuf chains */
	uint8_t pulse;	 /* control: w, worker: r; a bond: it sends its LACP when it is called */
	uint8_t does;	 /* control: w, worker: r; OFFLOAD_...: what the device does of ours */
	uint8_t open;	 /* of what it holds, something is left to the device */
	uint16_t segs;	 /* control: w, worker: r; buffers of a packet that the device cuts */
	int8_t via; /* control: w, worker: r; worker that owns a queue of the port, -1 = self */
	struct pair_count sent;
	struct rte_mbuf *pkt[TX_LANE];
};

/* A bounded queue private to the worker. */
#define FIFO_SIZE 256
struct fifo {
	uint32_t head; /* index of the oldest */
	uint32_t n;
	struct rte_mbuf *pkt[FIFO_SIZE];
};

struct worker {
	/* set before the loop starts, then constant */
	struct net *net;
	uint16_t id;
	uint16_t lcore;
	int node;
	struct rte_mempool *pool;

	/* the pass */
	ticks now;
	ticks stamp;	  /* of a timed pass: when its last step ended */
	uint64_t passes;  /* number of the next: the pipeline decides which look at the commands */
	uint64_t skipped; /* numbers that no pass had */
	uint32_t next_rxq;
	uint16_t next_ring; /* whose hand-overs come first in the next pass */
	uint32_t quiet;	    /* passes since the last that brought a packet */
	uint32_t redirects; /* copies made for ICMP redirects in this pass */
	ticks next_timers;  /* when parks and reassembly are looked at again */
	bool snapshot_wanted;
	uint64_t to_ring;	       /* workers that were handed something in this pass */
	struct rxq_list *_Atomic rxqs; /* control: w, worker: r */
	uint16_t rx_iface;	       /* of the burst in `rx`: one queue a pass */

	/* lanes, in the order of the data path; what `aux` means stands beside each */
	struct lane rx;	     /* unused */
	struct lane odd;     /* unused */
	struct lane arp;     /* unused */
	struct lane in;	     /* destination, host order */
	struct lane service; /* index of a virtual address */
	struct lane fwd;     /* adjacency index */
	struct lane local;   /* unused */
	struct lane reasm;   /* unused */
	struct lane steer;   /* unused */
	struct lane icmp;    /* unused */
	struct lane quoted;  /* unused */
	struct lane udp;     /* unused */
	struct lane answer;  /* number under which it is expected (net/expect.h) */
	struct lane dgram;   /* unused */
	struct lane sync;    /* unused */
	struct lane tcp;     /* unused */
	struct lane punt;    /* unused */
	struct lane error;   /* net_error(): cause and value */
	struct lane out;     /* destination, host order */
	struct lane fwd_out; /* adjacency index */
	struct lane frag;    /* adjacency index */
	struct txlane tx[PORT_MAX];
	_Atomic uint16_t n_slots; /* control: w, worker: r; tx lanes that may be in use */

	/* counters; control reads them */
	struct books books;
	uint64_t count[COUNT_MAX];
	struct stage_count stage[STAGE_MAX];
	struct pair_count iface_rx[IFACE_MAX];
	struct pair_count *adj_tx; /* by adjacency index */
	uint64_t idle_passes;
	uint64_t sleeps;

	/* dropped packets, freed together */
	uint32_t n_free;
	struct rte_mbuf *to_free[FREE_BATCH];

	/* tables of the slow path, private to the worker */
	struct park *park;
	struct reasm *reasm_table;
	struct fifo again; /* packets that take another pass */
	uint32_t released; /* neighbours whose wait has ended: stage_unpark has work */
	uint32_t
		resolved; /* of them, those that answered: rx waits until their packets have gone */
	uint16_t ip_id;	  /* identification of the next packet we originate */
	uint32_t arp_told; /* ARP packets that control was told of since arp_since */
	ticks arp_since;

	/* balancing; NULL: none */
	struct lb_worker *lb;
	struct expect *expect;	   /* what those who are asked will say; NULL: nobody asks */
	struct check_host *checks; /* of backends; NULL: none */
	ticks checks_wake;	   /* when they have something to do at the latest; 0: nothing */

	/* this host, where the pipeline has one */
	struct tcp *stack; /* NULL: none */
	struct service_host *host;
	/* of local programs; NULL: no such service */
	struct sockets_end *sockets;
	uint32_t tcp_held;	   /* received packets in its queues */
	ticks tcp_wakes;	   /* when TCP has something to do at the latest; 0: nothing */
	bool tcp_waits;		   /* it has more to say than there was room for */
	bool view_wanted;	   /* control asked about connections or flows: */
	struct command view_about; /* this */
	struct tcp_view *view;	   /* worker: w before view_seq, control: r after */
	_Atomic uint32_t view_seq; /* worker: w, control: r */

	/* other threads */
	struct punt_end *_Atomic kernel;   /* control: w, worker: r; NULL: no punt interface yet */
	struct rte_ring *from[WORKER_MAX]; /* hand-over from worker i: single producer, consumer */
	struct mailbox *commands;	   /* control posts, worker takes */
	struct mailbox *events;		   /* worker posts, control takes */
	struct bell bell;		   /* rung by whoever posted to the worker */
	struct books snapshot;		   /* worker: w before snapshot_seq, control: r after */
	_Atomic uint32_t snapshot_seq;	   /* worker: w, control: r */
	_Atomic bool stop;		   /* control: w, worker: r */
	_Atomic bool adaptive;		   /* control: w, worker: r; may sleep when idle */
};

typedef void stage_fn(struct worker *w);

/*
 * A pipeline: one pass over all stages, counted in w->passes and, while nothing comes, w->quiet.
 * Returns how many packets its sources brought.
 */
typedef uint32_t pipeline_fn(struct worker *w);

/* Frees m with others of its kind: for drop() and consume() only. */
static inline void worker_free(struct worker *w, struct rte_mbuf *m)
{
	w->to_free[w->n_free++] = m;
	if (unlikely(w->n_free == FREE_BATCH)) {
		rte_pktmbuf_free_bulk(w->to_free, w->n_free);
		w->n_free = 0;
	}
}

/*
 * The one exit of a packet that is not sent. Takes ownership of m (a chain counts as one packet).
 */
static inline void drop(struct worker *w, struct rte_mbuf *m, enum drop_reason r)
{
	w->books.drop[r]++;
	worker_free(w, m);
}

/* A packet that reached what it was sent for: not a drop. Takes ownership of m. */
static inline void consume(struct worker *w, struct rte_mbuf *m)
{
	w->books.consumed++;
	worker_free(w, m);
}

/* A fresh mbuf for a packet of our own, counted as originated; NULL (and counted) without one. */
static inline struct rte_mbuf *originate(struct worker *w)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(w->pool);

	w->books.originated++;
	if (unlikely(m == NULL))
		w->books.drop[DROP_NO_BUFFER]++;
	else
		m->port = PKT_ORIGIN;
	return m;
}

/* Sends what a tx lane holds; a short transmit drops the surplus as TX_FULL. */
void tx_flush(struct worker *w, uint16_t slot);

/*
 * Puts a finished frame (Ethernet header written) on the tx lane of a port's slot. Takes
 * ownership; a full lane is flushed.
 */
static inline void tx_put(struct worker *w, uint16_t slot, struct rte_mbuf *m)
{
	struct txlane *t = &w->tx[slot];
	uint32_t n = t->n;

	t->bytes += rte_pktmbuf_pkt_len(m);
	t->pkt[n] = m;
	t->n = (uint16_t)(n + 1);
	if (unlikely(n + 1 == TX_LANE))
		tx_flush(w, slot);
}

/*
 * A worker on a node's memory, its mailboxes, rings from every other worker and slow-path tables.
 * NULL without memory. Control; the lcore does not run it yet.
 */
struct worker *worker_new(
	struct net *net, uint16_t id, uint16_t lcore, int node, struct rte_mempool *pool);
/* Drops what is held (as DRAIN) and frees. The loop has ended. */
void worker_free_all(struct worker *w);

/* Polls until w->stop; the body of an lcore. */
void worker_loop(struct worker *w, pipeline_fn *pipeline);

/* The books as they stand; exact at the end of a pass, and when the loop has ended. */
void worker_books(const struct worker *w, struct books *b);

/* Tells control something; a full mailbox is counted and the event is lost. */
void worker_tell(struct worker *w, const struct event *e);

/* Sends m, a packet for this host, to its owner. Takes ownership; full is a named drop. */
void handover(struct worker *w, uint16_t owner, struct rte_mbuf *m);

/* Gives m another pass, from fib(in) on. Takes ownership. */
void again(struct worker *w, struct rte_mbuf *m);

#endif
