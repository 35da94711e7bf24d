/* SPDX-License-Identifier: BSD-3-Clause */
/* JSON-RPC 2.0: a text in, a text out, with a small registry of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "exact.h"
#include "rpc.h"

#include <stdio.h>

struct app {
	int marked; /* calls of "mark" */
	int ended;  /* states of "slow" that came to their end */
};

static json_t *add(struct app *app, struct call *call)
{
	(void)app;
	return json_integer(param_integer(call, "a", 0) + param_integer(call, "b", 0));
}

static json_t *mark(struct app *app, struct call *call)
{
	(void)call;
	return json_integer(++app->marked);
}

static json_t *fails(struct app *app, struct call *call)
{
	(void)app;
	call_fail(call, RPC_NOT_FOUND, "port: there is no %s", "wan");
	call->error.data = json_pack("{s:s}", "parameter", "port");
	return NULL;
}

static json_t *nothing(struct app *app, struct call *call)
{
	(void)app;
	(void)call;
	return NULL;
}

/* Cut inside a character by its author. */
static json_t *torn(struct app *app, struct call *call)
{
	(void)app;
	return call_fail(call, RPC_INTERNAL, "m\xc3");
}

static json_t *big(struct app *app, struct call *call)
{
	char *text = calloc(1, RPC_ANSWER / 2);
	json_t *result;

	(void)app;
	(void)call;
	memset(text, 'x', RPC_ANSWER / 2 - 1);
	result = json_string(text);
	free(text);
	return result;
}

struct slow {
	struct app *app;
	int turns;
};

static void slow_end(void *state)
{
	struct slow *s = state;

	s->app->ended++;
	free(s);
}

static json_t *slow(struct app *app, struct call *call)
{
	struct slow *s = call->state;

	if (s == NULL) {
		s = calloc(1, sizeof(*s));
		s->app = app;
		call->state = s;
		call->state_end = slow_end;
	}
	return ++s->turns < 3 ? METHOD_WAITS : json_integer(s->turns);
}

static const struct method list[] = {
	{"add", "adds", add, true,
		{{"a", PARAM_INTEGER, true, 0, 100}, {"b", PARAM_INTEGER, false, 0, 100}}},
	{"mark", "counts its calls", mark, false},
	{"fail", "fails", fails, true},
	{"nothing", "forgets to answer", nothing, true},
	{"torn", "says half a character", torn, true},
	{"big", "half of what may be", big, true},
	{"slow", "takes three turns", slow, true},
};
static const struct registry registry = {list, sizeof(list) / sizeof(*list)};

/* The answer to a text in a buffer of exactly its size; the caller frees it. */
static char *ask(struct app *app, const char *text, size_t length, int *waits)
{
	char *exact = exact_copy(text, length);
	struct rpc *r = rpc_begin(&registry, exact, length);
	enum rpc_progress progress;

	free(exact);
	assert_non_null(r);
	for (int turn = 0; (progress = rpc_step(r, app)) != RPC_DONE; turn++) {
		*waits += progress == RPC_WAITS;
		assert_in_range(turn, 0, RPC_BATCH_MAX * 4);
	}
	return rpc_end(r);
}

#define ERROR(code, message)                                                                       \
	"{\"jsonrpc\":\"2.0\",\"error\":{\"code\":" code ",\"message\":\"" message "\"},\"id\":"

