/* SPDX-License-Identifier: BSD-3-Clause */
/* What is wrong with a configuration as a whole, and with a change of the running one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "conf_check.h"

static const struct check_case ports[] = {
	{"two ports", PORTS, ""},
	{"nothing", "system:\n", ""},
	{"one device for two",
		"ports:\n"
		"  a: {vdev: 'net_null0,size=64'}\n"
		"  b: {vdev: net_null0}\n"
		"  c: {pci: 0000:0a:00.0}\n"
		"  d: {pci: 0000:0a:00.0}\n"
		"  e: {tap: {netns: x, iface: t}}\n"
		"  f: {tap: {netns: y, iface: t}}\n"
		"  g: {tap: {netns: x, iface: t}}\n",
		"t:3:3: ports.b: port a has this device\n"
		"t:5:3: ports.d: port c has this device\n"
		"t:8:3: ports.g: port e has this device\n"},
	{"no such device",
		"ports:\n"
		"  a: {vdev: eth0}\n"
		"  b: {pci: 01:00.0}\n"
		"  c: {tap: {iface: \"a b\"}}\n"
		"  d: {tap: {netns: /run/netns/x, iface: a}}\n",
		"t:2:3: ports.a.vdev: `eth0` is not a DPDK network device; they begin with net_\n"
		"t:3:3: ports.b.pci: `01:00.0` is not a PCI address as 0000:0a:00.0, in small "
		"letters\n"
		"t:4:3: ports.c.tap.iface: `a b` cannot be an interface's name; no spaces, / : %\n"
		"t:5:3: ports.d.tap.netns: `/run/netns/x` is not a namespace's name; see `ip "
		"netns`\n"},
	{"bonds",
		"ports:\n"
		"  a: {vdev: net_bonding0, members: [net_null1, 0000:01:00.0, eth0]}\n"
		"  b: {vdev: net_null0, members: [net_null2]}\n"
		"  c: {vdev: net_bonding1}\n",
		"t:2:3: ports.a.members: `eth0` is neither a PCI address nor a DPDK network "
		"device\n"
		"t:3:3: ports.b.members: only a vdev of net_bonding has members\n"
		"t:4:3: ports.c.members: missing; a bond has at least one\n"},
	{"interfaces in the kernel",
		"system: {kernel: {netns: x}}\n"
		"ports:\n"
		"  a: {vdev: net_null0, kernel: k0}\n"
		"  b: {vdev: net_null1, kernel: \"a b\"}\n"
		"  c: {vdev: net_null2, kernel: k0}\n"
		"  d: {vdev: net_null3, kernel: ten-letters, vlans: {100: {}}}\n"
		"  e: {vdev: net_null4, kernel: ten-letters-1, vlans: {100: {}}}\n"
		"  f: {tap: {netns: x, iface: t0}, kernel: t0}\n"
		"  g: {tap: {netns: y, iface: t1}, kernel: t1}\n",
		"t:4:3: ports.b.kernel: `a b` cannot be an interface's name; no spaces, / : %\n"
		"t:5:3: ports.c.kernel: port a has this interface\n"
		"t:7:3: ports.e.kernel: `ten-letters-1` is too long: with a VLAN's number it has "
		"to "
		"be at most 15 characters\n"
		"t:8:3: ports.f.kernel: the TAP of port f has this name there\n"},
	{"a namespace of the kernel's", "system: {kernel: {netns: /run/netns/x}}\n",
		"t:1:26: system.kernel.netns: `/run/netns/x` is not a namespace's name; see `ip "
		"netns`\n"},
	{"a VLAN's MTU",
		"ports:\n" LAN(", mtu: 1400, vlans: {1: {mtu: 1400}, 2: {mtu: 1401}, 3: {}}"),
		"t:2:91: ports.lan.vlans.2.mtu: 1401 is more than the port's 1400\n"},
	{"addresses of nobody",
		"ports: {a: {vdev: net_null0, addresses: [127.0.0.1/8,\n"
		"224.0.0.1/24,\n"
		"0.0.0.1/8,\n"
		"10.0.0.0/24,\n"
		"10.0.0.255/24,\n"
		"10.1.0.0/31,\n"
		"10.2.0.0/32,\n"
		"11.0.0.1/0]}}\n",
		"t:1:42: ports.a.addresses[0]: not an address that a host may have, in a network "
		"of 1 to 32 bits\n"
		"t:2:1: ports.a.addresses[1]: not an address that a host may have, in a network of "
		"1 to 32 bits\n"
		"t:3:1: ports.a.addresses[2]: not an address that a host may have, in a network of "
		"1 to 32 bits\n"
		"t:4:1: ports.a.addresses[3]: the first address of its network, which no host may "
		"have\n"
		"t:5:1: ports.a.addresses[4]: the broadcast address of its network, which no host "
		"may have\n"
		"t:8:1: ports.a.addresses[7]: not an address that a host may have, in a network of "
		"1 to 32 bits\n"},
	{"an address twice",
		"system: {loopback: [198.18.1.254]}\n"
		"ports:\n" LAN(", vlans: {10: {addresses: [198.18.0.254/24]}}") WAN(""),
		"t:3:81: ports.lan.vlans.10.addresses[0]: lan has this address, on line 3\n"
		"t:4:38: ports.wan.addresses[0]: the loopback has this address, on line 1\n"},
	{"two networks on one port",
		"ports: {lan: {vdev: net_null0, addresses: [198.18.0.1/24, 198.18.0.2/24, "
		"198.18.0.3/28]}}\n",
		""},
	{"one network on two ports",
		"ports:\n"
		"  a: {vdev: net_null0, addresses: [10.1.2.3/16]}\n"
		"  b: {vdev: net_null1, addresses: [10.2.2.3/16]}\n"
		"  c: {vdev: net_null2, addresses: [10.1.2.4/30]}\n"
		"  d: {vdev: net_null3, addresses: [10.9.9.9/8]}\n",
		"t:2:36: ports.a.addresses[0]: its network overlaps 10.0.0.0/8 of d, on line 5\n"
		"t:3:36: ports.b.addresses[0]: its network overlaps 10.0.0.0/8 of d, on line 5\n"
		"t:4:36: ports.c.addresses[0]: the first address of its network, which no host may "
		"have\n"
		"t:4:36: ports.c.addresses[0]: its network overlaps 10.0.0.0/8 of d, on line 5\n"},
};

static const struct check_case references[] = {
	{"gateways",
		PORTS "routes:\n"
		      "- {prefix: 10.0.0.0/8, via: 198.18.0.1}\n"
		      "- {prefix: 11.0.0.0/8, via: [198.18.0.2, 198.18.2.1]}\n"
		      "- {prefix: 12.0.0.0/8, via: 198.18.1.254}\n"
		      "- {prefix: 13.0.0.0/8, via: 198.18.1.255}\n"
		      "- {prefix: 14.0.0.0/8, blackhole: true}\n",
		"t:6:3: routes[1].via: 198.18.2.1 is on no network of any port; a neighbour on a "
		"port's network is needed\n"
		"t:7:3: routes[2].via: 198.18.1.254 is an address of millrace itself; a neighbour "
		"on a port's network is needed\n"
		"t:8:3: routes[3].via: 198.18.1.255 is its network's first or broadcast address; a "
		"neighbour on a port's network is needed\n"},
	{"a network inside another on one port",
		"ports: {a: {vdev: net_null0, addresses: [10.0.0.1/8, 10.1.0.1/16]}}\n"
		"routes: [{prefix: 0.0.0.0/0, via: 10.200.0.1}]\n",
		""},
	{"static neighbours",
		"ports:\n" LAN(", vlans: {10: {addresses: [198.18.10.254/24]}}") WAN(
			"") "neighbours: {static: [\n"
			    "{port: lan, address: 198.18.0.9, mac: \"02:00:00:00:00:01\"},\n"
			    "{port: lan.10, address: 198.18.10.9, mac: \"02:00:00:00:00:01\"},\n"
			    "{port: lun, address: 198.18.0.10, mac: \"02:00:00:00:00:01\"},\n"
			    "{port: lan, address: 198.18.1.9, mac: \"02:00:00:00:00:01\"},\n"
			    "{port: wan, address: 198.18.1.254, mac: \"02:00:00:00:00:01\"}]}\n",
		"t:7:1: neighbours.static[2].port: there is no port or VLAN `lun`\n"
		"t:8:1: neighbours.static[3].address: 198.18.1.9 is on a network of wan\n"
		"t:9:1: neighbours.static[4].address: 198.18.1.254 is an address of millrace "
		"itself\n"},
	{"services",
		"system: {loopback: [198.18.255.1]}\n" PORTS "services:\n"
		"  a: {kind: udp-echo, listen: 0.0.0.0:7}\n"
		"  b: {kind: udp-echo, listen: 198.18.0.254:7}\n"
		"  c: {kind: udp-echo, listen: 198.18.255.1:7}\n"
		"  d: {kind: udp-echo, listen: 198.18.0.1:7}\n",
		"t:9:3: services.d.listen: 198.18.0.1 is not an address of millrace; one of a "
		"port's, or 0.0.0.0 for all\n"},
	{"a host",
		"system: {pipeline: host}\n"
		"ports:\n" LAN(", redirects: true, proxy_arp: true") WAN(
			", vlans: {10: {addresses: [198.18.10.254/24], directed_broadcast: true}}"),
		"t:3:3: ports.lan.proxy_arp: a router's; system.pipeline is host\n"
		"t:4:64: ports.wan.10.directed_broadcast: a router's; system.pipeline is host\n"},
	{"a host balances nothing",
		"system: {pipeline: host}\n" PORTS
		"balancers: {services: {a: {address: 198.18.0.100, port: 80, backends: [{address: "
		"198.18.1.1}]}}}\n",
		"t:5:24: balancers.services: system.pipeline is host; appliance or balancer is "
		"needed\n"},
	{"roots",
		"services:\n"
		"  a: {kind: http, listen: 0.0.0.0:80}\n"
		"  b: {kind: http, listen: 0.0.0.0:81, root: /nonexistent}\n"
		"  c: {kind: tcp-echo, listen: 0.0.0.0:7, root: /}\n",
		"t:2:3: services.a.root: missing; the directory whose files are shown\n"
		"t:3:3: services.b.root: /nonexistent: No such file or directory\n"
		"t:4:3: services.c.root: only a service of kind http has one\n"},
	{"one endpoint for two services",
		"services:\n"
		"  a: {kind: udp-echo, listen: 0.0.0.0:7}\n"
		"  b: {kind: udp-discard, listen: 0.0.0.0:7}\n",
		"t:3:3: services.b.listen: service a has this address and port\n"},
	{"tables that are too small",
		"system: {control_socket: here, limits: {routes: 16, adjacencies: 64}}\n" PORTS
		"neighbours: {max: 64, park_each: 100, park_total: 99}\n",
		"t:1:26: system.control_socket: `here` is not an absolute path\n"
		"t:5:19: neighbours.max: with the static ones 64; system.limits.adjacencies, 64, "
		"has to be more\n"
		"t:5:34: neighbours.park_each: 100 is more than park_total, 99\n"},
	{"and the other option is at its default",
		"system: {limits: {adjacencies: 64}}\n"
		"neighbours: {park_total: 10}\n",
		"t:1:32: neighbours.max: with the static ones 16384; system.limits.adjacencies, "
		"64, "
		"has to be more\n"
		"t:2:26: neighbours.park_each: 64 is more than park_total, 10\n"},
};

static const struct check_case changes[] = {
	{"nothing", "system: {workers: 2, memory: 64M, limits: {routes: 1000}}\n", ""},
	{"what may change",
		"system: {workers: [auto, auto], memory: 64M, limits: {routes: 1000}, drain: 1s,\n"
		"idle: poll, log: syslog, log_level: error, loopback: [198.18.255.1]}\n" PORTS
		"icmp: {error_rate: 5}\n",
		""},
	{"what may not",
		"system: {workers: [1, 2], control: 3, hugepages: off,\n"
		"control_socket: /x, limits: {mbufs: 4096}}\n",
		"t:1:9: system.memory: changes only with a restart of millrace\n"
		"t:1:19: system.workers: changes only with a restart of millrace\n"
		"t:1:36: system.control: changes only with a restart of millrace\n"
		"t:1:50: system.hugepages: changes only with a restart of millrace\n"
		"t:2:17: system.control_socket: changes only with a restart of millrace\n"
		"t:2:29: system.limits.routes: changes only with a restart of millrace\n"
		"t:2:37: system.limits.mbufs: changes only with a restart of millrace\n"},
	{"what is left out whole", "system: {workers: 2, memory: 64M}\n",
		"t:1:9: system.limits.routes: changes only with a restart of millrace\n"},
	{"all of it", PORTS,
		"t:1:1: system.workers: changes only with a restart of millrace\n"
		"t:1:1: system.memory: changes only with a restart of millrace\n"
		"t:1:1: system.limits.routes: changes only with a restart of millrace\n"},
};

static void test_ports(void **state)
{
	(void)state;
	run(ports, sizeof(ports) / sizeof(ports[0]), NULL);
}

static void test_references(void **state)
{
	(void)state;
	run(references, sizeof(references) / sizeof(references[0]), NULL);
}

/* Errors of single options beside those that span others: of what was read, and no more. */
static const struct check_case halves[] = {
	{"one of each",
		PORTS "icmp: {error_rate: many}\n"
		      "routes: [{prefix: 10.0.0.0/8, via: 203.0.113.1}]\n"
		      "services: {e: {kind: udp-echo, listen: 192.0.2.1:7}}\n"
		      "neighbours: {park_each: 20, park_total: 10}\n",
		"t:4:20: icmp.error_rate: `many` is not valid; allowed: 0 to 1000000 a second\n"
		"t:5:10: routes[0].via: 203.0.113.1 is on no network of any port; a neighbour on a "
		"port's network is needed\n"
		"t:6:12: services.e.listen: 192.0.2.1 is not an address of millrace; one of a "
		"port's, or 0.0.0.0 for all\n"
		"t:7:25: neighbours.park_each: 20 is more than park_total, 10\n"},
	{"nothing of what depends on a port",
		"ports:\n" LAN("") "  wan: {vdev: net_null1, addresses: [198.18.1.254/33]}\n"
				   "routes: [{prefix: 10.0.0.0/8, via: 198.18.1.1}]\n"
				   "services: {e: {kind: udp-echo, listen: 198.18.1.254:7}}\n"
				   "rarp:\n"
				   "  - {mac: 02:00:00:00:00:0a, address: 198.18.0.9}\n"
				   "  - {mac: 02:00:00:00:00:0a, address: 198.18.0.8}\n",
		"t:3:38: ports.wan.addresses[0]: `198.18.1.254/33` is not valid; allowed: an "
		"address with its network's length as 198.18.0.254/24\n"
		"t:7:5: rarp[0]: this MAC is given more than once\n"
		"t:8:5: rarp[1]: this MAC is given more than once\n"},
	{"nor of a part that was left out",
		"ports:\n" LAN(", adresses: [198.18.1.254/24]") "routes: [{prefix: 10.0.0.0/8, "
								"via: 198.18.1.1}]\n",
		"t:2:56: ports.lan.adresses: unknown, perhaps meant: addresses; allowed: tap, pci, "
		"vdev, members, mac, mtu, queues, rx_descriptors, tx_descriptors, kernel, "
		"promiscuous, required, "
		"addresses, urpf, proxy_arp, directed_broadcast, redirects, mss_clamp, vlans\n"},
	{"nor of a section that may have been meant",
		"port:\n" LAN("") "routes: [{prefix: 10.0.0.0/8, via: 198.18.0.1}]\n",
		"t:1:1: port: unknown, perhaps meant: ports; allowed: system, ports, routes, "
		"neighbours, rarp, services, balancers, tcp, http, icmp, ip4, reassembly\n"},
	{"nor beyond what is YAML",
		"routes: [{prefix: 10.0.0.0/8, via: 198.18.0.1}]\n"
		"icmp: {error_rate: many}\n"
		"ports: {\n",
		"t:2:20: icmp.error_rate: `many` is not valid; allowed: 0 to 1000000 a second\n"
		"t:4:1: ports: not YAML: did not find expected node content while parsing a flow "
		"node\n"},
	{"nor of a default that another was to take the place of",
		PORTS "neighbours: {park_eech: 5, park_total: 10}\n",
		"t:4:14: neighbours.park_eech: unknown, perhaps meant: park_each; allowed: age, "
		"retry, retries, max, gratuitous, park_each, park_total, park_time, static\n"},
};

static void test_halves(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(halves) / sizeof(halves[0]); i++) {
		const struct check_case *x = &halves[i];
		struct errs e = {0};
		char *got;

		assert_null(conf_parse("t", x->yaml, strlen(x->yaml), &e));
		got = conf_errors(&e);
		if (strcmp(got, x->errors) != 0)
			fail_msg("%s\ngot\n%swant\n%s", x->name, got, x->errors);
		free(got);
		errs_clear(&e);
	}
}

static void test_changes(void **state)
{
	struct conf *running = conf_good(changes[0].yaml);

	(void)state;
	run(changes, sizeof(changes) / sizeof(changes[0]), running);
	conf_free(running);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ports),
		cmocka_unit_test(test_references),
		cmocka_unit_test(test_halves),
		cmocka_unit_test(test_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
