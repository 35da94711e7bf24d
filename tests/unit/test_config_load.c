/* SPDX-License-Identifier: BSD-3-Clause */
/* The loader: what is wrong with a text, all of it; and what a good one becomes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "conf_text.h"
#include "wire/ip4_addr.h"

#include <unistd.h>

#define TOP                                                                                        \
	"system, ports, routes, neighbours, rarp, services, balancers, tcp, http, icmp, ip4, "     \
	"reassembly"
#define PORT "tap, pci, vdev"
#define LAN  "ports: {lan: {vdev: net_null0"

struct text_case {
	const char *name, *yaml, *errors; /* lines of errors; NULL: it is good */
};

/* What YAML itself forbids, or we of YAML. */
static const struct text_case syntax[] = {
	{"least", "system:", NULL},
	{"flow", "{system: {workers: 2}, routes: []}", NULL},
	{"quotes make no difference", "system: {'workers': \"2\", log: 'syslog'}", NULL},
	{"byte order mark", "\xef\xbb\xbfsystem:\n  workers: 2\n", NULL},
	{"line ends of another system", "system:\r\n  workers: 2\r\nroutes:\r\n", NULL},
	{"document marks", "%YAML 1.1\n---\nsystem: {}\n...\n", NULL},
	{"comments alone", "# nothing\n",
		"t:1:1: file: empty; `millrace --config-reference` shows all\n"},
	{"nothing", "", "t:1:1: file: empty; `millrace --config-reference` shows all\n"},
	{"null document", "---\n...\n",
		"t:1:1: file: empty; `millrace --config-reference` shows all\n"},
	{"list", "- system\n", "t:1:1: file: is not a map of options\n"},
	{"word", "system\n", "t:1:1: file: is not a map of options\n"},
	{"two documents", "system: {}\n---\nports: {}\n",
		"t:2:1: file: a second document; a configuration is one\n"},
	{"tab", "system:\n\tworkers: 1\n", "t:2:1: system: a tab, where YAML takes spaces alone\n"},
	{"unclosed", "system: {workers: 1\n",
		"t:2:1: system.workers: not YAML: did not find expected ',' or '}' while parsing a "
		"flow "
		"mapping\n"},
	{"unclosed quote", "system: \"a\n",
		"t:2:1: system: not YAML: found unexpected end of stream while scanning a quoted "
		"scalar\n"},
	{"indentation", "system:\n  workers: 1\n log: syslog\n",
		"t:3:2: system: not YAML: did not find expected key while parsing a block "
		"mapping\n"},
	{"errors before it are told too", "balancer:\nsystem: ]\n",
		"t:1:1: balancer: unknown, perhaps meant: balancers; allowed: " TOP "\n"
		"t:2:9: system: not YAML: did not find expected node content while parsing a "
		"block node\n"},
	{"not UTF-8", "system:\n  é: \xff\n",
		"t:2:6: file: byte 0xff: invalid leading UTF-8 octet; a configuration is UTF-8\n"},
	{"control character", "system: \x01\n",
		"t:1:9: file: byte 0x01: control characters are not allowed; a configuration is "
		"UTF-8\n"},
	{"anchor", "system: &a {workers: 1}\n",
		"t:1:9: system: anchors, aliases and tags are not taken: write the value out\n"},
	{"alias", "system: {workers: *a, control: *b}\nports: *a\n",
		"t:1:19: system.workers: anchors, aliases and tags are not taken: write the value "
		"out\n"
		"t:1:32: system.control: anchors, aliases and tags are not taken: write the value "
		"out\n"
		"t:2:8: ports: anchors, aliases and tags are not taken: write the value out\n"},
	{"tag", "system: {workers: !!str 2}\n",
		"t:1:19: system.workers: anchors, aliases and tags are not taken: write the value "
		"out\n"},
	{"merge", "system:\n  <<: {workers: 1}\n",
		"t:2:3: system.<<: unknown; allowed: workers, control, pipeline, hugepages, "
		"memory, idle, drain, control_socket, socket_service, socket_group, log, "
		"log_level, "
		"loopback, kernel, limits\n"},
	{"key that is a list", "system:\n  ? [a, b]\n  : c\n  workers: 1\n",
		"t:2:5: system: the name of an option is needed here\n"},
	{"deep where one value is", "system: {workers: [[[[{a: [[b]]}]]]], log: x}\n",
		"t:1:20: system.workers[0]: is not a single value; allowed: 0 to 1023 or auto\n"
		"t:1:44: system.log: `x` is not valid; allowed: stderr or syslog\n"},
	{"unprintable in a message", "system: {\"\\e[31m\": 1}\n",
		"t:1:10: system.?[31m: unknown; allowed: workers, control, pipeline, hugepages, "
		"memory, "
		"idle, "
		"drain, control_socket, socket_service, socket_group, log, log_level, loopback, "
		"kernel, limits\n"},
};

