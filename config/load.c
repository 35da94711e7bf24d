/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * load: from a text to struct conf: the reader's events walked along the table of options.
 *
 * Each read_*() begins at its node's first event and leaves the reader at the event after the
 * node. What is wrong is noted and skipped, so that everything is found in one go; only what is
 * not YAML ends the reading. How deep this recurses is the table's affair, not the file's.
 */
#include "reader.h"

#include <stdlib.h>
#include <string.h>

/* A node that conf_with() may add to begins. */
static void spot_begin(struct reader *r, enum spot id)
{
	const yaml_event_t *e = &r->event;
	struct conf_spot *s = &r->conf->spots[id];

	s->style = reader_nothing(r) ? SPOT_EMPTY : SPOT_FLOW;
	if (e->type == YAML_SEQUENCE_START_EVENT &&
		e->data.sequence_start.style == YAML_BLOCK_SEQUENCE_STYLE)
		s->style = SPOT_BLOCK;
	if (e->type == YAML_MAPPING_START_EVENT &&
		e->data.mapping_start.style == YAML_BLOCK_MAPPING_STYLE)
		s->style = SPOT_BLOCK;
	s->at = e->end_mark.index;
	s->column = (uint32_t)e->start_mark.column;
}

/* And has ended: to a block one adds after its last line. */
static void spot_end(struct reader *r, enum spot id)
{
	if (r->conf->spots[id].style == SPOT_BLOCK)
		r->conf->spots[id].at = r->end_before;
}

/* --- nodes --- */

static void read_map(
	struct reader *r, const struct section *s, void *base, uint32_t from, struct conf_pos at);

static void read_scalar(struct reader *r, const struct option *o, void *base)
{
	const char *said = reader_scalar(r);
	enum value_verdict v = VALUE_FORM;

	if (said && strlen(said) == r->event.data.scalar.length)
		v = value_parse(o, said, base);
	if (v != VALUE_OK && r->event.type != YAML_ALIAS_EVENT)
		reader_wrong_value(r, o, v, said);
	reader_skip(r);
}

/* Room for one more item, at its defaults; NULL (and the node skipped) when there is none. */
static void *item_add(struct reader *r, const struct option *o, void *base)
{
	uint32_t n = list_count(o, base), size = o->of->size;
	char *list = (char *)base + o->offset, *item;

	if (o->max && n >= o->max) {
		reader_wrong(r, reader_at(r), "too many: at most %u", (unsigned int)o->max);
		reader_skip(r);
		return NULL;
	}
	if (!o->array && (n & (n - 1)) == 0) { /* full: it doubles, from 1 on */
		list = conf_alloc(r->conf, (n ? 2 * (size_t)n : 1) * size);
		if (list == NULL) {
			reader_no_memory(r);
			return NULL;
		}
		if (n)
			memcpy(list, list_item(o, base, 0), (size_t)n * size);
		memcpy((char *)base + o->offset, &list, sizeof(list));
	}
	item = list_item(o, base, n++);
	memcpy((char *)base + o->count, &n, sizeof(n));
	section_defaults(o->of, item);
	if (o->of->placed)
		*(struct conf_pos *)item = reader_at(r);
	return item;
}

/* The map of an item or a section: options from `from` on. */
static void read_item(
	struct reader *r, const struct section *s, void *item, uint32_t from, struct conf_pos at)
{
	if (s->scalar) {
		read_scalar(r, s->options, item);
	} else if (r->event.type == YAML_MAPPING_START_EVENT) {
		read_map(r, s, item, from, at);
	} else {
		if (r->event.type != YAML_ALIAS_EVENT)
			reader_wrong(r, reader_at(r), "is not a map of options");
		reader_skip(r);
	}
}

/* Items of one list: what their names are, and in which order they stand. */
struct named {
	const char *item;
	const struct option *name;
};

static int by_name(const void *a, const void *b)
{
	const struct named *x = a, *y = b;
	int d = memcmp(x->item + x->name->offset, y->item + x->name->offset, x->name->size);

	return d != 0 ? d : x->item < y->item ? -1 : x->item > y->item;
}

