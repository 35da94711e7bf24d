/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two instances in one process that tell each other their flows: what goes on there, what is lost,
 * told twice, forged, or better known. Their services have different slots, and the second has
 * other workers.
 */
#include "net/udp.h"
#include "routes.h"
#include "sync_client.h"

/* --- cases --- */

static int set_up(void **state)
{
	(void)state;
	return eal_for_tests(128);
}

/* So many, and those of them again whose turn it was on the walk over all. */
static void expect_about(uint64_t n, uint64_t most)
{
	assert_in_range(n, most, most + most / 5);
}

static void they_go_on(uint16_t workers)
{
	uint32_t served_by[FLOWS];

	begin(workers, "a key");
	meet();
	open_some(&a, 0, FLOWS, served_by);
	pass(100);
	expect_about(counted(&a, COUNT_flows_told), FLOWS);
	assert_int_equal(counted(&b, COUNT_flows_taken), counted(&a, COUNT_flows_told));
	assert_int_equal(flows_of(&b), FLOWS);
	for (uint32_t i = 0; i < FLOWS; i++) {
		assert_int_equal(segment(&b, i, TCP_ACK), served_by[i]);
		assert_true(answer(&b, i, served_by[i], TCP_ACK));
	}
	assert_int_equal(flows_of(&b), FLOWS); /* none was begun */
	end();
}

static void test_flows_go_on(void **state)
{
	(void)state;
	they_go_on(1);
}

static void test_flows_go_on_with_other_workers(void **state)
{
	(void)state;
	they_go_on(3);
}

static void test_who_appears_is_told_all(void **state)
{
	(void)state;
	begin(2, "a key");
	open_some(&a, 0, FLOWS, NULL);
	meet();
	pass(1000);
	assert_int_equal(flows_of(&b), FLOWS);
	end();
}

static bool all(uint32_t n)
{
	(void)n;
	return true;
}

/* By chance: with a rhythm it would be the same one in each round. */
static bool a_third(uint32_t n)
{
	uint64_t state = n;

	return random_below(&state, 3) == 0;
}

static void test_what_was_lost_is_told_again(void **state)
{
	(void)state;
	begin(1, "a key");
	meet();
	pass(5000);
	open_some(&a, 0, FLOWS, NULL);
	wire.loses = all;
	pass(100);
	assert_int_equal(flows_of(&b), 0);
	wire.loses = a_third;
	/* rounds over all: ten leave one out in three hundred runs, forty in none */
	for (uint32_t round = 0; round < 40 && flows_of(&b) < FLOWS; round++)
		pass(20000);
	assert_int_equal(flows_of(&b), FLOWS);
	end();
}

static void test_out_of_order_and_twice(void **state)
{
	(void)state;
	begin(2, "a key");
	meet();
	wire.twice = true;
	open_some(&a, 0, FLOWS, NULL);
	pass(100);
	assert_int_equal(flows_of(&b), FLOWS);
	expect_about(counted(&b, COUNT_flows_taken), FLOWS);
	assert_true(dropped(&b, DROP_SYNC_OLD) > 20);
	end();
}

static void test_another_key(void **state)
{
	(void)state;
	begin(1, "another key");
	open_some(&a, 0, FLOWS, NULL);
	pass(10000);
	assert_false(listens(&a) || listens(&b));
	assert_int_equal(flows_of(&b), 0);
	assert_true(dropped(&b, DROP_SYNC_KEY) >= 9 && dropped(&a, DROP_SYNC_KEY) >= 9);
	end();
}

