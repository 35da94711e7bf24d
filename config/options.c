/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * options: the one table of what may stand in a configuration.
 *
 * An option is a row here and a member of its module's conf struct, nothing else: the loader, the
 * reference, the difference of two files and the saved text follow. Sections come after what they
 * hold; the top one, conf_section, is at the end.
 */
#include "option.h"

#include "net/park.h"
#include "net/reasm.h"
#include "wire/http1_hdr.h"

#include <assert.h>

#define MTU_MIN 68 /* RFC 791: what every link must carry */
#define MTU_MAX 9600
#define CPU_MAX 1023

/* What PREFIX, NETWORK and ENDPOINT write is the address and the member after it. */
static_assert(offsetof(struct route_conf, depth) == offsetof(struct route_conf, prefix) + 4, "");
static_assert(offsetof(struct addr_conf, depth) == offsetof(struct addr_conf, addr) + 4, "");
static_assert(offsetof(struct service_conf, port) == offsetof(struct service_conf, addr) + 4, "");
/* And positions come first in an item. */
static_assert(
	offsetof(struct route_conf, at) + offsetof(struct addr_conf, at) +
			offsetof(struct port_conf, iface.at) + offsetof(struct neigh_static, at) +
			offsetof(struct rarp_entry_conf, at) + offsetof(struct service_conf, at) ==
		0,
	"");

/* --- system --- */

static const struct option limits[] = {
	{"routes", NUMBER, AT(struct conf, system.limits.routes), "1048576", 16, RIB4_ROUTES_MAX,
		.restart = true, .help = "Prefixes that the routing table holds."},
	{"tbl8", NUMBER, AT(struct conf, system.limits.tbl8), "8192", 16, FIB4_TBL8_MAX,
		.restart = true, .help = "Blocks of /24 that hold prefixes longer than that."},
	{"adjacencies", NUMBER, AT(struct conf, system.limits.adjacencies), "65536", 64,
		FIB_INDEX_MAX, .restart = true, .help = "Neighbours that packets are sent to."},
	{"groups", NUMBER, AT(struct conf, system.limits.groups), "1024", 1, 65536, .restart = true,
		.help = "Sets of next hops (ECMP) in use."},
	{"tcp_connections", NUMBER, AT(struct conf, services.tcp.connections), "65536", 16,
		16777216, .restart = true,
		.help = "TCP connections that end here, on each worker."},
	{"tcp_time_waits", NUMBER, AT(struct conf, services.tcp.time_waits), "65536", 16, 16777216,
		.restart = true,
		.help = "Ended ones that are remembered (TIME_WAIT), on each worker."},
	{"socket_clients", NUMBER, AT(struct conf, system.sockets.clients), "4096", 1, 65536,
		.restart = true, .help = "Local programs that use millrace's sockets at once."},
	{"sockets", NUMBER, AT(struct conf, system.sockets.sockets), "4096", 1, 65536,
		.restart = true,
		.help = "Sockets of one program, connections to be accepted among them."},
	{"socket_calls", NUMBER, AT(struct conf, system.sockets.calls), "1024", 1, 65536,
		.restart = true, .help = "Calls of one program that wait at once."},
	{"socket_buffer", SIZE, AT(struct conf, system.sockets.buffer_bytes), "256K", 2048,
		64 << 20, .restart = true,
		.help = "SO_SNDBUF and SO_RCVBUF of a socket that says nothing else."},
	{"flows", NUMBER, AT(struct conf, balancers.max_flows), "65536", 0, 134217728,
		.restart = true,
		.help = "Balanced and masqueraded flows on each worker, 36 bytes each; 0: none "
			"at all."},
	{"balanced_services", NUMBER, AT(struct conf, balancers.max_services), "256", 1, 16384,
		.restart = true,
		.help = "Virtual services, removed ones whose flows end among them."},
	{"balanced_backends", NUMBER, AT(struct conf, balancers.max_backends), "2048", 1, 32767,
		.restart = true, .help = "Their backends in all, removed ones among them, too."},
	{"mbufs", NUMBER, AT(struct conf, system.limits.mbufs), "16384", 1024, 16777215,
		.restart = true, .help = "Packet buffers on each NUMA node in use."},
	{"mbuf_size", NUMBER, AT(struct conf, system.limits.mbuf_size), "2048", 1024, 16384,
		.unit = "bytes", .restart = true,
		.help = "Data in one packet buffer; a longer packet takes several."},
	{"punt_rate", NUMBER, AT(struct conf, set.punt_rate), "10000", 1, 10000000,
		.unit = "a second",
		.help = "Packets to the kernel: routing protocols', and again as many others, from "
			"each worker."},
	{"punt_queue", NUMBER, AT(struct conf, system.limits.punt_queue), "1024", 16, 65536,
		.unit = "packets", .restart = true,
		.help = "On their way to the kernel, and as many from it, on each worker."},
};
static const struct section limits_section = {SECTION(limits)};

