/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Seeded mutations of good frames through all slow stages in the order of the pipeline, in buffers
 * exactly as long as they are: no stage reads past a packet, none loses one, and the books balance
 * after every burst. What comes out are valid packets.
 */
#include "exact.h"
#include "frame.h"
#include "net/udp.h"
#include "the_worker.h"

#define BURST	64
#define BURSTS	600
#define SAMPLES 12

static uint64_t seed = 4711;

static uint32_t below(uint32_t n)
{
	return (uint32_t)(seeded(&seed) % n);
}

/* A good frame to us or through us; where its addresses are random they are of this bed. */
static uint32_t sample(uint8_t *frame)
{
	static const uint32_t hosts[] = {LAN_ADDR, LAN_HOST, WAN_ADDR, WAN_HOST, FAR_HOST,
		LAN_BCAST, 0xffffffff, 0xe0000001};
	static const uint8_t record[] = {7, 11, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0};
	static const uint8_t route[] = {131, 11, 4, 198, 18, 1, 2, 198, 18, 0, 2, 0};
	static const uint8_t stamp[] = {68, 12, 5, 1, 0, 0, 0, 0, 0, 0, 0, 0};
	static const uint8_t *opts[] = {record, route, stamp};
	struct ip4_fields f = {.id = (uint16_t)below(4),
		.ttl = (uint8_t)(1 + below(3)),
		.proto = IP4_PROTO_UDP,
		.src = below(4) ? LAN_HOST : hosts[below(RTE_DIM(hosts))],
		.dst = hosts[below(RTE_DIM(hosts))]};
	struct tcp_fields t = {.sport = 1, .dport = 2, .flags = (uint8_t)below(256), .opt_len = 8};
	static uint8_t inner[2048], payload[2048];
	uint32_t len;

	frame_fill(payload, sizeof(payload));
	switch (below(SAMPLES)) {
	case 0:
		return frame_udp(frame, f, 40000, 7, below(1400));
	case 1:
		return frame_udp(frame, f, 40000, (uint16_t)below(12), below(20));
	case 2:
		return frame_tcp(frame, f, t, below(100));
	case 3: /* an error about a packet of ours */
		len = frame_udp(inner, f, 7, 40000, 8);
		f.proto = IP4_PROTO_ICMP;
		memcpy(payload + ICMP_HDR_LEN, inner + ETH_HDR_LEN, len - ETH_HDR_LEN);
		icmp_hdr_build((struct icmp_hdr *)payload, 3, (uint8_t)below(16), 0,
			len - ETH_HDR_LEN + ICMP_HDR_LEN);
		return frame_ip4(frame, f, NULL, 0, payload, len - ETH_HDR_LEN + ICMP_HDR_LEN);
	case 4: /* fragments that often meet */
	case 5:
		f.dst = LAN_ADDR;
		f.frag = (uint16_t)(below(4) | (below(2) ? IP4_MF : 0));
		return frame_ip4(frame, f, NULL, 0, payload + 8 * (f.frag & 3), 8 * (1 + below(3)));
	case 6: /* an echo request with options */
		f.proto = IP4_PROTO_ICMP;
		icmp_hdr_build((struct icmp_hdr *)payload, 8, 0, 0, 40);
		return frame_ip4(frame, f, opts[below(3)], 12, payload, 40);
	case 7: /* larger than the wan's MTU */
		f.dst = FAR_HOST;
		f.frag = below(2) ? IP4_DF : 0;
		return frame_ip4(frame, f, opts[below(3)], 12, payload, 1000 + below(400));
	default:
		return frame_icmp(frame, f, (uint8_t)(below(2) ? 8 : below(20)), 0, below(200));
	}
}

/* Bytes changed, the frame cut short, or made longer; the header's checksum right half the time. */
static uint32_t mutate(uint8_t *frame, uint32_t len)
{
	for (uint32_t n = below(4); n > 0; n--)
		frame[below(2) ? 14 + below(24) : below(len)] = (uint8_t)below(256);
	if (below(8) == 0)
		len = 1 + below(len);
	else if (below(8) == 0)
		len += below(100);
	if (below(2) && len >= ETH_HDR_LEN + IP4_HDR_LEN_MAX)
		ip4_hdr_csum_set(frame_ip(frame));
	return len;
}

