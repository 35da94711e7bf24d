/* SPDX-License-Identifier: BSD-3-Clause */
/* chain: packets of several segments; the contract is in net/chain.h. */
#include "net/chain.h"

#include "wire/csum.h"

/* What a comparison looks at in one step, where it has to be copied together. */
#define COMPARED 256

uint32_t chain_csum(const struct rte_mbuf *m, uint32_t off, uint32_t len, uint32_t sum)
{
	bool odd = false;

	for (; len > 0; m = m->next) {
		uint32_t n, part;

		if (off >= m->data_len) {
			off -= m->data_len;
			continue;
		}
		n = RTE_MIN(len, m->data_len - off);
		part = csum_add(rte_pktmbuf_mtod_offset(m, void *, off), n, 0);
		sum += odd ? csum_at_odd(part) : part;
		odd ^= n & 1;
		len -= n;
		off = 0;
	}
	return sum;
}

bool chain_same(const struct rte_mbuf *a, uint32_t a_off, const struct rte_mbuf *b, uint32_t b_off,
	uint32_t len)
{
	char a_copy[COMPARED], b_copy[COMPARED];

	for (uint32_t at = 0, n; at < len; at += n) {
		n = RTE_MIN(len - at, (uint32_t)COMPARED);
		if (memcmp(rte_pktmbuf_read(a, a_off + at, n, a_copy),
			    rte_pktmbuf_read(b, b_off + at, n, b_copy), n) != 0)
			return false;
	}
	return true;
}

void chain_trim(struct rte_mbuf *m, uint32_t len)
{
	struct rte_mbuf *last = m;

	m->pkt_len = len;
	m->nb_segs = 1;
	while (len > last->data_len) {
		len -= last->data_len;
		last = last->next;
		m->nb_segs++;
	}
	last->data_len = (uint16_t)len;
	rte_pktmbuf_free(last->next);
	last->next = NULL;
}

struct rte_mbuf *chain_behead(struct rte_mbuf *m, uint32_t len)
{
	uint32_t left = m->pkt_len - len;
	uint16_t segs = m->nb_segs;

	while (m != NULL && len >= m->data_len) {
		struct rte_mbuf *next = m->next;

		len -= m->data_len;
		segs--;
		rte_pktmbuf_free_seg(m);
		m = next;
	}
	if (m == NULL)
		return NULL;
	m->data_off += len;
	m->data_len -= len;
	m->pkt_len = left;
	m->nb_segs = segs;
	return m;
}

static bool is_shared(const struct rte_mbuf *segment)
{
	return rte_mbuf_refcnt_read(segment) != 1 || !RTE_MBUF_DIRECT(segment);
}

static struct rte_mbuf *replace_by_copy(struct worker *w, struct rte_mbuf *m)
{
	struct rte_mbuf *copy = rte_pktmbuf_copy(m, w->pool, 0, UINT32_MAX);

	if (copy != NULL)
		rte_pktmbuf_free(m);
	return copy;
}

struct rte_mbuf *chain_head(struct worker *w, struct rte_mbuf *m, uint32_t len)
{
	if (likely(m->data_len >= len && !is_shared(m)))
		return m;
	return replace_by_copy(w, m);
}

struct rte_mbuf *chain_own(struct worker *w, struct rte_mbuf *m)
{
	for (const struct rte_mbuf *s = m; s != NULL; s = s->next)
		if (unlikely(is_shared(s)))
			return replace_by_copy(w, m);
	return m;
}
