/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * absent: ports of the configuration whose device could not be opened, while the others run.
 *
 * At the start each port that can work does. Later an apply opens what is absent if it can; what
 * still cannot be opened stays absent. A port that is new in it, or whose device is another now,
 * has to work, else nothing is changed; a port that is `required` has to in either case. Control
 * thread.
 */
#ifndef NET_ABSENT_H
#define NET_ABSENT_H

#include "net/port.h"

struct absent {
	char name[IFACE_NAME];
	char device[128]; /* as the configuration has it */
	enum port_device kind;
	char tap_netns[64]; /* of a TAP */
	struct err why;	    /* one sentence */
};

struct absents {
	uint32_t n;
	struct absent list[PORT_MAX];
};

/* Those of the configuration in force. */
const struct absents *absent_ports(const struct net *net);

/*
 * During a build: a port did not open, for which the last error in e is the reason. True: the error
 * is taken over, and the build goes on without the port.
 */
bool absent_take(struct net *net, const struct port_conf *c, struct errs *e);

/* The build has no port that works: what was taken over is returned to e. */
void absent_return(struct net *net, struct errs *e);

void absent_abandon(struct net *net);
void absent_publish(struct net *net);
void absent_free(struct net *net);

#endif