/* Each item of a list by name, whose names are keys of a map or inside, has one of its own. */
static void check_names(struct reader *r, const struct option *o, const void *base, bool keys)
{
	static const char none[IFACE_NAME];
	const struct option *name = o->of->options;
	uint32_t n = list_count(o, base);
	struct named *list = calloc(n + 1, sizeof(*list)), *first = list;

	if (list == NULL) {
		reader_no_memory(r);
		return;
	}
	for (uint32_t i = 0; i < n; i++)
		list[i] = (struct named){list_item(o, base, i), name};
	qsort(list, n, sizeof(*list), by_name);
	for (struct named *x = list + 1; x < list + n; x++) {
		char text[VALUE_TEXT];
		size_t length;

		if (memcmp(first->item + name->offset, x->item + name->offset, name->size) != 0) {
			first = x;
			continue;
		}
		if (memcmp(x->item + name->offset, none, name->size) == 0)
			continue; /* missing or wrong, which is said already */
		length = keys ? reader_push_key(r, value_text(name, x->item, text))
			      : reader_push(r, "[%zu]",
					(size_t)(x->item - (char *)list_item(o, base, 0)) /
						o->of->size);
		reader_wrong(r, *(const struct conf_pos *)x->item, "given twice, first on line %u",
			((const struct conf_pos *)first->item)->line);
		reader_pop(r, length);
	}
	free(list);
}

static void read_list(struct reader *r, const struct option *o, void *base)
{
	reader_next(r);
	for (uint32_t i = 0; reader_inside(r, YAML_SEQUENCE_END_EVENT); i++) {
		size_t length = reader_push(r, "[%u]", i);
		void *item = item_add(r, o, base);

		if (item)
			read_item(r, o->of, item, 0, reader_at(r));
		reader_pop(r, length);
	}
	if (o->type == NAMED)
		check_names(r, o, base, false);
	reader_next(r);
}

static void read_named(struct reader *r, const struct option *o, void *base)
{
	reader_next(r);
	while (reader_inside(r, YAML_MAPPING_END_EVENT)) {
		size_t length = reader_push_key(r, reader_scalar(r) ? reader_scalar(r) : "?");
		struct conf_pos at = reader_at(r);
		void *item = item_add(r, o, base);

		if (item) {
			read_scalar(r, o->of->options, item);
			if (!r->stopped)
				read_item(r, o->of, item, 1, at);
		} else if (!r->stopped) {
			reader_skip(r); /* the value, after its key */
		}
		reader_pop(r, length);
	}
	check_names(r, o, base, true);
	reader_next(r);
}

/* What a scalar means where a list may stand. */
static void read_alone(struct reader *r, const struct option *o, void *base)
{
	void *item;

	if (o->alone != o->of->options) {
		read_scalar(r, o->alone, base);
	} else {
		item = item_add(r, o, base);
		if (item)
			read_scalar(r, o->alone, item);
	}
}

static void read_items(struct reader *r, const struct option *o, void *base)
{
	yaml_event_type_t type = r->event.type;
	const char *said = reader_scalar(r) ? reader_scalar(r) : "{...}";
	struct conf_pos at = reader_at(r);
	bool wrong = false;

	if (type == YAML_SCALAR_EVENT && o->alone && !reader_nothing(r)) {
		read_alone(r, o, base);
		return;
	}
	memset((char *)base + o->count, 0, sizeof(uint32_t)); /* the default goes */
	r->in_items++;
	if (type == YAML_SEQUENCE_START_EVENT) {
		read_list(r, o, base);
	} else if (type == YAML_MAPPING_START_EVENT && o->type == NAMED) {
		read_named(r, o, base);
	} else if (reader_nothing(r)) {
		reader_next(r);
	} else {
		if (type != YAML_ALIAS_EVENT)
			reader_wrong_value(r, o, VALUE_FORM, said);
		reader_skip(r);
		wrong = true;
	}
	r->in_items--;
	if (list_count(o, base) < o->min && !wrong && !r->stopped)
		reader_wrong(r, at, "too few: at least %u", (unsigned int)o->min);
}

static void read_value(struct reader *r, const struct option *o, void *base)
{
	if (r->in_items == 0 && !conf_note(r->conf, r->path, reader_at(r)))
		reader_no_memory(r);
	if (o->spot)
		spot_begin(r, o->spot);
	if (option_is_scalar(o))
		read_scalar(r, o, base);
	else if (o->type != MAP)
		read_items(r, o, base);
	else if (reader_nothing(r) && !o->choice)
		reader_next(r);
	else
		read_item(r, o->of, base, 0, reader_at(r));
	if (o->spot)
		spot_end(r, o->spot);
}

