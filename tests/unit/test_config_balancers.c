/* SPDX-License-Identifier: BSD-3-Clause */
/* What is wrong with virtual services, their backends and addresses of ours for others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "conf_check.h"

#define BALANCERS PORTS "balancers:\n  services:\n"

static const struct check_case balancers[] = {
	{"good ones",
		BALANCERS
		"    a: {address: 198.18.0.100, port: 80, backends: [{address: 198.18.1.1}]}\n"
		"    b: {address: 198.18.0.100, port: 443, backends: [{address: 198.18.1.1}, "
		"{address: 198.18.1.1, port: 8443}, {address: 198.18.1.2, weight: 0}]}\n"
		"    c: {address: 198.18.0.100, port: 80, protocol: udp, backends: [{address: "
		"198.18.1.1}]}\n"
		"    d: {address: 203.0.113.1, port: 1000-2000, backends: [{address: "
		"198.18.1.3}]}\n",
		""},
	{"services that collide",
		BALANCERS
		"    a: {address: 198.18.0.100, port: 80-90, protocol: both, backends: [{address: "
		"198.18.1.1}]}\n"
		"    b: {address: 198.18.0.100, port: 90, protocol: udp, backends: [{address: "
		"198.18.1.2}]}\n"
		"    c: {address: 198.18.0.100, port: any, backends: [{address: 198.18.1.3}]}\n",
		"t:7:5: balancers.services.b.port: service a, on line 6, has udp port 80-90 at "
		"198.18.0.100\n"
		"t:8:5: balancers.services.c.port: service a, on line 6, has tcp port 80-90 at "
		"198.18.0.100\n"},
	{"services that collide with one that reaches further than the one before",
		BALANCERS
		"    a: {address: 198.18.0.100, port: 1-1000, backends: [{address: 198.18.1.1}]}\n"
		"    b: {address: 198.18.0.100, port: 10-20, backends: [{address: 198.18.1.2}]}\n"
		"    c: {address: 198.18.0.100, port: 500, backends: [{address: 198.18.1.3}]}\n",
		"t:7:5: balancers.services.b.port: service a, on line 6, has tcp port 1-1000 at "
		"198.18.0.100\n"
		"t:8:5: balancers.services.c.port: service a, on line 6, has tcp port 1-1000 at "
		"198.18.0.100\n"},
	{"all that there is room for",
		"system: {limits: {balanced_services: 1, balanced_backends: 3}}\n" BALANCERS
		"    a: {address: 198.18.0.100, port: 80, table: 3, check: {kind: tcp, interval: "
		"1s, timeout: 1s}, backends: [{address: 198.18.1.1}, {address: 198.18.1.2}, "
		"{address: 198.18.1.3}]}\n",
		""},
	{"tables, weights, and what has to be remembered",
		BALANCERS "    a: {address: 198.18.0.100, port: 80, table: 65536, backends: "
			  "[{address: 198.18.1.1}]}\n"
			  "    b: {address: 198.18.0.101, port: 80, table: 2, backends: "
			  "[{address: 198.18.1.2}, {address: 198.18.1.3}, {address: "
			  "198.18.1.4}]}\n"
			  "    c: {address: 198.18.0.102, port: 80, backends: [{address: "
			  "198.18.1.5, weight: 0}]}\n"
			  "    d: {address: 198.18.0.103, port: 80, backends: []}\n"
			  "    e: {address: 198.18.0.104, port: 80, flow_table: false, "
			  "passive_fails: 3, backends: [{address: 198.18.1.6}]}\n",
		"t:6:5: balancers.services.a.table: 65536 is not prime; a prime up to 8388617 is "
		"needed, as 65537\n"
		"t:7:5: balancers.services.b.table: 2 places are fewer than its 3 backends; a "
		"hundred for each are recommended\n"
		"t:8:5: balancers.services.c.backends: all have weight 0; at least one with 1 to "
		"256 is needed (state: drain is for all)\n"
		"t:9:5: balancers.services.d.backends: none; at least one is needed\n"
		"t:10:5: balancers.services.e.flow_table: false, but mode nat has to remember "
		"flows; dsr, ipip and gre need not\n"
		"t:10:5: balancers.services.e.passive_fails: with flow_table false, no flow is "
		"known\n"},
	{"backends that a reply does not tell apart",
		BALANCERS "    a: {address: 198.18.0.100, port: 80, backends: [{address: "
			  "198.18.1.1, port: 8000}]}\n"
			  "    b: {address: 198.18.0.101, port: 80, backends: [\n"
			  "{address: 198.18.1.1, port: 8000},\n"
			  "{address: 198.18.1.2},\n"
			  "{address: 198.18.1.2, port: 80}]}\n"
			  "    c: {address: 198.18.0.102, port: 1-9, backends: [\n"
			  "{address: 198.18.1.3, port: 1},\n"
			  "{address: 198.18.1.4}]}\n"
			  "    d: {address: 198.18.0.102, port: 10-19, backends: [\n"
			  "{address: 198.18.1.4}]}\n",
		"t:8:1: balancers.services.b.backends[0]: service a, on line 6, has tcp port 8000 "
		"of 198.18.1.1 as a backend by mode nat, too: a reply would not say whose it is; "
		"one of them must use full-nat\n"
		"t:10:1: balancers.services.b.backends[2]: backends[1], on line 9, has this "
		"address and port; a weight gives it more\n"
		"t:12:1: balancers.services.c.backends[0].port: 1 for several ports of the "
		"service: a reply would not say which; same is allowed, or mode full-nat\n"
		"t:15:1: balancers.services.d.backends[0]: service c, on line 13, has several tcp "
		"ports of 198.18.1.4 by mode nat, and so has this one; one service with all of "
		"them, or full-nat\n"},
	{"checks that cannot be",
		BALANCERS
		"    a: {address: 198.18.0.100, port: 80, check: {kind: tcp, interval: 1s, "
		"timeout: "
		"2s}, backends: [{address: 198.18.1.1}]}\n"
		"    b: {address: 198.18.0.101, port: 80-90, check: {kind: http, path: x}, "
		"backends: "
		"[{address: 198.18.1.2}]}\n"
		"    c: {address: 198.18.0.102, port: 53, check: {kind: dns}, protocol: udp, "
		"passive_fails: 3, backends: [{address: 198.18.1.3}]}\n"
		"    d: {address: 198.18.0.103, port: 53, check: {kind: dns, host: a..b}, "
		"backends: "
		"[{address: 198.18.1.4}]}\n"
		"    e: {address: 198.18.0.104, port: 80, check: {kind: http, path: \"/a b\", "
		"host: "
		"\"x y\"}, backends: [{address: 198.18.1.5}]}\n"
		"    f: {address: 198.18.0.105, port: any, check: {kind: icmp}, passive_fails: 3, "
		"backends: [{address: 198.18.1.6}]}\n"
		"    g: {address: 198.18.0.106, port: 1-9, check: {kind: tcp, port: 7}, backends: "
		"[{address: 198.18.1.7}]}\n"
		"    h: {address: 198.18.0.107, port: 1-9, mode: full-nat, pool: p, check: {kind: "
		"tcp}, backends: [{address: 198.18.1.8, port: 8}, {address: 198.18.1.9, port: "
		"9}]}\n"
		"  pools: {p: {addresses: [198.18.1.110]}}\n",
		"t:6:5: balancers.services.a.check.timeout: 2000 ms is more than the interval, "
		"1000 "
		"ms\n"
		"t:7:5: balancers.services.b.check.port: missing; the service has more than one, "
		"and so have backends without one\n"
		"t:7:5: balancers.services.b.check.path: `x`: a path begins with / and has no "
		"space\n"
		"t:8:5: balancers.services.c.check.host: missing; a check of kind dns asks for "
		"this "
		"name\n"
		"t:8:5: balancers.services.c.passive_fails: only TCP says whether it is answered: "
		"use a check\n"
		"t:9:5: balancers.services.d.check.host: `a..b` is no name: labels of at most 63 "
		"letters with dots between them\n"
		"t:10:5: balancers.services.e.check.path: `/a b`: a path begins with / and has no "
		"space\n"
		"t:10:5: balancers.services.e.check.host: `x y`: a host has no space\n"},
	{"modes whose replies go another way",
		BALANCERS
		"    a: {address: 198.18.0.100, port: any, mode: dsr, flow_table: false, backends: "
		"[{address: 198.18.1.1}]}\n"
		"    b: {address: 198.18.0.101, port: 80, mode: ipip, tunnel_source: 10.9.9.9, "
		"ignore_df: true, backends: [{address: 10.1.1.1}]}\n"
		"    c: {address: 198.18.0.102, port: 80, mode: gre, mss: 1200, backends: "
		"[{address: 10.1.1.1}]}\n"
		"    d: {address: 198.18.0.103, port: 80, mode: dsr, tunnel_source: 10.9.9.9, "
		"ignore_df: true, backends: [{address: 10.1.1.1}]}\n"
		"    e: {address: 198.18.0.104, port: 80, mode: gre, tunnel_source: 224.0.0.1, "
		"flow_table: false, scheduler: round-robin, backends: [{address: 198.18.1.6, port: "
		"81}]}\n"
		"    f: {address: 198.18.0.105, port: 80, mode: ipip, flow_table: false, "
		"scheduler: least-connections, backends: [{address: 10.1.1.1}]}\n"
		"    g: {address: 198.18.0.106, port: 80-90, mode: ipip, backends: [{address: "
		"10.1.1.1, port: 80}]}\n"
		"routes: [{prefix: 10.0.0.0/8, via: 198.18.1.1}]\n",
		"t:9:5: balancers.services.d.tunnel_source: mode dsr has no tunnel; ipip and gre "
		"have\n"
		"t:9:5: balancers.services.d.ignore_df: mode dsr makes no packet longer; ipip and "
		"gre do\n"
		"t:9:106: balancers.services.d.backends[0].address: 10.1.1.1 is on no network of "
		"any "
		"port, and mode dsr reaches neighbours alone; a host on a port's network "
		"is needed\n"
		"t:10:5: balancers.services.e.flow_table: false, but scheduler round-robin has to "
		"remember flows; maglev and source-hash need not\n"
		"t:10:5: balancers.services.e.tunnel_source: 224.0.0.1 is not an address that a "
		"host may have\n"
		"t:10:133: balancers.services.e.backends[0].port: 81, but mode gre leaves the port "
		"as it is; same is allowed, or mode nat or full-nat\n"
		"t:11:5: balancers.services.f.flow_table: false, but scheduler least-connections "
		"has to remember flows; maglev and source-hash need not\n"
		"t:12:68: balancers.services.g.backends[0].port: 80, but mode ipip leaves the port "
		"as it is; same is allowed, or mode nat or full-nat\n"},
	{"times of flows that there are none of",
		BALANCERS
		"    a: {address: 198.18.0.100, port: 80, timeouts: {tcp_closing: 1m, udp: 10s}, "
		"backends: [{address: 198.18.1.1}]}\n"
		"    b: {address: 198.18.0.100, port: 53, protocol: udp, timeouts: {udp_one_way: "
		"5s, tcp_established: 1h}, backends: [{address: 198.18.1.1}]}\n"
		"    c: {address: 198.18.0.101, port: 80, protocol: both, timeouts: "
		"{tcp_half_open: same, tcp_closed: 1s, udp: 8h}, backends: [{address: "
		"198.18.1.2}]}\n"
		"    d: {address: 198.18.0.102, port: 80, mode: dsr, flow_table: false, timeouts: "
		"{tcp_established: 1h}, backends: [{address: 198.18.1.3}]}\n",
		"t:6:5: balancers.services.a.timeouts.udp: the service has no udp; same, or "
		"protocol udp or both\n"
		"t:7:5: balancers.services.b.timeouts.tcp_established: the service has no tcp; "
		"same, or protocol tcp or both\n"
		"t:9:5: balancers.services.d.timeouts.tcp_established: with flow_table false, no "
		"flow is known; same, or flow_table true\n"},
	{"more than there is room for",
		"system: {limits: {flows: 0, balanced_services: 1, balanced_backends: "
		"1}}\n" BALANCERS "    a: {address: 198.18.0.100, port: 80, backends: "
		"[{address: 198.18.1.1}]}\n"
		"    b: {address: 198.18.0.101, port: 80, backends: "
		"[{address: 198.18.1.2}]}\n",
		"t:7:5: balancers.services: system.limits.flows is 0: nothing is balanced; with "
		"services it has to be more\n"
		"t:7:5: balancers.services: 2 services; system.limits.balanced_services is 1\n"
		"t:7:5: balancers.services: 2 backends in all; system.limits.balanced_backends is "
		"1\n"},
	{"addresses of millrace, of nobody and of services",
		BALANCERS
		"    a: {address: 198.18.0.254, port: 80, backends: [{address: 198.18.1.1}]}\n"
		"    b: {address: 198.18.0.255, port: 80, backends: [\n"
		"{address: 198.18.1.254},\n"
		"{address: 198.18.0.102},\n"
		"{address: 224.0.0.1}]}\n"
		"    c: {address: 198.18.0.102, port: 80, backends: [{address: 198.18.1.3}]}\n"
		"routes: [{prefix: 10.0.0.0/8, via: 198.18.0.102}]\n"
		"neighbours: {static: [{port: lan, address: 198.18.0.102, mac: "
		"\"02:00:00:00:00:01\"}]}\n",
		"t:6:5: balancers.services.a.address: 198.18.0.254 is an address of millrace "
		"itself; one that nobody has is needed\n"
		"t:7:5: balancers.services.b.address: 198.18.0.255 is its network's first or "
		"broadcast address; one that nobody has is needed\n"
		"t:8:1: balancers.services.b.backends[0].address: 198.18.1.254 is an address of "
		"millrace itself; a host on a port's network, or behind a static route, is needed\n"
		"t:9:1: balancers.services.b.backends[1].address: 198.18.0.102 is the address of "
		"service c, on line 11; a host's is needed\n"
		"t:10:1: balancers.services.b.backends[2].address: 224.0.0.1 is not an address "
		"that a host may have\n"
		"t:12:10: routes[0].via: 198.18.0.102 is the address of service c, on line 11; a "
		"neighbour on a port's network is needed\n"
		"t:13:23: neighbours.static[0].address: 198.18.0.102 is the address of service c, "
		"on line 11\n"},
	{"backends that no route leads to",
		PORTS "routes:\n"
		      "- {prefix: 10.0.0.0/8, via: 198.18.1.9}\n"
		      "- {prefix: 10.1.0.0/16, blackhole: true}\n"
		      "balancers:\n"
		      "  services:\n"
		      "    a: {address: 198.18.0.100, port: 80, backends: [{address: 10.0.0.1},\n"
		      "{address: 10.1.0.1},\n"
		      "{address: 11.0.0.1}]}\n",
		"t:10:1: balancers.services.a.backends[1].address: 10.1.0.1 is where a blackhole "
		"or unreachable route leads; a host on a port's network, or behind a static route, "
		"is needed\n"
		"t:11:1: balancers.services.a.backends[2].address: 11.0.0.1 is on no network of "
		"any port, and no route leads to it; a host on a port's network, or behind a "
		"static route, is needed\n"},
	{"the kernel may know a route",
		"ports:\n" LAN(", kernel: lan0") "balancers:\n"
						 "  services:\n"
						 "    a: {address: 198.18.0.100, port: 80, "
						 "backends: [{address: 11.0.0.1}]}\n",
		""},
	{"flows told to nobody", PORTS "balancers: {sync: {address: 198.18.0.254}}\n",
		"t:4:19: balancers.sync.peer: 0.0.0.0 is not the address of another host\n"
		"t:4:19: balancers.sync.key: missing; a text that the two instances alone have\n"},
	{"flows told from and to wrong addresses",
		PORTS "balancers: {sync: {address: 198.18.0.7, peer: 198.18.1.254, key: k}}\n",
		"t:4:29: balancers.sync.address: 198.18.0.7 is not an address of millrace; one of "
		"a port's is needed\n"
		"t:4:47: balancers.sync.peer: 198.18.1.254 is not the address of another host\n"},
	{"flows told at a service's port",
		PORTS "balancers:\n"
		      "  sync: {address: 198.18.0.254, peer: 198.18.0.253, key: k, port: 7}\n"
		      "services: {e: {kind: udp-echo, listen: 0.0.0.0:7}}\n",
		"t:5:67: balancers.sync.port: service e has this port\n"},
	{"flows told to another",
		PORTS "balancers:\n"
		      "  sync: {address: 198.18.0.254, peer: 198.18.0.253, key: k}\n"
		      "services: {e: {kind: tcp-echo, listen: 0.0.0.0:7780}}\n",
		""},
};

#define WEB                                                                                        \
	"  services:\n    a: {address: 198.18.0.100, port: 80, backends: [{address: 198.18.1.1}]"

static const struct check_case nat[] = {
	{"good ones",
		PORTS "balancers:\n" WEB ", mode: full-nat, pool: in}\n"
		      "    b: {address: 198.18.0.101, port: 80, pool: in, backends: [{address: "
		      "198.18.1.1}]}\n"
		      "  pools: {in: {addresses: [198.18.1.110, 203.0.113.1]}}\n"
		      "  masquerades:\n"
		      "    home: {inside: 198.18.0.0/24, out: wan}\n"
		      "    more: {inside: 10.0.0.0/8, out: wan, ports: 32768-40000}\n"
		      "    last: {inside: 10.0.0.0/8, out: wan, address: 198.18.1.111}\n",
		""},
	{"pools of services",
		PORTS "balancers:\n" WEB ", mode: full-nat}\n"
		      "    b: {address: 198.18.0.101, port: 80, pool: out, backends: [{address: "
		      "198.18.1.2}]}\n"
		      "    c: {address: 198.18.0.102, port: 80, mode: dsr, pool: in, backends: "
		      "[{address: 198.18.1.3}]}\n"
		      "  pools: {in: {addresses: [198.18.1.110]}}\n",
		"t:6:5: balancers.services.a.pool: none; mode full-nat needs the name of one of "
		"balancers.pools\n"
		"t:7:5: balancers.services.b.pool: there is no `out` in balancers.pools\n"
		"t:8:5: balancers.services.c.pool: only modes nat and full-nat have one\n"},
	{"addresses that somebody has",
		PORTS "balancers:\n" WEB "}\n"
		      "  pools:\n"
		      "    a: {addresses: [198.18.0.254, 198.18.0.100, 198.18.1.1, 224.0.0.1]}\n"
		      "    b: {addresses: [198.18.0.255, 198.18.0.110]}\n"
		      "    c: {addresses: [198.18.0.110]}\n"
		      "    d: {addresses: []}\n"
		      "  masquerades:\n"
		      "    e: {inside: 198.18.0.0/24, out: wan, address: 198.18.0.110}\n",
		"t:8:21: balancers.pools.a.addresses: 198.18.0.254 is an address of millrace "
		"itself; one that nobody has is needed\n"
		"t:8:35: balancers.pools.a.addresses: 198.18.0.100 is the address of service a\n"
		"t:8:49: balancers.pools.a.addresses: 198.18.1.1 is a backend's; one that nobody "
		"has is needed\n"
		"t:8:61: balancers.pools.a.addresses: 224.0.0.1 is no address that a host may "
		"have; one that nobody has is needed\n"
		"t:9:21: balancers.pools.b.addresses: 198.18.0.255 is its network's first or "
		"broadcast address; one that nobody has is needed\n"
		"t:10:21: balancers.pools.c.addresses: 198.18.0.110 is in "
		"balancers.pools.b.addresses, too\n"
		"t:11:5: balancers.pools.d.addresses: none; at least one is needed\n"
		"t:13:5: balancers.masquerades.e.address: 198.18.0.110 is in "
		"balancers.pools.b.addresses, too\n"},
	{"masquerades of who does not route, or maps nothing",
		"system: {pipeline: host, limits: {flows: 0}}\n" PORTS "balancers:\n"
		"  masquerades:\n"
		"    a: {inside: 198.18.0.0/24, out: wan}\n",
		"t:7:5: balancers.masquerades: system.limits.flows is 0: nothing is mapped; with "
		"masquerades it has to be more\n"
		"t:7:5: balancers.masquerades.a: system.pipeline is host; appliance or balancer is "
		"needed\n"},
	{"masquerades that services leave no room for",
		"system: {limits: {balanced_services: 2, balanced_backends: 2}}\n" PORTS
		"balancers:\n"
		"  masquerades:\n"
		"    a: {inside: 198.18.0.0/24, out: wan}\n"
		"  services:\n"
		"    b: {address: 198.18.0.100, port: 80, protocol: both, backends: "
		"[{address: 198.18.1.1}]}\n",
		"t:7:5: balancers.masquerades: three places for each and one for each service's "
		"protocol are 5; system.limits.balanced_services is 2, which has two each\n"
		"t:7:5: balancers.masquerades: three places for each and one for each backend's "
		"protocol are 5; system.limits.balanced_backends is 2, which has two each\n"},
	{"masquerades that just have room",
		"system: {limits: {balanced_services: 2, balanced_backends: 2}}\n" PORTS
		"balancers:\n"
		"  masquerades:\n"
		"    a: {inside: 198.18.0.0/24, out: wan}\n"
		"  services:\n"
		"    b: {address: 198.18.0.100, port: 80, backends: [{address: 198.18.1.1}]}\n",
		""},
	{"masquerades",
		PORTS "balancers:\n"
		      "  masquerades:\n"
		      "    a: {inside: 198.18.0.0/24, out: wan}\n"
		      "    b: {inside: 10.0.0.0/8, out: wan, ports: 32767-40000}\n"
		      "    c: {inside: 10.0.0.0/8, out: nowhere}\n"
		      "    d: {inside: 10.0.0.0/8, out: lan, ports: 1024-2000, takeover: true}\n",
		"t:7:5: balancers.masquerades.b.out: balancers.masquerades.a.out has ports of that "
		"interface's address, too\n"
		"t:8:5: balancers.masquerades.c.out: there is no port or VLAN `nowhere`\n"
		"t:9:5: balancers.masquerades.d.takeover: the interface's own address moves "
		"nowhere; `address` names one that does\n"},
};

/* As many addresses of ours as there may be, and one more. */
static void test_pool_is_full(void **state)
{
	static const char more[] = "    n: {inside: 10.0.0.0/8, out: lan}\n";
	struct check_case x = {"64 addresses", NULL, ""};
	char yaml[2048];
	int at = snprintf(yaml, sizeof(yaml), PORTS "balancers:\n  pools: {p: {addresses: [");

	(void)state;
	for (int i = 1; i < LB_POOL_MAX; i++)
		at += snprintf(yaml + at, sizeof(yaml) - (size_t)at, "203.0.113.%d%s", i,
			i < 63 ? "," : "");
	at += snprintf(yaml + at, sizeof(yaml) - (size_t)at,
		"]}}\n  masquerades:\n    m: {inside: 10.0.0.0/8, out: wan}\n");
	x.yaml = yaml;
	assert_true(finds(&x, conf_good(yaml), NULL));
	snprintf(yaml + at, sizeof(yaml) - (size_t)at, "%s", more);
	x.errors = "t:5:11: balancers.pools: 65 addresses in pools and masquerades; at most 64 are "
		   "allowed\n";
	assert_true(finds(&x, conf_good(yaml), NULL));
}

