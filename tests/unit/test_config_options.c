/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of options: each row fits its member, its default and its range; and the reference. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "conf_text.h"
#include "option.h"

#include <inttypes.h>

/* Room for any item's struct. */
union item {
	struct conf conf;
	struct port_conf port;
	struct iface_conf iface;
	struct route_conf route;
};

typedef void row_fn(const struct section *s, const struct option *o);

/* Every row of the table, those inside of others too. */
static void each_row(const struct section *s, row_fn *fn)
{
	for (const struct option *o = s->options; o < s->options + s->n; o++) {
		fn(s, o);
		if (o->of)
			each_row(o->of, fn);
		if (o->alone && o->alone != o->of->options)
			fn(NULL, o->alone); /* a value, but no row */
	}
}

static bool is_number(const struct option *o)
{
	return (o->type == NUMBER || o->type == SIZE || o->type == TIME) && o->max;
}

/* A number as the option's file has it, in the smallest unit. */
static enum value_verdict parse_number(const struct option *o, uint64_t v, void *item)
{
	char text[64];

	snprintf(text, sizeof(text), "%" PRIu64 "%s", v, o->type == TIME ? "ms" : "");
	return value_parse(o, text, item);
}

static void check_range(const struct section *s, const struct option *o)
{
	union item item = {0};

	(void)s;
	if (!is_number(o))
		return;
	if ((o->size < 8 && o->max >> 8 * o->size) || o->min > o->max)
		fail_msg("%s: its range does not fit its member", o->key);
	assert_int_equal(parse_number(o, o->min, &item), VALUE_OK);
	assert_int_equal(parse_number(o, o->max, &item), VALUE_OK);
	assert_int_equal(parse_number(o, o->max + 1, &item), VALUE_RANGE);
	if (o->min && parse_number(o, o->min - 1, &item) != VALUE_RANGE)
		fail_msg("%s: takes %" PRIu64, o->key, o->min - 1);
	assert_int_equal(value_parse(o, "99999999999999999999", &item), VALUE_RANGE);
	assert_int_equal(value_parse(o, "", &item), VALUE_FORM);
	assert_int_equal(value_parse(o, "-1", &item), VALUE_FORM);
}

static void test_ranges(void **state)
{
	(void)state;
	each_row(&conf_section, check_range);
}

/* Values come back as the text that they came from: that is how defaults are told. */
static void check_same(const struct option *o, const char *said)
{
	union item item = {0};
	char text[VALUE_TEXT];

	if (value_parse(o, said, &item) != VALUE_OK)
		fail_msg("%s: `%s` is refused", o->key, said);
	if (strcmp(value_text(o, &item, text), said) != 0)
		fail_msg("%s: `%s` became `%s`", o->key, said, text);
}

static void check_texts(const struct section *s, const struct option *o)
{
	(void)s;
	if (!option_is_scalar(o))
		return;
	if (o->def)
		check_same(o, o->def);
	if (o->example)
		check_same(o, o->example);
	for (const struct word *w = o->words; w && w->name; w++)
		check_same(o, w->name);
}

static void test_texts(void **state)
{
	(void)state;
	each_row(&conf_section, check_texts);
}

static void check_row(const struct section *s, const struct option *o)
{
	bool in_item = s && s->size && !s->scalar;

	if (s == NULL)
		return;
	if (s->n > 32)
		fail_msg("%s: more than 32 options in its section", o->key);
	if (option_is_scalar(o) && !o->def && !o->required && !o->choice && !s->scalar)
		fail_msg("%s: neither a default nor needed", o->key);
	if (o->required && !in_item && s->size == 0 && strcmp(o->key, "iface") != 0)
		fail_msg("%s: nothing outside of lists is needed", o->key);
	if (!s->scalar && (!o->help || strlen(o->help) > 95))
		fail_msg("%s: a sentence of help", o->key);
	if (o->type == LIST && !o->array && o->size != sizeof(void *))
		fail_msg("%s: not a pointer to its items", o->key);
	if (o->array && o->size != o->max * o->of->size)
		fail_msg("%s: not an array of its items", o->key);
}

