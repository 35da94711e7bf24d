/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Flows that another instance tells, record by record: which are taken, for how long, what they
 * take over, and that books and ports are right after each; and how many it tells.
 */
#include "ports.h"
#include "sync_client.h"

#define FULL FAKE_ADDR(198, 18, 0, 101) /* :80 to WAN_HOST:9000, full NAT */
#define MAY  FAKE_ADDR(198, 18, 0, 102) /* :80 to WAN_HOST:9001, NAT with the pool */
#define POOL FAKE_ADDR(198, 18, 1, 110)

enum { FIRST = 20000, LAST = 20999 };

static struct lb_addr_conf pool_addr = {.addr = POOL};
static struct lb_pool_conf pool = {
	.name = "inner", .n = 1, .addrs = &pool_addr, .port = FIRST, .last_port = LAST};

/* Two that have met; b has a pool and services with it, too. */
static void begin_pool(uint16_t workers)
{
	static const uint32_t addrs[] = {FULL, MAY};

	begin(workers, "a key");
	b.conf.c.pools = &pool;
	b.conf.c.n_pools = 1;
	for (uint16_t i = 0; i < 2; i++) {
		struct lb_service_conf *s =
			lb_bed_service(&b.conf, i == 0 ? "full" : "may", addrs[i], 80, LB_TCP);

		s->mode = i == 0 ? LB_FULL_NAT : LB_NAT;
		strcpy(s->pool, pool.name);
		lb_bed_backend(s, WAN_HOST, (uint16_t)(9000 + i), 1);
	}
	assert_int_equal(lb_bed_apply(b.w->net, &b.conf), 0);
	meet();
}

/* Client i's flow with a service, as the other side has it. */
static struct sync_record record(uint32_t i, uint32_t service)
{
	return (struct sync_record){.client = to_be32(LAN_HOST),
		.service = to_be32(service),
		.backend = to_be32(WAN_HOST),
		.client_port = to_be16((uint16_t)(1024 + i)),
		.service_port = to_be16(80),
		.backend_port = to_be16(service == FULL	 ? 9000
					: service == MAY ? 9001
							 : 8080),
		.proto = IP4_PROTO_TCP,
		.state = SYNC_ESTABLISHED};
}

static uint32_t slot_of(const struct sync_record *r)
{
	return sync_slot(r->client, r->service, r->client_port, r->service_port);
}

/* A says so, in a datagram of that slot. */
static void tell_in(uint32_t slot, const struct sync_record *r)
{
	uint8_t l4[UDP_HDR_LEN + SYNC_MOST], frame[FRAME_MAX], *p = l4 + UDP_HDR_LEN;
	struct sync_head h = {.session = a.w->net->lb->session,
		.number = ++a.w->lb->sync->number[slot],
		.kind = SYNC_FLOWS,
		.slot = (uint8_t)slot,
		.records = 1,
		.record_len = SYNC_RECORD};
	struct ip4_fields ip = {
		.ttl = 64, .proto = IP4_PROTO_UDP, .src = LAN_HOST, .dst = LAN_ADDR};
	uint16_t len = SYNC_HEAD + SYNC_RECORD + SYNC_TAG;

	sync_write_head(p, &h);
	sync_write_record(p + SYNC_HEAD, r);
	sync_write_tag(p, SYNC_HEAD + SYNC_RECORD, &atomic_load(&b.w->net->lb->sync)->key);
	udp_hdr_build((struct udp_hdr *)l4, 7780, 7780, len);
	udp_hdr_csum_set((struct udp_hdr *)l4, to_be32(LAN_HOST), to_be32(LAN_ADDR));
	arrive(&b, frame, frame_ip4(frame, ip, NULL, 0, l4, UDP_HDR_LEN + len));
}

static void tell(const struct sync_record *r)
{
	tell_in(slot_of(r), r);
}

