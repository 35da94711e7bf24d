/* SPDX-License-Identifier: BSD-3-Clause */
/* A configuration's text with what was added by hand, and files replaced as a whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "conf_text.h"
#include "wire/ip4_addr.h"

#include <dirent.h>
#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define R1 "{prefix: 10.0.0.0/8, via: [198.18.0.1, 198.18.0.2]}"
#define R2 "{prefix: 11.0.0.0/9, blackhole: true, metric: 7}"
#define N1 "{address: 198.18.0.17, port: \"lan\", mac: \"02:00:00:00:00:07\"}"

static struct route_conf routes[] = {
	{.prefix = 10u << 24,
		.depth = 8,
		.kind = ROUTE_VIA,
		.n_via = 2,
		.via = {0xc6120001, 0xc6120002},
		.preference = 1},
	{.prefix = 11u << 24, .depth = 9, .kind = ROUTE_BLACKHOLE, .preference = 1, .metric = 7},
};
static const struct neigh_static statics[] = {
	{.iface = "lan", .addr = 0xc6120011, .mac = {2, 0, 0, 0, 0, 7}},
};

static const struct {
	const char *name, *text, *with;
} cases[] = {
	{"lists that are not there", "system:\n  workers: 1 # one\n# the end\n",
		"system:\n  workers: 1 # one\n"
		"routes:\n  - " R1 "\n  - " R2 "\n"
		"neighbours:\n  static:\n    - " N1 "\n"
		"# the end\n"},
	{"no newline at the end", "system: {}",
		"system: {}\nroutes:\n  - " R1 "\n  - " R2 "\nneighbours:\n  static:\n    - " N1},
	{"lists in blocks",
		"routes:\n"
		"# the first\n"
		"- prefix: 1.0.0.0/8\n"
		"  via: 198.18.0.1 # \xc3\xa9\n"
		"  # not the end\n"
		"neighbours:\n"
		"   age: 5m\n"
		"   static:\n"
		"      - {port: a, address: 1.0.0.1,\n"
		"         mac: \"02:00:00:00:00:01\"} # two lines\n"
		"\n"
		"system: {}\n",
		"routes:\n"
		"# the first\n"
		"- prefix: 1.0.0.0/8\n"
		"  via: 198.18.0.1 # \xc3\xa9\n"
		"- " R1 "\n"
		"- " R2 "\n"
		"  # not the end\n"
		"neighbours:\n"
		"   age: 5m\n"
		"   static:\n"
		"      - {port: a, address: 1.0.0.1,\n"
		"         mac: \"02:00:00:00:00:01\"} # two lines\n"
		"      - " N1 "\n"
		"\n"
		"system: {}\n"},
	{"lists in brackets",
		"neighbours: {static: [ ]}\nroutes: [{prefix: 1.0.0.0/8, blackhole: true}]\n",
		"neighbours: {static: [" N1 ",  ]}\n"
		"routes: [" R1 ", " R2 ", {prefix: 1.0.0.0/8, blackhole: true}]\n"},
	{"lists of nothing", "routes: # none\nneighbours:\n  static:\nsystem: {}\n",
		"routes: [" R1 ", " R2 "] # none\nneighbours:\n  static: [" N1 "]\nsystem: {}\n"},
	{"a section without the list", "neighbours:\n  age: 5m # five\nroutes: []\n",
		"neighbours:\n  age: 5m # five\n  static:\n    - " N1 "\nroutes: [" R1 ", " R2
		", ]\n"},
	{"a section of nothing", "neighbours:\nroutes: []\n",
		"neighbours: {static: [" N1 "]}\nroutes: [" R1 ", " R2 ", ]\n"},
	{"all in braces", "{neighbours: {age: 5m}}",
		"{routes: [" R1 ", " R2 "], neighbours: {static: [" N1 "], age: 5m}}"},
	{"what is there already",
		"routes: [{prefix: 10.0.0.0/8, via: [198.18.0.1, 198.18.0.2]}]\n"
		"neighbours: {static: [{port: lan, address: 198.18.0.17, mac: "
		"\"02:00:00:00:00:07\"}]}\n",
		"routes: [" R2 ", {prefix: 10.0.0.0/8, via: [198.18.0.1, 198.18.0.2]}]\n"
		"neighbours: {static: [{port: lan, address: 198.18.0.17, mac: "
		"\"02:00:00:00:00:07\"}]}\n"},
	{"line ends of another system",
		"routes:\r\n- {prefix: 1.0.0.0/8, blackhole: true}\r\nneighbours: {static: []}\r\n",
		"routes:\r\n- {prefix: 1.0.0.0/8, blackhole: true}\n- " R1 "\n- " R2
		"\r\nneighbours: {static: [" N1 ", ]}\r\n"},
};

static void test_with(void **state)
{
	const struct conf_extra extra = {{2, routes}, 1, statics};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct conf *c = conf_good(cases[i].text), *again;
		struct errs e = {0};
		char *text = conf_with(c, &extra, &e), *twice;

		if (text == NULL || strcmp(text, cases[i].with) != 0)
			fail_msg("%s\ngot\n%s\nwant\n%s", cases[i].name, text, cases[i].with);
		again = conf_good(text);
		twice = conf_with(again, &extra, &e);
		assert_string_equal(twice, text);
		free(twice);
		free(text);
		conf_free(again);
		conf_free(c);
	}
}

static void test_nothing_added(void **state)
{
	static const char odd[] = "? system\n: {}\n"; /* any layout will do */
	const struct conf_extra none = {0};
	struct conf *c = conf_good(odd);
	struct errs e = {0};
	char *text = conf_with(c, &none, &e);

	(void)state;
	assert_string_equal(text, odd);
	free(text);
	conf_free(c);
}

