/* SPDX-License-Identifier: BSD-3-Clause */
/* show: the methods that tell how ports, workers, stages and counters stand. */
#ifndef APP_SHOW_H
#define APP_SHOW_H

#include "method.h"

/* A list of {name, device, driver, mac, mtu, link, speed_mbps, numa, rx_packets, ...}. */
method_fn show_ports;
/* A list of {name, port, vlan, mac, mtu, state, addresses, rx_packets, rx_bytes}. */
method_fn show_interfaces;
/* A list of {port, interface, netns, carrier, groups, to_kernel_packets, ...} of the kernel path.
 */
method_fn show_kernel;
/* {on, synced, interfaces, fates: [{fate, count, text}], counters}: routes and more by netlink. */
method_fn show_netlink;
/* A list of {id, cpu, numa, lcore, rx_queues, passes, idle, sleeps, busy_percent, ...}. */
method_fn show_workers;
/* A list of {worker, stage, calls, packets, packets_per_call, cycles_per_packet, text}. */
method_fn show_stages;
/* A list of {reason, count, text}: what counts most comes first. */
method_fn show_drops;
/* {rx, originated, tx, consumed, held, drops, balanced, every counter, nic, mbufs, workers}. */
method_fn show_counters;

#endif
