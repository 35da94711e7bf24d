/* SPDX-License-Identifier: BSD-3-Clause */
/* The names and texts of the lists in drop.h, counter.h and worker.h. */
#include "net/counter.h"
#include "net/drop.h"
#include "net/worker.h"

struct named {
	const char *name;
	const char *text;
};

#define X(name, text) {#name, text},
static const struct named drops[] = {DROP_REASONS(X)};
static const struct named counters[] = {COUNTERS(X)};
static const struct named stages[] = {STAGES(X)};
#undef X

const char *drop_name(enum drop_reason r)
{
	return drops[r].name;
}

const char *drop_text(enum drop_reason r)
{
	return drops[r].text;
}

const char *counter_name(enum counter c)
{
	return counters[c].name;
}

const char *counter_text(enum counter c)
{
	return counters[c].text;
}

const char *stage_name(enum stage_id s)
{
	return stages[s].name;
}

const char *stage_text(enum stage_id s)
{
	return stages[s].text;
}
