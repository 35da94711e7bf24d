/* SPDX-License-Identifier: BSD-3-Clause */
/* What parameters may be: each type with values that fit and values that do not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "method.h"

#include <stdio.h>
#include <string.h>

static const struct method one_of_each = {"try", "", NULL, true,
	{
		{"s", PARAM_STRING},
		{"i", PARAM_INTEGER, false, 1, 10},
		{"b", PARAM_BOOLEAN},
		{"c", PARAM_CHOICE, .words = "lan|wan"},
		{"a", PARAM_ADDRESS},
		{"l", PARAM_ADDRESSES, false, 1, 2},
		{"p", PARAM_PREFIX},
		{"m", PARAM_MAC},
	}};

static const struct method one_needed = {
	"need", "", NULL, true, {{"port", PARAM_STRING, true}, {"n", PARAM_INTEGER, true, 0, 9}}};

static const struct method endpoint = {"end", "", NULL, true, {{"e", PARAM_ENDPOINT}}};

static json_t *check(const struct method *m, const char *text, struct rpc_error *e)
{
	json_t *params = json_loads(text, 0, NULL);
	json_t *checked;

	*e = (struct rpc_error){0};
	assert_non_null(params);
	checked = method_params(m, params, e);
	json_decref(params);
	return checked;
}

static void test_values(void **state)
{
	static const struct {
		const char *params;
		const char *refused; /* the message; NULL: it fits */
	} cases[] = {
		{"{}", NULL},
		{"{\"s\":\"\"}", NULL},
		{"{\"s\":1}", "s: 1 is not a string"},
		{"{\"s\":null}", "s: null is not a string"},
		{"{\"i\":1}", NULL},
		{"{\"i\":10}", NULL},
		{"{\"i\":0}", "i: 0 is not a whole number from 1 to 10"},
		{"{\"i\":11}", "i: 11 is not a whole number from 1 to 10"},
		{"{\"i\":1.0}", "i: 1.0 is not a whole number from 1 to 10"},
		{"{\"i\":\"1\"}", "i: \"1\" is not a whole number from 1 to 10"},
		{"{\"b\":true}", NULL},
		{"{\"b\":0}", "b: 0 is not true or false"},
		{"{\"c\":\"lan\"}", NULL},
		{"{\"c\":\"wan\"}", NULL},
		{"{\"c\":\"an\"}", "c: \"an\" is not one of lan|wan"},
		{"{\"c\":\"lan|wan\"}", "c: \"lan|wan\" is not one of lan|wan"},
		{"{\"c\":\"\"}", "c: \"\" is not one of lan|wan"},
		{"{\"a\":\"198.18.1.1\"}", NULL},
		{"{\"a\":\"198.18.1\"}",
			"a: \"198.18.1\" is not an IPv4 address, as \"198.18.1.1\""},
		{"{\"a\":[\"198.18.1.1\"]}",
			"a: [\"198.18.1.1\"] is not an IPv4 address, as \"198.18.1.1\""},
		{"{\"l\":[\"1.1.1.1\"]}", NULL},
		{"{\"l\":[\"1.1.1.1\",\"2.2.2.2\"]}", NULL},
		{"{\"l\":[]}", "l: [] is not a list of 1 to 2 IPv4 addresses, as [\"198.18.1.1\"]"},
		{"{\"l\":[1]}",
			"l: [1] is not a list of 1 to 2 IPv4 addresses, as [\"198.18.1.1\"]"},
		{"{\"p\":\"198.18.0.0/15\"}", NULL},
		{"{\"p\":\"0.0.0.0/0\"}", NULL},
		{"{\"p\":\"198.18.0.1/24\"}",
			"p: \"198.18.0.1/24\" is not an IPv4 prefix without bits beyond its "
			"length, as \"198.18.0.0/24\""},
		{"{\"p\":\"198.18.0.0\"}",
			"p: \"198.18.0.0\" is not an IPv4 prefix without bits beyond its length, "
			"as \"198.18.0.0/24\""},
		{"{\"m\":\"02:00:00:00:00:01\"}", NULL},
		{"{\"m\":\"01:00:5e:00:00:01\"}",
			"m: \"01:00:5e:00:00:01\" is not a MAC address of one station, as "
			"\"02:00:00:00:00:01\""},
		{"{\"m\":\"00:00:00:00:00:00\"}",
			"m: \"00:00:00:00:00:00\" is not a MAC address of one station, as "
			"\"02:00:00:00:00:01\""},
		{"{\"x\":1}", "x: try has no such parameter"},
		{"{\"\u00e9\":1}", "\u00e9: try has no such parameter"},
		{"[\"\", 5]", NULL},
		{"[\"\", 11]", "i: 11 is not a whole number from 1 to 10"},
		{"[1,2,3,4,5,6,7,8,9]", "try takes 8 parameters"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct rpc_error e;
		json_t *checked = check(&one_of_each, cases[i].params, &e);
		bool right = cases[i].refused == NULL
				     ? checked != NULL && e.code == 0
				     : checked == NULL && e.code == RPC_PARAMS &&
					       strcmp(e.message, cases[i].refused) == 0;

		if (!right)
			fail_msg("%s: %s", cases[i].params, e.message);
		json_decref(checked);
		json_decref(e.data);
	}
}

