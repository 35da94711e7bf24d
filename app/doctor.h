/* SPDX-License-Identifier: BSD-3-Clause */
/* doctor: whether a machine is fit for millrace, and how to make it so. */
#ifndef APP_DOCTOR_H
#define APP_DOCTOR_H

#include "host.h"

/*
 * The command: {"verdict", "checks": [{"check", "verdict", "found", "means", "mend"}]}, a new
 * reference, and h->status 1 if anything is bad; NULL with sentences in h->why for a file that is
 * no configuration. Without the parameter `file` it asks the daemon, if one runs, for what it
 * takes.
 */
json_t *doctor_examine(struct host *h, const json_t *params);

#endif
