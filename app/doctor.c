/* SPDX-License-Identifier: BSD-3-Clause */
/* The frame of the examination: what is known before it, and its result. */
#include "doctor.h"

#include "base/sysfs.h"
#include "exam.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const words[] = {[EXAM_OK] = "ok", [EXAM_WARN] = "warn", [EXAM_BAD] = "bad"};

void exam_add(struct exam *x, enum verdict verdict, const char *check, const char *mend,
	const char *means, const char *found, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, found);
	vsnprintf(text, sizeof(text), found, ap);
	va_end(ap);
	json_array_append_new(x->rows,
		json_pack("{s:s, s:s, s:s, s:s, s:s?}", "check", check, "verdict", words[verdict],
			"found", text, "means", means, "mend", verdict != EXAM_OK ? mend : NULL));
	if (verdict > x->worst)
		x->worst = verdict;
}

bool exam_cpus(const char *text, cpu_set_t *set)
{
	CPU_ZERO(set);
	while (*text != '\0') {
		char *end;
		unsigned long first = strtoul(text, &end, 10), last = first;

		if (end == text)
			break;
		if (*end == '-')
			last = strtoul(end + 1, &end, 10);
		for (; first <= last && first < CPU_SETSIZE; first++)
			CPU_SET(first, set);
		text = *end == ',' ? end + 1 : end;
	}
	return CPU_COUNT(set) > 0;
}

const char *exam_cpus_text(const cpu_set_t *set)
{
	static char texts[4][256];
	static int turn;
	char *text = texts[turn++ % 4];
	size_t used = 0;

	strcpy(text, "none");
	for (int i = 0; i < CPU_SETSIZE && used < sizeof(texts[0]); i++) {
		int last = i;

		if (!CPU_ISSET(i, set))
			continue;
		while (last + 1 < CPU_SETSIZE && CPU_ISSET(last + 1, set))
			last++;
		used += (size_t)snprintf(
			text + used, sizeof(texts[0]) - used, used > 0 ? ",%d" : "%d", i);
		if (last > i && used < sizeof(texts[0]))
			used += (size_t)snprintf(text + used, sizeof(texts[0]) - used, "-%d", last);
		i = last;
	}
	return text;
}

uint32_t exam_cards(struct exam *x, void (*each)(struct exam *x, const char *port, const char *pci))
{
	json_t *port, *card;
	uint32_t n = 0;
	size_t i, k;

	json_array_foreach (json_object_get(x->plan, "ports"), i, port) {
		json_array_foreach (json_object_get(port, "pci"), k, card) {
			n++;
			if (each != NULL)
				each(x, json_string_value(json_object_get(port, "name")),
					json_string_value(card));
		}
	}
	return n;
}

static void read_cpus(struct exam *x)
{
	char text[256];
	json_t *worker;
	size_t i;

	sysfs_line(text, sizeof(text), "%s/devices/system/cpu/online", x->h->sys);
	if (!exam_cpus(text, &x->online))
		CPU_SET(0, &x->online);
	CPU_ZERO(&x->workers);
	json_array_foreach (json_object_get(x->plan, "workers"), i, worker)
		CPU_SET((size_t)json_integer_value(worker), &x->workers);
	if (x->plan == NULL)
		x->workers = x->online;
}

static void say_whose_plan(struct exam *x, const char *file)
{
	if (file != NULL)
		exam_add(x, EXAM_OK, "plan", NULL, "what is below is for its workers and ports",
			"of %s%s", file, x->ports != NULL ? "; another millrace runs" : "");
	else if (x->plan != NULL)
		exam_add(x, EXAM_OK, "plan", NULL, "what is below is for its workers and ports",
			"of the millrace that runs");
	else
		exam_add(x, EXAM_OK, "plan", NULL, "what is below is for the machine as a whole",
			"no file is named and no millrace runs");
}

json_t *doctor_examine(struct host *h, const json_t *params)
{
	const char *file = json_string_value(json_object_get(params, "file"));
	struct exam x = {.h = h, .rows = json_array()};

	x.ports = h->ask(h, "show.ports");
	x.runs = file == NULL && x.ports != NULL;
	x.held = x.ports != NULL ? h->ask(h, "show.plan") : NULL;
	x.plan = file != NULL ? h->plan(h, file) : json_incref(x.held);
	if (file != NULL && x.plan == NULL) {
		if (h->why[0] == '\0')
			host_refuse(h, "%s is not a configuration that millrace takes", file);
		json_decref(x.rows);
		json_decref(x.held);
		json_decref(x.ports);
		return NULL;
	}
	read_cpus(&x);
	say_whose_plan(&x, file);
	exam_cpu(&x);
	exam_memory(&x);
	exam_devices(&x);
	h->status = x.worst == EXAM_BAD ? 1 : 0;
	json_decref(x.plan);
	json_decref(x.held);
	json_decref(x.ports);
	return json_pack("{s:s, s:o}", "verdict", words[x.worst], "checks", x.rows);
}