/* Keys, kinds of nodes, and how many of what. */
static const struct text_case structure[] = {
	{"unknown section", "turbines: {a: [b, {c: d}]}\n",
		"t:1:1: turbines: unknown; allowed: " TOP "\n"},
	{"perhaps", "sytsem: {}\nroute: []\n",
		"t:1:1: sytsem: unknown, perhaps meant: system; allowed: " TOP "\n"
		"t:2:1: route: unknown, perhaps meant: routes; allowed: " TOP "\n"},
	{"twice", "icmp: {error_rate: 1, error_rate: 2}\nicmp: {}\n",
		"t:1:23: icmp.error_rate: given twice, first on line 1\n"
		"t:2:1: icmp: given twice, first on line 1\n"},
	{"scalar for a map", "system: 5\nports: 5\n",
		"t:1:9: system: is not a map of options\n"
		"t:2:8: ports: `5` is not valid; allowed: a map\n"},
	{"map for a scalar", "system: {log: {a: b}}\n",
		"t:1:15: system.log: is not a single value; allowed: stderr or syslog\n"},
	{"map for a list", "routes: {}\n",
		"t:1:9: routes: `{...}` is not valid; allowed: a list, each a map\n"},
	{"nothing for a scalar", "system:\n  log:\n",
		"t:2:7: system.log: has no value; allowed: stderr or syslog\n"},
	{"nothing for lists and sections", "ports:\nroutes:\nneighbours:\nservices:\n", NULL},
	{"no device", "ports: {lan: {mtu: 1500}}\n",
		"t:1:9: ports.lan: exactly one is needed of: " PORT "\n"},
	{"two devices", "ports: {lan: {pci: a, vdev: b}}\n",
		"t:1:23: ports.lan: exactly one is needed of: " PORT "\n"},
	{"half a device", "ports: {lan: {tap: {netns: a}}}\n",
		"t:1:20: ports.lan.tap.iface: missing; allowed: a text of at most 15 characters\n"},
	{"port twice", LAN "}, lan: {vdev: net_null1}}\n",
		"t:1:33: ports.lan: given twice, first on line 1\n"},
	{"names twice, inside a list, and three times",
		"balancers: {services: [{name: a, address: 1.0.0.1, port: 1},\n"
		"{name: b, address: 1.0.0.1, port: 2}, {name: a, address: 1.0.0.1, port: 3},\n"
		"{name: a, address: 1.0.0.1, port: 4}]}\n",
		"t:2:39: balancers.services[2]: given twice, first on line 1\n"
		"t:3:1: balancers.services[3]: given twice, first on line 1\n"},
	{"name", "ports: {\"l.n\": {vdev: net_null0}, \"\": {vdev: net_null1}}\n",
		"t:1:9: ports.l.n: `l.n` is not valid; allowed: at most 25 letters, digits, - and "
		"_\n"
		"t:1:35: ports.: has no value; allowed: at most 25 letters, digits, - and _\n"},
	{"long name", "ports: {abcdefghijklmnopqrstuvwxyz: {vdev: net_null0}}\n",
		"t:1:9: ports.abcdefghijklmnopqrstuvwxyz: `abcdefghijklmnopqrstuvwxyz` is too "
		"long; "
		"allowed: at most 25 letters, digits, - and _\n"},
	{"VLANs", LAN ", vlans: {0: {}, 10: {}, 10: {}, x: {}, 256: {}}}}\n",
		"t:1:40: ports.lan.vlans.0: `0` is out of range; allowed: 1 to 4094\n"
		"t:1:55: ports.lan.vlans.10: given twice, first on line 1\n"
		"t:1:63: ports.lan.vlans.x: `x` is not valid; allowed: 1 to 4094\n"},
	{"ports as a list", "ports: [{name: lan, vdev: net_null0}, {vdev: net_null1}]\n",
		"t:1:39: ports[1].name: missing; allowed: at most 25 letters, digits, - and _\n"},
	{"route without a next hop", "routes: [{prefix: 10.0.0.0/8}, {}, 3]\n",
		"t:1:10: routes[0]: exactly one is needed of: via, blackhole, unreachable\n"
		"t:1:32: routes[1].prefix: missing; allowed: a prefix as 198.18.0.0/24\n"
		"t:1:32: routes[1]: exactly one is needed of: via, blackhole, unreachable\n"
		"t:1:36: routes[2]: is not a map of options\n"},
	{"gateways", "routes: [{prefix: 10.0.0.0/8, via: []}, {prefix: 0.0.0.0/0, via: [a, {}]}]\n",
		"t:1:36: routes[0].via: too few: at least 1\n"
		"t:1:67: routes[1].via[0]: `a` is not valid; allowed: an address as 198.18.0.1\n"
		"t:1:70: routes[1].via[1]: is not a single value; allowed: an address as "
		"198.18.0.1\n"},
	{"seventeen addresses",
		LAN ", addresses: [1.0.0.1/8, 1.0.0.2/8, 1.0.0.3/8, 1.0.0.4/8,\n"
		    "1.0.0.5/8, 1.0.0.6/8, 1.0.0.7/8, 1.0.0.8/8, 1.0.0.9/8, 1.0.0.10/8,\n"
		    "1.0.0.11/8, 1.0.0.12/8, 1.0.0.13/8, 1.0.0.14/8, 1.0.0.15/8, 1.0.0.16/8,\n"
		    "1.0.0.17/8]}}\n",
		"t:4:1: ports.lan.addresses[16]: too many: at most 16\n"},
	{"services", "services: {a: {kind: tcp}, b: {listen: 0.0.0.0:7, kind: udp-echo}}\n",
		"t:1:12: services.a.listen: missing; allowed: address:port as 0.0.0.0:7\n"
		"t:1:22: services.a.kind: `tcp` is not valid; allowed: udp-echo, udp-discard, "
		"tcp-echo, tcp-discard, tcp-source or http\n"},
};

