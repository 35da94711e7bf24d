/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * eal: DPDK's environment as the configuration wants it, and the workers on it.
 *
 * The calling thread becomes the main lcore, which is control. No device is probed that the
 * configuration does not name.
 */
#ifndef APP_EAL_H
#define APP_EAL_H

#include "config/conf.h"
#include "net/worker.h"

#include <stdbool.h>

struct net;

/* Starts EAL. 0, or -errno and the cause is logged. */
int eal_start(const struct conf *c);

/*
 * Makes the packet pools and the workers, and decides who owns which hash. The workers do not run
 * yet. 0 or -errno, logged.
 */
int eal_make_workers(struct net *net, const struct conf *c);

/* Sends every worker off to run the pipeline, until eal_stop_workers(), which waits for them. */
int eal_launch(struct net *net, pipeline_fn *pipeline);
void eal_stop_workers(struct net *net);

/* Frees the workers and pools; what they hold is dropped as DRAIN. Ports are closed. */
void eal_free_workers(struct net *net);

/* Ends EAL and removes what it left in its run-time directory. */
void eal_end(void);

/*
 * Which CPUs run the workers: fills in cpu[c->system.n_workers], returns control's. After
 * eal_start() they are those that do, before it those that would.
 */
uint32_t eal_cpus(const struct conf *c, uint32_t *cpu);

/* Bytes of huge pages that it takes. */
uint64_t eal_memory(const struct conf *c);

/* Whether control shares a CPU with a worker: idle workers must then sleep. */
bool eal_shares_cpu(void);

#endif
