/* SPDX-License-Identifier: BSD-3-Clause */
/* kroute: which of the kernel's interfaces packets leave by, as the kernel itself says (rtnetlink).
 */
#ifndef APP_KROUTE_H
#define APP_KROUTE_H

#include <net/if.h>
#include <stdbool.h>
#include <sys/socket.h>

/* Called for each next hop of each route to somewhere else. everything: it is a default route. */
typedef void kroute_fn(void *arg, const char *iface, bool everything);

/* Every route of both families and all tables; 0 or -errno. */
int kroute_each(kroute_fn *each, void *arg);

/* The interface by which packets go to an address; 0 or -errno. */
int kroute_to(const struct sockaddr *to, char iface[IF_NAMESIZE]);

/* The interface that has an address; 0, or -ENODEV. */
int kroute_owner(const struct sockaddr *own, char iface[IF_NAMESIZE]);

#endif
