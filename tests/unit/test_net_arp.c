/* SPDX-License-Identifier: BSD-3-Clause */
/* ARP and RARP by worker: frame in; frame out, what control hears, and the books. */
#include "bed.h"
#include "fixtures.h"
#include "net/arp.h"
#include "net/rarp.h"
#include "wire/arp_hdr.h"

static struct bed *b;

#define OUR                                                                                        \
	{                                                                                          \
		0x02, 0, 0, 0, 0, 0xa1                                                             \
	}
#define HOST                                                                                       \
	{                                                                                          \
		0x02, 0, 0, 0, 0, 0x01                                                             \
	}
#define OTHER                                                                                      \
	{                                                                                          \
		0x02, 0, 0, 0, 0, 0x77                                                             \
	}
#define GROUP                                                                                      \
	{                                                                                          \
		0x01, 0, 0x5e, 0, 0, 0x01                                                          \
	}
#define EVERYBODY                                                                                  \
	{                                                                                          \
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff                                                 \
	}
#define NOBODY                                                                                     \
	{                                                                                          \
		0                                                                                  \
	}
#define KNOWN	   LAN_NET(1)	     /* at HOST, in the FIB */
#define UNKNOWN	   LAN_NET(9)	     /* not in the FIB */
#define ASKED	   LAN_NET(3)	     /* at HOST, and control is probing it */
#define UNRESOLVED LAN_NET(4)	     /* a next hop that has not answered */
#define ROUTED	   IP(198, 19, 0, 9) /* by the wan */

enum told { NOTHING, NEWS, CONFLICT };

struct want {
	enum drop_reason drop; /* DROP_MAX: consumed */
	bool reply;
	enum told told;
};

