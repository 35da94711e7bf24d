/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * err: what is wrong with a configuration, all of it at once.
 *
 * Every x_check(conf, errors) adds to one list; whoever applies a configuration prints the list
 * and changes nothing if it is not empty. Control thread only.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where a value stands in the file; both count from 1, and 0 means that it is not from a file. */
struct conf_pos {
	uint32_t line;
	uint32_t column;
};

struct err {
	struct conf_pos at;
	char path[96];	/* "ports.lan.mtu" */
	char text[256]; /* what is wrong, what is allowed */
};

struct errs {
	struct err *list; /* owned; errs_clear() frees it */
	size_t n;
};

/* Adds one error. path and text are copied (and cut to fit). */
void errs_add(struct errs *e, struct conf_pos at, const char *path, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* Orders the list by position. */
void errs_sort(struct errs *e);
void errs_clear(struct errs *e);

#endif
