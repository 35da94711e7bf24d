/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * reasm: datagrams in parts, and stage_reassemble (reasm -> steer | again | drop).
 *
 * Parts are kept sorted and never overlap, so that a datagram is whole when their lengths add up
 * to its end. One that turned out bad stays, empty, until its time is up: its late fragments meet
 * the same verdict (RFC 5722). Whoever needs room ends the oldest, which waits in vain most likely.
 */
#include "net/reasm.h"

#include "base/numa.h"
#include "net/chain.h"
#include "net/error.h"
#include "net/lookup.h"
#include "net/net.h"
#include "net/stage.h"
#include "wire/tcp_hdr.h"

#include <rte_jhash.h>
#include <rte_random.h>

#include <sys/queue.h>

#define BUCKETS 2048

/* Of a pool's buffers, the part that all workers together may hold here. */
#define POOL_PART 4

#define ACCEPTED DROP_MAX

enum { ECN_NOT_ECT = 0, ECN_CE = 3 };

struct part {
	struct rte_mbuf *m;
	uint16_t from, to; /* bytes of the datagram's payload: from the first to the one after */
};

struct datagram {
	TAILQ_ENTRY(datagram) age;
	LIST_ENTRY(datagram) same_hash;
	ticks deadline;
	be32 src, dst;
	be16 id;
	uint8_t proto;
	uint8_t ecn;		  /* a bit for each codepoint seen */
	enum drop_reason verdict; /* ACCEPTED, or why every fragment of it is dropped */
	uint32_t end;		  /* of the payload; 0: the last fragment has not come */
	uint32_t bytes;
	uint32_t n;
	struct part part[REASM_FRAGMENTS];
};

struct reasm {
	TAILQ_HEAD(, datagram) oldest;
	TAILQ_HEAD(, datagram) spare;
	LIST_HEAD(, datagram) bucket[BUCKETS];
	uint32_t key;  /* constant; nobody outside can fill a bucket on purpose */
	uint32_t used; /* datagrams that were ever in use: the rest is untouched memory */
	uint32_t n;
	uint32_t held;
	uint32_t buffers; /* segments of what is held */
	struct datagram datagram[REASM_DATAGRAMS];
};

struct reasm *reasm_new(int node)
{
	struct reasm *r = numa_take(sizeof(*r), node);

	if (r == NULL)
		return NULL;
	r->key = (uint32_t)rte_rand();
	TAILQ_INIT(&r->oldest);
	TAILQ_INIT(&r->spare);
	return r;
}

void reasm_free(struct reasm *r)
{
	if (r != NULL)
		numa_drop(r, sizeof(*r));
}

uint32_t reasm_held(const struct reasm *r)
{
	return r->held;
}

static uint32_t bucket_of(const struct reasm *r, const struct ip4_hdr *ip)
{
	return rte_jhash_3words(ip->src, ip->dst, (uint32_t)ip->id << 8 | ip->proto, r->key) %
	       BUCKETS;
}

static struct datagram *find(struct reasm *r, const struct ip4_hdr *ip)
{
	struct datagram *d;

	LIST_FOREACH (d, &r->bucket[bucket_of(r, ip)], same_hash)
		if (d->id == ip->id && d->src == ip->src && d->dst == ip->dst &&
			d->proto == ip->proto)
			return d;
	return NULL;
}

/* Gives up the last part of d, whose packet is returned. */
static struct rte_mbuf *take_last(struct reasm *r, struct datagram *d)
{
	struct rte_mbuf *m = d->part[--d->n].m;

	r->held--;
	r->buffers -= m->nb_segs;
	return m;
}

/* Drops all of d, and what will yet come of it. */
static void condemn(struct worker *w, struct datagram *d, enum drop_reason why)
{
	while (d->n > 0)
		drop(w, take_last(w->reasm_table, d), why);
	d->verdict = why;
}

static void forget(struct reasm *r, struct datagram *d)
{
	TAILQ_REMOVE(&r->oldest, d, age);
	LIST_REMOVE(d, same_hash);
	TAILQ_INSERT_HEAD(&r->spare, d, age);
	r->n--;
}

static void end_oldest(struct worker *w, enum drop_reason why)
{
	struct datagram *d = TAILQ_FIRST(&w->reasm_table->oldest);

	condemn(w, d, why);
	forget(w->reasm_table, d);
}

static struct datagram *start(struct worker *w, const struct ip4_hdr *ip)
{
	const struct net_settings *set = &w->net->set;
	struct reasm *r = w->reasm_table;
	struct datagram *d;

