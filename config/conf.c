/* SPDX-License-Identifier: BSD-3-Clause */
/* conf: a configuration's birth from a file, its memory and its end; the contract is in conf.h. */
#include "option.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MOST (1u << 28) /* bytes: millions of routes, but no device file by mistake */

struct conf_memory {
	struct conf_memory *next;
	uint64_t bytes[];
};

struct conf_note {
	struct conf_note *next;
	struct conf_pos at;
	char path[];
};

void *conf_alloc(struct conf *c, size_t size)
{
	struct conf_memory *m = calloc(1, sizeof(*m) + size);

	if (m == NULL)
		return NULL;
	m->next = c->memory;
	c->memory = m;
	return m->bytes;
}

bool conf_note(struct conf *c, const char *path, struct conf_pos at)
{
	size_t length = strlen(path) + 1;
	struct conf_note *n = conf_alloc(c, sizeof(*n) + length);

	if (n == NULL)
		return false;
	n->next = c->notes;
	n->at = at;
	memcpy(n->path, path, length);
	c->notes = n;
	return true;
}

struct conf_pos conf_at(const struct conf *c, const char *path)
{
	for (const struct conf_note *n = c->notes; n; n = n->next)
		if (strcmp(n->path, path) == 0)
			return n->at;
	return (struct conf_pos){0};
}

const char *conf_char(const struct conf *c, size_t index)
{
	const char *at = c->text, *end = c->text + c->length;

	for (; index && at < end; index--)
		do
			at++;
		while (at < end && (*at & 0xc0) == 0x80);
	return at;
}

/* What follows from what was read. */
static void settle(struct conf *c)
{
	const char *slash = strrchr(c->file, '/');

	snprintf(c->services.directory, sizeof(c->services.directory), "%.*s",
		slash ? (int)(slash - c->file + 1) : 0, c->file);
	for (uint32_t k = 0; k < c->ports.n; k++) {
		struct port_conf *p = &c->ports.list[k];

		for (uint32_t i = 0; i < p->n_vlans; i++)
			snprintf(p->vlans[i].name, IFACE_NAME, "%.*s.%u", PORT_NAME_MOST,
				p->iface.name, p->vlans[i].vlan);
	}
	for (uint32_t i = 0; i < c->balancers.n_services; i++)
		if (c->balancers.services[i].port == 0) /* any */
			c->balancers.services[i].last_port = UINT16_MAX;
	for (uint32_t i = 0; i < c->ports.n_loopback; i++)
		c->ports.loopback[i].depth = 32;
}

/* Takes over text, which malloc() gave. */
static struct conf *parse(const char *file, char *text, size_t length, struct errs *e)
{
	struct conf *c = calloc(1, sizeof(*c));
	size_t before = e->n;

	if (c) {
		c->text = text;
		c->length = length;
		snprintf(c->file, sizeof(c->file), "%s", file);
		c->spots = conf_alloc(c, SPOTS * sizeof(*c->spots));
	}
	if (c == NULL || c->spots == NULL) {
		errs_add(e, (struct conf_pos){0}, "file", "no memory to read it");
	} else {
		bool whole = load_text(c, e);

		settle(c);
		if (whole && e->n > before)
			conf_check_half(c, e, before);
		errs_sort(e);
	}
	if (e->n == before)
		return c;
	if (c)
		conf_free(c);
	else
		free(text);
	return NULL;
}

struct conf *conf_parse(const char *file, const char *text, size_t length, struct errs *e)
{
	char *copy = malloc(length + 1);

	if (copy == NULL) {
		errs_add(e, (struct conf_pos){0}, "file", "no memory to read it");
		return NULL;
	}
	memcpy(copy, text, length);
	copy[length] = '\0';
	return parse(file, copy, length, e);
}

/* All of an open file, with a 0 behind it. NULL, errno set. */
static char *slurp(FILE *in, size_t *length)
{
	char *text = NULL, *grown;
	size_t n = 0, room = 0;

	do {
		if (n == room) {
			room = room ? 2 * room : 1 << 16;
			if (room > FILE_MOST)
				errno = EFBIG;
			grown = room > FILE_MOST ? NULL : realloc(text, room + 1);
			if (grown == NULL) {
				free(text);
				return NULL;
			}
			text = grown;
		}
		n += fread(text + n, 1, room - n, in);
	} while (!feof(in) && !ferror(in));
	if (ferror(in)) {
		free(text);
		return NULL;
	}
	text[n] = '\0';
	*length = n;
	return text;
}

struct conf *conf_load(const char *file, struct errs *e)
{
	FILE *in = fopen(file, "re");
	size_t length = 0;
	char *text = in ? slurp(in, &length) : NULL;
	int why = errno;

	if (in)
		fclose(in);
	if (text == NULL) {
		errs_add(e, (struct conf_pos){0}, "file", "cannot be read: %s", strerror(why));
		return NULL;
	}
	return parse(file, text, length, e);
}

void conf_free(struct conf *c)
{
	if (c == NULL)
		return;
	for (struct conf_memory *m = c->memory, *following; m; m = following) {
		following = m->next;
		free(m);
	}
	free(c->text);
	free(c);
}

void conf_print_errors(FILE *out, const char *file, const struct errs *e)
{
	for (const struct err *x = e->list; x < e->list + e->n; x++)
		if (x->at.line)
			fprintf(out, "%s:%u:%u: %s: %s\n", file, x->at.line, x->at.column, x->path,
				x->text);
		else
			fprintf(out, "%s: %s: %s\n", file, x->path, x->text);
}
