/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * view: flows as control sees them. A worker copies a page of its own when it is asked, in a few
 * microseconds: it looks at so many places of its table and no more, whatever it finds in them.
 */
#include "inner.h"

#define PLACES (512 * FLOW_SLOTS) /* in a view: 32 KiB of buckets, one after the other */

static bool is_wanted(const struct worker *w, const struct command *c, const struct flow *f)
{
	const struct lb_backend *b = &w->net->lb->backend[f->backend];
	be16 port = b->port != 0 ? b->port : f->service_port;

	if (c->sender != 0 && f->addr != to_be32(c->sender))
		return false;
	if ((c->service | c->other_service) != 0 && f->service + 1 != c->service &&
		f->service + 1 != c->other_service)
		return false;
	return (c->backend == 0 || b->addr == to_be32(c->backend)) &&
	       (c->backend_port == 0 || port == to_be16(c->backend_port));
}

void lb_answer(struct worker *w)
{
	const struct command *c = &w->view_about;
	struct lb_worker *b = w->lb;
	struct lb_view *v = b->view;
	uint32_t ref = c->addr, all = flow_refs(b->flows), until;

	if (!w->view_wanted || c->kind != COMMAND_FLOWS)
		return;
	until = ref < all ? ref + RTE_MIN(all - ref, (uint32_t)PLACES) : ref;
	v->n = 0;
	v->seconds = b->seconds;
	for (; ref < until && v->n < LB_VIEW_ROWS; ref++) {
		const struct flow *f = flow_at(b->flows, ref);

		if (flow_lives(f, b->seconds) && is_wanted(w, c, f))
			v->row[v->n++] = *f;
	}
	v->more = ref < all;
	v->next = ref;
	w->view_wanted = false;
	atomic_fetch_add_explicit(&w->view_seq, 1, memory_order_release);
}
