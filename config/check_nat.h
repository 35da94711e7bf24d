/* SPDX-License-Identifier: BSD-3-Clause */
/* check_nat: whether addresses of pools and masquerades are nobody else's, and ports are there. */
#ifndef CONFIG_CHECK_NAT_H
#define CONFIG_CHECK_NAT_H

#include "addresses.h"
#include "config/conf.h"

void check_nat(const struct conf *c, const struct addresses *a, struct errs *e);

#endif
