/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A stack that hears anything in any of its states. The first bytes choose settings and a prologue
 * that leads to a state; what follows are steps: segments near the edges of what the connection
 * expects (alone or in bursts), calls of the application (also from inside callbacks), ICMP errors,
 * time, little room to send, no buffers. tcp_invariants() holds after each step, and nothing is
 * left when all was aborted and 2 MSL have passed.
 */
#include "tcp_life.h"
#include "tcp_prologues.h"

#include "wire/icmp_hdr.h"

/* --- steps --- */

static uint32_t near(uint32_t base)
{
	uint8_t b = byte();

	return b & 128 ? base + (uint32_t)(int32_t)(int8_t)(b << 1) * 181 : base + (b & 127) - 64;
}

static uint32_t a_seq(const struct tcp_conn *c, uint8_t how)
{
	switch (how & 7) {
	case 0:
	case 1:
	case 2:
		return c->rcv_nxt;
	case 3:
		return near(c->rcv_nxt);
	case 4:
		return near(c->rcv_end);
	case 5:
		return c->rcv_nxt + byte();
	case 6:
		return near(c->irs);
	default:
		return c->ooo != NULL && c->ooo->n > 0 ? near(c->ooo->range[0].start)
						       : c->rcv_nxt + word();
	}
}

static uint32_t an_ack(const struct tcp_conn *c, uint8_t how)
{
	switch (how & 7) {
	case 0:
	case 1:
	case 2:
		return c->snd_nxt;
	case 3:
	case 4:
		return c->snd_una;
	case 5:
		return near(c->snd_una);
	case 6:
		return near(c->snd_nxt);
	default:
		return c->flight != NULL && c->flight->n > 0
			       ? flight_sent(c->flight, byte() % c->flight->n)->end
			       : c->snd_una;
	}
}

static uint16_t a_length(uint8_t how)
{
	static const uint16_t lengths[] = {0, 0, 1, 2, 100, 255, 536, 1448};

	return (how & 8) ? byte() : lengths[how & 7];
}

static uint8_t some_flags(uint8_t how)
{
	static const uint8_t usual[] = {TCP_ACK, TCP_ACK, TCP_ACK, TCP_ACK | TCP_PSH,
		TCP_ACK | TCP_FIN, TCP_RST, TCP_SYN, TCP_SYN | TCP_ACK, TCP_RST | TCP_ACK,
		TCP_ACK | TCP_URG, TCP_ACK | TCP_ECE, TCP_ACK | TCP_CWR};

	return how < 240 ? usual[how % RTE_DIM(usual)] : byte();
}

static uint16_t a_window(const struct tcp_conn *c, uint8_t how)
{
	static const uint16_t usual[] = {65535, 65535, 0, 1, 1000, 4000, 16000};

	return (how & 7) == 7 ? (uint16_t)(c->snd_wnd >> c->snd_scale) : usual[how & 7];
}

static void some_options(const struct tcp_conn *c, uint8_t how, struct fields *s)
{
	if (!(how & 1))
		timestamps_of(c, &s->opts);
	if (how & 2) {
		s->opts.ts_val = near(c->ts_recent);
		s->opts.ts_ecr = near(s->opts.ts_ecr);
	}
	if (how & 4) {
		s->opts.n_sacks = how >> 6;
		for (uint32_t i = 0; i < s->opts.n_sacks; i++) {
			s->opts.sack[i].start = an_ack(c, byte());
			s->opts.sack[i].end = an_ack(c, byte());
		}
	}
	if (how & 8)
		s->tos = how >> 4;
	if (s->flags & TCP_SYN) {
		s->opts.has |= how >> 4;
		s->opts.mss = how & 16 ? byte() : 1460;
		s->opts.wscale = how & 15;
	}
}

