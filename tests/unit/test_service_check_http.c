/* SPDX-License-Identifier: BSD-3-Clause */
/* A web server's answer to a check: each at once, cut in two anywhere, and byte by byte. */
#include "check_http.h"
#include "exact.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static const struct {
	const char *want, *answer;
	enum check_http_verdict read; /* when all of it has come */
	enum check_http_verdict end;  /* and after that the server closes */
} rows[] = {
#define OK200 "HTTP/1.1 200 OK\r\n"
#define WELL(want, answer)                                                                         \
	{                                                                                          \
		want, answer, CHECK_HTTP_WELL, 0                                                   \
	}
#define IS(verdict, want, answer)                                                                  \
	{                                                                                          \
		want, answer, CHECK_HTTP_##verdict, 0                                              \
	}
#define THEN(verdict, want, answer)                                                                \
	{                                                                                          \
		want, answer, CHECK_HTTP_MORE, CHECK_HTTP_##verdict                                \
	}
	/* heads */
	WELL("", OK200 "\r\n"),
	WELL("", "HTTP/1.0 204 No Content\r\n\r\n"),
	WELL("", "HTTP/1.1 299\r\n\r\n"),
	WELL("", "HTTP/1.1 200 \n\n"),
	WELL("", "HTTP/1.1 100 Continue\r\nA: b\r\n\r\n" OK200 "A: b\r\n\r\n"),
	THEN(MORE, "", OK200),
	THEN(MORE, "", OK200 "Content-Length: 3\r\n"),
	THEN(MORE, "", ""),
	IS(STATUS, "", "HTTP/1.1 503 Service Unavailable\r\n"),
	IS(STATUS, "", "HTTP/1.1 300 x\r\n"),
	IS(STATUS, "x", "HTTP/1.1 404 x\r\n\r\nx"),
	IS(GARBAGE, "", "HTTP/1.1 099 x\r\n"),
	IS(GARBAGE, "", "HTTP/2.0 200 OK\r\n"),
	IS(GARBAGE, "", "HTTP/1.1 20 OK\r\n"),
	IS(GARBAGE, "", "HTTP/1.1 2000 OK\r\n"),
	IS(GARBAGE, "", "HTTP/1.1  200 OK\r\n"),
	IS(GARBAGE, "", "\r\n"),
	IS(GARBAGE, "", "SSH-2.0-OpenSSH\r\n"),
	IS(GARBAGE, "x", OK200 "Content-Length: x\r\n"),
	/* bodies by their length, or to the end */
	WELL("abc", OK200 "Content-Length: 5\r\n\r\nxabcy"),
	WELL("abc", OK200 "content-length:\t3\r\n\r\nabc"),
	WELL("abc", OK200 "\r\nababc"),
	WELL("aab", OK200 "\r\naaab"),
	WELL("abcabd", OK200 "\r\nabcabcabd"),
	IS(BODY_NOT, "abc", OK200 "Content-Length: 5\r\n\r\nxabxc"),
	IS(BODY_NOT, "abc", OK200 "Content-Length: 2\r\n\r\nabc"),
	IS(BODY_NOT, "abc", OK200 "Content-Length: 0\r\n\r\n"),
	THEN(MORE, "abc", OK200 "Content-Length: 5\r\n\r\nab"),
	THEN(BODY_NOT, "abc", OK200 "\r\nab"),
	THEN(MORE, "abc", OK200 "Content-Length: 99999999999999999999999999\r\n\r\nab"),
	/* and by chunks */
	WELL("abc", OK200 "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n2\r\nbc\r\n"),
	WELL("abc", OK200 "transfer-encoding:Chunked\r\n\r\nA;x=1\r\n0123456abc\r\n0\r\n\r\n"),
	IS(BODY_NOT, "1\r\n", OK200 "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n"),
	IS(BODY_NOT, "abc", OK200 "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
	IS(GARBAGE, "abc", OK200 "Transfer-Encoding: chunked\r\n\r\nz\r\n"),
	IS(GARBAGE, "abc", OK200 "Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n"),
	THEN(MORE, "abc", OK200 "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n"),
};

/* In pieces of n bytes from the first `cut` on. */
static enum check_http_verdict read_all(
	struct check_http *h, const char *want, const char *answer, size_t cut, size_t n)
{
	enum check_http_verdict v = CHECK_HTTP_MORE;
	size_t len = strlen(answer);

	check_http_begin(h, 200, 299, want);
	for (size_t at = 0, m = cut; at < len && v == CHECK_HTTP_MORE; at += m, m = n) {
		char *copy;

		m = m < len - at ? m : len - at;
		copy = exact_copy(answer + at, m);
		v = check_http_read(h, copy, (uint32_t)m);
		free(copy);
	}
	return v;
}

static void answers(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t len = strlen(rows[i].answer);
		struct check_http h;

		for (size_t cut = 0; cut <= len; cut++) {
			for (size_t n = 1; n <= len + 2; n += len + 1) {
				enum check_http_verdict v =
					read_all(&h, rows[i].want, rows[i].answer, cut, n);

				if (v != rows[i].read)
					print_error(
						"%zu, cut at %zu: %s\n", i, cut, rows[i].answer);
				assert_int_equal(v, rows[i].read);
				if (v == CHECK_HTTP_MORE)
					assert_int_equal(check_http_end(&h), rows[i].end);
			}
		}
	}
}

