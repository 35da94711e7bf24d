/* SPDX-License-Identifier: BSD-3-Clause */
/* check_balancers: virtual services beside the ports, routes and neighbours of a configuration. */
#ifndef CONFIG_CHECK_BALANCERS_H
#define CONFIG_CHECK_BALANCERS_H

#include "addresses.h"
#include "config/conf.h"

/* What a host alone, without services to balance, makes of them. */
#define NO_BALANCER "system.pipeline is host; appliance or balancer is needed"

void check_balancers(const struct conf *c, const struct addresses *a, struct errs *e);

#endif