static void step_segment(void)
{
	uint8_t which = byte(), how;
	const struct tcp_conn *c = conn_at(which & 3);
	struct fields s;

	if (c == NULL) { /* of nobody, or of a TIME_WAIT record */
		const struct time_wait *tw =
			f.t->tw_first != 0 ? &f.t->tw[f.t->tw_first - 1] : NULL;

		s = syn_from((uint16_t)(PEER_PORT + (which >> 4 & 1)));
		s.seq = near(tw != NULL ? tw->rcv_nxt : s.seq);
		s.ack = near(tw != NULL ? tw->snd_nxt : tcp_hdr_seq(&f.said) + 1);
		s.flags = some_flags(byte());
		s.opts.ts_val = near(tw != NULL ? tw->ts_recent : 1000);
		s.opts.ts_ecr = f.said_opts.ts_val;
		give(&s);
		return;
	}
	s = (struct fields){.key = c->key};
	if ((which >> 4) == 15)
		s.key.remote_port ^= to_be16(1);
	how = byte();
	s.seq = a_seq(c, how);
	s.ack = an_ack(c, how >> 3);
	s.flags = some_flags(byte());
	how = byte();
	s.len = a_length(how);
	s.window = a_window(c, how >> 4);
	s.shape = which & 8 ? byte() : which >> 4 & 1;
	s.urgent = s.flags & TCP_URG ? word() & 511 : 0;
	some_options(c, which & 4 ? byte() : 0, &s);
	give(&s);
}

static void step_icmp(void)
{
	static const uint8_t types[] = {ICMP_TYPE_UNREACH, ICMP_TYPE_UNREACH, ICMP_TYPE_UNREACH,
		ICMP_TYPE_TIME_EXCEEDED, ICMP_TYPE_SOURCE_QUENCH};
	uint8_t how = byte();
	const struct tcp_conn *c = conn_at(how & 3);
	struct {
		struct ip4_hdr ip;
		uint16_t port[2];
		be32 seq;
	} q;

	if (c == NULL)
		return;
	ip4_hdr_build(&q.ip, &(struct ip4_fields){.total_len = how & 4 ? 1500 : 576,
				     .proto = IP4_PROTO_TCP,
				     .src = from_be32(c->key.local),
				     .dst = from_be32(c->key.remote)});
	q.port[0] = c->key.local_port;
	q.port[1] = c->key.remote_port;
	q.seq = to_be32(an_ack(c, how >> 3) - (how & 64 ? 0 : 1));
	tcp_icmp(f.t, &q, sizeof(q) - (how & 128 ? 0 : how >> 6), types[how % RTE_DIM(types)],
		byte() & 15, how & 8 ? word() & 2047 : 0);
}

static void step_buffers(void)
{
	uint8_t how = byte();

	while (f.n_taken > 0 && (how & 1)) /* given back */
		rte_pktmbuf_free(f.taken[--f.n_taken]);
	while (!(how & 1) && rte_mempool_avail_count(f.pool) > (how >> 1 & 15) && f.n_taken < TAKEN)
		f.taken[f.n_taken++] = rte_pktmbuf_alloc(f.pool);
}

static void step_time(uint8_t how)
{
	static const uint64_t spans[] = {0, 64, 1000, 25000, 40000, 200000, 1000000, 3000000,
		10000000, 60000000, 600000000, 7200000000};

	hear();
	check();
	pass(spans[how % RTE_DIM(spans)] + (how >> 4));
}

static void step(void)
{
	static const uint64_t ticks[] = {1, 100, 1000, 10000};
	uint8_t op = byte();
	struct tcp_conn *c;

	switch (op & 15) {
	case 8:
	case 9:
		c = some_handle(op >> 4);
		if (c != NULL) {
			uint8_t what = byte();

			call(c, what, byte());
		} else {
			do_connect(byte());
		}
		break;
	case 10:
		if (f.n_wishes < RTE_DIM(f.wishes))
			f.wishes[f.n_wishes++] = byte();
		break;
	case 11:
		if ((op >> 4) < 6)
			step_icmp();
		else if ((op >> 4) < 9)
			step_buffers();
		else
			do_listen(byte());
		break;
	case 12:
		step_time(op >> 4 == 15 ? byte() : op >> 4);
		break;
	case 13: /* little room */
		hear();
		check();
		tcp_timers(f.t, 1 + (op >> 4));
		check();
		speak(op >> 4 & 3);
		break;
	case 14:
	case 15:
		pass(ticks[op >> 4 & 3]);
		break;
	default:
		step_segment();
		if (!(op & 16))
			hear();
		if (!(op & 32)) {
			hear();
			speak(64);
		}
	}
	check();
}

