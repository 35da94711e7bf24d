/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * look: what workers alone know, asked of one after the other, a page at a time.
 *
 * A worker fills in its view when it is asked; one call at a time asks, and others wait for their
 * turn. Between two questions other calls have theirs, and the workers go on. Control thread.
 */
#ifndef APP_LOOK_H
#define APP_LOOK_H

#include "method.h"
#include "net/worker.h"

/* Whose turn it is, and what is under way. */
struct views {
	const void *owner; /* the state of a call; NULL: nobody's */
	bool asked;	   /* worker `id` has yet to answer, if only an abandoned call */
	uint16_t id;
	uint32_t seq; /* of its view before it was asked */
};

/* The state of a call, which may have more behind it. */
struct look {
	struct app *app;
	uint64_t cursor;   /* the worker, and where in its table */
	uint64_t until_ms; /* when the worker should have answered */
	struct command question;
	bool found; /* what was looked for: no other worker is asked */
	json_int_t limit;
	json_t *rows;
	/* Takes a worker's answer into rows; true: there is more on it, from *next on. */
	bool (*take)(struct look *l, const struct worker *w, uint32_t *next);
};

/* About so many rows has an answer unless `limit` says other. */
#define LOOK_ROWS 1000

/*
 * The call's state of size bytes, at first zero but for its struct look: by the parameters `limit`
 * and `cursor`; the caller sets question and take. NULL: no memory.
 */
void *look_begin(struct app *app, struct call *call, size_t size);

/*
 * A turn of a call: true when all that it asks for is there; cursor is where to go on, 0 at the
 * end. Else *otherwise is what the method returns, because it has to be called once more or has
 * failed.
 */
bool look_done(struct look *l, struct call *call, json_t **otherwise);

#endif
