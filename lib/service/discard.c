/* SPDX-License-Identifier: BSD-3-Clause */
/* tcp-discard (RFC 863): what comes is thrown away; the stack does so where nobody listens. */
#include "services.h"

static void on_close(struct tcp *t, struct tcp_conn *c)
{
	tcp_close(t, c);
}

const struct tcp_ops tcp_discard = {.on_close = on_close};
