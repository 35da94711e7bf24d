/* SPDX-License-Identifier: BSD-3-Clause */
/* Full NAT: both ends of a flow change, and its answers come home to whoever has it. */
#include "nat_bed.h"

#define WEB	FAKE_ADDR(198, 18, 0, 100) /* :80 to WAN_HOST:8080, both protocols, full NAT */
#define TWIN	FAKE_ADDR(198, 18, 0, 101) /* :81 to the same backend and port, full NAT */
#define HAIRPIN FAKE_ADDR(198, 18, 0, 102) /* :80 to WAN_HOST:9000, NAT with the pool */
#define POOL	FAKE_ADDR(198, 18, 1, 110)
#define CLIENT	FAR_HOST /* by the wan, where the backend is */

enum { WORKERS = 4, PORTS = 64, FIRST = 2000 };

static struct lb_bed_conf conf;
static struct lb_addr_conf addrs[2] = {{.addr = POOL}, {.addr = POOL + 1}};
static struct lb_pool_conf pool = {
	.name = "inner", .n = 1, .addrs = addrs, .port = FIRST, .last_port = FIRST + PORTS - 1};
static struct net *net;

static void service(const char *name, uint32_t addr, uint16_t port, enum lb_protocol protocol,
	enum lb_mode mode, uint16_t backend_port)
{
	struct lb_service_conf *s = lb_bed_service(&conf, name, addr, port, protocol);

	s->mode = mode;
	strcpy(s->pool, "inner");
	lb_bed_backend(s, WAN_HOST, backend_port, 1);
}

static void configure(void)
{
	lb_bed_clear(&conf);
	conf.c.pools = &pool;
	conf.c.n_pools = 1;
	pool.n = 1;
	service("web", WEB, 80, LB_TCP_AND_UDP, LB_FULL_NAT, 8080);
	service("twin", TWIN, 81, LB_TCP, LB_FULL_NAT, 8080);
	service("hairpin", HAIRPIN, 80, LB_TCP_AND_UDP, LB_NAT, 9000);
}

static void begin(uint16_t workers)
{
	configure();
	net = lb_bed_new(workers, &conf)->net;
	assert_int_equal(lb_bed_apply(net, &conf), 0);
}

static void end(void)
{
	lb_bed_end(net->worker[0]);
}

/* There and back, at any worker: what goes out, whose flow it is, one hand-over at the most. */
static void exchange(struct lb_bed_packet to, uint16_t backend_port, uint16_t in, uint16_t out)
{
	uint8_t fin = to.flags == 0 ? 0 : TCP_SYN | TCP_ACK;
	struct nat_result r = nat_bed_send(net, 0, in, &to), again;
	uint16_t port = nat_bed_sport(&r), owner = r.worker;
	struct lb_bed_packet there = nat_bed_ends(to, POOL, port, WAN_HOST, backend_port);
	struct lb_bed_packet reply = nat_bed_back(there, fin);

	assert_in_range(port, FIRST, FIRST + PORTS - 1);
	nat_bed_went(&r, &there);
	for (uint16_t at = 0; at < net->n_workers; at++) {
		again = nat_bed_send(net, at, in, &to);
		assert_int_equal(again.worker, owner);
		assert_true(again.handed <= 1);
		nat_bed_went(&again, &there);
		again = nat_bed_send(net, at, out, &reply);
		assert_int_equal(again.worker, owner);
		assert_true(again.handed <= 1);
		nat_bed_went(&again, &(struct lb_bed_packet){.src = to.dst,
					     .dst = to.src,
					     .sport = to.dport,
					     .dport = to.sport,
					     .flags = reply.flags,
					     .len = to.len,
					     .opts = to.opts,
					     .no_csum = to.no_csum});
	}
}

