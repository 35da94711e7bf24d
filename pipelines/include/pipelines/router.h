/* SPDX-License-Identifier: BSD-3-Clause */
/* router: the pipeline of an IPv4 router that also answers for itself. */
#ifndef PIPELINES_ROUTER_H
#define PIPELINES_ROUTER_H

#include "net/worker.h"

/* One pass over every stage; returns how many packets its sources brought. Worker. */
pipeline_fn router;

#endif
