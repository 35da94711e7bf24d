/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stage_udp and its table of services (RFC 768, RFC 1122 4.1, RFC 862, RFC 863).
 *
 * udp -> out | error | answer | sync | datagram | punt | consumed | drop. The table is one sorted
 * array, searched by port and address; control builds a new one for each change.
 */
#include "net/udp.h"

#include "net/chain.h"
#include "net/error.h"
#include "net/expect.h"
#include "net/local.h"
#include "net/lookup.h"
#include "net/punt.h"
#include "net/stage.h"
#include "wire/udp_hdr.h"

#include <errno.h>
#include <stdlib.h>

struct service {
	uint64_t key;
	enum udp_kind kind;
};

struct udp_table {
	uint32_t n;
	struct service list[]; /* by key */
};

static uint64_t key_of(uint32_t addr, uint16_t port)
{
	return (uint64_t)port << 32 | addr;
}

static int find(const struct udp_table *t, uint64_t key)
{
	uint32_t low = 0, high = t->n;

	while (low < high) {
		uint32_t mid = (low + high) / 2;

		if (t->list[mid].key < key)
			low = mid + 1;
		else
			high = mid;
	}
	return low < t->n && t->list[low].key == key ? (int)t->list[low].kind : -1;
}

int udp_service(const struct net *net, uint32_t addr, uint16_t port)
{
	const struct udp_table *t = atomic_load_explicit(&net->udp, memory_order_acquire);
	int kind;

	if (t == NULL)
		return -1;
	kind = find(t, key_of(addr, port));
	return kind >= 0 ? kind : find(t, key_of(0, port));
}

int udp_check(const struct udp_conf *c, struct errs *e)
{
	size_t before = e->n;
	char path[64];

	for (uint32_t i = 0; i < c->n; i++) {
		const struct udp_service_conf *s = &c->list[i];

		snprintf(path, sizeof(path), "services.%s.listen", s->name);
		if (s->port == 0)
			errs_add(e, s->at, path, "port 0; 1 to 65535 are allowed");
		if (s->addr != 0 && (ip4_src_is_martian(s->addr)))
			errs_add(e, s->at, path, "not an address of one host, nor 0.0.0.0 for all");
		for (uint32_t j = 0; j < i; j++)
			if (c->list[j].port == s->port && c->list[j].addr == s->addr)
				errs_add(e, s->at, path, "service %s has this address and port",
					c->list[j].name);
	}
	return e->n == before ? 0 : -EINVAL;
}

static int by_key(const void *a, const void *b)
{
	uint64_t x = ((const struct service *)a)->key, y = ((const struct service *)b)->key;

	return (x > y) - (x < y);
}

int udp_build(struct net *net, const struct udp_conf *c)
{
	struct udp_table *t = malloc(sizeof(*t) + c->n * sizeof(t->list[0]));

	if (t == NULL)
		return -ENOMEM;
	t->n = c->n;
	for (uint32_t i = 0; i < c->n; i++)
		t->list[i] = (struct service){
			.key = key_of(c->list[i].addr, c->list[i].port), .kind = c->list[i].kind};
	qsort(t->list, t->n, sizeof(t->list[0]), by_key);
	net->udp_next = t;
	return 0;
}

void udp_abandon(struct net *net)
{
	free(net->udp_next);
	net->udp_next = NULL;
}

void udp_publish(struct net *net)
{
	net->udp_next = atomic_exchange_explicit(&net->udp, net->udp_next, memory_order_acq_rel);
}

void udp_retire(struct net *net)
{
	if (net->udp_next != NULL)
		epoch_defer(net->epoch, free, net->udp_next);
	net->udp_next = NULL;
}

void udp_free(struct net *net)
{
	udp_abandon(net);
	free(atomic_exchange_explicit(&net->udp, NULL, memory_order_relaxed));
}

/*
 * Ports that answer whatever they are sent: the small servers of RFC 862 to 868, and an echo
 * service like ours. A forged datagram between two such would go to and fro for ever.
 */
static bool answers_by_itself(const struct net *net, uint32_t addr, uint16_t port)
{
	static const uint16_t small_servers[] = {7, 13, 17, 19, 37};

	for (unsigned int i = 0; i < RTE_DIM(small_servers); i++)
		if (port == small_servers[i])
			return true;
	return udp_service(net, addr, port) == UDP_ECHO;
}

/* Back to the sender: both checksums are sums of what is swapped, and stay right. */
static void echo(struct worker *w, struct rte_mbuf *m)
{
	struct ip4_hdr *ip = pkt_ip4(m);
	struct udp_hdr *udp = pkt_l4(m);
	uint32_t to = ip4_hdr_dst(ip), len = ip4_hdr_len(ip) + from_be16(udp->len);
	be16 port = udp->sport;

	if (lookup_is_group(w->net, to)) {
		drop(w, m, DROP_LOCAL_GROUP);
		return;
	}
	if (answers_by_itself(w->net, to, udp_hdr_sport(udp))) {
		drop(w, m, DROP_UDP_LOOP);
		return;
	}
	/* bytes behind the UDP length are not data */
	ip->total_len = to_be16((uint16_t)len);
	chain_trim(m, ETH_HDR_LEN + len);
	udp->sport = udp->dport;
	udp->dport = port;
	local_answer(w, m, to);
	w->count[COUNT_udp_echo]++;
}

static bool is_valid(const struct rte_mbuf *m, const struct udp_hdr *udp)
{
	return udp_hdr_check(udp, ip4_hdr_payload_len(pkt_ip4(m))) == UDP_OK &&
	       (udp->csum == 0 || local_csum_ok(m, from_be16(udp->len)));
}

static void udp_in(struct worker *w, struct rte_mbuf *m)
{
	uint32_t head_len = ETH_HDR_LEN + ip4_hdr_len(pkt_ip4(m)) + UDP_HDR_LEN;
	struct rte_mbuf *head;
	uint32_t number;
	uint64_t to;

	if (rte_pktmbuf_pkt_len(m) < head_len) {
		drop(w, m, DROP_UDP_BAD);
		return;
	}
	head = chain_head(w, m, head_len);
	if (head == NULL) {
		drop(w, m, DROP_NO_BUFFER);
		return;
	}
	if (!is_valid(head, pkt_l4(head))) {
		drop(w, head, DROP_UDP_BAD);
		return;
	}
	to = udp_sync_end(ip4_hdr_dst(pkt_ip4(head)), udp_hdr_dport(pkt_l4(head)));
	switch (udp_service(w->net, (uint32_t)to, (uint16_t)(to >> 32))) {
	case UDP_ECHO:
		echo(w, head);
		return;
	case UDP_DISCARD:
		w->count[COUNT_udp_discard]++;
		consume(w, head);
		return;
	}
	number = expect_of(w, head);
	if (number != EXPECT_NONE)
		lane_put(&w->answer, head, number);
	else if (unlikely(to == atomic_load_explicit(&w->net->sync_end, memory_order_relaxed)))
		lane_put(&w->sync, head, 0);
	else if (w->sockets != NULL)
		lane_put(&w->dgram, head, 0);
	else if (punt_wants(w, head))
		lane_put(&w->punt, head, 0);
	else
		error_put(w, head, ERROR_PORT, 0);
}

void stage_udp(struct worker *w)
{
	for (uint32_t i = 0; i < w->udp.n; i++)
		udp_in(w, w->udp.pkt[i]);
}
