/* SPDX-License-Identifier: BSD-3-Clause */
/* rte_gso cuts and numbers; it leaves the checksums to whoever calls it, which is us. */
#include "net/gso.h"

#include "net/offload.h"
#include "net/pkt.h"
#include "wire/tcp_hdr.h"

#include <rte_ethdev.h>
#include <rte_gso.h>

/* What TSO asks for: the pseudo-header's sum without a length. */
void gso_mark(struct rte_mbuf *m, uint16_t tcp_len, uint16_t mss)
{
	struct ip4_hdr *ip = pkt_ip4(m);
	struct tcp_hdr *tcp = pkt_l4(m);

	m->l2_len = ETH_HDR_LEN;
	m->l3_len = ip4_hdr_len(ip);
	m->l4_len = tcp_len;
	m->tso_segsz = mss;
	m->ol_flags |= RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_IPV4;
	tcp->csum = (be16)~csum_fold(ip4_hdr_pseudo(ip, 0));
}

/* What the link will pad is one buffer: behind the data that a piece refers to come others' data.
 */
static void finish_piece(struct rte_mbuf *m)
{
	if (unlikely(m->pkt_len < ETH_MIN_FRAME))
		rte_pktmbuf_linearize(m);
	ip4_hdr_csum_set(pkt_ip4(m));
	offload_finish(m);
	m->port = PKT_ORIGIN;
}

/*
 * rte_gso refers to a first buffer of headers alone as to data, of which it has none. Devices take
 * no empty buffers: virtio's stop for good.
 */
static void drop_empty(struct rte_mbuf *m)
{
	struct rte_mbuf *empty = m->next;

	if (empty == NULL || empty->data_len != 0)
		return;
	m->next = empty->next;
	m->nb_segs--;
	rte_pktmbuf_free_seg(empty);
}

uint16_t gso_cut(struct worker *w, struct rte_mbuf *m, struct rte_mbuf *out[GSO_MAX])
{
	const struct rte_gso_ctx context = {.direct_pool = w->pool,
		.indirect_pool = w->pool,
		.gso_types = RTE_ETH_TX_OFFLOAD_TCP_TSO,
		.gso_size = (uint16_t)(m->l2_len + m->l3_len + m->l4_len + m->tso_segsz)};
	int n = rte_gso_segment(m, &context, out, GSO_MAX);

	if (n < 0) {
		drop(w, m, DROP_NO_BUFFER);
		return 0;
	}
	if (n == 0) { /* it fits as it is */
		out[n++] = m;
	} else {
		rte_pktmbuf_free(m); /* the segments refer to its data */
		w->books.originated += (uint32_t)n - 1;
	}
	for (int i = 0; i < n; i++) {
		drop_empty(out[i]);
		finish_piece(out[i]);
	}
	return (uint16_t)n;
}
