/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages of rtnetlink: what each says, and that one that is cut or lies says nothing. */
#include "exact.h"
#include "netlink.h"
#include "wire/ip4_addr.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define NET  0x64400000u /* 100.64.0.0 */
#define HOST 0xc6120101u /* 198.18.1.1 */

static struct rtnl_msg read_one(const struct told *t)
{
	struct rtnl_msg m;
	bool bad;

	assert_int_equal(rtnl_msg_read(t->bytes, t->n, &m, &bad), (int)t->n);
	assert_false(bad);
	return m;
}

static bool is_bad(const struct told *t)
{
	void *exact = exact_copy(t->bytes, t->n);
	struct rtnl_msg m;
	bool bad = false;

	assert_int_equal(rtnl_msg_read(exact, t->n, &m, &bad), (int)t->n);
	free(exact);
	return bad;
}

static void test_link(void **state)
{
	struct told t = {.n = 0};
	struct rtnl_msg m;

	(void)state;
	tell_link(&t, RTM_NEWLINK, 7, "lan-k", true);
	m = read_one(&t);
	assert_int_equal(m.kind, RTNL_LINK);
	assert_false(m.gone);
	assert_int_equal(m.link.index, 7);
	assert_string_equal(m.link.name, "lan-k");
	assert_int_equal(m.link.mac[5], 0xee);
	assert_int_equal(m.link.mtu, 1500);
	assert_true(m.link.up);
	assert_false(m.link.loopback);
	assert_int_equal(m.link.vlan, 0);
	t.n = 0;
	tell_link(&t, RTM_DELLINK, 7, "lan-k", false);
	m = read_one(&t);
	assert_true(m.gone);
	assert_false(m.link.up);
}

static void test_vlan(void **state)
{
	struct told t = {.n = 0};
	struct nlmsghdr *h;
	struct ifinfomsg *i = told_begin(&t, &h, RTM_NEWLINK, 0, sizeof(*i));
	struct nlattr *info, *data;
	struct rtnl_msg m;

	(void)state;
	i->ifi_index = 9;
	mnl_attr_put_strz(h, IFLA_IFNAME, "lan-k.10");
	told_u32(h, IFLA_LINK, 7);
	info = mnl_attr_nest_start(h, IFLA_LINKINFO);
	mnl_attr_put_strz(h, IFLA_INFO_KIND, "vlan");
	data = mnl_attr_nest_start(h, IFLA_INFO_DATA);
	mnl_attr_put_u16(h, IFLA_VLAN_ID, 10);
	mnl_attr_nest_end(h, data);
	mnl_attr_nest_end(h, info);
	told_end(&t, h);
	m = read_one(&t);
	assert_int_equal(m.link.vlan, 10);
	assert_int_equal(m.link.parent, 7);
}

static void test_addr(void **state)
{
	struct told t = {.n = 0};
	struct rtnl_msg m;
	struct nlmsghdr *h;
	struct ifaddrmsg *i;

	(void)state;
	tell_addr(&t, RTM_NEWADDR, 7, HOST, 24, 77);
	m = read_one(&t);
	assert_int_equal(m.kind, RTNL_ADDR);
	assert_int_equal(m.addr.index, 7);
	assert_int_equal(m.addr.addr, HOST);
	assert_int_equal(m.addr.depth, 24);
	assert_int_equal(m.addr.protocol, 77);
	t.n = 0; /* a peer's network is not ours */
	i = told_begin(&t, &h, RTM_NEWADDR, 0, sizeof(*i));
	i->ifa_family = AF_INET;
	i->ifa_prefixlen = 24;
	told_addr(h, IFA_LOCAL, HOST);
	told_addr(h, IFA_ADDRESS, NET);
	told_end(&t, h);
	m = read_one(&t);
	assert_int_equal(m.addr.addr, HOST);
	assert_int_equal(m.addr.depth, 32);
	assert_int_equal(m.addr.protocol, 0);
}

static void test_neigh(void **state)
{
	static const struct {
		uint16_t state;
		uint8_t flags;
		bool permanent;
	} cases[] = {
		{NUD_PERMANENT, 0, true},
		{NUD_PERMANENT, NTF_EXT_LEARNED, false},
		{NUD_PERMANENT, NTF_PROXY, false},
		{NUD_REACHABLE, 0, false},
		{NUD_REACHABLE, NTF_EXT_LEARNED, false},
	};

	(void)state;
	for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
		struct told t = {.n = 0};
		struct rtnl_msg m;

		tell_neigh(&t, RTM_NEWNEIGH, 7, HOST, cases[c].state, cases[c].flags);
		m = read_one(&t);
		assert_int_equal(m.kind, RTNL_NEIGH);
		assert_int_equal(m.neigh.addr, HOST);
		assert_int_equal(m.neigh.permanent, cases[c].permanent);
	}
}

