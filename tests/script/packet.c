/* SPDX-License-Identifier: BSD-3-Clause */
/* A packet as a script's words, as bytes, and as what came. */
#include "script.h"

#include "net/chain.h"
#include "net/pkt.h"
#include "tcp/table.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static const char flag_letters[] = "FSRPAUEW";

uint8_t pattern(uint32_t place)
{
	return (uint8_t)(place * 31 + (place >> 8));
}

/* --- numbers: terms with + and - between; a term is a number or what `let` has named --- */

static uint32_t term(struct bed *b, const char *at, size_t len, const char *whole)
{
	char *end, text[32];

	if (len == 0 || len >= sizeof(text))
		fail(b, "no number: %s", whole);
	memcpy(text, at, len);
	text[len] = 0;
	for (uint32_t i = 0; i < b->n_vars; i++)
		if (strcmp(b->var[i].name, text) == 0)
			return b->var[i].value;
	if (!isdigit((unsigned char)text[0]))
		fail(b, "no number, and no name that `let` has given: %s", text);
	len = strtoul(text, &end, 0);
	if (*end != 0)
		fail(b, "no number: %s", whole);
	return (uint32_t)len;
}

uint32_t number(struct bed *b, const char *word)
{
	uint32_t sum = 0;
	char sign = '+';

	for (const char *at = word;;) {
		size_t len = strcspn(at, "+-");
		uint32_t value = term(b, at, len, word);

		sum += sign == '+' ? value : -value;
		sign = at[len];
		if (sign == 0)
			return sum;
		at += len + 1;
	}
}

/* --- words to packet --- */

static uint8_t flags_of(struct bed *b, const char *word)
{
	uint8_t flags = 0;

	for (; *word != 0 && strcmp(word, "-") != 0; word++) {
		const char *at = strchr(flag_letters, *word);

		if (at == NULL)
			fail(b, "flags are - or letters of %s: %s", flag_letters, word);
		flags |= (uint8_t)(1 << (at - flag_letters));
	}
	return flags;
}

/* SEQ or SEQ(LEN) */
static void read_place(struct bed *b, char *word, struct packet *p)
{
	char *open = strchr(word, '('), *close = strchr(word, ')');

	if (open != NULL && close != NULL) {
		*open = *close = 0;
		p->len = number(b, open + 1);
	}
	p->seq = number(b, word);
	if (open != NULL && close != NULL)
		*open = '(', *close = ')';
}

/* A-B,C-D: blocks of script numbers, so no sums in them. */
static void read_sacks(struct bed *b, const char *word, struct tcp_opts *o)
{
	char text[128], *rest = text;

	snprintf(text, sizeof(text), "%s", word);
	for (char *block; (block = strsep(&rest, ",")) != NULL; o->n_sacks++) {
		char *start = strsep(&block, ":");

		if (block == NULL || o->n_sacks == TCP_OPT_SACKS)
			fail(b, "SACK blocks are START:END,...: %s", word);
		o->sack[o->n_sacks] = (struct tcp_sack){number(b, start), number(b, block)};
	}
}

static void read_raw(struct bed *b, const char *word, struct packet *p)
{
	for (unsigned int byte; p->raw_len < TCP_OPT_MAX && sscanf(word, "%2x", &byte) == 1;
		word += 2)
		p->raw[p->raw_len++] = (uint8_t)byte;
	if (*word != 0 || p->raw_len % 4 != 0)
		fail(b, "raw options are pairs of hexadecimal digits, a multiple of 4: %s", word);
}

static bool read_alone(const char *word, struct packet *p)
{
	if (strcmp(word, "sackok") == 0)
		p->opts.has |= TCP_HAS_SACK_OK;
	else if (strcmp(word, "nosackok") == 0)
		p->without |= TCP_HAS_SACK_OK;
	else if (strcmp(word, "nows") == 0)
		p->without |= TCP_HAS_WSCALE;
	else if (strcmp(word, "nots") == 0)
		p->without |= TCP_HAS_TS;
	else if (strcmp(word, "nomss") == 0)
		p->without |= TCP_HAS_MSS;
	else if (strcmp(word, "badsum") == 0)
		p->bad_sum = true;
	else if (strcmp(word, "group") == 0)
		p->group = true;
	else if (strcmp(word, "ce") == 0)
		p->has_tos = true, p->tos = 3;
	else if (strcmp(word, "ect") == 0)
		p->has_tos = true, p->tos = 2;
	else if (strcmp(word, "noect") == 0)
		p->has_tos = true;
	else if (strcmp(word, "df") == 0)
		p->df = 1;
	else if (strcmp(word, "nodf") == 0)
		p->df = 0;
	else if (strcmp(word, "psh") == 0)
		p->psh = 1;
	else if (strcmp(word, "nopsh") == 0)
		p->psh = 0;
	else
		return false;
	return true;
}

