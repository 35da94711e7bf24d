/* SPDX-License-Identifier: BSD-3-Clause */
/* Cells are made twice, once for their width and once to be printed: a page is small. */
#include "table.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void put_value(FILE *out, const json_t *v)
{
	const char *key;
	size_t i, n = 0;
	json_t *part;

	switch (json_typeof(v)) {
	case JSON_STRING:
		fputs(json_string_value(v), out);
		break;
	case JSON_INTEGER:
		fprintf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
		break;
	case JSON_REAL:
		fprintf(out, "%.1f", json_real_value(v));
		break;
	case JSON_TRUE:
		fputs("yes", out);
		break;
	case JSON_FALSE:
		fputs("no", out);
		break;
	case JSON_NULL:
		fputs("-", out);
		break;
	case JSON_ARRAY:
		json_array_foreach (v, i, part) {
			fputs(i > 0 ? ", " : "", out);
			put_value(out, part);
		}
		break;
	case JSON_OBJECT: /* its flags, as of a next hop, are for programs */
		json_object_foreach ((json_t *)(uintptr_t)v, key, part) {
			if (json_is_boolean(part))
				continue;
			fputs(n++ > 0 ? " " : "", out);
			put_value(out, part);
		}
		break;
	}
}

char *table_cell(const json_t *value)
{
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);

	if (out == NULL)
		abort();
	if (value != NULL)
		put_value(out, value);
	fclose(out);
	return text;
}

/* Prints a cell behind `blanks`, unless it is empty; returns the blanks that are due then. */
static int put_cell(const struct table *t, int i, const char *text, int blanks)
{
	int fill = t->width[i] > (int)strlen(text) ? t->width[i] - (int)strlen(text) : 0;

	if (t->columns[i].right) {
		blanks += fill;
		fill = 0;
	}
	if (*text == 0)
		return blanks + fill + 2;
	printf("%*s%s", blanks, "", text);
	return fill + 2;
}

static int columns(const struct table *t)
{
	int n = 0;

	while (n < TABLE_COLUMNS && t->columns[n].head != NULL)
		n++;
	return n;
}

static void widen(struct table *t, const json_t *rows)
{
	size_t r;
	json_t *row;

	for (int i = 0; i < columns(t); i++) {
		t->width[i] = (int)strlen(t->columns[i].head);
		json_array_foreach (rows, r, row) {
			char *cell = table_cell(json_object_get(row, t->columns[i].key));
			int width = (int)strlen(cell);

			t->width[i] = width > t->width[i] ? width : t->width[i];
			free(cell);
		}
	}
}

/* The heads where row is NULL. */
static void put_row(const struct table *t, const json_t *row)
{
	for (int i = 0, blanks = 0; i < columns(t); i++) {
		const struct column *c = &t->columns[i];
		char *cell =
			row != NULL ? table_cell(json_object_get(row, c->key)) : strdup(c->head);

		blanks = put_cell(t, i, cell, blanks);
		free(cell);
	}
	putchar('\n');
}

void table_print(struct table *t, const json_t *rows)
{
	size_t r;
	json_t *row;

	if (!t->begun) {
		widen(t, rows);
		put_row(t, NULL);
	}
	t->begun = true;
	json_array_foreach (rows, r, row)
		put_row(t, row);
}