/* Forms of single values; their ranges are test_config_options' */
static const struct text_case values[] = {
	{"numbers", "icmp: {error_rate: 1e3, source_rate: 0x10, source_burst: 010, type_rate: -1}",
		"t:1:20: icmp.error_rate: `1e3` is not valid; allowed: 0 to 1000000 a second\n"
		"t:1:38: icmp.source_rate: `0x10` is not valid; allowed: 1 to 1000000 a second\n"
		"t:1:58: icmp.source_burst: `010` is not valid; allowed: 1 to 1000000\n"
		"t:1:74: icmp.type_rate: `-1` is not valid; allowed: 0 to 1000000 a second\n"},
	{"more numbers",
		"icmp: {error_rate: 1.5, source_rate: 99999999999999999999999, "
		"source_burst: 1_000, type_rate: ''}",
		"t:1:20: icmp.error_rate: `1.5` is not valid; allowed: 0 to 1000000 a second\n"
		"t:1:38: icmp.source_rate: `99999999999999999999999` is out of range; allowed: 1 "
		"to "
		"1000000 a second\n"
		"t:1:77: icmp.source_burst: `1_000` is not valid; allowed: 1 to 1000000\n"
		"t:1:95: icmp.type_rate: has no value; allowed: 0 to 1000000 a second\n"},
	{"booleans", "icmp: {redirects: yes, echo_broadcast: True}",
		"t:1:19: icmp.redirects: `yes` is not valid; allowed: true or false\n"
		"t:1:40: icmp.echo_broadcast: `True` is not valid; allowed: true or false\n"},
	{"times",
		"system: {drain: 5}\nneighbours: {age: 1.5h, retry: 1 s}\nreassembly: {timeout: "
		"1S}",
		"t:1:17: system.drain: `5` is not valid; allowed: 0s to 1m (in ms, s, m or h)\n"
		"t:2:19: neighbours.age: `1.5h` is not valid; allowed: 1s to 24h (in ms, s, m or "
		"h)\n"
		"t:2:32: neighbours.retry: `1 s` is not valid; allowed: 100ms to 1m (in ms, s, m "
		"or "
		"h)\n"
		"t:3:23: reassembly.timeout: `1S` is not valid; allowed: 100ms to 2m (in ms, s, m "
		"or "
		"h)\n"},
	{"sizes", "system: {memory: 1MiB}",
		"t:1:18: system.memory: `1MiB` is not valid; allowed: 16M to 1024G (in K, M or G) "
		"or "
		"auto\n"},
	{"addresses", LAN ", addresses: [198.18.0.1, 198.18.0.1/33, 198.18.0/24, '::1/64']}}",
		"t:1:44: ports.lan.addresses[0]: `198.18.0.1` is not valid; allowed: an address "
		"with "
		"its network's length as 198.18.0.254/24\n"
		"t:1:56: ports.lan.addresses[1]: `198.18.0.1/33` is not valid; allowed: an address "
		"with its network's length as 198.18.0.254/24\n"
		"t:1:71: ports.lan.addresses[2]: `198.18.0/24` is not valid; allowed: an address "
		"with its network's length as 198.18.0.254/24\n"
		"t:1:84: ports.lan.addresses[3]: `::1/64` is not valid; allowed: an address with "
		"its "
		"network's length as 198.18.0.254/24\n"},
	{"host bits", "routes: [{prefix: 198.18.1.7/24, blackhole: true}]",
		"t:1:19: routes[0].prefix: `198.18.1.7/24` has bits beyond its length; allowed: a "
		"prefix as 198.18.0.0/24\n"},
	{"a blackhole is one", "routes: [{prefix: 198.18.1.0/24, blackhole: false}]",
		"t:1:45: routes[0].blackhole: `false` is not valid; allowed: true\n"},
	{"MAC", LAN ", mac: \"01:00:00:00:00:01\"}}",
		"t:1:37: ports.lan.mac: `01:00:00:00:00:01` is not valid; allowed: a station's "
		"address as 02:00:00:00:00:01 or auto\n"},
	{"endpoints",
		"services:\n"
		"  a: {kind: udp-echo, listen: 0.0.0.0:0}\n"
		"  b: {kind: udp-echo, listen: 0.0.0.0:65536}\n"
		"  c: {kind: udp-echo, listen: \":7\"}\n"
		"  d: {kind: udp-echo, listen: 0.0.0.0}\n",
		"t:2:31: services.a.listen: `0.0.0.0:0` is out of range; allowed: address:port as "
		"0.0.0.0:7\n"
		"t:3:31: services.b.listen: `0.0.0.0:65536` is out of range; allowed: address:port "
		"as 0.0.0.0:7\n"
		"t:4:31: services.c.listen: `:7` is not valid; allowed: address:port as 0.0.0.0:7\n"
		"t:5:31: services.d.listen: `0.0.0.0` is not valid; allowed: address:port as "
		"0.0.0.0:7\n"},
	{"text",
		"system: {control_socket: \"/a\\0b\"}\nports: {a: {tap: {iface: "
		"0123456789abcdef}}}",
		"t:1:26: system.control_socket: `/a` is not valid; allowed: a text of at most 107 "
		"characters\n"
		"t:2:26: ports.a.tap.iface: `0123456789abcdef` is too long; allowed: a text of at "
		"most 15 characters\n"},
};

