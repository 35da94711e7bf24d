/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How connections begin: a SYN for a listener, the answer to ours, both at once (RFC 9293 3.10.7.2,
 * 3.10.7.3), and SYN cookies when a listener has too many half-open ones (RFC 4987).
 */
#include "engine.h"

#include "net/pkt.h"
#include "net/syncookie.h"

#define MSS_FLOOR	   48 /* who announces less gets so much all the same */
#define MSS_LEAST	   8 /* payload of a segment, however small the path and long the options */
#define COOKIE_LIFE_MS	   128000
#define RTO_AFTER_SYN_LOSS UINT32_C(3000000) /* RFC 6298 5.7 */

/* --- what the two agree on --- */

void handshake_mtu(struct tcp *t, struct tcp_conn *c, uint16_t mtu)
{
	uint32_t room = RTE_MAX(mtu, t->set.mtu_floor) - IP4_HDR_LEN - TCP_HDR_LEN;
	uint32_t options = c->uses & USES_TS ? TCP_OPT_TS_LEN : 0;

	room = RTE_MIN(room, (uint32_t)c->peer_mss);
	c->mss = (uint16_t)(room > options + MSS_LEAST ? room - options : MSS_LEAST);
}

uint16_t handshake_link_mtu(struct tcp *t, const struct tcp_conn *c)
{
	uint32_t local = from_be32(c->key.local);
	uint16_t mtu = 0;

	if (t->env.route(t->env.arg, from_be32(c->key.remote), &local, &mtu) < 0 ||
		mtu < IP4_MTU_MIN)
		return TCP_MSS_DEFAULT + IP4_HDR_LEN + TCP_HDR_LEN;
	return mtu;
}

/* The smallest by which the whole buffer can be announced. */
static uint8_t scale_of(uint32_t buffer)
{
	uint8_t scale = 0;

	while (scale < TCP_WSCALE_MAX && buffer >> scale > WINDOW_UNSCALED)
		scale++;
	return scale;
}

void handshake_offer(struct tcp *t, struct tcp_conn *c)
{
	uint16_t most = (uint16_t)(handshake_link_mtu(t, c) - IP4_HDR_LEN - TCP_HDR_LEN);

	c->our_mss = c->our_mss != 0 ? RTE_MIN(c->our_mss, most) : most;
	c->rcv_mss = TCP_MSS_DEFAULT;
	c->rcv_scale = t->set.window_scaling ? scale_of(c->rcv_buf) : 0;
}

/* The peer's SYN: what it offers and we take. */
static void agree(struct tcp *t, struct tcp_conn *c, const struct tcp_opts *o)
{
	if ((o->has & TCP_HAS_TS) && t->set.timestamps)
		c->uses |= USES_TS;
	if ((o->has & TCP_HAS_SACK_OK) && t->set.sack)
		c->uses |= USES_SACK;
	if ((o->has & TCP_HAS_WSCALE) && t->set.window_scaling) {
		c->uses |= USES_SCALE;
		c->snd_scale = o->wscale;
	} else {
		c->rcv_scale = 0;
	}
	if (o->has & TCP_HAS_MSS)
		c->peer_mss = RTE_MAX(o->mss, (uint16_t)MSS_FLOOR);
	c->ts_recent = o->ts_val;
	c->offset = c->uses & USES_TS ? 0x80 : 0x50;
	c->peer_mss = RTE_MIN(c->peer_mss, c->our_mss);
	handshake_mtu(t, c, handshake_link_mtu(t, c));
}

static void take_syn(struct tcp *t, struct tcp_conn *c, const struct segment *s)
{
	c->irs = s->seq;
	c->rcv_nxt = s->seq + 1;
	c->last_ack = c->rcv_nxt;
	c->rcv_end = c->rcv_nxt + RTE_MIN(c->rcv_buf, WINDOW_UNSCALED);
	c->snd_wl1 = s->seq;
	c->snd_wnd = c->max_wnd = s->window; /* never scaled in a SYN */
	agree(t, c, &s->opts);
}

/* --- beginning --- */

void handshake_start(struct tcp *t, struct tcp_conn *c, uint32_t iss)
{
	struct tcp_flight *f;

	c->iss = c->snd_una = c->snd_nxt = c->snd_up = iss;
	t->half_open++;
	f = conn_flight(t, c);
	if (f != NULL)
		f->head_seq = f->queued_end = iss + 1;
	conn_todo(t, c, TODO_SEND);
}

