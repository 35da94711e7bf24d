/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What an application calls (RFC 9293 3.9.1, 3.10.1 to 3.10.6). Nothing here emits a packet: the
 * connection goes on the dirty list, and tcp_output() finds it.
 */
#include "engine.h"

#define PORT_FIRST 32768 /* of those we choose, as Linux has it */
#define PORT_LAST  60999

#define FILL_UPTO 128 /* bytes that are rather copied than held in a buffer of their own */

/* --- listeners --- */

static uint16_t free_listener(struct tcp *t)
{
	for (uint16_t i = 0; i < t->n_listeners; i++)
		if (!t->listener[i].open && t->listener[i].half_open == 0)
			return i;
	return t->n_listeners < t->limits.listeners ? t->n_listeners++ : UINT16_MAX;
}

static struct listener *open_listener(struct tcp *t, int number)
{
	return number >= 0 && number < t->n_listeners && t->listener[number].open
		       ? &t->listener[number]
		       : NULL;
}

int tcp_listen(struct tcp *t, uint32_t addr, uint16_t port, uint32_t backlog,
	const struct tcp_ops *ops, void *user, const struct tcp_options *options)
{
	uint16_t number;

	for (uint16_t n = t->by_port[port]; n != 0; n = t->listener[n - 1].next)
		if (t->listener[n - 1].addr == addr)
			return -EADDRINUSE;
	number = free_listener(t);
	if (number == UINT16_MAX)
		return -ENOSPC;
	t->listener[number] = (struct listener){.addr = addr,
		.port = port,
		.next = t->by_port[port],
		.open = true,
		.backlog = backlog,
		.ops = ops,
		.user = user};
	tcp_listen_options(t, number, options);
	t->by_port[port] = number + 1;
	return number;
}

void tcp_unlisten(struct tcp *t, int listener)
{
	struct listener *l = open_listener(t, listener);
	uint16_t *link;

	if (l == NULL)
		return;
	link = &t->by_port[l->port];
	while (*link != listener + 1)
		link = &t->listener[*link - 1].next;
	*link = l->next;
	l->open = false;
	t->closing += l->half_open; /* sweep.c resets them; until then the number is in use */
}

void tcp_listen_options(struct tcp *t, int listener, const struct tcp_options *options)
{
	struct listener *l = open_listener(t, listener);

	if (l == NULL)
		return;
	l->own_options = options != NULL;
	if (options != NULL)
		l->options = *options;
}

void tcp_listen_pause(struct tcp *t, int listener, bool paused)
{
	struct listener *l = open_listener(t, listener);

	if (l != NULL)
		l->paused = paused;
}

/* --- connect --- */

static bool port_is_free(struct tcp *t, const struct tcp_key *key, uint32_t *hash)
{
	*hash = tcp_table_hash(t->table, key);
	return tcp_table_find(t->table, *hash, key) == TCP_TABLE_NONE;
}

/* A port from which nobody speaks to the same peer, and whose answers come to this core. */
static int choose_port(struct tcp *t, struct tcp_key *key, uint32_t *hash)
{
	const uint32_t range = PORT_LAST - PORT_FIRST + 1;
	/* the local port in the key is still 0 */
	uint32_t from = t->next_port++ +
			(uint32_t)siphash(&t->isn_key, key, sizeof(*key)); /* RFC 6056 3.3.3 */

	for (uint32_t i = 0; i < range; i++) {
		uint16_t port = (uint16_t)(PORT_FIRST + (from + i) % range);

		key->local_port = to_be16(port);
		if (t->env.is_home != NULL &&
			!t->env.is_home(t->env.arg, from_be32(key->local), from_be32(key->remote),
				port, from_be16(key->remote_port)))
			continue;
		if (port_is_free(t, key, hash))
			return 0;
	}
	t->w->count[COUNT_tcp_no_ports]++;
	return -EADDRNOTAVAIL;
}

/*
 * The very pair of an earlier connection: free, or in TIME_WAIT with timestamps that tell old
 * segments from new ones (RFC 6191). *above: the ISN must be after it, 0: any.
 */
