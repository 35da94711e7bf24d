/* SPDX-License-Identifier: BSD-3-Clause */
/* The control loop: descriptors, the bell, signals, and work that says how long it may sleep. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "loop.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

struct fixture {
	struct bell bell;
	struct loop *loop;
	int turns;    /* of the work function */
	int stop_at;  /* turns after which it ends the loop */
	int sleep_ms; /* what it answers */
	int fd[3];    /* eventfds */
	int ran[3];   /* of their functions */
	bool delete_other;
	_Atomic int posted; /* by another thread */
	int taken;
	int signal;
};

static int work(void *arg)
{
	struct fixture *f = arg;

	f->taken += atomic_exchange(&f->posted, 0);
	if (++f->turns == f->stop_at)
		loop_stop(f->loop);
	return f->sleep_ms;
}

static int setup(void **state)
{
	static struct fixture f;

	f = (struct fixture){.stop_at = 1000000, .sleep_ms = -1};
	assert_int_equal(bell_open(&f.bell), 0);
	f.loop = loop_new(&f.bell, work, &f);
	assert_non_null(f.loop);
	for (int i = 0; i < 3; i++)
		f.fd[i] = eventfd(0, EFD_NONBLOCK);
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	loop_free(f->loop);
	bell_close(&f->bell);
	for (int i = 0; i < 3; i++)
		close(f->fd[i]);
	return 0;
}

static void raise_fd(int fd)
{
	assert_int_equal(eventfd_write(fd, 1), 0);
}

static void ready(struct fixture *f, int i)
{
	eventfd_t v;

	eventfd_read(f->fd[i], &v);
	f->ran[i]++;
	if (f->delete_other)
		loop_del(f->loop, f->fd[1 - i]);
}

static void ready0(void *arg, uint32_t events)
{
	assert_int_equal(events, EPOLLIN);
	ready(arg, 0);
}

static void ready1(void *arg, uint32_t events)
{
	assert_int_equal(events, EPOLLIN);
	ready(arg, 1);
}

static void test_descriptors(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(loop_add(f->loop, f->fd[0], EPOLLIN, ready0, f), 0);
	assert_int_equal(loop_add(f->loop, f->fd[1], 0, ready1, f), 0);
	assert_int_equal(loop_add(f->loop, f->fd[0], EPOLLIN, ready0, f), -EEXIST);
	assert_int_equal(loop_add(f->loop, 9999, EPOLLIN, ready0, f), -EBADF);
	raise_fd(f->fd[0]);
	raise_fd(f->fd[1]);
	loop_turn(f->loop);
	loop_turn(f->loop);
	assert_int_equal(f->ran[0], 1);
	assert_int_equal(f->ran[1], 0);
	loop_change(f->loop, f->fd[1], EPOLLIN);
	loop_turn(f->loop);
	assert_int_equal(f->ran[1], 1);
	loop_del(f->loop, f->fd[0]);
	raise_fd(f->fd[0]);
	loop_turn(f->loop);
	assert_int_equal(f->ran[0], 1);
}

/* Both are ready in the same turn; whoever comes first takes the other away. */
static void test_deleted_meanwhile(void **state)
{
	struct fixture *f = *state;

	f->delete_other = true;
	loop_add(f->loop, f->fd[0], EPOLLIN, ready0, f);
	loop_add(f->loop, f->fd[1], EPOLLIN, ready1, f);
	raise_fd(f->fd[0]);
	raise_fd(f->fd[1]);
	loop_turn(f->loop);
	assert_int_equal(f->ran[0] + f->ran[1], 1);
}

static void test_full(void **state)
{
	struct fixture *f = *state;
	int fds[LOOP_FDS], n = 0, err = 0;

	while (n < LOOP_FDS && err == 0) {
		fds[n] = dup(f->fd[0]);
		err = loop_add(f->loop, fds[n++], EPOLLIN, ready0, f);
	}
	assert_int_equal(err, -ENOSPC);
	assert_int_equal(n, LOOP_FDS); /* the bell has one of them */
	while (n-- > 0) {
		loop_del(f->loop, fds[n]);
		close(fds[n]);
	}
}

/* How often this thread gave up its CPU by itself: what others took from it does not count. */
static long times_slept(void)
{
	struct rusage usage;

	assert_int_equal(getrusage(RUSAGE_THREAD, &usage), 0);
	return usage.ru_nvcsw;
}

static void test_sleeps_as_told(void **state)
{
	struct fixture *f = *state;
	uint64_t start = loop_now_ms(f->loop);
	long slept = times_slept();

	f->sleep_ms = 20;
	f->stop_at = 5; /* two turns of work before each sleep: the second with the bell armed */
	loop_run(f->loop);
	assert_true(loop_now_ms(f->loop) - start >= 40);
	assert_in_range(times_slept() - slept, 2, 100);

	f->turns = 0;
	f->sleep_ms = 0;
	f->stop_at = 1000;
	slept = times_slept();
	loop_run(f->loop);
	assert_in_range(times_slept() - slept, 0, 100);
}

/* A worker that posts and rings, with pauses of all lengths. */
#define POSTS 2000
static void *post(void *arg)
{
	struct fixture *f = arg;

	for (int i = 0; i < POSTS; i++) {
		struct timespec t = {.tv_nsec = i % 7 * 5000};

		atomic_fetch_add(&f->posted, 1);
		bell_ring(&f->bell);
		nanosleep(&t, NULL);
	}
	raise_fd(f->fd[2]);
	return NULL;
}

static void stop(void *arg, uint32_t events)
{
	(void)events;
	loop_stop(arg);
}

/* The loop sleeps without an end, and yet takes all that was posted. */
static void test_bell(void **state)
{
	struct fixture *f = *state;
	pthread_t thread;

	loop_add(f->loop, f->fd[2], EPOLLIN, stop, f->loop);
	pthread_create(&thread, NULL, post, f);
	alarm(60);
	loop_run(f->loop);
	alarm(0);
	pthread_join(thread, NULL);
	assert_int_equal(f->taken + f->posted, POSTS);

	/* and what is posted while it sleeps wakes it: this would hang */
	f->posted = 0;
	f->stop_at = f->turns + 4;
	pthread_create(&thread, NULL, post, f);
	alarm(60);
	loop_run(f->loop);
	alarm(0);
	pthread_join(thread, NULL);
}

static void on_signal(void *arg, int signal)
{
	struct fixture *f = arg;

	f->signal = signal;
	loop_stop(f->loop);
}

static void test_signals(void **state)
{
	static const int signals[] = {SIGTERM, SIGINT, SIGHUP};
	struct fixture *f = *state;

	loop_block_signals();
	assert_int_equal(loop_signals(f->loop, on_signal, f), 0);
	for (size_t i = 0; i < 3; i++) {
		kill(getpid(), signals[i]);
		loop_run(f->loop);
		assert_int_equal(f->signal, signals[i]);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_descriptors),
		TEST(test_deleted_meanwhile),
		TEST(test_full),
		TEST(test_sleeps_as_told),
		TEST(test_bell),
		TEST(test_signals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