static const struct arp_case {
	const char *name;
	uint8_t dst[6];
	enum arp_op op;
	uint8_t sha[6];
	uint32_t spa;
	uint32_t tpa;
	uint16_t flags; /* of the interface */
	struct want want;
} cases[] = {
	{"a stranger asks for us", EVERYBODY, ARP_REQUEST, OTHER, UNKNOWN, LAN_ADDR, 0,
		{DROP_MAX, true, NEWS}},
	{"a stranger asks us by unicast", OUR, ARP_REQUEST, OTHER, UNKNOWN, LAN_ADDR, 0,
		{DROP_MAX, true, NEWS}},
	{"who is known asks: no news", EVERYBODY, ARP_REQUEST, HOST, KNOWN, LAN_ADDR, 0,
		{DROP_MAX, true, NOTHING}},
	{"who is known asks from another MAC", EVERYBODY, ARP_REQUEST, OTHER, KNOWN, LAN_ADDR, 0,
		{DROP_MAX, true, NEWS}},
	{"who is probed asks", EVERYBODY, ARP_REQUEST, HOST, ASKED, LAN_ADDR, 0,
		{DROP_MAX, true, NEWS}},
	{"probe for our address (RFC 5227)", EVERYBODY, ARP_REQUEST, OTHER, 0, LAN_ADDR, 0,
		{DROP_MAX, true, NOTHING}},
	{"probe for another address", EVERYBODY, ARP_REQUEST, OTHER, 0, UNKNOWN, 0,
		{DROP_ARP_NOT_OURS, false, NOTHING}},
	{"a stranger asks for another", EVERYBODY, ARP_REQUEST, OTHER, UNKNOWN, KNOWN, 0,
		{DROP_ARP_NOT_OURS, false, NOTHING}},
	{"who is known asks for another", EVERYBODY, ARP_REQUEST, HOST, KNOWN, UNKNOWN, 0,
		{DROP_ARP_NOT_OURS, false, NOTHING}},
	{"... from another MAC: merge", EVERYBODY, ARP_REQUEST, OTHER, KNOWN, UNKNOWN, 0,
		{DROP_ARP_NOT_OURS, false, NEWS}},
	{"a next hop without answer asks for another", EVERYBODY, ARP_REQUEST, HOST, UNRESOLVED,
		UNKNOWN, 0, {DROP_ARP_NOT_OURS, false, NEWS}},
	{"gratuitous request, unknown: not created", EVERYBODY, ARP_REQUEST, OTHER, UNKNOWN,
		UNKNOWN, 0, {DROP_ARP_NOT_OURS, false, NOTHING}},
	{"gratuitous request, new MAC", EVERYBODY, ARP_REQUEST, OTHER, KNOWN, KNOWN, 0,
		{DROP_ARP_NOT_OURS, false, NEWS}},
	{"gratuitous reply, new MAC", EVERYBODY, ARP_REPLY, OTHER, KNOWN, KNOWN, 0,
		{DROP_ARP_NOT_OURS, false, NEWS}},
	{"gratuitous request, same MAC", EVERYBODY, ARP_REQUEST, HOST, KNOWN, KNOWN, 0,
		{DROP_ARP_NOT_OURS, false, NOTHING}},
	{"reply to us", OUR, ARP_REPLY, OTHER, UNKNOWN, LAN_ADDR, 0, {DROP_MAX, false, NEWS}},
	{"reply to us, no news", OUR, ARP_REPLY, HOST, KNOWN, LAN_ADDR, 0,
		{DROP_MAX, false, NOTHING}},
	{"reply to our probe", OUR, ARP_REPLY, HOST, ASKED, LAN_ADDR, 0, {DROP_MAX, false, NEWS}},
	{"reply to another", EVERYBODY, ARP_REPLY, OTHER, UNKNOWN, KNOWN, 0,
		{DROP_ARP_NOT_OURS, false, NOTHING}},
	{"sender is a group", EVERYBODY, ARP_REQUEST, GROUP, UNKNOWN, LAN_ADDR, 0,
		{DROP_ARP_SOURCE, false, NOTHING}},
	{"sender is everybody", OUR, ARP_REPLY, EVERYBODY, UNKNOWN, LAN_ADDR, 0,
		{DROP_ARP_SOURCE, false, NOTHING}},
	{"sender is nobody", EVERYBODY, ARP_REQUEST, NOBODY, UNKNOWN, LAN_ADDR, 0,
		{DROP_ARP_SOURCE, false, NOTHING}},
	{"our own frame comes back", EVERYBODY, ARP_REQUEST, OUR, LAN_ADDR, UNKNOWN, 0,
		{DROP_ARP_SOURCE, false, NOTHING}},
	{"sender is on another link", EVERYBODY, ARP_REQUEST, OTHER, WAN_HOST, LAN_ADDR, 0,
		{DROP_ARP_OFFLINK, false, NOTHING}},
	{"sender is the broadcast address", EVERYBODY, ARP_REQUEST, OTHER, LAN_NET(255), LAN_ADDR,
		0, {DROP_ARP_OFFLINK, false, NOTHING}},
	{"sender is the network's address", EVERYBODY, ARP_REQUEST, OTHER, LAN_NET(0), LAN_ADDR, 0,
		{DROP_ARP_OFFLINK, false, NOTHING}},
	{"sender has our address", EVERYBODY, ARP_REQUEST, OTHER, LAN_ADDR, UNKNOWN, 0,
		{DROP_ARP_CONFLICT, false, CONFLICT}},
	{"sender announces our address", EVERYBODY, ARP_REQUEST, OTHER, LAN_ADDR, LAN_ADDR, 0,
		{DROP_ARP_CONFLICT, false, CONFLICT}},
	{"reply from our address", OUR, ARP_REPLY, OTHER, LAN_ADDR, LAN_ADDR, 0,
		{DROP_ARP_CONFLICT, false, CONFLICT}},
	{"sender has the other link's address of ours", EVERYBODY, ARP_REQUEST, OTHER, WAN_ADDR,
		LAN_ADDR, 0, {DROP_ARP_OFFLINK, false, NOTHING}},
	{"asks for our address on the other link", EVERYBODY, ARP_REQUEST, OTHER, UNKNOWN, WAN_ADDR,
		0, {DROP_ARP_NOT_OURS, false, NOTHING}},
	{"proxy: the other link's host", EVERYBODY, ARP_REQUEST, OTHER, UNKNOWN, WAN_HOST,
		IFACE_PROXY_ARP, {DROP_MAX, true, NEWS}},
	{"proxy: our address on the other link", EVERYBODY, ARP_REQUEST, HOST, KNOWN, WAN_ADDR,
		IFACE_PROXY_ARP, {DROP_MAX, true, NOTHING}},
	{"proxy: routed by the other link", EVERYBODY, ARP_REQUEST, HOST, KNOWN, ROUTED,
		IFACE_PROXY_ARP, {DROP_MAX, true, NOTHING}},
	{"proxy: on the same link", EVERYBODY, ARP_REQUEST, HOST, KNOWN, UNKNOWN, IFACE_PROXY_ARP,
		{DROP_ARP_NOT_OURS, false, NOTHING}},
	{"proxy: known on the same link", EVERYBODY, ARP_REQUEST, OTHER, UNKNOWN, KNOWN,
		IFACE_PROXY_ARP, {DROP_ARP_NOT_OURS, false, NOTHING}},
	{"proxy: no route", EVERYBODY, ARP_REQUEST, HOST, KNOWN, IP(9, 9, 9, 9), IFACE_PROXY_ARP,
		{DROP_ARP_NOT_OURS, false, NOTHING}},
	{"proxy: routed, but no host", EVERYBODY, ARP_REQUEST, HOST, KNOWN, IP(239, 1, 2, 3),
		IFACE_PROXY_ARP, {DROP_ARP_NOT_OURS, false, NOTHING}},
	{"proxy: a probe is not answered", EVERYBODY, ARP_REQUEST, HOST, 0, WAN_HOST,
		IFACE_PROXY_ARP, {DROP_ARP_NOT_OURS, false, NOTHING}},
	{"proxy is off", EVERYBODY, ARP_REQUEST, HOST, KNOWN, WAN_HOST, 0,
		{DROP_ARP_NOT_OURS, false, NOTHING}},
};

