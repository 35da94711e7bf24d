/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sync_inner: what sync's own files share: the configuration as workers have it, a worker's end of
 * the conversation, and who greets.
 */
#ifndef LB_SYNC_INNER_H
#define LB_SYNC_INNER_H

#include "inner.h"
#include "lb/sync.h"
#include "net/steer.h"

static_assert(SYNC_SLOTS == OWNER_MAP, "a datagram's flows are of one slot of the map");

/* A snapshot: made by control, never changed, retired by epoch. */
struct lb_sync {
	struct siphash_key key;
	uint32_t addr, peer; /* host order */
	uint16_t port;
	uint32_t rate; /* flows told a second, on each worker */
	uint32_t mask; /* a power of two less one; of places, which are never all full */
	struct sync_place {
		be32 addr;
		be16 port; /* 0: the one that was asked for */
		uint16_t service;
		uint16_t backend; /* LB_NOBODY: empty */
	} place[];
};

/* Who says hello, and hears it: the worker of slot 0. */
struct sync_greeter {
	uint32_t peer; /* of whom all this is; another: it begins anew */
	struct siphash_key key;
	ticks said_at, heard_at;
	uint64_t said;	   /* number of the last hello */
	uint64_t nonce[2]; /* the last two that were said, newest first */
	uint64_t echo;	   /* the last that was heard */
	uint64_t known;	   /* session that has shown that it is of now; 0: none yet */
	uint64_t number;   /* of its last hello */
	uint32_t rounds;   /* times that one began to listen */
};

struct sync_end {
	/* telling */
	uint32_t telling; /* lb->telling as it was last seen; 0: nobody listens */
	uint16_t most;	  /* records that fit a buffer */
	ticks tokens_at, stepped_at, flushed_at;
	uint64_t tokens;	/* flows that may be told */
	uint32_t cursor;	/* of the walk over all flows: flow_ref() */
	uint32_t left;		/* places that it has to look at by now */
	uint64_t waiting, full; /* slots with flows to tell, and with a datagram full of them */
	uint64_t number[SYNC_SLOTS];
	uint16_t n[SYNC_SLOTS];
	uint32_t ref[SYNC_SLOTS][SYNC_RECORDS]; /* flow_ref() */
	/* hearing */
	uint64_t heard; /* session that the windows are of */
	struct sync_window window[SYNC_SLOTS];
	struct sync_greeter greeter;
};

/* The slot of a flow, by its ends as they stand in packets. */
static inline uint32_t sync_slot(be32 client, be32 service, be16 client_port, be16 service_port)
{
	return hash_flow_wire(client, service, client_port, service_port) & (SYNC_SLOTS - 1);
}

/* A backend of the service has a place; of set-up. */
void lb_sync_put(struct lb_sync *s, uint16_t service, be32 addr, be16 port, uint16_t backend);

/* Sends the len bytes at p, which have room for a tag. */
void sync_send(struct worker *w, const struct lb_sync *s, uint8_t *p, size_t len);

/* Says hello when it is time, and notices silence. The worker of slot 0. */
void sync_greet(struct worker *w, const struct lb_sync *s);
/* A hello whose tag is right. DROP_MAX: it was new. */
enum drop_reason sync_hear(
	struct worker *w, const struct sync_head *h, const struct sync_hello *hello);

#endif
