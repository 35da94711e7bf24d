/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * millctl: the operator's command. Turns words into one call of a method on the control socket, or
 * of a function here, and its result into a table, or prints it as it came (--json).
 */
#include "client.h"
#include "commands.h"
#include "host.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { EXIT_USAGE = 2 };

/* A text up to here goes with the call, where escapes may double it; a larger file the daemon
 * reads, as it does what JSON has no text for. */
#define TEXT_MAX (256u << 10)

struct ctl {
	const char *socket;
	bool json;
	bool all;
	const char *file; /* that the call is about, as the operator named it */
	bool unread;	  /* and which could not be read */
};

/* --- help --- */

static void print_args(FILE *out, const struct command *c)
{
	for (const struct arg *a = c->args; a < c->args + COMMAND_ARGS && a->name != NULL; a++) {
		switch (a->kind) {
		case ARG_PLACE:
		case ARG_NUMBER:
		case ARG_FILE:
			fprintf(out, " %s", a->shown);
			break;
		case ARG_PLACE_MAYBE:
		case ARG_FILE_MAYBE:
			fprintf(out, " [%s]", a->shown);
			break;
		case ARG_WORD:
			fprintf(out, " [%s %s]", a->name, a->shown);
			break;
		case ARG_WORDS:
			fprintf(out, " [%s %s]...", a->name, a->shown);
			break;
		case ARG_FLAG:
			fprintf(out, " [%s]", a->name);
			break;
		case ARG_PLACES:
			fprintf(out, " %s...", a->shown);
			break;
		}
	}
}

static void print_help(FILE *out)
{
	fputs("usage: millctl [--socket PATH] [--json] [--all] COMMAND\n\n", out);
	for (size_t i = 0; i < n_commands; i++) {
		fprintf(out, "  %s", commands[i].words);
		print_args(out, &commands[i]);
		fprintf(out, "\n        %s\n", commands[i].help);
	}
	fprintf(out,
		"\n"
		"  --socket PATH   the daemon's control socket; else MILLRACE_SOCKET, else\n"
		"                  %s\n"
		"  --json          the result as JSON instead of a table\n"
		"  --all           also what is usually left out\n"
		"  --help          this text; with a command, only what is about it\n"
		"\n"
		"Words may be shortened as long as they stay unique: `millctl sh dr`.\n"
		"Exit status: 0, 1 when the daemon refused or is not there, 2 for a wrong command "
		"line.\n",
		CLIENT_SOCKET);
}

static void print_usage(FILE *out, const struct command *c)
{
	fprintf(out, "usage: millctl %s", c->words);
	print_args(out, c);
	fprintf(out, "\n       %s\n", c->help);
}

/* --- words to parameters --- */

/* How many words a command has. */
static int words_of(const struct command *c)
{
	return strchr(c->words, ' ') != NULL ? 2 : 1;
}

/* Whether the one or two words that a command has begin with those given. */
static bool begins(const struct command *c, const char *verb, const char *noun)
{
	size_t n = strlen(verb), first = strcspn(c->words, " ");

	if (n == 0 || n > first || strncmp(c->words, verb, n) != 0)
		return false;
	return noun == NULL || words_of(c) == 1 ||
	       (*noun != 0 && strncmp(c->words + first + 1, noun, strlen(noun)) == 0);
}

/* The command that words mean; NULL after saying why there is none. */
static const struct command *find_command(char **words, int n)
{
	const char *verb = words[0], *noun = n > 1 ? words[1] : NULL;
	const struct command *found = NULL;
	int matches = 0;

	for (size_t i = 0; i < n_commands; i++) {
		if (begins(&commands[i], verb, noun)) {
			found = &commands[i];
			matches++;
		}
	}
	if (matches == 1 && (noun != NULL || words_of(found) == 1))
		return found;
	fprintf(stderr,
		matches == 0 ? "millctl: there is no command `%s%s%s`; millctl --help lists them\n"
			     : "millctl: `%s%s%s` is the beginning of:\n",
		verb, noun != NULL ? " " : "", noun != NULL ? noun : "");
	for (size_t i = 0; i < n_commands; i++) {
		if (matches > 0 && begins(&commands[i], verb, noun)) {
			fprintf(stderr, "  %s", commands[i].words);
			print_args(stderr, &commands[i]);
			fputc('\n', stderr);
		}
	}
	return NULL;
}