/* The neighbours and routes that the names above stand for. */
static int setup(void **state)
{
	static const uint8_t host[6] = HOST;
	struct route_conf routed = {
		.prefix = ROUTED & ip4_mask(16), .depth = 16, .n_via = 1, .via = {WAN_HOST}};
	struct route_conf groups = {
		.prefix = IP(224, 0, 0, 0), .depth = 3, .n_via = 1, .via = {WAN_HOST}};
	struct event asked = {.kind = EVENT_ARP, .arp_to_us = 1, .iface = LAN, .addr = ASKED};

	(void)state;
	b = bed_new(1);
	assert_int_equal(neigh_add(b->net, LAN, KNOWN, host, b->now), 0);
	memcpy(asked.mac, host, sizeof(host));
	neigh_event(b->net, &asked, b->now);
	adj_set_asked(b->net, bed_index(b, ASKED), true);
	assert_int_not_equal(neigh_ref(b->net, LAN, UNRESOLVED, b->now), 0);
	assert_int_equal(route_add(b->net, &routed, RIB4_OPERATOR, b->now), 0);
	assert_int_equal(route_add(b->net, &groups, RIB4_OPERATOR, b->now), 0);
	while (rib4_poll(b->net->rib, clock_now()) > 0)
		;
	bed_clear(b);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	bed_free(b);
	return 0;
}

static void run(struct rte_mbuf *m)
{
	lane_put(&b->w->arp, m, 0);
	stage_arp(b->w);
	b->w->arp.n = 0;
}

