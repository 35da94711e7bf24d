/* SPDX-License-Identifier: BSD-3-Clause */
/* ssh: the sessions by which somebody may be logged in here, and where they come from. */
#ifndef APP_SSH_H
#define APP_SSH_H

#include "host.h"

#include <netinet/in.h>

#define SSH_SESSIONS 64

union ssh_end {
	struct sockaddr any;
	struct sockaddr_in ip4;
	struct sockaddr_in6 ip6;
};

struct ssh_session {
	union ssh_end peer, own; /* AF_UNSPEC: not known */
	bool ours;		 /* this very process came by it */
};

/*
 * Fills in at most SSH_SESSIONS: what SSH_CONNECTION says of this process or of any that it comes
 * from, and what the machine's SSH servers have open in this network namespace. Where this process
 * is in tmux or screen, any of them may be ours, and is. Returns how many.
 */
uint32_t ssh_sessions(const struct host *h, struct ssh_session *s);

#endif
