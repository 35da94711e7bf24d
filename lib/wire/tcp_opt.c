/* SPDX-License-Identifier: BSD-3-Clause */
/* tcp_opt: TCP's options read and written; the contract is in wire/tcp_opt.h. */
#include "wire/tcp_opt.h"

/* Whole options, kind and length included; a SACK option adds its blocks. */
enum { MSS_LEN = 4, WSCALE_LEN = 3, SACK_OK_LEN = 2, SACK_LEN = 2, TS_LEN = 10 };
enum { SACK_BLOCK_LEN = 8 };

/* Reads an option of len bytes, 2 at least; false if its kind cannot be that long. */
static bool read_one(const uint8_t *opt, uint32_t len, bool syn, struct tcp_opts *o)
{
	switch (*opt) {
	case TCP_OPT_MSS:
		if (len != MSS_LEN)
			return false;
		if (!syn) /* RFC 9293 MUST-65 */
			break;
		o->mss = from_be16(load16(opt + 2));
		o->has |= TCP_HAS_MSS;
		break;
	case TCP_OPT_WSCALE:
		if (len != WSCALE_LEN)
			return false;
		if (!syn) /* RFC 7323 2.2 */
			break;
		o->wscale = opt[2] < TCP_WSCALE_MAX ? opt[2] : TCP_WSCALE_MAX;
		o->has |= TCP_HAS_WSCALE;
		break;
	case TCP_OPT_SACK_OK:
		if (len != SACK_OK_LEN)
			return false;
		if (syn) /* RFC 2018 2 */
			o->has |= TCP_HAS_SACK_OK;
		break;
	case TCP_OPT_SACK:
		if (len % SACK_BLOCK_LEN != SACK_LEN)
			return false;
		o->n_sacks = (uint8_t)(len / SACK_BLOCK_LEN); /* 40 bytes hold no more than 4 */
		for (uint32_t i = 0; i < o->n_sacks; i++) {
			const uint8_t *block = opt + SACK_LEN + i * SACK_BLOCK_LEN;

			o->sack[i].start = from_be32(load32(block));
			o->sack[i].end = from_be32(load32(block + 4));
		}
		break;
	case TCP_OPT_TS:
		if (len != TS_LEN)
			return false;
		o->ts_val = from_be32(load32(opt + 2));
		o->ts_ecr = from_be32(load32(opt + 6));
		o->has |= TCP_HAS_TS;
		break;
	}
	return true;
}

void tcp_opt_read(const struct tcp_hdr *h, struct tcp_opts *o)
{
	const uint8_t *at = (const uint8_t *)(h + 1), *end = (const uint8_t *)h + tcp_hdr_len(h);

	*o = (struct tcp_opts){0};
	while (at < end && *at != TCP_OPT_END) {
		if (*at == TCP_OPT_NOP) {
			at++;
			continue;
		}
		if (end - at < 2 || at[1] < 2 || at[1] > end - at ||
			!read_one(at, at[1], h->flags & TCP_SYN, o))
			return;
		at += at[1];
	}
}

static uint8_t *put(uint8_t *p, uint32_t word)
{
	store32(p, to_be32(word));
	return p + 4;
}

/* Two bytes of a word. */
static uint32_t pair(uint32_t kind, uint32_t len)
{
	return kind << 8 | len;
}

uint32_t tcp_opt_write(void *p, const struct tcp_opts *o)
{
	const uint32_t nops = pair(TCP_OPT_NOP, TCP_OPT_NOP);
	const uint32_t sack_ok = pair(TCP_OPT_SACK_OK, SACK_OK_LEN);
	uint8_t *const begin = p, *at = begin;
	uint32_t n_sacks;

	if (o->has & TCP_HAS_MSS)
		at = put(at, pair(TCP_OPT_MSS, MSS_LEN) << 16 | o->mss);
	/* "SACK permitted" takes the place of the no-operations before the timestamps. */
	if (o->has & TCP_HAS_TS) {
		at = put(at, (o->has & TCP_HAS_SACK_OK ? sack_ok : nops) << 16 |
				     pair(TCP_OPT_TS, TS_LEN));
		at = put(at, o->ts_val);
		at = put(at, o->ts_ecr);
	} else if (o->has & TCP_HAS_SACK_OK) {
		at = put(at, nops << 16 | sack_ok);
	}
	if (o->has & TCP_HAS_WSCALE) {
		uint32_t wscale = o->wscale < TCP_WSCALE_MAX ? o->wscale : TCP_WSCALE_MAX;

		at = put(at, pair(TCP_OPT_NOP, TCP_OPT_WSCALE) << 16 | pair(WSCALE_LEN, wscale));
	}
	n_sacks = (uint32_t)(TCP_OPT_MAX - 4 - (at - begin)) / SACK_BLOCK_LEN;
	if (n_sacks > o->n_sacks)
		n_sacks = o->n_sacks;
	if (n_sacks)
		at = put(at, nops << 16 | pair(TCP_OPT_SACK, SACK_LEN + n_sacks * SACK_BLOCK_LEN));
	for (uint32_t i = 0; i < n_sacks; i++) {
		at = put(at, o->sack[i].start);
		at = put(at, o->sack[i].end);
	}
	return (uint32_t)(at - begin);
}
