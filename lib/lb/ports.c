/* SPDX-License-Identifier: BSD-3-Clause */
/* The lists are rings, each with a place behind the last port for its head. */
#include "ports.h"

#include "base/numa.h"

#include <rte_random.h>

#include <stdlib.h>

union place {
	uint32_t flow; /* used */
	struct {       /* free */
		uint16_t prev, next;
	};
};

struct lb_ports {
	uint16_t first;
	uint32_t n;
	uint32_t used;
	uint32_t turn;	    /* the class that is asked first */
	uint64_t *taken;    /* by port: a bit */
	union place port[]; /* n, and the heads of the classes */
};
static_assert(UINT16_MAX - LB_PORT_LEAST + OWNER_MAP < UINT16_MAX, "heads have 16-bit places");

static size_t words_of(uint32_t n)
{
	return (n + 63) / 64;
}

static size_t bytes_of(uint32_t n)
{
	size_t ports = sizeof(struct lb_ports) + (n + OWNER_MAP) * sizeof(union place);

	return ((ports + 7) & ~(size_t)7) + words_of(n) * sizeof(uint64_t);
}

static bool is_taken(const struct lb_ports *p, uint32_t i)
{
	return p->taken[i / 64] >> i % 64 & 1;
}

static uint32_t head_of(const struct lb_ports *p, uint32_t i)
{
	return p->n + lb_port_class((uint16_t)(p->first + i));
}

/* At its list's end. */
static void put(struct lb_ports *p, uint32_t i)
{
	uint32_t head = head_of(p, i);
	uint16_t last = p->port[head].prev;

	p->port[i].prev = last;
	p->port[i].next = (uint16_t)head;
	p->port[last].next = (uint16_t)i;
	p->port[head].prev = (uint16_t)i;
}

static void take(struct lb_ports *p, uint32_t i, uint32_t flow)
{
	union place port = p->port[i];

	p->port[port.prev].next = port.next;
	p->port[port.next].prev = port.prev;
	p->port[i].flow = flow;
	p->taken[i / 64] |= UINT64_C(1) << i % 64;
	p->used++;
}

/* Whoever watches one flow's port shall not know the next one's (RFC 6056). */
static bool fill(struct lb_ports *p)
{
	uint16_t *order = malloc(p->n * sizeof(*order));

	if (order == NULL)
		return false;
	for (uint32_t i = 0; i < p->n; i++) {
		uint32_t j = (uint32_t)rte_rand_max(i + 1);

		order[i] = order[j];
		order[j] = (uint16_t)i;
	}
	for (uint32_t i = 0; i < p->n; i++)
		put(p, order[i]);
	free(order);
	return true;
}

struct lb_ports *lb_ports_new(uint16_t first, uint16_t last, int node)
{
	uint32_t n = (uint32_t)last - first + 1;
	struct lb_ports *p = numa_take(bytes_of(n), node);

	if (p == NULL)
		return NULL;
	p->first = first;
	p->n = n;
	p->taken = (uint64_t *)((char *)p + bytes_of(n)) - words_of(n);
	for (uint32_t i = n; i < n + OWNER_MAP; i++)
		p->port[i].prev = p->port[i].next = (uint16_t)i;
	if (fill(p))
		return p;
	lb_ports_free(p);
	return NULL;
}

void lb_ports_free(void *ports)
{
	struct lb_ports *p = ports;

	if (p != NULL)
		numa_drop(p, bytes_of(p->n));
}

uint16_t lb_ports_take_of(struct lb_ports *p, uint32_t class, uint32_t flow)
{
	uint32_t head = p->n + (class & (OWNER_MAP - 1)), first = p->port[head].next;

	if (first == head)
		return 0;
	take(p, first, flow);
	return (uint16_t)(p->first + first);
}

uint16_t lb_ports_take(struct lb_ports *p, const struct worker *w, uint32_t with, uint32_t flow)
{
	for (uint32_t i = 0; i < OWNER_MAP && p->used < p->n; i++) {
		uint32_t class = p->turn++ % OWNER_MAP;
		uint16_t port = 0;

		if (w->net->owner[(class ^ with) & (OWNER_MAP - 1)] == w->id)
			port = lb_ports_take_of(p, class, flow);
		if (port != 0)
			return port;
	}
	return 0;
}

bool lb_ports_take_this(struct lb_ports *p, uint16_t port, uint32_t flow)
{
	uint32_t i = (uint32_t)port - p->first;

	if (i >= p->n || is_taken(p, i))
		return false;
	take(p, i, flow);
	return true;
}

void lb_ports_give(struct lb_ports *p, uint16_t port)
{
	uint32_t i = (uint32_t)port - p->first;

	p->taken[i / 64] &= ~(UINT64_C(1) << i % 64);
	p->used--;
	put(p, i);
}

uint32_t lb_ports_flow(const struct lb_ports *p, uint16_t port)
{
	uint32_t i = (uint32_t)port - p->first;

	return i < p->n && is_taken(p, i) ? p->port[i].flow : FLOW_NONE;
}

uint32_t lb_ports_used(const struct lb_ports *p)
{
	return p->used;
}