static const struct option worker_cpu[] = {
	{"cpu", NUMBER, 0, sizeof(uint32_t), "auto", 0, CPU_MAX, WORDS({"auto", CONF_CPU_AUTO})},
};
static const struct section worker_cpu_section = {
	SECTION(worker_cpu), .size = sizeof(uint32_t), .scalar = true};
static const struct option workers_alone = {
	"workers", NUMBER, AT(struct conf, system.n_workers), "1", 1, WORKER_MAX};

static const struct option loopback[] = {
	{"address", ADDRESS, AT(struct addr_conf, addr)},
};
static const struct section loopback_section = {
	SECTION(loopback), .size = sizeof(struct addr_conf), .scalar = true, .placed = true};

static const struct option kernel[] = {
	{"netns", TEXT, AT(struct conf, ports.kernel_netns), "", .restart = true,
		.help = "Network namespace of the ports' interfaces there; \"\" is millrace's "
			"own."},
	{"table", NUMBER, AT(struct conf, kernel.table), "main", 1, UINT32_MAX,
		WORDS({"main", 254}), .restart = true,
		.help = "Routing table that routes are taken from and given to."},
	{"preference", NUMBER, AT(struct conf, kernel.preference), "20", 0, 255,
		.help = "Of the kernel's routes; that of static ones is 1."},
	{"protocol", NUMBER, AT(struct conf, kernel.protocol), "77", 5, 255, .restart = true,
		.help = "What our routes and addresses are marked with there, and what is marked "
			"so is never taken."},
	{"take_routes", BOOLEAN, AT(struct conf, kernel.take_routes), "true",
		.help = "The kernel's routes by ports' interfaces become ours."},
	{"take_addresses", BOOLEAN, AT(struct conf, kernel.take_addresses), "true",
		.help = "So do addresses that are given to these interfaces there,"},
	{"take_neighbours", BOOLEAN, AT(struct conf, kernel.take_neighbours), "true",
		.help = "and permanent neighbours."},
	{"give_routes", BOOLEAN, AT(struct conf, kernel.give_routes), "true",
		.help = "Static routes, and those added by hand, are put there,"},
	{"give_neighbours", BOOLEAN, AT(struct conf, kernel.give_neighbours), "true",
		.help = "and neighbours that are resolved."},
	{"buffer", SIZE, AT(struct conf, kernel.buffer), "4M", 4096, 1 << 30, .unit = "bytes",
		.restart = true,
		.help = "Of messages that may wait; if some are lost, everything is read again."},
};
static const struct section kernel_section = {SECTION(kernel)};

