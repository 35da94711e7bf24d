/* SPDX-License-Identifier: BSD-3-Clause */
/* balancers: what may stand in the section of virtual services. As options.c. */
#include "option.h"

#include "lb/flow.h"
#include "lb/maglev.h"

#include <assert.h>

/* What PREFIX and PORTS write is the member and the one after it. */
static_assert(offsetof(struct lb_acl_conf, depth) == offsetof(struct lb_acl_conf, prefix) + 4, "");
static_assert(offsetof(struct lb_masquerade_conf, depth) ==
		      offsetof(struct lb_masquerade_conf, prefix) + 4,
	"");
static_assert(
	offsetof(struct lb_pool_conf, last_port) == offsetof(struct lb_pool_conf, port) + 2, "");
static_assert(
	offsetof(struct lb_service_conf, last_port) == offsetof(struct lb_service_conf, port) + 2,
	"");
static_assert(offsetof(struct lb_check_conf, status_max) ==
		      offsetof(struct lb_check_conf, status_min) + 2,
	"");

/* Of a service: how its backends are asked whether they are well. */
static const struct option check[] = {
	{"kind", NUMBER, AT(struct lb_service_conf, check.kind), "none",
		WORDS({"none", LB_CHECK_NONE}, {"icmp", LB_CHECK_ICMP}, {"tcp", LB_CHECK_TCP},
			{"http", LB_CHECK_HTTP}, {"dns", LB_CHECK_DNS}),
		.help = "icmp: echo; tcp: a connection; http: a GET; dns: a query over UDP."},
	{"port", NUMBER, AT(struct lb_service_conf, check.port), "same", 1, UINT16_MAX,
		WORDS({"same", 0}),
		.help = "That is asked; same is the backend's, else the service's."},
	{"interval", TIME, AT(struct lb_service_conf, check.interval_ms), "2s", 100, 3600000,
		.help = "From the begin of a check to that of the next."},
	{"timeout", TIME, AT(struct lb_service_conf, check.timeout_ms), "1s", 10, 3600000,
		.help = "Without an answer for so long, it has failed; at most the interval."},
	{"rise", NUMBER, AT(struct lb_service_conf, check.rise), "2", 1, 100,
		.help = "Good ones in a row that take a backend up that was down."},
	{"fall", NUMBER, AT(struct lb_service_conf, check.fall), "3", 1, 100,
		.help = "Bad ones in a row that take it down."},
	{"host", TEXT, AT(struct lb_service_conf, check.host), "",
		.help = "Of http, its Host (the address, if none is given); of dns, the name."},
	{"path", TEXT, AT(struct lb_service_conf, check.path), "/", .help = "Of http."},
	{"status", PORTS, AT(struct lb_service_conf, check.status_min), "200-299", 200, 599,
		.help = "Of http: which are well."},
	{"body", TEXT, AT(struct lb_service_conf, check.body), "",
		.help = "Of http: what the body has to contain; a quarter of a MiB of it is read."},
};
static const struct section check_section = {SECTION(check)};

static const struct option backend[] = {
	{"address", ADDRESS, AT(struct lb_backend_conf, addr), .required = true,
		.example = "198.18.1.1", .help = "The backend's."},
	{"port", NUMBER, AT(struct lb_backend_conf, port), "same", 1, UINT16_MAX,
		WORDS({"same", 0}), .help = "Its port; same is the one that a client asked for."},
	{"weight", NUMBER, AT(struct lb_backend_conf, weight), "1", 0, MAGLEV_WEIGHT_MAX,
		.help = "Its share of new flows beside the others'."},
	{"max_flows", NUMBER, AT(struct lb_backend_conf, max_flows), "any", 1, UINT32_MAX - 1,
		WORDS({"any", 0}), .help = "At once; one that is full gets no new ones."},
	{"new_flows", NUMBER, AT(struct lb_backend_conf, rate), "any", 1, UINT32_MAX - 1,
		WORDS({"any", 0}), .unit = "a second", .help = "As many may begin, and no more."},
	{"state", NUMBER, AT(struct lb_backend_conf, admin), "enabled",
		WORDS({"enabled", LB_ENABLED}, {"drain", LB_DRAIN},
			{"maintenance", LB_MAINTENANCE}),
		.help = "drain: no new flows, and its own go on; maintenance: nor is it checked."},
};
const struct section conf_backend_section = {
	SECTION(backend), .size = sizeof(struct lb_backend_conf), .placed = true};