static void test_packets(void **state)
{
	static const struct {
		const char *name;
		struct lb_bed_packet to;
		uint16_t backend_port, in;
	} cases[] = {
		{"syn", {LAN_HOST, WEB, 1000, 80, TCP_SYN}, 8080, LAN},
		{"datagram", {LAN_HOST, WEB, 1000, 80, .len = 33}, 8080, LAN},
		{"empty datagram", {LAN_HOST, WEB, 1001, 80}, 8080, LAN},
		{"no checksum", {LAN_HOST, WEB, 1002, 80, .len = 5, .no_csum = true}, 8080, LAN},
		{"options", {LAN_HOST, WEB, 1003, 80, TCP_SYN, .opts = 8}, 8080, LAN},
		{"the same backend of another service", {LAN_HOST, TWIN, 1000, 81, TCP_SYN}, 8080,
			LAN},
		{"a client on the backend's side", {CLIENT, WEB, 7, 80, TCP_SYN}, 8080, WAN},
		{"hairpin", {CLIENT, HAIRPIN, 1000, 80, TCP_SYN}, 9000, WAN},
		{"hairpin, datagram", {CLIENT, HAIRPIN, 1000, 80, .len = 4}, 9000, WAN},
	};

	(void)state;
	for (uint16_t workers = 1; workers <= WORKERS; workers += 3) {
		begin(workers);
		for (size_t i = 0; i < RTE_DIM(cases); i++)
			exchange(cases[i].to, cases[i].backend_port, cases[i].in, WAN);
		assert_int_equal(nat_bed_ports(net, LB_NAT_TCP), 5);
		assert_int_equal(nat_bed_ports(net, LB_NAT_UDP), 4);
		assert_int_equal(nat_bed_flows(net), 9);
		end();
	}
}

/* Who comes from elsewhere needs no source of ours, and his answers are found by the binding. */
static void test_nat_with_a_pool(void **state)
{
	struct lb_bed_packet to = {LAN_HOST, HAIRPIN, 1000, 80, TCP_SYN};
	struct lb_bed_packet back = {WAN_HOST, LAN_HOST, 9000, 1000, TCP_SYN | TCP_ACK};
	struct nat_result r;

	(void)state;
	begin(WORKERS);
	for (uint16_t at = 0; at < WORKERS; at++) {
		r = nat_bed_send(net, at, LAN, &to);
		nat_bed_went(&r, &(struct lb_bed_packet){LAN_HOST, WAN_HOST, 1000, 9000, TCP_SYN});
		r = nat_bed_send(net, at, WAN, &back);
		nat_bed_went(&r,
			&(struct lb_bed_packet){HAIRPIN, LAN_HOST, 80, 1000, TCP_SYN | TCP_ACK});
	}
	assert_int_equal(nat_bed_ports(net, LB_NAT_TCP), 0);
	end();
}

/* What comes to the pool's addresses and is no answer. */
static void test_strangers(void **state)
{
	struct lb_bed_packet to = {LAN_HOST, WEB, 1000, 80, TCP_SYN};
	struct nat_result r;
	uint16_t port;

	(void)state;
	begin(WORKERS);
	r = nat_bed_send(net, 0, LAN, &to);
	port = nat_bed_sport(&r);
	{
		const struct {
			const char *name;
			struct lb_bed_packet p;
			uint32_t why;
		} cases[] = {
			{"another source", {FAR_HOST, POOL, 8080, port, TCP_ACK}, DROP_LB_NO_FLOW},
			{"another source port", {WAN_HOST, POOL, 8081, port, TCP_ACK},
				DROP_LB_NO_FLOW},
			{"another protocol", {WAN_HOST, POOL, 8080, port}, DROP_LB_NO_FLOW},
			{"a free port", {WAN_HOST, POOL, 8080, port ^ 1, TCP_ACK}, DROP_LB_NO_FLOW},
			{"a port beyond", {WAN_HOST, POOL, 8080, 80, TCP_ACK}, DROP_LB_NO_FLOW},
			{"a reset of no flow", {LAN_HOST, WEB, 5, 80, TCP_RST}, DROP_LB_NO_FLOW},
		};

		for (size_t i = 0; i < RTE_DIM(cases); i++)
			for (uint16_t at = 0; at < WORKERS; at++) {
				r = nat_bed_send(net, at, WAN, &cases[i].p);
				if (r.end != DROPPED || r.value != cases[i].why)
					fail_msg("%s", cases[i].name);
			}
	}
	end();
}

