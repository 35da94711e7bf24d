/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * counter: what a worker counts beside drops and the books, in one list.
 *
 * To add one, add a line here and count with w->count[COUNT_name]++ on the worker.
 */
#ifndef NET_COUNTER_H
#define NET_COUNTER_H

#include <stdint.h>

/* clang-format off */
#define COUNTERS(X) \
	X(arp_requests_in, "ARP requests received") \
	X(arp_replies_in, "ARP replies received") \
	X(arp_requests_out, "ARP requests sent, gratuitous ones and probes included") \
	X(arp_replies_out, "ARP replies sent") \
	X(arp_limited, "ARP packets that came too fast for control to be told of each") \
	X(rarp_replies_out, "RARP replies sent") \
	X(ip4_forwarded, "IPv4 packets sent on towards another host") \
	X(ip4_delivered, "IPv4 packets for this host") \
	X(ip4_options, "IPv4 packets with options") \
	X(fragments_made, "fragments sent") \
	X(fragments_in, "fragments received for this host") \
	X(reassembled, "datagrams put together") \
	X(icmp_echo_replies, "echo requests answered") \
	X(icmp_errors_out, "ICMP errors sent") \
	X(icmp_errors_in, "ICMP errors received") \
	X(icmp_redirects_out, "ICMP redirects sent") \
	X(icmp_errors_limited, "ICMP errors withheld by the rate limit") \
	X(icmp_errors_forbidden, "ICMP errors that RFC 1812 4.3.2.7 forbids") \
	X(udp_echo, "datagrams echoed") \
	X(udp_discard, "datagrams discarded by the discard service") \
	X(tcp_resets_out, "resets sent for ports nobody listens on") \
	X(tcp_resets_in, "resets received for connections that do not exist") \
	X(mss_clamped, "TCP MSS options lowered") \
	X(parked, "packets that waited for a neighbour") \
	X(unparked, "packets released by a neighbour's answer") \
	X(handed_over, "packets handed to the worker that owns them") \
	X(events_lost, "messages to control that found its mailbox full")
/* clang-format on */

enum counter {
#define X(name, text) COUNT_##name,
	COUNTERS(X)
#undef X
		COUNT_MAX
};

/* Of one kind of traffic. */
struct pair_count {
	uint64_t packets;
	uint64_t bytes;
};

const char *counter_name(enum counter c);
const char *counter_text(enum counter c);

#endif
