/* SPDX-License-Identifier: BSD-3-Clause */
/* changes: the methods that compare, apply, undo and save configurations. */
#ifndef APP_CHANGES_H
#define APP_CHANGES_H

#include "method.h"

/* {file, text?}: a file, or a text that is called file -> {diff}. */
method_fn changes_diff;
/* The same, and it is in force -> {diff}; RPC_CONFIG with every error, and nothing has changed. */
method_fn changes_apply;
/* -> {diff} */
method_fn changes_rollback;
/* {file?}: what is in force and what was added by hand, to a file -> {file}. */
method_fn changes_save;

#endif
