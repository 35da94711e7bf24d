/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * method: what can be asked of the process, each thing once: name, parameters, function.
 *
 * The registry in methods.c is the one list that the control socket, its help and `rpc.list`
 * derive from. Parameters are checked against their declaration before a function is called, so
 * a function gets what it declared: it may use the param_*() accessors without asking again.
 * Control thread.
 */
#ifndef APP_METHOD_H
#define APP_METHOD_H

#include <jansson.h>

#include <stdbool.h>
#include <stdint.h>

struct app;

#define METHOD_PARAMS 8

enum param_type {
	PARAM_STRING,
	PARAM_INTEGER, /* min..max */
	PARAM_BOOLEAN,
	PARAM_CHOICE,	 /* one of `words` */
	PARAM_ADDRESS,	 /* "198.18.1.1" */
	PARAM_ADDRESSES, /* a list of them, min..max long */
	PARAM_ENDPOINT,	 /* "198.18.1.1:80" */
	PARAM_HOST,	 /* "198.18.1.1", or with a port "198.18.1.1:80" */
	PARAM_PREFIX,	 /* "198.18.0.0/24", no bit set beyond its length */
	PARAM_MAC,	 /* "02:00:00:00:00:01", a station's */
};

struct param {
	const char *name;
	enum param_type type;
	bool required;
	int64_t min, max;
	const char *words; /* "connected|static" */
	const char *help;
};

enum rpc_code {
	/* the specification's */
	RPC_PARSE = -32700,
	RPC_REQUEST = -32600,
	RPC_METHOD = -32601,
	RPC_PARAMS = -32602,
	RPC_INTERNAL = -32603,
	/* ours */
	RPC_REFUSED = -32001,	/* this peer may not */
	RPC_NOT_FOUND = -32002, /* no such route, port, ... */
	RPC_EXISTS = -32003,
	RPC_FULL = -32004,   /* a table or limit is reached */
	RPC_CONFIG = -32005, /* data: a list of {file, line, column, path, text} */
	RPC_LATER = -32006,  /* not now: try again */
};

struct rpc_error {
	int code; /* enum rpc_code; 0 = none */
	char message[256];
	json_t *data; /* NULL, or owned */
};

/* One call of a method. */
struct call {
	const json_t *params; /* an object, as declared */
	struct rpc_error error;
	/* of a method that takes several turns: its own, ended with the call, whatever becomes of
	 * it */
	void *state;
	void (*state_end)(void *state);
};

/*
 * Returns the result, which becomes the caller's; or NULL after call_fail(); or one of those below,
 * to be called once more. Takes a millisecond or so at the most.
 */
typedef json_t *method_fn(struct app *app, struct call *call);
#define METHOD_AGAIN ((json_t *)-1) /* in the next turn of the loop: there is more to do */
#define METHOD_WAITS ((json_t *)-2) /* in a millisecond: somebody else has his part to do */

struct method {
	const char *name; /* "route.add" */
	const char *summary;
	method_fn *run;
	bool read_only; /* changes nothing: may be offered to whoever may only look */
	struct param params[METHOD_PARAMS]; /* up to the first without a name */
};

struct registry {
	const struct method *list;
	size_t n;
};

extern const struct registry methods;

const struct method *method_find(const struct registry *r, const char *name);

/*
 * Checks params (an object; an array, whose values are taken in the order of declaration; or NULL)
 * and returns an object, a new reference; NULL with the error filled in.
 */
json_t *method_params(const struct method *m, const json_t *params, struct rpc_error *error);

/* All methods with their parameters, as `rpc.list` answers: a new reference. */
json_t *method_list(const struct registry *r);

/* Fills in the call's error; returns NULL, so that a method can return it. */
json_t *call_fail(struct call *call, enum rpc_code code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* The same for a parameter: the message names it, the data say what is allowed. */
json_t *call_fail_param(struct call *call, const char *param, const char *allowed, const char *fmt,
	...) __attribute__((format(printf, 4, 5)));

/* Whether the caller gave a parameter. */
bool param_given(const struct call *call, const char *name);
/* Values of parameters; those that were not given are `otherwise`, or 0. Addresses: host order. */
const char *param_string(const struct call *call, const char *name, const char *otherwise);
int64_t param_integer(const struct call *call, const char *name, int64_t otherwise);
bool param_boolean(const struct call *call, const char *name);
uint32_t param_address(const struct call *call, const char *name);
/* Of a PARAM_ENDPOINT, or a PARAM_HOST, whose port is 0 when it is not given. */
void param_endpoint(const struct call *call, const char *name, uint32_t *addr, uint16_t *port);
void param_prefix(const struct call *call, const char *name, uint32_t *prefix, uint8_t *depth);
void param_mac(const struct call *call, const char *name, uint8_t mac[6]);
/* At most max of them are written; returns how many. */
uint32_t param_addresses(const struct call *call, const char *name, uint32_t *list, uint32_t max);

#endif
