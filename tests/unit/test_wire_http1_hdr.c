/* SPDX-License-Identifier: BSD-3-Clause */
/* Heads of requests: bytes in, verdict and fields out; whole, and cut at every place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "exact.h"
#include "http_oracle.h"

#define FIELDS 16

static const struct http1_limits limits = {512, FIELDS};

static struct http1_request r;
static struct http1_field field[FIELDS];

static enum http1_verdict read_limited(
	const char *bytes, size_t len, const struct http1_limits *l, uint32_t step)
{
	enum http1_verdict v = HTTP1_MORE;
	uint32_t seen = 0;

	for (uint32_t n = step; v == HTTP1_MORE; n += step) {
		uint32_t part = n < len ? n : (uint32_t)len;
		char *copy = exact_copy(bytes, part);

		v = http1_hdr_request(copy, part, l, &seen, &r, field);
		free(copy);
		if (part == len)
			break;
	}
	return v;
}

#define H "Host: h\r\n"
#define E "\r\n\r\n"

static const struct {
	const char *name;
	const char *bytes;
	enum http1_verdict verdict;
} cases[] = {
	{"plain", "GET / HTTP/1.1\r\n" H "\r\n", HTTP1_OK},
	{"an empty line before", "\r\nGET / HTTP/1.1\r\n" H "\r\n", HTTP1_OK},
	{"two of them", "\r\n\r\nGET / HTTP/1.1\r\n" H "\r\n", HTTP1_BAD},
	{"nothing", "", HTTP1_MORE},
	{"half a line", "GET / HT", HTTP1_MORE},
	{"no empty line", "GET / HTTP/1.1\r\n" H, HTTP1_MORE},
	{"half the end", "GET / HTTP/1.1\r\n" H "\r", HTTP1_MORE},
	{"HTTP/1.0 without Host", "GET / HTTP/1.0" E, HTTP1_OK},
	{"HTTP/1.1 without Host", "GET / HTTP/1.1" E, HTTP1_BAD},
	{"HTTP/1.2 is 1.1's", "GET / HTTP/1.2" E, HTTP1_BAD},
	{"two Hosts", "GET / HTTP/1.1\r\n" H H "\r\n", HTTP1_BAD},
	{"two Hosts in 1.0", "GET / HTTP/1.0\r\n" H H "\r\n", HTTP1_BAD},
	{"empty Host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", HTTP1_OK},
	{"Host with a port", "GET / HTTP/1.1\r\nHost: a.b:80\r\n\r\n", HTTP1_OK},
	{"Host with IPv6", "GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", HTTP1_OK},
	{"Host of IPv6 cut", "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", HTTP1_BAD},
	{"Host with a path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", HTTP1_BAD},
	{"Host with a user", "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", HTTP1_BAD},
	{"Host with a list", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", HTTP1_BAD},
	{"Host's port is no number", "GET / HTTP/1.1\r\nHost: a:8x\r\n\r\n", HTTP1_BAD},
	{"HTTP/2", "GET / HTTP/2.0\r\n" H "\r\n", HTTP1_OTHER_VERSION},
	{"HTTP/0.9", "GET / HTTP/0.9\r\n" H "\r\n", HTTP1_OTHER_VERSION},
	{"its preface", "PRI * HTTP/2.0" E, HTTP1_OTHER_VERSION},
	{"no version", "GET /" E, HTTP1_BAD},
	{"lower-case version", "GET / http/1.1\r\n" H "\r\n", HTTP1_BAD},
	{"long version", "GET / HTTP/1.10\r\n" H "\r\n", HTTP1_BAD},
	{"two spaces", "GET  / HTTP/1.1\r\n" H "\r\n", HTTP1_BAD},
	{"two spaces behind", "GET /  HTTP/1.1\r\n" H "\r\n", HTTP1_BAD},
	{"space at the end", "GET / HTTP/1.1 \r\n" H "\r\n", HTTP1_BAD},
	{"a tab between", "GET\t/ HTTP/1.1\r\n" H "\r\n", HTTP1_BAD},
	{"space before", " GET / HTTP/1.1\r\n" H "\r\n", HTTP1_BAD},
	{"a method that is no token", "G@T / HTTP/1.1\r\n" H "\r\n", HTTP1_BAD},
	{"an unknown method", "BREW / HTTP/1.1\r\n" H "\r\n", HTTP1_OK},
	{"a lower-case method", "get / HTTP/1.1\r\n" H "\r\n", HTTP1_OK},
	{"absolute", "GET http://a:8/x?y HTTP/1.1\r\n" H "\r\n", HTTP1_OK},
	{"absolute without a path", "GET http://a HTTP/1.1\r\n" H "\r\n", HTTP1_OK},
	{"absolute with a user", "GET http://u@a/ HTTP/1.1\r\n" H "\r\n", HTTP1_BAD},
	{"absolute without a host", "GET http:///x HTTP/1.1\r\n" H "\r\n", HTTP1_BAD},
	{"another scheme", "GET ftp://a/x HTTP/1.1\r\n" H "\r\n", HTTP1_BAD},
	{"no slash", "GET x HTTP/1.1\r\n" H "\r\n", HTTP1_BAD},
	{"asterisk", "OPTIONS * HTTP/1.1\r\n" H "\r\n", HTTP1_OK},
	{"asterisk of GET", "GET * HTTP/1.1\r\n" H "\r\n", HTTP1_BAD},
	{"authority", "CONNECT a:443 HTTP/1.1\r\n" H "\r\n", HTTP1_OK},
	{"authority without a port", "CONNECT a HTTP/1.1\r\n" H "\r\n", HTTP1_BAD},
	{"authority of GET", "GET a:443 HTTP/1.1\r\n" H "\r\n", HTTP1_BAD},
	{"CONNECT to a path", "CONNECT / HTTP/1.1\r\n" H "\r\n", HTTP1_BAD},
	{"a fragment", "GET /#x HTTP/1.1\r\n" H "\r\n", HTTP1_BAD},
	{"a quote in a target", "GET /\" HTTP/1.1\r\n" H "\r\n", HTTP1_BAD},
	{"eight bits in a target", "GET /\xc3\xa4 HTTP/1.1\r\n" H "\r\n", HTTP1_BAD},
	{"a bare LF", "GET / HTTP/1.1\n" H "\r\n", HTTP1_BAD},
	{"a bare LF in a field", "GET / HTTP/1.1\r\nHost: a\nb: c\r\n\r\n", HTTP1_BAD},
	{"a bare CR", "GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n", HTTP1_BAD},
	{"CR CR LF", "GET / HTTP/1.1\r\r\n" H "\r\n", HTTP1_BAD},
	{"a control", "GET / HTTP/1.1\r\n" H "a: \x01\r\n\r\n", HTTP1_BAD},
	{"DEL", "GET / HTTP/1.1\r\n" H "a: \x7f\r\n\r\n", HTTP1_BAD},
	{"TLS", "\x16\x03\x01\x02", HTTP1_BAD},
	{"a control that comes early", "G\x02", HTTP1_BAD},
	{"eight bits in a value", "GET / HTTP/1.1\r\n" H "a: \xc3\xa4\r\n\r\n", HTTP1_OK},
	{"a tab in a value", "GET / HTTP/1.1\r\n" H "a: b\tc\t\r\n\r\n", HTTP1_OK},
	{"space before the colon", "GET / HTTP/1.1\r\nHost : h\r\n\r\n", HTTP1_BAD},
	{"no colon", "GET / HTTP/1.1\r\n" H "abc\r\n\r\n", HTTP1_BAD},
	{"no name", "GET / HTTP/1.1\r\n" H ": c\r\n\r\n", HTTP1_BAD},
	{"a name that is no token", "GET / HTTP/1.1\r\n" H "a(b: c\r\n\r\n", HTTP1_BAD},
	{"folded", "GET / HTTP/1.1\r\n" H "a: b\r\n c\r\n\r\n", HTTP1_BAD},
	{"folded by a tab", "GET / HTTP/1.1\r\n" H "a: b\r\n\tc\r\n\r\n", HTTP1_BAD},
	{"folded first", "GET / HTTP/1.1\r\n Host: h\r\n\r\n", HTTP1_BAD},
	{"a length", "GET / HTTP/1.1\r\n" H "Content-Length: 5\r\n\r\n", HTTP1_OK},
	{"a length twice", "GET / HTTP/1.1\r\n" H "Content-Length: 5\r\ncontent-length: 5\r\n\r\n",
		HTTP1_BAD},
	{"a list of lengths", "GET / HTTP/1.1\r\n" H "Content-Length: 5, 5\r\n\r\n", HTTP1_BAD},
	{"a length with a sign", "GET / HTTP/1.1\r\n" H "Content-Length: +5\r\n\r\n", HTTP1_BAD},
	{"a negative length", "GET / HTTP/1.1\r\n" H "Content-Length: -5\r\n\r\n", HTTP1_BAD},
	{"an empty length", "GET / HTTP/1.1\r\n" H "Content-Length:\r\n\r\n", HTTP1_BAD},
	{"a hexadecimal length", "GET / HTTP/1.1\r\n" H "Content-Length: 0x5\r\n\r\n", HTTP1_BAD},
	{"the largest length", "GET / HTTP/1.1\r\n" H "Content-Length: 999999999999999999\r\n\r\n",
		HTTP1_OK},
	{"a larger one", "GET / HTTP/1.1\r\n" H "Content-Length: 18446744073709551617\r\n\r\n",
		HTTP1_BAD},
	{"chunked", "POST / HTTP/1.1\r\n" H "Transfer-Encoding: Chunked\r\n\r\n", HTTP1_OK},
	{"chunked and a length",
		"POST / HTTP/1.1\r\n" H "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
		HTTP1_BAD},
	{"a length and chunked",
		"POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
		HTTP1_BAD},
	{"chunked in 1.0", "POST / HTTP/1.0\r\n" H "Transfer-Encoding: chunked\r\n\r\n", HTTP1_BAD},
	{"chunked not last", "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked, gzip\r\n\r\n",
		HTTP1_BAD},
	{"chunked twice", "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked, chunked\r\n\r\n",
		HTTP1_BAD},
	{"chunked in two lines",
		"POST / HTTP/1.1\r\n" H
		"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n",
		HTTP1_BAD},
	{"another coding first", "POST / HTTP/1.1\r\n" H "Transfer-Encoding: gzip, chunked\r\n\r\n",
		HTTP1_UNKNOWN_CODING},
	{"and a length with it",
		"POST / HTTP/1.1\r\n" H
		"Transfer-Encoding: gzip, chunked\r\nContent-Length: 1\r\n\r\n",
		HTTP1_BAD},
	{"another coding alone", "POST / HTTP/1.1\r\n" H "Transfer-Encoding: identity\r\n\r\n",
		HTTP1_BAD},
	{"chunked with a parameter",
		"POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked;a=b\r\n\r\n", HTTP1_BAD},
	{"chunked and a comma", "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked,\r\n\r\n",
		HTTP1_BAD},
	{"xchunked", "POST / HTTP/1.1\r\n" H "Transfer-Encoding: xchunked\r\n\r\n", HTTP1_BAD},
	{"no coding", "POST / HTTP/1.1\r\n" H "Transfer-Encoding:\r\n\r\n", HTTP1_BAD},
};

/* A NUL cannot stand in a string above. */
static const char with_nul[] = "GET / HTTP/1.1\r\n" H "a: \0\r\n\r\n";

