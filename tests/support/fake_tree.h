/* SPDX-License-Identifier: BSD-3-Clause */
/* fake_tree: a machine's sysfs and proc as files and links below a folder of the test's own. */
#ifndef TESTS_FAKE_TREE_H
#define TESTS_FAKE_TREE_H

#include <ftw.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char tree_root[64];	 /* /dev/shm/... or /tmp/... */
static char tree_sys[PATH_MAX];	 /* below it */
static char tree_proc[PATH_MAX]; /* below it */

/* In memory, where there is such a folder: each case makes hundreds of files anew. */
static inline void tree_make(void)
{
	strcpy(tree_root, "/dev/shm/millrace-tree-XXXXXX");
	if (mkdtemp(tree_root) == NULL) {
		strcpy(tree_root, "/tmp/millrace-tree-XXXXXX");
		if (mkdtemp(tree_root) == NULL)
			abort();
	}
	snprintf(tree_sys, sizeof(tree_sys), "%s/sys", tree_root);
	snprintf(tree_proc, sizeof(tree_proc), "%s/proc", tree_root);
}

static inline int tree_remove_one(
	const char *path, const struct stat *s, int kind, struct FTW *where)
{
	(void)s;
	(void)kind;
	(void)where;
	return remove(path);
}

static inline void tree_remove(void)
{
	nftw(tree_root, tree_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* "sys/class" -> its full name, with the folders above it made */
static inline void tree_path(char full[PATH_MAX], const char *path)
{
	snprintf(full, PATH_MAX, "%s/%s", tree_root, path);
	for (char *at = full + 1; (at = strchr(at, '/')) != NULL; at++) {
		*at = '\0';
		mkdir(full, 0755);
		*at = '/';
	}
}

static inline void tree_file(const char *path, const char *text)
{
	char full[PATH_MAX];
	FILE *f;

	tree_path(full, path);
	f = fopen(full, "w");
	if (f == NULL || fputs(text, f) < 0 || fclose(f) != 0)
		abort();
}

/* A link at `path` that says `text`, as those of /proc/N/fd do. */
static inline void tree_words(const char *path, const char *text)
{
	char full[PATH_MAX];

	tree_path(full, path);
	if (symlink(text, full) != 0)
		abort();
}

/* A link at `path` to `target`, both below the root; whatever is there is replaced. */
static inline void tree_link(const char *path, const char *target)
{
	char full[PATH_MAX], to[PATH_MAX];

	tree_path(full, path);
	tree_path(to, target);
	unlink(full);
	if (symlink(to, full) != 0)
		abort();
}

static inline void tree_folder(const char *path)
{
	char full[PATH_MAX], below[256];

	snprintf(below, sizeof(below), "%s/", path);
	tree_path(full, below);
}

static inline void tree_rename(const char *from, const char *to)
{
	char was[PATH_MAX], is[PATH_MAX];

	tree_path(was, from);
	tree_path(is, to);
	if (rename(was, is) != 0)
		abort();
}

static inline void tree_unlink(const char *path)
{
	char full[PATH_MAX];

	tree_path(full, path);
	unlink(full);
}

/*
 * A PCI device: a class such as "0x020000", ids "8086:1572", a driver (NULL: none), an IOMMU
 * group (-1: none).
 */
static inline void tree_pci(
	const char *address, const char *class, const char *id, const char *driver, int group)
{
	char at[128], to[128], text[16];

#define AT(...) (snprintf(at, sizeof(at), __VA_ARGS__), at)
	tree_file(AT("sys/bus/pci/devices/%s/class", address), class);
	snprintf(text, sizeof(text), "0x%.4s\n", id);
	tree_file(AT("sys/bus/pci/devices/%s/vendor", address), text);
	snprintf(text, sizeof(text), "0x%.4s\n", id + 5);
	tree_file(AT("sys/bus/pci/devices/%s/device", address), text);
	tree_file(AT("sys/bus/pci/devices/%s/driver_override", address), "(null)\n");
	tree_file(AT("sys/bus/pci/devices/%s/numa_node", address), "0\n");
	if (driver != NULL) {
		snprintf(to, sizeof(to), "sys/bus/pci/drivers/%s", driver);
		tree_folder(to);
		tree_link(AT("sys/bus/pci/devices/%s/driver", address), to);
	}
	if (group >= 0) {
		snprintf(to, sizeof(to), "sys/kernel/iommu_groups/%d", group);
		tree_link(AT("sys/bus/pci/devices/%s/iommu_group", address), to);
		snprintf(to, sizeof(to), "sys/bus/pci/devices/%s", address);
		tree_link(AT("sys/kernel/iommu_groups/%d/devices/%s", group, address), to);
	}
#undef AT
}

#endif
