/* SPDX-License-Identifier: BSD-3-Clause */
/* port_link: whether ports have a link, looked at ten times a second. Control thread. */
#ifndef NET_PORT_LINK_H
#define NET_PORT_LINK_H

#include "net/port.h"

/* As the device says at the moment. */
bool port_link_is_up(const struct port *p);

/*
 * From the control loop: what has changed is told to the interfaces, and so to their neighbours and
 * routes, and to the log. Does nothing if it was done a moment ago.
 */
void port_link_poll(struct net *net, ticks now);

#endif
