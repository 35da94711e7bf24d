/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * files: the files below one directory as http answers with them, read once by control.
 *
 * A store never changes. Bytes lie in memory that devices may read, each file's behind the head of
 * its answer. Workers refer to them: each counts its holds (of sites and connections), and the
 * buffers that it made of a store's bytes, in a line of its own; control frees a store that is not
 * published any more when there are none.
 */
#ifndef SERVICE_FILES_H
#define SERVICE_FILES_H

#include "base/err.h"

#include <rte_mbuf.h>

#include <stdbool.h>
#include <stdint.h>

#define FILES_TAG_LEN 18	  /* of an entity tag: 64 bits in hexadecimal, and its quotes */
#define FILES_DATE_AT 23	  /* where the date stands in each head */
#define FILES_PIECE   (32u << 10) /* no buffer crosses a multiple of it: it lies in one page */

struct file {
	const char *head;   /* of the answer 200, without the empty line; */
	const char *body;   /* this follows it, and then the bytes */
	uint32_t head_len;  /* at most FILES_HEAD */
	uint32_t length_at; /* in head: Content-Length, which an answer 206 has another of */
	uint32_t fields_at; /* and behind it: the validators, which an answer 304 has, too */
	uint64_t size;
	int64_t modified; /* seconds since 1970 */
	char tag[FILES_TAG_LEN];
};
#define FILES_HEAD 320

struct files;

/* What is left of what all stores together may hold. */
struct files_budget {
	uint64_t bytes;
	uint32_t files; /* and directories */
};

/* Whose root it is, for messages. */
struct files_owner {
	struct conf_pos at;
	const char *path; /* of the option: "services.web.root" */
	const char *root;
};

/*
 * Whether all below the root can be served: regular files, at most 16 directories deep. Links are
 * passed over, and names that begin with a dot. False: said in e. Takes from the budget. Control.
 */
bool files_check(const struct files_owner *o, struct files_budget *budget, struct errs *e);

/* The same, read. NULL: said in e. Control. */
struct files *files_load(const struct files_owner *o, struct files_budget *budget,
	uint16_t n_workers, struct errs *e);

/* NULL is allowed. Nobody refers to it. Control. */
void files_free(struct files *s);

/* Whether a worker still refers to it; once none can find it, false is for good. Control. */
bool files_in_use(const struct files *s, uint16_t n_workers);

/* The hash of a path, byte by byte from FILES_HASH on. */
#define FILES_HASH 2166136261u
static inline uint32_t files_hash(uint32_t hash, char c)
{
	return (hash ^ (uint8_t)c) * 16777619u; /* FNV-1a */
}

/* By its decoded path from the root, "/" first; a directory's, with "/" last, is its index.html. */
const struct file *files_find(const struct files *s, const char *path, uint32_t len, uint32_t hash);

/* As long as a worker holds a store, it may find and attach. Of one worker, any number. Worker. */
void files_hold(const struct files *s, uint16_t worker);
void files_give_up(const struct files *s, uint16_t worker);

/* Whether a worker may make another buffer of it, as far as the count goes. Worker. */
bool files_may_attach(const struct files *s, uint16_t worker);

/*
 * Bytes of a file from `at` on, at most `most` and as many as one buffer holds, are m's data, which
 * may outlive the hold. Returns how many. Worker.
 */
uint32_t files_attach(const struct files *s, const struct file *f, uint16_t worker, uint64_t at,
	uint32_t most, struct rte_mbuf *m);

#endif
