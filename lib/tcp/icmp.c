/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ICMP errors about our own segments (RFC 9293 3.9.2.2, RFC 5927): what a handshake dies of, what
 * an application is only told, and path MTU discovery (RFC 1191).
 *
 * An error counts only if the sequence number that it quotes is one that is out.
 */
#include "engine.h"

#include "net/pkt.h"
#include "wire/icmp_hdr.h"

#define MTU_MINUTES 10

/* RFC 1191 7.1: where a router does not say, the next of the usual sizes below `size`. */
static uint16_t plateau(uint16_t size)
{
	static const uint16_t usual[] = {32000, 17914, 8166, 4352, 2002, 1492, 1006, 508, 296, 68};

	for (size_t i = 0; i < RTE_DIM(usual); i++)
		if (usual[i] < size)
			return usual[i];
	return IP4_MTU_MIN;
}

static uint8_t minute(const struct tcp *t)
{
	return (uint8_t)(t->now_us / 60000000);
}

/* RFC 1191 6.3: not before ten minutes. A router that still says no is heard again. */
void icmp_mtu_again(struct tcp *t, struct tcp_conn *c)
{
	if ((uint8_t)(minute(t) - c->mtu_minute) <= MTU_MINUTES)
		return;
	c->wants &= (uint16_t) ~(MTU_LOW | NO_DF);
	handshake_mtu(t, c, handshake_link_mtu(t, c));
	c->cwnd = RTE_MAX(c->cwnd, (uint32_t)c->mss);
}

static void path_mtu(struct tcp *t, struct tcp_conn *c, uint16_t quoted_len, uint16_t mtu)
{
	uint16_t before = c->mss;

	if (mtu == 0)
		mtu = plateau(quoted_len);
	if (mtu >= quoted_len) /* it was not too big for that */
		return;
	handshake_mtu(t, c, mtu);
	if (c->mss >= before) {
		c->mss = before;
		return;
	}
	c->wants |= MTU_LOW;
	c->mtu_minute = minute(t);
	if (mtu < t->set.mtu_floor) /* we go no lower: let routers cut */
		c->wants |= NO_DF;
	t->w->count[COUNT_tcp_path_mtus]++;
	recovery_resegment(t, c);
}

static int error_of(uint8_t type, uint8_t code)
{
	if (type != ICMP_TYPE_UNREACH)
		return EHOSTUNREACH;
	switch (code) {
	case ICMP_CODE_NET:
		return ENETUNREACH;
	case ICMP_CODE_PROTO:
		return ENOPROTOOPT;
	case ICMP_CODE_PORT:
		return ECONNREFUSED;
	default:
		return EHOSTUNREACH;
	}
}

static struct tcp_conn *quoted_conn(struct tcp *t, const struct ip4_hdr *ip, const uint8_t *l4)
{
	struct tcp_key key = {ip->src, ip->dst, load16(l4), load16(l4 + 2)};
	uint32_t index = tcp_table_find(t->table, tcp_table_hash(t->table, &key), &key);
	struct tcp_conn *c;
	uint32_t seq = from_be32(load32(l4 + 4));

	if (index == TCP_TABLE_NONE || index >= t->limits.connections)
		return NULL;
	c = &t->conn[index];
	return seq_geq(seq, c->snd_una) && seq_lt(seq, c->snd_nxt) ? c : NULL;
}

bool tcp_icmp(
	struct tcp *t, const void *quoted, uint32_t len, uint8_t type, uint8_t code, uint16_t mtu)
{
	const struct ip4_hdr *ip = quoted;
	struct tcp_conn *c;
	int error;

	if (len < IP4_HDR_LEN || ip4_hdr_len(ip) < IP4_HDR_LEN || len < ip4_hdr_len(ip) + 8 ||
		ip->proto != IP4_PROTO_TCP || ip4_hdr_frag_offset(ip) != 0)
		return false;
	c = quoted_conn(t, ip, ip4_hdr_payload(ip));
	if (c == NULL) {
		t->w->count[COUNT_tcp_icmp_ignored]++;
		return false;
	}
	if (type == ICMP_TYPE_SOURCE_QUENCH) /* RFC 9293 MUST-55 */
		return false;
	if (type == ICMP_TYPE_UNREACH && code == ICMP_CODE_FRAG_NEEDED) {
		if (t->set.path_mtu)
			path_mtu(t, c, (uint16_t)ip4_hdr_total_len(ip), mtu);
		return true;
	}
	error = error_of(type, code);
	c->soft_error = (uint8_t)error;
	if (c->state == TCP_SYN_SENT)
		conn_end(t, c, error);
	else if (c->ops != NULL && c->ops->on_notice != NULL && c->listener == 0)
		c->ops->on_notice(t, c, error); /* never aborts (RFC 5927 4.1) */
	return true;
}