/* The other side starts anew: its flows are new ones, and what it said before counts no more. */
static void test_a_session_that_is_over(void **state)
{
	struct rte_mbuf *last;
	uint8_t old[2048];
	uint64_t before;
	uint32_t len;

	(void)state;
	begin(1, "a key");
	meet();
	open_some(&a, 0, 1, NULL);
	a.w->now += clock_of_ms(20);
	lb_sync_time(a.w);
	assert_true(a.w->out.n > 0);
	last = a.w->out.pkt[a.w->out.n - 1]; /* before it there may be a hello */
	len = rte_pktmbuf_pkt_len(last);
	memcpy(old, rte_pktmbuf_mtod(last, uint8_t *), len);
	frame_ip(old)->src = to_be32(LAN_HOST);
	frame_ip(old)->dst = to_be32(LAN_ADDR);
	carry(&a, &b);
	assert_int_equal(flows_of(&b), 1);

	a.w->net->lb->session ^= 0x10;
	memset(&a.w->lb->sync->greeter, 0, sizeof(a.w->lb->sync->greeter));
	atomic_store(&a.w->net->lb->telling, 0);
	pass(5000);
	meet();
	assert_int_equal(atomic_load(&b.w->net->lb->peer), a.w->net->lb->session);
	before = dropped(&b, DROP_SYNC_OLD);
	arrive(&b, old, len);
	assert_int_equal(dropped(&b, DROP_SYNC_OLD), before + 1);
	end();
}

static void test_silence(void **state)
{
	(void)state;
	begin(1, "a key");
	meet();
	wire.loses = all;
	pass(7000);
	assert_false(listens(&a) || listens(&b));
	open_some(&a, 0, FLOWS, NULL);
	pass(1000);
	assert_int_equal(counted(&a, COUNT_flows_told), 0);
	wire.loses = NULL;
	meet();
	pass(1000);
	assert_int_equal(flows_of(&b), FLOWS);
	end();
}

static void test_what_ends_ends_there(void **state)
{
	uint32_t served_by[FLOWS];

	(void)state;
	begin(1, "a key");
	meet();
	open_some(&a, 0, FLOWS, served_by);
	pass(100);
	for (uint32_t i = 0; i < FLOWS; i++)
		close_it(&a, i, served_by[i]);
	pass(100);
	assert_int_equal(counted(&b, COUNT_flows_ended), FLOWS);
	pass(40000); /* closed ones are over, and swept away */
	assert_int_equal(flows_of(&b), 0);
	end();
}

static void test_short_flows_cost_nothing(void **state)
{
	uint32_t served_by[FLOWS];

	(void)state;
	begin(1, "a key");
	meet();
	pass(20);
	open_some(&a, 0, FLOWS / 2, served_by); /* fewer than fill a datagram */
	for (uint32_t i = 0; i < FLOWS / 2; i++)
		close_it(&a, i, served_by[i]);
	pass(1000);
	assert_int_equal(counted(&a, COUNT_flows_told), 0);
	end();
}

static void test_what_nobody_could_take_is_not_told(void **state)
{
	(void)state;
	begin(1, "a key");
	meet();
	for (uint32_t i = 0; i < FLOWS; i++)
		assert_true(segment(&a, i, TCP_SYN) != 0);
	pass(25000); /* half open */
	open_some(&a, 0, FLOWS, NULL);
	for (uint32_t ref = 0; ref < flow_refs(a.w->lb->flows); ref++)
		flow_at(a.w->lb->flows, ref)->proxied = true; /* nobody else has the numbers */
	pass(25000);
	assert_int_equal(counted(&a, COUNT_flows_told), 0);
	end();
}

/* What was taken and is used is told back once, and is not taken away by what is older. */
static void test_no_to_and_fro(void **state)
{
	uint32_t served_by[FLOWS];
	uint64_t told;

	(void)state;
	begin(1, "a key");
	meet();
	open_some(&a, 0, FLOWS, served_by);
	pass(5000);
	assert_int_equal(counted(&b, COUNT_flows_told), 0);
	for (uint32_t i = 0; i < FLOWS; i++)
		segment(&b, i, TCP_ACK);
	pass(100);
	expect_about(counted(&b, COUNT_flows_told), FLOWS);
	expect_about(counted(&a, COUNT_flows_taken), FLOWS); /* b has seen them last */
	told = counted(&a, COUNT_flows_told);
	pass(60000);
	assert_int_equal(counted(&a, COUNT_flows_told), told); /* not ours any more */
	for (uint32_t i = 0; i < FLOWS; i++)
		assert_int_equal(segment(&a, i, TCP_ACK), served_by[i]);
	end();
}