/* RFC 5681 3.1, RFC 6928, RFC 6298 5.7 */
static void first_window(struct tcp *t, struct tcp_conn *c)
{
	bool lost = c->backoff > 0;

	c->backoff = 0;
	c->cwnd = lost ? c->mss : recovery_initial_window(c);
	if (lost)
		c->rto = RTE_MAX(c->rto, RTO_AFTER_SYN_LOSS);
	c->cc->start(c, t->us);
}

void handshake_done(struct tcp *t, struct tcp_conn *c, const struct segment *s)
{
	bool passive = c->listener != 0;

	c->state = TCP_ESTABLISHED;
	t->half_open--;
	if (passive) {
		t->listener[c->listener - 1].half_open--;
		c->listener = 0;
	}
	c->snd_wnd = s->flags & TCP_SYN ? s->window : s->window << c->snd_scale;
	c->max_wnd = RTE_MAX(c->max_wnd, c->snd_wnd);
	c->snd_wl1 = s->seq;
	c->stuck_since = t->tick;
	first_window(t, c);
	t->w->count[passive ? COUNT_tcp_accepted : COUNT_tcp_connected]++;
	if (c->keep_idle != 0)
		tcp_set_keepalive(t, c, c->keep_idle, c->keep_interval, c->keep_probes);
	if (c->wants & WANT_FIN) /* the application was quicker */
		c->state = TCP_FIN_WAIT_1;
	conn_todo(t, c, TODO_SEND);
	if (passive && c->ops != NULL && c->ops->on_accept != NULL)
		c->ops->on_accept(t, c);
	else if (!passive && c->ops != NULL && c->ops->on_connect != NULL)
		c->ops->on_connect(t, c);
}

/* --- LISTEN --- */

struct listener *listener_for(const struct tcp *t, const struct tcp_key *key)
{
	uint32_t addr = from_be32(key->local);
	struct listener *any = NULL;

	for (uint16_t n = t->by_port[from_be16(key->local_port)]; n != 0;) {
		struct listener *l = &t->listener[n - 1];

		if (l->addr == addr)
			return l;
		if (l->addr == 0)
			any = l;
		n = l->next;
	}
	return any;
}

bool handshake_inherited(struct tcp *t, struct tcp_conn *c)
{
	struct listener *was = &t->listener[c->listener - 1], *now;

	if (was->open)
		return true;
	now = listener_for(t, &c->key);
	if (now == NULL || now->ops != was->ops)
		return false;
	was->half_open--;
	t->closing--;
	now->half_open++;
	c->listener = (uint16_t)(now - t->listener + 1);
	c->user = now->user;
	return true;
}

static struct syncookie_flow flow_of(const struct tcp_key *key)
{
	return (struct syncookie_flow){key->local, key->remote, key->local_port, key->remote_port};
}

/* RFC 3168 6.1.1 */
static bool asks_for_ecn(const struct segment *s)
{
	return (s->h->flags & (TCP_ECE | TCP_CWR)) == (TCP_ECE | TCP_CWR);
}

static void offer_cookie(struct tcp *t, const struct listener *l, const struct segment *s)
{
	const struct syncookie_flow flow = flow_of(&s->key);
	uint16_t peer_mss = s->opts.has & TCP_HAS_MSS ? s->opts.mss : TCP_MSS_DEFAULT;
	struct syncookie_memory memory = {.mss = peer_mss,
		.wscale = s->opts.has & TCP_HAS_WSCALE && t->set.window_scaling
				  ? s->opts.wscale
				  : SYNCOOKIE_NO_WSCALE,
		.sack = (s->opts.has & TCP_HAS_SACK_OK) && t->set.sack,
		.ecn = asks_for_ecn(s),
		.timestamps = (s->opts.has & TCP_HAS_TS) && t->set.timestamps};
	const struct tcp_options *o = listener_options(t, l);
	struct tcp_conn like = {.key = s->key, .our_mss = o->mss, .rcv_buf = o->receive_buffer};
	struct loose *r = stack_loose(t);

	if (r == NULL)
		return;
	handshake_offer(t, &like);
	r->key = s->key;
	r->seq = syncookie_make(&t->cookie_key, &flow, s->seq, &memory, t->now_us / 1000);
	r->ack = s->seq + 1;
	r->window = (uint16_t)RTE_MIN(like.rcv_buf, WINDOW_UNSCALED);
	r->flags = TCP_SYN | TCP_ACK;
	r->ttl = o->ttl;
	r->opts.has = TCP_HAS_MSS;
	r->opts.mss = like.our_mss;
	if (memory.timestamps) {
		r->opts.has |= TCP_HAS_TS | (memory.sack ? TCP_HAS_SACK_OK : 0);
		r->opts.has |= memory.wscale != SYNCOOKIE_NO_WSCALE ? TCP_HAS_WSCALE : 0;
		r->opts.wscale = like.rcv_scale;
		r->flags |= memory.ecn ? TCP_ECE : 0;
		r->opts.ts_ecr = s->opts.ts_val;
		r->opts.ts_val = syncookie_stamp(&memory, t->stamp + stack_ts_offset(t, &s->key));
	}
	t->cookies_until_ms = t->now_us / 1000 + COOKIE_LIFE_MS;
	t->w->count[COUNT_tcp_cookies_sent]++;
}