/* What the configuration says otherwise stays as it says, and that is told. */
static void test_what_is_not_saved(void **state)
{
	static const char other[] = "neighbours: {static: [{port: lan, address: 198.18.0.17, mac: "
				    "02:00:00:00:00:09}]}\n";
	const struct conf_extra extra = {{0, NULL}, 1, statics};
	struct conf *c = conf_good(other);
	int out = memfd_create("log", 0), saved = dup(STDERR_FILENO);
	char said[256] = "", *text;
	struct errs e = {0};

	(void)state;
	dup2(out, STDERR_FILENO);
	text = conf_with(c, &extra, &e);
	dup2(saved, STDERR_FILENO);
	assert_true(pread(out, said, sizeof(said) - 1, 0) >= 0);
	close(saved);
	close(out);
	assert_string_equal(text, other);
	assert_non_null(strstr(said, "1 neighbours added by hand are not saved"));
	free(text);
	conf_free(c);
}

static char *contents(const char *file)
{
	struct errs e = {0};
	struct conf *c = conf_load(file, &e);
	char *text = c ? strdup(c->text) : NULL;

	conf_free(c);
	errs_clear(&e);
	return text;
}

static void assert_contents(const char *file, const char *want)
{
	char *text = contents(file);

	assert_non_null(text);
	assert_string_equal(text, want);
	free(text);
}

static void test_store(void **state)
{
	char folder[] = "/tmp/test_config_save.XXXXXX", file[64], link[64];
	struct dirent *entry;
	struct stat st;
	int n = 0;
	DIR *d;

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(file, sizeof(file), "%s/file", folder);
	snprintf(link, sizeof(link), "%s/link", folder);
	assert_int_equal(conf_store(file, "system: {}\n"), 0);
	assert_contents(file, "system: {}\n");
	assert_int_equal(chmod(file, 0600), 0);
	assert_int_equal(symlink("file", link), 0);
	assert_int_equal(conf_store(link, "routes: []\n"), 0);
	assert_contents(file, "routes: []\n");
	assert_int_equal(lstat(link, &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_true(conf_store("/nonexistent/file", "system: {}\n") == -ENOENT);
	d = opendir(folder);
	assert_non_null(d);
	while ((entry = readdir(d)) != NULL)
		n += entry->d_name[0] != '.';
	closedir(d);
	assert_int_equal(n, 2); /* nothing is left beside them */
	unlink(link);
	unlink(file);
	rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_with),
		cmocka_unit_test(test_nothing_added),
		cmocka_unit_test(test_what_is_not_saved),
		cmocka_unit_test(test_store),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
