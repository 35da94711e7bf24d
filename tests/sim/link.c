/* SPDX-License-Identifier: BSD-3-Clause */
/* One direction of a path. See link.h. */
#include "link.h"

#include "wire/eth_hdr.h"
#include "wire/ip4_hdr.h"

#include <stdlib.h>
#include <string.h>

#define LARGE 1000
#define QUOTE 8 /* bytes behind the IPv4 header that an ICMP error has */

/* splitmix64 */
uint64_t link_random(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

bool link_chance(uint64_t *state, double p)
{
	return p > 0 && (double)(link_random(state) >> 11) * 0x1p-53 < p;
}

void link_open(struct link *l, const struct link_conf *conf, uint64_t seed)
{
	memset(l, 0, sizeof(*l));
	l->conf = *conf;
	l->random = seed;
}

void link_close(struct link *l)
{
	while (l->n > 0)
		free(l->heap[--l->n]);
	free(l->heap);
	l->heap = NULL;
}

/* --- what is on its way --- */

static bool before(const struct frame *a, const struct frame *b)
{
	return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void push(struct link *l, struct frame *f)
{
	uint32_t i = l->n++;

	if (l->n > l->room) {
		l->room = l->room == 0 ? 64 : 2 * l->room;
		l->heap = realloc(l->heap, l->room * sizeof(struct frame *));
		if (l->heap == NULL)
			abort();
	}
	f->order = l->order++;
	for (; i > 0 && before(f, l->heap[(i - 1) / 2]); i = (i - 1) / 2)
		l->heap[i] = l->heap[(i - 1) / 2];
	l->heap[i] = f;
}

uint64_t link_next(const struct link *l)
{
	return l->n == 0 ? UINT64_MAX : l->heap[0]->at;
}

struct frame *link_take(struct link *l, uint64_t now)
{
	struct frame *first, *last;
	uint32_t i = 0, child;

	if (l->n == 0 || l->heap[0]->at > now)
		return NULL;
	first = l->heap[0];
	last = l->heap[--l->n];
	for (; (child = 2 * i + 1) < l->n; i = child) {
		child += child + 1 < l->n && before(l->heap[child + 1], l->heap[child]);
		if (!before(l->heap[child], last))
			break;
		l->heap[i] = l->heap[child];
	}
	l->heap[i] = last;
	return first;
}

static struct frame *copy(const uint8_t *bytes, uint32_t len, uint64_t at)
{
	struct frame *f = malloc(sizeof(*f) + len);

	if (f == NULL)
		abort();
	f->at = at;
	f->len = len;
	f->mtu = 0;
	memcpy(f->bytes, bytes, len);
	return f;
}

/* --- what happens to a packet --- */

/* True: it does not fit, and its sender may hear so. One without DF would be cut, and go on. */
static bool too_big(struct link *l, struct link *back, uint64_t now, const struct ip4_hdr *ip)
{
	struct frame *f;

	if (l->conf.mtu_at == 0 || now < l->conf.mtu_at || ip4_hdr_total_len(ip) <= l->conf.mtu ||
		!ip4_hdr_dont_fragment(ip))
		return false;
	l->too_big++;
	if (l->conf.black_hole)
		return true;
	f = copy((const uint8_t *)ip, ip4_hdr_len(ip) + QUOTE, now + l->conf.delay_us);
	f->mtu = l->conf.mtu;
	push(back, f);
	return true;
}

static void mark(struct link *l, struct frame *f)
{
	struct ip4_hdr *ip = (struct ip4_hdr *)(f->bytes + ETH_HDR_LEN);

	if ((ip->tos & 3) == 0)
		return;
	ip->tos |= 3;
	ip4_hdr_csum_set(ip);
	l->marked++;
}

/* The bottleneck: *at, when it is through. False: its queue was full. */
static bool queue(struct link *l, uint64_t now, uint32_t len, uint64_t *at, bool *marks)
{
	uint64_t backlog;

	*at = now;
	*marks = false;
	if (l->conf.rate == 0)
		return true;
	if (l->free_at < now * 1000)
		l->free_at = now * 1000;
	backlog = (uint64_t)((double)(l->free_at - now * 1000) * (double)l->conf.rate / 8e9);
	if (backlog + len > l->conf.queue_bytes) {
		l->overflowed++;
		return false;
	}
	*marks = l->conf.mark_bytes != 0 && backlog > l->conf.mark_bytes;
	l->free_at += (uint64_t)((double)len * 8e9 / (double)l->conf.rate);
	*at = l->free_at / 1000;
	return true;
}

static bool is_down(struct link *l, uint64_t now)
{
	if (l->conf.down_every != 0 && link_random(&l->random) % l->conf.down_every == 0)
		l->down_until = now + l->conf.down_us;
	return now < l->down_until;
}

static void flip(struct link *l, struct frame *f)
{
	uint64_t r = link_random(&l->random);
	uint32_t at = ETH_HDR_LEN + (uint32_t)(r >> 8) % (f->len - ETH_HDR_LEN);

	f->bytes[at] ^= (uint8_t)(r & 1 ? 1u << (r >> 1) % 8 : 3u << (r >> 1) % 7);
	l->corrupted++;
}

void link_send(struct link *l, struct link *back, uint64_t now, const uint8_t *bytes, uint32_t len)
{
	const struct ip4_hdr *ip = (const struct ip4_hdr *)(bytes + ETH_HDR_LEN);
	struct frame *f;
	uint64_t at;
	bool marks;

	if (too_big(l, back, now, ip) || !queue(l, now, len, &at, &marks))
		return;
	l->large += len >= LARGE;
	if (l->conf.lose_every != 0 && len >= LARGE && l->large % l->conf.lose_every == 0) {
		l->lost++;
		return;
	}
	if (is_down(l, now) || link_chance(&l->random, l->conf.loss)) {
		l->lost++;
		return;
	}
	at += l->conf.delay_us;
	if (l->conf.jitter_us != 0)
		at += link_random(&l->random) % l->conf.jitter_us;
	if (l->conf.hold_at != 0 && at >= l->conf.hold_at && at < l->conf.hold_at + l->conf.hold_us)
		at = l->conf.hold_at + l->conf.hold_us;
	at = at < l->last_at ? l->last_at : at; /* jitter alone keeps the order */
	l->last_at = at;
	if (link_chance(&l->random, l->conf.repeat))
		push(l, copy(bytes, len, at + link_random(&l->random) % 5000));
	if (link_chance(&l->random, l->conf.reorder))
		at += 1 + link_random(&l->random) % (l->conf.reorder_us + 1);
	f = copy(bytes, len, at);
	if (marks)
		mark(l, f);
	if (link_chance(&l->random, l->conf.corrupt))
		flip(l, f);
	push(l, f);
	l->carried++;
}
