/* SPDX-License-Identifier: BSD-3-Clause */
/* Lines: what is printed at which level, and that DPDK's take the same way. */
#include "base/log.h"

#include <rte_log.h>

#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char text[4096];

/* What fn writes to stderr. */
static void capture(void (*fn)(void))
{
	int ends[2], saved = dup(STDERR_FILENO);
	ssize_t n;

	assert_int_equal(pipe(ends), 0);
	dup2(ends[1], STDERR_FILENO);
	fn();
	fflush(stderr);
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(ends[1]);
	n = read(ends[0], text, sizeof(text) - 1);
	close(ends[0]);
	text[n < 0 ? 0 : n] = '\0';
}

static void four_levels(void)
{
	log_open(SINK_STDERR, LEVEL_NOTICE);
	log_error("one %d", 1);
	log_warning("two");
	log_notice("three");
	log_detail("four");
}

static void test_levels(void **state)
{
	(void)state;
	capture(four_levels);
	assert_string_equal(
		text, "millrace: error: one 1\nmillrace: warning: two\nmillrace: three\n");
}

static void dpdk_speaks(void)
{
	log_open(SINK_STDERR, LEVEL_WARNING);
	rte_log(RTE_LOG_ERR, RTE_LOGTYPE_EAL, "broken\n");
	rte_log(RTE_LOG_NOTICE, RTE_LOGTYPE_EAL, "chatter\n");
}

static void test_dpdk_lines(void **state)
{
	(void)state;
	capture(dpdk_speaks);
	assert_non_null(strstr(text, "millrace: error: dpdk: broken\n"));
	assert_null(strstr(text, "chatter"));
}

/* Each apply opens the log anew. */
static void test_opened_again(void **state)
{
	size_t before;

	(void)state;
	log_open(SINK_STDERR, LEVEL_NOTICE);
	before = mallinfo2().uordblks;
	for (int i = 0; i < 1000; i++)
		log_open(i % 2 ? SINK_STDERR : SINK_SYSLOG, LEVEL_NOTICE);
	assert_in_range(mallinfo2().uordblks, 0, before + 10000);
}

static void a_long_line(void)
{
	char word[2000];

	memset(word, 'x', sizeof(word) - 1);
	word[sizeof(word) - 1] = '\0';
	log_error("%s", word);
}

static void test_a_long_line_is_cut(void **state)
{
	(void)state;
	capture(a_long_line);
	assert_in_range(strlen(text), 500, 600);
	assert_int_equal(text[strlen(text) - 1], '\n');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_levels),
		cmocka_unit_test(test_dpdk_lines),
		cmocka_unit_test(test_opened_again),
		cmocka_unit_test(test_a_long_line_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