	while (r->n > 0 && r->n >= RTE_MIN(set->reasm_datagrams, (uint32_t)REASM_DATAGRAMS))
		end_oldest(w, DROP_REASM_FULL);
	d = TAILQ_FIRST(&r->spare);
	if (d != NULL)
		TAILQ_REMOVE(&r->spare, d, age);
	else
		d = &r->datagram[r->used++];
	d->src = ip->src;
	d->dst = ip->dst;
	d->id = ip->id;
	d->proto = ip->proto;
	d->deadline = w->now + clock_of_ms(set->reasm_ms);
	d->verdict = ACCEPTED;
	d->end = d->bytes = d->n = d->ecn = 0;
	TAILQ_INSERT_TAIL(&r->oldest, d, age);
	LIST_INSERT_HEAD(&r->bucket[bucket_of(r, ip)], d, same_hash);
	r->n++;
	return d;
}

/* Whether two fragments are copies: they lie on the same bytes, and these are the same. */
static bool is_copy(const struct part *a, const struct part *b)
{
	const struct ip4_hdr *x = pkt_ip4(a->m), *y = pkt_ip4(b->m);

	return a->from == b->from && a->to == b->to && x->frag == y->frag &&
	       chain_same(a->m, ETH_HDR_LEN + ip4_hdr_len(x), b->m, ETH_HDR_LEN + ip4_hdr_len(y),
		       a->to - a->from);
}

/*
 * What to do with a fragment: put it at place *at, drop it as a duplicate, or drop all for the
 * reason returned.
 */
static enum drop_reason judge(
	const struct datagram *d, const struct part *new, uint32_t limit, uint32_t *at)
{
	bool last = !ip4_hdr_more_fragments(pkt_ip4(new->m));
	uint32_t i = d->n;

	while (i > 0 && d->part[i - 1].from >= new->from)
		i--;
	*at = i;
	if (i < d->n && is_copy(&d->part[i], new))
		return DROP_REASM_DUPLICATE;
	if ((i < d->n && d->part[i].from < new->to) || (i > 0 && d->part[i - 1].to > new->from))
		return DROP_REASM_OVERLAP;
	if (last ? d->end != 0 || i < d->n : d->end != 0 && new->to > d->end)
		return DROP_REASM_BAD; /* two ends, or something behind the end */
	if (d->n >= RTE_MIN(limit, (uint32_t)REASM_FRAGMENTS))
		return DROP_REASM_MANY;
	return ACCEPTED;
}

static void insert(struct reasm *r, struct datagram *d, const struct part *new, uint32_t at)
{
	const struct ip4_hdr *ip = pkt_ip4(new->m);

	memmove(&d->part[at + 1], &d->part[at], (d->n - at) * sizeof(d->part[0]));
	d->part[at] = *new;
	d->n++;
	d->bytes += new->to - new->from;
	d->ecn |= 1 << (ip->tos & 3);
	if (!ip4_hdr_more_fragments(ip))
		d->end = new->to;
	r->held++;
	r->buffers += new->m->nb_segs;
}

/*
 * Whether the parts make one legal packet: not longer than IPv4 knows, and none met congestion that
 * another could not have reported (RFC 3168 5.3).
 */
static bool is_sound(const struct datagram *d)
{
	const struct ip4_hdr *ip = pkt_ip4(d->part[0].m);
	bool mixed = d->ecn & 1 << ECN_CE && d->ecn & 1 << ECN_NOT_ECT;

	return ip4_hdr_len(ip) + d->end <= IP4_PACKET_MAX && !mixed;
}

/* All parts as one packet behind the first one's header, chained from the end. */
static struct rte_mbuf *join(struct worker *w, struct datagram *d)
{
	struct reasm *r = w->reasm_table;
	struct rte_mbuf *m, *rest = NULL;
	uint16_t marks = 0;
	struct ip4_hdr *ip;

	w->books.consumed += d->n - 1;
	w->count[COUNT_reassembled]++;
	for (;;) {
		m = take_last(r, d);
		marks |= m->port & PKT_LINK_GROUP;
		if (d->n > 0)
			m = chain_behead(m, ETH_HDR_LEN + ip4_hdr_len(pkt_ip4(m)));
		if (rest != NULL)
			rte_pktmbuf_chain(m, rest);
		if (d->n == 0)
			break;
		rest = m;
	}
	ip = pkt_ip4(m);
	ip->total_len = to_be16((uint16_t)(ip4_hdr_len(ip) + d->end));
	ip->frag = 0;
	if (d->ecn & 1 << ECN_CE)
		ip->tos |= ECN_CE;
	ip4_hdr_csum_set(ip);
	/* the flow's owner may be another than the fragment's, and the NIC's words were of a part:
	 * steer_owner_of() knows by the packet's type that it was not the NIC that steered it */
	m->port = (m->port & ~PKT_STEERED) | marks;
	m->packet_type = RTE_PTYPE_L4_FRAG;
	m->ol_flags &= ~(RTE_MBUF_F_RX_L4_CKSUM_MASK | RTE_MBUF_F_RX_RSS_HASH);
	forget(r, d);
	return m;
}

