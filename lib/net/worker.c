/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A worker's life: its memory, its loop, its sleep, and how packets and messages leave it for
 * other threads. The sources and the tx stage, which touch devices and rings, are in io.c.
 */
#include "base/numa.h"
#include "net/net.h"
#include "net/park.h"
#include "net/punt.h"
#include "net/reasm.h"

#include <rte_ethdev.h>

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define HANDOVER_RING 1024
#define MAILBOX	      4096

/* Empty passes before an adaptive worker sleeps: some 0.2 ms. */
#define SPINS 8192
/* Sleep between polls of queues without a file descriptor: grows from the first to the second. */
#define NAP_FIRST_NS 20000L
#define NAP_LAST_NS  500000L
/* With every queue able to wake us, and parks and reassembly to look after. */
#define TIMER_NS 10000000L
#define SLEEP_NS 200000000L
#define POLL_MAX 64

/* On the reader's node, and no memzone: of these EAL has fewer than many workers have pairs. */
static int make_rings(struct worker *w)
{
	for (uint16_t i = 0; i < w->net->n_workers; i++) {
		if (i == w->id)
			continue;
		w->from[i] = numa_take((size_t)rte_ring_get_memsize(HANDOVER_RING), w->node);
		if (w->from[i] == NULL)
			return -ENOMEM;
		rte_ring_init(w->from[i], "handover", HANDOVER_RING, RING_F_SP_ENQ | RING_F_SC_DEQ);
	}
	return 0;
}

struct worker *worker_new(
	struct net *net, uint16_t id, uint16_t lcore, int node, struct rte_mempool *pool)
{
	struct worker *w = numa_take(sizeof(*w), node);

	if (w == NULL)
		return NULL;
	w->net = net;
	w->id = id;
	w->lcore = lcore;
	w->node = node;
	w->pool = pool;
	w->bell.fd = -1;
	w->ip_id = (uint16_t)clock_now();
	w->adj_tx = numa_take(net->limits.adjacencies * sizeof(*w->adj_tx), node);
	w->park = park_new(node);
	w->reasm_table = reasm_new(node);
	w->commands = mailbox_new(MAILBOX, sizeof(struct command), node);
	w->events = mailbox_new(MAILBOX, sizeof(struct event), node);
	if (w->adj_tx == NULL || w->park == NULL || w->reasm_table == NULL || w->commands == NULL ||
		w->events == NULL || bell_open(&w->bell) < 0 || make_rings(w) < 0) {
		worker_free_all(w);
		return NULL;
	}
	return w;
}

static void drop_queued(struct worker *w)
{
	struct rte_mbuf *m;

	for (; w->again.n > 0; w->again.n--)
		drop(w, w->again.pkt[w->again.head++ % FIFO_SIZE], DROP_DRAIN);
	for (uint16_t i = 0; i < WORKER_MAX; i++) {
		while (w->from[i] != NULL && rte_ring_sc_dequeue(w->from[i], (void **)&m) == 0) {
			w->books.handed_in++;
			drop(w, m, DROP_DRAIN);
		}
	}
	park_drop_all(w);
	reasm_drop_all(w);
	punt_end_free(w);
	rte_pktmbuf_free_bulk(w->to_free, w->n_free);
	w->n_free = 0;
}

void worker_free_all(struct worker *w)
{
	if (w == NULL)
		return;
	if (w->park != NULL && w->reasm_table != NULL)
		drop_queued(w);
	for (uint16_t i = 0; i < WORKER_MAX; i++)
		numa_drop(w->from[i], (size_t)rte_ring_get_memsize(HANDOVER_RING));
	free(w->rxqs);
	mailbox_free(w->commands);
	mailbox_free(w->events);
	bell_close(&w->bell);
	reasm_free(w->reasm_table);
	park_free(w->park);
	numa_drop(w->adj_tx, w->net->limits.adjacencies * sizeof(*w->adj_tx));
	numa_drop(w, sizeof(*w));
}

void worker_books(const struct worker *w, struct books *b)
{
	*b = w->books;
	b->held = park_held(w->park) + reasm_held(w->reasm_table) + w->again.n + w->tcp_held +
		  punt_held(w);
}

void worker_tell(struct worker *w, const struct event *e)
{
	if (!mailbox_post(w->events, e)) {
		w->count[COUNT_events_lost]++;
		return;
	}
	bell_ring(&w->net->bell);
}

void handover(struct worker *w, uint16_t owner, struct rte_mbuf *m)
{
	struct worker *peer = w->net->worker[owner];

	if (rte_ring_sp_enqueue(peer->from[w->id], m) != 0) {
		drop(w, m, DROP_HANDOVER_FULL);
		return;
	}
	w->books.handed_out++;
	w->count[COUNT_handed_over]++;
	w->to_ring |= UINT64_C(1) << owner;
}

