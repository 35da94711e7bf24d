/* SPDX-License-Identifier: BSD-3-Clause */
/* The algorithms there are, by their names. */
#include "tcp/cc.h"

#include <string.h>

static const struct tcp_cc *const all[] = {&tcp_newreno, &tcp_cubic};

const struct tcp_cc *tcp_cc_named(const char *name)
{
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (strcmp(all[i]->name, name) == 0)
			return all[i];
	return NULL;
}
