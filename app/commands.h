/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * commands: what millctl understands, in one list: words, the method or function they call, how
 * their arguments become its parameters, and how its result is printed. Help derives from it.
 */
#ifndef APP_COMMANDS_H
#define APP_COMMANDS_H

#include <jansson.h>

#include <stdbool.h>
#include <stddef.h>

#define COMMAND_ARGS 8

enum arg_kind {
	ARG_PLACE,	 /* PREFIX: by its place */
	ARG_NUMBER,	 /* the same, a number */
	ARG_PLACE_MAYBE, /* the same, may be left out */
	ARG_WORD,	 /* `metric N`: a keyword and a value */
	ARG_WORDS,	 /* `via GW`: may come several times */
	ARG_FLAG,	 /* `blackhole`: a keyword by itself; `--blackhole` does as well */
	ARG_PLACES,	 /* ADDRESS...: all that have no other place, one at least */
	ARG_FILE,	 /* by its place: a file, whose name and text are sent */
	ARG_FILE_MAYBE,	 /* by its place: a file that the daemon writes; its name is sent */
};

struct arg {
	const char *name; /* the parameter's, and the keyword */
	enum arg_kind kind;
	const char *shown; /* the value in a usage line: "GW" */
};

struct host;

struct command {
	const char *words; /* "route add", or one: "doctor" */
	const char *help;
	const char *method; /* of the daemon's; NULL: `here` does it */
	/* all: the operator asked for what is usually left out, --all */
	void (*print)(const json_t *result, bool all);
	struct arg args[COMMAND_ARGS]; /* up to the first without a name */
	size_t page;		       /* rows of the longest list; more are had by `offset` */
	/* What needs no daemon: its result, or NULL with sentences in h->why. */
	json_t *(*here)(struct host *h, const json_t *params);
};

extern const struct command commands[];
extern const size_t n_commands;

#endif
