/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A text of anything: whatever it is, it is either answered by JSON-RPC on one line or it was
 * notifications only.
 */
#include "exact.h"
#include "property.h"
#include "rpc.h"

static json_t *give(struct app *app, struct call *call)
{
	(void)app;
	return json_incref((json_t *)(uintptr_t)call->params);
}

/* The second turn answers. */
static json_t *later(struct app *app, struct call *call)
{
	(void)app;
	if (call->state == NULL) {
		call->state = malloc(1);
		call->state_end = free;
		return METHOD_WAITS;
	}
	return call_fail(call, RPC_LATER, "%s", param_string(call, "s", "not now"));
}

static const struct method list[] = {
	{"give", "what it gets", give, true,
		{
			{"i", PARAM_INTEGER, false, 0, 9},
			{"b", PARAM_BOOLEAN},
			{"c", PARAM_CHOICE, .words = "x|yy"},
			{"a", PARAM_ADDRESS},
			{"l", PARAM_ADDRESSES, false, 1, 2},
			{"p", PARAM_PREFIX},
			{"m", PARAM_MAC},
			{"e", PARAM_ENDPOINT},
		}},
	{"later", "fails later", later, true, {{"s", PARAM_STRING, true}}},
};
static const struct registry registry = {list, sizeof(list) / sizeof(*list)};

static bool is_answer(const json_t *answer)
{
	const json_t *result = json_object_get(answer, "result");
	const json_t *code = json_object_get(json_object_get(answer, "error"), "code");

	return (result == NULL) != (code == NULL) && json_object_get(answer, "id") != NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = exact_copy(data, size), *line;
	struct rpc *r = rpc_begin(&registry, text, size);
	json_t *answer, *one;
	size_t i;

	free(text);
	while (rpc_step(r, NULL) != RPC_DONE)
		;
	line = rpc_end(r);
	if (line == NULL)
		return 0;
	HOLDS(strchr(line, '\n') == line + strlen(line) - 1);
	answer = json_loads(line, 0, NULL);
	HOLDS(json_is_array(answer) || is_answer(answer));
	json_array_foreach (answer, i, one)
		HOLDS(is_answer(one));
	json_decref(answer);
	free(line);
	return 0;
}
