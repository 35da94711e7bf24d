/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two instances (sync_bed.h), whose flows have addresses and ports of ours: the other one gives
 * them the same, on the worker to which answers come.
 */
#include "nat_bed.h"
#include "sync_bed.h"

#define VIP  FAKE_ADDR(198, 18, 0, 100) /* :80 to WAN_HOST:8080, full NAT */
#define POOL FAKE_ADDR(198, 18, 1, 110)
#define OURS FAKE_ADDR(198, 18, 1, 111) /* a masquerade's, of the lan */

enum { FIRST = 2000, PORTS = 2048, FLOWS = 64 };
enum { POOL_NAT, OURS_NAT }; /* indexes of these addresses */

static struct lb_masquerade_conf rule;

/* `a` has so many workers, `b` so many. */
static void begin(uint16_t workers_a, uint16_t workers_b)
{
	static struct lb_addr_conf addrs[] = {{.addr = POOL}};
	static struct lb_pool_conf pool = {.name = "inner",
		.n = 1,
		.addrs = addrs,
		.port = FIRST,
		.last_port = FIRST + PORTS - 1};
	struct side *sides[] = {&a, &b};

	rule = (struct lb_masquerade_conf){.name = "home",
		.prefix = LAN_HOST & ip4_mask(24),
		.depth = 24,
		.out = "wan",
		.addr = OURS,
		.port = FIRST,
		.last_port = FIRST + PORTS - 1};
	for (int i = 0; i < 2; i++) {
		struct lb_bed_conf *c = &sides[i]->conf;
		struct lb_service_conf *web;

		lb_bed_clear(c);
		c->c.pools = &pool;
		c->c.n_pools = 1;
		c->c.masquerades = &rule;
		c->c.n_masquerades = 1;
		web = lb_bed_service(c, "web", VIP, 80, LB_TCP);
		web->mode = LB_FULL_NAT;
		strcpy(web->pool, pool.name);
		lb_bed_backend(web, WAN_HOST, 8080, 1);
		start(sides[i], i == 0 ? workers_a : workers_b, "a key");
	}
}

/* --- a client's connection --- */

static struct nat_result sent(struct side *s, uint32_t i, uint16_t iface, struct lb_bed_packet p)
{
	return nat_bed_send(s->w->net, (uint16_t)(i % s->w->net->n_workers), iface, &p);
}

static struct lb_bed_packet of_client(uint32_t i, uint8_t flags)
{
	return (struct lb_bed_packet){LAN_HOST, VIP, (uint16_t)(4000 + i), 80, flags};
}

/* The port of ours that a segment of the client leaves with; 0: it does not. */
static uint16_t segment(struct side *s, uint32_t i, uint8_t flags)
{
	struct nat_result r = sent(s, i, LAN, of_client(i, flags));

	return r.end == OUT ? nat_bed_sport(&r) : 0;
}

/* The backend's answer to a port of ours; whether it goes to the client. */
static bool answer(struct side *s, uint32_t i, uint16_t port, uint8_t flags)
{
	struct nat_result r =
		sent(s, i, WAN, (struct lb_bed_packet){WAN_HOST, POOL, 8080, port, flags});
	struct lb_bed_packet as = nat_bed_back(of_client(i, TCP_ACK), flags);

	if (r.end == OUT)
		nat_bed_went(&r, &as);
	return r.end == OUT;
}

static void open_some(struct side *s, uint32_t n, uint16_t *port)
{
	for (uint32_t i = 0; i < n; i++) {
		port[i] = segment(s, i, TCP_SYN);
		assert_true(port[i] != 0 && answer(s, i, port[i], TCP_SYN | TCP_ACK));
		assert_int_equal(segment(s, i, TCP_ACK), port[i]);
	}
}

static uint32_t ports_used(const struct side *s)
{
	return nat_bed_ports(s->w->net, LB_NAT_TCP);
}

/* --- cases --- */

