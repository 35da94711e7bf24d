/* SPDX-License-Identifier: BSD-3-Clause */
/* The event loop and the checks. See sim.h. */
#include "state.h"

#include "tcp_bed.h"

#include "tcp/conn.h"

#include <stdio.h>
#include <stdlib.h>

#define ADDRESS	   0xc6120001u
#define POOL	   32768
#define STORM	   1000000 /* passes of a run, which moves a few hundred kilobytes */
#define FOREVER_US (UINT64_C(12) * 3600 * 1000000)

struct sim sim;
static struct bed bed[2];
static struct rte_mempool *pool; /* of all runs */

/* --- the loop --- */

/* What is queued or unacknowledged has a timer, or goes out in this very pass. */
static void check_timers(const struct side *s)
{
	const struct tcp_conn *c = s->conn;

	if (c == NULL || c->flight == NULL || c->todo != 0)
		return;
	if (c->rtx_at == 0 || c->timer.link == 0 || (int32_t)(c->timer.due - c->rtx_at) > 0)
		FAIL("something is out or queued, and no timer runs (side %u, state %s)", s->end,
			tcp_state_name((enum tcp_state)c->state));
}

static struct rte_mbuf *arrive(const struct frame *f)
{
	const struct ip4_hdr *ip = (const struct ip4_hdr *)(f->bytes + ETH_HDR_LEN);
	struct rte_mbuf *m;

	/* what the stage before TCP would drop */
	if (csum_fold(csum_add(ip, IP4_HDR_LEN, 0)) != 0 || ip->version_ihl != 0x45)
		return NULL;
	m = rte_pktmbuf_alloc(pool);
	if (m == NULL)
		FAIL("no buffers");
	m->port = 1;
	memcpy(rte_pktmbuf_append(m, (uint16_t)f->len), f->bytes, f->len);
	return m;
}

static uint32_t arrivals(uint32_t end, struct rte_mbuf **pkt, uint32_t max)
{
	struct link *l = &sim.link[!end];
	struct frame *f;
	uint32_t n = 0;

	if (sim.now < sim.batch_at)
		return 0;
	while (n < max && (f = link_take(l, sim.now)) != NULL) {
		if (f->mtu != 0) {
			tcp_icmp(bed[end].t, f->bytes, f->len, 3, 4, f->mtu);
		} else {
			pkt[n] = arrive(f);
			n += pkt[n] != NULL;
		}
		free(f);
	}
	return n;
}

static void carry(uint32_t end, struct rte_mbuf *m)
{
	uint8_t bytes[2048], *p = bytes;

	assert_true(m->pkt_len <= sizeof(bytes));
	for (const struct rte_mbuf *s = m; s != NULL; p += s->data_len, s = s->next)
		memcpy(p, rte_pktmbuf_mtod(s, char *), s->data_len);
	link_send(&sim.link[end], &sim.link[!end], sim.now, bytes, m->pkt_len);
	rte_pktmbuf_free(m);
}

/* SIM_TRACE=1: what a person wants to see of a run that failed. */
static void trace(uint32_t end)
{
	for (uint32_t i = 0; i < sim.conf->flows; i++) {
		const struct side *s = &sim.side[i][end];
		const struct tcp_conn *c = s->conn;
		const struct tcp_flight *f = c != NULL ? c->flight : NULL;

		if (c == NULL)
			continue;
		fprintf(stderr,
			"%.6f %u %s una %u nxt %u wnd %u rcv %u cwnd %u ssthresh %u rto %u<<%u",
			(double)(sim.now - sim.begun) / 1e6, end,
			tcp_state_name((enum tcp_state)c->state), c->snd_una - c->iss,
			c->snd_nxt - c->iss, c->snd_wnd, c->rcv_nxt - c->irs, c->cwnd, c->ssthresh,
			c->rto, c->backoff);
		if (f != NULL)
			fprintf(stderr, " n %u sacked %u lost %u phase %u timer %u", f->n,
				f->sacked, f->lost, f->phase, f->timer);
		fputc('\n', stderr);
	}
}

