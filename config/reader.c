/* SPDX-License-Identifier: BSD-3-Clause */
/* reader: events, the path, and what messages say; the contract is in reader.h. */
#include "reader.h"

#include <stdarg.h>
#include <string.h>

/* Where a text was cut, takes off the part of a character that is left at its end. */
static void cut_clean(char *text)
{
	size_t n = strlen(text), i = n;
	uint8_t lead;

	while (i && (text[i - 1] & 0xc0) == 0x80)
		i--;
	lead = i ? (uint8_t)text[i - 1] : 0;
	if (n - i + 1 < (lead >= 0xf0 ? 4u : lead >= 0xe0 ? 3u : lead >= 0xc0 ? 2u : 0u))
		text[i - 1] = '\0';
}

/* Copies what the file says into a message: cut, and without what a terminal would act on. */
static const char *quote(const char *said, char out[READER_QUOTE])
{
	snprintf(out, READER_QUOTE, "%s", said);
	cut_clean(out);
	for (char *c = out; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
	return out;
}

size_t reader_push(struct reader *r, const char *fmt, ...)
{
	size_t length = strlen(r->path);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(r->path + length, sizeof(r->path) - length, fmt, ap);
	va_end(ap);
	cut_clean(r->path);
	return length;
}

size_t reader_push_key(struct reader *r, const char *key)
{
	char text[READER_QUOTE];

	return reader_push(r, "%s%s", r->path[0] ? "." : "", quote(key, text));
}

void reader_pop(struct reader *r, size_t length)
{
	r->path[length] = '\0';
}

/* --- what is wrong --- */

void reader_wrong(struct reader *r, struct conf_pos at, const char *fmt, ...)
{
	char text[sizeof(((struct err *)0)->text)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	errs_add(r->errs, at, r->path[0] ? r->path : "file", "%s", text);
}

void reader_no_memory(struct reader *r)
{
	reader_wrong(r, reader_at(r), "no memory to read it");
	r->stopped = true;
}

static const char *allowed(const struct option *o, char text[READER_ALLOWED])
{
	FILE *out = fmemopen(text, READER_ALLOWED, "w");

	text[0] = '\0';
	if (out) {
		value_allowed(o, out);
		fclose(out);
	}
	return text;
}

void reader_wrong_value(
	struct reader *r, const struct option *o, enum value_verdict v, const char *said)
{
	static const char *const what[] = {
		[VALUE_FORM] = "is not valid",
		[VALUE_RANGE] = "is out of range",
		[VALUE_LONG] = "is too long",
		[VALUE_HOST_BITS] = "has bits beyond its length",
	};
	char text[READER_QUOTE], may[READER_ALLOWED];

	if (said == NULL)
		reader_wrong(
			r, reader_at(r), "is not a single value; allowed: %s", allowed(o, may));
	else if (said[0] == '\0' && option_is_scalar(o))
		reader_wrong(r, reader_at(r), "has no value; allowed: %s", allowed(o, may));
	else
		reader_wrong(r, reader_at(r), "`%s` %s; allowed: %s", quote(said, text), what[v],
			allowed(o, may));
}

/* How many letters to change, add or leave out between two words. */
static unsigned int distance(const char *a, const char *b)
{
	unsigned int row[SECTION_MOST], n = (unsigned int)strlen(b);

	if (n >= SECTION_MOST || strlen(a) >= SECTION_MOST)
		return UINT32_MAX;
	for (unsigned int j = 0; j <= n; j++)
		row[j] = j;
	for (unsigned int i = 1; *a; a++, i++) {
		unsigned int diagonal = row[0];

		row[0] = i;
		for (unsigned int j = 1; j <= n; j++) {
			unsigned int swap = diagonal + (*a != b[j - 1]);
			unsigned int less = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;

			diagonal = row[j];
			row[j] = swap < less ? swap : less;
		}
	}
	return row[n];
}

void reader_wrong_key(struct reader *r, const struct section *s, uint32_t from, const char *said)
{
	unsigned int best = 3; /* farther away is another word */
	const char *nearest = "";
	char keys[200] = "";
	FILE *out = fmemopen(keys, sizeof(keys), "w");

	for (uint32_t i = from; i < s->n; i++) {
		const char *key = s->options[i].key;
		unsigned int d = distance(said, key);

		if (out)
			fprintf(out, "%s%s", i == from ? "" : ", ", key);
		if (d < best) {
			best = d;
			nearest = key;
		}
	}
	if (out)
		fclose(out);
	reader_wrong(r, reader_at(r), "unknown%s%s; allowed: %s",
		nearest[0] ? ", perhaps meant: " : "", nearest, keys);
}

void reader_missing(struct reader *r, const struct option *o, struct conf_pos at)
{
	size_t length = reader_push_key(r, o->key);
	char may[READER_ALLOWED];

	reader_wrong(r, at, "missing; allowed: %s", allowed(o, may));
	reader_pop(r, length);
}

/* The end of the reading: the text is not YAML (or not UTF-8). */
static void wrong_yaml(struct reader *r)
{
	const yaml_parser_t *p = &r->parser;
	struct conf_pos at = {
		(uint32_t)p->problem_mark.line + 1, (uint32_t)p->problem_mark.column + 1};
	const char *context = p->context ? p->context : "";
	const char *text = r->conf->text;

	r->stopped = true;
	if (p->error == YAML_MEMORY_ERROR) {
		reader_no_memory(r);
	} else if (p->error == YAML_READER_ERROR) {
		at = (struct conf_pos){1, 1};
		for (size_t i = 0; i < p->problem_offset && i < r->conf->length; i++) {
			at.line += text[i] == '\n';
			at.column = text[i] == '\n' ? 1 : at.column + ((text[i] & 0xc0) != 0x80);
		}
		reader_wrong(r, at, "byte 0x%02x: %s; a configuration is UTF-8",
			(unsigned int)p->problem_value, p->problem);
	} else if (*conf_char(r->conf, p->problem_mark.index) == '\t') {
		reader_wrong(r, at, "a tab, where YAML takes spaces alone");
	} else {
		reader_wrong(r, at, "not YAML: %s%s%s", p->problem, *context ? " " : "", context);
	}
}

/* --- events --- */

void reader_next(struct reader *r)
{
	const char *anchor = NULL, *tag = NULL;
	yaml_event_t *e = &r->event;

	yaml_event_delete(e);
	if (r->stopped)
		return;
	r->end_before = r->content_end;
	if (!yaml_parser_parse(&r->parser, e)) {
		wrong_yaml(r);
		return;
	}
	switch (e->type) {
	case YAML_ALIAS_EVENT:
		anchor = (const char *)e->data.alias.anchor;
		break;
	case YAML_SCALAR_EVENT:
		anchor = (const char *)e->data.scalar.anchor;
		tag = (const char *)e->data.scalar.tag;
		break;
	case YAML_SEQUENCE_START_EVENT:
		anchor = (const char *)e->data.sequence_start.anchor;
		tag = (const char *)e->data.sequence_start.tag;
		break;
	case YAML_MAPPING_START_EVENT:
		anchor = (const char *)e->data.mapping_start.anchor;
		tag = (const char *)e->data.mapping_start.tag;
		break;
	default:
		break;
	}
	if (anchor || tag)
		reader_wrong(r, reader_at(r),
			"anchors, aliases and tags are not taken: write the value out");
	if (e->type == YAML_SCALAR_EVENT || e->end_mark.index > e->start_mark.index)
		r->content_end = e->end_mark.index;
}

void reader_skip(struct reader *r)
{
	uint32_t depth = 0;

	do {
		switch (r->event.type) {
		case YAML_SEQUENCE_START_EVENT:
		case YAML_MAPPING_START_EVENT:
			depth++;
			break;
		case YAML_SEQUENCE_END_EVENT:
		case YAML_MAPPING_END_EVENT:
			depth--;
			break;
		default:
			break;
		}
		reader_next(r);
	} while (depth && !r->stopped);
}
