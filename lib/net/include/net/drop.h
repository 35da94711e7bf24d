/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * drop: every reason for which a packet ends here, in one list.
 *
 * The enum, the texts, the counters and every export derive from DROP_REASONS. To add a reason,
 * add a line: NAME, what happened and, where it helps, which setting has to do with it.
 */
#ifndef NET_DROP_H
#define NET_DROP_H

/* clang-format off */
#define DROP_REASONS(X) \
	/* Ethernet */ \
	X(ETH_SHORT, "frame shorter than its headers") \
	X(ETH_NOT_OURS, "destination MAC is neither ours nor a group we joined") \
	X(ETH_TYPE, "EtherType that nobody here speaks") \
	X(ETH_SOURCE, "source MAC is a group address") \
	X(VLAN_UNKNOWN, "VLAN id that is not configured on the port") \
	X(IFACE_DOWN, "interface has no address or is down") \
	/* ARP and neighbours */ \
	X(ARP_BAD, "malformed ARP or RARP packet") \
	X(ARP_SOURCE, "ARP sender hardware address is a group, zero or our own") \
	X(ARP_CONFLICT, "ARP sender uses an address of ours (RFC 5227)") \
	X(ARP_NOT_OURS, "ARP for an address that is not ours (normal on a shared link)") \
	X(ARP_OFFLINK, "ARP sender address is no host of the interface's networks") \
	X(RARP_UNKNOWN, "RARP request for a MAC that the table does not hold") \
	X(PARK_NEIGHBOUR_FULL, "too many packets wait for this neighbour (neighbours.park_each)") \
	X(PARK_FULL, "too many packets wait for neighbours in all (neighbours.park_total)") \
	X(NEIGHBOUR_FAILED, "next hop did not answer ARP") \
	/* IPv4 header */ \
	X(IP4_SHORT, "IPv4 header does not fit the frame") \
	X(IP4_VERSION, "IP version is not 4") \
	X(IP4_IHL, "IPv4 header length below 5 words or beyond the packet") \
	X(IP4_LENGTH, "IPv4 total length below the header's or beyond the frame") \
	X(IP4_CSUM, "IPv4 header checksum is wrong") \
	X(IP4_SRC_MARTIAN, "source address that no host may send from (RFC 1812 5.3.7)") \
	X(IP4_DST_MARTIAN, "destination address that is never forwarded (RFC 1812 5.3.7)") \
	X(IP4_LINK_LOCAL, "from or to 169.254.0.0/16, which stays on its link (RFC 3927 7)") \
	X(IP4_LINK_GROUP, "unicast destination inside a link-layer broadcast or multicast") \
	X(IP4_NOT_OURS, "for another host, and this one does not forward (system.pipeline)") \
	X(IP4_OPTION, "malformed IPv4 option") \
	X(IP4_SOURCE_ROUTE, "source-routed packet (RFC 7126)") \
	X(URPF, "source address is not reachable by the interface it came in on (RFC 3704)") \
	/* routing */ \
	X(NO_ROUTE, "no route to the destination") \
	X(BLACKHOLE, "the route says blackhole") \
	X(UNREACHABLE, "the route says unreachable") \
	X(BROADCAST, "directed broadcast, which is off, or a broadcast that nobody takes") \
	X(MULTICAST, "multicast group that nobody here joined") \
	X(NO_SERVICE, "service address without a service") \
	/* balancing */ \
	X(LB_NO_BACKEND, "no backend of the service takes new flows") \
	X(LB_BACKEND_GONE, "of a flow whose backend was removed, or drained for long enough") \
	X(LB_ACL, "the service takes no flows from this source (its acl)") \
	X(LB_LIMIT, "the service, or all its backends, have their fill (max_flows, new_flows)") \
	X(LB_PROXY_WAIT, "came before the backend had answered the SYN proxy, or without need") \
	X(LB_NO_COOKIE, "neither a flow's nor with a cookie of the SYN proxy (syn_proxy)") \
	X(LB_TABLE_FULL, "no place for a flow that needs one (system.limits.flows)") \
	X(LB_NO_ROUTE, "no route to the flow's backend, or back to its client") \
	X(LB_NOT_NEIGHBOUR, "the backend of mode dsr is on no connected network") \
	X(LB_NO_SOURCE, "no address of ours to send a tunnel's packet from (tunnel_source)") \
	X(LB_TOO_LONG, "with its tunnel's header longer than an IPv4 packet can be") \
	X(LB_NO_PORT, "no port is free at the addresses of the pool or masquerade") \
	X(LB_HOST_LIMIT, "the inside host has as many mappings as one may (max_mappings)") \
	X(LB_NO_FLOW, "of no flow that is balanced or has a port of ours, and it begins none") \
	X(LB_NOT_MAPPED, "a protocol or message that cannot be masqueraded") \
	X(SYNC_PEER, "flows told by another than balancers.sync.peer") \
	X(SYNC_BAD, "flows told in a form, or of a version, that is not ours") \
	X(SYNC_KEY, "flows told without the right balancers.sync.key") \
	X(SYNC_OLD, "flows told before, or in a session that is over or has not begun") \
	X(TTL_EXCEEDED, "TTL ran out") \
	X(FRAG_NEEDED, "larger than the next link's MTU with don't-fragment set") \
	X(AGAIN_FULL, "the ring of packets that take another pass was full") \
	X(HANDOVER_FULL, "the ring to the worker that owns the packet was full") \
	/* fragments */ \
	X(FRAGMENT_FAILED, "could not be cut for the next link: no buffers") \
	X(REASM_BAD, "fragment of no or impossible length (RFC 791)") \
	X(REASM_OVERLAP, "fragments overlap: the whole datagram is dropped (RFC 5722's rule)") \
	X(REASM_DUPLICATE, "exact copy of a fragment already held") \
	X(REASM_FULL, "the oldest under reassembly made room: too many (reassembly.datagrams)") \
	X(REASM_MANY, "more fragments than one datagram may have (reassembly.fragments)") \
	X(REASM_TIMEOUT, "fragments did not all come in time (reassembly.timeout)") \
	/* local delivery */ \
	X(ICMP_BAD, "malformed ICMP message or wrong checksum") \
	X(ICMP_TYPE, "ICMP type that nobody here answers") \
	X(ICMP_ECHO_GROUP, "echo request to a broadcast or multicast address") \
	X(UDP_BAD, "malformed UDP datagram or wrong checksum") \
	X(UDP_NO_PORT, "UDP port that nobody listens on") \
	X(UDP_LOOP, "to the echo service from a port that answers by itself: two would never stop") \
	X(UDP_QUEUE_FULL, "the program reads its datagrams too slowly (SO_RCVBUF)") \
	X(TCP_BAD, "malformed TCP segment or wrong checksum") \
	X(TCP_NO_PORT, "TCP port that nobody listens on") \
	X(TCP_DUPLICATE, "TCP data that had come before") \
	X(TCP_WINDOW, "TCP segment outside the window, or beyond its end") \
	X(TCP_PAWS, "TCP segment with an old timestamp, or without the one agreed on (RFC 7323)") \
	X(TCP_RESET_BLIND, "TCP reset that does not match exactly (RFC 5961)") \
	X(TCP_SYN_BLIND, "SYN on a connection that exists (RFC 5961)") \
	X(TCP_ACK, "TCP segment that acknowledges what was never sent, or long ago") \
	X(TCP_NO_ACK, "TCP segment without the ACK or SYN that it must have") \
	X(TCP_CLOSED, "TCP data for a connection that the application has closed") \
	X(TCP_TIME_WAIT, "TCP segment for a connection that has ended") \
	X(TCP_BACKLOG, "the listener takes no connections now (its queue is full, or memory is)") \
	X(TCP_CROWDED, "small TCP segments that would fill more buffers than the window has room for") \
	X(TCP_PRESSED, "no memory for more TCP data that wait for their reader (limits.mbufs)") \
	X(TCP_COOKIE, "TCP data that came before the ACK with the SYN cookie that opens for them") \
	X(TCP_HOLD_FULL, "no room for TCP data out of order (tcp limits)") \
	X(PROTO_UNKNOWN, "IP protocol that nobody here speaks") \
	X(LOCAL_GROUP, "a service does not answer what came by broadcast or multicast") \
	/* kernel path */ \
	X(PUNT_LIMITED, "more for the kernel than limits.punt_rate allows") \
	X(PUNT_FULL, "too many packets were on their way to the kernel (limits.punt_queue)") \
	X(PUNT_REFUSED, "the kernel did not take it: the punt interface is down there") \
	X(PUNT_OFF, "the port's kernel path was turned off meanwhile") \
	X(PUNT_NO_LINK, "from the kernel, for a port whose link is down") \
	X(PUNT_TOO_LONG, "from the kernel, longer than the port's MTU: that of its interface was raised") \
	/* sending */ \
	X(TX_FULL, "transmit queue was full") \
	X(TX_REFUSED, "the driver refused the packet: it cannot sum or cut it (rte_eth_tx_prepare)") \
	X(TX_PORT_GONE, "port was removed or is down") \
	X(NO_BUFFER, "no buffer for a packet of our own") \
	X(HEADROOM, "no room before the packet for its new header") \
	X(DRAIN, "still held when the process or its port ended")
/* clang-format on */

enum drop_reason {
#define X(name, text) DROP_##name,
	DROP_REASONS(X)
#undef X
		DROP_MAX
};

/* The reason's name as operators see it ("TX_FULL"), and the sentence that explains it. */
const char *drop_name(enum drop_reason r);
const char *drop_text(enum drop_reason r);

#endif