static const struct option system_options[] = {
	{"workers", LIST, AT(struct conf, system.worker_cpu), "1", 1, WORKER_MAX,
		.of = &worker_cpu_section, COUNT(struct conf, system.n_workers), .array = true,
		.alone = &workers_alone, .restart = true,
		.help = "Threads that move packets: how many, or the list of their CPUs."},
	{"control", NUMBER, AT(struct conf, system.control_cpu), "auto", 0, CPU_MAX,
		WORDS({"auto", CONF_CPU_AUTO}), .restart = true,
		.help = "CPU of the control thread; auto takes one that no worker has, if there "
			"is."},
	{"pipeline", NUMBER, AT(struct conf, system.pipeline), "appliance",
		WORDS({"appliance", PIPELINE_APPLIANCE}, {"host", PIPELINE_HOST},
			{"balancer", PIPELINE_BALANCER}),
		.restart = true,
		.help = "A router and host, a host, which forwards nothing, or one that balances."},
	{"hugepages", NUMBER, AT(struct conf, system.hugepages), "auto",
		WORDS({"auto", HUGEPAGES_AUTO}, {"on", HUGEPAGES_ON}, {"off", HUGEPAGES_OFF}),
		.restart = true,
		.help = "Memory in huge pages; auto takes them if there are enough."},
	{"memory", SIZE, AT(struct conf, system.memory), "auto", 16 << 20, UINT64_C(1) << 40,
		WORDS({"auto", 0}), .restart = true,
		.help = "For packet buffers and rings; auto is what the limits need."},
	{"idle", NUMBER, AT(struct conf, system.idle), "adaptive",
		WORDS({"adaptive", IDLE_ADAPTIVE}, {"poll", IDLE_POLL}),
		.help = "Workers without packets sleep a little (adaptive), or never."},
	{"drain", TIME, AT(struct conf, system.drain_ms), "5s", 0, 60000,
		.help = "At the end, the longest wait for packets that are under way."},
	{"control_socket", TEXT, AT(struct conf, system.control_socket),
		"/run/millrace/millrace.sock", .restart = true,
		.help = "Where millctl finds this process: an absolute path."},
	{"socket_service", TEXT, AT(struct conf, system.sockets.path), "", .restart = true,
		.help = "Where local programs find millrace's TCP and UDP: an absolute path; \"\" "
			"is "
			"nowhere."},
	{"socket_group", TEXT, AT(struct conf, system.sockets.group), "", .restart = true,
		.help = "Whose members may use them; \"\" leaves it to root."},
	{"log", NUMBER, AT(struct conf, system.log), "stderr",
		WORDS({"stderr", SINK_STDERR}, {"syslog", SINK_SYSLOG}),
		.help = "Where messages go."},
	{"log_level", NUMBER, AT(struct conf, system.log_level), "notice",
		WORDS({"error", LEVEL_ERROR}, {"warning", LEVEL_WARNING}, {"notice", LEVEL_NOTICE},
			{"detail", LEVEL_DETAIL}),
		.help = "The least important messages that are still written."},
	{"loopback", LIST, AT(struct conf, ports.loopback), .of = &loopback_section,
		COUNT(struct conf, ports.n_loopback), .example = "198.18.255.1",
		.help = "Addresses of the appliance itself, there whatever port is up."},
	{"kernel", MAP, .of = &kernel_section,
		.help = "The kernel path, of ports that have an interface in the kernel."},
	{"limits", MAP, .of = &limits_section, .help = "Sizes of tables; memory follows them."},
};
static const struct section system_section = {SECTION(system_options)};

/* --- ports --- */

static const struct option address[] = {
	{"address", NETWORK, AT(struct addr_conf, addr)},
};
static const struct section address_section = {
	SECTION(address), .size = sizeof(struct addr_conf), .scalar = true, .placed = true};

static const struct option tap[] = {
	{"netns", TEXT, AT(struct port_conf, tap_netns), "",
		.help = "Network namespace of the kernel's end; \"\" is millrace's own."},
	{"iface", TEXT, AT(struct port_conf, tap_iface), .required = true, .example = "lan0",
		.help = "Name of the kernel's end."},
};
static const struct section tap_section = {SECTION(tap)};

/* What a port and a VLAN have in common; `conf` leads to the struct iface_conf in `type`. */
/* clang-format off */
#define IFACE_OPTIONS(type, conf, an_address) \
	{"addresses", LIST, AT(type, conf addrs), .max = IFACE_ADDRS, .of = &address_section, \
		COUNT(type, conf n_addrs), .array = true, .example = an_address, \
		.help = "Its own addresses, with the length of their networks; the first one sends " \
			"ICMP errors."}, \
	{"urpf", NUMBER, AT(type, conf urpf), "off", \
		WORDS({"off", URPF_OFF}, {"loose", URPF_LOOSE}, {"strict", URPF_STRICT}), \
		.help = "Drop packets whose source has no route (loose), or none back by here " \
			"(strict, RFC 3704)."}, \
	{"proxy_arp", BOOLEAN, AT(type, conf proxy_arp), "false", \
		.help = "Answer ARP for what is routed elsewhere (RFC 1027)."}, \
	{"directed_broadcast", BOOLEAN, AT(type, conf directed_broadcast), "false", \
		.help = "Forward directed broadcasts out of here (RFC 2644)."}, \
	{"redirects", BOOLEAN, AT(type, conf redirects), "true", \
		.help = "Tell hosts here of better gateways (ICMP redirects)."}, \
	{"mss_clamp", NUMBER, AT(type, conf mss), "off", 88, MTU_MAX - 40, \
		WORDS({"off", 0}, {"auto", 1}), .unit = "bytes", \
		.help = "Largest MSS in TCP SYNs that leave here; auto follows the MTU."}
