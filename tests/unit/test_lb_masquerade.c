/* SPDX-License-Identifier: BSD-3-Clause */
/* Masquerade: a network behind one address, on one worker and on several. */
#include "masquerade_bed.h"
#include "net/error.h"

#define SERVICE FAKE_ADDR(198, 18, 2, 77)

/* A masquerade, and NAT to a host outside (:80) and to one inside (:8080), beside it. */
static void begin_both(uint16_t workers, uint32_t addr)
{
	static const uint32_t backends[] = {WAN_HOST, LAN_HOST};

	begin(workers, addr);
	for (uint32_t i = 0; i < RTE_DIM(backends); i++) {
		struct lb_service_conf *s =
			lb_bed_service(&conf, i == 0 ? "out" : "in", SERVICE + i, 80, LB_TCP);

		lb_bed_backend(s, backends[i], i == 0 ? 80 : 8080, 1);
	}
	assert_int_equal(lb_bed_apply(net, &conf), 0);
}

/* One mapping for whomever it talks to (REQ-1), and whoever talks to it gets in (REQ-8). */
static void test_packets(void **state)
{
	static const struct lb_bed_packet cases[] = {
		{LAN_HOST, WAN_HOST, 1000, 80, TCP_SYN},
		{LAN_HOST, WAN_HOST, 1000, 53, .len = 30},
		{LAN_HOST, WAN_HOST, 1001, 53},
		{LAN_HOST, WAN_HOST, 1002, 53, .len = 3, .no_csum = true},
		{LAN_HOST, WAN_HOST, 1003, 53, .len = 3, .opts = 8},
		{LAN_HOST, FAR_HOST, 10005, 80, TCP_SYN, .len = 9},
	};

	(void)state;
	for (uint32_t i = 0; i < 4; i++) {
		uint32_t from = i & 1 ? VIRTUAL : 0;

		begin(i & 2 ? WORKERS : 1, from);
		from = from == 0 ? OWN : from;
		for (size_t j = 0; j < RTE_DIM(cases); j++) {
			struct lb_bed_packet p = cases[j];
			uint8_t flags = p.flags == 0 ? 0 : TCP_SYN | TCP_ACK;
			uint16_t port = mapped(p);

			p.dst = STRANGER;
			p.dport = 4000;
			assert_int_equal(mapped(p), port);
			answered((struct lb_bed_packet){WAN_HOST, from, 80, port, flags}, LAN_HOST,
				p.sport);
			answered((struct lb_bed_packet){STRANGER, from, 7, port, flags, .len = 8},
				LAN_HOST, p.sport);
		}
		assert_int_equal(nat_bed_ports(net, LB_NAT_TCP), 2);
		assert_int_equal(nat_bed_ports(net, LB_NAT_UDP), 4);
		end();
	}
}

/* The inside port stays where it can be: free, of the range, and of the worker's share. */
static void test_ports_are_kept(void **state)
{
	uint32_t kept = 0;

	(void)state;
	begin(1, 0);
	assert_int_equal(
		mapped((struct lb_bed_packet){LAN_HOST, WAN_HOST, LAST, 80, TCP_SYN}), LAST);
	assert_int_not_equal(
		mapped((struct lb_bed_packet){NEIGHBOUR, WAN_HOST, LAST, 80, TCP_SYN}), LAST);
	end();
	begin(WORKERS, 0);
	for (uint16_t i = 0; i < 64; i++) /* whose owner a host's address says, too */
		kept += mapped((struct lb_bed_packet){LAN_HOST + i, WAN_HOST, (uint16_t)(FIRST + i),
				80, TCP_SYN}) == FIRST + i;
	assert_true(kept > 0);
	end();
}

/* --- what is none of its business, and what cannot be masqueraded --- */