static void test_rows(void **state)
{
	(void)state;
	each_row(&conf_section, check_row);
}

static char *reference(void)
{
	char *text = calloc(1, 65536);
	FILE *out = fmemopen(text, 65536, "w");

	assert_non_null(out);
	conf_reference(out);
	assert_int_equal(fclose(out), 0);
	return text;
}

/* The reference is a good configuration: nothing but its examples is not at its default. */
static void test_reference(void **state)
{
	struct conf *plain = conf_good("system:\n"), *c;
	char *text = reference(), *diff;
	struct errs e = {0};

	(void)state;
	for (char *line = text, *end; (end = strchr(line, '\n')) != NULL; line = end + 1)
		if (end - line > 100)
			fail_msg("a line of more than 100 letters: %.40s", line);
	c = conf_good(text);
	conf_check(c, NULL, &e);
	if (e.n)
		fail_msg("%s", conf_errors(&e));
	diff = conf_diff(plain, c);
	assert_string_equal(diff,
		"+ balancers.masquerades.home.inside: 198.18.1.0/24\n"
		"+ balancers.masquerades.home.out: lan\n"
		"+ balancers.pools.inner.addresses: [198.18.0.110]\n"
		"+ balancers.services.shop.acl[198.18.0.0/24]: {}\n"
		"+ balancers.services.shop.address: 198.18.0.100\n"
		"+ balancers.services.shop.backends[198.18.1.1]: {}\n"
		"+ balancers.services.shop.port: 80\n"
		"+ neighbours.static[198.18.0.9]: {port: \"lan\", mac: \"02:00:00:00:00:09\"}\n"
		"+ ports.lan.addresses: [198.18.0.254/24]\n"
		"+ ports.lan.tap.iface: \"lan0\"\n"
		"+ ports.lan.vlans.10.addresses: [198.18.10.254/24]\n"
		"+ rarp[02:00:00:00:00:0a]: {address: 198.18.0.10}\n"
		"+ routes[0.0.0.0/0]: {via: 198.18.0.1}\n"
		"+ services.echo.kind: tcp-echo\n"
		"+ services.echo.listen: \"0.0.0.0:7\"\n"
		"- system.loopback: []\n"
		"+ system.loopback: [198.18.255.1]\n");
	free(diff);
	free(text);
	conf_free(c);
	conf_free(plain);
}

/* Turns the option that begins with `in` from a comment into an option, and `out` the other way. */
static void swap_comment(char *text, const char *out, const char *in)
{
	char *line = strstr(text, in);

	assert_non_null(line);
	line = strchr(line, '#');
	memmove(line, line + 1, strlen(line));
	line = strstr(text, out);
	assert_non_null(line);
	do { /* what hangs off it, too */
		line[strspn(line, " ")] = '#';
		line = strchr(line, '\n') + 1;
	} while (strncmp(line, "      ", 6) == 0);
}

/* What the reference shows as comments loads as well, in place of what it stands beside. */
static void test_reference_comments(void **state)
{
	static const struct {
		const char *out, *in;
	} cases[] = {
		{"    tap:\n", "    #pci: "},
		{"    tap:\n", "    #vdev: "},
		{"    via: ", "    #blackhole: "},
		{"    via: ", "    #unreachable: "},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *text = reference();

		swap_comment(text, cases[i].out, cases[i].in);
		conf_free(conf_good(text));
		free(text);
	}
}

/* The data path's own defaults, for programs without a configuration, are the table's. */
static void test_same_defaults(void **state)
{
	struct conf *c = conf_good("system:\n");

	(void)state;
	assert_memory_equal(&c->set, &net_settings_default, sizeof(c->set));
	assert_memory_equal(&c->system.limits, &net_limits_default, sizeof(c->system.limits));
	conf_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_reference),
		cmocka_unit_test(test_reference_comments),
		cmocka_unit_test(test_same_defaults),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
