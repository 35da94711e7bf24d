/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How a segment is written: headers, options, the window; data by reference, or copied where that
 * is cheaper. What was copied is summed here, while it is at hand; what was not is left to whoever
 * sends, where the stack's surroundings see to that.
 */
#include "engine.h"

#include "net/chain.h"
#include "net/gso.h"
#include "net/offload.h"

#include <string.h>

/* --- the window --- */

/* The edge that could be announced: behind it there is room in the receive buffer, or for a share.
 */
static uint32_t window_edge(const struct tcp *t, const struct tcp_conn *c)
{
	uint32_t filled = c->unread + conn_small_room(c);
	uint32_t size = conn_share(t, c->rcv_buf, c->our_mss);
	uint32_t room = filled < size ? size - filled : 0;
	uint32_t most = WINDOW_UNSCALED << c->rcv_scale;

	return c->rcv_nxt + RTE_MIN(room, most);
}

uint32_t segment_window_gain(const struct tcp *t, const struct tcp_conn *c)
{
	uint32_t edge = window_edge(t, c);

	return seq_gt(edge, c->rcv_end) ? edge - c->rcv_end : 0;
}

/* RFC 9293 3.8.6.2.2: the edge moves by a segment or half the buffer, and never back. */
static uint32_t announce(const struct tcp *t, struct tcp_conn *c)
{
	uint32_t gain = segment_window_gain(t, c);

	if (gain >= RTE_MIN(c->rcv_buf / 2, (uint32_t)c->our_mss))
		c->rcv_end += gain;
	return c->rcv_end - c->rcv_nxt;
}

/* --- options --- */

static void syn_options(struct tcp *t, struct tcp_conn *c, struct tcp_opts *o)
{
	bool answer = c->state == TCP_SYN_RCVD;

	o->has = TCP_HAS_MSS;
	o->mss = c->our_mss;
	if (answer ? c->uses & USES_SACK : t->set.sack)
		o->has |= TCP_HAS_SACK_OK;
	if (answer ? c->uses & USES_SCALE : t->set.window_scaling) {
		o->has |= TCP_HAS_WSCALE;
		o->wscale = c->rcv_scale;
	}
	if (answer ? c->uses & USES_TS : t->set.timestamps)
		o->has |= TCP_HAS_TS;
}

static uint32_t options(struct tcp *t, struct tcp_conn *c, const struct say *s, void *to)
{
	struct tcp_opts o = {0};

	if (s->flags & TCP_SYN)
		syn_options(t, c, &o);
	else if (c->uses & USES_TS)
		o.has = TCP_HAS_TS;
	o.ts_val = stack_stamp(t, c);
	o.ts_ecr = c->ts_recent;
	if ((c->odd & ODD_OUT_OF_ORDER) && (c->uses & USES_SACK) && s->len == 0 &&
		!(s->flags & TCP_SYN))
		o.n_sacks = (uint8_t)receive_sacks(
			t, c, o.sack, o.has & TCP_HAS_TS ? TCP_OPT_SACKS - 1 : TCP_OPT_SACKS);
	if (o.has == 0 && o.n_sacks == 0)
		return 0;
	return tcp_opt_write(to, &o);
}

/* --- bytes --- */

/* A new reference to len bytes from skip on of the list at m, as a chain; NULL: no buffers. */
static struct rte_mbuf *refer(struct worker *w, struct rte_mbuf *m, uint32_t skip, uint32_t len)
{
	struct rte_mbuf *first = NULL, **link = &first;
	uint16_t n = 0;

	for (uint32_t part; len > 0; len -= part, skip = 0, m = m->next) {
		struct rte_mbuf *r = rte_pktmbuf_alloc(w->pool);

		if (r == NULL) {
			rte_pktmbuf_free(first);
			return NULL;
		}
		part = RTE_MIN(len, m->data_len - skip);
		rte_pktmbuf_attach(r, m);
		r->data_off += (uint16_t)skip;
		r->data_len = (uint16_t)part;
		*link = r;
		link = &r->next;
		first->nb_segs = ++n;
	}
	return first;
}

