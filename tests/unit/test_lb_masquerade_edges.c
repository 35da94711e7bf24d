/* SPDX-License-Identifier: BSD-3-Clause */
/* Masquerade at its edges: the first and the last port, a table that is full, packets cut short. */
#include "masquerade_bed.h"

static struct lb_bed_packet datagram(uint16_t sport)
{
	return (struct lb_bed_packet){LAN_HOST, WAN_HOST, sport, 53};
}

static void test_first_and_last_port(void **state)
{
	static const uint16_t ports[] = {FIRST, LAST};

	(void)state;
	begin(1, 0);
	for (size_t i = 0; i < RTE_DIM(ports); i++) {
		struct lb_bed_packet back = {WAN_HOST, OWN, 53, ports[i]};

		assert_int_equal(mapped(datagram(ports[i])), ports[i]); /* as inside */
		answered(back, LAN_HOST, ports[i]);
	}
	end();
}

/* A table of one home and its seven neighbours: 24 places. */
static void begin_small(void)
{
	configure(0);
	conf.c.max_flows = 1;
	net = lb_bed_new(1, &conf)->net;
	assert_int_equal(lb_bed_apply(net, &conf), 0);
}

/* What had to go has its port given back, and is in no book. */
static void test_displaced(void **state)
{
	const struct lb_nat *n;

	(void)state;
	begin_small();
	n = &net->lb->nat[0];
	for (uint16_t i = 0; i < 60; i++)
		mapped(datagram((uint16_t)(1000 + i)));
	assert_int_equal(nat_bed_flows(net), 24);
	assert_int_equal(nat_bed_ports(net, LB_NAT_UDP), 24);
	assert_int_equal(lb_backend_count(net, n->backend[LB_NAT_UDP]).flows, 24);
	assert_int_equal(lb_service_count(net, n->service[LB_NAT_UDP]).flows, 24);
	end();
}

/* The mapping that a packet from inside is for goes for its sender's: nobody gets it. */
static void test_a_hairpin_that_displaces(void **state)
{
	struct nat_result r;
	uint16_t port;

	(void)state;
	begin_small();
	port = mapped(datagram(1000));
	lb_bed_wait(net, 2000);
	for (uint16_t i = 1; i < 24; i++)
		mapped(datagram((uint16_t)(1000 + i)));
	r = sent(0, LAN, (struct lb_bed_packet){NEIGHBOUR, OWN, 2000, port});
	assert_int_equal(r.end, LOCAL);
	end();
}

/* Who comes from outside is outside, whatever address he says that he has. */
static void test_an_inside_address_outside(void **state)
{
	(void)state;
	begin(WORKERS, 0);
	answered((struct lb_bed_packet){NEIGHBOUR, OWN, 2000, mapped(datagram(1000))}, LAN_HOST,
		1000);
	assert_int_equal(nat_bed_flows(net), 1);
	end();
}

/* What an error quotes ends where its packet does, and not where the frame does. */
static void test_padding(void **state)
{
	struct lb_bed_packet about = {OWN, WAN_HOST, 0, 53};
	uint8_t quoted[200], frame[300];
	struct ip4_hdr *ip = frame_ip(frame);
	uint32_t len;

	(void)state;
	begin(1, 0);
	about.sport = mapped(datagram(1000));
	lb_bed_frame(quoted, &about);
	len = nat_bed_error(frame, WAN_HOST, OWN, quoted, 28);
	assert_int_equal(nat_bed_frame(net, 0, WAN, frame, len).end, OUT);
	ip->total_len = to_be16(IP4_HDR_LEN + ICMP_HDR_LEN + 20);
	ip4_hdr_csum_set(ip);
	assert_int_equal(nat_bed_frame(net, 0, WAN, frame, len).end, LOCAL);
	end();
}

