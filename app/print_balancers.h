/* SPDX-License-Identifier: BSD-3-Clause */
/* print_balancers: what millctl prints of services, backends and flows. */
#ifndef APP_PRINT_BALANCERS_H
#define APP_PRINT_BALANCERS_H

#include <jansson.h>

#include <stdbool.h>

/* As struct command's print; the last two come in pages. */
void print_object(const json_t *result, bool all);
void print_services(const json_t *result, bool all);
void print_service(const json_t *result, bool all);
void print_backends(const json_t *result, bool all);
void print_flows(const json_t *result, bool all);

#endif