static int reuse_pair(struct tcp *t, const struct tcp_key *key, uint32_t *hash, uint32_t *above)
{
	struct time_wait *tw;
	uint32_t index;

	*hash = tcp_table_hash(t->table, key);
	index = tcp_table_find(t->table, *hash, key);
	if (index == TCP_TABLE_NONE)
		return 0;
	if (index < t->limits.connections)
		return -EADDRINUSE;
	tw = &t->tw[index - t->limits.connections];
	if (!(tw->uses & USES_TS) ||
		t->tick - (tw->until - TICKS_OF_MS(2 * (uint64_t)t->set.msl_ms)) <
			TICKS_OF_MS(1000))
		return -EADDRINUSE;
	*above = tw->snd_nxt;
	t->w->count[COUNT_tcp_time_wait_reused]++;
	timewait_end(t, tw);
	return 0;
}

static int find_way(struct tcp *t, uint32_t *local, uint16_t local_port, uint32_t remote,
	uint16_t remote_port, struct tcp_key *key)
{
	uint16_t mtu;

	if (ip4_is_multicast(remote) || ip4_is_broadcast(remote) || remote == 0 || remote_port == 0)
		return -EINVAL; /* RFC 9293 MUST-46 */
	if (t->env.route(t->env.arg, remote, local, &mtu) < 0)
		return -ENETUNREACH;
	*key = (struct tcp_key){
		to_be32(*local), to_be32(remote), to_be16(local_port), to_be16(remote_port)};
	return 0;
}

struct tcp_conn *tcp_connect(struct tcp *t, uint32_t local, uint16_t local_port, uint32_t remote,
	uint16_t remote_port, const struct tcp_ops *ops, void *user,
	const struct tcp_options *options, int *error)
{
	uint32_t hash, above = 0, iss;
	struct tcp_conn *c;
	struct tcp_key key;

	*error = find_way(t, &local, local_port, remote, remote_port, &key);
	if (*error == 0)
		*error = local_port == 0 ? choose_port(t, &key, &hash)
					 : reuse_pair(t, &key, &hash, &above);
	if (*error != 0)
		return NULL;
	c = conn_new(t, &key, hash, options != NULL ? options : &t->set.options);
	if (c == NULL) {
		*error = -ENOMEM;
		return NULL;
	}
	c->ops = ops;
	c->user = user;
	c->state = TCP_SYN_SENT;
	c->wants |= IS_ACTIVE;
	t->w->count[COUNT_tcp_active_opens]++;
	handshake_offer(t, c);
	iss = stack_isn(t, &key);
	if (above != 0 && !seq_gt(iss, above))
		iss = above + 1 + WINDOW_UNSCALED;
	handshake_start(t, c, iss);
	return c;
}

/* --- data --- */

static uint32_t queued(const struct tcp_conn *c)
{
	const struct tcp_flight *f = c->flight;

	return f == NULL ? 0 : f->queued_end - seq_max(f->head_seq, c->snd_una);
}

uint32_t tcp_send_room(const struct tcp *t, const struct tcp_conn *c)
{
	uint32_t share = conn_share(t, c->snd_buf, c->mss), has = queued(c);

	return has < share ? share - has : 0;
}

bool tcp_send_low(const struct tcp *t, const struct tcp_conn *c)
{
	uint32_t half = conn_share(t, c->snd_buf, c->mss) / 2, has = queued(c);

	return has <= half || has < 2u * c->mss;
}

static int may_send(const struct tcp *t, const struct tcp_conn *c, const struct rte_mbuf *m)
{
	if (c->wants & (WANT_FIN | WANT_NOTHING | IS_ENDING))
		return -EPIPE;
	if (c->state == TCP_CLOSED)
		return -ENOTCONN;
	/* of more than its share an application has been told; what it has received it may send */
	return (uint64_t)queued(c) + m->pkt_len > c->snd_buf || !stack_has_room(t) ? -ENOBUFS : 0;
}