static bool read_valued(struct bed *b, const char *word, const char *value, struct packet *p)
{
	if (strcmp(word, "ack") == 0)
		p->has_ack = true, p->ack = number(b, value);
	else if (strcmp(word, "win") == 0)
		p->has_window = true, p->window = number(b, value);
	else if (strcmp(word, "urg") == 0)
		p->has_urgent = true, p->urgent = (uint16_t)number(b, value);
	else if (strcmp(word, "tos") == 0)
		p->has_tos = true, p->tos = (uint8_t)number(b, value);
	else if (strcmp(word, "ttl") == 0)
		p->has_ttl = true, p->ttl = (uint8_t)number(b, value);
	else if (strcmp(word, "mss") == 0)
		p->opts.has |= TCP_HAS_MSS, p->opts.mss = (uint16_t)number(b, value);
	else if (strcmp(word, "ws") == 0)
		p->opts.has |= TCP_HAS_WSCALE, p->opts.wscale = (uint8_t)number(b, value);
	else if (strcmp(word, "sack") == 0)
		read_sacks(b, value, &p->opts);
	else if (strcmp(word, "to") == 0)
		p->to_port = (uint16_t)number(b, value);
	else if (strcmp(word, "raw") == 0)
		read_raw(b, value, p);
	else
		return false;
	return true;
}

void packet_read(struct bed *b, const struct words *w, uint32_t at, struct packet *p)
{
	*p = (struct packet){.df = -1, .psh = -1, .to_port = b->on->local_port};
	if (w->n < at + 2)
		fail(b, "a packet is FLAGS SEQ ...");
	p->flags = flags_of(b, w->word[at]);
	read_place(b, w->word[at + 1], p);
	for (at += 2; at < w->n; at++) {
		const char *word = w->word[at];

		if (read_alone(word, p))
			continue;
		if (strcmp(word, "ts") == 0 && at + 2 < w->n) {
			p->opts.has |= TCP_HAS_TS;
			p->opts.ts_val = number(b, w->word[at + 1]);
			p->opts.ts_ecr = number(b, w->word[at + 2]);
			at += 2;
			continue;
		}
		if (at + 1 == w->n || !read_valued(b, word, w->word[at + 1], p))
			fail(b, "what is '%s'?", word);
		at++;
	}
	if ((p->flags & TCP_ACK) && !p->has_ack)
		fail(b, "with A there must be an ack");
}

/* --- packet to bytes: from the peer --- */

static void learn_theirs(struct bed *b, struct peer *p, const struct packet *k)
{
	if (p->their_known || !(k->flags & TCP_SYN))
		return;
	p->their_known = true;
	if (!p->began && b->numbering->theirs != 0)
		p->their_offset = b->numbering->theirs - k->seq;
	p->began = true;
	p->their_first = k->seq + 1;
	p->to_come = 0;
}

static uint32_t put_options(const struct peer *p, const struct packet *k, uint8_t *to)
{
	struct tcp_opts o = k->opts;

	o.ts_ecr = o.ts_ecr == 0 ? 0 : o.ts_ecr + p->stamp_offset;
	for (uint32_t i = 0; i < o.n_sacks; i++) {
		o.sack[i].start += p->our_offset;
		o.sack[i].end += p->our_offset;
	}
	if (k->raw_len != 0) {
		memcpy(to, k->raw, k->raw_len);
		return k->raw_len;
	}
	return o.has != 0 || o.n_sacks != 0 ? tcp_opt_write(to, &o) : 0;
}

static void put_ip(const struct packet *k, struct rte_mbuf *m, uint16_t l4_len)
{
	memset(rte_pktmbuf_mtod(m, void *), 0, ETH_HDR_LEN);
	ip4_hdr_build(pkt_ip4(m), &(struct ip4_fields){
					  .total_len = (uint16_t)(IP4_HDR_LEN + l4_len),
					  .tos = k->tos,
					  .ttl = 64,
					  .proto = IP4_PROTO_TCP,
					  .src = PEERS,
					  .dst = OURS,
				  });
}

struct rte_mbuf *packet_make(struct bed *b, const struct packet *k)
{
	struct peer *p = b->on;
	uint8_t options[TCP_OPT_MAX];
	struct tcp_fields f = {.sport = p->port, .dport = k->to_port, .flags = k->flags};
	struct rte_mbuf *m = rte_pktmbuf_alloc(bed_pool());
	uint32_t place;
	uint16_t l4_len;
	uint8_t *at;