static const struct option acl[] = {
	{"prefix", PREFIX, AT(struct lb_acl_conf, prefix), .required = true,
		.example = "198.18.0.0/24", .help = "Of clients; the longest that matches counts."},
	{"allow", BOOLEAN, AT(struct lb_acl_conf, allow), "true",
		.help = "Whether they may; false: their packets are dropped."},
};
static const struct section acl_section = {
	SECTION(acl), .size = sizeof(struct lb_acl_conf), .placed = true};

/* Its own in place of those of all (`timeouts`, below). */
static const struct option own_timeouts[] = {
	{"tcp_half_open", TIME, AT(struct lb_service_conf, timeouts.tcp_half_open_ms), "same", 1000,
		FLOW_SECONDS * 1000, WORDS({"same", 0}),
		.help = "Each is as in balancers.timeouts; same is what stands there."},
	{"tcp_established", TIME, AT(struct lb_service_conf, timeouts.tcp_established_ms), "same",
		1000, FLOW_SECONDS * 1000, WORDS({"same", 0}), .help = "Without a packet."},
	{"tcp_closing", TIME, AT(struct lb_service_conf, timeouts.tcp_closing_ms), "same", 1000,
		FLOW_SECONDS * 1000, WORDS({"same", 0}), .help = "One end has finished."},
	{"tcp_closed", TIME, AT(struct lb_service_conf, timeouts.tcp_closed_ms), "same", 1000,
		FLOW_SECONDS * 1000, WORDS({"same", 0}), .help = "Both have, or one has reset it."},
	{"udp_one_way", TIME, AT(struct lb_service_conf, timeouts.udp_one_way_ms), "same", 1000,
		FLOW_SECONDS * 1000, WORDS({"same", 0}), .help = "No backend has answered yet."},
	{"udp", TIME, AT(struct lb_service_conf, timeouts.udp_ms), "same", 1000,
		FLOW_SECONDS * 1000, WORDS({"same", 0}), .help = "Without a datagram."},
};
static const struct section own_timeouts_section = {SECTION(own_timeouts)};