static void test_others(void **state)
{
	(void)state;
	begin(WORKERS, 0);
	{
		uint16_t port =
			mapped((struct lb_bed_packet){LAN_HOST, WAN_HOST, 1000, 80, TCP_SYN});
		uint16_t none = port == FIRST ? FIRST + 1 : port - 1;
		const struct {
			const char *name;
			struct lb_bed_packet p;
			uint16_t in;
			enum nat_way end;
			uint32_t value;
		} cases[] = {
			{"not from inside", {FAR_HOST, LAN_HOST, 1, 2, TCP_SYN}, WAN, PLAIN, 0},
			{"from outside, out again", {STRANGER, WAN_HOST, 1, 2, TCP_SYN}, WAN, PLAIN,
				0},
			{"not by that interface", {LAN_HOST, LAN_HOST + 1, 1, 2}, LAN, PARKED, 0},
			{"to our inside address", {LAN_HOST, LAN_ADDR, 1, 2}, LAN, LOCAL, 0},
			{"from inside to a port that is not mapped", {LAN_HOST, OWN, 1, none}, LAN,
				LOCAL, 0},
			{"to a port below the range", {WAN_HOST, OWN, 1, 80, TCP_SYN}, WAN, LOCAL,
				0},
			{"to a port above the range", {WAN_HOST, OWN, 1, LAST + 1, TCP_SYN}, WAN,
				LOCAL, 0},
			{"to a port that is not mapped", {WAN_HOST, OWN, 1, none, TCP_SYN}, WAN,
				LOCAL, 0},
			{"to a port of another protocol", {WAN_HOST, OWN, 1, port}, WAN, LOCAL, 0},
			{"fragment in", {WAN_HOST, OWN, 1, port, .frag = IP4_MF}, WAN, LOCAL, 0},
			{"fragment out", {LAN_HOST, WAN_HOST, 1, 2, .frag = IP4_MF}, LAN, LOCAL, 0},
			{"reset of nothing", {LAN_HOST, WAN_HOST, 9, 9, TCP_RST}, LAN, DROPPED,
				DROP_LB_NO_FLOW},
			{"TTL 1", {LAN_HOST, WAN_HOST, 8, 9, .ttl = 1}, LAN, ERROR, ERROR_TTL},
			{"no neighbour yet", {LAN_HOST, WAN_HOST + 7, 8, 9}, LAN, PARKED, 0},
			{"no route", {LAN_HOST, FAKE_ADDR(203, 0, 113, 1), 8, 9}, LAN, ERROR,
				ERROR_NO_ROUTE},
		};

		for (size_t i = 0; i < RTE_DIM(cases); i++)
			for (uint16_t at = 0; at < WORKERS; at++) {
				struct nat_result r = sent(at, cases[i].in, cases[i].p);

				if (r.end != cases[i].end || r.value != cases[i].value)
					fail_msg("%s: %d, %u", cases[i].name, r.end, r.value);
			}
	}
	end();
}

static void test_protocols(void **state)
{
	static const uint8_t protos[] = {IP4_PROTO_GRE, IP4_PROTO_IPIP, 50, 132};
	uint8_t frame[200];

	(void)state;
	begin(1, 0);
	for (size_t i = 0; i < sizeof(protos); i++) {
		struct ip4_fields f = {
			.ttl = 9, .proto = protos[i], .src = LAN_HOST, .dst = WAN_HOST};
		uint32_t len = frame_ip4(frame, f, NULL, 0, "0123456789abcdefghij", 20);
		struct nat_result r = nat_bed_frame(net, 0, LAN, frame, len);

		assert_int_equal(r.end, DROPPED);
		assert_int_equal(r.value, DROP_LB_NOT_MAPPED);
	}
	/* headers that are not whole */
	for (uint32_t cut = 0; cut < TCP_HDR_LEN; cut++) {
		struct ip4_fields f = {
			.ttl = 9, .proto = IP4_PROTO_TCP, .src = LAN_HOST, .dst = WAN_HOST};
		uint32_t len = frame_ip4(frame, f, NULL, 0, "0123456789abcdefghij", cut);

		assert_int_equal(nat_bed_frame(net, 0, LAN, frame, len).end, DROPPED);
		f.proto = IP4_PROTO_ICMP;
		len = frame_ip4(frame, f, NULL, 0, "\3\3..\0\0\0\0\x45\0\0\x14........", cut);
		assert_int_equal(nat_bed_frame(net, 0, LAN, frame, len).end, DROPPED);
		f = (struct ip4_fields){
			.ttl = 9, .proto = IP4_PROTO_ICMP, .src = WAN_HOST, .dst = OWN};
		len = frame_ip4(frame, f, NULL, 0, "\3\3..\0\0\0\0\x45\0\0\x14........", cut);
		assert_int_equal(nat_bed_frame(net, 0, WAN, frame, len).end, LOCAL);
	}
	end();
}

