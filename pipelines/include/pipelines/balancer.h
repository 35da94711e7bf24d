/* SPDX-License-Identifier: BSD-3-Clause */
/* balancer: the pipeline of a host that balances and forwards nothing else. Every worker has a TCP
 * stack. */
#ifndef PIPELINES_BALANCER_H
#define PIPELINES_BALANCER_H

#include "net/worker.h"

/* One pass over every stage; returns how many packets its sources brought. Worker. */
pipeline_fn balancer;

#endif
