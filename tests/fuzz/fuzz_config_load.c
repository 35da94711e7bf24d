/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A configuration of anything: it is read, or every error stands somewhere in it and is text; what
 * was read and checked means the same when it is saved and read again.
 */
#include "config/conf.h"
#include "exact.h"
#include "property.h"

#include <string.h>

#define ADDR 0xc61200c8 /* 198.18.0.200 */

/* How long the UTF-8 sequence is that a byte begins; 0: none. */
static size_t sequence(uint8_t lead)
{
	return lead < 0x80 ? 1 : lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
}

/* JSON takes nothing else: an error that was cut inside a character would never be seen. */
static bool is_text(const char *s)
{
	for (size_t n; *s; s += n) {
		n = sequence((uint8_t)*s);
		if (n == 0)
			return false;
		for (size_t i = 1; i < n; i++)
			if ((s[i] & 0xc0) != 0x80)
				return false;
	}
	return true;
}

static uint32_t count_lines(const uint8_t *data, size_t size)
{
	uint32_t n = 1;

	for (size_t i = 0; i < size; i++) /* YAML knows more breaks than these; not fewer lines */
		n += data[i] == '\n' || data[i] == '\r' || data[i] >= 0x80;
	return n;
}

static void check_errors(const struct errs *e, uint32_t lines)
{
	for (size_t i = 0; i < e->n; i++) {
		const struct err *x = &e->list[i];

		HOLDS(x->at.line >= 1 && x->at.line <= lines + 1 && x->at.column >= 1);
		HOLDS(x->path[0] && x->text[0] && is_text(x->path) && is_text(x->text));
		HOLDS(i == 0 || x[-1].at.line <= x->at.line);
	}
}

static void check_same(const struct conf *a, const struct conf *b)
{
	char *diff = conf_diff(a, b);

	HOLDS(diff && diff[0] == '\0');
	free(diff);
}

/* Saved with nothing added it is the same; with a route and a neighbour, it is read again. */
static void save(const struct conf *c)
{
	struct route_conf route = {.prefix = 0xc6140000, .depth = 16, .kind = ROUTE_BLACKHOLE};
	struct neigh_static neighbour = {.addr = ADDR, .iface = "lan", .mac = {2, 0, 0, 0, 0, 9}};
	struct conf_extra extra = {0};
	struct errs e = {0};
	char *text = conf_with(c, &extra, &e);
	struct conf *again = text ? conf_parse("saved", text, strlen(text), &e) : NULL;

	HOLDS(again && e.n == 0);
	check_same(c, again);
	conf_free(again);
	free(text);
	extra = (struct conf_extra){{1, &route}, 1, &neighbour};
	text = conf_with(c, &extra, &e);
	HOLDS((text == NULL) == (e.n > 0));
	free(text);
	errs_clear(&e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = exact_copy(data, size);
	uint32_t lines = count_lines(data, size);
	struct errs e = {0};
	struct conf *c = conf_parse("fuzz", text, size, &e);

	free(text);
	HOLDS((c == NULL) == (e.n > 0));
	if (c) {
		conf_check(c, NULL, &e);
		save(c);
		check_same(c, c);
	}
	check_errors(&e, lines);
	errs_clear(&e);
	conf_free(c);
	return 0;
}
