/* SPDX-License-Identifier: BSD-3-Clause */
/* exam: what one run of `millctl doctor` knows, and what its checks have found. */
#ifndef APP_EXAM_H
#define APP_EXAM_H

#include "host.h"

#include <sched.h>

enum verdict { EXAM_OK, EXAM_WARN, EXAM_BAD };

struct exam {
	const struct host *h;
	json_t *plan;  /* what millrace takes of the machine (plan.h); NULL: not known */
	json_t *ports; /* show.ports of the daemon that runs; NULL: none does */
	bool runs;     /* the plan is the daemon's, which has its memory already */
	json_t *held;  /* the plan of the daemon that runs, whatever `plan` is; NULL: none does */
	cpu_set_t online;  /* the machine's CPUs */
	cpu_set_t workers; /* CPUs of the plan's workers; all that are online without a plan */
	json_t *rows;
	enum verdict worst;
};

/* One check's line. mend: a command or setting; left out of a line that is ok. */
void exam_add(struct exam *x, enum verdict verdict, const char *check, const char *mend,
	const char *means, const char *found, ...) __attribute__((format(printf, 6, 7)));

/* "0-3,8" as a set; false, and an empty set, if it is none. */
bool exam_cpus(const char *text, cpu_set_t *set);
/* And back, into a buffer that the next call but three writes anew. */
const char *exam_cpus_text(const cpu_set_t *set);

/* How many cards the plan has by their PCI address; calls `each` for every one, if not NULL. */
uint32_t exam_cards(
	struct exam *x, void (*each)(struct exam *x, const char *port, const char *pci));

/* The checks. */
void exam_cpu(struct exam *x);
void exam_memory(struct exam *x);
void exam_devices(struct exam *x);

#endif
