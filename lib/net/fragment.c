/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stage_fragment: packets cut to the MTU of the link that they leave by (RFC 791, RFC 1812 5.2.6).
 *
 * frag (aux: adjacency) -> tx. The packet has all but its Ethernet header; each fragment is a new
 * buffer that nobody shares, so that drivers without scattered sending and peers on net_ring are
 * content. A fragment beyond the first is originated.
 */
#include "net/net.h"
#include "net/rewrite.h"
#include "net/stage.h"
#include "wire/ip4_opt.h"

union head {
	struct ip4_hdr ip;
	uint8_t bytes[IP4_HDR_LEN_MAX];
};

/* len bytes of m's payload from `from` on, behind a frame's room and the header h. */
static struct rte_mbuf *cut(struct worker *w, const struct rte_mbuf *m, const union head *h,
	uint32_t from, uint32_t len)
{
	uint32_t payload = ETH_HDR_LEN + ip4_hdr_len(pkt_ip4(m)), head_len = ip4_hdr_len(&h->ip);
	struct rte_mbuf *f = rte_pktmbuf_copy(m, w->pool, payload + from, len);
	char *frame;

	if (f == NULL)
		return NULL;
	frame = rte_pktmbuf_prepend(f, (uint16_t)(ETH_HDR_LEN + head_len));
	if (frame == NULL) {
		rte_pktmbuf_free(f);
		return NULL;
	}
	memcpy(frame + ETH_HDR_LEN, h->bytes, head_len);
	return f;
}

static void transmit(struct worker *w, struct rte_mbuf *f, uint32_t index)
{
	w->books.originated++;
	if (rewrite_send(w, f, index))
		w->count[COUNT_fragments_made]++;
}

/* Sends m's fragments; false: some could not be made. */
static bool fragment(struct worker *w, const struct rte_mbuf *m, uint32_t index)
{
	const struct ip4_hdr *ip = pkt_ip4(m);
	uint32_t payload = ip4_hdr_payload_len(ip), field = from_be16(ip->frag);
	uint32_t mtu = w->net->adj[index].mtu;
	union head h;

	memcpy(h.bytes, ip, ip4_hdr_len(ip));
	for (uint32_t from = 0, len; from < payload; from += len) {
		uint32_t room = mtu - ip4_hdr_len(&h.ip), more = 0;
		struct rte_mbuf *f;

		len = payload - from;
		if (len > room) {
			len = room & ~7u;
			more = IP4_MF;
		}
		h.ip.total_len = to_be16((uint16_t)(ip4_hdr_len(&h.ip) + len));
		h.ip.frag = to_be16((uint16_t)((field | more) + from / 8));
		ip4_hdr_csum_set(&h.ip);
		f = cut(w, m, &h, from, len);
		if (f == NULL)
			return false;
		transmit(w, f, index);
		if (from == 0) /* the others carry only what is marked so */
			ip4_opt_fragment_hdr(&h.ip, ip);
	}
	return true;
}

/* Not so a fragment that ends beyond the longest packet: its offset has no room for its parts. */
static bool can_be_cut(const struct ip4_hdr *ip)
{
	return ip4_hdr_frag_offset(ip) + ip4_hdr_total_len(ip) <= IP4_PACKET_MAX;
}

void stage_fragment(struct worker *w)
{
	struct lane *l = &w->frag;

	for (uint32_t i = 0; i < l->n; i++) {
		if (!can_be_cut(pkt_ip4(l->pkt[i]))) {
			drop(w, l->pkt[i], DROP_REASM_BAD);
		} else if (fragment(w, l->pkt[i], l->aux[i])) {
			w->books.originated--; /* the first is the packet itself */
			worker_free(w, l->pkt[i]);
		} else {
			drop(w, l->pkt[i], DROP_FRAGMENT_FAILED);
		}
	}
}
