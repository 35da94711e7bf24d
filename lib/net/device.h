/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * device: the ethdev behind a port, from creation to its end. Control thread; private to lib/net.
 */
#ifndef NET_DEVICE_H
#define NET_DEVICE_H

#include "net/port.h"

/*
 * Creates, configures and starts the device that p->conf names, and fills in what p says of it.
 * 0, or -errno with the cause in e; nothing is left of a device that failed.
 */
int device_open(struct net *net, struct port *p, struct errs *e);

/* Nobody polls it any more: stops it, and removes what device_open() made. */
void device_close(struct port *p);

/* Live changes: 0 or -errno. */
int device_set_mtu(struct port *p, uint16_t mtu);
/* Says in e why device_set_mtu() answered rc, and what is allowed. */
void device_mtu_refused(
	const struct port *p, struct conf_pos at, uint16_t mtu, int rc, struct errs *e);
int device_set_mac(struct port *p, const uint8_t mac[6]);
/*
 * Frames with a VLAN's tag shall arrive. They do unless a device is told otherwise; but virtio-net
 * filters them (virtio 1.2, 5.1.6.5.3), and QEMU 7.2's lets none through to a driver with several
 * queues. It listens to all then.
 */
void device_hear_tags(struct port *p);
/*
 * Frames to an interface's MAC shall arrive, also when it is not the device's own: through its
 * filter where it takes another address, else the device listens to all.
 */
void device_hear(struct port *p, const uint8_t mac[6]);

#endif