/* A number as a number; what is none goes as text, and the daemon says what is allowed. */
static json_t *value_of(const char *word)
{
	char *end;
	long long n;

	errno = 0;
	n = strtoll(word, &end, 10);
	return *word != 0 && *end == 0 && errno == 0 ? json_integer(n) : json_string(word);
}

static const struct arg *keyword(const struct command *c, const char *word)
{
	word += strncmp(word, "--", 2) == 0 ? 2 : 0;
	for (const struct arg *a = c->args; a < c->args + COMMAND_ARGS && a->name != NULL; a++) {
		if (a->kind != ARG_WORD && a->kind != ARG_WORDS && a->kind != ARG_FLAG)
			continue;
		if (strcmp(a->name, word) == 0)
			return a;
	}
	return NULL;
}

/* The next argument that goes by its place and has no value yet. */
static const struct arg *place(const struct command *c, const json_t *params)
{
	for (const struct arg *a = c->args; a < c->args + COMMAND_ARGS && a->name != NULL; a++) {
		if (a->kind == ARG_WORD || a->kind == ARG_WORDS || a->kind == ARG_FLAG)
			continue;
		if (a->kind == ARG_PLACES || json_object_get(params, a->name) == NULL)
			return a;
	}
	return NULL;
}

static void append(json_t *params, const char *name, const char *word)
{
	if (json_object_get(params, name) == NULL)
		json_object_set_new(params, name, json_array());
	json_array_append_new(json_object_get(params, name), json_string(word));
}

/* Reads a file, whole if it has up to TEXT_MAX bytes; NULL with errno. free() it. */
static char *read_file(const char *name, size_t *length)
{
	FILE *in = fopen(name, "r"), *out;
	char buffer[16384], *text = NULL;
	size_t n;
	bool failed;

	if (in == NULL)
		return NULL;
	out = open_memstream(&text, length);
	while (out != NULL && ftell(out) <= TEXT_MAX &&
		(n = fread(buffer, 1, sizeof(buffer), in)) > 0)
		fwrite(buffer, 1, n, out);
	failed = out == NULL || ferror(in) != 0 || fclose(out) != 0;
	fclose(in);
	if (!failed)
		return text;
	free(text);
	return NULL;
}

/*
 * The file's full name, since the daemon has another working directory, and its text, unless it is
 * too long for a request: then the daemon reads it.
 */
static bool add_file(struct ctl *ctl, const struct arg *a, const char *name, json_t *params)
{
	char folder[PATH_MAX] = "", path[2 * PATH_MAX];
	size_t length;
	char *text;

	ctl->file = name;
	if (name[0] != '/' && getcwd(folder, sizeof(folder)) == NULL)
		folder[0] = 0;
	snprintf(path, sizeof(path), "%s%s%s", folder, name[0] != '/' ? "/" : "", name);
	json_object_set_new(params, a->name, json_string(path));
	if (a->kind == ARG_FILE_MAYBE)
		return true;
	text = read_file(name, &length);
	if (text == NULL) {
		fprintf(stderr, "millctl: %s: %s\n", name, strerror(errno));
		ctl->unread = true;
		return false;
	}
	if (length <= TEXT_MAX && memchr(text, 0, length) == NULL)
		json_object_set_new(params, "text", json_stringn(text, length));
	free(text);
	return true;
}

