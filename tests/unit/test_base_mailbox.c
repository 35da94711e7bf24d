/* SPDX-License-Identifier: BSD-3-Clause */
/* Mailboxes: order, bounds, two threads; bells: nobody sleeps over a message. */
#include "base/mailbox.h"

#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

struct message {
	uint32_t number;
	uint32_t check;
};

static void test_keeps_order_and_bound(void **state)
{
	struct mailbox *b = mailbox_new(8, sizeof(struct message), -1);
	struct message out[8];
	uint32_t posted = 0;

	(void)state;
	assert_non_null(b);
	for (uint32_t i = 0; i < 20; i++) {
		struct message m = {i, ~i};

		if (mailbox_post(b, &m))
			posted++;
	}
	assert_int_equal(posted, 7); /* a ring of 8 holds 7 */
	assert_int_equal(mailbox_count(b), 7);
	assert_int_equal(mailbox_take(b, out, 3), 3);
	assert_int_equal(mailbox_take(b, out + 3, 5), 4);
	for (uint32_t i = 0; i < 7; i++) {
		assert_int_equal(out[i].number, i);
		assert_int_equal(out[i].check, ~i);
	}
	assert_int_equal(mailbox_take(b, out, 8), 0);
	mailbox_free(b);
}

static void test_refuses_a_size_that_is_no_power_of_two(void **state)
{
	(void)state;
	assert_null(mailbox_new(7, sizeof(struct message), -1));
}

#define MESSAGES 200000

struct pair {
	struct mailbox *box;
	struct bell bell;
};

static void *poster(void *arg)
{
	struct pair *p = arg;

	for (uint32_t i = 0; i < MESSAGES;) {
		struct message m = {i, ~i};

		if (mailbox_post(p->box, &m)) {
			bell_ring(&p->bell);
			i++;
		} else {
			sched_yield();
		}
	}
	return NULL;
}

/* The taker sleeps whenever nothing is there: a message that is slept over would hang the test. */
static void test_a_sleeper_misses_nothing(void **state)
{
	struct pair p = {mailbox_new(64, sizeof(struct message), -1), {0}};
	uint32_t taken = 0, sleeps_too_long = 0;
	pthread_t thread;

	(void)state;
	assert_int_equal(bell_open(&p.bell), 0);
	assert_int_equal(pthread_create(&thread, NULL, poster, &p), 0);
	while (taken < MESSAGES) {
		struct message m[16];
		unsigned int n = mailbox_take(p.box, m, 16);
		struct pollfd fd = {.fd = p.bell.fd, .events = POLLIN};

		for (unsigned int i = 0; i < n; i++)
			assert_int_equal(m[i].number, taken++);
		if (n > 0)
			continue;
		bell_arm(&p.bell);
		if (mailbox_count(p.box) == 0 && poll(&fd, 1, 20000) == 0)
			sleeps_too_long++;
		bell_disarm(&p.bell);
	}
	pthread_join(thread, NULL);
	assert_int_equal(sleeps_too_long, 0);
	bell_close(&p.bell);
	mailbox_free(p.box);
}

static void test_an_unarmed_bell_is_silent(void **state)
{
	struct bell b;
	struct pollfd fd;

	(void)state;
	assert_int_equal(bell_open(&b), 0);
	fd = (struct pollfd){.fd = b.fd, .events = POLLIN};
	bell_ring(&b);
	assert_int_equal(poll(&fd, 1, 0), 0);
	bell_arm(&b);
	bell_ring(&b);
	assert_int_equal(poll(&fd, 1, 0), 1);
	bell_disarm(&b);
	assert_int_equal(poll(&fd, 1, 0), 0);
	bell_close(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keeps_order_and_bound),
		cmocka_unit_test(test_refuses_a_size_that_is_no_power_of_two),
		cmocka_unit_test(test_a_sleeper_misses_nothing),
		cmocka_unit_test(test_an_unarmed_bell_is_silent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
