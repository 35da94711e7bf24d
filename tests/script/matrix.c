/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A table becomes cases: each row of each state is one. segments.matrix begins with its form.
 *
 * A case is the state's own lines, the line of the segment or call that the row names, the row's
 * events and answer, a tenth of a second in which nothing more may come, and the state then.
 */
#include "script.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define NAMED_MAX 64

struct named {
	char name[24];
	char lines[96];
};

struct table {
	struct named named[NAMED_MAX]; /* what segments, calls and answers stand for */
	uint32_t n;
	char state[64];
	char state_lines[512];
};

_Noreturn static void refuse(const char *file, int line, const char *why)
{
	fprintf(stderr, "%s:%d: %s\n", file, line, why);
	exit(2);
}

/* Without the blanks around it; writes to s. */
static char *trim(char *s)
{
	char *end = s + strlen(s);

	while (end > s && isspace((unsigned char)end[-1]))
		*--end = 0;
	return s + strspn(s, " \t");
}

static const char *meaning(const struct table *t, const char *name)
{
	for (uint32_t i = 0; i < t->n; i++)
		if (strcmp(t->named[i].name, name) == 0)
			return t->named[i].lines;
	return NULL;
}

/* NAME = LINES */
static bool define(struct table *t, char *text)
{
	char *lines = strchr(text, '=');
	struct named *n = &t->named[t->n];

	if (lines == NULL || t->n == NAMED_MAX)
		return false;
	*lines++ = 0;
	snprintf(n->name, sizeof(n->name), "%s", trim(text));
	snprintf(n->lines, sizeof(n->lines), "%s", trim(lines));
	t->n++;
	return true;
}

static size_t put_events(char *to, size_t room, char *events)
{
	size_t n = 0;

	for (char *e; (e = strsep(&events, ";")) != NULL;)
		if (*(e = trim(e)) != 0)
			n += (size_t)snprintf(to + n, room - n, "event %s;", e);
	return n;
}

/* NAME | ANSWER | STATE | EVENTS. Returns what is wrong with it, or NULL. */
static const char *row(
	const struct table *t, char *text, char *name, size_t name_room, char *script, size_t room)
{
	const char *what, *answer;
	char *cell[4];
	size_t n;

	for (int i = 0; i < 4; i++) {
		char *part = strsep(&text, "|");

		if (part == NULL)
			return "a row is NAME | ANSWER | STATE | EVENTS";
		cell[i] = trim(part);
	}
	what = meaning(t, cell[0]);
	if (what == NULL)
		return "no segment or call of that name";
	answer = meaning(t, cell[1]);
	snprintf(name, name_room, "%s: %s", t->state, cell[0]);
	n = (size_t)snprintf(script, room, "%s%s;", t->state_lines, what);
	n += put_events(script + n, room - n, cell[3]);
	snprintf(script + n, room - n, "%s; +100ms nothing; state %s",
		answer != NULL ? answer : cell[1], cell[2]);
	return NULL;
}

/* Returns what is wrong with the line, or NULL. *is_row: it has become a case. */
static const char *read_line(struct table *t, char *text, bool *is_row, char *name,
	size_t name_room, char *script, size_t room)
{
	size_t used = strlen(t->state_lines);

	*is_row = false;
	if (text[0] == 0 || text[0] == '#')
		return NULL;
	if (strncmp(text, "define ", 7) == 0)
		return define(t, text + 7) ? NULL : "define NAME = LINES";
	if (strncmp(text, "state ", 6) == 0) {
		snprintf(t->state, sizeof(t->state), "%s", text + 6);
		t->state_lines[0] = 0;
		return NULL;
	}
	if (strncmp(text, "with ", 5) == 0) {
		snprintf(t->state_lines + used, sizeof(t->state_lines) - used, "%s;", text + 5);
		return NULL;
	}
	*is_row = true;
	return row(t, text, name, name_room, script, room);
}

void matrix_cases(const char *file, const char *text,
	void (*run)(const char *name, const char *file, int line, const char *text))
{
	struct table t = {.n = 0};
	char *copy = strdup(text), *rest = copy;
	int number = 0;

	for (char *line; (line = strsep(&rest, "\n")) != NULL;) {
		char name[96], script[1024];
		const char *wrong;
		bool is_row;

		number++;
		wrong = read_line(
			&t, trim(line), &is_row, name, sizeof(name), script, sizeof(script));
		if (wrong != NULL)
			refuse(file, number, wrong);
		if (is_row)
			run(name, file, number, script);
	}
	free(copy);
}