/* Its address had another index when the packet was looked up, by which a pool is found now. */
static void test_an_index_of_before(void **state)
{
	struct lb_bed_packet to = {LAN_HOST, WEB, 1000, 80, TCP_SYN};
	struct worker *w;
	uint8_t frame[FRAME_MAX];
	uint32_t len = lb_bed_frame(frame, &to);
	fib_entry pools;

	(void)state;
	begin(1);
	w = net->worker[0];
	pools = fib4_lookup(net->fib, POOL);
	assert_int_equal(fib_entry_kind(pools), FIB_SERVICE);
	lane_put(&w->service, fake_packet(w, LAN, frame, len, 0, FAKE_EXACT),
		fib_entry_index(pools));
	lb_bed_balance(w);
	fake_dropped(w, DROP_NO_SERVICE);
	fake_rest(w);
	end();
}

/* All ports, then none; and again when flows have ended, whoever they were. */
static void test_exhaustion(void **state)
{
	struct nat_result r;
	uint32_t n = 0, refused = 0;

	(void)state;
	begin(1);
	for (uint16_t i = 0; i < PORTS; i++) {
		struct lb_bed_packet to = {LAN_HOST, WEB, (uint16_t)(1000 + i), 80, TCP_SYN};

		r = nat_bed_send(net, 0, LAN, &to);
		n += r.end == OUT;
	}
	assert_int_equal(n, PORTS);
	for (uint16_t i = 0; i < 10; i++) {
		struct lb_bed_packet to = {LAN_HOST, TWIN, (uint16_t)(1000 + i), 81, TCP_SYN};

		r = nat_bed_send(net, 0, LAN, &to);
		refused += r.end == DROPPED && r.value == DROP_LB_NO_PORT;
	}
	assert_int_equal(refused, 10);
	assert_int_equal(nat_bed_flows(net), PORTS);
	r = nat_bed_send(net, 0, LAN, &(struct lb_bed_packet){LAN_HOST, WEB, 1000, 80, .len = 1});
	assert_int_equal(r.end, OUT); /* UDP has its own */
	lb_bed_wait(net, 30000 + 45000);
	assert_int_equal(nat_bed_ports(net, LB_NAT_TCP), 0);
	r = nat_bed_send(net, 0, LAN, &(struct lb_bed_packet){LAN_HOST, TWIN, 1, 81, TCP_SYN});
	assert_int_equal(r.end, OUT);
	end();
}

/* A reset flow gives its port back in time, and another gets it. */
static void test_a_port_is_used_again(void **state)
{
	struct lb_bed_packet to = {LAN_HOST, WEB, 1000, 80, TCP_SYN}, rst = to;
	struct nat_result r;

	(void)state;
	begin(1);
	pool.last_port = FIRST;
	assert_int_equal(lb_bed_apply(net, &conf), 0);
	for (int i = 0; i < 5; i++) {
		to.sport = rst.sport = (uint16_t)(1000 + i);
		rst.flags = TCP_RST;
		r = nat_bed_send(net, 0, LAN, &to);
		assert_int_equal(r.end, OUT);
		assert_int_equal(nat_bed_sport(&r), FIRST);
		r = nat_bed_send(net, 0, LAN, &rst);
		assert_int_equal(r.end, OUT);
		lb_bed_wait(net, 10000 + 45000);
	}
	pool.last_port = FIRST + PORTS - 1;
	end();
}

/* An address that stays keeps its flows; one that goes takes them along, and its index comes back.
 */
