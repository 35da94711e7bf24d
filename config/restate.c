/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * restate: the weights and states that backends have by an operator's word, written where the text
 * lists them.
 *
 * As in save.c every comment stays: a value that stands there is replaced, one that does not comes
 * after the last of its backend's. What came out is read again before it is trusted.
 */
#include "reader.h"

#include "lb/lb.h"

#include <stdlib.h>
#include <string.h>

struct restating {
	struct reader r;
	FILE *out;
	const char *from; /* what is not written yet */
	size_t index;	  /* of its first character */
};

static bool same_place(struct conf_pos a, struct conf_pos b)
{
	return a.line == b.line && a.column == b.column;
}

/* --- the text --- */

/* To the character `index`; copies what was passed if it stays. */
static void pass(struct restating *x, size_t index, bool stays)
{
	const char *end = x->from;

	for (; x->index < index && *end != '\0'; x->index++)
		do
			end++;
		while ((*end & 0xc0) == 0x80);
	if (stays)
		fwrite(x->from, 1, (size_t)(end - x->from), x->out);
	x->from = end;
}

static void write_value(struct restating *x, const struct option *o, const void *backend)
{
	char text[VALUE_TEXT];

	text_scalar(o, value_text(o, backend, text), x->out);
}

/* What the map did not have, after what it has: in brackets, or on lines of their own. */
static void add(struct restating *x, const struct option *o, const void *backend, uint32_t column,
	bool block)
{
	while (block && *x->from != '\0' && *x->from != '\r' && *x->from != '\n')
		pass(x, x->index + 1, true); /* a comment */
	if (block)
		fprintf(x->out, "\n%*s%s: ", (int)column, "", o->key);
	else
		fprintf(x->out, ", %s: ", o->key);
	write_value(x, o, backend);
}

/* Options whose value is another than before. */
static bool differs(const struct option *o, const void *was, const void *is)
{
	return memcmp((const char *)was + o->offset, (const char *)is + o->offset, o->size) != 0;
}

static const struct option *option_of(const char *key)
{
	const struct section *s = &conf_backend_section;

	for (const struct option *o = s->options; key != NULL && o < s->options + s->n; o++)
		if (strcmp(o->key, key) == 0)
			return o;
	return NULL;
}

/* The map of a backend; the reader is at its beginning, and then at its end. */
static void restate_one(
	struct restating *x, const struct lb_backend_conf *was, const struct lb_backend_conf *is)
{
	const struct section *s = &conf_backend_section;
	const yaml_event_t *event = &x->r.event;
	bool block = event->data.mapping_start.style == YAML_BLOCK_MAPPING_STYLE;
	uint32_t column = (uint32_t)event->start_mark.column, done = 0;

	reader_next(&x->r);
	while (reader_inside(&x->r, YAML_MAPPING_END_EVENT)) {
		const struct option *o = option_of(reader_scalar(&x->r));

		reader_next(&x->r);
		if (o != NULL && differs(o, was, is)) {
			done |= 1u << (o - s->options);
			pass(x, event->start_mark.index, true);
			pass(x, event->end_mark.index, false);
			write_value(x, o, is);
		}
		reader_skip(&x->r);
	}
	pass(x, x->r.end_before, true);
	for (uint32_t i = 0; i < s->n; i++)
		if (differs(&s->options[i], was, is) && (done >> i & 1) == 0)
			add(x, &s->options[i], is, column, block);
}

/* --- which of them --- */

/* c's backends in the order of the text, and what an operator says of each; NULL: nothing. */
struct walk {
	const struct conf *c;
	const struct conf_extra *extra;
	uint32_t service, backend, said;
};

static bool walk_next(
	struct walk *w, const struct lb_backend_conf **was, const struct lb_backend_conf **is)
{
	const struct lb_conf *lb = &w->c->balancers;

	while (w->service < lb->n_services && w->backend == lb->services[w->service].n_backends) {
		w->service++;
		w->backend = 0;
	}
	if (w->service == lb->n_services)
		return false;
	*was = &lb->services[w->service].backends[w->backend++];
	*is = w->said < w->extra->n_backends ? &w->extra->backends[w->said] : NULL;
	if (*is != NULL && same_place((*was)->at, (*is)->at))
		w->said++;
	else
		*is = NULL;
	return true;
}

static void restate_all(struct restating *x, struct walk *w)
{
	const struct lb_backend_conf *was, *is = NULL;

	reader_next(&x->r);
	while (!x->r.stopped && x->r.event.type != YAML_STREAM_END_EVENT) {
		while (is == NULL && walk_next(w, &was, &is))
			;
		if (is == NULL)
			break;
		if (x->r.event.type == YAML_MAPPING_START_EVENT &&
			same_place(reader_at(&x->r), is->at)) {
			restate_one(x, was, is);
			is = NULL;
		}
		reader_next(&x->r);
	}
}

/* c's text with it, as it may have come out; NULL without memory. */
static char *text_of(const struct conf *c, const struct conf_extra *extra, struct errs *e)
{
	struct walk w = {c, extra, 0, 0, 0};
	struct conf *reads = (struct conf *)(uintptr_t)c; /* nothing is noted in it */
	struct restating x = {.r = {.conf = reads, .errs = e}, .from = c->text};
	char *text = NULL;
	size_t length;

	x.out = open_memstream(&text, &length);
	if (x.out == NULL)
		return NULL;
	if (!yaml_parser_initialize(&x.r.parser)) {
		fclose(x.out);
		free(text);
		return NULL;
	}
	yaml_parser_set_encoding(&x.r.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&x.r.parser, (const unsigned char *)c->text, c->length);
	restate_all(&x, &w);
	yaml_event_delete(&x.r.event);
	yaml_parser_delete(&x.r.parser);
	fputs(x.from, x.out);
	if (fclose(x.out) == 0)
		return text;
	free(text);
	return NULL;
}

/* Whether the backends of `made` are c's, but for what was said of them. */
static bool means(const struct conf *made, const struct conf *c, const struct conf_extra *extra)
{
	static const struct conf_extra nothing;
	struct walk a = {c, extra, 0, 0, 0}, b = {made, &nothing, 0, 0, 0};
	const struct lb_backend_conf *was, *is, *now, *none;

	while (walk_next(&a, &was, &is)) {
		if (!walk_next(&b, &now, &none) || now->addr != was->addr || now->port != was->port)
			return false;
		is = is == NULL ? was : is;
		if (now->weight != is->weight || now->admin != is->admin)
			return false;
	}
	return a.said == extra->n_backends && !walk_next(&b, &now, &none);
}

struct conf *restate(const struct conf *c, const struct conf_extra *extra, struct errs *e)
{
	struct errs unread = {0};
	size_t before = e->n;
	char *text = text_of(c, extra, e);
	struct conf *made = text == NULL ? NULL : conf_parse(c->file, text, strlen(text), &unread);

	if (text == NULL)
		errs_add(e, (struct conf_pos){0}, "file", "no memory to save it");
	else if (made == NULL || !means(made, c, extra))
		errs_add(e, (struct conf_pos){0}, "file",
			"its layout does not take what was said of backends; give each a map of "
			"the usual form");
	else
		lb_check(&made->balancers, e); /* a weight of 0 for all, say */
	errs_clear(&unread);
	free(text);
	if (e->n == before)
		return made;
	conf_free(made);
	return NULL;
}