/* The one frame on a port's tx lane, as sent. */
static void expect_frame(uint16_t slot, const void *frame, uint32_t len)
{
	const struct txlane *t = &b->w->tx[slot];

	assert_int_equal(t->n, 1);
	assert_int_equal(rte_pktmbuf_pkt_len(t->pkt[0]), len);
	assert_memory_equal(rte_pktmbuf_mtod(t->pkt[0], void *), frame, len);
	assert_true(t->pkt[0]->port & PKT_ORIGIN);
}

static void expect_books(const struct want *want)
{
	const struct books *k = &b->w->books;

	for (int i = 0; i < DROP_MAX; i++)
		assert_int_equal(k->drop[i], i == (int)want->drop);
	assert_int_equal(k->consumed, want->drop == DROP_MAX);
	assert_int_equal(k->originated, want->reply);
	assert_int_equal(b->w->tx[LAN - 1].n, want->reply);
	memset(&b->w->books, 0, sizeof(b->w->books));
}

static void expect_told(const struct arp_case *c)
{
	bool to_us = c->want.reply || c->tpa == LAN_ADDR;
	struct event e;

	assert_int_equal(bed_event(b->w, &e), c->want.told != NOTHING);
	if (c->want.told == NOTHING)
		return;
	assert_int_equal(e.kind, c->want.told == NEWS ? EVENT_ARP : EVENT_CONFLICT);
	assert_int_equal(e.iface, LAN);
	assert_int_equal(e.addr, c->spa);
	assert_memory_equal(e.mac, c->sha, sizeof(e.mac));
	if (c->want.told == CONFLICT)
		return;
	assert_int_equal(e.arp_reply, c->op == ARP_REPLY);
	assert_int_equal(e.arp_to_us, to_us);
	assert_int_equal(e.arp_unicast, !eth_is_group(c->dst));
}

static void test_cases(void **state)
{
	(void)state;
	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		const struct arp_case *c = &cases[i];
		uint8_t frame[ETH_MIN_FRAME], expected[ETH_MIN_FRAME];
		struct arp_hdr h;
		struct rte_mbuf *m;

		print_message("%s\n", c->name);
		b->net->iface[LAN].flags = IFACE_UP | c->flags;
		arp_hdr_build(&h, c->op, c->sha, c->spa, NULL, c->tpa);
		arp_hdr_frame(frame, c->dst, &h);
		/* the padding need not be there */
		m = bed_frame(b, LAN, frame, i & 1 ? ETH_MIN_FRAME : ETH_HDR_LEN + ARP_HDR_LEN);
		m->port |= eth_is_group(c->dst) ? PKT_LINK_GROUP : 0;
		run(m);
		expect_told(c);
		if (c->want.reply) {
			arp_hdr_build(&h, ARP_REPLY, lan_mac, c->tpa, c->sha, c->spa);
			arp_hdr_frame(expected, c->sha, &h);
			expect_frame(LAN - 1, expected, sizeof(expected));
		}
		expect_books(&c->want);
		bed_rest(b);
	}
}

/* Too short, not Ethernet, not IPv4, wrong lengths, no such operation, wrong EtherType for it. */
static void test_malformed(void **state)
{
	static const struct {
		uint16_t at;
		uint8_t byte;
	} faults[] = {{14, 1}, {15, 6}, {16, 9}, {17, 1}, {18, 5}, {19, 6}, {20, 1}, {21, 0},
		{21, 3}, {21, 4}, {21, 5}, {13, 0x35}};
	uint8_t frame[ETH_MIN_FRAME];

	(void)state;
	for (size_t len = ETH_HDR_LEN; len < ETH_HDR_LEN + ARP_HDR_LEN; len++)
		run(bed_frame(b, LAN, arp_exchange_request, len));
	assert_int_equal(b->w->books.drop[DROP_ARP_BAD], ARP_HDR_LEN);
	for (size_t i = 0; i < RTE_DIM(faults); i++) {
		memcpy(frame, arp_exchange_request, sizeof(frame));
		frame[faults[i].at] = faults[i].byte;
		if (faults[i].at == 13)
			frame[12] = 0x80;
		run(bed_frame(b, LAN, frame, sizeof(frame)));
		assert_int_equal(b->w->books.drop[DROP_ARP_BAD], ARP_HDR_LEN + i + 1);
	}
	bed_rest(b);
}