/* --- one life --- */

static int route(void *arg, uint32_t remote, uint32_t *local, uint16_t *mtu)
{
	(void)arg, (void)remote;
	*local = *local != 0 ? *local : US;
	*mtu = f.mtu;
	return 0;
}

static void open_stack(void)
{
	static const uint16_t mtus[] = {1500, 1500, 68, 576, 9000, 1280, 1500, 65535};
	static const uint64_t seed[4] = {1, 2, 3, 4};
	struct tcp_settings set = tcp_settings_default;
	struct tcp_limits limits = {.connections = CONNS,
		.time_waits = TIME_WAITS,
		.listeners = 2,
		.orphans = 4,
		.held_bytes = 1 << 20,
		.held_buffers = 512};
	uint8_t how = byte(), more = byte();

	f.mtu = mtus[how & 7];
	set.timestamps = !(how & 8);
	set.sack = !(how & 16);
	set.window_scaling = !(how & 32);
	set.ecn = how & 64;
	set.cc = how & 128 ? &tcp_newreno : &tcp_cubic;
	set.options.receive_buffer = more & 1 ? 3000 : more & 2 ? 1 << 20 : 65536;
	set.options.send_buffer = more & 4 ? 3000 : 1 << 20;
	set.options.keepalive_idle_s = more & 8 ? 10 : 0;
	set.options.stall_timeout_ms = more & 8 ? 5000 : 0;
	set.options.nodelay = more & 16;
	limits.held_buffers = more & 32 ? 8 : 512;
	limits.orphans = more & 64 ? 0 : 4;
	set.path_mtu = !(more & 128);
	f.t = tcp_new(f.w, &set, &limits, &(struct tcp_env){.route = route}, seed);
	HOLDS(f.t != NULL);
}

static void begin(const uint8_t *data, size_t size)
{
	struct rte_mempool *pool = f.pool;
	struct worker *w = f.w;

	if (pool == NULL) {
		pool = heap_pool_new(POOL, ROOM);
		w = aligned_alloc(64, RTE_ALIGN_CEIL(sizeof(*w), 64));
		HOLDS(pool != NULL && w != NULL);
		memset(w, 0, sizeof(*w));
	}
	memset(&f, 0, sizeof(f));
	f.pool = pool;
	f.w = w;
	memset(&w->books, 0, sizeof(w->books));
	w->pool = pool;
	w->node = -1;
	f.at = data;
	f.end = data + size;
	f.listener = -1;
	f.now = UINT64_C(0xfff00000) << TICK_SHIFT; /* ticks wrap soon, microseconds have */
	open_stack();
	tcp_clock(f.t, f.now);
}

/* The peer is silent for ever. */
static void end(void)
{
	struct tcp_usage u;

	hear();
	f.n_wishes = 0;
	while (f.n_taken > 0)
		rte_pktmbuf_free(f.taken[--f.n_taken]);
	for (int i = 0; i < HANDLES; i++) {
		struct tcp_conn *c = f.handle[i];

		f.handle[i] = NULL;
		if (c != NULL)
			tcp_abort(f.t, c);
	}
	do_listen(0);
	check();
	for (int i = 0; i < 60; i++) {
		pass(10000000);
		check();
	}
	tcp_usage(f.t, &u);
	for (uint32_t i = 0; i < f.t->conns.fresh; i++)
		if (f.t->conn[i].state != TCP_CLOSED)
			fprintf(stderr, "left: %s, wants %#x, odd %#x, todo %#x, backoff %u\n",
				tcp_state_name(f.t->conn[i].state), f.t->conn[i].wants,
				f.t->conn[i].odd, f.t->conn[i].todo, f.t->conn[i].backoff);
	HOLDS(u.connections == 0 && u.time_waits == 0 && u.timers == 0 && u.orphans == 0 &&
		u.held_buffers == 0 && u.held_bytes == 0 && u.half_open == 0);
	HOLDS(rte_mempool_in_use_count(f.pool) == 0);
	HOLDS(!tcp_has_output(f.t));
	tcp_free(f.t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	begin(data, size);
	prologue(byte());
	for (int i = 0; i < STEPS && f.at < f.end; i++)
		step();
	end();
	return 0;
}