static void test_texts(void **state)
{
	static const struct {
		const char *name, *in, *out; /* out ends with a newline; NULL: no answer */
	} cases[] = {
		{"by name",
			"{\"jsonrpc\":\"2.0\",\"method\":\"add\",\"params\":{\"a\":1,\"b\":2},"
			"\"id\":7}",
			"{\"jsonrpc\":\"2.0\",\"result\":3,\"id\":7}"},
		{"by position",
			"{\"jsonrpc\":\"2.0\",\"method\":\"add\",\"params\":[1,2],\"id\":\"x\"}",
			"{\"jsonrpc\":\"2.0\",\"result\":3,\"id\":\"x\"}"},
		{"id null is an id", "{\"jsonrpc\":\"2.0\",\"method\":\"mark\",\"id\":null}",
			"{\"jsonrpc\":\"2.0\",\"result\":1,\"id\":null}"},
		{"no parameters in a list",
			"{\"jsonrpc\":\"2.0\",\"method\":\"mark\",\"params\":[],\"id\":1.5}",
			"{\"jsonrpc\":\"2.0\",\"result\":2,\"id\":1.5}"},
		{"notification", "{\"jsonrpc\":\"2.0\",\"method\":\"mark\"}", NULL},
		{"notification that fails", "{\"jsonrpc\":\"2.0\",\"method\":\"fail\"}", NULL},
		{"notification of nothing", "{\"jsonrpc\":\"2.0\",\"method\":\"zzz\"}", NULL},
		{"and they ran", "{\"jsonrpc\":\"2.0\",\"method\":\"mark\",\"id\":1}",
			"{\"jsonrpc\":\"2.0\",\"result\":4,\"id\":1}"},
		{"error with data", "{\"jsonrpc\":\"2.0\",\"method\":\"fail\",\"id\":1}",
			"{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32002,\"message\":\"port: there "
			"is no wan\",\"data\":{\"parameter\":\"port\"}},\"id\":1}"},
		{"no answer", "{\"jsonrpc\":\"2.0\",\"method\":\"nothing\",\"id\":1}",
			ERROR("-32603", "the method gave no answer") "1}"},
		{"torn message", "{\"jsonrpc\":\"2.0\",\"method\":\"torn\",\"id\":1}",
			ERROR("-32603", "m?") "1}"},
		{"several turns", "{\"jsonrpc\":\"2.0\",\"method\":\"slow\",\"id\":1}",
			"{\"jsonrpc\":\"2.0\",\"result\":3,\"id\":1}"},
		{"unknown method", "{\"jsonrpc\":\"2.0\",\"method\":\"zzz\",\"id\":1}",
			ERROR("-32601",
				"there is no such method; rpc.list tells which there are") "1}"},
		{"half a text", "{\"jsonrpc\":\"2.0\",\"method\"",
			ERROR("-32700",
				"not JSON: byte 25: ':' expected near end of file") "null}"},
		{"a batch that is half a text", "[{\"jsonrpc\":\"2.0\",\"method\":\"mark\"},",
			ERROR("-32700",
				"not JSON: byte 35: ']' expected near end of file") "null}"},
		{"a key twice", "{\"id\":1,\"id\":2}",
			ERROR("-32700", "not JSON: byte 12: duplicate object key near "
					"'\\\"id\\\"'") "null}"},
		{"no UTF-8", "{\"\xff\":1}",
			ERROR("-32700", "not JSON: byte 2: unable to decode byte 0xff near "
					"'\\\"'") "null}"},
		{"nothing at all", "",
			ERROR("-32700", "not JSON: byte 0: unexpected token near "
					"end of file") "null}"},
		{"a number", "1", ERROR("-32600", "a request is an object") "null}"},
		{"a string", "\"add\"", ERROR("-32600", "a request is an object") "null}"},
		{"no version", "{\"method\":\"mark\",\"id\":1}",
			ERROR("-32600", "jsonrpc: must be \\\"2.0\\\"") "1}"},
		{"version 1", "{\"jsonrpc\":\"1.0\",\"method\":\"mark\",\"id\":1}",
			ERROR("-32600", "jsonrpc: must be \\\"2.0\\\"") "1}"},
		{"method is a number", "{\"jsonrpc\":\"2.0\",\"method\":1,\"params\":\"x\"}",
			ERROR("-32600", "method: must be a string") "null}"},
		{"params is a string",
			"{\"jsonrpc\":\"2.0\",\"method\":\"mark\",\"params\":\"x\",\"id\":1}",
			ERROR("-32600", "params: must be an object or an array") "1}"},
		{"id is an object", "{\"jsonrpc\":\"2.0\",\"method\":\"mark\",\"id\":{}}",
			ERROR("-32600", "id: must be a string, a number or null") "null}"},
		{"empty batch", "[]",
			ERROR("-32600", "a batch holds at least one request") "null}"},
		{"batch of rubbish", "[1,[]]",
			"[" ERROR("-32600", "a request is an object") "null}," ERROR(
				"-32600", "a request is an object") "null}]"},
		{"batch",
			"[{\"jsonrpc\":\"2.0\",\"method\":\"add\",\"params\":[1,1],\"id\":1},"
			"{\"jsonrpc\":\"2.0\",\"method\":\"mark\"},"
			"{\"jsonrpc\":\"2.0\",\"method\":\"slow\",\"id\":2},{}]",
			"[{\"jsonrpc\":\"2.0\",\"result\":2,\"id\":1},"
			"{\"jsonrpc\":\"2.0\",\"result\":3,\"id\":2}," ERROR(
				"-32600", "jsonrpc: must be \\\"2.0\\\"") "null}]"},
		{"batch of notifications", "[{\"jsonrpc\":\"2.0\",\"method\":\"mark\"}]", NULL},
	};
	struct app app = {0};
	int waits = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char *out = ask(&app, cases[i].in, strlen(cases[i].in), &waits);
		size_t length = cases[i].out != NULL ? strlen(cases[i].out) : 0;

		if (out == NULL ? cases[i].out != NULL
				: cases[i].out == NULL || strlen(out) != length + 1 ||
					  strncmp(out, cases[i].out, length) != 0 ||
					  out[length] != '\n')
			fail_msg("%s: %s", cases[i].name, out);
		free(out);
	}
	assert_int_equal(waits, 4);
	assert_int_equal(app.ended, 2);
}

