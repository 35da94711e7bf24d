/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * conf: a whole configuration, as read from one YAML file.
 *
 * What may stand in the file is one table (config/options.c): names, types, ranges, defaults and
 * a sentence each. Reading, the reference, the difference of two configurations and the saved text
 * all derive from it. The modules' own structs are theirs; this one puts them side by side.
 * Control thread.
 */
#ifndef CONFIG_CONF_H
#define CONFIG_CONF_H

#include "base/err.h"
#include "base/log.h"
#include "lb/conf.h"
#include "net/kernel.h"
#include "net/neigh.h"
#include "net/net.h"
#include "net/port.h"
#include "net/rarp.h"
#include "net/route.h"
#include "service/service.h"
#include "service/socket_service.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define CONF_CPU_AUTO UINT32_MAX

enum conf_hugepages { HUGEPAGES_AUTO, HUGEPAGES_ON, HUGEPAGES_OFF };
enum conf_idle { IDLE_ADAPTIVE, IDLE_POLL };
enum conf_pipeline { PIPELINE_APPLIANCE, PIPELINE_HOST, PIPELINE_BALANCER };

/* What the process is started with; a change needs a restart, and the check says so. */
struct system_conf {
	uint32_t n_workers;		 /* `workers: 2` or `workers: [1, 2]` */
	uint32_t worker_cpu[WORKER_MAX]; /* CONF_CPU_AUTO: chosen at start */
	uint32_t control_cpu;		 /* CONF_CPU_AUTO: chosen at start */
	enum conf_pipeline pipeline;
	enum conf_hugepages hugepages;
	uint64_t memory;     /* bytes for packet buffers and rings; 0 = what they need */
	enum conf_idle idle; /* live */
	uint32_t drain_ms;   /* live */
	char control_socket[108];
	enum log_sink log;	  /* live */
	enum log_level log_level; /* live */
	struct net_limits limits;
	struct sockets_conf sockets;
};

struct conf {
	char *text; /* the file as read, NUL at the end */
	size_t length;
	char file[256];
	struct system_conf system;
	struct ports_conf ports;
	struct routes_conf routes;
	struct neigh_conf neighbours;
	struct kernel_conf kernel;
	struct rarp_conf rarp;
	struct services_conf services;
	struct lb_conf balancers;
	struct net_settings set;
	struct conf_memory *memory; /* every list above; conf_free()'s */
	struct conf_note *notes;    /* where single options stand: conf_at() */
	struct conf_spot *spots;    /* where conf_with() may add to the text */
};

/*
 * Reads a file (or a text, named `file` in messages): syntax, unknown keys, types and ranges, all
 * errors at once in e, in the file's order. NULL when there was any; then with what spans options,
 * as far as the sections that it is about have no errors. Else that is conf_check()'s.
 */
struct conf *conf_load(const char *file, struct errs *e);
struct conf *conf_parse(const char *file, const char *text, size_t length, struct errs *e);
void conf_free(struct conf *c); /* NULL is allowed */

/* Where an option outside of lists stands, by its path ("system.workers"); 0:0 when it is left out.
 */
struct conf_pos conf_at(const struct conf *c, const char *path);

/*
 * Every module's own x_check(), and what spans them; with the running one, also that nothing
 * changes which needs a restart.
 */
void conf_check(const struct conf *c, const struct conf *running, struct errs *e);

/*
 * What differs, option by option: `- path: value` and `+ path: value` lines, ordered by path, an
 * item of a list on one line. Empty when they mean the same. The caller frees it; NULL without
 * memory.
 */
char *conf_diff(const struct conf *from, const struct conf *to);

/* What is added at run time and belongs into a saved configuration. The lists are the caller's. */
struct conf_extra {
	struct routes_conf routes;
	uint32_t n_static;
	const struct neigh_static *statics;
	/* known by where they stand, in that order: weight and admin are as they are now */
	uint32_t n_backends;
	const struct lb_backend_conf *backends;
};

/*
 * The configuration's text with its comments, and with what was added: routes to prefixes and
 * neighbours of addresses that it does not have already (others are logged and left out), and with
 * the weights and states of backends. The caller frees it; NULL with the reason in e.
 */
char *conf_with(const struct conf *c, const struct conf_extra *extra, struct errs *e);

/* Replaces a file as a whole: a reader, or a crash, sees the old or the new. 0 or -errno, logged.
 */
int conf_store(const char *file, const char *text);

/* The reference of all options, with defaults and allowed values, as YAML that loads. */
void conf_reference(FILE *out);

/* Prints errors as `file:line:column: path: text`. */
void conf_print_errors(FILE *out, const char *file, const struct errs *e);

#endif
