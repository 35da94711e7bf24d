/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A worker writes its snapshot only when asked, and is asked anew only when its last answer was
 * copied from it: so what control copies does not change meanwhile.
 */
#include "snapshot.h"

#include "net/net.h"

uint64_t snapshot_want(const struct snapshot *s)
{
	return s->begun + 1;
}

static void begin(struct snapshot *s, const struct net *net)
{
	uint64_t all = net->n_workers == 64 ? ~UINT64_C(0) : (UINT64_C(1) << net->n_workers) - 1;

	s->begun++;
	s->unasked = s->unanswered = all;
}

/* Asks worker i if it was not, and takes its answer if it is there. */
static void ask(struct snapshot *s, struct net *net, uint16_t i)
{
	static const struct command question = {.kind = COMMAND_SNAPSHOT};
	struct worker *w = net->worker[i];
	uint32_t seq = atomic_load_explicit(&w->snapshot_seq, memory_order_acquire);
	uint64_t bit = UINT64_C(1) << i;

	if (s->unasked & bit) {
		s->seq[i] = seq;
		if (net_command(net, i, &question) == 0)
			s->unasked &= ~bit;
	} else if (s->unanswered & bit && seq != s->seq[i]) {
		s->books[i] = w->snapshot;
		s->unanswered &= ~bit;
	}
}

bool snapshot_ready(struct snapshot *s, struct net *net, uint64_t round)
{
	if (s->done >= round)
		return true;
	if (s->done == s->begun)
		begin(s, net);
	for (uint16_t i = 0; i < net->n_workers; i++)
		ask(s, net, i);
	if (s->unanswered == 0)
		s->done = s->begun;
	return s->done >= round;
}