/* An interface that is not there has nothing go out by it, nor has what no route leads to. */
static void test_no_interface(void **state)
{
	struct lb_bed_packet p = {LAN_HOST, FAKE_ADDR(203, 0, 113, 77), 1000, 53};

	(void)state;
	configure(VIRTUAL);
	strcpy(rule.out, "nowhere");
	net = lb_bed_new(1, &conf)->net;
	assert_int_equal(lb_bed_apply(net, &conf), 0);
	sent(0, LAN, p);
	sent(0, LAN, datagram(1000));
	p.dst = LAN_ADDR;
	sent(0, LAN, p);
	assert_int_equal(nat_bed_flows(net), 0);
	end();
}

/* The last acknowledgements are no new connection. */
static void test_the_last_acknowledgement(void **state)
{
	static const uint8_t flags[] = {TCP_SYN, TCP_ACK, TCP_FIN | TCP_ACK, TCP_ACK, TCP_ACK};
	struct lb_bed_packet p = {LAN_HOST, WAN_HOST, 1000, 80};

	(void)state;
	begin(1, 0);
	for (size_t i = 0; i < RTE_DIM(flags); i++) {
		struct nat_result r;

		p.flags = flags[i];
		r = sent(0, LAN, p);
		assert_int_equal(r.end, OUT);
		r = sent(0, WAN,
			(struct lb_bed_packet){WAN_HOST, OWN, 80, nat_bed_sport(&r),
				(uint8_t)(flags[i] | TCP_ACK)});
		assert_int_equal(r.end, OUT);
	}
	lb_bed_wait(net, 55000);
	assert_int_equal(nat_bed_ports(net, LB_NAT_TCP), 0);
	end();
}

/* A port without a mapping is its worker's to look at, and then anybody's packet again. */
static void test_no_mapping(void **state)
{
	struct lb_bed_packet p = {WAN_HOST, OWN, 53, FIRST};

	(void)state;
	begin(WORKERS, 0);
	for (; p.dport < FIRST + 20; p.dport++) {
		uint16_t owner = lb_port_owner(net, p.dport),
			 at = (uint16_t)((owner + 1) % WORKERS);
		uint8_t frame[200];
		struct worker *w = net->worker[at];
		struct rte_mbuf *m =
			fake_packet(w, WAN, frame, lb_bed_frame(frame, &p), 0, FAKE_EXACT);

		lane_put(&w->in, m, OWN);
		nat_bed_pass(w);
		w = net->worker[owner];
		assert_int_equal(stage_handover(w), 1);
		nat_bed_pass(w);
		assert_int_equal(w->local.n, 1);
		assert_int_equal(w->local.pkt[0]->port & PKT_STEERED, 0);
		fake_balanced(w);
		fake_in_lanes(w, true);
		for (uint16_t i = 0; i < WORKERS; i++)
			memset(&net->worker[i]->books, 0, sizeof(net->worker[i]->books));
	}
	end();
}

/* More than there are slots for is not built, and takes nothing. */
static void test_no_slots(void **state)
{
	(void)state;
	configure(0);
	conf.c.max_services = conf.c.max_backends = 1; /* two slots of each */
	net = lb_bed_new(1, &conf)->net;
	assert_int_equal(lb_bed_apply(net, &conf), -ENOSPC);
	assert_false(net->lb->control->nat[0].used);
	conf.c.n_masquerades = 0;
	assert_int_equal(lb_bed_apply(net, &conf), 0);
	end();
}

static int set_up(void **state)
{
	(void)state;
	return eal_for_tests(256) < 0 ? -1 : 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_first_and_last_port),
		cmocka_unit_test(test_displaced),
		cmocka_unit_test(test_a_hairpin_that_displaces),
		cmocka_unit_test(test_an_inside_address_outside),
		cmocka_unit_test(test_padding),
		cmocka_unit_test(test_no_interface),
		cmocka_unit_test(test_the_last_acknowledgement),
		cmocka_unit_test(test_no_mapping),
		cmocka_unit_test(test_no_slots),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