/*
 * A few bytes go behind those of the last buffer, if that is ours alone: who writes byte by byte
 * holds no buffer for each. False: there is no room.
 */
static bool filled_up(struct tcp *t, struct tcp_flight *f, const struct rte_mbuf *m)
{
	struct rte_mbuf *tail = f->tail;

	if (tail == NULL || m->data_len > FILL_UPTO || !RTE_MBUF_DIRECT(tail) ||
		rte_mbuf_refcnt_read(tail) != 1 || rte_pktmbuf_tailroom(tail) < m->data_len)
		return false;
	if (f->cursor == NULL) {
		f->cursor = tail;
		f->cursor_skip = tail->data_len;
	}
	memcpy(rte_pktmbuf_mtod_offset(tail, char *, tail->data_len), rte_pktmbuf_mtod(m, char *),
		m->data_len);
	tail->data_len += m->data_len;
	f->queued_end += m->data_len;
	t->held_bytes += m->data_len;
	return true;
}

/* The chain's buffers go to the end of the queue, empty ones to their pool. */
static void enqueue(struct tcp *t, struct tcp_flight *f, struct rte_mbuf *m)
{
	while (m != NULL) {
		struct rte_mbuf *next = m->next;

		m->next = NULL;
		m->nb_segs = 1;
		if (m->data_len == 0 || filled_up(t, f, m)) {
			rte_pktmbuf_free_seg(m);
			m = next;
			continue;
		}
		if (f->tail != NULL) {
			f->tail->next = m;
		} else {
			f->head = m;
			f->head_seq = f->queued_end;
		}
		f->tail = m;
		if (f->cursor == NULL) {
			f->cursor = m;
			f->cursor_skip = 0;
		}
		f->queued_end += m->data_len;
		f->buffers++;
		t->held_buffers++;
		t->held_bytes += held_of(m);
		m = next;
	}
}

int tcp_send(struct tcp *t, struct tcp_conn *c, struct rte_mbuf *m, unsigned int flags)
{
	int error = may_send(t, c, m);
	struct tcp_flight *f;

	if (error != 0)
		return error;
	f = conn_flight(t, c);
	if (f == NULL)
		return -ENOBUFS;
	c->wants &= (uint16_t)~WANT_MORE;
	if (flags & TCP_SEND_MORE)
		c->wants |= WANT_MORE;
	enqueue(t, f, m);
	stack_weigh(t);
	if (flags & TCP_SEND_URGENT)
		c->snd_up = f->queued_end;
	if (f->head == NULL && f->n == 0 && !state_is_half_open(c->state)) {
		flight_free(t, c); /* it was nothing at all; but a SYN may be waiting to go */
		return 0;
	}
	conn_todo(t, c, TODO_SEND);
	return 0;
}

/* RFC 9293 3.8.6.2.2, RFC 1122 4.2.3.3: worth a segment of its own, or it was closed. */
void tcp_consumed(struct tcp *t, struct tcp_conn *c, uint32_t n)
{
	uint32_t gain, half = c->rcv_buf / 2, open, before = c->unread;

	n = RTE_MIN(n, before);
	c->unread -= n;
	t->unread -= n;
	if (unlikely(c->uses & HOLDS_SMALL))
		receive_small_read(c, before);
	if (!state_may_receive(c->state) && c->state != TCP_CLOSE_WAIT)
		return;
	gain = segment_window_gain(t, c);
	open = c->rcv_end - c->rcv_nxt;
	if (gain >= RTE_MIN(2u * c->our_mss, half) ||
		(open < c->our_mss && gain >= RTE_MIN((uint32_t)c->our_mss, half)))
		conn_todo(t, c, TODO_ACK);
}

/* --- ends --- */

