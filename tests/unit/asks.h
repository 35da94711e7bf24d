/* SPDX-License-Identifier: BSD-3-Clause */
/* asks: the control methods, asked as a client asks them, about a net without devices. */
#ifndef UNIT_ASKS_H
#define UNIT_ASKS_H

#include "app.h"
#include "bed.h"
#include "exact.h"
#include "lb/stage.h"
#include "loop.h"
#include "rpc.h"

static struct bed *bed;
static struct app app;

static inline int no_work(void *arg)
{
	(void)arg;
	return 0;
}

static inline int setup(void **state)
{
	(void)state;
	bed = bed_new(2);
	app = (struct app){.net = bed->net, .loop = loop_new(&bed->net->bell, no_work, NULL)};
	return app.loop == NULL;
}

static inline int teardown(void **state)
{
	(void)state;
	loop_free(app.loop);
	bed_rest(bed);
	bed_free(bed);
	return 0;
}

/* What a pass of a worker does with commands and snapshots. */
static inline void passes(void)
{
	for (uint16_t i = 0; i < bed->net->n_workers; i++) {
		stage_commands(bed->net->worker[i]);
		if (bed->net->worker[i]->lb != NULL)
			lb_answer(bed->net->worker[i]);
		stage_tx(bed->net->worker[i], false);
	}
}

static inline struct rpc *begin(const char *method, const char *params)
{
	char text[1024];

	snprintf(text, sizeof(text),
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"%s\",\"params\":%s}", method, params);
	return rpc_begin(&methods, text, strlen(text));
}

/* Ends a call: its answer as a whole, for the caller to free. */
static inline json_t *end(struct rpc *r)
{
	char *line;
	json_t *answer;

	for (int turn = 0; rpc_step(r, &app) != RPC_DONE; turn++) {
		assert_in_range(turn, 0, 100000);
		passes();
	}
	line = rpc_end(r);
	answer = json_loads(line, 0, NULL);
	free(line);
	return answer;
}

static inline json_t *ask(const char *method, const char *params)
{
	return end(begin(method, params));
}

/* Whether what is expected is there; of objects, there may be more. */
static inline bool holds(const json_t *got, const json_t *expected)
{
	const char *key;
	json_t *value;
	size_t i;

	if (json_is_object(expected)) {
		json_object_foreach ((json_t *)(uintptr_t)expected, key, value) {
			if (!holds(json_object_get(got, key), value))
				return false;
		}
		return json_is_object(got);
	}
	if (!json_is_array(expected))
		return json_equal(got, expected);
	json_array_foreach (expected, i, value) {
		if (!holds(json_array_get(got, i), value))
			return false;
	}
	return json_array_size(got) == json_array_size(expected);
}

/* One question and what must be in its result; or, beginning with "error", in its error. */
struct question {
	const char *method, *params, *expected;
};

#define ERR(code, message) "{\"error\":{\"code\":" code ",\"message\":\"" message "\"}}"
#define RES(result)	   "{\"result\":" result "}"

static inline void expect(const struct question *q, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		json_t *got = ask(q[i].method, q[i].params);
		json_t *expected = json_loads(q[i].expected, 0, NULL);

		assert_non_null(expected);
		if (!holds(got, expected))
			fail_msg("%s %s: %s", q[i].method, q[i].params,
				json_dumps(got, JSON_COMPACT));
		json_decref(got);
		json_decref(expected);
	}
}

#define EXPECT(...)                                                                                \
	expect((const struct question[]){__VA_ARGS__},                                             \
		sizeof((const struct question[]){__VA_ARGS__}) / sizeof(struct question))

#endif