static void test_endpoints(void **state)
{
	static const struct {
		const char *text;
		uint32_t addr; /* 0: refused */
		uint16_t port;
	} cases[] = {
		{"198.18.1.1:80", 0xc6120101, 80},
		{"198.18.1.1:65535", 0xc6120101, 65535},
		{"198.18.1.1:65536", 0, 0},
		{"198.18.1.1:0", 0, 0},
		{"198.18.1.1:080", 0, 0},
		{"198.18.1.1:", 0, 0},
		{"198.18.1.1", 0, 0},
		{"198.18.1:80", 0, 0},
		{"198.18.1.1:80 ", 0, 0},
		{"198.18.1.1:-1", 0, 0},
		{"", 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char text[64];
		struct rpc_error e;
		json_t *checked;
		struct call call = {0};
		uint32_t addr;
		uint16_t port;

		snprintf(text, sizeof(text), "{\"e\":\"%s\"}", cases[i].text);
		call.params = checked = check(&endpoint, text, &e);
		if ((checked != NULL) != (cases[i].addr != 0))
			fail_msg("%s: %s", text, e.message);
		if (checked != NULL) {
			param_endpoint(&call, "e", &addr, &port);
			assert_int_equal(addr, cases[i].addr);
			assert_int_equal(port, cases[i].port);
		}
		json_decref(checked);
		json_decref(e.data);
	}
}

static void test_needed(void **state)
{
	struct rpc_error e;

	(void)state;
	assert_null(check(&one_needed, "{\"port\":\"lan\"}", &e));
	assert_string_equal(e.message, "n: need needs it");
	assert_string_equal(json_string_value(json_object_get(e.data, "allowed")),
		"a whole number from 0 to 9");
	json_decref(e.data);
	assert_null(check(&one_needed, "{\"prot\":\"lan\"}", &e));
	assert_string_equal(e.message, "prot: need has no such parameter");
	assert_string_equal(json_string_value(json_object_get(e.data, "allowed")), "port, n");
	json_decref(e.data);
}

/* Values of any length and kind are shown, cut, as text that JSON can carry. */
static void test_long_values(void **state)
{
	char text[4096], name[2048];

	(void)state;
	for (size_t n = 0; n < 200; n++) {
		struct rpc_error e;

		name[0] = 0;
		for (size_t i = 0; i < n; i++)
			strcat(name, i % 3 == 0 ? "a" : "\u00e9");
		snprintf(text, sizeof(text), "{\"a\":\"%s\"}", name);
		assert_null(check(&one_of_each, text, &e));
		assert_non_null(e.data);
		json_decref(e.data);
		snprintf(text, sizeof(text), "{\"x%s\":1}", name);
		assert_null(check(&one_of_each, text, &e));
		assert_int_equal(e.code, RPC_PARAMS);
		json_decref(e.data);
	}
}

static void test_accessors(void **state)
{
	struct rpc_error e;
	struct call call = {0};
	json_t *params = check(&one_of_each,
		"{\"s\":\"x\",\"i\":5,\"b\":true,\"a\":\"198.18.1.1\",\"l\":[\"1.2.3.4\","
		"\"5.6.7.8\"],\"p\":\"198.18.0.0/15\",\"m\":\"02:00:00:00:00:0a\"}",
		&e);
	static const uint8_t mac[6] = {2, 0, 0, 0, 0, 10};
	uint32_t prefix, list[2];
	uint8_t depth, got[6];

	(void)state;
	call.params = params;
	assert_string_equal(param_string(&call, "s", NULL), "x");
	assert_string_equal(param_string(&call, "c", "none"), "none");
	assert_true(param_given(&call, "i") && !param_given(&call, "c"));
	assert_int_equal(param_integer(&call, "i", 0), 5);
	assert_int_equal(param_integer(&call, "j", 9), 9);
	assert_true(param_boolean(&call, "b") && !param_boolean(&call, "c"));
	assert_int_equal(param_address(&call, "a"), 0xc6120101);
	assert_int_equal(param_address(&call, "none"), 0);
	param_prefix(&call, "p", &prefix, &depth);
	assert_int_equal(prefix, 0xc6120000);
	assert_int_equal(depth, 15);
	assert_int_equal(param_addresses(&call, "l", list, 2), 2);
	assert_int_equal(list[1], 0x05060708);
	assert_int_equal(param_addresses(&call, "l", list, 1), 1);
	param_mac(&call, "m", got);
	assert_memory_equal(got, mac, 6);
	json_decref(params);
}

static void test_list(void **state)
{
	const struct registry r = {&one_of_each, 1};
	json_t *list = method_list(&r);
	json_t *method = json_array_get(list, 0);

	(void)state;
	assert_int_equal(json_array_size(list), 1);
	assert_string_equal(json_string_value(json_object_get(method, "name")), "try");
	assert_int_equal(json_array_size(json_object_get(method, "params")), METHOD_PARAMS);
	assert_true(method_find(&r, "try") == &one_of_each);
	assert_null(method_find(&r, "tr"));
	json_decref(list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_endpoints),
		cmocka_unit_test(test_needed),
		cmocka_unit_test(test_long_values),
		cmocka_unit_test(test_accessors),
		cmocka_unit_test(test_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