static void inject(void)
{
	static uint8_t frame[FRAME_MAX];
	struct rte_mbuf *m;
	uint32_t len;

	memset(frame, 0, 4096);
	len = sample(frame);
	eth_hdr_build((struct eth_hdr *)frame, fake_mac[LAN], fake_host_mac[LAN], ETH_TYPE_IP4);
	if (below(10) == 0)
		memset(frame, 0xff, 6);
	len = mutate(frame, len);
	m = fake_packet(w, LAN, frame, len, below(3) ? 0 : 1 + below(60), FAKE_EXACT);
	lane_put(&w->odd, m, 0);
}

/* What leaves: an ARP packet or a valid IPv4 packet that fits its link. */
static void inspect(uint16_t slot)
{
	struct txlane *t = &w->tx[slot];

	for (uint16_t i = 0; i < t->n; i++) {
		struct rte_mbuf *m = t->pkt[i];
		uint8_t copy[2048];
		const uint8_t *frame = rte_pktmbuf_read(m, 0, m->pkt_len, copy);

		assert_int_equal(rte_mbuf_check(m, 1, &(const char *){NULL}), 0);
		assert_true(m->pkt_len >= ETH_MIN_FRAME);
		if (eth_hdr_type((const struct eth_hdr *)frame) == ETH_TYPE_ARP)
			continue;
		assert_memory_equal(frame, fake_host_mac[slot + 1], 6);
		assert_int_equal(ip4_hdr_check(frame + 14, m->pkt_len - 14), IP4_OK);
		assert_true(ip4_hdr_total_len((const void *)(frame + 14)) <=
			    w->net->iface[slot + 1].mtu);
	}
}

static void pass(void)
{
	const struct {
		struct lane *lane;
		stage_fn *fn;
	} stages[] = {{&w->odd, stage_odd}, {&w->arp, stage_arp}, {&w->in, stage_fib_in},
		{&w->fwd, stage_forward}, {&w->local, stage_local}, {&w->reasm, stage_reassemble},
		{&w->steer, stage_steer}, {&w->icmp, stage_icmp}, {&w->udp, stage_udp},
		{&w->tcp, stage_tcp_reset}, {&w->error, stage_error}, {&w->out, stage_fib_out},
		{&w->fwd_out, stage_forward_out}, {&w->frag, stage_fragment}};

	for (size_t i = 0; i < RTE_DIM(stages); i++) {
		fake_run(w, stages[i].lane, stages[i].fn);
		fake_balanced(w);
	}
	inspect(0);
	inspect(1);
}

static void test_mutations(void **state)
{
	uint64_t echoed = 0, reassembled = 0, told = 0, fragments = 0;

	(void)state;
	for (int burst = 0; burst < BURSTS; burst++) {
		w->now += clock_of_ms(500);
		w->net->set.source_route = below(2);
		for (int i = 0; i < BURST; i++)
			inject();
		reasm_expire(w, TIMER_BUDGET);
		pass();
		if (burst % 8 != 7)
			continue;
		echoed += w->count[COUNT_icmp_echo_replies] + w->count[COUNT_udp_echo];
		reassembled += w->count[COUNT_reassembled];
		told += w->count[COUNT_icmp_errors_out];
		fragments += w->count[COUNT_fragments_made];
		fake_rest(w);
	}
	/* it was not all refused at the door */
	assert_true(echoed > 100 && reassembled > 10 && told > 100 && fragments > 100);
	fake_rest(w);
}

static int set_up(void **state)
{
	static struct udp_service_conf services[] = {
		{.kind = UDP_ECHO, .port = 7}, {.kind = UDP_DISCARD, .port = 9}};

	if (fake_set_up(state) < 0)
		return -1;
	w->net->iface[WAN].mtu = 600;
	adj_set(w->net, WAN, WAN, WAN_HOST, fake_host_mac[WAN]);
	if (udp_build(w->net, &(struct udp_conf){.n = 2, .list = services}) < 0)
		return -1;
	udp_publish(w->net);
	udp_retire(w->net);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_mutations)};

	return cmocka_run_group_tests(tests, set_up, fake_tear_down);
}
