/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * option: what may stand in a configuration: the form of the one table in options.c.
 *
 * A section is a map in the file and a struct in memory; its options name the struct's members.
 * The top section describes struct conf, and the sections in it that are no lists still describe
 * the same struct. Everything that reads or writes configurations walks this table.
 *
 * Scalars are read by what the option is, never by what YAML takes them for: `off` is a word
 * where the option lists it, booleans are true and false alone, numbers are decimal, and quotes
 * make no difference.
 */
#ifndef CONFIG_OPTION_H
#define CONFIG_OPTION_H

#include "config/conf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define PORT_NAME_MOST 25 /* letters: with ".65535" behind it, it fits an interface's name */

enum option_type {
	BOOLEAN,
	NUMBER,	  /* min..max, or one of `words`; words alone when max is 0 */
	SIZE,	  /* bytes: 512M; min..max, or one of `words` */
	TIME,	  /* in the struct: milliseconds; in the file with its unit: 90s */
	TEXT,	  /* a string that fits the member */
	NAME,	  /* letters, digits, - and _ */
	MAC,	  /* six bytes; a word means zero */
	ADDRESS,  /* host order */
	PREFIX,	  /* an address and, in the byte after it, a length; no bit beyond it */
	NETWORK,  /* the same for an interface: its own address and the network's length */
	ENDPOINT, /* an address and, in the two bytes after it, a port */
	PORTS,	  /* a port and, in the two bytes after it, the last of a range; a word: all. With
		   * a max: numbers of min..max */
	MAP,	  /* section `of`, in the same struct */
	LIST,	  /* items of section `of` */
	NAMED, /* the same as a map by the items' first option, or as a list that has it inside */
};

struct word {
	const char *name;
	uint64_t value;
};

struct option {
	const char *key;
	enum option_type type;
	uint32_t offset, size; /* of the member; of a list's pointer or array */
	const char *def;       /* as a file would have it; NULL: no default */
	uint64_t min, max;     /* of a list: how many items, 0 = any number */
	const struct word *words;
	const struct section *of;
	uint32_t count; /* offset of a list's number of items */
	bool array;	/* the member holds the items, and does not point to them */
	bool required;	/* in each item */
	bool restart;	/* is not changed while the process runs */
	bool aside;	/* a comment in the reference, whose example it does not fit */
	uint8_t choice; /* one more than the value it sets: exactly one of these is given */
	uint8_t spot;	/* enum spot: where conf_with() adds, 0 = nowhere */
	/* what a scalar in the place of a list means; one of `of`: the one item */
	const struct option *alone;
	const char *example; /* for the reference, where there is no default */
	const char *unit;    /* "bytes", "a second" */
	const char *help;    /* one sentence */
};

struct section {
	const struct option *options;
	uint32_t n;
	uint32_t size;	 /* of an item's struct; 0 of sections that are no items */
	bool scalar;	 /* an item is the first option's value, not a map */
	uint32_t choice; /* offset of the enum that options with a choice set */
	bool placed;	 /* the item's struct begins with its struct conf_pos */
};

enum spot { SPOT_NONE, SPOT_TOP, SPOT_ROUTES, SPOT_NEIGHBOURS, SPOT_STATIC, SPOTS };

/* Where something can be added to a list or map of the text. */
struct conf_spot {
	enum { SPOT_ABSENT, SPOT_BLOCK, SPOT_FLOW, SPOT_EMPTY } style;
	size_t at;	 /* in characters: after its first bracket, last item, or key */
	uint32_t column; /* SPOT_BLOCK: where its items begin, from 0 */
};

/* --- what tables are written in --- */

/* clang-format off */
#define AT(type, member) offsetof(type, member), sizeof(((type *)0)->member)
#define COUNT(type, member) .count = offsetof(type, member)
#define SECTION(list) .options = list, .n = sizeof(list) / sizeof((list)[0])
#define WORDS(...) .words = (const struct word[]){__VA_ARGS__, {NULL, 0}}
#define CHOICE(value) .choice = (value) + 1
/* clang-format on */

/* The top section: struct conf. */
extern const struct section conf_section;
/* Items of the lists that can be added to at run time. */
extern const struct section conf_route_section, conf_neighbour_section;
/* Virtual services, and their backends (balancers.c). */
extern const struct section conf_balancers_section, conf_backend_section;

/* Whether it is a list, a map, or a value. */
static inline bool option_is_scalar(const struct option *o)
{
	return o->type < MAP;
}

/* --- a configuration in memory (conf.c) --- */

/* Lives as long as the configuration; zeroed, aligned to 8 bytes. NULL: there is no memory. */
void *conf_alloc(struct conf *c, size_t size);

/* Notes for conf_at() where an option stands. False: there is no memory. */
bool conf_note(struct conf *c, const char *path, struct conf_pos at);

/* The text from its character `index` on; its end, if it has fewer. */
const char *conf_char(const struct conf *c, size_t index);

/* --- reading (load.c) --- */

/*
 * c->text into the rest of c, which has only the text yet; errors into e, in no order. False: it
 * was not read to its end.
 */
bool load_text(struct conf *c, struct errs *e);

/* --- checks (check.c) --- */

/*
 * Of a configuration whose reading found the errors of e from `before` on: the checks of sections
 * without any, so that all is said at once and nothing that follows from what was said.
 */
void conf_check_half(const struct conf *c, struct errs *e, size_t before);

/* --- values (value.c) --- */

#define VALUE_TEXT 256 /* bytes that any value's text takes at most, but for TEXT's escapes */

enum value_verdict {
	VALUE_OK,
	VALUE_FORM,	 /* not of the type's form */
	VALUE_RANGE,	 /* beyond min..max */
	VALUE_LONG,	 /* does not fit */
	VALUE_HOST_BITS, /* a prefix with bits beyond its length */
};

/* Writes the member of the struct at base; with any verdict but VALUE_OK it is untouched. */
enum value_verdict value_parse(const struct option *o, const char *text, void *base);

/* The member's value as value_parse() takes it; returns text. */
char *value_text(const struct option *o, const void *base, char text[VALUE_TEXT]);

/* What is allowed: "68 to 9600 bytes, or auto". */
void value_allowed(const struct option *o, FILE *out);

/* All of a section's defaults, into its struct. */
void section_defaults(const struct section *s, void *base);

/* --- backends as they run (restate.c) --- */

/* c with what extra says of backends in its text; conf_free() it. NULL with the reason in e. */
struct conf *restate(const struct conf *c, const struct conf_extra *extra, struct errs *e);

/* --- lists --- */

uint32_t list_count(const struct option *o, const void *base);
void *list_item(const struct option *o, const void *base, uint32_t i);

/* --- as text (text.c) --- */

/* A value's text as YAML: in quotes where its type needs them. */
void text_scalar(const struct option *o, const char *text, FILE *out);
/* A scalar, or a list of scalars, on one line. */
void text_value(const struct option *o, const void *base, FILE *out);
/* An item of a list on one line: options from `from` on, without those at their defaults. */
void text_item(const struct section *s, const void *item, uint32_t from, FILE *out);
/* Whether an option's value is what it would be without it. */
bool text_is_default(const struct option *o, const void *base);
/* Whether an option with a choice is the one chosen; others always are. */
bool text_is_chosen(const struct section *s, const struct option *o, const void *base);

#endif