/* Puts one word, with the next if it takes that, into params; returns how many it used, or 0. */
static int add_word(struct ctl *ctl, const struct command *c, char **words, int n, json_t *params)
{
	const struct arg *a = keyword(c, words[0]);

	if (a != NULL && a->kind == ARG_FLAG) {
		json_object_set_new(params, a->name, json_true());
		return 1;
	}
	if (a != NULL && n < 2) {
		fprintf(stderr, "millctl: `%s` needs a value: %s\n", a->name, a->shown);
		return 0;
	}
	if (a != NULL && a->kind == ARG_WORDS) {
		append(params, a->name, words[1]);
		return 2;
	}
	if (a != NULL) {
		json_object_set_new(params, a->name, value_of(words[1]));
		return 2;
	}
	a = strncmp(words[0], "--", 2) == 0 ? NULL : place(c, params);
	if (a == NULL) {
		fprintf(stderr, "millctl: `%s` does not belong here\n", words[0]);
		return 0;
	}
	if (a->kind == ARG_FILE || a->kind == ARG_FILE_MAYBE)
		return add_file(ctl, a, words[0], params);
	if (a->kind == ARG_PLACES)
		append(params, a->name, words[0]);
	else
		json_object_set_new(params, a->name,
			a->kind == ARG_NUMBER ? value_of(words[0]) : json_string(words[0]));
	return 1;
}

/* The parameters that words mean; NULL after saying what is wrong. */
static json_t *make_params(struct ctl *ctl, const struct command *c, char **words, int n)
{
	json_t *params = json_object();
	const struct arg *missing;

	for (int used; n > 0; n -= used, words += used) {
		used = add_word(ctl, c, words, n, params);
		if (used == 0)
			goto wrong;
	}
	missing = place(c, params);
	if (missing == NULL || missing->kind == ARG_PLACE_MAYBE ||
		missing->kind == ARG_FILE_MAYBE || json_object_get(params, missing->name) != NULL)
		return params;
	fprintf(stderr, "millctl: %s is missing\n", missing->shown);
wrong:
	json_decref(params);
	return NULL;
}

/* --- the call --- */

/* Errors of a configuration stand as `millrace --check` prints them. */
static void print_error(const struct ctl *ctl, const json_t *error)
{
	const json_t *list = json_object_get(error, "data");
	const char *message = json_string_value(json_object_get(error, "message"));
	json_t *e;
	size_t i;

	if (!json_is_array(list))
		fprintf(stderr, "millctl: %s\n",
			message != NULL ? message : "error without a message");
	json_array_foreach (list, i, e) {
		const char *path = json_string_value(json_object_get(e, "path"));
		const char *text = json_string_value(json_object_get(e, "text"));
		int line = (int)json_integer_value(json_object_get(e, "line"));

		fputs(ctl->file != NULL ? ctl->file : "configuration", stderr);
		if (line != 0) /* else it stands nowhere in the file */
			fprintf(stderr, ":%d:%d", line,
				(int)json_integer_value(json_object_get(e, "column")));
		fprintf(stderr, ": %s: %s\n", path != NULL ? path : "", text != NULL ? text : "");
	}
}

/* The result, or NULL after saying why there is none. */
static json_t *call(
	const struct ctl *ctl, struct client *client, const struct command *c, json_t *params)
{
	json_t *error;
	json_t *result = client_call(client, c->method, json_incref(params), &error);

	if (result == NULL && error == NULL)
		fprintf(stderr, "millctl: no answer from %s: %s\n", ctl->socket, strerror(errno));
	else if (result == NULL)
		print_error(ctl, error);
	json_decref(error);
	return result;
}

/* Prints a result, which ends here. */
static void print(const struct ctl *ctl, const struct command *c, json_t *result)
{
	if (ctl->json) {
		json_dumpf(result, stdout, JSON_INDENT(2));
		putchar('\n');
	} else {
		c->print(result, ctl->all);
	}
	json_decref(result);
}

/*
 * Whether an answer is a part only; then the call is made to ask for the rest. As JSON, or up to a
 * limit, a part is what was asked for.
 */
static bool asks_on(
	const struct ctl *ctl, const struct command *c, json_t *params, const json_t *result)
{
	json_int_t next = json_integer_value(json_object_get(result, "next"));
	json_int_t offset = json_integer_value(json_object_get(params, "offset"));

	if (ctl->json || json_object_get(params, "limit") != NULL)
		return false;
	if (next != 0)
		json_object_set_new(params, "cursor", json_integer(next));
	if (c->page == 0 || json_array_size(result) < c->page)
		return next != 0;
	json_object_set_new(params, "offset", json_integer(offset + (json_int_t)c->page));
	return true;
}