static void test_nat(void **state)
{
	(void)state;
	run(nat, sizeof(nat) / sizeof(nat[0]), NULL);
}

static void test_balancers(void **state)
{
	(void)state;
	run(balancers, sizeof(balancers) / sizeof(balancers[0]), NULL);
}

/* What the mode of the first service makes of it. */
static const struct {
	enum lb_mode mode;
	struct check_case x;
} modes[] = {
	{LB_DSR, {"a neighbour, without a table of flows",
			 BALANCERS "    a: {address: 198.18.0.100, port: 80, flow_table: false, "
				   "scheduler: source-hash, backends: [{address: 198.18.1.1}]}\n",
			 ""}},
	{LB_DSR,
		{"a backend's own port, and one behind a router",
			PORTS "routes: [{prefix: 10.0.0.0/8, via: 198.18.1.9}]\n"
			      "balancers:\n  services:\n"
			      "    a: {address: 198.18.0.100, port: 80, backends: [\n"
			      "{address: 198.18.1.1, port: 80},\n"
			      "{address: 198.18.1.2, port: 81},\n"
			      "{address: 10.0.0.1}]}\n",
			"t:9:1: balancers.services.a.backends[1].port: 81, but mode dsr leaves the "
			"port as it is; same is allowed, or mode nat or full-nat\n"
			"t:10:1: balancers.services.a.backends[2].address: 10.0.0.1 is on no "
			"network of any port, and mode dsr reaches neighbours alone; a host on a "
			"port's network is needed\n"}},
	{LB_IPIP,
		{"a scheduler that has to remember",
			PORTS "routes: [{prefix: 10.0.0.0/8, via: 198.18.1.9}]\n"
			      "balancers:\n  services:\n"
			      "    a: {address: 198.18.0.100, port: 80, flow_table: false, "
			      "scheduler: round-robin, backends: [{address: 10.0.0.1}]}\n",
			"t:7:5: balancers.services.a.flow_table: false, but scheduler round-robin "
			"has to remember flows; maglev and source-hash need not\n"}},
};

static void test_modes(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		struct conf *c = conf_good(modes[i].x.yaml);

		c->balancers.services[0].mode = modes[i].mode;
		assert_true(finds(&modes[i].x, c, NULL));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_balancers),
		cmocka_unit_test(test_modes),
		cmocka_unit_test(test_nat),
		cmocka_unit_test(test_pool_is_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
