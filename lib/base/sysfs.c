/* SPDX-License-Identifier: BSD-3-Clause */
/* Each call opens, reads and closes; none of it is done per packet. */
#include "base/sysfs.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATH(name, path)                                                                           \
	char name[PATH_MAX];                                                                       \
	va_list ap;                                                                                \
	va_start(ap, path);                                                                        \
	vsnprintf(name, sizeof(name), path, ap);                                                   \
	va_end(ap)

/* Names of the kernel's are shorter than that; what is not is cut. */
static void copy_name(char name[SYSFS_NAME], const char *from)
{
	size_t n = strnlen(from, SYSFS_NAME - 1);

	memcpy(name, from, n);
	name[n] = '\0';
}

/* The first line that begins so. */
static int read_line(char *text, size_t size, const char *begin, const char *file)
{
	FILE *f = fopen(file, "re");
	size_t n = strlen(begin);
	int err;

	text[0] = '\0';
	if (f == NULL)
		return -errno;
	errno = 0;
	while (fgets(text, (int)size, f) != NULL && strncmp(text, begin, n) != 0)
		text[0] = '\0';
	err = n == 0 || text[0] != '\0' ? -errno : -ENOENT; /* an empty file is an empty line */
	fclose(f);
	text[strcspn(text, "\n")] = '\0';
	return err;
}

int sysfs_line(char *text, size_t size, const char *path, ...)
{
	PATH(file, path);
	return read_line(text, size, "", file);
}

int sysfs_line_of(char *text, size_t size, const char *begin, const char *path, ...)
{
	PATH(file, path);
	return read_line(text, size, begin, file);
}

int sysfs_link(char name[SYSFS_NAME], const char *path, ...)
{
	PATH(file, path);
	char target[PATH_MAX];
	ssize_t n = readlink(file, target, sizeof(target) - 1);
	const char *last;

	name[0] = '\0';
	if (n < 0)
		return -errno;
	target[n] = '\0';
	last = strrchr(target, '/');
	copy_name(name, last != NULL ? last + 1 : target);
	return 0;
}

int64_t sysfs_number(int64_t otherwise, const char *path, ...)
{
	PATH(file, path);
	char text[SYSFS_NAME], *end;
	long long n;

	if (read_line(text, sizeof(text), "", file) < 0)
		return otherwise;
	errno = 0;
	n = strtoll(text, &end, 0);
	return end != text && errno == 0 ? n : otherwise;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

uint32_t sysfs_list(char (**names)[SYSFS_NAME], const char *path, ...)
{
	PATH(folder, path);
	DIR *d = opendir(folder);
	struct dirent *entry;
	uint32_t n = 0, room = 0;

	*names = NULL;
	while (d != NULL && (entry = readdir(d)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		if (n == room) {
			room = room == 0 ? 32 : 2 * room;
			void *more = realloc(*names, room * sizeof(**names));

			if (more == NULL)
				break;
			*names = more;
		}
		copy_name((*names)[n++], entry->d_name);
	}
	if (d != NULL)
		closedir(d);
	if (n > 0)
		qsort(*names, n, sizeof(**names), by_name);
	return n;
}
