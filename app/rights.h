/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * rights: whether this process has the capabilities(7) that its devices need, so that a missing one
 * is a sentence at the start and not a driver's number. Root has them all, and needs not be asked.
 */
#ifndef APP_RIGHTS_H
#define APP_RIGHTS_H

#include "base/err.h"

#include <stdint.h>

struct ports_conf;

/* Bit n: capability n is in force for this process. 0 also when the kernel does not say. */
uint64_t rights_held(void);

/* One error for each port and capability that it needs and `held` has not. */
void rights_check(const struct ports_conf *c, uint64_t held, struct errs *e);

#endif
