/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sysfs: what the kernel says in small files and links, below a root that the caller names.
 *
 * Paths are made as by printf(). libc only; any thread. Nothing is logged: that something is not
 * there is an answer, too.
 */
#ifndef BASE_SYSFS_H
#define BASE_SYSFS_H

#include <stddef.h>
#include <stdint.h>

#define SYSFS_NAME 64 /* bytes of a file's or a driver's name, its 0 among them */

/* The first line of a file, without its end, cut to fit; "" on failure. 0 or -errno. */
int sysfs_line(char *text, size_t size, const char *path, ...)
	__attribute__((format(printf, 3, 4)));

/* The first line that begins so; else as above, and -ENOENT. */
int sysfs_line_of(char *text, size_t size, const char *begin, const char *path, ...)
	__attribute__((format(printf, 4, 5)));

/* The last part of where a link leads; "" on failure. 0 or -errno. */
int sysfs_link(char name[SYSFS_NAME], const char *path, ...) __attribute__((format(printf, 2, 3)));

/* The number that a file begins with, decimal or 0x; `otherwise` if there is none. */
int64_t sysfs_number(int64_t otherwise, const char *path, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * The names in a folder, sorted, those that begin with a dot left out: *names is an array to
 * free(). Returns how many; 0 with NULL where there is no such folder.
 */
uint32_t sysfs_list(char (**names)[SYSFS_NAME], const char *path, ...)
	__attribute__((format(printf, 2, 3)));

#endif
