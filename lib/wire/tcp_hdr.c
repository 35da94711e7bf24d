/* SPDX-License-Identifier: BSD-3-Clause */
/* tcp_hdr: TCP headers checked and built, the MSS option; the contract is in wire/tcp_hdr.h. */
#include "wire/tcp_hdr.h"

#define MSS_OPT_LEN 4

enum tcp_verdict tcp_hdr_check(const void *p, size_t len)
{
	const struct tcp_hdr *h = p;

	if (len < TCP_HDR_LEN)
		return TCP_SHORT;
	if (tcp_hdr_len(h) < TCP_HDR_LEN || tcp_hdr_len(h) > len)
		return TCP_OFFSET;
	return TCP_OK;
}

void tcp_hdr_build(struct tcp_hdr *h, const struct tcp_fields *f)
{
	*h = (struct tcp_hdr){
		.sport = to_be16(f->sport),
		.dport = to_be16(f->dport),
		.seq = to_be32(f->seq),
		.ack = to_be32(f->ack),
		.offset = (uint8_t)((TCP_HDR_LEN + f->opt_len) / 4 << 4),
		.flags = f->flags,
		.window = to_be16(f->window),
		.urgent = to_be16(f->urgent),
	};
}

/*
 * The offset of the next MSS option at or after offset at, 0 if there is none. Options end at
 * END, at the header's end or at a length that cannot be (RFC 9293 MUST-7).
 */
static uint32_t next_mss(const struct tcp_hdr *h, uint32_t hdr_len, uint32_t at)
{
	const uint8_t *bytes = (const uint8_t *)h;
	uint32_t end = hdr_len < tcp_hdr_len(h) ? hdr_len : tcp_hdr_len(h);

	while (at < end && bytes[at] != TCP_OPT_END) {
		if (bytes[at] == TCP_OPT_NOP) {
			at++;
			continue;
		}
		if (end - at < 2 || bytes[at + 1] < 2 || bytes[at + 1] > end - at)
			break;
		if (bytes[at] == TCP_OPT_MSS && bytes[at + 1] == MSS_OPT_LEN)
			return at;
		at += bytes[at + 1];
	}
	return 0;
}

uint16_t tcp_hdr_mss(const struct tcp_hdr *h, uint32_t hdr_len)
{
	uint32_t at = h->flags & TCP_SYN ? next_mss(h, hdr_len, TCP_HDR_LEN) : 0;

	return at ? from_be16(load16((const uint8_t *)h + at + 2)) : 0;
}

bool tcp_hdr_clamp_mss(struct tcp_hdr *h, uint32_t hdr_len, uint16_t max)
{
	bool changed = false;

	if (!(h->flags & TCP_SYN))
		return false;
	for (uint32_t at = TCP_HDR_LEN; (at = next_mss(h, hdr_len, at)); at += MSS_OPT_LEN) {
		uint8_t *value = (uint8_t *)h + at + 2;
		uint16_t old = from_be16(load16(value));

		if (old <= max)
			continue;
		store16(value, to_be16(max));
		/* At an odd offset the two bytes sit in the other halves of their words. */
		if (at & 1)
			h->csum = csum_update16(h->csum, old, max);
		else
			h->csum = csum_update16(h->csum, to_be16(old), to_be16(max));
		changed = true;
	}
	return changed;
}