static void test_nexthops(void **state)
{
	struct told t = {.n = 0};
	struct rtnl_msg m;

	(void)state;
	tell_nexthop(&t, RTM_NEWNEXTHOP, 5, 7, HOST);
	m = read_one(&t);
	assert_int_equal(m.kind, RTNL_NEXTHOP);
	assert_int_equal(m.nexthop.id, 5);
	assert_false(m.nexthop.is_group);
	assert_int_equal(m.nexthop.hop.gateway, HOST);
	assert_int_equal(m.nexthop.hop.index, 7);
	assert_int_equal(m.nexthop.hop.flags, 0);
	t.n = 0;
	tell_group(&t, 6, 5, 4);
	m = read_one(&t);
	assert_true(m.nexthop.is_group);
	assert_int_equal(m.nexthop.n, 2);
	assert_int_equal(m.nexthop.member[1].id, 4);
	assert_int_equal(m.nexthop.member[1].weight, 1);
}

static void test_route(void **state)
{
	struct told t = {.n = 0};
	struct rtnl_msg m;

	(void)state;
	tell_route(&t, (struct told_route){.prefix = NET | 5, /* no bit beyond its depth is kept */
			       .depth = 24,
			       .metric = 20,
			       .table = 1000,
			       .flags = NLM_F_REPLACE,
			       .n = 1,
			       .hop = {{7, HOST}}});
	m = read_one(&t);
	assert_int_equal(m.kind, RTNL_ROUTE);
	assert_true(m.replaces);
	assert_int_equal(m.route.prefix, NET);
	assert_int_equal(m.route.depth, 24);
	assert_int_equal(m.route.metric, 20);
	assert_int_equal(m.route.table, 1000);
	assert_int_equal(m.route.type, RTN_UNICAST);
	assert_int_equal(m.route.protocol, RTPROT_STATIC);
	assert_int_equal(m.route.n, 1);
	assert_int_equal(m.route.hop[0].gateway, HOST);
	assert_int_equal(m.route.hop[0].index, 7);
}

static void test_multipath(void **state)
{
	struct told t = {.n = 0};
	struct rtnl_msg m;

	(void)state;
	tell_route(&t, (struct told_route){.n = 3,
			       .hop = {{7, HOST, 0, 0}, {8, HOST + 1, 9, 0},
				       {9, HOST + 2, 0, RTNH_F_DEAD}}});
	m = read_one(&t);
	assert_int_equal(m.route.depth, 0);
	assert_int_equal(m.route.n, 3);
	assert_int_equal(m.route.hop[1].index, 8);
	assert_int_equal(m.route.hop[1].gateway, HOST + 1);
	assert_int_equal(m.route.hop[1].weight, 10);
	assert_int_equal(m.route.hop[1].flags, 0);
	assert_int_equal(m.route.hop[2].flags, RTNL_HOP_DEAD);
}

static void test_a_gateway_of_another_family(void **state)
{
	static const uint8_t via[18] = {AF_INET6 & 0xff};
	struct told t = {.n = 0};
	struct nlmsghdr *h;
	struct rtmsg *i = told_begin(&t, &h, RTM_NEWROUTE, 0, sizeof(*i));
	struct rtnl_msg m;

	(void)state;
	i->rtm_family = AF_INET;
	told_u32(h, RTA_OIF, 7);
	mnl_attr_put(h, RTA_VIA, sizeof(via), via);
	told_end(&t, h);
	m = read_one(&t);
	assert_int_equal(m.route.n, 1);
	assert_int_equal(m.route.hop[0].flags, RTNL_HOP_OTHER);
}

static void test_end_and_error(void **state)
{
	struct told t = {.n = 0};
	struct nlmsghdr *h;
	struct nlmsgerr *e;
	struct rtnl_msg m;

	(void)state;
	tell_done(&t, 12, NLM_F_DUMP_INTR);
	m = read_one(&t);
	assert_int_equal(m.kind, RTNL_DONE);
	assert_int_equal(m.sequence, 12);
	assert_true(m.interrupted);
	t.n = 0;
	e = told_begin(&t, &h, NLMSG_ERROR, 0, sizeof(*e));
	e->error = -ENOENT;
	told_end(&t, h);
	m = read_one(&t);
	assert_int_equal(m.kind, RTNL_ERROR);
	assert_int_equal(m.error, -ENOENT);
}

static void test_what_is_not_for_us(void **state)
{
	static const uint16_t types[] = {NLMSG_NOOP, RTM_NEWRULE, RTM_NEWQDISC, 0xffff};
	static const struct {
		uint16_t type;
		size_t size;
	} ip6[] = {
		{RTM_NEWLINK, sizeof(struct ifinfomsg)},
		{RTM_NEWADDR, sizeof(struct ifaddrmsg)},
		{RTM_NEWNEIGH, sizeof(struct ndmsg)},
		{RTM_NEWROUTE, sizeof(struct rtmsg)},
	};
	struct nlmsghdr *h;

	(void)state;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		struct told t = {.n = 0};

		told_begin(&t, &h, types[i], 0, 0);
		told_end(&t, h);
		assert_int_equal(read_one(&t).kind, RTNL_OTHER);
	}
	for (size_t i = 0; i < sizeof(ip6) / sizeof(ip6[0]); i++) {
		struct told t = {.n = 0};
		uint8_t *family = told_begin(&t, &h, ip6[i].type, 0, ip6[i].size);

		*family = AF_INET6;
		told_end(&t, h);
		assert_int_equal(read_one(&t).kind, RTNL_OTHER);
	}
}