/* The worked example, byte for byte; the padding of what was asked is not sent back. */
static void test_exchange(void **state)
{
	static const uint8_t mac[6] = {0x00, 0x05, 0x5d, 0xa1, 0xb8, 0x40};
	uint8_t request[sizeof(arp_exchange_request)];

	(void)state;
	bed_iface(b, 3, "site", mac, IP(192, 168, 0, 2), 24);
	bed_up(b, 3);
	bed_wait(b, 5000);
	bed_clear(b);
	memcpy(request, arp_exchange_request, sizeof(request));
	memset(request + ETH_HDR_LEN + ARP_HDR_LEN, 0xee, ETH_MIN_FRAME - 42);
	run(bed_frame(b, 3, request, sizeof(request)));
	expect_frame(2, arp_exchange_reply, sizeof(arp_exchange_reply));
	bed_rest(b);
}

/* What control has a worker send: broadcast, probe, announcement; with a tag on a VLAN. */
static void test_requests(void **state)
{
	static const uint8_t other[6] = OTHER;
	uint8_t frame[ETH_MIN_FRAME], tagged[ETH_MIN_FRAME + 4];
	struct arp_hdr h;
	struct command c;

	(void)state;
	assert_int_equal(arp_request(b->net, LAN, broadcast_mac, LAN_ADDR, UNKNOWN), 0);
	assert_true(bed_command(b->w, &c));
	assert_int_equal(c.kind, COMMAND_ARP_REQUEST);
	arp_send_request(b->w, &c);
	arp_hdr_request(&h, lan_mac, LAN_ADDR, UNKNOWN);
	arp_hdr_frame(frame, broadcast_mac, &h);
	expect_frame(LAN - 1, frame, sizeof(frame));
	bed_rest(b);

	b->net->iface[WAN].vlan = 100;
	assert_int_equal(arp_request(b->net, WAN, other, WAN_ADDR, WAN_HOST), 0);
	assert_true(bed_command(b->w, &c));
	arp_send_request(b->w, &c);
	arp_hdr_request(&h, wan_mac, WAN_ADDR, WAN_HOST);
	arp_hdr_frame(frame, other, &h);
	memcpy(tagged, frame, 12);
	memcpy(tagged + 12, (uint8_t[]){0x81, 0x00, 0x00, 0x64}, 4);
	memcpy(tagged + 16, frame + 12, sizeof(frame) - 12);
	expect_frame(WAN - 1, tagged, sizeof(tagged));
	bed_rest(b);
	assert_int_equal(b->w->count[COUNT_arp_requests_out], 2);
}

/* A worker that sends through another is not asked; without any, control hears of it. */
static void test_no_sender(void **state)
{
	struct command c;

	(void)state;
	b->w->tx[LAN - 1].via = 1;
	assert_int_equal(arp_request(b->net, LAN, broadcast_mac, LAN_ADDR, UNKNOWN), -EAGAIN);
	b->w->tx[LAN - 1].via = -1;
	b->w->tx[LAN - 1].ready = 0;
	assert_int_equal(arp_request(b->net, LAN, broadcast_mac, LAN_ADDR, UNKNOWN), -EAGAIN);
	assert_false(bed_command(b->w, &c));
}