/* clang-format on */

static const struct option vlan[] = {
	{"id", NUMBER, AT(struct iface_conf, vlan), .min = 1, .max = 4094, .required = true,
		.example = "10", .help = "IEEE 802.1Q tag."},
	{"mac", MAC, AT(struct iface_conf, mac), "auto", WORDS({"auto", 0}),
		.help = "auto is the port's."},
	{"mtu", NUMBER, AT(struct iface_conf, mtu), "auto", MTU_MIN, MTU_MAX, WORDS({"auto", 0}),
		.unit = "bytes", .help = "Largest IPv4 packet; auto is the port's."},
	IFACE_OPTIONS(struct iface_conf, , "198.18.10.254/24"),
};
static const struct section vlan_section = {
	SECTION(vlan), .size = sizeof(struct iface_conf), .placed = true};

static const struct option member[] = {
	{"member", TEXT, 0, sizeof(((struct port_conf *)0)->members[0])},
};
static const struct section member_section = {
	SECTION(member), .size = sizeof(((struct port_conf *)0)->members[0]), .scalar = true};

static const struct option port[] = {
	{"name", NAME, AT(struct port_conf, iface.name), .max = PORT_NAME_MOST, .required = true,
		.example = "lan", .help = "What it is called everywhere else."},
	{"tap", MAP, .of = &tap_section, CHOICE(PORT_TAP),
		.help = "A device that the kernel has the other end of."},
	{"pci", TEXT, AT(struct port_conf, device), CHOICE(PORT_PCI), .example = "0000:01:00.0",
		.help = "A network card by its PCI address, bound to vfio-pci."},
	{"vdev", TEXT, AT(struct port_conf, device), CHOICE(PORT_VDEV),
		.example = "net_af_packet0,iface=eth1",
		.help = "Any other DPDK device: its driver with a number, and its arguments."},
	{"members", LIST, AT(struct port_conf, members), .max = PORT_MEMBERS, .of = &member_section,
		COUNT(struct port_conf, n_members), .example = "net_af_packet1,iface=eth2",
		.aside = true,
		.help = "What a vdev of net_bonding joins: PCI addresses, or devices as in vdev."},
	{"mac", MAC, AT(struct port_conf, iface.mac), "auto", WORDS({"auto", 0}),
		.help = "auto is the device's."},
	{"mtu", NUMBER, AT(struct port_conf, iface.mtu), "1500", MTU_MIN, MTU_MAX, .unit = "bytes",
		.help = "Largest IPv4 packet."},
	{"queues", NUMBER, AT(struct port_conf, queues), "auto", 1, WORKER_MAX, WORDS({"auto", 0}),
		.help = "Receive and send queues; auto is one for each worker if the device has "
			"them."},
	{"rx_descriptors", NUMBER, AT(struct port_conf, rx_descriptors), "1024", 32, 32768,
		.unit = "packets",
		.help = "Length of a receive queue, as near as the device has it."},
	{"tx_descriptors", NUMBER, AT(struct port_conf, tx_descriptors), "1024", 32, 32768,
		.unit = "packets", .help = "Length of a send queue."},
	{"kernel", TEXT, AT(struct port_conf, kernel), "",
		.help = "The port's interface in the kernel, for routing daemons and the like; "
			"\"\" is none."},
	{"promiscuous", BOOLEAN, AT(struct port_conf, promiscuous), "false",
		.help = "Have the device deliver other stations' frames too; they are dropped."},
	{"required", BOOLEAN, AT(struct port_conf, required), "false",
		.help = "Without its device nothing starts; else the other ports do, and an apply "
			"tries it again."},
	IFACE_OPTIONS(struct port_conf, iface., "198.18.0.254/24"),
	{"vlans", NAMED, AT(struct port_conf, vlans), .max = IFACE_MAX, .of = &vlan_section,
		COUNT(struct port_conf, n_vlans),
		.help = "VLANs of the port, by their number; `lan.10` is VLAN 10 of `lan`."},
};
static const struct section port_section = {SECTION(port), .size = sizeof(struct port_conf),
	.choice = offsetof(struct port_conf, kind), .placed = true};