/* The same client and port again, with another backend, while the other side has an older one. */
static void test_the_newer_one_counts(void **state)
{
	uint32_t old, new;

	(void)state;
	begin(1, "a key");
	open_some(&b, 0, 1, &old);
	pass(3000);
	do { /* until it is the other's turn */
		segment(&a, 0, TCP_RST);
		pass(11000);
		new = segment(&a, 0, TCP_SYN);
	} while (new == old);
	answer(&a, 0, new, TCP_SYN | TCP_ACK);
	segment(&a, 0, TCP_ACK);
	meet();
	pass(1000);
	assert_int_equal(segment(&b, 0, TCP_ACK), new);
	end();
}

static void test_what_is_not_here(void **state)
{
	struct lb_bed_conf other;

	(void)state;
	begin(1, "a key");
	other = b.conf;
	other.c.services = other.service;
	for (uint32_t i = 0; i < other.c.n_services; i++)
		other.service[i].backends = other.backend[i];
	other.service[1].n_backends = 1; /* FAR_HOST alone */
	assert_int_equal(lb_bed_apply(b.w->net, &other), 0);
	meet();
	open_some(&a, 0, FLOWS, NULL);
	pass(100);
	assert_int_equal(flows_of(&b), FLOWS / 2);
	assert_true(counted(&b, COUNT_flows_unknown) >= FLOWS / 2);
	end();
}

static struct lb_peer shown(const struct side *s)
{
	struct lb_peer p;

	lb_tick(s->w->net, s->w->now);
	assert_true(lb_peer(s->w->net, &p));
	return p;
}

/* What an operator is told: whether the other one is there, since when, and what waits. */
static void test_what_is_shown(void **state)
{
	struct lb_peer p;
	ticks met;

	(void)state;
	begin(2, "a key");
	p = shown(&a);
	assert_false(p.up || p.listens || p.since != 0 || p.session != 0);
	open_some(&b, 0, FLOWS, NULL);
	meet();
	met = a.w->now;
	p = shown(&a);
	assert_true(p.up && p.listens && p.since == met);
	assert_int_equal(p.session, b.w->net->lb->session);
	pass(3000);
	assert_true(shown(&a).since == met);
	assert_int_equal(shown(&b).pending, 0);
	open_some(&b, FLOWS, 9, NULL);
	assert_int_equal(shown(&b).pending, 9);
	pass(40);
	assert_int_equal(shown(&b).pending, 0);
	assert_int_equal(counted(&b, COUNT_sync_sent), counted(&a, COUNT_sync_read));
	assert_true(counted(&b, COUNT_sync_sent) > 0);
	wire.loses = all;
	pass(7000);
	p = shown(&a);
	assert_false(p.up || p.listens || p.session != 0);
	assert_true(p.since == a.w->now);
	a.conf.c.sync.addr = 0;
	assert_int_equal(lb_bed_apply(a.w->net, &a.conf), 0);
	assert_false(lb_peer(a.w->net, &p));
	end();
}

static void test_off_and_on(void **state)
{
	(void)state;
	begin(1, "a key");
	meet();
	a.conf.c.sync.addr = 0;
	assert_int_equal(lb_bed_apply(a.w->net, &a.conf), 0);
	open_some(&a, 0, FLOWS, NULL);
	pass(10000);
	assert_false(listens(&b));
	assert_int_equal(atomic_load(&a.w->net->sync_end), 0);
	a.conf.c.sync.addr = LAN_ADDR;
	assert_int_equal(lb_bed_apply(a.w->net, &a.conf), 0);
	meet();
	pass(1000);
	assert_int_equal(flows_of(&b), FLOWS);
	end();
}

/* --- what is told --- */

static void test_closed_ones_are_told_once(void **state)
{
	uint32_t served_by[FLOWS];
	uint64_t told;

	(void)state;
	begin(1, "a key");
	meet();
	open_some(&a, 0, FLOWS, served_by);
	pass(100);
	for (uint32_t i = 0; i < FLOWS; i++)
		close_it(&a, i, served_by[i]);
	pass(100);
	told = counted(&a, COUNT_flows_told);
	for (uint32_t i = 0; i < FLOWS / 2; i++) { /* short ones at the same ports */
		open_some(&a, i, 1, served_by);
		close_it(&a, i, served_by[i]);
	}
	pass(9000); /* the walk comes by, too */
	assert_int_equal(counted(&a, COUNT_flows_told), told);
	end();
}