/* Both stacks, until they have nothing to say at this time. */
static void pass(void)
{
	for (uint32_t end = CLIENT; end <= SERVER; end++) {
		struct bed *b = &bed[end];
		struct rte_mbuf *in[64], *out[64];
		uint32_t n;

		tcp_clock(b->t, sim.now);
		do {
			uint32_t got = arrivals(end, in, 64);

			for (uint32_t i = 0; i < sim.conf->flows; i++)
				app_move(&sim.side[i][end]);
			n = bed_pass(b, sim.now, in, got, out, 64);
			for (uint32_t i = 0; i < n; i++)
				carry(end, out[i]);
			n += got;
			for (uint32_t i = 0; i < sim.conf->flows; i++)
				app_move(&sim.side[i][end]);
		} while (n > 0 || tcp_has_output(b->t));
		if (getenv("SIM_TRACE") != NULL)
			trace(end);
		for (uint32_t i = 0; i < sim.conf->flows; i++)
			check_timers(&sim.side[i][end]);
	}
}

static uint64_t next_arrival(void)
{
	uint64_t at = RTE_MIN(link_next(&sim.link[0]), link_next(&sim.link[1]));

	if (sim.conf->batch_us != 0 && at != UINT64_MAX)
		at = at - at % sim.conf->batch_us + sim.conf->batch_us;
	sim.batch_at = at;
	return at;
}

static uint64_t next_event(void)
{
	uint64_t at = next_arrival();

	for (uint32_t end = CLIENT; end <= SERVER; end++) {
		at = RTE_MIN(at, sim.now + tcp_next_timer(bed[end].t, FOREVER_US));
		for (uint32_t i = 0; i < sim.conf->flows; i++)
			at = RTE_MIN(at, app_next(&sim.side[i][end]));
	}
	return RTE_MAX(at, sim.now + 1);
}

static void connects(uint32_t flow)
{
	struct side *s = &sim.side[flow][CLIENT];
	int error;

	tcp_clock(bed[CLIENT].t, sim.now);
	s->conn = tcp_connect(bed[CLIENT].t, 0, (uint16_t)(PORT + flow), ADDRESS + 1, 7, &app_ops,
		s, &sim.conf->options[flow][CLIENT], &error);
	if (s->conn == NULL)
		FAIL("connect: %d", error);
}

static void record(struct sim_result *r)
{
	for (uint32_t i = 0; i < sim.conf->flows; i++)
		if (r->took_us[i] == 0 && app_has_all(&sim.side[i][0]) &&
			app_has_all(&sim.side[i][1]))
			r->took_us[i] = sim.now - sim.begun;
}

static bool all_quiet(void)
{
	struct tcp_usage u[2];

	for (uint32_t i = 0; i < sim.conf->flows; i++)
		if (!sim.side[i][CLIENT].ended ||
			(sim.side[i][SERVER].opened && !sim.side[i][SERVER].ended))
			return false;
	tcp_usage(bed[0].t, &u[0]);
	tcp_usage(bed[1].t, &u[1]);
	return u[0].connections + u[0].time_waits + u[1].connections + u[1].time_waits == 0 &&
	       sim.link[0].n + sim.link[1].n == 0;
}

static void abort_all(void)
{
	for (uint32_t end = CLIENT; end <= SERVER; end++)
		for (uint32_t i = 0; i < sim.conf->flows; i++) {
			struct side *s = &sim.side[i][end];
			struct tcp_conn *c = s->conn;

			s->ended = true;
			if (c == NULL)
				continue;
			app_let_go(s, ECONNABORTED);
			tcp_abort(bed[end].t, c);
		}
}

static void fail_unfinished(void)
{
	struct tcp_usage u[2];

	tcp_usage(bed[0].t, &u[0]);
	tcp_usage(bed[1].t, &u[1]);
	FAIL("no end; client %d, server %d; connections %u %u (half open %u %u), TIME_WAIT %u %u, "
	     "timers %u %u",
		sim.side[0][CLIENT].ended, sim.side[0][SERVER].ended, u[0].connections,
		u[1].connections, u[0].half_open, u[1].half_open, u[0].time_waits, u[1].time_waits,
		u[0].timers, u[1].timers);
}