/* Calls, and prints, till it has everything. */
static int run(
	const struct ctl *ctl, struct client *client, const struct command *c, json_t *params)
{
	bool more;

	do {
		json_t *result = call(ctl, client, c, params);

		if (result == NULL)
			return EXIT_FAILURE;
		more = asks_on(ctl, c, params, result);
		print(ctl, c, result);
	} while (more);
	return EXIT_SUCCESS;
}

/* What needs no daemon. */
static int run_here(const struct ctl *ctl, const struct command *c, const json_t *params)
{
	struct host h;
	json_t *result;

	host_here(&h, ctl->socket);
	result = c->here(&h, params);
	for (char *line = h.why, *end; *line != 0; line = end) {
		end = line + strcspn(line, "\n");
		fprintf(stderr, "millctl: %.*s\n", (int)(end - line), line);
		end += *end != 0;
	}
	if (result == NULL)
		return EXIT_FAILURE;
	print(ctl, c, result);
	return h.status;
}

static int run_there(const struct ctl *ctl, const struct command *c, json_t *params)
{
	struct client *client;
	int status, err = client_open(&client, ctl->socket, CLIENT_TIMEOUT_MS);

	if (err != 0) {
		fprintf(stderr,
			err == -ETIMEDOUT ? "millctl: millrace does not answer on %s: %s\n"
					  : "millctl: no millrace is listening on %s: %s\n",
			ctl->socket, strerror(-err));
		return EXIT_FAILURE;
	}
	status = run(ctl, client, c, params);
	client_close(client);
	return status;
}

static int run_words(struct ctl *ctl, char **words, int n)
{
	const struct command *c = find_command(words, n);
	int used = c != NULL ? words_of(c) : 0, status;
	json_t *params = c != NULL ? make_params(ctl, c, words + used, n - used) : NULL;

	if (ctl->unread)
		return EXIT_FAILURE;
	if (params == NULL) {
		if (c != NULL)
			print_usage(stderr, c);
		return EXIT_USAGE;
	}
	status = c->here != NULL ? run_here(ctl, c, params) : run_there(ctl, c, params);
	json_decref(params);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		fprintf(stderr, "millctl: standard output: %s\n", strerror(errno));
		status = EXIT_FAILURE;
	}
	return status;
}

/* All of it, or what is about the commands that words are the beginning of. */
static int help(char **words, int n)
{
	bool found = false;

	if (n == 0) {
		print_help(stdout);
		return EXIT_SUCCESS;
	}
	for (size_t i = 0; i < n_commands; i++) {
		if (!begins(&commands[i], words[0], n > 1 ? words[1] : NULL))
			continue;
		print_usage(stdout, &commands[i]);
		found = true;
	}
	if (!found)
		find_command(words, n);
	return found ? EXIT_SUCCESS : EXIT_USAGE;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"socket", required_argument, NULL, 's'},
		{"json", no_argument, NULL, 'j'},
		{"all", no_argument, NULL, 'a'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	const char *named = getenv("MILLRACE_SOCKET");
	struct ctl ctl = {.socket = named != NULL && *named != 0 ? named : CLIENT_SOCKET};
	bool wants_help = false;
	int option, n = 0;

	/* words come in their order; behind the first, an option that is not ours is the command's
	 */
	while ((option = getopt_long(argc, argv, "-:s:jah", options, NULL)) != -1) {
		switch (option) {
		case 's':
			ctl.socket = optarg;
			break;
		case 'j':
			ctl.json = true;
			break;
		case 'a':
			ctl.all = true;
			break;
		case 'h':
			wants_help = true;
			break;
		case 1:
			argv[n++] = optarg;
			break;
		default:
			if (option == '?' && optopt == 0 && n > 0) {
				argv[n++] = argv[optind - 1];
				break;
			}
			fprintf(stderr, "millctl: `%s`? millctl --help tells more\n",
				argv[optind - 1]);
			return EXIT_USAGE;
		}
	}
	while (optind < argc) /* behind "--" */
		argv[n++] = argv[optind++];
	if (wants_help)
		return help(argv, n);
	if (n == 0) {
		print_help(stderr);
		return EXIT_USAGE;
	}
	return run_words(&ctl, argv, n);
}