static const struct option service[] = {
	{"name", NAME, AT(struct lb_service_conf, name), .max = LB_NAME - 1, .required = true,
		.example = "shop", .help = "What it is called in tables."},
	{"address", ADDRESS, AT(struct lb_service_conf, addr), .required = true,
		.example = "198.18.0.100",
		.help = "A virtual one: ARP is answered for it where its network is connected."},
	{"port", PORTS, AT(struct lb_service_conf, port), .required = true, .example = "80",
		WORDS({"any", 0}), .help = "A port, a range of ports, or any."},
	{"protocol", NUMBER, AT(struct lb_service_conf, protocol), "tcp",
		WORDS({"tcp", LB_TCP}, {"udp", LB_UDP}, {"both", LB_TCP_AND_UDP}),
		.help = "What is balanced."},
	{"mode", NUMBER, AT(struct lb_service_conf, mode), "nat",
		WORDS({"nat", LB_NAT}, {"full-nat", LB_FULL_NAT}, {"dsr", LB_DSR},
			{"ipip", LB_IPIP}, {"gre", LB_GRE}),
		.help = "Backend's address put in (nat), ours, too (full-nat), its MAC, or a "
			"tunnel."},
	{"pool", TEXT, AT(struct lb_service_conf, pool), "",
		.help = "What full-nat sends from; of nat: for clients on the backend's own "
			"link."},
	{"scheduler", NUMBER, AT(struct lb_service_conf, scheduler), "maglev",
		WORDS({"maglev", LB_MAGLEV}, {"round-robin", LB_ROUND_ROBIN},
			{"least-connections", LB_LEAST_CONNECTIONS},
			{"source-hash", LB_SOURCE_HASH}),
		.help = "Who gets a new flow."},
	{"takeover", BOOLEAN, AT(struct lb_service_conf, takeover), "false",
		.help = "ARP is answered for it only while the kernel has it, from keepalived."},
	{"flow_table", BOOLEAN, AT(struct lb_service_conf, keep), "true",
		.help = "Flows are remembered; false: the hash alone, where replies do not pass."},
	{"table", NUMBER, AT(struct lb_service_conf, table_size), "65537", 2, MAGLEV_SIZE_MAX,
		.unit = "places", .help = "Of Maglev's table: a prime, a hundred for a backend."},
	{"max_flows", NUMBER, AT(struct lb_service_conf, max_flows), "any", 1, UINT32_MAX - 1,
		WORDS({"any", 0}),
		.help = "At once, on all backends; a SYN beyond them is dropped, and may come "
			"again."},
	{"new_flows", NUMBER, AT(struct lb_service_conf, rate), "any", 1, UINT32_MAX - 1,
		WORDS({"any", 0}), .unit = "a second",
		.help = "As many may begin, on each worker its equal part of them."},
	{"syn_proxy", NUMBER, AT(struct lb_service_conf, syn_proxy), "off",
		WORDS({"off", LB_SYN_OFF}, {"auto", LB_SYN_AUTO}, {"always", LB_SYN_ALWAYS}),
		.help = "A cookie answers SYNs before a backend hears of them; auto: in a flood."},
	{"syn_rate", NUMBER, AT(struct lb_service_conf, syn_rate), "10000", 1, UINT32_MAX - 1,
		.unit = "SYNs a second",
		.help = "Of new flows: what is taken for a flood, until it is half."},
	{"acl", LIST, AT(struct lb_service_conf, acl), .max = LB_ACLS, .of = &acl_section,
		COUNT(struct lb_service_conf, n_acl),
		.help = "Who may use it; with none everybody may, with some nobody else."},
	{"check", MAP, .of = &check_section, .help = "How backends are asked if they are well."},
	{"panic", NUMBER, AT(struct lb_service_conf, panic), "0", 0, 100, .unit = "percent",
		.help = "With less of the weight not down, all backends get flows; 0: never."},
	{"slow_start", TIME, AT(struct lb_service_conf, slow_start_ms), "0s", 0, 3600000,
		.help = "A backend that comes up has its whole weight after so long."},
	{"drain", TIME, AT(struct lb_service_conf, drain_ms), "0s", 0, 86400000,
		.help = "What is left then of a draining backend's flows ends; 0: never."},
	{"passive_fails", NUMBER, AT(struct lb_service_conf, passive_fails), "0", 0, 10000,
		.help = "TCP flows in a row that a backend refuses, or does not answer: it is "
			"down; 0: not looked at."},
	{"passive_hold", TIME, AT(struct lb_service_conf, passive_hold_ms), "30s", 1000, 3600000,
		.help = "How long it is down then."},
	{"timeouts", MAP, .of = &own_timeouts_section,
		.help = "After which its flows are over, where it is not as with all services'."},
	{"mss", NUMBER, AT(struct lb_service_conf, mss), "auto", 88, UINT16_MAX, WORDS({"auto", 0}),
		.unit = "bytes",
		.help = "Limit to what SYNs announce; auto: what a tunnel leaves."},
	{"tunnel_source", ADDRESS, AT(struct lb_service_conf, tunnel_source), "0.0.0.0",
		.help = "Of ipip and gre; 0.0.0.0: the address of the interface they leave by."},
	{"ignore_df", BOOLEAN, AT(struct lb_service_conf, ignore_df), "false",
		.help = "What ipip or gre make too long is cut, even if a client forbids it."},
	{"backends", LIST, AT(struct lb_service_conf, backends), .max = MAGLEV_BACKENDS,
		.of = &conf_backend_section, COUNT(struct lb_service_conf, n_backends),
		.help = "Who serves it."},
};
static const struct section service_section = {
	SECTION(service), .size = sizeof(struct lb_service_conf), .placed = true};

static const struct option pool_address[] = {
	{"address", ADDRESS, AT(struct lb_addr_conf, addr)},
};
static const struct section pool_address_section = {
	SECTION(pool_address), .size = sizeof(struct lb_addr_conf), .scalar = true, .placed = true};

static const struct option pool[] = {
	{"name", NAME, AT(struct lb_pool_conf, name), .max = LB_NAME - 1, .required = true,
		.example = "inner", .help = "What services call it."},
	{"addresses", LIST, AT(struct lb_pool_conf, addrs), .max = LB_POOL_MAX,
		.of = &pool_address_section, COUNT(struct lb_pool_conf, n),
		.example = "198.18.0.110",
		.help = "Virtual ones: ARP is answered for them where their network is connected."},
	{"takeover", BOOLEAN, AT(struct lb_pool_conf, takeover), "false",
		.help = "ARP is answered for them only while the kernel has them, from "
			"keepalived."},
	{"ports", PORTS, AT(struct lb_pool_conf, port), "1024-65535", LB_PORT_LEAST, UINT16_MAX,
		.help = "Each is one flow's at a time, of TCP and of UDP."},
};
static const struct section pool_section = {
	SECTION(pool), .size = sizeof(struct lb_pool_conf), .placed = true};

