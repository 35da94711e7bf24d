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

struct app;
struct conf;

/* The first apply, of app->conf, which was checked. 0, or -errno with the reasons in e. */
int apply_start(struct app *app, struct errs *e);

/*
 * Checks c against what is in force and applies it. 0: c is app->conf, and what was in force is
 * app->previous, unless both mean the same. Else -errno with every reason in e, nothing has
 * changed, and c is still the caller's.
 */
int apply_change(struct app *app, struct conf *c, struct errs *e);

/* Back to app->previous, which becomes what was in force: a second time undoes the first. */
int apply_rollback(struct app *app, struct errs *e);

/* SIGHUP: reads and applies the file that the process was started with; errors are logged. */
int apply_reread(struct app *app);

/* Frees the configurations. The modules have ended. */
void apply_end(struct app *app);

#endif