	learn_theirs(b, p, k);
	if (k->has_window)
		p->window = k->window;
	f.opt_len = (uint8_t)put_options(p, k, options);
	f.seq = k->seq + p->their_offset;
	f.ack = k->has_ack ? k->ack + p->our_offset : 0;
	f.window = (uint16_t)p->window;
	f.urgent = k->urgent;
	l4_len = (uint16_t)(TCP_HDR_LEN + f.opt_len + k->len);
	at = (uint8_t *)rte_pktmbuf_append(m, (uint16_t)(ETH_HDR_LEN + IP4_HDR_LEN + l4_len));
	if (at == NULL)
		fail(b, "too large a segment");
	m->port = k->group ? 1 | PKT_LINK_GROUP : 1;
	put_ip(k, m, l4_len);
	at += ETH_HDR_LEN + IP4_HDR_LEN;
	tcp_hdr_build((struct tcp_hdr *)at, &f);
	memcpy(at + TCP_HDR_LEN, options, f.opt_len);
	place = k->seq + ((k->flags & TCP_SYN) != 0) - p->their_first;
	for (uint32_t i = 0; i < k->len; i++)
		at[TCP_HDR_LEN + f.opt_len + i] = pattern(place + i);
	tcp_hdr_csum_set((struct tcp_hdr *)at, l4_len, to_be32(PEERS), to_be32(OURS));
	((struct tcp_hdr *)at)->csum ^= to_be16(k->bad_sum);
	return m;
}

/* --- bytes to words: from the stack --- */

static const struct tcp_hdr *header(const struct rte_mbuf *m)
{
	return pkt_l4(m);
}

static uint32_t data_len(const struct rte_mbuf *m)
{
	return ip4_hdr_payload_len(pkt_ip4(m)) - tcp_hdr_len(header(m));
}

static void print_options(const struct peer *p, const struct tcp_opts *o, char *to, size_t room)
{
	size_t n = 0;

	if (o->has & TCP_HAS_MSS)
		n += (size_t)snprintf(to + n, room - n, " mss %u", o->mss);
	if (o->has & TCP_HAS_WSCALE)
		n += (size_t)snprintf(to + n, room - n, " ws %u", o->wscale);
	if (o->has & TCP_HAS_SACK_OK)
		n += (size_t)snprintf(to + n, room - n, " sackok");
	if (o->has & TCP_HAS_TS)
		n += (size_t)snprintf(
			to + n, room - n, " ts %u %u", o->ts_val - p->stamp_offset, o->ts_ecr);
	for (uint32_t i = 0; i < o->n_sacks; i++)
		n += (size_t)snprintf(to + n, room - n, "%s%u:%u", i == 0 ? " sack " : ",",
			o->sack[i].start - p->their_offset, o->sack[i].end - p->their_offset);
}

void packet_print(struct bed *b, const struct rte_mbuf *m, char *to, size_t room)
{
	const struct tcp_hdr *h = header(m);
	const struct ip4_hdr *ip = pkt_ip4(m);
	struct peer *p = bed_peer(b, tcp_hdr_dport(h));
	char flags[9] = "", *f = flags;
	struct tcp_opts o;
	size_t n;

	for (int i = 0; i < 8; i++)
		if (h->flags >> i & 1)
			*f++ = flag_letters[i];
	*f = 0;
	n = (size_t)snprintf(to, room, "> %s %u(%u)", flags[0] != 0 ? flags : "-",
		tcp_hdr_seq(h) - p->our_offset, data_len(m));
	if (h->flags & TCP_ACK)
		n += (size_t)snprintf(
			to + n, room - n, " ack %u", tcp_hdr_ack(h) - p->their_offset);
	n += (size_t)snprintf(to + n, room - n, " win %u", tcp_hdr_window(h));
	if (h->flags & TCP_URG)
		n += (size_t)snprintf(to + n, room - n, " urg %u", tcp_hdr_urgent(h));
	if (ip->tos != 0)
		n += (size_t)snprintf(to + n, room - n, " tos %u", ip->tos);
	tcp_opt_read(h, &o);
	print_options(p, &o, to + n, room - n);
}

/* --- comparing --- */

static void learn_ours(
	struct peer *p, const struct packet *k, const struct tcp_hdr *h, const struct tcp_opts *o)
{
	if (!p->our_known && (k->flags & TCP_SYN) && (h->flags & TCP_SYN)) {
		p->our_known = true;
		p->our_offset = tcp_hdr_seq(h) - k->seq;
		p->our_first = k->seq + 1;
	}
	if (!p->stamp_known && (k->opts.has & TCP_HAS_TS) && (o->has & TCP_HAS_TS)) {
		p->stamp_known = true;
		p->stamp_offset = o->ts_val - k->opts.ts_val;
	}
}