static void copy(char *to, const struct rte_mbuf *m, uint32_t skip, uint32_t len)
{
	for (uint32_t part; len > 0; len -= part, to += part, skip = 0, m = m->next) {
		part = RTE_MIN(len, m->data_len - skip);
		memcpy(to, rte_pktmbuf_mtod_offset(m, const char *, skip), part);
	}
}

static bool put_data(struct tcp *t, struct rte_mbuf *m, const struct say *s)
{
	struct rte_mbuf *data;

	if (s->len == 0)
		return true;
	if (s->len <= SEGMENT_COPIED) {
		copy(rte_pktmbuf_append(m, (uint16_t)s->len), s->m, s->skip, s->len);
		return true;
	}
	data = refer(t->w, s->m, s->skip, s->len);
	if (data == NULL)
		return false;
	m->next = data;
	m->nb_segs += data->nb_segs;
	m->pkt_len += s->len;
	return true;
}

/* --- a segment --- */

struct address {
	const struct tcp_key *key;
	uint8_t ttl;
	uint8_t tos;
	uint16_t frag;
	uint16_t segments;  /* that it will be cut to */
	uint16_t cut_every; /* bytes of data in each */
	bool leave_sum;
};

/* The headers before the options, which are there; and the checksum over all, or a mark. */
static void put_headers(
	struct tcp *t, struct rte_mbuf *m, const struct address *a, const struct tcp_fields *f)
{
	uint16_t l4_len = (uint16_t)(m->pkt_len - ETH_HDR_LEN - IP4_HDR_LEN);
	struct ip4_hdr *ip = pkt_ip4(m);
	struct tcp_hdr *h = (struct tcp_hdr *)(ip + 1);
	uint32_t sum;

	t->w->ip_id += a->segments;
	t->w->count[COUNT_tcp_segments_out] += a->segments;
	ip4_hdr_build(ip, &(struct ip4_fields){
				  .total_len = (uint16_t)(IP4_HDR_LEN + l4_len),
				  /* fresh for each (RFC 6864 4.3) */
				  .id = (uint16_t)(t->w->ip_id - a->segments),
				  .frag = a->frag,
				  .tos = a->tos,
				  .ttl = a->ttl,
				  .proto = IP4_PROTO_TCP,
				  .src = from_be32(a->key->local),
				  .dst = from_be32(a->key->remote),
			  });
	tcp_hdr_build(h, f);
	if (a->segments > 1) { /* the checksums are whose who cuts */
		gso_mark(m, (uint16_t)(TCP_HDR_LEN + f->opt_len), a->cut_every);
		return;
	}
	if (a->leave_sum && m->nb_segs > 1) {
		offload_mark(m);
		return;
	}
	sum = ip4_hdr_pseudo(ip, l4_len);
	h->csum =
		csum_fold(m->nb_segs == 1 ? csum_add(h, l4_len, sum)
					  : chain_csum(m, ETH_HDR_LEN + IP4_HDR_LEN, l4_len, sum));
}

/* RFC 3168: data that are sent for the first time may be marked on their way; not a probe (6.1.6)
 */
static uint8_t tos_of(const struct tcp_conn *c, const struct say *s)
{
	bool first = s->len != 0 && s->seq == c->snd_nxt && s->seq - c->snd_una < c->snd_wnd;

	return c->tos | (uint8_t)((c->uses & USES_ECN) && first ? 2 : 0);
}

static uint8_t flags_of(struct tcp_conn *c, const struct say *s)
{
	uint8_t flags = s->flags;

	if ((c->odd & ODD_ECHO) && !(flags & TCP_SYN))
		flags |= TCP_ECE;
	if ((c->wants & CWR_DUE) && s->len != 0 && s->seq == c->snd_nxt) {
		flags |= TCP_CWR;
		c->wants &= (uint16_t)~CWR_DUE;
	}
	if (s->len != 0 && seq_gt(c->snd_up, s->seq))
		flags |= TCP_URG;
	return flags;
}

