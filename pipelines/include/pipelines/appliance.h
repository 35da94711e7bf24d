/* SPDX-License-Identifier: BSD-3-Clause */
/* appliance: the pipeline of a router that is a host, too. Every worker has a TCP stack. */
#ifndef PIPELINES_APPLIANCE_H
#define PIPELINES_APPLIANCE_H

#include "net/worker.h"

/* One pass over every stage; returns how many packets its sources brought. Worker. */
pipeline_fn appliance;

#endif