static void run(const struct text_case *list, size_t n)
{
	int wrong = 0;

	for (size_t i = 0; i < n; i++) {
		const char *want = list[i].errors ? list[i].errors : "";
		char *copy = exact_copy(list[i].yaml, strlen(list[i].yaml)), *got;
		struct errs e = {0};
		struct conf *c = conf_parse("t", copy, strlen(list[i].yaml), &e);

		got = conf_errors(&e);
		if (strcmp(got, want) != 0 || (c == NULL) != (e.n > 0)) {
			print_error("%s\ngot\n%swant\n%s", list[i].name, got, want);
			wrong++;
		}
		free(got);
		free(copy);
		conf_free(c);
		errs_clear(&e);
	}
	assert_int_equal(wrong, 0);
}

static void test_syntax(void **state)
{
	(void)state;
	run(syntax, sizeof(syntax) / sizeof(syntax[0]));
}

static void test_structure(void **state)
{
	(void)state;
	run(structure, sizeof(structure) / sizeof(structure[0]));
}

static void test_values(void **state)
{
	(void)state;
	run(values, sizeof(values) / sizeof(values[0]));
}

static void test_everything(void **state)
{
	struct conf *c = conf_good("system:\n"
				   "  workers: [2, auto]\n"
				   "  memory: 512M\n"
				   "  loopback: [198.19.0.1]\n"
				   "ports:\n"
				   "  lan:\n"
				   "    tap: {netns: a, iface: lan0}\n"
				   "    addresses: [198.18.0.254/24, 10.0.0.1/8]\n"
				   "    mss_clamp: auto\n"
				   "    vlans:\n"
				   "      256: {mtu: 1400, urpf: strict}\n"
				   "  wan:\n"
				   "    pci: 0000:01:00.0\n"
				   "    mac: 02:00:00:00:00:01\n"
				   "routes:\n"
				   "  - {prefix: 0.0.0.0/0, via: 198.18.0.1, metric: 7}\n"
				   "  - prefix: 10.0.0.0/8\n"
				   "    via: [198.18.0.1, 198.18.0.2]\n"
				   "  - {prefix: 11.0.0.0/8, unreachable: true}\n"
				   "neighbours:\n"
				   "  age: 90s\n"
				   "  static: [{port: lan, address: 198.18.0.9, mac: "
				   "\"02:00:00:00:00:09\"}]\n"
				   "services:\n"
				   "  - {name: echo, kind: udp-echo, listen: \"198.18.0.254:7\"}\n"
				   "ip4: {source_route: forward}\n");
	const struct port_conf *lan = &c->ports.list[0];

	(void)state;
	assert_int_equal(c->system.n_workers, 2);
	assert_int_equal(c->system.worker_cpu[0], 2);
	assert_int_equal(c->system.worker_cpu[1], CONF_CPU_AUTO);
	assert_int_equal(c->system.memory, 512 << 20);
	assert_int_equal(c->ports.loopback[0].addr, ip4_addr(198, 19, 0, 1));
	assert_int_equal(c->ports.loopback[0].depth, 32);
	assert_int_equal(c->ports.n, 2);
	assert_string_equal(lan->iface.name, "lan");
	assert_int_equal(lan->iface.at.line, 6);
	assert_int_equal(lan->kind, PORT_TAP);
	assert_string_equal(lan->tap_netns, "a");
	assert_string_equal(lan->tap_iface, "lan0");
	assert_int_equal(lan->iface.n_addrs, 2);
	assert_int_equal(lan->iface.addrs[1].addr, ip4_addr(10, 0, 0, 1));
	assert_int_equal(lan->iface.addrs[1].depth, 8);
	assert_int_equal(lan->iface.addrs[1].at.line, 8);
	assert_int_equal(lan->iface.addrs[1].at.column, 34);
	assert_int_equal(lan->iface.mss, 1);
	assert_int_equal(lan->n_vlans, 1);
	assert_string_equal(lan->vlans[0].name, "lan.256");
	assert_int_equal(lan->vlans[0].vlan, 256);
	assert_int_equal(lan->vlans[0].mtu, 1400);
	assert_int_equal(lan->vlans[0].urpf, URPF_STRICT);
	assert_int_equal(c->ports.list[1].kind, PORT_PCI);
	assert_int_equal(c->ports.list[1].iface.mac[5], 1);
	assert_int_equal(c->routes.n, 3);
	assert_int_equal(c->routes.list[0].metric, 7);
	assert_int_equal(c->routes.list[0].preference, 1);
	assert_int_equal(c->routes.list[1].n_via, 2);
	assert_int_equal(c->routes.list[1].via[1], ip4_addr(198, 18, 0, 2));
	assert_int_equal(c->routes.list[2].kind, ROUTE_UNREACHABLE);
	assert_int_equal(c->neighbours.age_ms, 90000);
	assert_int_equal(c->neighbours.statics[0].addr, ip4_addr(198, 18, 0, 9));
	assert_int_equal(c->services.list[0].port, 7);
	assert_int_equal(c->set.source_route, 1);
	assert_int_equal(conf_at(c, "neighbours.age").line, 21);
	assert_int_equal(conf_at(c, "neighbours.retry").line, 0);
	conf_free(c);
}