/* --- hairpins (RFC 4787 REQ-9): both ends are mapped, and see each other's outside ends --- */

static void test_hairpin(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 4; i++) {
		uint32_t ours = i & 1 ? VIRTUAL : OWN;

		begin(i & 2 ? WORKERS : 1, i & 1 ? VIRTUAL : 0);
		for (uint16_t j = 0; j < 16; j++) {
			struct lb_bed_packet out = {
				LAN_HOST, WAN_HOST, (uint16_t)(1000 + j), 9, j & 1 ? TCP_SYN : 0};
			uint16_t port = mapped(out);
			struct lb_bed_packet in = {
				NEIGHBOUR, ours, 2000, port, out.flags, .len = j};
			struct lb_bed_packet as;
			struct nat_result r = {0};

			for (uint16_t at = 0; at < net->n_workers; at++) {
				r = sent(at, LAN, in);
				assert_true(r.handed <= 3);
				as = nat_bed_ends(in, ours, nat_bed_sport(&r), LAN_HOST,
					(uint16_t)(1000 + j));
				nat_bed_went(&r, &as);
				assert_in_range(nat_bed_sport(&r), FIRST, LAST);
			}
			in.dst = STRANGER; /* the same mapping as outside */
			assert_int_equal(mapped(in), nat_bed_sport(&r));
		}
		end();
	}
}

/* --- ICMP --- */

static void test_echo(void **state)
{
	uint8_t frame[200];

	(void)state;
	for (uint16_t workers = 1; workers <= WORKERS; workers += 3) {
		uint16_t id = 0;

		begin(workers, 0);
		for (uint16_t at = 0; at < workers; at++) {
			uint32_t len = nat_bed_echo(frame, LAN_HOST, FAR_HOST, ICMP_TYPE_ECHO, 77);
			struct nat_result r = nat_bed_frame(net, at, LAN, frame, len);

			assert_true(id == 0 || id == nat_bed_id(&r));
			id = nat_bed_id(&r);
			assert_in_range(id, FIRST, LAST);
			nat_bed_echo(frame, OWN, FAR_HOST, ICMP_TYPE_ECHO, id);
			nat_bed_is(&r, frame, len);
			nat_bed_echo(frame, FAR_HOST, OWN, ICMP_TYPE_ECHO_REPLY, id);
			r = nat_bed_frame(net, at, WAN, frame, len);
			nat_bed_echo(frame, FAR_HOST, LAN_HOST, ICMP_TYPE_ECHO_REPLY, 77);
			nat_bed_is(&r, frame, len);
			/* whoever pings us is answered by us */
			nat_bed_echo(frame, FAR_HOST, OWN, ICMP_TYPE_ECHO, id);
			assert_int_equal(nat_bed_frame(net, at, WAN, frame, len).end, LOCAL);
		}
		lb_bed_wait(net, 60000 + 45000);
		assert_int_equal(nat_bed_ports(net, LB_NAT_ICMP), 0);
		end();
	}
}

/* A router outside complains of what we sent, a host inside of what it got. */
static void test_errors(void **state)
{
	static const struct lb_bed_packet cases[] = {
		{LAN_HOST, WAN_HOST, 1000, 80, TCP_SYN, .len = 40},
		{LAN_HOST, WAN_HOST, 1000, 53, .len = 30},
		{LAN_HOST, WAN_HOST, 1002, 53, .len = 30, .no_csum = true},
	};
	static const uint32_t rooms[] = {28, 36, 40, 58};
	uint8_t about[200], as[200], frame[300], expect[300];

	(void)state;
	begin(WORKERS, 0);
	for (size_t i = 0; i < RTE_DIM(cases) * RTE_DIM(rooms); i++) {
		struct lb_bed_packet p = cases[i / RTE_DIM(rooms)], q, back;
		uint32_t room = rooms[i % RTE_DIM(rooms)], len;
		struct nat_result r;

		q = nat_bed_ends(p, OWN, mapped(p), p.dst, p.dport);
		for (uint16_t at = 0; at < WORKERS; at++) {
			lb_bed_frame(about, &q);
			lb_bed_frame(as, &p);
			len = nat_bed_error(frame, STRANGER, OWN, about, room);
			r = nat_bed_frame(net, at, WAN, frame, len);
			assert_int_equal(nat_bed_error(expect, STRANGER, LAN_HOST, as, room), len);
			nat_bed_is(&r, expect, len);

			back = nat_bed_back(p, TCP_ACK);
			lb_bed_frame(about, &back);
			back = nat_bed_back(q, TCP_ACK);
			lb_bed_frame(as, &back);
			len = nat_bed_error(frame, LAN_HOST, WAN_HOST, about, room);
			r = nat_bed_frame(net, at, LAN, frame, len);
			assert_int_equal(nat_bed_error(expect, OWN, WAN_HOST, as, room), len);
			nat_bed_is(&r, expect, len);
		}
	}
	end();
}

