/* SPDX-License-Identifier: BSD-3-Clause */
/* What is a request to the socket service, and what is garbage. */
#include "service/sockets.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A header whose message is `length` bytes long. */
static struct sockets_request header(uint16_t call, uint32_t length)
{
	return (struct sockets_request){.length = length, .version = SOCKETS_VERSION, .call = call};
}

/* In memory of exactly that size: a sanitizer sees a read past it. */
static int check(const struct sockets_request *r, size_t have)
{
	char *p = malloc(have == 0 ? 1 : have);
	int rc;

	memset(p, 0, have);
	memcpy(p, r, have < sizeof(*r) ? have : sizeof(*r));
	rc = sockets_request_check(p, have);
	free(p);
	return rc;
}

static const struct {
	uint16_t call;
	uint32_t least;
	uint32_t most;
} sizes[] = {
	{SOCKETS_SOCKET, 0, 0},
	{SOCKETS_BIND, 8, 8},
	{SOCKETS_LISTEN, 0, 0},
	{SOCKETS_ACCEPT, 0, 0},
	{SOCKETS_CONNECT, 8, 8},
	{SOCKETS_RECV, 4, 4},
	{SOCKETS_SEND, 8, 8 + SOCKETS_DATA_MAX},
	{SOCKETS_SHUTDOWN, 0, 0},
	{SOCKETS_CLOSE, 0, 0},
	{SOCKETS_GETOPT, 0, 0},
	{SOCKETS_SETOPT, 0, 16},
	{SOCKETS_COUNT, 0, 0},
	{SOCKETS_NAME, 0, 0},
	{SOCKETS_POLL, 0, 8 * SOCKETS_POLL_MAX},
};

static void sizes_of_each_call(void **state)
{
	const uint32_t head = sizeof(struct sockets_request);

	(void)state;
	assert_int_equal(sizeof(sizes) / sizeof(sizes[0]), SOCKETS_CALLS);
	for (size_t i = 0; i < SOCKETS_CALLS; i++) {
		struct sockets_request r = header(sizes[i].call, head + sizes[i].least);

		assert_int_equal(check(&r, r.length), 0);
		r.length = head + sizes[i].most;
		assert_int_equal(check(&r, r.length), 0);
		r.length = head + sizes[i].most + 8;
		assert_int_equal(check(&r, head), -EBADMSG);
		if (sizes[i].least == 0)
			continue;
		r.length = head + sizes[i].least - 1;
		assert_int_equal(check(&r, head), -EBADMSG);
	}
}

static void parts_are_waited_for(void **state)
{
	struct sockets_request r = header(SOCKETS_SEND, sizeof(r) + 8 + 100);

	(void)state;
	for (size_t have = 0; have < sizeof(r); have++)
		assert_int_equal(check(&r, have), sizeof(r));
	for (size_t have = sizeof(r); have < r.length; have++)
		assert_int_equal(check(&r, have), r.length);
	assert_int_equal(check(&r, r.length), 0);
	assert_int_equal(check(&r, r.length + 10), 0); /* and the next one's beginning */
}

static void garbage(void **state)
{
	const struct sockets_request good = header(SOCKETS_SOCKET, sizeof(good));
	struct sockets_request r = good;

	(void)state;
	assert_int_equal(check(&r, sizeof(r)), 0);
	r.version++;
	assert_int_equal(check(&r, sizeof(r)), -EBADMSG);
	r = good;
	r.zero = 1;
	assert_int_equal(check(&r, sizeof(r)), -EBADMSG);
	r = good;
	r.call = SOCKETS_CALLS;
	assert_int_equal(check(&r, sizeof(r)), -EBADMSG);
	r = good;
	r.length = sizeof(r) - 1;
	assert_int_equal(check(&r, sizeof(r)), -EBADMSG);
	r.length = UINT32_MAX;
	assert_int_equal(check(&r, sizeof(r)), -EBADMSG);
	r = header(SOCKETS_POLL, sizeof(r) + 12);
	assert_int_equal(check(&r, sizeof(r)), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes_of_each_call),
		cmocka_unit_test(parts_are_waited_for),
		cmocka_unit_test(garbage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