struct rte_mbuf *segment_write(struct tcp *t, struct tcp_conn *c, const struct say *s)
{
	struct rte_mbuf *m = originate(t->w);
	struct tcp_fields f = {.sport = from_be16(c->key.local_port),
		.dport = from_be16(c->key.remote_port),
		.seq = s->seq};
	uint8_t opts[TCP_OPT_MAX];
	uint32_t window;
	char *p;

	if (m == NULL)
		return NULL;
	f.opt_len = (uint8_t)options(t, c, s, opts);
	p = rte_pktmbuf_append(m, (uint16_t)(ETH_HDR_LEN + IP4_HDR_LEN + TCP_HDR_LEN + f.opt_len));
	memcpy(p + ETH_HDR_LEN + IP4_HDR_LEN + TCP_HDR_LEN, opts, f.opt_len);
	if (!put_data(t, m, s)) {
		drop(t->w, m, DROP_NO_BUFFER);
		return NULL;
	}
	f.flags = flags_of(c, s);
	if (f.flags & TCP_URG)
		f.urgent = (uint16_t)RTE_MIN(c->snd_up - s->seq, WINDOW_UNSCALED);
	if (f.flags & TCP_ACK) {
		window = f.flags & TCP_SYN ? c->rcv_end - c->rcv_nxt : announce(t, c);
		f.ack = c->rcv_nxt;
		window = f.flags & TCP_SYN ? window : window >> c->rcv_scale;
		f.window = (uint16_t)RTE_MIN(window, WINDOW_UNSCALED);
		t->w->count[COUNT_tcp_zero_windows] += f.window == 0;
		c->last_ack = c->rcv_nxt;
		/* what waits for a hole is told of by an ACK without data (RFC 5681 4.2) */
		if (s->len == 0 || !(c->odd & ODD_OUT_OF_ORDER))
			c->todo &= (uint8_t)~TODO_ACK;
		c->todo &= (uint8_t)~TODO_ACK_LATER;
		c->ack_at = 0;
	} else if (!(f.flags & TCP_RST)) {
		f.window = (uint16_t)RTE_MIN(c->rcv_buf, WINDOW_UNSCALED);
	}
	put_headers(t, m,
		&(struct address){.key = &c->key,
			.ttl = c->ttl,
			.tos = tos_of(c, s),
			.frag = t->set.path_mtu && !(c->wants & NO_DF) ? IP4_DF : 0,
			.segments = (uint16_t)segment_count(c, s->len),
			.cut_every =
				s->len == 0 ? 0 : c->mss, /* an ACK does not ask for its line */
			.leave_sum = s->leave_sum},
		&f);
	return m;
}

struct rte_mbuf *segment_loose(struct tcp *t, const struct loose *l)
{
	struct rte_mbuf *m = originate(t->w);
	struct tcp_fields f = {.sport = from_be16(l->key.local_port),
		.dport = from_be16(l->key.remote_port),
		.seq = l->seq,
		.ack = l->ack,
		.window = l->window,
		.flags = l->flags};
	uint8_t opts[TCP_OPT_MAX];
	char *p;

	if (m == NULL)
		return NULL;
	if (l->opts.has != 0)
		f.opt_len = (uint8_t)tcp_opt_write(opts, &l->opts);
	p = rte_pktmbuf_append(m, (uint16_t)(ETH_HDR_LEN + IP4_HDR_LEN + TCP_HDR_LEN + f.opt_len));
	memcpy(p + ETH_HDR_LEN + IP4_HDR_LEN + TCP_HDR_LEN, opts, f.opt_len);
	put_headers(t, m,
		&(struct address){.key = &l->key,
			.ttl = l->ttl,
			.tos = l->tos,
			.frag = IP4_DF,
			.segments = 1},
		&f);
	return m;
}