/* About a backend's packet, but of no flow: routed as it is. */
static void expect_plain(struct lb_bed_packet about)
{
	uint8_t quoted[200], frame[300];

	lb_bed_frame(quoted, &about);
	for (uint16_t at = 0; at < net->n_workers; at++) {
		uint32_t len = nat_bed_error(frame, about.dst, about.src, quoted, 40);
		struct nat_result r = nat_bed_frame(net, at, WAN, frame, len);

		assert_int_equal(r.end, PLAIN);
		assert_memory_equal(r.frame + ETH_HDR_LEN, frame + ETH_HDR_LEN, len - ETH_HDR_LEN);
	}
}

/* Hosts outside and inside are backends, too: errors are still whose they are, or nobody's here. */
static void test_errors_beside_nat(void **state)
{
	(void)state;
	for (uint16_t i = 0; i < 40; i++) {
		uint32_t own = i & 1 ? VIRTUAL : OWN;
		struct lb_bed_packet out = {LAN_HOST, WAN_HOST, (uint16_t)(1000 + i), 80, TCP_SYN};
		struct lb_bed_packet in = {LAN_HOST, STRANGER, 8080, (uint16_t)(2000 + i), TCP_SYN};
		struct lb_bed_packet flow = {
			STRANGER, SERVICE + 1, (uint16_t)(3000 + i), 80, TCP_SYN};
		struct lb_bed_packet told;
		struct nat_result r;
		uint16_t port;

		begin_both(i & 2 ? WORKERS : 1, i & 1 ? VIRTUAL : 0);
		port = mapped(out);
		told = nat_bed_ends(out, own, port, WAN_HOST, 80);
		nat_bed_complained(net, WAN, STRANGER, own, told, STRANGER, LAN_HOST, out);
		r = sent(0, LAN,
			in); /* asked for by two: by the service's flows, then by mappings */
		assert_int_equal(r.end, OUT);
		port = nat_bed_sport(&r);
		told = nat_bed_back(nat_bed_ends(in, own, port, in.dst, in.dport), TCP_ACK);
		nat_bed_complained(net, LAN, LAN_HOST, STRANGER, nat_bed_back(in, TCP_ACK), own,
			STRANGER, told);
		sent(0, WAN, flow);
		told = nat_bed_ends(flow, STRANGER, flow.sport, LAN_HOST, 8080);
		nat_bed_complained(net, LAN, LAN_HOST, STRANGER, told, SERVICE + 1, STRANGER, flow);
		expect_plain((struct lb_bed_packet){STRANGER, WAN_HOST, 9, 80, TCP_SYN});
		end();
	}
}