static struct tcp_conn *child(struct tcp *t, struct listener *l, const struct segment *s)
{
	struct tcp_conn *c = conn_new(t, &s->key, s->hash, listener_options(t, l));

	if (c == NULL)
		return NULL;
	c->ops = l->ops;
	c->user = l->user;
	c->state = TCP_SYN_RCVD;
	c->listener = (uint16_t)(l - t->listener + 1);
	l->half_open++;
	handshake_offer(t, c);
	return c;
}

/* A segment without SYN: the end of a handshake that we remember nothing of? False: a stray. */
static bool take_cookie(struct tcp *t, struct listener *l, struct segment *s)
{
	const struct syncookie_flow flow = flow_of(&s->key);
	struct syncookie_memory memory = {
		.timestamps = (s->opts.has & TCP_HAS_TS) && t->set.timestamps};
	struct tcp_opts agreed = {.has = TCP_HAS_MSS, .ts_val = s->opts.ts_val};
	struct tcp_conn *c;

	if (t->now_us / 1000 > t->cookies_until_ms)
		return false;
	if (!syncookie_check(&t->cookie_key, &flow, s->ack - 1, s->seq - 1, s->opts.ts_ecr,
		    t->now_us / 1000, &memory)) {
		t->w->count[COUNT_tcp_cookies_failed]++;
		/* What brings the cookie may be lost, and comes again: no reason for a reset. */
		if (s->len == 0 && !(s->flags & TCP_FIN))
			return false;
		stack_drop(t, s, DROP_TCP_COOKIE);
		return true;
	}
	c = listener_waits(t, l) ? NULL : child(t, l, s);
	if (c == NULL) {
		stack_drop(t, s, DROP_TCP_BACKLOG);
		return true;
	}
	agreed.mss = memory.mss;
	if (memory.timestamps) {
		agreed.has |= TCP_HAS_TS | (memory.sack ? TCP_HAS_SACK_OK : 0);
		agreed.has |= memory.wscale != SYNCOOKIE_NO_WSCALE ? TCP_HAS_WSCALE : 0;
		agreed.wscale = memory.wscale;
	}
	c->iss = s->ack - 1;
	c->snd_una = c->snd_nxt = c->snd_up = s->ack;
	t->half_open++;
	take_syn(t, c, &(struct segment){.seq = s->seq - 1, .window = s->window, .opts = agreed});
	c->uses |= memory.timestamps && memory.ecn ? USES_ECN : 0;
	t->w->count[COUNT_tcp_cookies_taken]++;
	handshake_done(t, c, s);
	if (c->state == TCP_CLOSED)
		stack_drop(t, s, DROP_TCP_CLOSED);
	else
		slow_segment(t, c, s);
	return true;
}

/* RFC 9293 MUST-57, MUST-63: neither from nor to more than one host. */
static bool is_group(const struct segment *s)
{
	uint32_t dst = from_be32(s->key.local), src = from_be32(s->key.remote);

	return (s->m->port & PKT_LINK_GROUP) != 0 || ip4_is_multicast(dst) ||
	       ip4_is_broadcast(dst) || ip4_src_is_martian(src);
}

