/* SPDX-License-Identifier: BSD-3-Clause */
/* Words of eight bytes, little-endian; the last one holds what is left and the length. */
#include "base/siphash.h"

#include "base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

struct siphash_key siphash_new_key(void)
{
	struct siphash_key key;
	ssize_t got;

	do
		got = getrandom(&key, sizeof(key), 0);
	while (got < 0 && errno == EINTR);
	if (got != (ssize_t)sizeof(key)) {
		log_error("the kernel gives no random numbers: %s", strerror(errno));
		abort(); /* a key that could be guessed is worse than none */
	}
	return key;
}

struct state {
	uint64_t a, b, c, d;
};

static inline uint64_t rotated(uint64_t x, int bits)
{
	return x << bits | x >> (64 - bits);
}

static inline void mix(struct state *s)
{
	s->a += s->b;
	s->c += s->d;
	s->b = rotated(s->b, 13) ^ s->a;
	s->d = rotated(s->d, 16) ^ s->c;
	s->a = rotated(s->a, 32);
	s->c += s->b;
	s->a += s->d;
	s->b = rotated(s->b, 17) ^ s->c;
	s->d = rotated(s->d, 21) ^ s->a;
	s->c = rotated(s->c, 32);
}

static inline void take(struct state *s, uint64_t word)
{
	s->d ^= word;
	mix(s);
	mix(s);
	s->a ^= word;
}

/* A loop, not a memcpy() of unknown length: at most seven bytes. */
static inline uint64_t rest(const uint8_t *p, size_t len)
{
	uint64_t word = 0;

	for (size_t i = 0; i < len; i++)
		word |= (uint64_t)p[i] << 8 * i;
	return word;
}

uint64_t siphash(const struct siphash_key *key, const void *p, size_t len)
{
	struct state s = {
		key->word[0] ^ 0x736f6d6570736575,
		key->word[1] ^ 0x646f72616e646f6d,
		key->word[0] ^ 0x6c7967656e657261,
		key->word[1] ^ 0x7465646279746573,
	};
	const uint8_t *at = p, *end = at + (len & ~(size_t)7);

	for (; at != end; at += 8) {
		uint64_t word;

		memcpy(&word, at, sizeof(word));
		take(&s, word);
	}
	take(&s, (uint64_t)len << 56 | rest(at, len & 7));
	s.c ^= 0xff;
	for (int i = 0; i < 4; i++)
		mix(&s);
	return s.a ^ s.b ^ s.c ^ s.d;
}
