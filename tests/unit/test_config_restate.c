/* SPDX-License-Identifier: BSD-3-Clause */
/* A configuration's text with the weights and states that backends have by an operator's word. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "conf_text.h"

#define SERVICE "address: 198.18.0.100, port: 80, backends: "

/* What is said of the n-th backend; weight or admin -1: nothing. */
struct said {
	int nth, weight, admin;
};

static const struct {
	const char *name, *text, *with;
	struct said said[3]; /* weight 0 and admin 0 end the list */
} cases[] = {
	{"keys that are not there, in brackets",
		"balancers: {services: {a: {" SERVICE "[{address: 198.18.1.1, port: 8001}, "
		"{ address: 198.18.1.2 }, {address: 198.18.1.3,}]}}}\n",
		"balancers: {services: {a: {" SERVICE "[{address: 198.18.1.1, port: 8001, weight: "
		"7}, { address: 198.18.1.2, state: drain }, {address: 198.18.1.3, weight: 256, "
		"state: maintenance,}]}}}\n",
		{{0, 7, -1}, {1, -1, LB_DRAIN}, {2, 256, LB_MAINTENANCE}}},
	{"keys that are there",
		"balancers: {services: {a: {" SERVICE "[{weight: 3, address: 198.18.1.1, state: "
		"\"drain\"}, {address: 198.18.1.2, weight: 0 }]}}}\n",
		"balancers: {services: {a: {" SERVICE "[{weight: 20, address: 198.18.1.1, state: "
		"enabled}, {address: 198.18.1.2, weight: 1 }]}}}\n",
		{{0, 20, LB_ENABLED}, {1, 1, -1}}},
	{"lines of their own, comments, and services by a list",
		"# f\xc3\xbcr\n"
		"balancers:\n"
		"  services:\n"
		"  - name: a\n"
		"    address: 198.18.0.100\n"
		"    port: 80\n"
		"    backends:\n"
		"    - address: 198.18.1.1 # \xc3\xa9\n"
		"      # the second\n"
		"    -   weight: 2 # half\n"
		"        address: 198.18.1.2\n"
		"\n"
		"  - {name: b, address: 198.18.0.101, port: 80, backends: [{address: "
		"198.18.1.3}]} # b\n"
		"system: {} # last\n",
		"# f\xc3\xbcr\n"
		"balancers:\n"
		"  services:\n"
		"  - name: a\n"
		"    address: 198.18.0.100\n"
		"    port: 80\n"
		"    backends:\n"
		"    - address: 198.18.1.1 # \xc3\xa9\n"
		"      weight: 5\n"
		"      state: drain\n"
		"      # the second\n"
		"    -   weight: 1 # half\n"
		"        address: 198.18.1.2\n"
		"        state: maintenance\n"
		"\n"
		"  - {name: b, address: 198.18.0.101, port: 80, backends: [{address: "
		"198.18.1.3, state: drain}]} # b\n"
		"system: {} # last\n",
		{{0, 5, LB_DRAIN}, {1, 1, LB_MAINTENANCE}, {2, -1, LB_DRAIN}}},
	{"no newline at the end",
		"balancers:\n  services:\n    a:\n      address: 198.18.0.100\n      port: 80\n"
		"      backends:\n      - address: 198.18.1.1",
		"balancers:\n  services:\n    a:\n      address: 198.18.0.100\n      port: 80\n"
		"      backends:\n      - address: 198.18.1.1\n        weight: 9",
		{{0, 9, -1}}},
	{"line ends of another system",
		"balancers:\r\n  services:\r\n    a:\r\n      address: 198.18.0.100\r\n"
		"      port: 80\r\n      backends:\r\n      - address: 198.18.1.1\r\n"
		"      - {address: 198.18.1.2}\r\n",
		"balancers:\r\n  services:\r\n    a:\r\n      address: 198.18.0.100\r\n"
		"      port: 80\r\n      backends:\r\n      - address: 198.18.1.1\n"
		"        state: drain\r\n      - {address: 198.18.1.2, weight: 2}\r\n",
		{{0, -1, LB_DRAIN}, {1, 2, -1}}},
};

/* The n-th of all. */
static struct lb_backend_conf *backend(struct conf *c, int nth)
{
	struct lb_service_conf *s = c->balancers.services;

	for (; nth >= (int)s->n_backends; s++)
		nth -= (int)s->n_backends;
	return &s->backends[nth];
}

static char *restated(struct conf *c, const struct said *said, struct errs *e)
{
	struct lb_backend_conf list[3];
	struct conf_extra extra = {.backends = list};

	for (; extra.n_backends < 3 && (said->weight != 0 || said->admin != 0); said++) {
		struct lb_backend_conf *x = &list[extra.n_backends++];

		*x = *backend(c, said->nth);
		x->weight = said->weight < 0 ? x->weight : (uint16_t)said->weight;
		x->admin = said->admin < 0 ? x->admin : (enum lb_admin)said->admin;
	}
	return conf_with(c, &extra, e);
}

static void test_restated(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct conf *c = conf_good(cases[i].text);
		struct errs e = {0};
		char *text = restated(c, cases[i].said, &e);

		if (text == NULL || strcmp(text, cases[i].with) != 0)
			fail_msg("%s\ngot\n%s\nwant\n%s", cases[i].name, text, cases[i].with);
		free(text);
		conf_free(c);
	}
}

/* Beside routes and neighbours, of which each has its place. */
static void test_with_routes(void **state)
{
	static const char text[] = "routes: [] # none\nbalancers: {services: {a: {" SERVICE
				   "[{address: 198.18.1.1}]}}}\nneighbours: {}\n";
	struct route_conf route = {
		.prefix = 11u << 24, .depth = 8, .kind = ROUTE_BLACKHOLE, .preference = 1};
	struct conf *c = conf_good(text);
	struct lb_backend_conf b = *backend(c, 0);
	const struct conf_extra extra = {{1, &route}, 0, NULL, 1, &b};
	struct errs e = {0};
	char *got;

	(void)state;
	b.admin = LB_DRAIN;
	got = conf_with(c, &extra, &e);
	assert_string_equal(got,
		"routes: [{prefix: 11.0.0.0/8, blackhole: true}, ] # none\nbalancers: {services: "
		"{a: {" SERVICE "[{address: 198.18.1.1, state: drain}]}}}\nneighbours: {}\n");
	free(got);
	conf_free(c);
}

/* What could not be started from, or does not fit, is told, and nothing comes out. */
static const struct {
	const char *text, *errors;
	struct said said;
} refused[] = {
	{"balancers: {services: {a: {" SERVICE "[{address: 198.18.1.1}]}}}\n",
		"t:1:24: balancers.services.a.backends: all have weight 0; at least one with 1 to "
		"256 is needed (state: drain is for all)\n",
		{0, 0, LB_DRAIN}},
	{"balancers: {services: {a: {address: 198.18.0.100, port: 80, backends: [address: "
	 "198.18.1.1]}}}\n",
		"t: file: its layout does not take what was said of backends; give each a map of "
		"the usual form\n",
		{0, -1, LB_DRAIN}},
};

static void test_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		struct conf *c = conf_good(refused[i].text);
		const struct said said[2] = {refused[i].said};
		struct errs e = {0};
		char *got = restated(c, said, &e), *errors = conf_errors(&e);

		assert_null(got);
		assert_string_equal(errors, refused[i].errors);
		free(errors);
		errs_clear(&e);
		conf_free(c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_restated),
		cmocka_unit_test(test_with_routes),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