static void test_errors_about_echoes(void **state)
{
	uint8_t about[200], as[200], frame[300], expect[300];
	struct nat_result r;
	uint32_t len;
	uint16_t id;

	(void)state;
	begin(WORKERS, 0);
	len = nat_bed_echo(about, LAN_HOST, FAR_HOST, ICMP_TYPE_ECHO, 77);
	r = nat_bed_frame(net, 0, LAN, about, len);
	id = nat_bed_id(&r);
	nat_bed_echo(as, LAN_HOST, FAR_HOST, ICMP_TYPE_ECHO, 77);
	nat_bed_echo(about, OWN, FAR_HOST, ICMP_TYPE_ECHO, id);
	for (uint16_t at = 0; at < WORKERS; at++) {
		len = nat_bed_error(frame, STRANGER, OWN, about, 28);
		r = nat_bed_frame(net, at, WAN, frame, len);
		nat_bed_error(expect, STRANGER, LAN_HOST, as, 28);
		nat_bed_is(&r, expect, len);
	}
	/* about what we never sent: our own affair */
	nat_bed_echo(about, OWN, FAR_HOST, ICMP_TYPE_ECHO, id == FIRST ? FIRST + 1 : FIRST);
	len = nat_bed_error(frame, STRANGER, OWN, about, 28);
	assert_int_equal(nat_bed_frame(net, 0, WAN, frame, len).end, LOCAL);
	/* and a host inside complains of what never came this way */
	lb_bed_frame(about, &(struct lb_bed_packet){WAN_HOST, LAN_HOST, 80, 4321, TCP_SYN});
	len = nat_bed_error(frame, LAN_HOST, WAN_HOST, about, 40);
	r = nat_bed_frame(net, 0, LAN, frame, len);
	assert_int_equal(r.end, DROPPED);
	assert_int_equal(r.value, DROP_LB_NO_FLOW);
	end();
}

/* --- as time goes --- */

static void test_exhaustion(void **state)
{
	uint32_t n = 0, refused = 0;

	(void)state;
	begin(WORKERS, 0);
	for (uint16_t i = 0; i < 8 * PORTS; i++) {
		struct nat_result r = sent(i % WORKERS, LAN,
			(struct lb_bed_packet){LAN_HOST, WAN_HOST, (uint16_t)(20000 + i), 53});

		n += r.end == OUT;
		refused += r.end == DROPPED && r.value == DROP_LB_NO_PORT;
	}
	assert_int_equal(n, PORTS);
	assert_int_equal(n + refused, 8 * PORTS);
	assert_int_equal(nat_bed_flows(net), PORTS);
	lb_bed_wait(net, 300000 - 1000);
	assert_int_equal(nat_bed_ports(net, LB_NAT_UDP), PORTS); /* RFC 4787 REQ-5 */
	lb_bed_wait(net, 45000);
	assert_int_equal(nat_bed_ports(net, LB_NAT_UDP), 0);
	mapped((struct lb_bed_packet){LAN_HOST, WAN_HOST, 1, 53});
	end();
}

/* A connection's end is the mapping's, unless another one is there: RFC 5382 REQ-5. */
static void test_tcp_times(void **state)
{
	static const struct {
		const char *name;
		uint8_t out[4], in[4]; /* flags, one after another by turns, 0: none */
		bool data;	       /* and then data of another connection */
		uint32_t lives, over;  /* seconds */
	} cases[] = {
		{"half open", {TCP_SYN}, {0}, false, 239, 285},
		{"open", {TCP_SYN, TCP_ACK}, {TCP_SYN | TCP_ACK}, false, 7430, 7490},
		{"half closed", {TCP_SYN, TCP_ACK, TCP_FIN | TCP_ACK}, {TCP_SYN | TCP_ACK, TCP_ACK},
			false, 239, 285},
		{"closed", {TCP_SYN, TCP_ACK, TCP_FIN | TCP_ACK},
			{TCP_SYN | TCP_ACK, TCP_ACK, TCP_FIN | TCP_ACK}, false, 9, 55},
		{"closed, and another", {TCP_SYN, TCP_ACK, TCP_FIN | TCP_ACK},
			{TCP_SYN | TCP_ACK, TCP_ACK, TCP_FIN | TCP_ACK}, true, 7430, 7490},
		{"reset", {TCP_SYN, TCP_ACK}, {TCP_SYN | TCP_ACK, TCP_RST}, false, 9, 55},
	};

	(void)state;
	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		struct lb_bed_packet p = {LAN_HOST, WAN_HOST, 1000, 80, TCP_SYN}, back = p;

		begin(1, 0);
		back = (struct lb_bed_packet){WAN_HOST, OWN, 80, mapped(p), TCP_ACK};
		for (int j = 0; j < 4; j++) {
			p.flags = cases[i].out[j];
			back.flags = cases[i].in[j];
			if (p.flags != 0)
				assert_int_equal(sent(0, LAN, p).end, OUT);
			if (back.flags != 0)
				assert_int_equal(sent(0, WAN, back).end, OUT);
		}
		p.flags = TCP_ACK;
		p.dport = 81;
		p.len = 1;
		if (cases[i].data)
			assert_int_equal(sent(0, LAN, p).end, OUT);
		lb_bed_wait(net, cases[i].lives * 1000);
		if (nat_bed_ports(net, LB_NAT_TCP) != 1)
			fail_msg("%s: gone", cases[i].name);
		lb_bed_wait(net, (cases[i].over - cases[i].lives) * 1000);
		if (nat_bed_ports(net, LB_NAT_TCP) != 0 || nat_bed_flows(net) != 0)
			fail_msg("%s: still there", cases[i].name);
		end();
	}
}