/* The same with every step; one byte at a time too: what is read does not depend on it. */
static void test_verdicts(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		size_t len = strlen(cases[i].bytes);

		for (uint32_t step = 1; step <= len + 1; step++) {
			enum http1_verdict v = read_limited(cases[i].bytes, len, &limits, step);

			if (v != cases[i].verdict)
				fail_msg("%s, by %u: %d", cases[i].name, step, v);
		}
		if (cases[i].verdict == HTTP1_OK) {
			assert_int_equal(r.len, len);
			if (!http_oracle_agrees(cases[i].bytes, &r, field))
				fail_msg("%s: http-parser does not agree", cases[i].name);
		}
	}
	assert_int_equal(read_limited(with_nul, sizeof(with_nul) - 1, &limits, 1), HTTP1_BAD);
	assert_int_equal(read_limited(with_nul, sizeof(with_nul) - 1, &limits, 99), HTTP1_BAD);
}

static const char browser[] = "HEAD /a/b%20c?d=[e] HTTP/1.1\r\n"
			      "Host: 198.18.0.254:8080\r\n"
			      "User-Agent: \t a (b) c \t\r\n"
			      "connection: Upgrade , close,\r\n"
			      "If-None-Match: \"x\", W/\"y\"\r\n"
			      "EXPECT: 100-Continue\r\n"
			      "if-modified-since: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
			      "X-Empty:\r\n"
			      "Content-Length: 12\r\n"
			      "\r\n"
			      "twelve bytes";

