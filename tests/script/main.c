/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * script: runs the cases of script files, `case NAME` to the next `case`, or of a table (.matrix).
 *
 * Prints what cmocka would (tests/support/cmocka_counts.py counts them). Exit status 0: all passed.
 *
 *   script FILE... [-k WORD]   only cases whose name contains WORD
 */
#include "script.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static const char *only;
static int passed, failed;

static void run_case(const char *name, const char *file, int line, const char *text)
{
	char plain[128];
	bool good;

	if (only != NULL && strstr(name, only) == NULL)
		return;
	snprintf(plain, sizeof(plain), "%s", name);
	for (char *p = plain; *p != 0; p++)
		if (isspace((unsigned char)*p))
			*p = '_';
	printf("[ RUN      ] %s\n", plain);
	fflush(stdout);
	good = script_run(file, line, text, text + strlen(text));
	printf("[ %s ] %s\n", good ? "      OK" : " FAILED ", plain);
	passed += good;
	failed += !good;
}

static char *read_all(const char *name)
{
	FILE *f = fopen(name, "r");
	long len = f != NULL && fseek(f, 0, SEEK_END) == 0 ? ftell(f) : -1;
	char *text = len < 0 ? NULL : calloc(1, (size_t)len + 1);

	if (text == NULL || fseek(f, 0, SEEK_SET) != 0 ||
		fread(text, 1, (size_t)len, f) != (size_t)len) {
		perror(name);
		exit(2);
	}
	fclose(f);
	return text;
}

static int lines_in(const char *from, const char *to)
{
	int n = 0;

	for (; from < to; from++)
		n += *from == '\n';
	return n;
}

/* The next line that begins with "case ", or NULL. */
static char *next_case(char *at)
{
	if (strncmp(at, "case ", 5) == 0)
		return at;
	at = strstr(at, "\ncase ");
	return at == NULL ? NULL : at + 1;
}

static void run_cases(const char *file, char *text)
{
	char *at = next_case(text), *counted = text;
	int line = 1;

	while (at != NULL) {
		char *body = strchr(at, '\n'), *next = body == NULL ? NULL : next_case(body);
		char name[120];

		if (body == NULL)
			return;
		line += lines_in(counted, at);
		counted = at;
		snprintf(name, sizeof(name), "%.*s", (int)(body - at - 5), at + 5);
		if (next != NULL)
			next[-1] = 0;
		run_case(name, file, line + 1, body + 1);
		if (next != NULL)
			next[-1] = '\n';
		at = next;
	}
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], "-k") == 0 && i + 1 < argc)
			only = argv[i + 1];
	for (int i = 1; i < argc; i++) {
		size_t len = strlen(argv[i]);
		char *text;

		if (strcmp(argv[i], "-k") == 0) {
			i++;
			continue;
		}
		text = read_all(argv[i]);
		if (len > 7 && strcmp(argv[i] + len - 7, ".matrix") == 0)
			matrix_cases(argv[i], text, run_case);
		else
			run_cases(argv[i], text);
		free(text);
	}
	printf("[==========] %d cases run, %d passed, %d failed.\n", passed + failed, passed,
		failed);
	return failed != 0 || passed == 0;
}