/* --- routes and neighbours --- */

static const struct option via[] = {
	{"via", ADDRESS, 0, sizeof(uint32_t)},
};
static const struct section via_section = {SECTION(via), .size = sizeof(uint32_t), .scalar = true};

static const struct option route[] = {
	{"prefix", PREFIX, AT(struct route_conf, prefix), .required = true, .example = "0.0.0.0/0",
		.help = "Where the packets go to."},
	{"via", LIST, AT(struct route_conf, via), .min = 1, .max = GROUP_MEMBERS,
		.of = &via_section, COUNT(struct route_conf, n_via), .array = true, .alone = via,
		CHOICE(ROUTE_VIA), .example = "198.18.0.1",
		.help = "The gateway, or several that share the flows; each on a port's network."},
	{"blackhole", NUMBER, WORDS({"true", 1}), CHOICE(ROUTE_BLACKHOLE), .example = "true",
		.help = "Drop the packets in silence."},
	{"unreachable", NUMBER, WORDS({"true", 1}), CHOICE(ROUTE_UNREACHABLE), .example = "true",
		.help = "Drop the packets and tell their senders."},
	{"preference", NUMBER, AT(struct route_conf, preference), "1", 0, 255,
		.help = "Between routes of several origins for one prefix the lowest counts."},
	{"metric", NUMBER, AT(struct route_conf, metric), "0", 0, UINT32_MAX,
		.help = "And the lowest metric where preferences are equal."},
};
const struct section conf_route_section = {SECTION(route), .size = sizeof(struct route_conf),
	.choice = offsetof(struct route_conf, kind), .placed = true};

static const struct option neighbour[] = {
	{"address", ADDRESS, AT(struct neigh_static, addr), .required = true,
		.example = "198.18.0.9", .help = "On a network of the port."},
	{"port", TEXT, AT(struct neigh_static, iface), .required = true, .example = "lan",
		.help = "A port, or a VLAN as `lan.10`."},
	{"mac", MAC, AT(struct neigh_static, mac), .required = true, .example = "02:00:00:00:00:09",
		.help = "A station's."},
};
const struct section conf_neighbour_section = {
	SECTION(neighbour), .size = sizeof(struct neigh_static), .placed = true};

static const struct option neighbours[] = {
	{"age", TIME, AT(struct conf, neighbours.age_ms), "20m", 1000, 86400000,
		.help = "What is not used for so long is forgotten; what is, is asked whether it "
			"is "
			"still there."},
	{"retry", TIME, AT(struct conf, neighbours.retry_ms), "1s", 100, 60000,
		.help = "Between requests for one address."},
	{"retries", NUMBER, AT(struct conf, neighbours.retries), "3", 1, 20,
		.help = "Requests without an answer before a neighbour counts as gone."},
	{"max", NUMBER, AT(struct conf, neighbours.max), "16384", 1, FIB_INDEX_MAX,
		.help = "Neighbours learnt; static ones come on top."},
	{"gratuitous", NUMBER, AT(struct conf, neighbours.gratuitous), "2", 0, 10,
		.help = "Announcements when an address of ours comes up (RFC 5227)."},
	{"park_each", NUMBER, AT(struct conf, set.park_each), "64", 1, PARK_MAX, .unit = "packets",
		.help = "May wait for one neighbour's answer, on each worker."},
	{"park_total", NUMBER, AT(struct conf, set.park_total), "1024", 1, PARK_MAX,
		.unit = "packets", .help = "And for all of them."},
	{"park_time", TIME, AT(struct conf, set.park_ms), "5s", 100, 60000,
		.help = "How long they wait at the longest."},
	{"static", LIST, AT(struct conf, neighbours.statics), .of = &conf_neighbour_section,
		COUNT(struct conf, neighbours.n_static), .spot = SPOT_STATIC,
		.help = "Neighbours that are not asked for."},
};
static const struct section neighbours_section = {SECTION(neighbours)};

static const struct option rarp[] = {
	{"mac", MAC, AT(struct rarp_entry_conf, mac), .required = true,
		.example = "02:00:00:00:00:0a", .help = "Who asks."},
	{"address", ADDRESS, AT(struct rarp_entry_conf, addr), .required = true,
		.example = "198.18.0.10", .help = "Its address."},
};
static const struct section rarp_section = {
	SECTION(rarp), .size = sizeof(struct rarp_entry_conf), .placed = true};

