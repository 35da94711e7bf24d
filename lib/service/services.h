/* SPDX-License-Identifier: BSD-3-Clause */
/* services: those that there are, each in a file of its own. For lib/service alone. */
#ifndef SERVICE_SERVICES_H
#define SERVICE_SERVICES_H

#include "tcp/tcp.h"

extern const struct tcp_ops tcp_echo;
extern const struct tcp_ops tcp_discard;
extern const struct tcp_ops tcp_source;

#endif
