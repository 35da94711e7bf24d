/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A burst of segments: checked, looked up together, and each taken by the fast path if it is what
 * an established connection expects next, else by the slow path.
 *
 * fast() is the fast path: all of it.
 */
#include "engine.h"

#include "net/chain.h"
#include "net/local.h"

/* --- delivery --- */

void input_flush(struct tcp *t)
{
	struct tcp_conn *c = t->run;
	struct rte_mbuf *m = t->run_head;

	if (c == NULL)
		return;
	t->run = NULL;
	if (c->ops != NULL && c->ops->on_data != NULL) {
		c->ops->on_data(t, c, m);
		return;
	}
	tcp_consumed(t, c, m->pkt_len);
	rte_pktmbuf_free(m);
}

void input_deliver(struct tcp *t, struct tcp_conn *c, struct rte_mbuf *m)
{
	if (t->run == c && t->run_head->nb_segs + m->nb_segs < RTE_MBUF_MAX_NB_SEGS) {
		t->run_tail->next = m;
		t->run_tail = rte_pktmbuf_lastseg(m);
		t->run_head->nb_segs += m->nb_segs;
		t->run_head->pkt_len += m->pkt_len;
		return;
	}
	input_flush(t);
	t->run = c;
	t->run_head = m;
	t->run_tail = rte_pktmbuf_lastseg(m);
}

struct rte_mbuf *input_take(struct segment *s)
{
	struct rte_mbuf *m = s->m;

	s->m = NULL;
	return chain_behead(m, s->l4_at + s->hdr_len + s->skip);
}

/* True: the segment has said all it had to say. */
static inline bool consumed(struct tcp *t, struct segment *s)
{
	consume(t->w, s->m);
	s->m = NULL;
	return true;
}

/* --- the fast path --- */

/*
 * An established connection's next segment: in order, with nothing but ACK and PSH, on a
 * connection with nothing unusual about it. Everything that leads away is one question; true: done.
 */
static __rte_always_inline bool fast(struct tcp *t, struct tcp_conn *c, struct segment *s)
{
	uint32_t stamp = 0, echo = 0, window = s->window << c->snd_scale;
	uint32_t odd = ((s->flags & ~TCP_PSH) ^ TCP_ACK) | (s->h->offset ^ c->offset) |
		       (s->seq ^ c->rcv_nxt) | (c->state ^ TCP_ESTABLISHED) | c->odd | s->ce |
		       (s->ack - c->snd_una) >> 31 | (c->snd_nxt - s->ack) >> 31 |
		       (c->rcv_end - s->seq - s->len) >> 31 |
		       ((s->len | (s->ack ^ c->snd_una)) == 0) | conn_is_pressed(t, c) |
		       ((s->ack == c->snd_una) & (window > c->snd_wnd)); /* who waits for it? */

	if (unlikely(odd))
		return false;
	if (c->uses & USES_TS) {
		if (unlikely(!tcp_opt_ts_only(s->h, &stamp, &echo) || seq_lt(stamp, c->ts_recent)))
			return false;
		if (s->seq == c->last_ack) /* RFC 7323 4.3: the oldest that is not acknowledged */
			c->ts_recent = stamp;
	}
	c->snd_wnd = window;
	c->snd_wl1 = s->seq;
	c->last_rx = t->stamp;
	if (s->ack != c->snd_una) {
		ack_advance(t, c, s->ack, echo);
		if (unlikely(c->state != TCP_ESTABLISHED)) /* on_sent() has ended it, or its part */
			return c->state == TCP_CLOSED && consumed(t, s);
	}
	if (s->len == 0)
		return consumed(t, s);
	if (unlikely(s->len < SMALL_BELOW && c->unread != 0) && !receive_small(t, c, s))
		return true;
	t->w->books.consumed++;
	c->rcv_nxt += s->len;
	c->unread += s->len;
	t->unread += s->len;
	if (unlikely(s->len > c->rcv_mss))
		c->rcv_mss = (uint16_t)RTE_MIN(s->len, UINT16_MAX);
	conn_todo(t, c, TODO_ACK_LATER);
	input_deliver(t, c, input_take(s));
	return true;
}

/* --- a burst --- */

static bool read_segment(struct tcp *t, struct rte_mbuf *m, struct segment *s)
{
	const struct ip4_hdr *ip = pkt_ip4(m);
	uint32_t len = ip4_hdr_payload_len(ip);
	const struct tcp_hdr *h = pkt_l4(m);

	s->l4_at = (uint16_t)(ETH_HDR_LEN + ip4_hdr_len(ip));
	if (unlikely(m->data_len < s->l4_at + TCP_HDR_LEN ||
		     m->data_len < s->l4_at + tcp_hdr_len(h))) {
		if (len < TCP_HDR_LEN || m->pkt_len < s->l4_at + len)
			return false;
		m = chain_head(t->w, m, RTE_MIN(s->l4_at + TCP_HDR_LEN_MAX, m->pkt_len));
		if (m == NULL)
			return false;
		ip = pkt_ip4(m);
		h = pkt_l4(m);
	}
	s->m = m;
	if (tcp_hdr_check(h, len) != TCP_OK)
		return false;
	if (unlikely(!local_csum_ok(m, (uint16_t)len))) {
		t->w->count[COUNT_tcp_checksum_errors]++;
		return false;
	}
	s->ip = ip;
	s->h = h;
	s->key = (struct tcp_key){ip->dst, ip->src, h->dport, h->sport};
	s->seq = tcp_hdr_seq(h);
	s->ack = tcp_hdr_ack(h);
	s->hdr_len = (uint8_t)tcp_hdr_len(h);
	s->len = len - s->hdr_len;
	s->window = tcp_hdr_window(h);
	s->skip = 0;
	s->flags = h->flags & 0x3f; /* ECN has a step of its own */
	s->ce = (ip->tos & 3) == 3 || (h->flags & (TCP_ECE | TCP_CWR)) != 0;
	return true;
}

