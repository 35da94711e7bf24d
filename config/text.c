/* SPDX-License-Identifier: BSD-3-Clause */
/* text: values and items as YAML on one line; the contract is in option.h. */
#include "option.h"

#include <string.h>

void text_scalar(const struct option *o, const char *text, FILE *out)
{
	/* numbers, words, names and addresses are plain scalars of YAML; colons need quotes */
	if (o->type != TEXT && strchr(text, ':') == NULL) {
		fputs(text, out);
		return;
	}
	putc('"', out);
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			putc('\\', out);
		putc(*text, out);
	}
	putc('"', out);
}

bool text_is_chosen(const struct section *s, const struct option *o, const void *base)
{
	uint32_t chosen;

	if (o->choice == 0)
		return true;
	memcpy(&chosen, (const char *)base + s->choice, sizeof(chosen));
	return chosen == o->choice - 1u;
}

/* Whether `alone` says the same as the list does: its one item, or that all are at the default. */
static bool is_alone(const struct option *o, const void *base)
{
	if (o->alone == NULL)
		return false;
	if (o->alone == o->of->options)
		return list_count(o, base) == 1;
	return text_is_default(o->of->options, list_item(o, base, 0));
}

bool text_is_default(const struct option *o, const void *base)
{
	char text[VALUE_TEXT];

	if (o->type == MAP)
		return false;
	if (option_is_scalar(o))
		return o->def && strcmp(value_text(o, base, text), o->def) == 0;
	if (o->def)
		return is_alone(o, base) && text_is_default(o->alone, base);
	return list_count(o, base) == 0;
}

void text_value(const struct option *o, const void *base, FILE *out)
{
	bool item = o->alone && o->alone == (o->of ? o->of->options : NULL);
	char text[VALUE_TEXT];

	if (option_is_scalar(o)) {
		text_scalar(o, value_text(o, base, text), out);
	} else if (is_alone(o, base)) {
		text_value(o->alone, item ? list_item(o, base, 0) : base, out);
	} else {
		putc('[', out);
		for (uint32_t i = 0; i < list_count(o, base); i++) {
			fputs(i ? ", " : "", out);
			text_item(o->of, list_item(o, base, i), 0, out);
		}
		putc(']', out);
	}
}

void text_item(const struct section *s, const void *item, uint32_t from, FILE *out)
{
	bool first = true;

	if (s->scalar) {
		text_value(s->options, item, out);
		return;
	}
	putc('{', out);
	for (const struct option *o = s->options + from; o < s->options + s->n; o++) {
		if (text_is_default(o, item) || !text_is_chosen(s, o, item))
			continue;
		fprintf(out, "%s%s: ", first ? "" : ", ", o->key);
		if (o->type == MAP)
			text_item(o->of, item, 0, out);
		else
			text_value(o, item, out);
		first = false;
	}
	putc('}', out);
}