static void test_an_apply(void **state)
{
	struct lb_bed_packet to = {LAN_HOST, WEB, 1000, 80, TCP_SYN}, back;
	struct nat_result r;
	uint16_t port;

	(void)state;
	begin(WORKERS);
	r = nat_bed_send(net, 0, LAN, &to);
	port = nat_bed_sport(&r);
	pool.n = 2;
	assert_int_equal(lb_bed_apply(net, &conf), 0);
	back = (struct lb_bed_packet){WAN_HOST, POOL, 8080, port, TCP_SYN | TCP_ACK};
	r = nat_bed_send(net, 0, WAN, &back);
	assert_int_equal(r.end, OUT);
	pool.addrs = &addrs[1];
	pool.n = 1;
	assert_int_equal(lb_bed_apply(net, &conf), 0);
	assert_true(net->lb->control->nat[0].used);
	lb_bed_wait(net, 90000);
	assert_false(net->lb->control->nat[0].used);
	assert_null(net->worker[0]->lb->ports[0][LB_NAT_TCP]);
	assert_int_equal(nat_bed_flows(net), 0);
	r = nat_bed_send(net, 0, WAN, &back);
	assert_int_not_equal(r.end, OUT);
	r = nat_bed_send(net, 0, LAN, &to);
	assert_int_equal(ip4_hdr_src(frame_ip(r.frame)), POOL + 1);
	pool.addrs = addrs;
	end();
}

static void test_refused_plans(void **state)
{
	static struct lb_addr_conf many[LB_POOL_MAX + 1];
	struct lb_bed_packet to = {LAN_HOST, WEB, 1000, 80, TCP_SYN};
	struct nat_result r;

	(void)state;
	begin(1);
	for (uint32_t i = 0; i < RTE_DIM(many); i++)
		many[i].addr = FAKE_ADDR(198, 18, 2, 1) + i;
	pool.addrs = many;
	pool.n = RTE_DIM(many);
	assert_int_equal(lb_bed_apply(net, &conf), -ENOSPC);
	pool.addrs = addrs;
	pool.n = 1;
	assert_int_equal(lb_bed_apply(net, &conf), 0);
	r = nat_bed_send(net, 0, LAN, &to);
	assert_int_equal(r.end, OUT);
	for (uint32_t i = 1; i < LB_POOL_MAX; i++)
		assert_false(net->lb->control->nat[i].used);
	end();
}

/* Flows have the addresses by turns, and any that has a port left. */
static void test_two_addresses(void **state)
{
	uint32_t n[2] = {0};

	(void)state;
	begin(1);
	pool.n = 2;
	assert_int_equal(lb_bed_apply(net, &conf), 0);
	for (uint16_t i = 0; i < 10; i++) /* the first has fewer */
		assert_true(lb_ports_take_this(
			net->worker[0]->lb->ports[0][LB_NAT_TCP], (uint16_t)(FIRST + i), 0));
	for (uint16_t i = 0; i < 2 * PORTS - 10; i++) {
		struct lb_bed_packet to = {LAN_HOST, WEB, (uint16_t)(1000 + i), 80, TCP_SYN};
		struct nat_result r = nat_bed_send(net, 0, LAN, &to);

		assert_int_equal(r.end, OUT);
		n[ip4_hdr_src(frame_ip(r.frame)) - POOL]++;
		if (i == 19)
			assert_in_range(n[0], 8, 12);
	}
	pool.n = 1;
	end();
}

/* Each pool has turns of its own, however flows of several mix. */
static void test_two_pools(void **state)
{
	static struct lb_addr_conf others[2] = {{.addr = POOL + 2}, {.addr = POOL + 3}};
	struct lb_pool_conf pools[2];
	uint32_t n[4] = {0};

	(void)state;
	configure();
	pool.n = 2;
	pools[0] = pools[1] = pool;
	strcpy(pools[1].name, "outer");
	pools[1].addrs = others;
	conf.c.pools = pools;
	conf.c.n_pools = 2;
	strcpy(conf.service[1].pool, "outer");
	net = lb_bed_new(1, &conf)->net;
	assert_int_equal(lb_bed_apply(net, &conf), 0);
	for (uint16_t i = 0; i < 40; i++) {
		struct lb_bed_packet to = {LAN_HOST, i % 2 == 0 ? WEB : TWIN, (uint16_t)(1000 + i),
			(uint16_t)(80 + i % 2), TCP_SYN};
		struct nat_result r = nat_bed_send(net, 0, LAN, &to);

		assert_int_equal(r.end, OUT);
		n[ip4_hdr_src(frame_ip(r.frame)) - POOL]++;
	}
	for (uint32_t i = 0; i < RTE_DIM(n); i++)
		assert_int_equal(n[i], 10);
	pool.n = 1;
	end();
}

