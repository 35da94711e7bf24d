/* SPDX-License-Identifier: BSD-3-Clause */
/* plan: what a configuration takes of the machine, for who prepares that. */
#ifndef APP_PLAN_H
#define APP_PLAN_H

#include "config/conf.h"
#include "method.h"

/*
 * {"control": CPU, "workers": [CPU], "polls", "hugepages": "auto|on|off", "memory_bytes",
 * "ports": [{"name", "queues": 0 for auto, "pci": [address]}]}, a new reference. Where the
 * configuration leaves a CPU to millrace, it is the one that this process would take, or has.
 */
json_t *plan_of(const struct conf *c);

json_t *plan_show(struct app *app, struct call *call);

#endif
