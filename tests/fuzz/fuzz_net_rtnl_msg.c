/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages of rtnetlink, one behind the other: the reader ends, and what it says is plausible. */
#include "exact.h"
#include "property.h"
#include "rtnl_msg.h"
#include "wire/ip4_addr.h"

static void look_at(const struct rtnl_msg *m)
{
	if (m->kind == RTNL_LINK)
		HOLDS(m->link.name[RTNL_NAME - 1] == '\0' && m->link.index != 0);
	if (m->kind == RTNL_ADDR)
		HOLDS(m->addr.depth <= 32 && m->addr.addr != 0);
	if (m->kind == RTNL_NEXTHOP)
		HOLDS(m->nexthop.id != 0);
	if (m->kind == RTNL_ROUTE)
		HOLDS(m->route.depth <= 32 && (m->route.prefix & ~ip4_mask(m->route.depth)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *bytes = exact_copy(data, size);

	for (size_t at = 0; at < size;) {
		struct rtnl_msg m;
		bool bad;
		int n = rtnl_msg_read(bytes + at, size - at, &m, &bad);

		if (n < 0)
			break;
		HOLDS(n > 0 && (size_t)n <= size - at);
		if (!bad)
			look_at(&m);
		at += (size_t)n;
	}
	free(bytes);
	return 0;
}