/* As b has it. */
static struct flow *flow_of(const struct sync_record *r)
{
	const char *name = r->service == to_be32(FULL)	? "full"
			   : r->service == to_be32(MAY) ? "may"
							: "web";
	struct worker *w = worker_of(&b, b.w->net->owner[slot_of(r)]);
	struct flow_key key = {r->client, r->client_port, r->service_port, 0};
	struct lb_running s;

	assert_true(lb_service_find(b.w->net, name, &s));
	key.service = s.slot[0];
	return flow_find(w->lb->flows, flow_hash(w->lb->flows, &key), &key, w->lb->seconds);
}

static uint32_t ports_used(void)
{
	uint32_t n = 0;

	for (uint16_t i = 0; i < b.w->net->n_workers; i++)
		n += lb_ports_used(worker_of(&b, i)->lb->ports[0][LB_NAT_TCP]);
	return n;
}

/* So many flows, each counted once, in the books of services and of backends. */
static void expect_books(uint64_t flows)
{
	uint64_t services = 0, backends = 0;

	for (uint16_t i = 0; i < b.w->net->n_workers; i++) {
		for (uint32_t k = 0; k < b.w->net->lb->n_vservices; k++)
			services += worker_of(&b, i)->lb->service[k].flows;
		for (uint32_t k = 0; k < b.w->net->lb->n_backends; k++)
			backends += worker_of(&b, i)->lb->backend[k].flows;
	}
	assert_int_equal(flows_of(&b), flows);
	assert_int_equal(services, flows);
	assert_int_equal(backends, flows);
}

/* It lives here for what it had left there; what had nothing left is not taken. */
static void test_ages(void **state)
{
	struct sync_record r = record(0, VIP), over = record(1, VIP);

	(void)state;
	begin(2, "a key");
	meet();
	r.age = 7440 - 40;
	over.age = 7440;
	tell(&r);
	tell(&over);
	assert_int_equal(counted(&b, COUNT_flows_taken), 1);
	assert_int_equal(counted(&b, COUNT_flows_kept), 1);
	expect_books(1);
	pass(38000);
	assert_non_null(flow_of(&r));
	pass(3000);
	assert_null(flow_of(&r));
	end();
}

/* Half closed, it lives as long as such a one does: its end may be told to nobody. */
static void test_ages_of_half_closed(void **state)
{
	struct sync_record r = record(0, VIP), over = record(1, VIP), half = record(2, VIP);

	(void)state;
	begin(1, "a key");
	meet();
	r.state = over.state = half.state = SYNC_CLOSING;
	r.marks = over.marks = half.marks = SYNC_CLIENT_FIN;
	over.age = 240;
	half.age = 200;
	tell(&r);
	tell(&over);
	tell(&half);
	assert_int_equal(counted(&b, COUNT_flows_taken), 2);
	assert_int_equal(counted(&b, COUNT_flows_kept), 1);
	pass(38000);
	assert_non_null(flow_of(&half));
	pass(3000);
	assert_null(flow_of(&half));
	pass(197000);
	assert_non_null(flow_of(&r));
	pass(3000);
	assert_null(flow_of(&r));
	end();
}

/* A flow that is in a datagram of another slot than its own would be another worker's. */
static void test_another_slot(void **state)
{
	struct sync_record r = record(0, VIP);

	(void)state;
	begin(3, "a key");
	meet();
	tell_in((slot_of(&r) + 1) % SYNC_SLOTS, &r);
	assert_int_equal(counted(&b, COUNT_flows_unknown), 1);
	expect_books(0);
	tell(&r);
	expect_books(1);
	end();
}

static void test_a_backend_that_ended(void **state)
{
	struct sync_record r = record(0, VIP);
	const struct lb_member *m;

	(void)state;
	begin(1, "a key");
	meet();
	m = lb_member_find(b.w->net, "web", WAN_HOST, 8080);
	b.w->net->lb->backend[m->slot[0]].state = LB_BACKEND_ENDED;
	tell(&r);
	assert_int_equal(counted(&b, COUNT_flows_unknown), 1);
	expect_books(0);
	end();
}