static void keep_their_ports(uint16_t workers_a, uint16_t workers_b)
{
	uint16_t port[FLOWS];

	begin(workers_a, workers_b);
	meet();
	open_some(&a, FLOWS, port);
	pass(100);
	assert_int_equal(counted(&b, COUNT_flows_homeless), 0);
	assert_int_equal(flows_of(&b), FLOWS);
	assert_int_equal(ports_used(&b), FLOWS);
	for (uint32_t i = 0; i < FLOWS; i++) {
		assert_true(answer(&b, i, port[i], TCP_ACK));
		assert_int_equal(segment(&b, i, TCP_ACK), port[i]);
	}
	end();
}

/* However many workers the two have: answers have the hash of what they answer. */
static void test_they_keep_their_ports(void **state)
{
	(void)state;
	for (uint16_t workers = 1; workers <= 4; workers++) {
		keep_their_ports(workers, 3);
		keep_their_ports(3, workers);
	}
}

/* Where no such port is free, another of the worker's serves; who has other workers is told so. */
static void test_other_ports_serve_here_alone(void **state)
{
	uint16_t port[FLOWS];

	(void)state;
	begin(1, 4);
	a.conf.c.pools[0].last_port = FIRST + FLOWS - 1;
	assert_int_equal(lb_bed_apply(a.w->net, &a.conf), 0);
	a.conf.c.pools[0].last_port = FIRST + PORTS - 1;
	meet();
	open_some(&a, FLOWS, port);
	pass(25000);
	assert_in_range(flows_of(&b), 1, FLOWS - 1);
	assert_true(counted(&b, COUNT_flows_homeless) >= FLOWS - flows_of(&b));
	assert_int_equal(ports_used(&b), flows_of(&b));
	end();
}

/* A connection of the side's own worker, which has that port of ours whatever its hash is. */
static struct flow *open_with(struct side *s, uint32_t i, uint16_t port)
{
	struct lb_ports *ports = s->w->lb->ports[POOL_NAT][LB_NAT_TCP];
	uint16_t first = segment(s, i, TCP_SYN);
	struct flow *f = flow_at(s->w->lb->flows, lb_ports_flow(ports, first));

	lb_ports_give(ports, first);
	assert_true(lb_ports_take_this(ports, port, flow_ref(s->w->lb->flows, f)));
	f->nat_port = to_be16(port);
	assert_true(answer(s, i, port, TCP_SYN | TCP_ACK));
	assert_int_equal(segment(s, i, TCP_ACK), port);
	return f;
}

/* The other side has given a port to a connection of its own: that keeps it. */
static void test_a_port_that_is_taken(void **state)
{
	uint16_t port[FLOWS];

	(void)state;
	begin(1, 1);
	open_some(&a, FLOWS, port);
	for (uint32_t i = 0; i < FLOWS; i += 2) /* every second one's */
		open_with(&b, FLOWS + i, port[i]);
	meet();
	pass(1000);
	assert_int_equal(flows_of(&b), FLOWS);
	assert_int_equal(ports_used(&b), FLOWS);
	assert_true(counted(&b, COUNT_flows_homeless) >= FLOWS / 2);
	assert_true(counted(&a, COUNT_flows_homeless) >= FLOWS / 2); /* as b tells a */
	for (uint32_t i = 0; i < FLOWS; i++)
		assert_int_equal(segment(&b, i % 2 == 0 ? FLOWS + i : i, TCP_ACK), port[i]);

	/* once it is over the other has its port, with the next round at the latest */
	for (uint32_t i = 0; i < FLOWS; i += 2) {
		segment(&b, FLOWS + i, TCP_RST);
		segment(&a, i, TCP_ACK);
	}
	pass(60000);
	assert_int_equal(flows_of(&b), FLOWS);
	for (uint32_t i = 0; i < FLOWS; i++)
		assert_int_equal(segment(&b, i, TCP_ACK), port[i]);
	end();
}

