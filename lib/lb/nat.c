/* SPDX-License-Identifier: BSD-3-Clause */
/* nat: what ICMP errors quote. */
#include "lb/nat.h"

#define TCP_CSUM_AT 16
#define UDP_CSUM_AT 6

/* One word of the quotation: the ICMP checksum follows. */
static void put(be16 *word, be16 value, be16 *csum)
{
	*csum = csum_update16(*csum, *word, value);
	*word = value;
}

/* A word stands at any even address: what is quoted begins 42 bytes behind the frame. */
static void put32(void *word, be32 value, be16 *csum)
{
	*csum = csum_update32(*csum, load32(word), value);
	store32(word, value);
}

/* Where the quoted checksum stands, or NULL: it was cut off, or there is none. */
static be16 *quoted_csum(struct ip4_hdr *quoted, size_t room)
{
	size_t at = quoted->proto == IP4_PROTO_TCP ? TCP_CSUM_AT : UDP_CSUM_AT;
	be16 *csum = (be16 *)((char *)ip4_hdr_payload(quoted) + at);

	if (room < ip4_hdr_len(quoted) + at + sizeof(*csum))
		return NULL;
	return quoted->proto == IP4_PROTO_UDP && *csum == 0 ? NULL : csum;
}

void nat_quoted(
	struct ip4_hdr *quoted, size_t room, struct nat_end src, struct nat_end dst, be16 *csum)
{
	be16 *port = ip4_hdr_payload(quoted), *l4_csum = quoted_csum(quoted, room);
	be16 ip_csum = csum_update32(
		csum_update32(quoted->csum, quoted->src, src.addr), quoted->dst, dst.addr);

	if (l4_csum != NULL) {
		be16 sum = csum_update32(
			csum_update32(*l4_csum, quoted->src, src.addr), quoted->dst, dst.addr);

		sum = csum_update16(csum_update16(sum, port[0], src.port), port[1], dst.port);
		if (quoted->proto == IP4_PROTO_UDP && sum == 0)
			sum = 0xffff;
		put(l4_csum, sum, csum);
	}
	put(&quoted->csum, ip_csum, csum);
	put32(&quoted->src, src.addr, csum);
	put32(&quoted->dst, dst.addr, csum);
	put(&port[0], src.port, csum);
	put(&port[1], dst.port, csum);
}

void nat_quoted_seq(struct ip4_hdr *quoted, size_t room, uint32_t more, be16 *csum)
{
	struct tcp_hdr *tcp = ip4_hdr_payload(quoted);
	be16 *l4_csum = quoted_csum(quoted, room);
	be32 seq = to_be32(tcp_hdr_seq(tcp) + more);

	if (l4_csum != NULL)
		put(l4_csum, csum_update32(*l4_csum, tcp->seq, seq), csum);
	put32(&tcp->seq, seq, csum);
}