static void loop(struct sim_result *r)
{
	bool stopped = false;
	uint32_t begun = 0, empty = 0, passes = 0;

	while (begun < sim.conf->flows || !all_quiet()) {
		struct tcp_conn *client[SIM_FLOWS] = {0};
		uint64_t now = sim.now;

		for (; begun < sim.conf->flows && sim.now >= sim.begun + sim.conf->start_us[begun];
			begun++)
			connects(begun);
		pass();
		if (passes++ > STORM && !sim.conf->measures)
			FAIL("they talk, and get nowhere");
		record(r);
		for (uint32_t i = 0; i < sim.conf->flows; i++)
			client[i] = sim.side[i][CLIENT].conn;
		if (sim.conf->watch != NULL && !stopped)
			sim.conf->watch(sim.now - sim.begun, client);
		if (sim.now >= sim.begun + sim.conf->limit_us && !stopped) {
			if (!sim.conf->measures)
				fail_unfinished();
			for (uint32_t i = 0; i < sim.conf->flows; i++)
				for (uint32_t end = CLIENT; end <= SERVER; end++)
					r->received[i][end] = sim.side[i][end].received;
			stopped = true;
			abort_all();
			continue;
		}
		sim.now = next_event();
		if (sim.now - now >= FOREVER_US) { /* nothing comes: memory of the last pass, or */
			if (empty++ > 1)
				fail_unfinished();
			sim.now = now + 1;
		}
		if (begun < sim.conf->flows)
			sim.now = RTE_MIN(sim.now, sim.begun + sim.conf->start_us[begun]);
		if (!stopped)
			sim.now = RTE_MIN(sim.now, sim.begun + sim.conf->limit_us);
	}
}

/* --- the beginning and the end --- */

static void open_bed(uint32_t end)
{
	const uint64_t seed[4] = {sim.conf->seed, 2, 3, 4};
	const struct tcp_env env = {.route = bed_route, .arg = &bed[end]};
	struct tcp_limits limits = tcp_limits_default;
	struct bed *b = &bed[end];

	limits.connections = 64;
	limits.time_waits = 64;
	/* measured is what the path gives: so much that no flow's share is less than its buffer */
	limits.held_buffers = sim.conf->measures ? POOL / 2 : POOL / 8;
	b->addr = ADDRESS + end;
	b->mtu = 1500;
	b->pool = pool;
	b->w = aligned_alloc(64, RTE_ALIGN_CEIL(sizeof(*b->w), 64));
	assert_non_null(b->w);
	memset(b->w, 0, sizeof(*b->w));
	b->w->pool = pool;
	b->w->node = -1;
	b->t = tcp_new(b->w, &sim.conf->set[end], &limits, &env, seed);
	assert_non_null(b->t);
	sim.stack[end] = b->t;
	tcp_clock(b->t, sim.now);
	tcp_timers(b->t, UINT32_MAX);
	link_open(&sim.link[end], &sim.conf->link[end], sim.conf->seed * 2 + end);
}

static void close_bed(uint32_t end, struct sim_result *r)
{
	struct bed *b = &bed[end];
	const uint64_t *count = b->w->count;
	struct tcp_usage u;

	tcp_usage(b->t, &u);
	if (u.connections + u.half_open + u.orphans + u.time_waits + u.timers + u.held_buffers +
			u.held_packets + u.held_bytes !=
		0)
		FAIL("something is left: %u connections, %u timers, %u buffers", u.connections,
			u.timers, u.held_buffers);
	r->retransmits += count[COUNT_tcp_retransmits];
	r->timeouts += count[COUNT_tcp_timeouts];
	r->spurious += count[COUNT_tcp_spurious];
	r->tail_probes += count[COUNT_tcp_tail_probes];
	r->recoveries += count[COUNT_tcp_recoveries];
	r->ecn_reductions += count[COUNT_tcp_ecn_reductions];
	r->black_holes += count[COUNT_tcp_black_holes];
	r->path_mtus += count[COUNT_tcp_path_mtus];
	r->bad += b->w->books.drop[DROP_TCP_BAD];
	bed_balanced(b);
	tcp_free(b->t);
	bed_free_dropped(b);
	free(b->w);
	link_close(&sim.link[end]);
	r->link[end] = sim.link[end];
}