/* A place that was noted is another flow's by now, of another slot, which is not its datagram's. */
static void test_another_flow_at_its_place(void **state)
{
	struct sync_end *e;
	uint32_t ref = 0, slot;
	uint64_t told;

	(void)state;
	begin(1, "a key");
	open_some(&a, 0, 1, NULL);
	meet();
	pass(1000);
	e = a.w->lb->sync;
	while (flow_at(a.w->lb->flows, ref)->state == FLOW_FREE)
		ref++;
	slot = sync_slot(to_be32(LAN_HOST), to_be32(VIP), to_be16(1024), to_be16(80)) ^ 1;
	told = counted(&a, COUNT_flows_told);
	assert_true(told >= 1);
	e->ref[slot][0] = ref;
	e->n[slot] = 1;
	e->waiting |= UINT64_C(1) << slot;
	e->left = 0; /* no walk */
	e->stepped_at = a.w->now;
	pass(100);
	assert_int_equal(counted(&a, COUNT_flows_told), told);
	assert_int_equal(e->n[slot], 0);
	end();
}

static void test_a_backend_that_ended_is_not_told(void **state)
{
	const struct lb_member *m;
	uint32_t served_by[FLOWS];
	uint64_t others = 0;

	(void)state;
	begin(1, "a key");
	meet();
	pass(20);
	open_some(&a, 0, FLOWS, served_by);
	for (uint32_t i = 0; i < FLOWS; i++)
		others += served_by[i] != WAN_HOST;
	m = lb_member_find(a.w->net, "web", WAN_HOST, 8080);
	a.w->net->lb->backend[m->slot[0]].state = LB_BACKEND_ENDED;
	for (uint32_t i = 0; i < 20; i++) { /* no sweep, no tick: they are there still */
		a.w->now += clock_of_ms(20);
		lb_sync_time(a.w);
		carry(&a, &b);
	}
	assert_int_equal(flows_of(&b), others);
	end();
}

/* The walk over all leaves half of what may be told to what changes. */
static void test_changes_go_first(void **state)
{
	uint64_t untold;

	(void)state;
	begin(1, "a key");
	a.conf.c.sync.rate = 20;
	assert_int_equal(lb_bed_apply(a.w->net, &a.conf), 0);
	open_some(&a, 0, FLOWS, NULL);
	meet();
	pass(40);
	untold = counted(&a, COUNT_flows_untold);
	open_some(&a, FLOWS, 15, NULL);
	assert_int_equal(counted(&a, COUNT_flows_untold), untold);
	end();
}

/* What waited when nobody listened any more is told by the walk alone, not twice. */
static void test_nobody_listens_for_a_moment(void **state)
{
	uint32_t telling;

	(void)state;
	begin(1, "a key");
	meet();
	pass(20);
	open_some(&a, 0, FLOWS / 2, NULL);
	telling = atomic_load(&a.w->net->lb->telling);
	atomic_store(&a.w->net->lb->telling, 0);
	lb_sync_time(a.w);
	atomic_store(&a.w->net->lb->telling, telling);
	pass(900);
	assert_in_range(counted(&a, COUNT_flows_told), FLOWS / 2, FLOWS / 2 + 20);
	end();
}

static void test_datagrams(void **state)
{
	struct lb_member *m;

	(void)state;
	begin(1, "a key");
	for (struct side *s = &a;; s = &b) {
		s->conf.service[s->conf.c.n_services - 1].protocol = LB_TCP_AND_UDP;
		assert_int_equal(lb_bed_apply(s->w->net, &s->conf), 0);
		if (s == &b)
			break;
	}
	meet();
	for (uint32_t i = 0; i < 20; i++)
		assert_true(answer(&a, i, segment(&a, i, 0), 0));
	pass(100);
	m = lb_member_find(b.w->net, "web", WAN_HOST, 8080);
	assert_int_equal(lb_backend_count(b.w->net, m->slot[1]).flows, 10);
	assert_int_equal(lb_backend_count(b.w->net, m->slot[0]).flows, 0);
	end();
}