static bool is(const struct http1_span *s, const char *text)
{
	return s->len == strlen(text) && memcmp(browser + s->at, text, s->len) == 0;
}

static const struct http1_span *value_of(enum http1_name name)
{
	assert_true(r.known[name] != 0);
	return &field[r.known[name] - 1].value;
}

/* A body, or the next request, behind it changes nothing. */
static void test_what_is_read(void **state)
{
	size_t body = strlen("twelve bytes");

	(void)state;
	for (uint32_t step = 1; step < sizeof(browser); step++) {
		assert_int_equal(
			read_limited(browser, sizeof(browser) - 1, &limits, step), HTTP1_OK);
		assert_int_equal(r.len, sizeof(browser) - 1 - body);
		assert_int_equal(r.method, HTTP1_HEAD);
		assert_int_equal(r.form, HTTP1_ORIGIN);
		assert_true(is(&r.method_name, "HEAD") && is(&r.target, "/a/b%20c?d=[e]"));
		assert_int_equal(r.minor, 1);
		assert_true(r.has_length && r.content_length == 12 && !r.chunked);
		assert_true(r.close && !r.keep_alive);
		assert_true(r.expects_continue && !r.expects_other);
		assert_int_equal(r.n_fields, 8);
		assert_true(is(&field[1].name, "User-Agent") && is(&field[1].value, "a (b) c"));
		assert_true(is(&field[6].name, "X-Empty") && is(&field[6].value, ""));
		assert_true(is(value_of(HTTP1_HOST), "198.18.0.254:8080"));
		assert_true(is(value_of(HTTP1_IF_NONE_MATCH), "\"x\", W/\"y\""));
		assert_true(is(value_of(HTTP1_IF_MODIFIED_SINCE), "Sun, 06 Nov 1994 08:49:37 GMT"));
		assert_int_equal(r.known[HTTP1_TRANSFER_ENCODING], 0);
	}
}