static void test_no_buffer(void **state)
{
	static struct rte_mbuf *all[8192];
	uint32_t n = 0;
	struct rte_mbuf *m = bed_frame(b, 3, arp_exchange_request, sizeof(arp_exchange_request));

	(void)state;
	bed_iface(b, 3, "site", wan_mac, IP(192, 168, 0, 2), 24);
	bed_up(b, 3);
	while (n < RTE_DIM(all) && (all[n] = rte_pktmbuf_alloc(b->pool)) != NULL)
		n++;
	run(m);
	assert_int_equal(b->w->books.drop[DROP_NO_BUFFER], 1);
	assert_int_equal(b->w->books.originated, 1);
	assert_int_equal(b->w->books.consumed, 1);
	assert_int_equal(b->w->count[COUNT_arp_replies_out], 0);
	rte_pktmbuf_free_bulk(all, n);
	bed_rest(b);
}

/* However many come: control is told of so many, and again a little later. */
static void test_flood(void **state)
{
	uint8_t frame[ETH_MIN_FRAME];
	struct arp_hdr h;

	(void)state;
	arp_hdr_request(&h, (uint8_t[])OTHER, UNKNOWN, LAN_ADDR);
	arp_hdr_frame(frame, broadcast_mac, &h);
	for (int burst = 0; burst < 2; burst++) {
		uint32_t told = 0;
		struct event e;

		for (int i = 0; i < 200; i++)
			run(bed_frame(b, LAN, frame, sizeof(frame)));
		while (bed_event(b->w, &e))
			told++;
		assert_int_equal(told, 64);
		assert_int_equal(b->w->tx[LAN - 1].n, 200); /* every one is answered */
		bed_rest(b);
		b->w->now += clock_of_ms(10);
	}
	assert_int_equal(b->w->count[COUNT_arp_limited], 2 * (200 - 64));
}

static void test_rarp(void **state)
{
	static const uint8_t other[6] = OTHER, host[6] = HOST, group[6] = GROUP;
	struct rarp_entry_conf entries[] = {{.mac = OTHER, .addr = LAN_NET(77)},
		{.mac = {2, 0, 0, 0, 0, 9}, .addr = LAN_NET(9)}};
	struct rarp_conf conf = {RTE_DIM(entries), entries};
	const struct {
		enum arp_op op;
		const uint8_t *sha, *tha;
		enum drop_reason drop;
	} asks[] = {
		{RARP_REQUEST, other, other, DROP_MAX},
		{RARP_REQUEST, host, other, DROP_MAX}, /* on behalf of another (RFC 903) */
		{RARP_REQUEST, host, host, DROP_RARP_UNKNOWN},
		{RARP_REQUEST, group, other, DROP_ARP_SOURCE},
		{RARP_REPLY, host, other, DROP_ARP_NOT_OURS},
	};

	(void)state;
	assert_int_equal(rarp_build(b->net, &conf), 0);
	rarp_publish(b->net);
	rarp_retire(b->net);
	for (size_t i = 0; i < RTE_DIM(asks); i++) {
		struct want want = {asks[i].drop, asks[i].drop == DROP_MAX, NOTHING};
		uint8_t frame[ETH_MIN_FRAME];
		struct arp_hdr h;

		arp_hdr_build(&h, asks[i].op, asks[i].sha, 0, asks[i].tha, 0);
		arp_hdr_frame(frame, broadcast_mac, &h);
		run(bed_frame(b, LAN, frame, sizeof(frame)));
		if (want.reply) {
			arp_hdr_build(&h, RARP_REPLY, lan_mac, LAN_ADDR, other, LAN_NET(77));
			arp_hdr_frame(frame, asks[i].sha, &h);
			expect_frame(LAN - 1, frame, sizeof(frame));
		}
		expect_books(&want);
		bed_rest(b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_cases, setup, teardown),
		cmocka_unit_test_setup_teardown(test_malformed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_exchange, setup, teardown),
		cmocka_unit_test_setup_teardown(test_requests, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_sender, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_buffer, setup, teardown),
		cmocka_unit_test_setup_teardown(test_flood, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rarp, setup, teardown),
	};

	if (eal_for_tests(128) < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