/* --- protocols and services --- */

static const struct option service[] = {
	{"name", NAME, AT(struct service_conf, name), .max = 31, .required = true,
		.example = "echo", .help = "What it is called in tables."},
	{"kind", NUMBER, AT(struct service_conf, kind),
		WORDS({"udp-echo", SERVICE_UDP_ECHO}, {"udp-discard", SERVICE_UDP_DISCARD},
			{"tcp-echo", SERVICE_TCP_ECHO}, {"tcp-discard", SERVICE_TCP_DISCARD},
			{"tcp-source", SERVICE_TCP_SOURCE}, {"http", SERVICE_HTTP}),
		.required = true, .example = "tcp-echo",
		.help = "What it does (RFC 862, RFC 863; tcp-source sends RFC 864's lines; http "
			"shows files)."},
	{"listen", ENDPOINT, AT(struct service_conf, addr), .required = true,
		.example = "0.0.0.0:7",
		.help = "Its address and port; 0.0.0.0 is any address of ours."},
	{"root", TEXT, AT(struct service_conf, root), "",
		.help = "Of http: the directory with its files; relative to the one of this file."},
};
static const struct section service_section = {
	SECTION(service), .size = sizeof(struct service_conf), .placed = true};

static const struct option tcp[] = {
	{"msl", TIME, AT(struct conf, services.tcp.msl_ms), "30s", 1, 240000,
		.help = "A segment's longest life; TIME_WAIT lasts twice as long."},
	{"min_rto", TIME, AT(struct conf, services.tcp.rto_min_ms), "200ms", 10, 60000,
		.help = "The shortest retransmission time-out; RFC 6298 has 1s."},
	{"delayed_ack", TIME, AT(struct conf, services.tcp.delayed_ack_ms), "40ms", 1, 499,
		.help = "How long an acknowledgement may wait for data that carry it."},
	{"stall_timeout", TIME, AT(struct conf, services.tcp.stall_timeout_ms), "5m", 0, 64800000,
		.help = "Who takes less than 250 bytes a second of what waits is reset then; 0: "
			"never."},
	{"timestamps", BOOLEAN, AT(struct conf, services.tcp.timestamps), "true",
		.help = "Offer and take timestamps (RFC 7323)."},
	{"sack", BOOLEAN, AT(struct conf, services.tcp.sack), "true",
		.help = "Offer and take selective acknowledgements (RFC 2018)."},
	{"ecn", BOOLEAN, AT(struct conf, services.tcp.ecn), "false",
		.help = "Ask for explicit congestion notification (RFC 3168); it is granted "
			"anyway."},
	{"challenge_acks", NUMBER, AT(struct conf, services.tcp.challenge_acks), "2", 0, 1000,
		.unit = "a second",
		.help = "To one peer, for segments that may be forged (RFC 5961)."},
	{"keepalive", TIME, AT(struct conf, services.tcp.keepalive_ms), "2h", 1000, 604800000,
		WORDS({"off", 0}),
		.help = "Silence after which a service asks whether its peer is still there."},
};
static const struct section tcp_section = {SECTION(tcp)};

static const struct option http[] = {
	{"head", SIZE, AT(struct conf, services.http.head_bytes), "8K", 512, 32768, .unit = "bytes",
		.help = "A request's head at most (431, 414)."},
	{"fields", NUMBER, AT(struct conf, services.http.fields), "64", 8, HTTP1_FIELDS_MAX,
		.help = "Fields in it at most (431)."},
	{"body", SIZE, AT(struct conf, services.http.body_bytes), "64K", 0, 1 << 30,
		.unit = "bytes", .help = "A request's body that is passed over at most (413)."},
	{"requests", NUMBER, AT(struct conf, services.http.requests), "1000000", 1, UINT32_MAX,
		.help = "Requests on one connection, which closes after the last."},
	{"idle", TIME, AT(struct conf, services.http.idle_ms), "1m", 10, 3600000,
		.help = "How long a connection may wait for its next request, or not read."},
	{"head_timeout", TIME, AT(struct conf, services.http.head_ms), "10s", 10, 3600000,
		.help = "How long a head (408), or a body, may take to come."},
	{"waiting", SIZE, AT(struct conf, services.http.waiting_bytes), "4M", 4096, 1 << 30,
		.unit = "bytes",
		.help = "Requests that have not come as a whole, or not been "
			"answered, on each worker (503)."},
	{"files", NUMBER, AT(struct conf, services.http.files), "4096", 1, 1 << 20,
		.help = "Files and directories of all http services together."},
	{"bytes", SIZE, AT(struct conf, services.http.files_bytes), "16M", 0, UINT64_C(1) << 32,
		.unit = "bytes", .restart = true,
		.help = "In them; twice as much memory is there for them."},
};
static const struct section http_section = {SECTION(http)};

