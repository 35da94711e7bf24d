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

/* --- what is the same in both, and needs no lines --- */

/* Bytes that a value is written in: some have the member after theirs, too (enum option_type). */
static size_t width(const struct option *o)
{
	switch (o->type) {
	case PREFIX:
	case NETWORK:
		return o->size + sizeof(uint8_t);
	case ENDPOINT:
	case PORTS:
		return o->size + sizeof(uint16_t);
	default:
		return o->size;
	}
}

static bool same_bytes(const void *a, const void *b, size_t offset, size_t n)
{
	return memcmp((const char *)a + offset, (const char *)b + offset, n) == 0;
}

/* Whether two structs have the same lines; those with lists in another order only may have. */
static bool same(const struct section *s, const void *a, const void *b)
{
	for (const struct option *o = s->options; o < s->options + s->n; o++) {
		if (o->choice != 0 && !same_bytes(a, b, s->choice, sizeof(uint32_t)))
			return false;
		if (option_is_scalar(o) && !same_bytes(a, b, o->offset, width(o)))
			return false;
		if (o->type == MAP && !same(o->of, a, b))
			return false;
		if (o->type != LIST && o->type != NAMED)
			continue;
		if (list_count(o, a) != list_count(o, b))
			return false;
		for (uint32_t i = 0; i < list_count(o, a); i++)
			if (!same(o->of, list_item(o, a, i), list_item(o, b, i)))
				return false;
	}
	return true;
}

/*
 * Whether an item by name is in the other list as it is, at its place from the begin or from the
 * end: of two that are the same, both are found so. Else both have their lines.
 */
static bool is_there(const struct option *o, const void *base, uint32_t i, const void *than)
{
	uint32_t n = list_count(o, base), m = than == NULL ? 0 : list_count(o, than);
	const void *item = list_item(o, base, i);

	if (o->type != NAMED)
		return false;
	return (i < m && same(o->of, item, list_item(o, than, i))) ||
	       (n - i <= m && same(o->of, item, list_item(o, than, m - (n - i))));
}

/* --- lines --- */

/*
 * Lines of the options from `from` on of the struct at base; than: the same struct in the other
 * configuration, NULL where there may be none.
 */
static void lines_add(struct lines *l, const struct section *s, uint32_t from, const void *base,
	const void *than);

/* Items by name go option by option, those of a list as a whole. */
static void lines_add_items(
	struct lines *l, const struct option *o, const void *base, const void *than)
{
	char key[VALUE_TEXT];

	for (uint32_t i = 0; i < list_count(o, base); i++) {
		const void *item = list_item(o, base, i);
		size_t length;

		if (is_there(o, base, i, than))
			continue;
		value_text(o->of->options, item, key);
		length = push(l, o->type == NAMED ? ".%s" : "[%s]", key);
		if (o->type == NAMED) {
			lines_add(l, o->of, 1, item, NULL);
		} else {
			line_begin(l);
			text_item(o->of, item, 1, l->out);
			line_end(l, false);
		}
		l->path[length] = '\0';
	}
}

static void lines_add(
	struct lines *l, const struct section *s, uint32_t from, const void *base, const void *than)
{
	for (const struct option *o = s->options + from; o < s->options + s->n; o++) {
		size_t length;

		if (!text_is_chosen(s, o, base))
			continue;
		length = push(l, "%s%s", l->path[0] ? "." : "", o->key);
		if (o->type == MAP) {
			lines_add(l, o->of, 0, base, than);
		} else if (option_is_scalar(o) || o->of->scalar) {
			line_begin(l);
			text_value(o, base, l->out);
			line_end(l, text_is_default(o, base));
		} else {
			lines_add_items(l, o, base, than);
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

/* Lines of a configuration that another may not have, in order. False: there was no memory. */
static bool lines_of(struct lines *l, const struct conf *c, const struct conf *than)
{
	*l = (struct lines){0};
	l->out = open_memstream(&l->text, &l->length);
	if (l->out == NULL)
		return false;
	lines_add(l, &conf_section, 0, c, than);
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
	bool all = lines_of(&old, from, to) && lines_of(&new, to, from);
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
