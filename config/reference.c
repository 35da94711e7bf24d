/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * reference: every option with its help, what it allows and its default, as YAML that loads.
 *
 * Options stand at their defaults; lists, which have none, hold an example each, so that the
 * whole is a configuration too.
 */
#include "option.h"

static void print_section(const struct section *s, uint32_t from, uint32_t column, FILE *out);

static void indent(uint32_t column, FILE *out)
{
	fprintf(out, "%*s", (int)column, "");
}

/* The help, and what is allowed: a line each. */
static void print_help(const struct option *o, uint32_t column, FILE *out)
{
	indent(column, out);
	fprintf(out, "# %s\n", o->help);
	if (o->type == MAP)
		return;
	indent(column, out);
	fputs("# ", out);
	value_allowed(o, out);
	if (o->required)
		fputs("; needed", out);
	else if (o->choice)
		fputs("; exactly one of these is needed", out);
	else if (!option_is_scalar(o) && o->def == NULL)
		fputs("; none without it", out);
	fputs(o->restart ? "; a change needs a restart\n" : "\n", out);
}

/* The maps of a list, or those by name: one example. */
static void print_example(const struct option *o, uint32_t column, FILE *out)
{
	const struct section *s = o->of;
	const struct option *first = s->options;

	print_help(first, column, out);
	indent(column, out);
	if (o->type == NAMED) {
		fprintf(out, "%s:\n", first->example);
		print_section(s, 1, column + 2, out);
	} else {
		fprintf(out, "- %s: ", first->key);
		text_scalar(first, first->example, out);
		fputs("\n", out);
		print_section(s, 1, column + 2, out);
	}
}

static void print_option(const struct option *o, bool off, uint32_t column, FILE *out)
{
	const struct option *value = o->type == LIST && o->of->scalar ? o->of->options : o;
	const char *text = o->def ? o->def : o->example;

	print_help(o, column, out);
	indent(column, out);
	fprintf(out, "%s%s:", off ? "#" : "", o->key);
	if (o->type == MAP) {
		fputs("\n", out);
		print_section(o->of, 0, column + 2, out);
	} else if (text == NULL) {
		fputs("\n", out);
		print_example(o, column + 2, out);
	} else {
		fputs(value == o || o->alone ? " " : " [", out);
		text_scalar(value, text, out);
		fputs(value == o || o->alone ? "\n" : "]\n", out);
	}
}

static void print_section(const struct section *s, uint32_t from, uint32_t column, FILE *out)
{
	bool chosen = false;

	for (uint32_t i = from; i < s->n; i++) {
		const struct option *o = &s->options[i];

		if (column == 0)
			fputs("\n", out);
		print_option(o, o->aside || (o->choice && chosen), column, out);
		chosen |= o->choice != 0;
	}
}

void conf_reference(FILE *out)
{
	fputs("# All that a configuration of millrace may say, at its defaults; lists show an "
	      "example.\n"
	      "# What is left out is at its default. `millrace --check FILE` says what is wrong.\n"
	      "# Numbers are decimal, sizes take K M G, times need ms s m h; quotes make no "
	      "difference.\n",
		out);
	print_section(&conf_section, 0, 0, out);
}