/* A flow that both have seen lives long; one that is over has no answers, swept away or not. */
static void test_lives(void **state)
{
	struct lb_bed_packet to = {LAN_HOST, WEB, 1000, 80, TCP_SYN}, back;
	struct nat_result r;

	(void)state;
	begin(1);
	r = nat_bed_send(net, 0, LAN, &to);
	back = (struct lb_bed_packet){WAN_HOST, POOL, 8080, nat_bed_sport(&r), TCP_SYN | TCP_ACK};
	assert_int_equal(nat_bed_send(net, 0, WAN, &back).end, OUT);
	to.flags = back.flags = TCP_ACK;
	assert_int_equal(nat_bed_send(net, 0, LAN, &to).end, OUT);
	lb_bed_wait(net, 3600000);
	assert_int_equal(nat_bed_send(net, 0, WAN, &back).end, OUT);
	net->worker[0]->lb->seconds = (uint16_t)(net->worker[0]->lb->seconds + 7440);
	r = nat_bed_send(net, 0, WAN, &back);
	assert_int_equal(r.end, DROPPED);
	assert_int_equal(r.value, DROP_LB_NO_FLOW);
	end();
}

/* A backend of full NAT may be one of NAT's, too, at the same port: its answers there are NAT's. */
static void test_beside_nat(void **state)
{
	struct lb_bed_packet to = {LAN_HOST, TWIN + 10, 1000, 80, TCP_SYN}, as, back;
	struct nat_result r;

	(void)state;
	configure();
	service("plain", TWIN + 10, 80, LB_TCP, LB_NAT, 8080);
	conf.service[conf.c.n_services - 1].pool[0] = '\0';
	net = lb_bed_new(1, &conf)->net;
	assert_int_equal(lb_bed_apply(net, &conf), 0);
	r = nat_bed_send(net, 0, LAN, &to);
	as = nat_bed_ends(to, LAN_HOST, 1000, WAN_HOST, 8080);
	nat_bed_went(&r, &as);
	back = nat_bed_back(as, TCP_SYN | TCP_ACK);
	r = nat_bed_send(net, 0, WAN, &back);
	as = nat_bed_ends(back, TWIN + 10, 80, LAN_HOST, 1000);
	nat_bed_went(&r, &as);
	end();
}

/* An address that goes and comes at once is a new one: what goes takes nothing of it along. */
static void test_an_address_that_comes_back(void **state)
{
	struct lb_bed_packet to = {LAN_HOST, WEB, 1000, 80, TCP_SYN};
	struct nat_result r;

	(void)state;
	begin(1);
	conf.c.n_services = conf.c.n_pools = 0;
	assert_int_equal(lb_bed_apply(net, &conf), 0);
	conf.c.n_services = 3;
	conf.c.n_pools = 1;
	assert_int_equal(lb_bed_apply(net, &conf), 0);
	lb_bed_wait(net, 90000);
	assert_null(net->lb->control->leaving);
	r = nat_bed_send(net, 0, LAN, &to);
	assert_int_equal(r.end, OUT);
	assert_int_equal(ip4_hdr_src(frame_ip(r.frame)), POOL);
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
		cmocka_unit_test(test_nat_with_a_pool),
		cmocka_unit_test(test_strangers),
		cmocka_unit_test(test_an_index_of_before),
		cmocka_unit_test(test_exhaustion),
		cmocka_unit_test(test_a_port_is_used_again),
		cmocka_unit_test(test_an_apply),
		cmocka_unit_test(test_refused_plans),
		cmocka_unit_test(test_two_addresses),
		cmocka_unit_test(test_two_pools),
		cmocka_unit_test(test_lives),
		cmocka_unit_test(test_beside_nat),
		cmocka_unit_test(test_an_address_that_comes_back),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