static void status_is_told(void **state)
{
	struct check_http h;

	(void)state;
	assert_int_equal(read_all(&h, "", "HTTP/1.1 503 x\r\n", 3, 3), CHECK_HTTP_STATUS);
	assert_int_equal(h.status, 503);
}

/* Whatever a server sends for ever, there is an end. */
static void bounds(void **state)
{
	static const struct {
		const char *head, *again;
		enum check_http_verdict verdict;
		uint32_t most;
	} endless[] = {
		{"", "x", CHECK_HTTP_GARBAGE, CHECK_HTTP_HEAD + 1},
		{OK200, "A: b\r\n", CHECK_HTTP_GARBAGE, CHECK_HTTP_HEAD + 1},
		{"", "HTTP/1.1 100 x\r\n\r\n", CHECK_HTTP_GARBAGE, CHECK_HTTP_HEAD + 1},
		{OK200 "\r\n", "ab", CHECK_HTTP_BODY_NOT, CHECK_HTTP_BODY + 100},
		{OK200 "Transfer-Encoding: chunked\r\n\r\n", "1\r\na\r\n", CHECK_HTTP_BODY_NOT,
			6 * CHECK_HTTP_BODY + 100},
		{OK200 "Transfer-Encoding: chunked\r\n\r\n", "11111111111111111",
			CHECK_HTTP_GARBAGE, CHECK_HTTP_HEAD + 100},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(endless) / sizeof(endless[0]); i++) {
		enum check_http_verdict v;
		struct check_http h;
		uint32_t n = 0, step = (uint32_t)strlen(endless[i].again);

		v = read_all(&h, "abc", endless[i].head, 1, 100);
		for (; v == CHECK_HTTP_MORE && n <= endless[i].most; n += step)
			v = check_http_read(&h, endless[i].again, step);
		assert_int_equal(v, endless[i].verdict);
	}
}

static void a_question(void **state)
{
	char to[CHECK_HTTP_ASK], host[128] = {0}, path[256] = {0};
	uint32_t n = check_http_ask(to, "", 0xc6120101, 8080, "/x");

	(void)state;
	assert_int_equal(n, strlen(to));
	assert_non_null(strstr(to, "GET /x HTTP/1.1\r\nHost: 198.18.1.1:8080\r\n"));
	assert_string_equal(to + n - 4, "\r\n\r\n");
	memset(host, 'h', 127);
	memset(path, '/', 255);
	n = check_http_ask(to, host, 0, 0, path);
	assert_int_equal(n, strlen(to));
	assert_string_equal(to + n - 4, "\r\n\r\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers),
		cmocka_unit_test(status_is_told),
		cmocka_unit_test(bounds),
		cmocka_unit_test(a_question),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