void tcp_shutdown(struct tcp *t, struct tcp_conn *c)
{
	if (c->wants & (WANT_FIN | IS_ENDING))
		return;
	c->wants |= WANT_FIN;
	c->wants &= (uint16_t) ~(WANT_MORE | WANT_CORK);
	if (c->state == TCP_ESTABLISHED)
		c->state = TCP_FIN_WAIT_1;
	else if (c->state == TCP_CLOSE_WAIT)
		c->state = TCP_LAST_ACK;
	conn_todo(t, c, TODO_SEND); /* half open: handshake_done() goes on */
}

/* The handle is given up: no callback comes any more. */
static void give_up(struct tcp *t, struct tcp_conn *c)
{
	c->wants |= WANT_NOTHING;
	c->ops = NULL;
	t->orphans++;
}

void tcp_close(struct tcp *t, struct tcp_conn *c)
{
	bool unread = c->unread != 0;

	if (c->wants & (WANT_NOTHING | IS_ENDING))
		return;
	give_up(t, c);
	if (c->state == TCP_SYN_SENT) {
		conn_end(t, c, 0);
		return;
	}
	if (unread || t->orphans > t->limits.orphans) {
		t->w->count[unread ? COUNT_tcp_unread_resets : COUNT_tcp_orphans_ended]++;
		conn_reset(t, c, 0);
		return;
	}
	c->odd |= ODD_DEAF;
	c->keep_idle = 0;
	c->idle_at = 0;
	tcp_shutdown(t, c);
	if (c->state == TCP_FIN_WAIT_2) {
		c->idle_at = tick_in(t, TICKS_OF_MS(t->set.fin_wait_2_ms));
		conn_arm(t, c);
	}
}

void tcp_abort(struct tcp *t, struct tcp_conn *c)
{
	if (c->wants & (WANT_NOTHING | IS_ENDING))
		return;
	give_up(t, c);
	conn_reset(t, c, 0);
}

/* --- settings of one connection --- */

uint32_t tcp_urgent(const struct tcp_conn *c)
{
	return c->odd & ODD_URGENT ? c->rcv_up - c->rcv_nxt : 0;
}

static void set_want(struct tcp *t, struct tcp_conn *c, uint16_t want, bool on, bool releases)
{
	c->wants = (uint16_t)(on ? c->wants | want : c->wants & ~want);
	if (releases && c->flight != NULL)
		conn_todo(t, c, TODO_SEND);
}

void tcp_set_nodelay(struct tcp *t, struct tcp_conn *c, bool on)
{
	set_want(t, c, WANT_NODELAY, on, on);
}

void tcp_set_cork(struct tcp *t, struct tcp_conn *c, bool on)
{
	set_want(t, c, WANT_CORK, on, !on);
}

void tcp_set_keepalive(
	struct tcp *t, struct tcp_conn *c, uint32_t idle_s, uint16_t interval_s, uint8_t probes)
{
	c->keep_idle = idle_s;
	c->keep_interval = interval_s;
	c->keep_probes = probes;
	c->probes = 0;
	if (c->wants & WANT_NOTHING)
		return;
	c->idle_at = 0;
	if (idle_s == 0 || state_is_half_open(c->state))
		return;
	c->idle_at = tick_in(t, TICKS_OF_MS((uint64_t)idle_s * 1000));
	conn_arm(t, c);
}

void tcp_set_user_timeout(struct tcp *t, struct tcp_conn *c, uint32_t ms)
{
	(void)t;
	c->user_timeout = ms;
}

/* The announced edge never moves back: a smaller buffer works as the old one empties. */
void tcp_set_buffers(struct tcp *t, struct tcp_conn *c, uint32_t receive, uint32_t send)
{
	c->rcv_buf = receive;
	c->snd_buf = send;
	tcp_consumed(t, c, 0);
}

void tcp_set_ttl_tos(struct tcp *t, struct tcp_conn *c, uint8_t ttl, uint8_t tos)
{
	(void)t;
	c->ttl = ttl;
	c->tos = tos & 0xfc;
}

void *tcp_user(const struct tcp_conn *c)
{
	return c->user;
}

void tcp_set_user(struct tcp_conn *c, const struct tcp_ops *ops, void *user)
{
	c->ops = ops;
	c->user = user;
}