static const struct option masquerade[] = {
	{"name", NAME, AT(struct lb_masquerade_conf, name), .max = LB_NAME - 1, .required = true,
		.example = "home", .help = "What it is called in tables."},
	{"inside", PREFIX, AT(struct lb_masquerade_conf, prefix), .required = true,
		.example = "198.18.1.0/24", .help = "Whose flows."},
	{"out", NAME, AT(struct lb_masquerade_conf, out), .max = LB_NAME - 1, .required = true,
		.example = "lan", .help = "The port or VLAN by which they leave."},
	{"address", ADDRESS, AT(struct lb_masquerade_conf, addr), "own", WORDS({"own", 0}),
		.help = "What they are sent from: own is the first address of `out`."},
	{"takeover", BOOLEAN, AT(struct lb_masquerade_conf, takeover), "false",
		.help = "ARP is answered for `address` only while the kernel has it, from "
			"keepalived."},
	{"ports", PORTS, AT(struct lb_masquerade_conf, port), "10000-32767", LB_PORT_LEAST,
		UINT16_MAX,
		.help = "Each is one inside end's at a time, of TCP, of UDP and of ICMP ids."},
	{"max_mappings", NUMBER, AT(struct lb_masquerade_conf, max_mappings), "4096", 0, 1000000,
		.help = "Of one inside host, each worker its part of them; 0: no limit."},
};
static const struct section masquerade_section = {
	SECTION(masquerade), .size = sizeof(struct lb_masquerade_conf), .placed = true};

static const struct option timeouts[] = {
	{"tcp_half_open", TIME, AT(struct conf, balancers.timeouts.tcp_half_open_ms), "30s", 1000,
		FLOW_SECONDS * 1000, .help = "Until a backend has answered a SYN."},
	{"tcp_established", TIME, AT(struct conf, balancers.timeouts.tcp_established_ms), "124m",
		1000, FLOW_SECONDS * 1000, .help = "Without a packet (RFC 5382)."},
	{"tcp_closing", TIME, AT(struct conf, balancers.timeouts.tcp_closing_ms), "4m", 1000,
		FLOW_SECONDS * 1000, .help = "When one end has finished."},
	{"tcp_closed", TIME, AT(struct conf, balancers.timeouts.tcp_closed_ms), "10s", 1000,
		FLOW_SECONDS * 1000, .help = "When both have, or one has reset it."},
	{"udp_one_way", TIME, AT(struct conf, balancers.timeouts.udp_one_way_ms), "30s", 1000,
		FLOW_SECONDS * 1000, .help = "Until a backend has answered."},
	{"udp", TIME, AT(struct conf, balancers.timeouts.udp_ms), "5m", 1000, FLOW_SECONDS * 1000,
		.help = "Without a datagram (RFC 4787)."},
	{"icmp", TIME, AT(struct conf, balancers.timeouts.icmp_ms), "1m", 1000, FLOW_SECONDS * 1000,
		.help = "Without an echo by the same id (RFC 5508)."},
};
static const struct section timeouts_section = {SECTION(timeouts)};

static const struct option sync_options[] = {
	{"address", ADDRESS, AT(struct conf, balancers.sync.addr), "0.0.0.0",
		.help = "One of a port's, that the other instance sends to; 0.0.0.0: no such "
			"instance."},
	{"peer", ADDRESS, AT(struct conf, balancers.sync.peer), "0.0.0.0",
		.help = "The other instance's."},
	{"port", NUMBER, AT(struct conf, balancers.sync.port), "7780", 1, UINT16_MAX,
		.help = "Of UDP, on both sides."},
	{"key", TEXT, AT(struct conf, balancers.sync.key), "",
		.help = "A text that these two alone have: what is told without it is dropped."},
	{"rate", NUMBER, AT(struct conf, balancers.sync.rate), "100000", 1, 10000000,
		.unit = "flows a second", .help = "That are told, by each worker."},
};
static const struct section sync_section = {SECTION(sync_options)};

static const struct option balancers[] = {
	{"services", NAMED, AT(struct conf, balancers.services), .max = 16384,
		.of = &service_section, COUNT(struct conf, balancers.n_services),
		.help = "Each with the name that it is called by."},
	{"pools", NAMED, AT(struct conf, balancers.pools), .max = LB_POOL_MAX, .of = &pool_section,
		COUNT(struct conf, balancers.n_pools),
		.help = "Addresses that backends see in place of clients'."},
	{"masquerades", NAMED, AT(struct conf, balancers.masquerades), .max = LB_POOL_MAX,
		.of = &masquerade_section, COUNT(struct conf, balancers.n_masquerades),
		.help = "Networks behind one address of ours."},
	{"seed", TEXT, AT(struct conf, balancers.seed), "",
		.help = "Of the hash that chooses backends: secret, and one at all instances "
			"behind a router."},
	{"sync", MAP, .of = &sync_section,
		.help = "Flows told to another instance, so that they go on there."},
	{"timeouts", MAP, .of = &timeouts_section, .help = "After which flows are over."},
};
const struct section conf_balancers_section = {SECTION(balancers)};