/* So that the client's first sequence number is just below 2^32: its clock ticks every 4 us. */
static void wrap_soon(void)
{
	struct tcp_conn *c;
	uint32_t left;

	connects(0);
	c = sim.side[0][CLIENT].conn;
	left = 0u - c->iss - (uint32_t)(sim.conf->seed * 997 % 60000) - 1;
	tcp_abort(bed[CLIENT].t, c);
	sim.side[0][CLIENT].conn = NULL;
	pass();
	sim.now += (uint64_t)left * 4;
}

/* Of an end that came too early: whoever gave up the handle before, having all, does not care. */
static bool knows(const struct side *s)
{
	return !s->opened || s->error != 0 || s->let_go;
}

/* Ends must agree; one that heard the other's FIN and said its own may miss the last ACK. */
static void check_ends(struct sim_result *r)
{
	for (uint32_t i = 0; i < sim.conf->flows; i++) {
		struct side *a = &sim.side[i][CLIENT], *b = &sim.side[i][SERVER];
		bool whole = app_has_all(a) && app_has_all(b);

		r->error[i][CLIENT] = a->error;
		r->error[i][SERVER] = b->error;
		if (sim.conf->measures || whole)
			continue;
		if (!knows(a) || !knows(b))
			FAIL("the ends disagree: client %d (%llu of %llu), server %d (%llu of "
			     "%llu)",
				a->error, (unsigned long long)a->received,
				(unsigned long long)b->app->bytes, b->error,
				(unsigned long long)b->received, (unsigned long long)a->app->bytes);
	}
}

static void prepare(void)
{
	if (pool != NULL)
		return;
	pool = heap_pool_new(POOL, 2048 + RTE_PKTMBUF_HEADROOM);
	app_prepare();
}

struct sim_conf sim_default(const char *name, uint64_t seed)
{
	struct sim_conf c = {.name = name, .seed = seed, .flows = 1, .limit_us = FOREVER_US};

	for (uint32_t end = CLIENT; end <= SERVER; end++) {
		c.set[end] = tcp_settings_default;
		c.link[end] = (struct link_conf){.delay_us = 10000, .queue_bytes = 1 << 20};
		for (uint32_t i = 0; i < SIM_FLOWS; i++)
			c.options[i][end] = tcp_settings_default.options;
	}
	return c;
}

void sim_run(const struct sim_conf *conf, struct sim_result *result)
{
	uint64_t random = conf->seed;

	prepare();
	memset(&sim, 0, sizeof(sim));
	memset(result, 0, sizeof(*result));
	sim.conf = conf;
	sim.pool = pool;
	sim.now = (UINT64_C(1) << 32) - link_random(&random) % 20000000; /* clocks wrap too */
	for (uint32_t i = 0; i < SIM_FLOWS; i++)
		for (uint32_t end = CLIENT; end <= SERVER; end++)
			sim.side[i][end] =
				(struct side){.app = &conf->app[i][end], .flow = i, .end = end};
	open_bed(CLIENT);
	open_bed(SERVER);
	if (conf->wraps)
		wrap_soon();
	sim.begun = sim.now;
	for (uint32_t end = CLIENT; end <= SERVER; end++) {
		sim.link[end].conf.mtu_at += conf->link[end].mtu_at != 0 ? sim.now : 0;
		sim.link[end].conf.hold_at += conf->link[end].hold_at != 0 ? sim.now : 0;
	}
	tcp_clock(bed[SERVER].t, sim.now);
	assert_true(tcp_listen(bed[SERVER].t, 0, 7, 16, &app_ops, NULL,
			    &conf->options[0][SERVER]) == 0);
	loop(result);
	check_ends(result);
	for (uint32_t i = 0; i < conf->flows && !conf->measures; i++)
		for (uint32_t end = CLIENT; end <= SERVER; end++)
			result->received[i][end] = sim.side[i][end].received;
	close_bed(CLIENT, result);
	close_bed(SERVER, result);
	if (rte_mempool_in_use_count(pool) != 0)
		FAIL("%u buffers are left", rte_mempool_in_use_count(pool));
}
