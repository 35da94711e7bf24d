/* SPDX-License-Identifier: BSD-3-Clause */
/* Reads what eal would do; does nothing of it. */
#include "plan.h"

#include "app.h"
#include "eal.h"

#include <string.h>

static json_t *cards(const struct port_conf *p)
{
	json_t *list = json_array();

	if (p->kind == PORT_PCI)
		json_array_append_new(list, json_string(p->device));
	for (uint32_t i = 0; i < p->n_members; i++)
		if (strncmp(p->members[i], "net_", 4) != 0)
			json_array_append_new(list, json_string(p->members[i]));
	return list;
}

json_t *plan_of(const struct conf *c)
{
	static const char *const words[] = {
		[HUGEPAGES_AUTO] = "auto", [HUGEPAGES_ON] = "on", [HUGEPAGES_OFF] = "off"};
	json_t *workers = json_array(), *ports = json_array();
	uint32_t cpu[WORKER_MAX], control = eal_cpus(c, cpu);

	for (uint32_t i = 0; i < c->system.n_workers; i++)
		json_array_append_new(workers, json_integer(cpu[i]));
	for (uint32_t i = 0; i < c->ports.n; i++) {
		const struct port_conf *p = &c->ports.list[i];

		json_array_append_new(ports, json_pack("{s:s, s:i, s:o}", "name", p->iface.name,
						     "queues", p->queues, "pci", cards(p)));
	}
	return json_pack("{s:i, s:o, s:b, s:s, s:I, s:o}", "control", (int)control, "workers",
		workers, "polls", c->system.idle == IDLE_POLL, "hugepages",
		words[c->system.hugepages], "memory_bytes", (json_int_t)eal_memory(c), "ports",
		ports);
}

json_t *plan_show(struct app *app, struct call *call)
{
	(void)call;
	return plan_of(app->conf);
}
