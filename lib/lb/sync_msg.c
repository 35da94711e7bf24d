/* SPDX-License-Identifier: BSD-3-Clause */
/* The datagrams of sync, written and read. Pure. */
#include "lb/sync.h"

#include "wire/ip4_addr.h"
#include "wire/ip4_hdr.h"

static const uint8_t magic[2] = {'m', 'r'};

static void put64(uint8_t *p, uint64_t v)
{
	store64(p, __builtin_bswap64(v));
}

static uint64_t get64(const uint8_t *p)
{
	return __builtin_bswap64(load64(p));
}

/* Two hashes of the text under keys that everybody knows: nobody finds the text by them. */
struct siphash_key sync_key(const char *text)
{
	static const struct siphash_key to[2] = {{{1, 2}}, {{3, 4}}};
	struct siphash_key key;

	for (int i = 0; i < 2; i++)
		key.word[i] = siphash(&to[i], text, strlen(text));
	return key;
}

void sync_write_head(uint8_t *p, const struct sync_head *h)
{
	memcpy(p, magic, sizeof(magic));
	p[2] = SYNC_VERSION;
	p[3] = h->kind;
	p[4] = h->slot;
	p[5] = h->records;
	p[6] = h->record_len;
	p[7] = 0;
	put64(p + 8, h->session);
	put64(p + 16, h->number);
}

void sync_write_hello(uint8_t *p, const struct sync_hello *h)
{
	put64(p + SYNC_HEAD, h->nonce);
	put64(p + SYNC_HEAD + 8, h->echo);
	put64(p + SYNC_HEAD + 16, h->knows);
}

void sync_write_record(uint8_t *p, const struct sync_record *r)
{
	store32(p, r->client);
	store32(p + 4, r->service);
	store32(p + 8, r->backend);
	store32(p + 12, r->nat);
	store16(p + 16, r->client_port);
	store16(p + 18, r->service_port);
	store16(p + 20, r->backend_port);
	store16(p + 22, r->nat_port);
	store16(p + 24, to_be16(r->age));
	p[26] = r->proto;
	p[27] = r->state;
	p[28] = r->marks;
	memset(p + 29, 0, 3);
}

void sync_write_tag(uint8_t *p, size_t len, const struct siphash_key *key)
{
	put64(p + len, siphash(key, p, len));
}

bool sync_read_head(const uint8_t *p, size_t len, struct sync_head *h)
{
	size_t body;

	if (len < SYNC_HEAD + SYNC_TAG || memcmp(p, magic, sizeof(magic)) != 0 ||
		p[2] != SYNC_VERSION)
		return false;
	*h = (struct sync_head){.kind = p[3],
		.slot = p[4],
		.records = p[5],
		.record_len = p[6],
		.session = get64(p + 8),
		.number = get64(p + 16)};
	body = (size_t)h->records * h->record_len;
	if (h->slot >= SYNC_SLOTS || h->session == 0)
		return false;
	if (h->kind == SYNC_HELLO)
		return len == SYNC_HEAD + SYNC_HELLO_LEN + SYNC_TAG && body == 0 && h->slot == 0;
	return h->kind == SYNC_FLOWS && h->record_len >= SYNC_RECORD &&
	       len == SYNC_HEAD + body + SYNC_TAG;
}

bool sync_tag_ok(const uint8_t *p, size_t len, const struct siphash_key *key)
{
	return get64(p + len - SYNC_TAG) == siphash(key, p, len - SYNC_TAG);
}

void sync_read_hello(const uint8_t *p, struct sync_hello *h)
{
	h->nonce = get64(p + SYNC_HEAD);
	h->echo = get64(p + SYNC_HEAD + 8);
	h->knows = get64(p + SYNC_HEAD + 16);
}

bool sync_read_record(
	const uint8_t *p, const struct sync_head *h, uint32_t i, struct sync_record *r)
{
	p += SYNC_HEAD + (size_t)i * h->record_len;
	*r = (struct sync_record){.client = load32(p),
		.service = load32(p + 4),
		.backend = load32(p + 8),
		.nat = load32(p + 12),
		.client_port = load16(p + 16),
		.service_port = load16(p + 18),
		.backend_port = load16(p + 20),
		.nat_port = load16(p + 22),
		.age = from_be16(load16(p + 24)),
		.proto = p[26],
		.state = p[27],
		.marks = p[28]};
	return r->state >= SYNC_ESTABLISHED && r->state <= SYNC_CLOSED &&
	       (r->proto == IP4_PROTO_TCP || r->proto == IP4_PROTO_UDP ||
		       (r->proto == IP4_PROTO_ICMP && r->service == 0)) &&
	       !ip4_src_is_martian(from_be32(r->client));
}

bool sync_is_new(struct sync_window *w, uint64_t number)
{
	uint64_t behind = w->top - number;

	if (number > w->top) {
		uint64_t ahead = number - w->top;

		w->seen = (ahead > 63 ? 0 : w->seen << ahead) | 1;
		w->top = number;
		return true;
	}
	if (behind > 63 || (w->seen >> behind & 1) != 0)
		return false;
	w->seen |= UINT64_C(1) << behind;
	return true;
}
