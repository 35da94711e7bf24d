/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * diff: a configuration as lines of `path: value`, and what differs between two of them.
 *
 * The lines are those of the table, not of the text: comments, order and style do not count, and
 * an option that is left out equals one that is at its default.
 */
#include "option.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

struct line {
	char *path; /* owned; value is the same piece of memory */
	const char *value;
	bool is_default;
};

struct lines {
	struct line *list;
	size_t n, room;
	FILE *out; /* the line in the making: path, 0, value, 0 */
	char *text;
	size_t length;
	char path[512];
	bool failed;
};

/* Appends to the path; returns its length before, for whoever takes it off again. */
__attribute__((format(printf, 2, 3))) static size_t push(struct lines *l, const char *fmt, ...)
{
	size_t length = strlen(l->path);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(l->path + length, sizeof(l->path) - length, fmt, ap);
	va_end(ap);
	return length;
}

/* Begins a line, whose value is then written to l->out. */
static void line_begin(struct lines *l)
{
	rewind(l->out);
	fputs(l->path, l->out);
	putc('\0', l->out);
}

static void line_end(struct lines *l, bool is_default)
{
	size_t room = l->room ? 2 * l->room : 256;
	struct line *grown = l->list;
	char *copy;

	putc('\0', l->out);
	if (fflush(l->out) != 0)
		l->failed = true;
	if (l->n == l->room) {
		grown = realloc(l->list, room * sizeof(*grown));
		if (grown == NULL) {
			l->failed = true;
			return;
		}
		l->list = grown;
		l->room = room;
	}
	copy = malloc(l->length);
	if (copy == NULL) {
		l->failed = true;
		return;
	}
	memcpy(copy, l->text, l->length);
	l->list[l->n++] = (struct line){copy, copy + strlen(copy) + 1, is_default};
}

static void lines_end(struct lines *l)
{
	if (l->out)
		fclose(l->out);
	for (size_t i = 0; i < l->n; i++)
		free(l->list[i].path);
	free(l->list);
	free(l->text);
}

/* Lines of the options from `from` on of the struct at base. */
static void lines_add(struct lines *l, const struct section *s, uint32_t from, const void *base);

/* Items by name go option by option, those of a list as a whole. */
static void lines_add_items(struct lines *l, const struct option *o, const void *base)
{
	char key[VALUE_TEXT];

	for (uint32_t i = 0; i < list_count(o, base); i++) {
		const void *item = list_item(o, base, i);
		size_t length;

		value_text(o->of->options, item, key);
		length = push(l, o->type == NAMED ? ".%s" : "[%s]", key);
		if (o->type == NAMED) {
			lines_add(l, o->of, 1, item);
		} else {
			line_begin(l);
			text_item(o->of, item, 1, l->out);
			line_end(l, false);
		}
		l->path[length] = '\0';
	}
}

static void lines_add(struct lines *l, const struct section *s, uint32_t from, const void *base)
{
	for (const struct option *o = s->options + from; o < s->options + s->n; o++) {
		size_t length;

		if (!text_is_chosen(s, o, base))
			continue;
		length = push(l, "%s%s", l->path[0] ? "." : "", o->key);
		if (o->type == MAP) {
			lines_add(l, o->of, 0, base);
		} else if (option_is_scalar(o) || o->of->scalar) {
			line_begin(l);
			text_value(o, base, l->out);
			line_end(l, text_is_default(o, base));
		} else {
			lines_add_items(l, o, base);
		}
		l->path[length] = '\0';
	}
}

static int by_path(const void *a, const void *b)
{
	const struct line *x = a, *y = b;
	int d = strcmp(x->path, y->path);

	return d ? d : strcmp(x->value, y->value);
}

/* All lines of a configuration, in order. False: there was no memory. */
static bool lines_of(struct lines *l, const struct conf *c)
{
	*l = (struct lines){0};
	l->out = open_memstream(&l->text, &l->length);
	if (l->out == NULL)
		return false;
	lines_add(l, &conf_section, 0, c);
	if (l->n)
		qsort(l->list, l->n, sizeof(*l->list), by_path);
	return !l->failed;
}

/* How many lines from i on have the path of the first of them. */
static size_t run_of(const struct lines *l, size_t i)
{
	size_t n = i;

	while (n < l->n && strcmp(l->list[n].path, l->list[i].path) == 0)
		n++;
	return n - i;
}

/* Prints those of n lines that are not among the m others; both have one path, in order. */
static void print_lacking(FILE *out, char sign, const struct line *mine, size_t n,
	const struct line *others, size_t m)
{
	for (size_t i = 0, j = 0; i < n; i++) {
		while (j < m && strcmp(others[j].value, mine[i].value) < 0)
			j++;
		if (j < m && strcmp(others[j].value, mine[i].value) == 0)
			j++;
		else if (m || !mine[i].is_default) /* a new port's defaults go without saying */
			fprintf(out, "%c %s: %s\n", sign, mine[i].path, mine[i].value);
	}
}

static void print_diff(FILE *out, const struct lines *from, const struct lines *to)
{
	size_t i = 0, j = 0;

	while (i < from->n || j < to->n) {
		const struct line *old = from->list + i, *new = to->list + j;
		int order = i == from->n ? 1 : j == to->n ? -1 : strcmp(old->path, new->path);
		size_t n = order <= 0 ? run_of(from, i) : 0, m = order >= 0 ? run_of(to, j) : 0;

		print_lacking(out, '-', old, n, new, m);
		print_lacking(out, '+', new, m, old, n);
		i += n;
		j += m;
	}
}

char *conf_diff(const struct conf *from, const struct conf *to)
{
	struct lines old, new = {0};
	char *text = NULL;
	size_t length;
	bool all = lines_of(&old, from) && lines_of(&new, to);
	FILE *out = all ? open_memstream(&text, &length) : NULL;

	if (out) {
		print_diff(out, &old, &new);
		if (fclose(out) != 0) {
			free(text);
			text = NULL;
		}
	}
	lines_end(&old);
	lines_end(&new);
	return text;
}