/* --- hellos --- */

/* A hello as b hears it, from a session that knows one of b's, with b's nonce or another. */
static void hear(uint64_t session, uint64_t number, uint64_t echo, uint64_t knows)
{
	struct sync_head h = {.session = session, .kind = SYNC_HELLO, .number = number};
	struct sync_hello hello = {.nonce = 5, .echo = echo, .knows = knows};

	sync_hear(b.w, &h, &hello);
}

static uint64_t peer_of_b(void)
{
	return atomic_load(&b.w->net->lb->peer);
}

/* Who says what was said before is not there: neither again, nor from a session that is over. */
static void test_hellos_of_the_past(void **state)
{
	struct sync_greeter *g;
	uint64_t known;

	(void)state;
	begin(1, "a key");
	g = &b.w->lb->sync->greeter;
	hear(77, 1, 0, b.w->net->lb->session); /* no nonce was said yet, so none is echoed */
	assert_int_equal(peer_of_b(), 0);
	meet();
	known = peer_of_b();
	assert_int_equal(known, a.w->net->lb->session);
	hear(77, 1000, 12345, b.w->net->lb->session);
	assert_int_equal(peer_of_b(), known);
	wire.loses = all;
	for (uint32_t i = 0; i < 7; i++) {
		hear(known, g->number, g->nonce[0], b.w->net->lb->session);
		pass(1000);
	}
	assert_int_equal(peer_of_b(), 0);
	end();
}

/* Who listens anew is told all, however quickly it came to that. */
static void test_who_listens_anew(void **state)
{
	struct sync_greeter *g;
	uint64_t ours, known;
	uint32_t telling;

	(void)state;
	begin(1, "a key");
	meet();
	g = &b.w->lb->sync->greeter;
	ours = b.w->net->lb->session;
	known = peer_of_b();
	telling = atomic_load(&b.w->net->lb->telling);
	hear(known, g->number + 1, g->nonce[0], 0);
	assert_false(listens(&b));
	hear(known, g->number + 1, g->nonce[0], ours);
	assert_true(listens(&b));
	assert_int_not_equal(atomic_load(&b.w->net->lb->telling), telling);
	telling = atomic_load(&b.w->net->lb->telling);
	hear(known ^ 0x10, 1, g->nonce[0], ours); /* another session, which knows us at once */
	assert_true(listens(&b));
	assert_int_not_equal(atomic_load(&b.w->net->lb->telling), telling);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_flows_go_on),
		cmocka_unit_test(test_flows_go_on_with_other_workers),
		cmocka_unit_test(test_who_appears_is_told_all),
		cmocka_unit_test(test_what_was_lost_is_told_again),
		cmocka_unit_test(test_out_of_order_and_twice),
		cmocka_unit_test(test_another_key),
		cmocka_unit_test(test_a_session_that_is_over),
		cmocka_unit_test(test_silence),
		cmocka_unit_test(test_what_ends_ends_there),
		cmocka_unit_test(test_short_flows_cost_nothing),
		cmocka_unit_test(test_what_nobody_could_take_is_not_told),
		cmocka_unit_test(test_no_to_and_fro),
		cmocka_unit_test(test_the_newer_one_counts),
		cmocka_unit_test(test_what_is_not_here),
		cmocka_unit_test(test_what_is_shown),
		cmocka_unit_test(test_off_and_on),
		cmocka_unit_test(test_closed_ones_are_told_once),
		cmocka_unit_test(test_another_flow_at_its_place),
		cmocka_unit_test(test_a_backend_that_ended_is_not_told),
		cmocka_unit_test(test_changes_go_first),
		cmocka_unit_test(test_nobody_listens_for_a_moment),
		cmocka_unit_test(test_datagrams),
		cmocka_unit_test(test_hellos_of_the_past),
		cmocka_unit_test(test_who_listens_anew),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
