/* SPDX-License-Identifier: BSD-3-Clause */
/* netns: the kernel's side of a TAP, in its network namespace. Control thread; private to lib/net.
 */
#ifndef NET_NETNS_H
#define NET_NETNS_H

/*
 * Moves this thread into the namespace that `ip netns add` made. Returns a descriptor to come back
 * by, or -errno (-ENOENT: there is no such namespace).
 */
int netns_enter(const char *name);
/* Comes back, and closes the descriptor. */
void netns_return(int home);

/* In the thread's namespace: 1 if the interface is there, 0 if not, or -errno. */
int netns_iface_exists(const char *iface);
/* Gives the interface a random, locally administered MAC. 0 or -errno. */
int netns_random_mac(const char *iface);

#endif
