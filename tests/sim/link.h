/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * link: one direction of a path in virtual time: a bottleneck with a bounded drop-tail queue that
 * may mark (ECN), then a wire that delays, loses, repeats, reorders and corrupts. What it does
 * follows from the seed alone.
 *
 * Frames are copied in and out; the link owns what is on its way. Times are in microseconds.
 */
#ifndef SIM_LINK_H
#define SIM_LINK_H

#include <stdbool.h>
#include <stdint.h>

struct link_conf {
	double loss;	     /* probabilities of a packet */
	uint32_t lose_every; /* of large packets one in so many is lost, always the same; 0: none */
	double repeat;
	double reorder; /* comes reorder_us later than it should */
	double corrupt; /* a bit or two are flipped */
	uint32_t reorder_us;
	uint32_t delay_us;
	uint32_t jitter_us;   /* each packet up to so much more, order kept */
	uint64_t rate;	      /* bits per second; 0: no bottleneck */
	uint32_t queue_bytes; /* before the bottleneck */
	uint32_t mark_bytes;  /* ECN: a longer queue marks; 0: never */
	uint64_t hold_at; /* from then on nothing arrives for hold_us; it comes later; 0: never */
	uint64_t hold_us;
	uint64_t mtu_at; /* from then on mtu holds; 0: never */
	uint16_t mtu;
	bool black_hole;     /* what is too large vanishes, and nobody says why */
	uint32_t down_every; /* one packet in so many starts an outage of down_us; 0: none */
	uint32_t down_us;
};

struct frame {
	uint64_t at;
	uint64_t order;
	uint32_t len;
	uint16_t mtu; /* not 0: "fragmentation needed" for the sender of what is quoted */
	uint8_t bytes[];
};

struct link {
	struct link_conf conf;
	uint64_t random;
	uint64_t free_at; /* in nanoseconds: the bottleneck is busy till then */
	uint64_t last_at;
	uint64_t down_until;
	uint64_t order;
	uint64_t large;
	struct frame **heap; /* the earliest first */
	uint32_t n;
	uint32_t room;
	uint64_t carried;
	uint64_t lost;
	uint64_t overflowed;
	uint64_t corrupted;
	uint64_t marked;
	uint64_t too_big;
};

uint64_t link_random(uint64_t *state);
/* True with probability p. */
bool link_chance(uint64_t *state, double p);
void link_open(struct link *l, const struct link_conf *conf, uint64_t seed);
/* Everything on its way is forgotten. */
void link_close(struct link *l);
/* An Ethernet frame with IPv4 in it, sent now. `back` takes ICMP errors about it. */
void link_send(struct link *l, struct link *back, uint64_t now, const uint8_t *bytes, uint32_t len);
/* When the next frame arrives; UINT64_MAX: none is on its way. */
uint64_t link_next(const struct link *l);
/* The next frame, if it has arrived, to be freed; else NULL. */
struct frame *link_take(struct link *l, uint64_t now);

#endif