/* One rule over one fragment by itself (RFC 791): none is empty, and all but the last fill up. */
static bool is_possible(const struct ip4_hdr *ip)
{
	uint32_t len = ip4_hdr_payload_len(ip);

	return len > 0 && (len % 8 == 0 || !ip4_hdr_more_fragments(ip)) &&
	       ip4_hdr_frag_offset(ip) + len <= IP4_PACKET_MAX - ip4_hdr_len(ip);
}

struct rte_mbuf *reasm_put(struct worker *w, struct rte_mbuf *m)
{
	struct reasm *r = w->reasm_table;
	const struct ip4_hdr *ip = pkt_ip4(m);
	uint32_t at, from = ip4_hdr_frag_offset(ip), most = w->pool->size / POOL_PART;
	struct part new;
	struct datagram *d;
	enum drop_reason why;

	w->count[COUNT_fragments_in]++;
	if (!is_possible(ip)) {
		drop(w, m, DROP_REASM_BAD);
		return NULL;
	}
	while (r->n > 0 && r->buffers >= most / w->net->n_workers)
		end_oldest(w, DROP_REASM_FULL);
	d = find(r, ip);
	if (d == NULL)
		d = start(w, ip);
	new = (struct part){
		.m = m, .from = (uint16_t)from, .to = (uint16_t)(from + ip4_hdr_payload_len(ip))};
	why = d->verdict;
	if (why == ACCEPTED)
		why = judge(d, &new, w->net->set.reasm_fragments, &at);
	if (why != ACCEPTED) {
		if (why != DROP_REASM_DUPLICATE)
			condemn(w, d, why);
		drop(w, m, why);
		return NULL;
	}
	insert(r, d, &new, at);
	if (d->bytes != d->end)
		return NULL;
	if (!is_sound(d)) {
		condemn(w, d, DROP_REASM_BAD);
		return NULL;
	}
	return join(w, d);
}

uint32_t reasm_expire(struct worker *w, uint32_t budget)
{
	struct reasm *r = w->reasm_table;
	uint32_t told = 0;

	for (uint32_t i = 0; i < budget; i++) {
		struct datagram *d = TAILQ_FIRST(&r->oldest);

		if (d == NULL || d->deadline > w->now)
			break;
		while (d->n > 1)
			drop(w, take_last(r, d), DROP_REASM_TIMEOUT);
		if (d->n > 0 && d->part[0].from == 0) {
			error_put(w, take_last(r, d), ERROR_REASSEMBLY, 0);
			told++;
		}
		end_oldest(w, DROP_REASM_TIMEOUT);
	}
	return told;
}

void reasm_drop_all(struct worker *w)
{
	while (w->reasm_table->n > 0)
		end_oldest(w, DROP_DRAIN);
}

/*
 * A whole datagram that is not for this host itself begins again at fib(in): its headers are put
 * into one buffer, as of any packet that came by a link, and it may have another owner.
 */
static void begin_again(struct worker *w, struct rte_mbuf *m)
{
	uint32_t len = ETH_HDR_LEN + ip4_hdr_len(pkt_ip4(m)) + TCP_HDR_LEN_MAX;
	struct rte_mbuf *head = chain_head(w, m, RTE_MIN(len, rte_pktmbuf_pkt_len(m)));

	if (head == NULL) {
		drop(w, m, DROP_NO_BUFFER);
		return;
	}
	head->port &= (uint16_t)~PKT_STEERED;
	again(w, head);
}

static bool is_for_us(const struct net *net, uint32_t dst)
{
	return lookup_is_ours(net, dst) || lookup_is_group(net, dst);
}

void stage_reassemble(struct worker *w)
{
	for (uint32_t i = 0; i < w->reasm.n; i++) {
		struct rte_mbuf *m = reasm_put(w, w->reasm.pkt[i]);

		if (m == NULL)
			continue;
		if (!is_for_us(w->net, ip4_hdr_dst(pkt_ip4(m))) ||
			atomic_load_explicit(&w->net->whole_again, memory_order_relaxed)) {
			begin_again(w, m);
			continue;
		}
		w->count[COUNT_ip4_delivered]++;
		lane_put(&w->steer, m, 0);
	}
}
