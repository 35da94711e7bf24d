/* SPDX-License-Identifier: BSD-3-Clause */
/* table: rows of JSON objects as aligned columns on stdout. */
#ifndef APP_TABLE_H
#define APP_TABLE_H

#include <jansson.h>

#include <stdbool.h>

#define TABLE_COLUMNS 16

struct column {
	const char *head;
	const char *key; /* of the row's object */
	bool right;	 /* numbers stand to the right */
};

/* Columns, up to the first without a head, and how wide they have become. Begin with widths of 0.
 */
struct table {
	const struct column *columns;
	int width[TABLE_COLUMNS];
	bool begun; /* the heads are printed */
};

/* Prints a list of objects. Of a table that comes in several lists the first fixes the widths. */
void table_print(struct table *t, const json_t *rows);

/* A value as a cell shows it: lists joined by commas, objects by blanks, null as "-". free() it. */
char *table_cell(const json_t *value);

#endif