/* Attributes of a wrong size, and other lies: the whole message is refused. */
static void test_lies(void **state)
{
	static const struct {
		uint16_t type;
		uint8_t size; /* of the head */
		uint16_t attribute, length;
	} cases[] = {
		{RTM_NEWROUTE, sizeof(struct rtmsg), RTA_GATEWAY, 3},
		{RTM_NEWROUTE, sizeof(struct rtmsg), RTA_GATEWAY, 16},
		{RTM_NEWROUTE, sizeof(struct rtmsg), RTA_DST, 0},
		{RTM_NEWROUTE, sizeof(struct rtmsg), RTA_PRIORITY, 2},
		{RTM_NEWROUTE, sizeof(struct rtmsg), RTA_TABLE, 8},
		{RTM_NEWROUTE, sizeof(struct rtmsg), RTA_NH_ID, 1},
		{RTM_NEWROUTE, sizeof(struct rtmsg), RTA_MULTIPATH, 7},
		{RTM_NEWROUTE, sizeof(struct rtmsg), RTA_MULTIPATH, 8}, /* rtnh_len is 0 */
		{RTM_NEWADDR, sizeof(struct ifaddrmsg), IFA_LOCAL, 16},
		{RTM_NEWADDR, sizeof(struct ifaddrmsg), IFA_PROTO, 4},
		{RTM_NEWADDR, sizeof(struct ifaddrmsg), IFA_LABEL, 4}, /* no address at all */
		{RTM_NEWNEIGH, sizeof(struct ndmsg), NDA_DST, 5},
		{RTM_NEWNEXTHOP, sizeof(struct nhmsg), NHA_ID, 2},
		{RTM_NEWNEXTHOP, sizeof(struct nhmsg), NHA_OIF, 4}, /* no id */
		{RTM_NEWNEXTHOP, sizeof(struct nhmsg), NHA_GROUP, 7},
	};
	static const uint8_t zeros[16];

	(void)state;
	for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
		struct told t = {.n = 0};
		struct nlmsghdr *h;
		uint8_t *head = told_begin(&t, &h, cases[c].type, 0, cases[c].size);

		*head = AF_INET;
		mnl_attr_put(h, cases[c].attribute, cases[c].length, zeros);
		told_end(&t, h);
		assert_true(is_bad(&t));
	}
}

static void test_depths(void **state)
{
	struct told t = {.n = 0};

	(void)state;
	tell_route(&t, (struct told_route){.prefix = NET, .depth = 33});
	assert_true(is_bad(&t));
	t.n = 0;
	tell_addr(&t, RTM_NEWADDR, 7, HOST, 33, 0);
	assert_true(is_bad(&t));
}

/* Each message cut everywhere, and then with a length that says so: nothing behind it is read, as
 * a sanitizer would see. */
static void test_cut(void **state)
{
	struct told t = {.n = 0};
	size_t at = 0;

	(void)state;
	tell_link(&t, RTM_NEWLINK, 7, "lan-k", true);
	tell_addr(&t, RTM_NEWADDR, 7, HOST, 24, 77);
	tell_neigh(&t, RTM_NEWNEIGH, 7, HOST, NUD_PERMANENT, 0);
	tell_nexthop(&t, RTM_NEWNEXTHOP, 5, 7, HOST);
	tell_group(&t, 6, 5, 4);
	tell_route(&t, (struct told_route){.n = 2, .hop = {{7, HOST}, {8, HOST}}});
	tell_done(&t, 1, 0);
	while (at < t.n) {
		const struct nlmsghdr *h = (const struct nlmsghdr *)(t.bytes + at);
		uint32_t length = h->nlmsg_len;
		struct rtnl_msg m;
		bool bad;

		for (uint32_t cut = 0; cut < length; cut++) {
			struct nlmsghdr *copy = exact_copy(h, cut);

			assert_int_equal(rtnl_msg_read(copy, cut, &m, &bad), -EBADMSG);
			if (cut >= sizeof(*h)) {
				copy->nlmsg_len = cut;
				assert_int_equal(rtnl_msg_read(copy, cut, &m, &bad), (int)cut);
			}
			free(copy);
		}
		at += MNL_ALIGN(length);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_link),
		cmocka_unit_test(test_vlan),
		cmocka_unit_test(test_addr),
		cmocka_unit_test(test_neigh),
		cmocka_unit_test(test_nexthops),
		cmocka_unit_test(test_route),
		cmocka_unit_test(test_multipath),
		cmocka_unit_test(test_a_gateway_of_another_family),
		cmocka_unit_test(test_end_and_error),
		cmocka_unit_test(test_what_is_not_for_us),
		cmocka_unit_test(test_lies),
		cmocka_unit_test(test_depths),
		cmocka_unit_test(test_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