/* A port is not given back twice, nor kept, when what has it is told anew, ended, or replaced. */
static void test_ports_come_back(void **state)
{
	uint16_t port[FLOWS];

	(void)state;
	begin(1, 1);
	meet();
	open_some(&a, FLOWS, port);
	pass(45000); /* told again and again */
	assert_int_equal(ports_used(&b), FLOWS);
	for (uint32_t i = 0; i < FLOWS; i++) {
		segment(&a, i, TCP_FIN | TCP_ACK);
		answer(&a, i, port[i], TCP_FIN | TCP_ACK);
	}
	pass(100);
	assert_int_equal(counted(&b, COUNT_flows_ended), FLOWS);
	assert_int_equal(ports_used(&b), 0);
	assert_int_equal(flows_of(&b), 0);
	end();
}

/* --- masquerade --- */

/* What the inside host sends to somebody outside: by turns TCP, UDP and echoes. */
static uint32_t inside_frame(uint8_t *frame, uint32_t i, uint8_t flags)
{
	if (i % 3 == 2)
		return nat_bed_echo(frame, LAN_HOST, FAR_HOST, ICMP_TYPE_ECHO, (uint16_t)(100 + i));
	return lb_bed_frame(frame, &(struct lb_bed_packet){.src = LAN_HOST,
					   .dst = FAR_HOST,
					   .sport = (uint16_t)(40000 + i),
					   .dport = 80,
					   .flags = i % 3 == 0 ? flags : 0,
					   .len = 5});
}

/* The answer to a port or id of ours, and what it is inside. */
static uint32_t outside_frame(uint8_t *frame, uint32_t i, uint32_t to, uint16_t port, uint8_t flags)
{
	if (i % 3 == 2)
		return nat_bed_echo(frame, FAR_HOST, to, ICMP_TYPE_ECHO_REPLY, port);
	return lb_bed_frame(frame, &(struct lb_bed_packet){.src = FAR_HOST,
					   .dst = to,
					   .sport = 80,
					   .dport = port,
					   .flags = i % 3 == 0 ? flags : 0,
					   .len = 5});
}

static uint16_t inside_port(uint32_t i)
{
	return (uint16_t)(i % 3 == 2 ? 100 + i : 40000 + i);
}

/* The port or id of ours that it leaves with; 0: it does not leave as ours. */
static uint16_t goes_out(struct side *s, uint32_t i, uint8_t flags)
{
	uint8_t frame[200];
	uint32_t len = inside_frame(frame, i, flags);
	struct nat_result r =
		nat_bed_frame(s->w->net, (uint16_t)(i % s->w->net->n_workers), LAN, frame, len);

	if (r.end != OUT || frame_ip(r.frame)->src != to_be32(OURS))
		return 0;
	return i % 3 == 2 ? nat_bed_id(&r) : nat_bed_sport(&r);
}

/* Whether an answer gets to the inside host, at whichever worker it arrives. */
static bool comes_in(struct side *s, uint32_t i, uint16_t port, uint8_t flags)
{
	for (uint16_t at = 0; at < s->w->net->n_workers; at++) {
		uint8_t frame[200];
		uint32_t len = outside_frame(frame, i, OURS, port, flags);
		struct nat_result r = nat_bed_frame(s->w->net, at, WAN, frame, len);

		if (r.end != OUT)
			return false;
		len = outside_frame(frame, i, LAN_HOST, inside_port(i), flags);
		nat_bed_is(&r, frame, len);
	}
	return true;
}

static void map_some(struct side *s, uint32_t n, uint16_t *port)
{
	for (uint32_t i = 0; i < n; i++) {
		port[i] = goes_out(s, i, TCP_SYN);
		assert_true(port[i] != 0 && comes_in(s, i, port[i], TCP_SYN | TCP_ACK));
		assert_int_equal(goes_out(s, i, TCP_ACK), port[i]);
	}
}

static bool all(uint32_t n)
{
	(void)n;
	return true;
}

