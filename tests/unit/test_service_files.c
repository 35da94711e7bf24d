/* SPDX-License-Identifier: BSD-3-Clause */
/* What is read of a directory, and who refers to it. */
#include "files_bed.h"

#include "heap_pool.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>

static void refused(struct files_budget budget, const char *root, const char *why)
{
	struct errs e = {0};

	assert_false(files_check(&(struct files_owner){{7, 3}, "root", root}, &budget, &e));
	assert_int_equal(e.n, 1);
	assert_int_equal(e.list[0].at.line, 7);
	if (strstr(e.list[0].text, why) == NULL)
		fail_msg("%s", e.list[0].text);
	errs_clear(&e);
}

static const struct file *find(const struct files *f, const char *path)
{
	uint32_t hash = FILES_HASH;

	for (const char *c = path; *c != '\0'; c++)
		hash = files_hash(hash, *c);
	return files_find(f, path, (uint32_t)strlen(path), hash);
}

static void test_files(void **state)
{
	char path[128];
	struct files *f;

	(void)state;
	write_file(".hidden", 5, 'a');
	snprintf(path, sizeof(path), "%s/link", directory);
	assert_int_equal(symlink("/etc/passwd", path), 0);
	f = load();
	assert_non_null(find(f, "/index.html"));
	assert_ptr_equal(find(f, "/"), find(f, "/index.html"));
	assert_int_equal(find(f, "/big")->size, BIG);
	assert_null(find(f, "/link"));
	assert_null(find(f, "/.hidden"));
	assert_null(find(f, ""));
	files_free(f);
	refused((struct files_budget){1 << 20, 100}, directory, "http.bytes");
	refused((struct files_budget){16 << 20, 1}, directory, "http.files");
	refused((struct files_budget){16 << 20, 100}, "/nonexistent", "No such file");
	refused((struct files_budget){16 << 20, 100}, "/etc/passwd", "Not a directory");
}

/* No answer says that a file was changed after it was sent. */
static void test_modified(void **state)
{
	static const struct {
		int64_t mtime, modified; /* -1: when it was read */
	} times[] = {{784111777, 784111777}, {-5, 0}, {INT64_C(1) << 40, -1}};
	time_t before = time(NULL);

	(void)state;
	for (size_t i = 0; i < RTE_DIM(times); i++) {
		struct timespec t[2] = {{times[i].mtime, 0}, {times[i].mtime, 0}};
		char path[128];
		struct files *f;
		int64_t got;

		snprintf(path, sizeof(path), "%s/index.html", directory);
		assert_int_equal(utimensat(AT_FDCWD, path, t, 0), 0);
		f = load();
		got = find(f, "/")->modified;
		if (times[i].modified >= 0)
			assert_int_equal(got, times[i].modified);
		else
			assert_true(got >= before && got <= time(NULL));
		files_free(f);
	}
	write_file("index.html", 600, 'a');
}

/* No buffer crosses a piece's border, and all of a file comes out of them. */
static void test_pieces(void **state)
{
	struct rte_mempool *pool = heap_pool_new(4, 256);
	struct files *f = load();
	const struct file *big = find(f, "/big");
	uint32_t parts = 0;

	(void)state;
	for (uint64_t at = 0; at < big->size; parts++) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
		uint32_t n = files_attach(f, big, 0, at, UINT32_MAX, m);
		uintptr_t from = (uintptr_t)rte_pktmbuf_mtod(m, char *);

		assert_true(n > 0 && n <= FILES_PIECE && m->data_len == n);
		assert_int_equal(from / FILES_PIECE, (from + n - 1) / FILES_PIECE);
		assert_memory_equal((char *)from, big->body + at, n);
		assert_true(files_in_use(f, 1));
		rte_pktmbuf_free(m);
		at += n;
	}
	assert_true(parts >= BIG / FILES_PIECE);
	assert_false(files_in_use(f, 1));
	files_free(f);
	heap_pool_free(pool);
}

/* Each connection holds what it is sent, and there may be more of them than a count of 16 bits has.
 */
static void test_many_holds(void **state)
{
	struct files *f = load();

	(void)state;
	for (uint32_t i = 0; i < 1 << 17; i++) {
		files_hold(f, 0);
		assert_true(files_in_use(f, 1));
	}
	for (uint32_t i = 0; i < 1 << 17; i++) {
		assert_true(files_in_use(f, 1));
		files_give_up(f, 0);
	}
	assert_false(files_in_use(f, 1));
	files_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_modified),
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_many_holds),
	};

	return cmocka_run_group_tests(tests, make_files, remove_files);
}
