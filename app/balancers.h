/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * balancers: services, backends and their flows, told and changed. What an operator changes lasts
 * until the process ends, or the file says something else of the same backend. Control thread.
 */
#ifndef APP_BALANCERS_H
#define APP_BALANCERS_H

#include "method.h"

#define BALANCERS_LIMIT 1000 /* rows of an answer */

/*
 * A list of {name, kind, address, ports, protocol}, the balanced ones (kind "balancer") with
 * {mode, scheduler, backends, open, flows, opened, refused, packets_in, ...}.
 */
method_fn services_show;
/* One of the balanced ones, as above, with {scheduler's table, backends: as backends_show}. */
method_fn services_show_one;
/* All backends of a service: {service, state, backends}. */
method_fn services_drain, services_enable, services_maintain;

/*
 * A list of {service, address, port, state, health, check, admin, weight, effective_weight,
 * since_s, latency_us, last_failure, flows, opened, answered, refused, packets_in, bytes_in,
 * packets_out, bytes_out}.
 */
method_fn backends_show;
/* {service, address, port, state, weight}. */
method_fn backends_drain, backends_enable, backends_maintain, backends_weight;

/* {next, flows: a list of {worker, service, protocol, client, virtual, backend, state, ...}}. */
method_fn flows_show;

#endif