static const struct option icmp[] = {
	{"error_rate", NUMBER, AT(struct conf, set.error_rate), "1000", 0, 1000000,
		.unit = "a second", .help = "ICMP errors sent in all; 0 sends none."},
	{"source_rate", NUMBER, AT(struct conf, set.error_source_rate), "100", 1, 1000000,
		.unit = "a second", .help = "And to one source,"},
	{"source_burst", NUMBER, AT(struct conf, set.error_source_burst), "100", 1, 1000000,
		.help = "of which so many at once."},
	{"type_rate", NUMBER, AT(struct conf, set.error_type_rate), "0", 0, 1000000,
		.unit = "a second", .help = "And of one type; 0 is without a limit of its own."},
	{"echo_broadcast", BOOLEAN, AT(struct conf, set.echo_group), "false",
		.help = "Answer pings to broadcast addresses."},
	{"redirects", BOOLEAN, AT(struct conf, set.redirects), "true",
		.help = "Send redirects at all; a port may be excepted."},
};
static const struct section icmp_section = {SECTION(icmp)};

static const struct option ip4[] = {
	{"source_route", NUMBER, AT(struct conf, set.source_route), "drop",
		WORDS({"drop", 0}, {"forward", 1}), .help = "Source-routed packets (RFC 7126)."},
	{"ttl", NUMBER, AT(struct conf, set.ttl), "64", 1, 255, .help = "Of packets of our own."},
};
static const struct section ip4_section = {SECTION(ip4)};

static const struct option reassembly[] = {
	{"datagrams", NUMBER, AT(struct conf, set.reasm_datagrams), "256", 1, REASM_DATAGRAMS,
		.help = "Incomplete datagrams for ourselves that each worker holds."},
	{"fragments", NUMBER, AT(struct conf, set.reasm_fragments), "64", 2, REASM_FRAGMENTS,
		.help = "Of one datagram."},
	{"timeout", TIME, AT(struct conf, set.reasm_ms), "1m", 100, 120000,
		.help = "For the rest of a datagram to come."},
};
static const struct section reassembly_section = {SECTION(reassembly)};

/* --- all of it --- */

static const struct option top[] = {
	{"system", MAP, .of = &system_section, .help = "The process itself."},
	{"ports", NAMED, AT(struct conf, ports.list), .max = PORT_MAX, .of = &port_section,
		COUNT(struct conf, ports.n),
		.help = "Devices, each with the name that everything else calls it by."},
	{"routes", LIST, AT(struct conf, routes.list), .of = &conf_route_section,
		COUNT(struct conf, routes.n), .spot = SPOT_ROUTES,
		.help = "Static routes; networks of ports need none."},
	{"neighbours", MAP, .of = &neighbours_section, .spot = SPOT_NEIGHBOURS,
		.help = "Who has which address on the networks of the ports (ARP)."},
	{"rarp", LIST, AT(struct conf, rarp.list), .of = &rarp_section, COUNT(struct conf, rarp.n),
		.help = "Addresses for stations that ask for their own (RFC 903)."},
	{"services", NAMED, AT(struct conf, services.list), .max = 1024, .of = &service_section,
		COUNT(struct conf, services.n), .help = "What answers on addresses of ours."},
	{"balancers", MAP, .of = &conf_balancers_section,
		.help = "Virtual services: addresses of ours, and the backends that serve them."},
	{"tcp", MAP, .of = &tcp_section, .help = "TCP of this host."},
	{"http", MAP, .of = &http_section, .help = "The services of kind http."},
	{"icmp", MAP, .of = &icmp_section, .help = "What is said about other hosts' packets."},
	{"ip4", MAP, .of = &ip4_section, .help = "IPv4 in general."},
	{"reassembly", MAP, .of = &reassembly_section, .help = "Fragments for ourselves."},
};
const struct section conf_section = {SECTION(top)};
