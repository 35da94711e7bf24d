/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sync: flows told to another instance, so that they go on there when this one fails.
 *
 * Two instances tell each other by UDP, each from its address and port to the other's, at the same
 * port. What is told is soft: a worker tells a flow when it is established and when its state
 * changes, and all that live again every 20 seconds, so that what was lost is repaired; nothing is
 * acknowledged. An instance that appears is told everything at once, as fast as the rate allows.
 * Half-open flows are never told, nor those that ended before their turn came.
 *
 * A datagram, numbers in network order:
 *
 *    0  "mr"                        4  slot              8  session     24  body
 *    2  version, 1                  5  records          16  number      ..  tag, 8 bytes
 *    3  kind: 1 hello, 2 flows      6  bytes of each
 *                                   7  0
 *
 * The session is drawn at random when an instance starts. The number grows by one with each
 * datagram of a session, kind and slot. The tag is SipHash-2-4 of all before it with a key made
 * of a text that both sides have; so who does not know it can tell nothing, and who has seen a
 * datagram cannot tell it again. It is no secret what is told.
 *
 * Flows: those of one slot of the map from hashes to workers (net/steer.h), of the hash from the
 * client to the service. Both sides hash alike, so that whoever gets a datagram gives it to the one
 * worker that all its flows belong to, however many workers there are on either side. A record:
 *
 *    0  client's address            16  client's port      24  seconds since its last packet
 *    4  service's address           18  service's port     26  IP protocol
 *    8  backend's address           20  backend's port     27  state: 1 established, 2 closing,
 *   12  address of ours towards     22  port of ours           3 closed
 *       the backend (full NAT), 0       likewise, 0        28  marks: who has finished, 1 the
 *                                                              client, 2 the backend
 *                                                          29  0, 3 bytes
 *
 * A mapping of a masquerade is a record of service 0.0.0.0, port 0: the client is the inside end,
 * the address and port of ours are those outside, the backend is whom its last connection of TCP is
 * with (0: it is not known, 255.255.255.255: there were several at once), port 0. Its protocol may
 * be ICMP, its ports are ids of echoes then. A reader that knows of none has no such service.
 *
 * A reader passes over bytes of a record behind those that it knows. The age is told, not when the
 * flow is over: each side has its own time-outs, and of two that know a flow the one that has seen
 * it last is right.
 *
 * Hello, each second, slot 0, without records: three numbers of 8 bytes.
 *
 *   24  nonce: new with each hello
 *   32  echo: the nonce of the last hello that came from the other side, or 0
 *   40  knows: the session of the other side that is listened to, or 0
 *
 * A session is listened to once it has echoed one of our last two nonces: one that is over cannot
 * be told again. Flows are told to a session that says it knows ours.
 */
#ifndef LB_SYNC_H
#define LB_SYNC_H

#include "base/siphash.h"
#include "wire/bytes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SYNC_VERSION   1
#define SYNC_HEAD      24
#define SYNC_HELLO_LEN 24
#define SYNC_RECORD    32
#define SYNC_TAG       8
#define SYNC_RECORDS   45 /* of a datagram: 1,500 bytes of IPv4 then */
#define SYNC_SLOTS     64
#define SYNC_MOST      (SYNC_HEAD + SYNC_RECORDS * SYNC_RECORD + SYNC_TAG)

enum sync_kind { SYNC_HELLO = 1, SYNC_FLOWS = 2 };
enum sync_state { SYNC_ESTABLISHED = 1, SYNC_CLOSING = 2, SYNC_CLOSED = 3 };
enum { SYNC_CLIENT_FIN = 1, SYNC_BACKEND_FIN = 2 };

/* Of a datagram; in the host's order. */
struct sync_head {
	uint64_t session;
	uint64_t number;
	uint8_t kind; /* enum sync_kind */
	uint8_t slot;
	uint8_t records;
	uint8_t record_len;
};

struct sync_hello {
	uint64_t nonce, echo, knows;
};

/* A flow; addresses and ports as they stand in packets. */
struct sync_record {
	be32 client, service, backend, nat;
	be16 client_port, service_port, backend_port, nat_port;
	uint16_t age; /* seconds */
	uint8_t proto;
	uint8_t state; /* enum sync_state */
	uint8_t marks;
};

/* The key that a text stands for: the same on both sides. */
struct siphash_key sync_key(const char *text);

/*
 * Datagrams are written into room for SYNC_MOST bytes: the head, the body behind it, then the tag
 * of the len bytes so far, which is appended. Pure.
 */
void sync_write_head(uint8_t *p, const struct sync_head *h);
void sync_write_hello(uint8_t *p, const struct sync_hello *h);
void sync_write_record(uint8_t *p, const struct sync_record *r);
void sync_write_tag(uint8_t *p, size_t len, const struct siphash_key *key);

/*
 * The head of a datagram of len bytes, if the whole has the form that it says. The tag is looked at
 * by itself, for it costs more. Then bodies and records are read without a further question.
 */
bool sync_read_head(const uint8_t *p, size_t len, struct sync_head *h);
bool sync_tag_ok(const uint8_t *p, size_t len, const struct siphash_key *key);
void sync_read_hello(const uint8_t *p, struct sync_hello *h);
/* Record i; false: of a state, protocol or address that cannot be. */
bool sync_read_record(
	const uint8_t *p, const struct sync_head *h, uint32_t i, struct sync_record *r);

/* Numbers that have come: the highest, and which of the 64 up to it. */
struct sync_window {
	uint64_t top, seen;
};

/* Whether number, of a datagram that is genuine, is new; notes it. */
bool sync_is_new(struct sync_window *w, uint64_t number);

#endif
