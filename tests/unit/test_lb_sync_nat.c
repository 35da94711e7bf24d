/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two instances (sync_bed.h), whose flows have addresses and ports of ours: the other one gives
 * them the same, on the worker to which answers come.
 */
#include "nat_bed.h"
#include "sync_bed.h"

#define VIP  FAKE_ADDR(198, 18, 0, 100) /* :80 to WAN_HOST:8080, full NAT */
#define POOL FAKE_ADDR(198, 18, 1, 110)

enum { FIRST = 2000, PORTS = 2048, FLOWS = 64 };

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

	for (int i = 0; i < 2; i++) {
		struct lb_bed_conf *c = &sides[i]->conf;
		struct lb_service_conf *web;

		lb_bed_clear(c);
		c->c.pools = &pool;
		c->c.n_pools = 1;
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

/* The other side has given a port to a connection of its own: that keeps it. */
static void test_a_port_that_is_taken(void **state)
{
	uint16_t port[FLOWS];
	uint32_t ref[FLOWS];
	struct lb_ports *ports;

	(void)state;
	begin(1, 1);
	ports = b.w->lb->ports[0][LB_NAT_TCP];
	meet();
	open_some(&a, FLOWS, port);
	for (uint32_t i = 0; i < FLOWS; i += 2) /* every second one's */
		assert_true(lb_ports_take_this(ports, port[i], ref[i] = 1000 + i));
	pass(100);
	assert_int_equal(flows_of(&b), FLOWS / 2);
	assert_int_equal(ports_used(&b), FLOWS);
	assert_true(counted(&b, COUNT_flows_homeless) >= FLOWS / 2);
	for (uint32_t i = 0; i < FLOWS; i++) {
		if (i % 2 == 0)
			assert_int_equal(lb_ports_flow(ports, port[i]), ref[i]);
		else
			assert_int_equal(segment(&b, i, TCP_ACK), port[i]);
	}

	/* once it is free, the flow has it with the next round */
	for (uint32_t i = 0; i < FLOWS; i += 2)
		lb_ports_give(ports, port[i]);
	pass(25000);
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
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
