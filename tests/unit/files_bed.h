/* SPDX-License-Identifier: BSD-3-Clause */
/* files_bed: a directory of files for units, and a store of them in memory of EAL's. */
#ifndef UNIT_FILES_BED_H
#define UNIT_FILES_BED_H

#include "eal.h"
#include "files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define BIG (3u << 20)

static char directory[] = "/tmp/test-http-XXXXXX";

/* Its bytes count letters from `with` on. */
static inline void write_file(const char *name, uint32_t len, char with)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	f = fopen(path, "we");
	assert_non_null(f);
	for (uint32_t i = 0; i < len; i++)
		putc(with + (char)(i % 23), f);
	fclose(f);
}

static inline struct files *load(void)
{
	struct files_budget budget = {16 << 20, 100};
	struct errs e = {0};
	struct files *f =
		files_load(&(struct files_owner){{1, 1}, "root", directory}, &budget, 1, &e);

	if (f == NULL)
		fail_msg("%s", e.list[0].text);
	return f;
}

static inline int make_files(void **state)
{
	(void)state;
	if (eal_for_tests(64) < 0 || mkdtemp(directory) == NULL)
		return -1;
	write_file("index.html", 600, 'a');
	write_file("big", BIG, 'A');
	return 0;
}

static inline int remove_files(void **state)
{
	static const char *const names[] = {"index.html", "big", ".hidden", "link"};
	char path[128];

	(void)state;
	for (size_t i = 0; i < RTE_DIM(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", directory, names[i]);
		unlink(path);
	}
	return rmdir(directory);
}

#endif