/* Those that are well-formed; the others are dropped. */
static uint32_t read_burst(struct tcp *t, struct rte_mbuf **pkt, uint32_t n, struct segment *s,
	const struct tcp_key **keys)
{
	uint32_t good = 0;

	for (uint32_t i = 0; i < n; i++) {
		s[good].m = pkt[i];
		if (unlikely(!read_segment(t, pkt[i], &s[good]))) {
			drop(t->w, s[good].m, DROP_TCP_BAD);
			continue;
		}
		keys[good] = &s[good].key;
		good++;
	}
	return good;
}

/* For no connection: a record's, a listener's or nobody's. False: it is a stray. */
static bool unconnected(struct tcp *t, uint32_t index, struct segment *s)
{
	struct listener *l;

	if (index != TCP_TABLE_NONE)
		return timewait_segment(t, &t->tw[index - t->limits.connections], s);
	l = listener_for(t, &s->key);
	if (l == NULL)
		return false;
	tcp_opt_read(s->h, &s->opts);
	return handshake_listen(t, l, s, 0);
}

/*
 * What the fast path did not take. The application, hearing of the data before it, may have ended
 * this very connection: `changes` are those that index is from. False: it is a stray.
 */
static bool slowly(struct tcp *t, uint32_t index, uint32_t changes, struct segment *s)
{
	t->w->count[COUNT_tcp_segments_slow]++;
	input_flush(t);
	if (unlikely(t->changes != changes))
		index = tcp_table_find(t->table, s->hash, &s->key);
	if (unlikely(index >= t->limits.connections))
		return unconnected(t, index, s);
	slow_segment(t, &t->conn[index], s);
	return true;
}

uint32_t tcp_input(struct tcp *t, struct rte_mbuf **pkt, uint32_t n, struct rte_mbuf **stray)
{
	struct segment segments[TCP_BURST];
	const struct tcp_key *keys[TCP_BURST];
	uint32_t hashes[TCP_BURST], indexes[TCP_BURST], strays = 0, changes = t->changes;

	t->w->count[COUNT_tcp_segments_in] += n;
	n = read_burst(t, pkt, n, segments, keys);
	if (n == 0)
		return 0;
	tcp_table_find_burst(t->table, keys, n, hashes, indexes);
	for (uint32_t i = 0; i < n; i++)
		if (likely(indexes[i] < t->limits.connections))
			rte_prefetch0(&t->conn[indexes[i]].user);
	for (uint32_t i = 0; i < n; i++) {
		struct segment *s = &segments[i];

		if (unlikely(t->changes != changes)) /* by a segment before it in the burst */
			indexes[i] = tcp_table_find(t->table, hashes[i], &s->key);
		s->hash = hashes[i];
		if (likely(indexes[i] < t->limits.connections) &&
			likely(fast(t, &t->conn[indexes[i]], s)))
			continue;
		if (!slowly(t, indexes[i], changes, s))
			stray[strays++] = s->m;
	}
	input_flush(t);
	return strays;
}

bool tcp_listens(const struct tcp *t, const struct rte_mbuf *m)
{
	const struct tcp_hdr *h = pkt_l4(m);
	struct tcp_key key = {.local = pkt_ip4(m)->dst, .local_port = h->dport};

	return listener_for(t, &key) != NULL;
}

/* RFC 9293 3.10.7.1 */
void tcp_refuse(struct tcp *t, const struct rte_mbuf *m)
{
	const struct ip4_hdr *ip = pkt_ip4(m);
	const struct tcp_hdr *h = pkt_l4(m);
	struct loose *r = h->flags & TCP_RST ? NULL : stack_loose(t);

	if (r == NULL)
		return;
	r->key = (struct tcp_key){ip->dst, ip->src, h->dport, h->sport};
	r->ttl = t->set.options.ttl;
	if (h->flags & TCP_ACK) {
		r->seq = tcp_hdr_ack(h);
		r->flags = TCP_RST;
	} else {
		r->ack = tcp_hdr_seq(h) + tcp_hdr_seg_len(h, ip4_hdr_payload_len(ip));
		r->flags = TCP_RST | TCP_ACK;
	}
	t->w->count[COUNT_tcp_resets_out]++;
}
