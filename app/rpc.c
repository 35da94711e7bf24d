/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A text becomes one request or a list of them; each request is checked, its method found and its
 * parameters checked; then the method runs, as often as it asks for. Numbers in comments are
 * sections of the JSON-RPC 2.0 specification.
 */
#include "rpc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct rpc {
	const struct registry *registry;
	json_t *in; /* the request, or the batch; NULL: nothing to run */
	size_t at;  /* next of the batch */
	FILE *out;  /* collects answers in text, length */
	char *text;
	size_t length;
	uint32_t answers;
	json_t *request; /* under way: borrowed from `in` */
	const struct method *method;
	struct call call;
};

/* A message may have been cut inside a character, which is no text to JSON. */
static json_t *message_text(const char *message)
{
	char ascii[sizeof(((struct rpc_error *)0)->message)];
	json_t *text = json_string(message);
	size_t i = 0;

	if (text != NULL)
		return text;
	for (; message[i] != 0 && i < sizeof(ascii) - 1; i++)
		ascii[i] = message[i] & 0x80 ? '?' : message[i];
	ascii[i] = 0;
	return json_string(ascii);
}

static json_t *error_object(const struct rpc_error *e)
{
	json_t *object =
		json_pack("{s:i, s:o}", "code", e->code, "message", message_text(e->message));

	if (e->data != NULL)
		json_object_set(object, "data", e->data);
	return object;
}

/* An answer (5): with a result, a reference that it takes, or with the error. */
static json_t *answer(json_t *id, json_t *result, const struct rpc_error *e)
{
	json_t *object = json_pack("{s:s}", "jsonrpc", "2.0");

	if (result != NULL)
		json_object_set_new(object, "result", result);
	else
		json_object_set_new(object, "error", error_object(e));
	json_object_set_new(object, "id", id != NULL ? json_incref(id) : json_null());
	return object;
}

static bool is_id(const json_t *id)
{
	return json_is_string(id) || json_is_number(id) || json_is_null(id);
}

/* What is wrong with a request object (4), or NULL. */
static const char *request_fault(const json_t *request)
{
	const char *version = json_string_value(json_object_get(request, "jsonrpc"));
	const json_t *id = json_object_get(request, "id");
	const json_t *params = json_object_get(request, "params");

	if (!json_is_object(request))
		return "a request is an object";
	if (version == NULL || strcmp(version, "2.0") != 0)
		return "jsonrpc: must be \"2.0\"";
	if (!json_is_string(json_object_get(request, "method")))
		return "method: must be a string";
	if (params != NULL && !json_is_object(params) && !json_is_array(params))
		return "params: must be an object or an array";
	if (id != NULL && !is_id(id))
		return "id: must be a string, a number or null";
	return NULL;
}

static void error_set(struct rpc_error *e, enum rpc_code code, const char *message)
{
	e->code = code;
	snprintf(e->message, sizeof(e->message), "%s", message);
}

/* Finds the method and checks the parameters; false with the call's error. */
static bool call_begin(struct rpc *r)
{
	struct rpc_error *e = &r->call.error;
	const char *fault = request_fault(r->request);
	const char *name;

	if (fault != NULL) {
		error_set(e, RPC_REQUEST, fault);
		return false;
	}
	name = json_string_value(json_object_get(r->request, "method"));
	r->method = method_find(r->registry, name);
	if (r->method == NULL) {
		error_set(e, RPC_METHOD, "there is no such method; rpc.list tells which there are");
		return false;
	}
	r->call.params = method_params(r->method, json_object_get(r->request, "params"), e);
	return r->call.params != NULL;
}

/* Frees what the call has, ready for the next one. */
static void call_clear(struct rpc *r)
{
	struct call *c = &r->call;

	if (c->state_end != NULL)
		c->state_end(c->state);
	json_decref((json_t *)(uintptr_t)c->params);
	json_decref(c->error.data);
	*c = (struct call){0};
	r->method = NULL;
	r->request = NULL;
}