/* n calls of a method in one batch. */
static char *batch_of(const char *method, int n)
{
	char *text = calloc((size_t)n, 80), *at = text;

	for (int i = 0; i < n; i++)
		at += sprintf(at, "%c{\"jsonrpc\":\"2.0\",\"method\":\"%s\",\"id\":%d}",
			i == 0 ? '[' : ',', method, i);
	strcpy(at, "]");
	return text;
}

static void test_batch_limits(void **state)
{
	static const struct {
		const char *method;
		int n;
		const char *found; /* in the answer */
		int answers;
	} cases[] = {
		{"mark", RPC_BATCH_MAX, "\"result\":1000", RPC_BATCH_MAX},
		{"mark", RPC_BATCH_MAX + 1, "at most 1000 requests", 0},
		{"big", 1, "xxx", 1},
		{"big", 5, "the answer is too long", 5},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct app app = {0};
		int waits = 0;
		char *text = batch_of(cases[i].method, cases[i].n);
		char *out = ask(&app, text, strlen(text), &waits);
		json_t *json = json_loads(out, 0, NULL);

		assert_non_null(strstr(out, cases[i].found));
		assert_in_range(strlen(out), 1, RPC_ANSWER + 4096);
		assert_int_equal(json_array_size(json), cases[i].answers);
		json_decref(json);
		free(out);
		free(text);
	}
}

static void test_abandoned(void **state)
{
	struct app app = {0};
	char *text = batch_of("slow", 3);
	struct rpc *r = rpc_begin(&registry, text, strlen(text));

	(void)state;
	for (int i = 0; i < 5; i++)
		assert_int_not_equal(rpc_step(r, &app), RPC_DONE);
	rpc_abandon(r);
	assert_int_equal(app.ended, 2); /* one that was done, one that was under way */
	free(text);
}

static void test_refusal(void **state)
{
	char *line = rpc_refusal(RPC_REFUSED, "not you");

	(void)state;
	assert_string_equal(line, ERROR("-32001", "not you") "null}\n");
	free(line);
}

/* Bytes of a good batch changed at random: an answer or none, and never an error of memory. */
static void test_mutations(void **state)
{
	static const char good[] =
		"[{\"jsonrpc\":\"2.0\",\"method\":\"add\",\"params\":{\"a\":1,\"b\":2},\"id\":"
		"\"\\u00e9\"},"
		"{\"jsonrpc\":\"2.0\",\"method\":\"slow\",\"params\":[],\"id\":-1e3}]";
	uint64_t seed = 1;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		struct app app = {0};
		char text[sizeof(good)];
		size_t length =
			seeded(&seed) % 8 == 0 ? seeded(&seed) % sizeof(good) : sizeof(good) - 1;
		int waits = 0;

		memcpy(text, good, sizeof(good));
		for (uint64_t n = seeded(&seed) % 4; n > 0; n--)
			text[seeded(&seed) % sizeof(good)] = (char)seeded(&seed);
		free(ask(&app, text, length, &waits));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_batch_limits),
		cmocka_unit_test(test_abandoned),
		cmocka_unit_test(test_refusal),
		cmocka_unit_test(test_mutations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
