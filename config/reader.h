/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * reader: libyaml's events one by one, with the path that messages name, and the messages.
 *
 * load.c walks with it along the table of options. Whatever it meets that is no YAML, an anchor,
 * an alias or a tag, it has told by itself.
 */
#ifndef CONFIG_READER_H
#define CONFIG_READER_H

#include "option.h"

#include <yaml.h>

#define SECTION_MOST   32  /* options in one section */
#define READER_QUOTE   64  /* bytes of a file's own words in a message */
#define READER_ALLOWED 160 /* bytes of what is allowed instead */

struct reader {
	yaml_parser_t parser;
	yaml_event_t event; /* the present one */
	struct conf *conf;
	struct errs *errs;
	char path[sizeof(((struct err *)0)->path)];
	uint32_t in_items; /* how many lists deep: load.c's */
	bool stopped;	   /* not YAML, or no memory: there are no more events */
	/* in characters: where the last scalar or bracket ended, the present event's or before */
	size_t content_end, end_before;
};

/* Where the present event stands. */
static inline struct conf_pos reader_at(const struct reader *r)
{
	const yaml_mark_t *m = &r->event.start_mark;

	return (struct conf_pos){(uint32_t)m->line + 1, (uint32_t)m->column + 1};
}

/* Whether a map or list whose end is an event of type `end` goes on. */
static inline bool reader_inside(const struct reader *r, yaml_event_type_t end)
{
	return !r->stopped && r->event.type != end;
}

/* The text of a scalar, NULL of anything else. */
static inline const char *reader_scalar(const struct reader *r)
{
	const yaml_event_t *e = &r->event;

	return e->type == YAML_SCALAR_EVENT ? (const char *)e->data.scalar.value : NULL;
}

/* `key:` with nothing behind it: a list or section all of whose lines are commented out. */
static inline bool reader_nothing(const struct reader *r)
{
	return r->event.type == YAML_SCALAR_EVENT && r->event.data.scalar.length == 0 &&
	       r->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
}

/* To the next event; past the present node, whatever it holds. */
void reader_next(struct reader *r);
void reader_skip(struct reader *r);

/* Appends to the path: text, or an option's name; returns what reader_pop() takes to undo it. */
size_t reader_push(struct reader *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
size_t reader_push_key(struct reader *r, const char *key);
void reader_pop(struct reader *r, size_t length);

/* Adds an error under the present path. */
void reader_wrong(struct reader *r, struct conf_pos at, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* The present event is no value for o: it said `said`, or is no scalar (NULL). */
void reader_wrong_value(
	struct reader *r, const struct option *o, enum value_verdict v, const char *said);
/* The present event is the key `said`, which none of the section's options from `from` on has. */
void reader_wrong_key(struct reader *r, const struct section *s, uint32_t from, const char *said);
/* An option that has to be given is not, in the map at `at`. */
void reader_missing(struct reader *r, const struct option *o, struct conf_pos at);
void reader_no_memory(struct reader *r);

#endif