static void mappings_go_on(uint16_t workers_a, uint16_t workers_b)
{
	uint16_t port[FLOWS];

	begin(workers_a, workers_b);
	meet();
	map_some(&a, FLOWS, port);
	pass(100);
	assert_int_equal(counted(&b, COUNT_flows_homeless), 0);
	assert_int_equal(counted(&b, COUNT_flows_unknown), 0);
	assert_int_equal(flows_of(&b), FLOWS);
	for (uint32_t i = 0; i < FLOWS; i++) {
		assert_true(comes_in(&b, i, port[i], TCP_ACK));
		assert_int_equal(goes_out(&b, i, TCP_ACK), port[i]);
	}
	assert_int_equal(flows_of(&b), FLOWS); /* none was begun */
	end();
}

static void test_mappings_go_on(void **state)
{
	(void)state;
	for (uint16_t workers = 1; workers <= 4; workers++) {
		mappings_go_on(workers, 3);
		mappings_go_on(3, workers);
	}
}

static void test_what_is_no_mapping_there(void **state)
{
	uint16_t port[FLOWS];
	struct lb_masquerade_conf other;

	(void)state;
	for (int i = 0; i < 4; i++) {
		begin(2, 2);
		other = rule;
		b.conf.c.masquerades = &other;
		other.prefix += i == 0 ? 0x100 : 0; /* others are inside */
		other.addr += i == 1;
		other.port = i == 2 ? FIRST + PORTS : other.port;
		other.last_port = i == 2 ? FIRST + 2 * PORTS : other.last_port;
		b.conf.c.n_masquerades = i != 3;
		assert_int_equal(lb_bed_apply(b.w->net, &b.conf), 0);
		meet();
		map_some(&a, FLOWS, port);
		pass(100);
		assert_int_equal(flows_of(&b), 0);
		assert_true(counted(&b, COUNT_flows_unknown) >= FLOWS);
		end();
	}
}

/* An interface's own address is nobody else's after it. */
static void test_own_addresses_are_not_told(void **state)
{
	struct lb_bed_packet p = {LAN_HOST, FAR_HOST, 40000, 80, TCP_SYN};

	(void)state;
	begin(1, 1);
	rule.addr = 0;
	assert_int_equal(lb_bed_apply(a.w->net, &a.conf), 0);
	assert_int_equal(lb_bed_apply(b.w->net, &b.conf), 0);
	meet();
	assert_int_equal(sent(&a, 0, LAN, p).end, OUT);
	p.flags = TCP_ACK;
	for (uint16_t port = FIRST; port < FIRST + PORTS; port++)
		sent(&a, 0, WAN,
			(struct lb_bed_packet){FAR_HOST, WAN_ADDR, 80, port, TCP_SYN | TCP_ACK});
	assert_int_equal(sent(&a, 0, LAN, p).end, OUT);
	assert_int_equal(flows_of(&a), 1);
	pass(25000);
	assert_int_equal(counted(&a, COUNT_flows_told), 0);
	end();
}

static void test_mappings_end_there(void **state)
{
	uint16_t port[FLOWS];

	(void)state;
	begin(1, 1);
	meet();
	map_some(&a, FLOWS, port);
	pass(100);
	for (uint32_t i = 0; i < FLOWS; i += 3) { /* TCP's */
		goes_out(&a, i, TCP_FIN | TCP_ACK);
		comes_in(&a, i, port[i], TCP_FIN | TCP_ACK);
	}
	pass(100);
	assert_int_equal(counted(&b, COUNT_flows_ended), (FLOWS + 2) / 3);
	pass(60000 + 45000);
	for (uint32_t i = 0; i < FLOWS; i++) /* datagrams' are there for minutes, echoes' for one */
		assert_int_equal(comes_in(&b, i, port[i], TCP_ACK), i % 3 == 1);
	pass(300000 + 45000);
	assert_int_equal(flows_of(&b), 0);
	for (uint32_t proto = 0; proto < LB_NAT_PROTOS; proto++)
		assert_int_equal(lb_ports_used(b.w->lb->ports[OURS_NAT][proto]), 0);
	end();
}