/* A timer may be a tick early, and then the clock of milliseconds one less. */
static bool stamps_match(
	const struct peer *p, const struct tcp_opts *want, const struct tcp_opts *o)
{
	return o->ts_val - (want->ts_val + p->stamp_offset) + 1 <= 1 && want->ts_ecr == o->ts_ecr;
}

static bool options_match(const struct peer *p, const struct packet *k, const struct tcp_opts *o)
{
	const struct tcp_opts *want = &k->opts;

	if ((want->has & ~o->has) != 0 || (k->without & o->has) != 0 || want->n_sacks != o->n_sacks)
		return false;
	for (uint32_t i = 0; i < o->n_sacks; i++)
		if (want->sack[i].start + p->their_offset != o->sack[i].start ||
			want->sack[i].end + p->their_offset != o->sack[i].end)
			return false;
	return (!(want->has & TCP_HAS_MSS) || want->mss == o->mss) &&
	       (!(want->has & TCP_HAS_WSCALE) || want->wscale == o->wscale) &&
	       (!(want->has & TCP_HAS_TS) || stamps_match(p, want, o));
}

static bool fields_match(
	const struct peer *p, const struct packet *k, const struct rte_mbuf *m, uint8_t flags)
{
	const struct tcp_hdr *h = header(m);
	const struct ip4_hdr *ip = pkt_ip4(m);

	return flags == k->flags && tcp_hdr_seq(h) == k->seq + p->our_offset &&
	       data_len(m) == k->len && tcp_hdr_sport(h) == k->to_port &&
	       (!k->has_ack || tcp_hdr_ack(h) == k->ack + p->their_offset) &&
	       (!k->has_window || tcp_hdr_window(h) == k->window) &&
	       (!k->has_urgent || tcp_hdr_urgent(h) == k->urgent) &&
	       (!k->has_tos || ip->tos == k->tos) && (!k->has_ttl || ip->ttl == k->ttl) &&
	       (k->psh < 0 || ((h->flags & TCP_PSH) != 0) == k->psh) &&
	       (k->df < 0 || (from_be16(ip->frag) & IP4_DF) == (k->df ? IP4_DF : 0));
}

/* What no script needs to say: checksums, a fresh identification, the application's very bytes. */
static void check_always(struct bed *b, const struct peer *p, const struct rte_mbuf *m)
{
	const struct ip4_hdr *ip = pkt_ip4(m);
	const struct tcp_hdr *h = header(m);
	uint32_t len = ip4_hdr_payload_len(ip),
		 place = tcp_hdr_seq(h) - p->our_offset - p->our_first;
	uint32_t sum = ip4_hdr_pseudo(ip, (uint16_t)len),
		 at = ETH_HDR_LEN + IP4_HDR_LEN + tcp_hdr_len(h);
	uint8_t byte;

	if (ip4_hdr_check(ip, m->pkt_len - ETH_HDR_LEN) != IP4_OK ||
		csum_fold(chain_csum(m, ETH_HDR_LEN + IP4_HDR_LEN, (uint16_t)len, sum)) != 0)
		fail(b, "a packet with a wrong header or checksum");
	if (b->any_id && b->last_id == from_be16(ip->id))
		fail(b, "two packets with the identification %u", b->last_id);
	b->any_id = true;
	b->last_id = from_be16(ip->id);
	for (uint32_t i = 0; i < data_len(m) && p->our_known; i++) {
		const uint8_t *got = rte_pktmbuf_read(m, at + i, 1, &byte);

		if (*got != pattern(place + i))
			fail(b, "byte %u of a segment is not what the application sent", i);
	}
}

void packet_expect(struct bed *b, const struct packet *k, const struct rte_mbuf *m)
{
	const struct tcp_hdr *h = header(m);
	struct peer *p = b->on;
	uint8_t flags = h->flags;
	char came[256];
	struct tcp_opts o;

	if (!(k->flags & TCP_PSH))
		flags &= (uint8_t)~TCP_PSH;
	tcp_opt_read(h, &o);
	if (tcp_hdr_dport(h) == p->port)
		learn_ours(p, k, h, &o);
	packet_print(b, m, came, sizeof(came));
	if (tcp_hdr_dport(h) != p->port || !fields_match(p, k, m, flags) ||
		!options_match(p, k, &o))
		fail(b, "came: %s", came);
	check_always(b, p, m);
}
