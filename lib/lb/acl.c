/* SPDX-License-Identifier: BSD-3-Clause */
/* acl: a service's list of sources, from prefixes to ranges that a worker searches. */
#include "control.h"
#include "inner.h"
#include "wire/ip4_addr.h"

#include <stdlib.h>

static uint32_t last_of(const struct lb_acl_conf *c)
{
	return c->prefix | ~ip4_mask(c->depth);
}

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* The longest prefix that matches says; of equal ones the first; whom none matches is refused. */
static bool verdict(const struct lb_acl_conf *c, uint32_t n, uint32_t addr)
{
	const struct lb_acl_conf *best = NULL;

	for (uint32_t i = 0; i < n; i++)
		if (c[i].prefix <= addr && addr <= last_of(&c[i]) &&
			(best == NULL || c[i].depth > best->depth))
			best = &c[i];
	return best != NULL && best->allow;
}

/* Where a range may end: before a prefix, and with one. Between two of these all fare alike. */
static uint32_t list_ends(const struct lb_acl_conf *c, uint32_t n, uint32_t *end)
{
	uint32_t n_ends = 0;

	for (uint32_t i = 0; i < n; i++) {
		if (c[i].prefix > 0)
			end[n_ends++] = c[i].prefix - 1;
		end[n_ends++] = last_of(&c[i]);
	}
	end[n_ends++] = UINT32_MAX;
	qsort(end, n_ends, sizeof(*end), by_number);
	return n_ends;
}

struct lb_acl *lb_acl_new(const struct lb_acl_conf *c, uint32_t n)
{
	uint32_t *end = malloc((2 * (size_t)n + 1) * sizeof(*end)), n_ends;
	struct lb_acl *acl = malloc(sizeof(*acl) + (2 * (size_t)n + 1) * sizeof(acl->source[0]));

	if (end == NULL || acl == NULL) {
		free(end);
		free(acl);
		return NULL;
	}
	n_ends = list_ends(c, n, end);
	acl->n = 0;
	for (uint32_t i = 0; i < n_ends; i++) {
		struct lb_source now = {end[i], verdict(c, n, end[i])};
		struct lb_source *before = acl->n > 0 ? &acl->source[acl->n - 1] : NULL;

		if (before != NULL && (before->last == now.last || before->allow == now.allow))
			before->last = now.last;
		else
			acl->source[acl->n++] = now;
	}
	free(end);
	return acl;
}

bool lb_acl_allows_in(const struct lb_acl *acl, uint32_t addr)
{
	uint32_t low = 0, high = acl->n - 1;

	while (low < high) {
		uint32_t mid = (low + high) / 2;

		if (acl->source[mid].last < addr)
			low = mid + 1;
		else
			high = mid;
	}
	return acl->source[low].allow;
}