/* Of two that have seen a flow, the later knows better; a second is none, as clocks have it. */
static void test_who_knows_better(void **state)
{
	struct sync_record r = record(0, VIP);
	uint32_t served_by;

	(void)state;
	begin(1, "a key");
	meet();
	open_some(&b, 0, 1, &served_by);
	r.backend = to_be32(served_by == WAN_HOST ? FAR_HOST : WAN_HOST);
	r.backend_port = to_be16(served_by == WAN_HOST ? 80 : 8080);
	pass(1000);
	tell(&r);
	assert_int_equal(flow_of(&r)->state, FLOW_ESTABLISHED);
	assert_int_equal(segment(&b, 0, TCP_ACK), served_by);
	pass(5000);
	flow_of(&r)->proxied = true; /* nobody else has its numbers */
	tell(&r);
	assert_int_equal(flow_of(&r)->state, FLOW_ESTABLISHED);
	flow_of(&r)->proxied = false;
	expect_books(1);
	tell(&r);
	assert_int_equal(flow_of(&r)->state, FLOW_TAKEN);
	expect_books(1);
	assert_int_equal(segment(&b, 0, TCP_ACK), from_be32(r.backend));
	end();
}

/* Who has closed stays said. */
static void test_half_closed(void **state)
{
	(void)state;
	for (uint8_t marks = 0; marks < 4; marks++) {
		struct sync_record r = record(marks, VIP);

		begin(1, "a key");
		meet();
		r.state = marks == 0 ? SYNC_ESTABLISHED : SYNC_CLOSING;
		r.marks = marks;
		tell(&r);
		segment(&b, marks, TCP_ACK);
		assert_int_equal(flow_of(&r)->state, marks == 0	  ? FLOW_ESTABLISHED
						     : marks == 3 ? FLOW_CLOSED
								  : FLOW_CLOSING);
		if (marks == SYNC_BACKEND_FIN) {
			segment(&b, marks, TCP_FIN | TCP_ACK);
			assert_int_equal(flow_of(&r)->state, FLOW_CLOSED);
		}
		end();
	}
}

/* Numbers begin anew with a session. */
static void test_numbers_of_a_new_session(void **state)
{
	struct sync_record r = record(0, VIP);

	(void)state;
	begin(1, "a key");
	meet();
	a.w->lb->sync->number[slot_of(&r)] = 500;
	tell(&r);
	expect_books(1);
	r.state = SYNC_CLOSED;
	a.w->lb->sync->number[slot_of(&r)] = 400;
	tell(&r); /* of long ago */
	assert_int_equal(counted(&b, COUNT_flows_ended), 0);
	a.w->net->lb->session ^= 0x10;
	memset(&a.w->lb->sync->greeter, 0, sizeof(a.w->lb->sync->greeter));
	memset(a.w->lb->sync->number, 0, sizeof(a.w->lb->sync->number));
	atomic_store(&a.w->net->lb->telling, 0);
	pass(5000);
	meet();
	tell(&r);
	assert_int_equal(counted(&b, COUNT_flows_ended), 1);
	end();
}

/* --- addresses of ours --- */

/* Answers have to come to the worker that has the flow. */
static bool comes_home(const struct sync_record *r)
{
	const struct net *net = b.w->net;

	return net->owner[sync_slot(r->backend, r->nat, r->backend_port, r->nat_port)] ==
	       net->owner[slot_of(r)];
}