void again(struct worker *w, struct rte_mbuf *m)
{
	if (w->again.n == FIFO_SIZE) {
		drop(w, m, DROP_AGAIN_FULL);
		return;
	}
	w->again.pkt[(w->again.head + w->again.n++) % FIFO_SIZE] = m;
}

/* Whether anything waits that a sleep would miss. */
static bool queues_wait(const struct worker *w)
{
	if (w->again.n > 0 || mailbox_count(w->commands) > 0 || atomic_load(&w->stop) ||
		punt_waits(w))
		return true;
	for (uint16_t i = 0; i < w->net->n_workers; i++)
		if (w->from[i] != NULL && !rte_ring_empty(w->from[i]))
			return true;
	return false;
}

/* Fills in what can wake us; false when some queue cannot, and must be polled. */
static bool wakers(const struct worker *w, const struct rxq_list *l, struct pollfd *fds, nfds_t *n)
{
	bool all = true;

	fds[0] = (struct pollfd){.fd = w->bell.fd, .events = POLLIN};
	*n = 1;
	for (uint32_t i = 0; l != NULL && i < l->n; i++) {
		if (l->q[i].fd < 0 || *n == POLL_MAX) {
			all = false;
			continue;
		}
		rte_eth_dev_rx_intr_enable(l->q[i].device, l->q[i].queue);
		fds[(*n)++] = (struct pollfd){.fd = l->q[i].fd, .events = POLLIN};
	}
	return all;
}

static long until_ns(ticks at)
{
	ticks now = clock_now();

	return at <= now ? 0 : (long)clock_to_ns(RTE_MIN(at - now, clock_of_ms(1000)));
}

static long sleep_ns(const struct worker *w, bool all)
{
	bool timers = park_held(w->park) + reasm_held(w->reasm_table) > 0;
	long nap = NAP_FIRST_NS << RTE_MIN((w->quiet - SPINS) / 8, 5u);
	long ns = timers ? TIMER_NS : SLEEP_NS;

	if (!all)
		ns = RTE_MIN(nap, NAP_LAST_NS);
	if (w->checks_wake != 0)
		ns = RTE_MIN(ns, until_ns(w->checks_wake));
	return w->tcp_wakes != 0 ? RTE_MIN(ns, until_ns(w->tcp_wakes)) : ns;
}

/* The next pass looks at the commands. */
static void skip_to_commands(struct worker *w)
{
	uint64_t next = (w->passes + 63) & ~UINT64_C(63);

	w->skipped += next - w->passes;
	w->passes = next;
}

/* Awake: the queue's interrupt is off, and an interrupt that was counted is taken back. */
static void still(const struct rxq *q)
{
	uint64_t interrupts;

	rte_eth_dev_rx_intr_disable(q->device, q->queue);
	if (q->counts && read(q->fd, &interrupts, sizeof(interrupts)) < 0)
		return;
}

/*
 * Nothing came for a while: sleep until a queue, another thread or a timer has something. The
 * order matters: arm the bell and the queues, look once more, and only then sleep.
 */
static void nap(struct worker *w, pipeline_fn *pipeline)
{
	struct pollfd fds[POLL_MAX];
	struct timespec t = {0};
	struct rxq_list *l;
	nfds_t n;
	bool all;

	bell_arm(&w->bell);
	l = atomic_load_explicit(&w->rxqs, memory_order_acquire);
	all = wakers(w, l, fds, &n);
	if (!queues_wait(w) && pipeline(w) == 0) {
		t.tv_nsec = sleep_ns(w, all);
		w->idle_passes++;
		w->sleeps++;
		epoch_offline(w->net->epoch, w->id);
		ppoll(fds, n, &t, NULL);
		epoch_online(w->net->epoch, w->id);
	}
	bell_disarm(&w->bell);
	/* while we were offline, control may have replaced the list and freed the old one */
	l = atomic_load_explicit(&w->rxqs, memory_order_acquire);
	for (uint32_t i = 0; l != NULL && i < l->n; i++)
		if (l->q[i].fd >= 0)
			still(&l->q[i]);
	skip_to_commands(w);
}

void worker_loop(struct worker *w, pipeline_fn *pipeline)
{
	epoch_online(w->net->epoch, w->id);
	while (!atomic_load_explicit(&w->stop, memory_order_relaxed)) {
		uint32_t n = pipeline(w);

		epoch_quiescent(w->net->epoch, w->id);
		if (n > 0)
			continue;
		w->idle_passes++;
		if (w->quiet > SPINS && atomic_load_explicit(&w->adaptive, memory_order_relaxed))
			nap(w, pipeline);
	}
	epoch_offline(w->net->epoch, w->id);
}
