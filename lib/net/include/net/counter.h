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
	X(udp_received, "datagrams for sockets of local programs") \
	X(udp_sent, "datagrams from sockets of local programs") \
	X(punted, "packets that the kernel took") \
	X(from_kernel, "frames of the kernel's that went to a port") \
	X(tcp_resets_out, "resets sent for ports nobody listens on") \
	X(tcp_resets_in, "resets received for connections that do not exist") \
	X(tcp_segments_in, "TCP segments received, broken ones among them") \
	X(tcp_segments_slow, "of them, those that the fast path left to the slow one") \
	X(tcp_checksum_errors, "TCP segments with a wrong checksum") \
	X(tcp_segments_out, "TCP segments sent, retransmissions among them") \
	X(tcp_data_segments_out, "TCP segments that carried data for the first time") \
	X(tcp_retransmits, "TCP segments sent again") \
	X(tcp_syn_retransmits, "of them, SYNs") \
	X(tcp_fast_retransmits, "of them, in a repair without a time-out") \
	X(tcp_loss_retransmits, "of them, after a time-out") \
	X(tcp_lost_retransmits, "TCP segments that were lost when they had been sent again") \
	X(tcp_active_opens, "TCP connections that we asked for") \
	X(tcp_connected, "TCP connections that we opened") \
	X(tcp_accepted, "TCP connections that listeners accepted") \
	X(tcp_cookies_sent, "SYNs answered by a cookie") \
	X(tcp_cookies_taken, "TCP connections made from a cookie that came back") \
	X(tcp_cookies_failed, "ACKs that were no answer to a cookie, while some were out") \
	X(tcp_attempt_fails, "TCP handshakes that came to nothing") \
	X(tcp_half_open_expired, "half-open TCP connections given up") \
	X(tcp_timed_out, "TCP connections ended by a time-out") \
	X(tcp_stalled, "TCP connections reset because the peer read next to nothing for too long") \
	X(tcp_evicted, "stalled TCP connections reset because the buffers were nearly used up") \
	X(tcp_resets_sent, "resets sent for TCP connections") \
	X(tcp_resets_received, "resets that ended a TCP connection") \
	X(tcp_established_resets, "TCP connections ended while open on our side, by whichever reset or time-out") \
	X(tcp_embryonic_resets, "resets that ended a handshake that the peer had begun") \
	X(tcp_unread_resets, "resets because the application closed without reading all") \
	X(tcp_orphans_ended, "closed TCP connections ended before the peer closed") \
	X(tcp_time_waits, "TCP connections that ended in TIME_WAIT") \
	X(tcp_time_wait_overflow, "TIME_WAIT records that made room for newer ones") \
	X(tcp_time_wait_reused, "TIME_WAIT records that a new connection replaced (RFC 6191)") \
	X(tcp_out_of_order, "TCP segments that came before an earlier one") \
	X(tcp_duplicates, "TCP segments, or parts, that had come before") \
	X(tcp_beyond_window, "TCP segments whose data the window had no room for") \
	X(tcp_paws, "TCP segments with an old timestamp") \
	X(tcp_challenges, "challenge ACKs sent (RFC 5961)") \
	X(tcp_challenges_limited, "challenge ACKs withheld by their limit") \
	X(tcp_delayed_acks, "ACKs that the delay timer sent") \
	X(tcp_timeouts, "TCP retransmission time-outs") \
	X(tcp_recoveries, "times that TCP repaired losses without a time-out") \
	X(tcp_reno_recoveries, "of them, by duplicate ACKs of peers without SACK") \
	X(tcp_recoveries_failed, "of them, ended by a time-out") \
	X(tcp_reordered, "TCP segments that arrived after later ones, by the peer's SACK") \
	X(tcp_sacks_ignored, "SACK blocks of what is not out") \
	X(tcp_sacks_reneged, "time-outs for what a peer had SACKed: it threw it away") \
	X(tcp_tail_probes, "tail loss probes sent (RFC 8985)") \
	X(tcp_tail_losses, "losses that a tail loss probe repaired") \
	X(tcp_spurious, "TCP recoveries that were undone: nothing had been lost") \
	X(tcp_duplicate_acks, "duplicate ACKs from peers without SACK") \
	X(tcp_dsacks_out, "reports of ours that we got something twice") \
	X(tcp_dsacks, "reports that a peer got something twice (RFC 2883)") \
	X(tcp_ecn_reductions, "windows reduced because a router marked (RFC 3168)") \
	X(tcp_zero_windows, "TCP segments of ours that announced a closed window") \
	X(tcp_window_probes, "probes of a closed window") \
	X(tcp_keepalives, "keepalive probes sent") \
	X(tcp_icmp_ignored, "ICMP errors about segments that are not out") \
	X(tcp_path_mtus, "TCP connections whose path MTU shrank") \
	X(tcp_black_holes, "TCP connections that went on in small segments after losses") \
	X(tcp_no_memory, "TCP refusals for want of memory or room") \
	X(tcp_no_ports, "connections not opened because no port was left") \
	X(tcp_loose_lost, "TCP answers not sent: too many in one pass") \
	X(http_requests, "HTTP requests answered") \
	X(http_2xx, "HTTP answers of class 2xx") \
	X(http_3xx, "HTTP answers of class 3xx") \
	X(http_4xx, "HTTP answers of class 4xx") \
	X(http_5xx, "HTTP answers of class 5xx") \
	X(http_heads_refused, "HTTP heads that were refused") \
	X(http_timeouts, "HTTP connections ended because nothing came, or was read, in time") \
	X(http_starved, "times that an HTTP answer waited for a buffer") \
	X(lb_flows_displaced, "balanced flows, half open or closing, that made room for newer ones") \
	X(lb_flows_refused, "balanced flows without a place in the table: the hash alone serves them") \
	X(lb_alone_out, "replies of flows without a place that went back to their clients") \
	X(lb_cookies_sent, "SYNs for virtual services answered by a cookie") \
	X(lb_cookies_taken, "clients of virtual services that brought a cookie back") \
	X(lb_cookies_failed, "ACKs that were no answer to a cookie, while some were out") \
	X(lb_proxied, "of those clients, the ones whose backend answered") \
	X(lb_proxy_failed, "of those clients, the ones whose backend refused, or never answered") \
	X(checks, "questions to balanced backends how they are") \
	X(checks_failed, "of them, those that found one not well") \
	X(checks_skipped, "of them, those that came to nothing for want of memory or a port") \
	X(hellos_said, "hellos to the other instance of a balancer") \
	X(hellos_heard, "hellos from it") \
	X(sync_sent, "datagrams of flows told to it") \
	X(sync_read, "datagrams of flows that it told, but for those refused: drops SYNC_...") \
	X(flows_told, "flows told to it, each as often as it was told") \
	X(flows_untold, "changes of flows not told at once: balancers.sync.rate") \
	X(flows_taken, "flows that it told, and that would go on here") \
	X(flows_ended, "flows of its that have ended") \
	X(flows_kept, "flows that it told, but that are better known here, or over") \
	X(flows_unknown, "flows that it told, whose service or backend is not here") \
	X(flows_homeless, "flows that it told, whose port of ours another has here, or another worker") \
	X(flows_no_room, "flows that it told, and that the table had no room for") \
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