/* Adds an answer, a reference that it takes, as text. False: that would be more than limit. */
static bool put(struct rpc *r, json_t *object, size_t limit)
{
	char *text = json_dumps(object, JSON_COMPACT);
	bool fits = text != NULL && (size_t)ftell(r->out) + strlen(text) <= limit;

	json_decref(object);
	if (fits) {
		if (json_is_array(r->in))
			fputc(r->answers == 0 ? '[' : ',', r->out);
		fputs(text, r->out);
		r->answers++;
	}
	free(text);
	return fits;
}

/* Ends the request under way; a notification (4.1) gets no answer. */
static void call_end(struct rpc *r, json_t *result)
{
	json_t *id = json_object_get(r->request, "id");
	struct rpc_error *e = &r->call.error;

	if (result == NULL && e->code == 0)
		error_set(e, RPC_INTERNAL, "the method gave no answer");
	/* what is no request is answered too, with its id where that can be told (5.1) */
	if (id == NULL && e->code != RPC_REQUEST) {
		json_decref(result);
	} else if (!put(r, answer(is_id(id) ? id : NULL, result, e), RPC_ANSWER)) {
		struct rpc_error full = {0};

		error_set(&full, RPC_FULL, "the answer is too long: ask for less at a time");
		put(r, answer(id, NULL, &full), SIZE_MAX);
	}
	call_clear(r);
}

/* The text is no request at all: that is the answer. */
static void refuse(struct rpc *r, enum rpc_code code, const char *message)
{
	struct rpc_error e = {0};

	error_set(&e, code, message);
	json_decref(r->in);
	r->in = NULL;
	put(r, answer(NULL, NULL, &e), SIZE_MAX);
}

static struct rpc *rpc_new(const struct registry *registry)
{
	struct rpc *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return NULL;
	r->registry = registry;
	r->out = open_memstream(&r->text, &r->length);
	if (r->out == NULL) {
		free(r);
		return NULL;
	}
	return r;
}

struct rpc *rpc_begin(const struct registry *registry, const char *text, size_t length)
{
	struct rpc *r = rpc_new(registry);
	char what[256];
	json_error_t e;

	if (r == NULL)
		return NULL;
	r->in = json_loadb(text, length, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &e);
	if (r->in == NULL) {
		snprintf(what, sizeof(what), "not JSON: byte %d: %s", e.position, e.text);
		refuse(r, RPC_PARSE, what);
	} else if (json_is_array(r->in) && json_array_size(r->in) == 0) {
		refuse(r, RPC_REQUEST, "a batch holds at least one request"); /* 6 */
	} else if (json_is_array(r->in) && json_array_size(r->in) > RPC_BATCH_MAX) {
		snprintf(what, sizeof(what), "a batch holds at most %d requests", RPC_BATCH_MAX);
		refuse(r, RPC_REQUEST, what);
	}
	return r;
}

/* The request that is to run next; NULL: all are done. */
static json_t *next_request(struct rpc *r)
{
	if (json_is_array(r->in))
		return json_array_get(r->in, r->at++);
	return r->at++ == 0 ? r->in : NULL;
}

enum rpc_progress rpc_step(struct rpc *r, struct app *app)
{
	json_t *result;

	if (r->request == NULL) {
		r->request = next_request(r);
		if (r->request == NULL)
			return RPC_DONE;
		if (!call_begin(r)) {
			call_end(r, NULL);
			return RPC_MORE;
		}
	}
	result = r->method->run(app, &r->call);
	if (result == METHOD_AGAIN || result == METHOD_WAITS)
		return result == METHOD_AGAIN ? RPC_MORE : RPC_WAITS;
	call_end(r, result);
	return RPC_MORE;
}

char *rpc_end(struct rpc *r)
{
	char *line;

	if (r->answers > 0)
		fputs(json_is_array(r->in) ? "]\n" : "\n", r->out);
	fclose(r->out);
	line = r->text;
	if (r->answers == 0) {
		free(line);
		line = NULL;
	}
	call_clear(r);
	json_decref(r->in);
	free(r);
	return line;
}

void rpc_abandon(struct rpc *r)
{
	free(rpc_end(r));
}

char *rpc_refusal(enum rpc_code code, const char *message)
{
	struct rpc *r = rpc_new(NULL);

	if (r == NULL)
		return NULL;
	refuse(r, code, message);
	return rpc_end(r);
}
