/* SPDX-License-Identifier: BSD-3-Clause */
/* What differs between two configurations. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "conf_text.h"

#define BALANCED(services) "balancers: {services: {" services "}}\n"
#define A		   "a: {address: 1.0.0.1, port: any, check: {kind: http, status: 200}}"
#define B(port)                                                                                    \
	"b: {address: 1.0.0.2, port: " port ", protocol: udp, acl: [{prefix: 10.0.0.0/8}, "        \
	"{prefix: 11.0.0.0/9, allow: false}]}"
#define C "c: {address: 1.0.0.3, port: 80, backends: [{address: 1.0.0.4}]}"
#define A_LINES(sign)                                                                              \
	sign " balancers.services.a.address: 1.0.0.1\n" sign                                       \
	     " balancers.services.a.check.kind: http\n" sign                                       \
	     " balancers.services.a.check.status: 200\n" sign " balancers.services.a.port: any\n"

#define LAN(more) "ports: {lan: {vdev: net_null0" more "}}\n"

static const struct {
	const char *name, *from, *to, *diff;
} cases[] = {
	{"style and comments do not count",
		"system: {workers: 1}\nroutes:\n- {prefix: 10.0.0.0/8, via: [198.18.0.1]}\n",
		"# a comment\nroutes: [{via: 198.18.0.1, prefix: '10.0.0.0/8', metric: 0}]\n", ""},
	{"units do not count", "system: {drain: 5s}\nneighbours: {age: 3600s}\n",
		"neighbours: {age: 60m}\n", ""},
	{"an option from its default", "system:\n", "system: {drain: 1500ms, idle: poll}\n",
		"- system.drain: 5s\n"
		"+ system.drain: 1500ms\n"
		"- system.idle: adaptive\n"
		"+ system.idle: poll\n"},
	{"workers", "system: {workers: 2}\n", "system: {workers: [4, auto]}\n",
		"- system.workers: 2\n"
		"+ system.workers: [4, auto]\n"},
	{"a port comes", "system:\n", LAN(", mtu: 9000, addresses: [198.18.0.1/24]"),
		"+ ports.lan.addresses: [198.18.0.1/24]\n"
		"+ ports.lan.mtu: 9000\n"
		"+ ports.lan.vdev: \"net_null0\"\n"},
	{"a port goes", LAN(", mac: \"02:00:00:00:00:01\""), "system:\n",
		"- ports.lan.mac: \"02:00:00:00:00:01\"\n"
		"- ports.lan.vdev: \"net_null0\"\n"},
	{"a port's option", LAN(", mtu: 9000"), LAN(", urpf: loose"),
		"- ports.lan.mtu: 9000\n"
		"+ ports.lan.mtu: 1500\n"
		"- ports.lan.urpf: off\n"
		"+ ports.lan.urpf: loose\n"},
	{"a port's device", LAN(""), "ports: {lan: {tap: {netns: 'a\"\\', iface: b}}}\n",
		"+ ports.lan.tap.iface: \"b\"\n"
		"+ ports.lan.tap.netns: \"a\\\"\\\\\"\n"
		"- ports.lan.vdev: \"net_null0\"\n"},
	{"an interface in the kernel", LAN(""), LAN(", kernel: lan-k"),
		"- ports.lan.kernel: \"\"\n"
		"+ ports.lan.kernel: \"lan-k\"\n"},
	{"a VLAN", LAN(", vlans: {10: {mtu: 1400}}"), LAN(", vlans: {20: {}, 10: {mtu: 1300}}"),
		"- ports.lan.vlans.10.mtu: 1400\n"
		"+ ports.lan.vlans.10.mtu: 1300\n"},
	{"files", "services: {web: {kind: http, listen: '0.0.0.0:80', root: www}}\n",
		"services: {web: {kind: http, listen: '0.0.0.0:80', root: '/a \"b\"'}}\n"
		"http: {head: 4K, idle: 5s}\n",
		"- http.head: 8K\n"
		"+ http.head: 4K\n"
		"- http.idle: 1m\n"
		"+ http.idle: 5s\n"
		"- services.web.root: \"www\"\n"
		"+ services.web.root: \"/a \\\"b\\\"\"\n"},
	{"routes",
		"routes: [{prefix: 10.0.0.0/8, via: 198.18.0.1},\n"
		"{prefix: 11.0.0.0/8, blackhole: true}, {prefix: 12.0.0.0/8, unreachable: true}]\n",
		"routes: [{prefix: 13.0.0.0/8, blackhole: true, metric: 3},\n"
		"{prefix: 12.0.0.0/8, unreachable: true},\n"
		"{prefix: 10.0.0.0/8, via: [198.18.0.2, 198.18.0.1]}]\n",
		"- routes[10.0.0.0/8]: {via: 198.18.0.1}\n"
		"+ routes[10.0.0.0/8]: {via: [198.18.0.2, 198.18.0.1]}\n"
		"- routes[11.0.0.0/8]: {blackhole: true}\n"
		"+ routes[13.0.0.0/8]: {blackhole: true, metric: 3}\n"},
	{"items of one key",
		"rarp: [{mac: \"02:00:00:00:00:01\", address: 10.0.0.1},\n"
		"{mac: \"02:00:00:00:00:01\", address: 10.0.0.2},\n"
		"{mac: \"02:00:00:00:00:01\", address: 10.0.0.2}]\n",
		"rarp: [{mac: \"02:00:00:00:00:01\", address: 10.0.0.3},\n"
		"{mac: \"02:00:00:00:00:01\", address: 10.0.0.2}]\n",
		"- rarp[02:00:00:00:00:01]: {address: 10.0.0.1}\n"
		"- rarp[02:00:00:00:00:01]: {address: 10.0.0.2}\n"
		"+ rarp[02:00:00:00:00:01]: {address: 10.0.0.3}\n"},
	{"one of several by name changes", BALANCED(A ", " B("80") ", " C),
		BALANCED(A ", " B("80-90") ", " C),
		"- balancers.services.b.port: 80\n"
		"+ balancers.services.b.port: 80-90\n"},
	{"the first of several goes", BALANCED(A ", " B("80") ", " C), BALANCED(B("80") ", " C),
		A_LINES("-")},
	{"the last of several goes", BALANCED(B("80") ", " A), BALANCED(B("80")), A_LINES("-")},
	{"one comes among several", BALANCED(B("80") ", " C), BALANCED(B("80") ", " A ", " C),
		A_LINES("+")},
	{"one is another's double but for its name", BALANCED(B("80")),
		BALANCED("d: {address: 1.0.0.2, port: 80, protocol: udp, acl: [{prefix: "
			 "10.0.0.0/8}, {prefix: 11.0.0.0/9, allow: false}]}, " B("80")),
		"+ balancers.services.d.acl[10.0.0.0/8]: {}\n"
		"+ balancers.services.d.acl[11.0.0.0/9]: {allow: false}\n"
		"+ balancers.services.d.address: 1.0.0.2\n"
		"+ balancers.services.d.port: 80\n"
		"+ balancers.services.d.protocol: udp\n"},
	{"several in another order", BALANCED(A ", " B("80") ", " C),
		BALANCED(C ", " A ", " B("80")), ""},
	{"bits of a prefix in a list of one by name", BALANCED(B("80")),
		BALANCED("b: {address: 1.0.0.2, port: 80, protocol: udp, acl: [{prefix: "
			 "10.0.0.0/8}, {prefix: 11.0.0.0/10, allow: false}]}"),
		"+ balancers.services.b.acl[11.0.0.0/10]: {allow: false}\n"
		"- balancers.services.b.acl[11.0.0.0/9]: {allow: false}\n"},
	{"services", "services: {a: {kind: udp-echo, listen: 0.0.0.0:7}}\n",
		"services: {a: {kind: udp-discard, listen: 0.0.0.0:7}}\n",
		"- services.a.kind: udp-echo\n"
		"+ services.a.kind: udp-discard\n"},
};

static void test_diff(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct conf *from = conf_good(cases[i].from), *to = conf_good(cases[i].to);
		char *diff = conf_diff(from, to);

		if (strcmp(diff, cases[i].diff) != 0)
			fail_msg("%s\ngot\n%swant\n%s", cases[i].name, diff, cases[i].diff);
		free(diff);
		conf_free(from);
		conf_free(to);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_diff),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