static void test_paths(void **state)
{
	static const struct {
		const char *bytes, *path;
		enum http1_target_form form;
	} targets[] = {
		{"GET /x?y HTTP/1.0" E, "/x?y", HTTP1_ORIGIN},
		{"GET http://h/x?y HTTP/1.0" E, "/x?y", HTTP1_ABSOLUTE},
		{"GET HTTPS://h:1?y HTTP/1.0" E, "?y", HTTP1_ABSOLUTE},
		{"GET http://h HTTP/1.0" E, "", HTTP1_ABSOLUTE},
		{"CONNECT h:1 HTTP/1.0" E, "h:1", HTTP1_AUTHORITY},
		{"OPTIONS * HTTP/1.0" E, "*", HTTP1_ASTERISK},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(targets) / sizeof(*targets); i++) {
		const char *bytes = targets[i].bytes;

		assert_int_equal(read_limited(bytes, strlen(bytes), &limits, 1000), HTTP1_OK);
		assert_int_equal(r.form, targets[i].form);
		assert_int_equal(r.path.len, strlen(targets[i].path));
		assert_memory_equal(bytes + r.path.at, targets[i].path, r.path.len);
	}
}

/* Each limit, at it and one beyond, however the bytes come. */
static void test_limits(void **state)
{
	static const char head[] = "GET /index.html HTTP/1.0\r\na: b\r\nc: d\r\n\r\n";
	const uint32_t len = sizeof(head) - 1, line = 26;

	(void)state;
	for (uint32_t step = 1; step <= len; step++) {
		struct http1_limits l = {len, 2};

		assert_int_equal(read_limited(head, len, &l, step), HTTP1_OK);
		l.fields = 1;
		assert_int_equal(read_limited(head, len, &l, step), HTTP1_LARGE);
		l = (struct http1_limits){len - 1, 2};
		assert_int_equal(read_limited(head, len, &l, step), HTTP1_LARGE);
		l.bytes = line;
		assert_int_equal(read_limited(head, len, &l, step), HTTP1_LARGE);
		l.bytes = line - 1;
		assert_int_equal(read_limited(head, len, &l, step), HTTP1_LONG_TARGET);
	}
}