/* --- maps --- */

/* The option of a key, its name on the path; NULL if there is none, which is noted. */
static const struct option *read_key(struct reader *r, const struct section *s, uint32_t from)
{
	const char *said = reader_scalar(r);

	if (said == NULL) {
		if (r->event.type != YAML_ALIAS_EVENT)
			reader_wrong(r, reader_at(r), "the name of an option is needed here");
		reader_skip(r);
		return NULL;
	}
	reader_push_key(r, said);
	for (uint32_t i = from; i < s->n; i++)
		if (strcmp(s->options[i].key, said) == 0) {
			reader_next(r);
			return &s->options[i];
		}
	reader_wrong_key(r, s, from, said);
	reader_next(r);
	return NULL;
}

/* Of the options with a choice exactly one is given; its value goes into the item. */
static void check_choice(struct reader *r, const struct section *s, void *base,
	const struct conf_pos *given, struct conf_pos at)
{
	char names[READER_QUOTE] = "";
	uint32_t n = 0, options = 0;

	for (uint32_t i = 0; i < s->n; i++) {
		uint32_t value = s->options[i].choice - 1u;
		size_t length = strlen(names);

		if (s->options[i].choice == 0)
			continue;
		snprintf(names + length, sizeof(names) - length, "%s%s", options++ ? ", " : "",
			s->options[i].key);
		if (given[i].line == 0)
			continue;
		memcpy((char *)base + s->choice, &value, sizeof(value));
		if (n++)
			at = given[i];
	}
	if (options && n != 1)
		reader_wrong(r, at, "exactly one is needed of: %s", names);
}

static void check_missing(struct reader *r, const struct section *s, uint32_t from,
	const struct conf_pos *given, struct conf_pos at)
{
	for (uint32_t i = from; i < s->n; i++)
		if (s->options[i].required && given[i].line == 0)
			reader_missing(r, &s->options[i], at);
}

static void read_map(
	struct reader *r, const struct section *s, void *base, uint32_t from, struct conf_pos at)
{
	struct conf_pos given[SECTION_MOST] = {0};
	size_t length = strlen(r->path);

	reader_next(r);
	while (reader_inside(r, YAML_MAPPING_END_EVENT)) {
		struct conf_pos key = reader_at(r);
		const struct option *o = read_key(r, s, from);

		if (o && !r->stopped && given[o - s->options].line == 0) {
			given[o - s->options] = key;
			read_value(r, o, base);
		} else if (!r->stopped) {
			if (o)
				reader_wrong(r, key, "given twice, first on line %u",
					given[o - s->options].line);
			reader_skip(r);
		}
		reader_pop(r, length);
	}
	if (r->stopped)
		return;
	check_missing(r, s, from, given, at);
	check_choice(r, s, base, given, at);
	reader_next(r);
}

/* --- the file --- */

static void read_stream(struct reader *r)
{
	reader_next(r); /* the stream's start */
	reader_next(r); /* the document's, if there is one */
	if (r->event.type == YAML_DOCUMENT_START_EVENT)
		reader_next(r);
	if (r->stopped)
		return;
	if (r->event.type == YAML_STREAM_END_EVENT || reader_nothing(r)) {
		reader_wrong(r, ((struct conf_pos){1, 1}),
			"empty; `millrace --config-reference` shows all");
		return;
	}
	spot_begin(r, SPOT_TOP);
	read_item(r, &conf_section, r->conf, 0, reader_at(r));
	spot_end(r, SPOT_TOP);
	reader_next(r); /* past the document's end */
	if (r->event.type == YAML_DOCUMENT_START_EVENT)
		reader_wrong(r, reader_at(r), "a second document; a configuration is one");
}

bool load_text(struct conf *c, struct errs *e)
{
	struct reader r = {.conf = c, .errs = e};

	section_defaults(&conf_section, c);
	if (!yaml_parser_initialize(&r.parser)) {
		reader_no_memory(&r);
		return false;
	}
	yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&r.parser, (const unsigned char *)c->text, c->length);
	read_stream(&r);
	yaml_event_delete(&r.event);
	yaml_parser_delete(&r.parser);
	return !r.stopped;
}
