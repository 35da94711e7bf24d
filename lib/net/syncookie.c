/* SPDX-License-Identifier: BSD-3-Clause */
/* syncookie: connections remembered by their peers; the contract is in net/syncookie.h. */
#include "net/syncookie.h"

#define PERIOD_MS   64000
#define PERIODS	    32 /* that five bits tell apart */
#define HASH_MASK   0xffffffu
#define MSS_SHIFT   24
#define COUNT_SHIFT 27

/* Rising. The first is for peers that ask for less than RFC 9293's 536. */
static const uint16_t mss_table[] = {216, 536, 1220, 1300, 1400, 1440, 1460, 8960};
_Static_assert(sizeof(mss_table) / sizeof(*mss_table) == 1u << (COUNT_SHIFT - MSS_SHIFT),
	"an index is three bits");

/* The bits of a timestamp. */
enum { STAMP_WSCALE = 0x0f, STAMP_SACK = 0x10, STAMP_ECN = 0x20, STAMP_BITS = 0x3f };

/* Whatever of the cookie is not hash goes into it, so that no bit can be changed unnoticed. */
static uint32_t cookie_of(const struct siphash_key *secret, const struct syncookie_flow *flow,
	uint32_t peer_isn, uint64_t period, uint32_t mss_index)
{
	const struct {
		uint32_t local, remote;
		uint16_t local_port, remote_port;
		uint32_t peer_isn;
		uint64_t period;
		uint64_t mss_index;
	} input = {flow->local, flow->remote, flow->local_port, flow->remote_port, peer_isn, period,
		mss_index};

	_Static_assert(sizeof(input) == 32, "no padding is hashed");
	return (uint32_t)(period % PERIODS) << COUNT_SHIFT | mss_index << MSS_SHIFT |
	       ((uint32_t)siphash(secret, &input, sizeof(input)) & HASH_MASK);
}

uint32_t syncookie_make(const struct siphash_key *secret, const struct syncookie_flow *flow,
	uint32_t peer_isn, const struct syncookie_memory *memory, uint64_t now_ms)
{
	uint32_t i = sizeof(mss_table) / sizeof(*mss_table) - 1;

	while (i > 0 && mss_table[i] > memory->mss)
		i--;
	return cookie_of(secret, flow, peer_isn, now_ms / PERIOD_MS, i);
}

uint32_t syncookie_stamp(const struct syncookie_memory *memory, uint32_t clock)
{
	uint32_t bits = (memory->wscale & STAMP_WSCALE) | (memory->sack ? STAMP_SACK : 0) |
			(memory->ecn ? STAMP_ECN : 0);

	/* The nearest value with these bits that is not in advance: the clock may wrap. */
	return clock - ((clock - bits) & STAMP_BITS);
}

bool syncookie_check(const struct siphash_key *secret, const struct syncookie_flow *flow,
	uint32_t cookie, uint32_t peer_isn, uint32_t echoed, uint64_t now_ms,
	struct syncookie_memory *memory)
{
	uint64_t now = now_ms / PERIOD_MS;
	uint32_t age = (uint32_t)(now - (cookie >> COUNT_SHIFT)) % PERIODS;
	uint32_t mss_index = cookie >> MSS_SHIFT & 7;

	if (age > 1 || cookie_of(secret, flow, peer_isn, now - age, mss_index) != cookie)
		return false;
	memory->mss = mss_table[mss_index];
	memory->wscale = memory->timestamps ? echoed & STAMP_WSCALE : SYNCOOKIE_NO_WSCALE;
	memory->sack = memory->timestamps && echoed & STAMP_SACK;
	memory->ecn = memory->timestamps && echoed & STAMP_ECN;
	return true;
}