static void open_passively(struct tcp *t, struct listener *l, struct segment *s, uint32_t isn_above)
{
	struct tcp_conn *c = l->half_open < l->backlog ? child(t, l, s) : NULL;
	uint32_t iss = stack_isn(t, &s->key);

	if (c == NULL) {
		offer_cookie(t, l, s);
		return;
	}
	take_syn(t, c, s);
	c->rcv_end = c->rcv_nxt + RTE_MIN(conn_share(t, c->rcv_buf, c->our_mss), WINDOW_UNSCALED);
	if (asks_for_ecn(s))
		c->uses |= USES_ECN;
	if (isn_above != 0 && !seq_gt(iss, isn_above)) /* RFC 1122 4.2.2.13 */
		iss = isn_above + 1 + WINDOW_UNSCALED;
	handshake_start(t, c, iss);
}

bool handshake_listen(struct tcp *t, struct listener *l, struct segment *s, uint32_t isn_above)
{
	if (s->flags & TCP_RST) {
		t->w->count[COUNT_tcp_resets_in]++;
		stack_drop(t, s, DROP_TCP_NO_PORT);
		return true;
	}
	if (s->flags & TCP_ACK)
		return !(s->flags & TCP_SYN) && take_cookie(t, l, s);
	if (!(s->flags & TCP_SYN) || is_group(s)) {
		stack_drop(t, s, is_group(s) ? DROP_LOCAL_GROUP : DROP_TCP_NO_ACK);
		return true;
	}
	if (listener_waits(t, l)) {
		stack_drop(t, s, DROP_TCP_BACKLOG);
		return true;
	}
	open_passively(t, l, s, isn_above);
	consume(t->w, s->m);
	s->m = NULL;
	return true;
}

/* --- SYN_SENT --- */

static bool sent_ack_ok(struct tcp *t, struct tcp_conn *c, struct segment *s)
{
	if (!(s->flags & TCP_ACK) || (seq_gt(s->ack, c->iss) && seq_leq(s->ack, c->snd_nxt)))
		return true;
	if (!(s->flags & TCP_RST))
		stack_refuse_ack(t, c, s->ack);
	stack_drop(t, s, DROP_TCP_ACK);
	return false;
}

/* Both asked at once: our SYN goes again, as an answer (RFC 9293 3.5, MUST-10). */
static void open_simultaneously(struct tcp *t, struct tcp_conn *c, struct segment *s)
{
	c->state = TCP_SYN_RCVD;
	take_syn(t, c, s);
	if (c->flight != NULL && c->flight->n > 0 && c->flight->lost == 0)
		recovery_resend_first(c);
	conn_todo(t, c, TODO_SEND);
	consume(t->w, s->m);
	s->m = NULL;
}

void handshake_syn_sent(struct tcp *t, struct tcp_conn *c, struct segment *s)
{
	if (!sent_ack_ok(t, c, s))
		return;
	if (s->flags & TCP_RST) {
		if (!(s->flags & TCP_ACK)) {
			stack_drop(t, s, DROP_TCP_RESET_BLIND);
			return;
		}
		t->w->count[COUNT_tcp_resets_received]++;
		consume(t->w, s->m);
		s->m = NULL;
		conn_end(t, c, ECONNREFUSED);
		return;
	}
	if (!(s->flags & TCP_SYN)) {
		stack_drop(t, s, DROP_TCP_NO_ACK);
		return;
	}
	c->last_rx = t->stamp;
	if (!(s->flags & TCP_ACK)) {
		open_simultaneously(t, c, s);
		return;
	}
	take_syn(t, c, s);
	if (t->set.ecn && (s->h->flags & (TCP_ECE | TCP_CWR)) == TCP_ECE)
		c->uses |= USES_ECN;
	conn_todo(t, c, TODO_ACK);
	handshake_done(t, c, s);
	if (c->state != TCP_CLOSED) /* by on_connect() */
		ack_slow(t, c, s);
	s->flags &= (uint8_t)~TCP_SYN;
	s->seq++;
	if (seq_gt(s->seq + s->len, c->rcv_end)) { /* not in part; they come again */
		s->len = 0;
		s->flags &= (uint8_t) ~(TCP_FIN | TCP_URG);
	}
	if (c->state != TCP_CLOSED)
		slow_rest(t, c, s);
	else
		stack_drop(t, s, DROP_TCP_CLOSED);
}