static void test_an_apply(void **state)
{
	struct lb_bed_packet p = {LAN_HOST, WAN_HOST, 1000, 80, TCP_SYN};
	uint16_t port;

	(void)state;
	begin(WORKERS, 0);
	port = mapped(p);
	rule.depth = 16; /* it is the same one */
	rule.prefix &= ip4_mask(16);
	assert_int_equal(lb_bed_apply(net, &conf), 0);
	assert_int_equal(mapped(p), port);
	conf.c.n_masquerades = 0;
	assert_int_equal(lb_bed_apply(net, &conf), 0);
	assert_int_equal(sent(0, LAN, p).end, PLAIN);
	lb_bed_wait(net, 90000);
	assert_int_equal(nat_bed_flows(net), 0);
	assert_false(net->lb->control->nat[0].used);
	for (uint32_t i = 0; i < net->lb->n_vservices; i++)
		assert_int_equal(net->lb->vservice[i].kind, LB_SLOT_FREE);
	conf.c.n_masquerades = 1;
	assert_int_equal(lb_bed_apply(net, &conf), 0);
	mapped(p);
	/* its interface goes, and comes again with another address */
	strcpy(net->iface[WAN].name, "gone");
	lb_bed_wait(net, 250);
	assert_int_equal(sent(0, LAN, p).end, PLAIN);
	strcpy(net->iface[WAN].name, "wan");
	net->iface[WAN].addr = 0;
	lb_bed_wait(net, 250);
	assert_int_equal(sent(0, LAN, p).value, DROP_LB_NO_PORT);
	net->iface[WAN].addr = OWN;
	mapped(p);
	end();
}

/* An apply, and all that it removed has left. */
static void settle(uint32_t services, uint32_t masquerades)
{
	conf.c.n_services = services;
	conf.c.n_masquerades = masquerades;
	assert_int_equal(lb_bed_apply(net, &conf), 0);
	lb_bed_wait(net, 90000);
}

/* Its slots may have been a service's whose replies passed elsewhere: they pass here. */
static void test_slots_of_others(void **state)
{
	struct lb_bed_packet p = {LAN_HOST, WAN_HOST, 1000, 80, TCP_SYN}, back;
	struct lb_service_conf *s;

	(void)state;
	begin(1, 0);
	settle(0, 0);
	s = lb_bed_service(&conf, "dsr", FAKE_ADDR(198, 18, 0, 101), 80, LB_TCP_AND_UDP);
	s->mode = LB_DSR;
	lb_bed_backend(s, WAN_HOST, 0, 1);
	settle(1, 0);
	settle(0, 0);
	settle(0, 1);
	back = (struct lb_bed_packet){WAN_HOST, OWN, 80, mapped(p), TCP_SYN | TCP_ACK};
	assert_int_equal(sent(0, WAN, back).end, OUT);
	p.flags = back.flags = TCP_FIN | TCP_ACK;
	assert_int_equal(sent(0, LAN, p).end, OUT);
	assert_int_equal(sent(0, WAN, back).end, OUT);
	lb_bed_wait(net, 55000);
	assert_int_equal(nat_bed_ports(net, LB_NAT_TCP), 0);
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
		cmocka_unit_test(test_packets),
		cmocka_unit_test(test_ports_are_kept),
		cmocka_unit_test(test_others),
		cmocka_unit_test(test_protocols),
		cmocka_unit_test(test_hairpin),
		cmocka_unit_test(test_echo),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_errors_beside_nat),
		cmocka_unit_test(test_errors_about_echoes),
		cmocka_unit_test(test_exhaustion),
		cmocka_unit_test(test_tcp_times),
		cmocka_unit_test(test_an_apply),
		cmocka_unit_test(test_slots_of_others),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