static void test_sources(void **state)
{
	(void)state;
	for (uint16_t workers = 1; workers <= 3; workers += 2) {
		uint32_t taken = 0, tried = 60;

		begin_pool(workers);
		for (uint32_t i = 0; i < tried; i++) {
			struct sync_record r = record(i, FULL);

			r.nat = to_be32(POOL);
			r.nat_port = to_be16((uint16_t)(FIRST + i));
			tell(&r);
			assert_int_equal(flow_of(&r) != NULL, comes_home(&r));
			if (flow_of(&r) == NULL)
				continue;
			taken++;
			assert_int_equal(flow_of(&r)->nat_port, r.nat_port);
		}
		assert_int_equal(counted(&b, COUNT_flows_taken), taken);
		assert_int_equal(counted(&b, COUNT_flows_homeless), tried - taken);
		assert_int_equal(taken == tried, workers == 1);
		expect_books(taken);
		assert_int_equal(ports_used(), taken);
		end();
	}
}

/* No source, one that is not here; of one that two flows were told with, the last word counts. */
static void test_no_source(void **state)
{
	struct sync_record r = record(0, FULL), other = record(1, FULL);

	(void)state;
	begin_pool(1);
	tell(&r);
	assert_int_equal(counted(&b, COUNT_flows_unknown), 1);
	r.nat = to_be32(POOL + 1);
	r.nat_port = to_be16(FIRST);
	tell(&r);
	assert_int_equal(counted(&b, COUNT_flows_homeless), 1);
	expect_books(0);
	r.nat = other.nat = to_be32(POOL);
	other.nat_port = r.nat_port;
	tell(&r);
	tell(&other);
	assert_int_equal(counted(&b, COUNT_flows_homeless), 1);
	assert_null(flow_of(&r));
	assert_int_equal(flow_of(&other)->nat_port, other.nat_port);
	expect_books(1);
	assert_int_equal(ports_used(), 1);
	end();
}

/* Told anew with another port, or without one: the old one is free again. */
static void test_another_source(void **state)
{
	struct sync_record r = record(0, MAY);

	(void)state;
	begin_pool(1);
	r.nat = to_be32(POOL);
	for (uint16_t i = 0; i < 3; i++) {
		r.nat_port = to_be16((uint16_t)(FIRST + i));
		tell(&r);
		assert_int_equal(flow_of(&r)->nat_port, r.nat_port);
		expect_books(1);
		assert_int_equal(ports_used(), 1);
	}
	r.nat = 0;
	tell(&r);
	assert_false(flow_has_source(flow_of(&r)));
	expect_books(1);
	assert_int_equal(ports_used(), 0);
	r.state = SYNC_CLOSED;
	tell(&r);
	assert_int_equal(counted(&b, COUNT_flows_ended), 1);
	end();
}

static void test_no_more_than_the_rate(void **state)
{
	(void)state;
	begin(1, "a key");
	a.conf.c.sync.rate = 20;
	assert_int_equal(lb_bed_apply(a.w->net, &a.conf), 0);
	meet();
	pass(5000);
	open_some(&a, 0, FLOWS, NULL);
	pass(200);
	assert_in_range(counted(&a, COUNT_flows_told), 40, 60); /* a tenth and a datagram's worth */
	assert_true(counted(&a, COUNT_flows_untold) > FLOWS / 2);
	pass(10000);
	assert_in_range(counted(&a, COUNT_flows_told), 100, 260);
	pass(50000);
	assert_int_equal(flows_of(&b), FLOWS);
	end();
}

static int set_up(void **state)
{
	(void)state;
	return eal_for_tests(128);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ages),
		cmocka_unit_test(test_ages_of_half_closed),
		cmocka_unit_test(test_another_slot),
		cmocka_unit_test(test_a_backend_that_ended),
		cmocka_unit_test(test_who_knows_better),
		cmocka_unit_test(test_half_closed),
		cmocka_unit_test(test_numbers_of_a_new_session),
		cmocka_unit_test(test_sources),
		cmocka_unit_test(test_no_source),
		cmocka_unit_test(test_another_source),
		cmocka_unit_test(test_no_more_than_the_rate),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
