/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * apply: from one configuration to the next, or not at all.
 *
 * Every module checks, then builds; only when all have built does any of them publish, which
 * cannot fail; then the old is retired. Start-up is the first apply. Control thread.
 */
#ifndef APP_APPLY_H
#define APP_APPLY_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct app;
struct conf;

/* The first apply, of app->conf, which was checked. 0, or -errno with the reasons in e. */
int apply_start(struct app *app, struct errs *e);

/*
 * Ahead of apply_change() of c, which was checked: some of what would make it long. True: there is
 * more, in the next turn of the loop; *turns, 0 at first, is how many there were. What it has made
 * is gone with an apply_change() that comes to pass, or with apply_give_up().
 */
bool apply_prepare(struct app *app, const struct conf *c, uint32_t *turns);
void apply_give_up(struct app *app);

/*
 * Checks c against what is in force and applies it. 0: c is app->conf, and what was in force is
 * app->previous, unless both mean the same; *diff is conf_diff() of the two. Else -errno with
 * every reason in e, nothing has changed, c is still the caller's, and *diff NULL.
 */
int apply_change(struct app *app, struct conf *c, char **diff, struct errs *e);

/* Back to app->previous, which becomes what was in force: a second time undoes the first. */
int apply_rollback(struct app *app, char **diff, struct errs *e);

/*
 * SIGHUP: reads the file that the process was started with, and then, in the turns of the loop,
 * applies it: -EAGAIN until that is done. Errors are logged, and nothing has changed.
 */
int apply_reread(struct app *app);
int apply_reread_more(struct app *app);

/* Frees the configurations. The modules have ended. */
void apply_end(struct app *app);

#endif