static void test_tags(void **state)
{
	static const struct {
		const char *list;
		bool named;
	} lists[] = {
		{"\"a\"", true},
		{"W/\"a\"", true},
		{"\"b\", \"a\"", true},
		{"\"b\",W/\"a\" ,", true},
		{"*", true},
		{"", false},
		{"\"b\"", false},
		{"a", false},
		{"\"a", false},
		{"\"aa\"", false},
		{"W/", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++) {
		char *list = exact_copy(lists[i].list, strlen(lists[i].list));

		assert_int_equal(
			http1_hdr_lists_tag(list, (uint32_t)strlen(lists[i].list), "\"a\"", 3),
			lists[i].named);
		free(list);
	}
}

static void test_ranges(void **state)
{
	static const struct {
		const char *text;
		uint64_t size;
		enum http1_range range;
		uint64_t first, n;
	} ranges[] = {
		{"bytes=0-0", 10, HTTP1_RANGE_PART, 0, 1},
		{"bytes=2-5", 10, HTTP1_RANGE_PART, 2, 4},
		{"Bytes=9-", 10, HTTP1_RANGE_PART, 9, 1},
		{"bytes=3-99", 10, HTTP1_RANGE_PART, 3, 7},
		{"bytes=3-999999999999999999", 10, HTTP1_RANGE_PART, 3, 7},
		{"bytes=-4", 10, HTTP1_RANGE_PART, 6, 4},
		{"bytes=-10", 10, HTTP1_RANGE_PART, 0, 10},
		{"bytes=-11", 10, HTTP1_RANGE_PART, 0, 10},
		{"bytes=10-", 10, HTTP1_RANGE_OUTSIDE, 0, 0},
		{"bytes=10-12", 10, HTTP1_RANGE_OUTSIDE, 0, 0},
		{"bytes=-0", 10, HTTP1_RANGE_OUTSIDE, 0, 0},
		{"bytes=0-", 0, HTTP1_RANGE_WHOLE, 0, 0},
		{"bytes=-1", 0, HTTP1_RANGE_WHOLE, 0, 0},
		{"bytes=5-4", 10, HTTP1_RANGE_WHOLE, 0, 0},
		{"bytes=0-1,3-4", 10, HTTP1_RANGE_WHOLE, 0, 0},
		{"bytes=-", 10, HTTP1_RANGE_WHOLE, 0, 0},
		{"bytes=", 10, HTTP1_RANGE_WHOLE, 0, 0},
		{"bytes=1", 10, HTTP1_RANGE_WHOLE, 0, 0},
		{"bytes=--1", 10, HTTP1_RANGE_WHOLE, 0, 0},
		{"bytes=1-2 ", 10, HTTP1_RANGE_WHOLE, 0, 0},
		{"bytes= 1-2", 10, HTTP1_RANGE_WHOLE, 0, 0},
		{"bytes=18446744073709551617-", 10, HTTP1_RANGE_WHOLE, 0, 0},
		{"bytes=0-18446744073709551617", 10, HTTP1_RANGE_WHOLE, 0, 0},
		{"lines=0-1", 10, HTTP1_RANGE_WHOLE, 0, 0},
		{"byte", 10, HTTP1_RANGE_WHOLE, 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(ranges) / sizeof(*ranges); i++) {
		char *text = exact_copy(ranges[i].text, strlen(ranges[i].text));
		uint64_t first = 0, n = 0;

		if (http1_hdr_range(text, (uint32_t)strlen(ranges[i].text), ranges[i].size, &first,
			    &n) != ranges[i].range ||
			first != ranges[i].first || n != ranges[i].n)
			fail_msg("%s", ranges[i].text);
		free(text);
	}
}

/* Every day up to the year 2200, as the C library has it, and back again. */
static void test_dates(void **state)
{
	char ours[HTTP1_DATE_LEN + 1] = "", theirs[64];
	int64_t back;

	(void)state;
	for (time_t t = 0; t < 86400 * INT64_C(84000); t += 86400 + 3607) {
		struct tm tm;

		gmtime_r(&t, &tm);
		strftime(theirs, sizeof(theirs), "%a, %d %b %Y %H:%M:%S GMT", &tm);
		http1_hdr_put_date(ours, t);
		assert_string_equal(ours, theirs);
		assert_true(http1_hdr_date(ours, HTTP1_DATE_LEN, &back) && back == t);
	}
}

static void test_dates_that_are_none(void **state)
{
	static const char *const none[] = {"", "Sun, 06 Nov 1994 08:49:37 GM",
		"Mon, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 24:49:37 GMT",
		"Sun, 31 Feb 1994 08:49:37 GMT", "Sun, 00 Nov 1994 08:49:37 GMT",
		"Sun, 06 Xyz 1994 08:49:37 GMT", "Sun, 06 Nov 1969 08:49:37 GMT",
		"Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994     "};
	int64_t t;

	(void)state;
	for (size_t i = 0; i < sizeof(none) / sizeof(*none); i++)
		assert_false(http1_hdr_date(none[i], (uint32_t)strlen(none[i]), &t));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_verdicts),
		cmocka_unit_test(test_what_is_read),
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_tags),
		cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_dates),
		cmocka_unit_test(test_dates_that_are_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
