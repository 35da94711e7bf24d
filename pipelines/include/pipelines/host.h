/* SPDX-License-Identifier: BSD-3-Clause */
/* host: the pipeline of a host that forwards nothing. Every worker has a TCP stack. */
#ifndef PIPELINES_HOST_H
#define PIPELINES_HOST_H

#include "net/worker.h"

/* One pass over every stage; returns how many packets its sources brought. Worker. */
pipeline_fn host;

#endif