/* Lists grow; what they hold stays. */
static void test_many_routes(void **state)
{
	char *yaml;
	size_t length;
	FILE *out = open_memstream(&yaml, &length);
	struct conf *c;

	(void)state;
	fputs("routes:\n", out);
	for (unsigned int i = 0; i < 10000; i++)
		fprintf(out, "- {prefix: 10.%u.%u.0/24, via: 198.18.0.1}\n", i >> 8, i & 255);
	fclose(out);
	c = conf_good(yaml);
	assert_int_equal(c->routes.n, 10000);
	for (uint32_t i = 0; i < c->routes.n; i++)
		assert_int_equal(c->routes.list[i].prefix, 10u << 24 | i << 8);
	conf_free(c);
	free(yaml);
}

static void test_files(void **state)
{
	static const struct {
		const char *file, *error;
	} cases[] = {
		{"/nonexistent/x.yaml", "t: file: cannot be read: No such file or directory\n"},
		{"/", "t: file: cannot be read: Is a directory\n"},
		{"/dev/zero", "t: file: cannot be read: File too large\n"},
	};
	char name[] = "/tmp/test_config_load.XXXXXX";
	int fd = mkstemp(name);
	struct errs e = {0};
	struct conf *c;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "system: {workers: 3}\n", 21), 21);
	close(fd);
	c = conf_load(name, &e);
	assert_non_null(c);
	assert_int_equal(c->system.n_workers, 3);
	assert_string_equal(c->file, name);
	assert_string_equal(c->text, "system: {workers: 3}\n");
	conf_free(c);
	unlink(name);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *got;

		assert_null(conf_load(cases[i].file, &e));
		got = conf_errors(&e);
		assert_string_equal(got, cases[i].error);
		free(got);
		errs_clear(&e);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_syntax),
		cmocka_unit_test(test_structure),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_everything),
		cmocka_unit_test(test_many_routes),
		cmocka_unit_test(test_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