/* Whom the connection is with is told, too: his reset is believed there, and no other's. */
static void test_whose_reset_it_is(void **state)
{
	static const uint32_t from[] = {FAR_HOST, WAN_HOST};

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct lb_bed_packet p = {from[i], OURS, 80, 0, TCP_RST};
		uint16_t port;

		begin(1, 2);
		meet();
		map_some(&a, 1, &port);
		pass(100);
		wire.loses = all;
		p.dport = port;
		assert_int_equal(sent(&b, 0, WAN, p).end, OUT);
		pass(60000);
		assert_int_equal(flows_of(&b), i);
		end();
	}
}

/* A second connection of the port is told at once: then no end is the mapping's there, either. */
static void test_that_there_are_several(void **state)
{
	struct lb_bed_packet second = {LAN_HOST, WAN_HOST, 40000, 80, TCP_SYN};
	struct lb_bed_packet reset = {FAR_HOST, OURS, 80, 0, TCP_RST};
	uint16_t port;

	(void)state;
	begin(1, 2);
	meet();
	pass(25000); /* the walk has gone round */
	map_some(&a, 1, &port);
	pass(100);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(sent(&a, 0, LAN, second).end, OUT);
		pass(100);
		assert_int_equal(counted(&a, COUNT_flows_told), i == 0); /* since it was sent */
	}
	wire.loses = all;
	reset.dport = port;
	assert_int_equal(sent(&b, 0, WAN, reset).end, OUT);
	pass(60000);
	assert_int_equal(flows_of(&b), 1);
	end();
}

/*
 * What ended untold has its place there still, and its port: what the other side says of the port
 * is right, while nothing came here.
 */
static void test_a_port_of_the_past(void **state)
{
	struct flow gone;
	uint16_t port;
	uint32_t n = UINT32_MAX;

	(void)state;
	begin(1, 1);
	meet();
	rule.last_port = FIRST; /* a single one */
	assert_int_equal(lb_bed_apply(a.w->net, &a.conf), 0);
	assert_int_equal(lb_bed_apply(b.w->net, &b.conf), 0);
	map_some(&a, 1, &port);
	pass(100);
	assert_int_equal(flows_of(&b), 1);
	a.w->lb->seconds += 20000; /* its time is over all at once */
	assert_true(flow_sweep(a.w->lb->flows, a.w->lb->seconds, NULL, NULL, &n, &gone));
	lb_flow_gone(a.w, &gone);
	a.w->lb->seconds -= 20000;
	assert_int_equal(goes_out(&a, 3, TCP_SYN), port); /* another port's */
	assert_true(comes_in(&a, 3, port, TCP_SYN | TCP_ACK));
	goes_out(&a, 3, TCP_ACK);
	pass(100);
	assert_int_equal(counted(&b, COUNT_flows_homeless), 0);
	assert_int_equal(flows_of(&b), 1);
	assert_true(comes_in(&b, 3, port, TCP_ACK));

	/* it is in use there by now: so it stays whose it is */
	a.w->lb->seconds += 20000;
	n = UINT32_MAX;
	assert_true(flow_sweep(a.w->lb->flows, a.w->lb->seconds, NULL, NULL, &n, &gone));
	lb_flow_gone(a.w, &gone);
	a.w->lb->seconds -= 20000;
	map_some(&a, 1, &port);
	pass(100);
	assert_true(counted(&b, COUNT_flows_homeless) > 0);
	assert_true(comes_in(&b, 3, port, TCP_ACK));
	end();
}

static int set_up(void **state)
{
	(void)state;
	return eal_for_tests(256);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_they_keep_their_ports),
		cmocka_unit_test(test_other_ports_serve_here_alone),
		cmocka_unit_test(test_a_port_that_is_taken),
		cmocka_unit_test(test_ports_come_back),
		cmocka_unit_test(test_mappings_go_on),
		cmocka_unit_test(test_what_is_no_mapping_there),
		cmocka_unit_test(test_own_addresses_are_not_told),
		cmocka_unit_test(test_mappings_end_there),
		cmocka_unit_test(test_whose_reset_it_is),
		cmocka_unit_test(test_that_there_are_several),
		cmocka_unit_test(test_a_port_of_the_past),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
