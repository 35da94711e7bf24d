/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a service manager hears: states as they come, the watchdog while every worker moves, and
 * nothing where nobody listens. Time is a parameter, workers are made to pass by hand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "eal.h"
#include "net/net.h"
#include "net/port.h"
#include "notify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define WORKERS 3
#define STEP	clock_of_us(5000000) /* the watchdog's: a quarter of 20 s */

static struct net net;
static struct worker *workers;
static struct port ports[2];

/* A manager: its socket, by a name in the abstract space or by a path. */
struct manager {
	int fd;
	char name[64];
};

static void manager_open(struct manager *m, char first)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};

	snprintf(m->name, sizeof(m->name), "%c%s%d", first,
		first == '@' ? "millrace-notify-" : "tmp/millrace-notify-", (int)getpid());
	strcpy(at.sun_path, m->name);
	if (first == '@')
		at.sun_path[0] = '\0';
	m->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	assert_true(m->fd >= 0);
	assert_int_equal(
		bind(m->fd, (struct sockaddr *)&at,
			(socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(m->name))),
		0);
	setenv("NOTIFY_SOCKET", m->name, 1);
}

static void manager_close(struct manager *m)
{
	close(m->fd);
	if (m->name[0] == '/')
		unlink(m->name);
}

/* What came next; "" when nothing did. */
static const char *heard(const struct manager *m)
{
	static char text[512];
	ssize_t n = recv(m->fd, text, sizeof(text) - 1, 0);

	text[n < 0 ? 0 : n] = '\0';
	return text;
}

static void all_pass(void)
{
	for (int i = 0; i < WORKERS; i++)
		workers[i].passes++;
}

static int set_up(void **state)
{
	(void)state;
	workers = calloc(WORKERS, sizeof(*workers));
	net = (struct net){.n_workers = WORKERS};
	for (int i = 0; i < WORKERS; i++)
		net.worker[i] = &workers[i];
	net.port[0] = &ports[0];
	net.port[3] = &ports[1];
	ports[0].link = ports[1].link = true;
	setenv("WATCHDOG_USEC", "20000000", 1);
	unsetenv("WATCHDOG_PID");
	unsetenv("NOTIFY_SOCKET");
	return workers == NULL;
}

static int tear_down(void **state)
{
	(void)state;
	free(workers);
	return 0;
}

/* Ready, and the first status told: what follows is what a case is about. */
static void open_ready(struct notify *n, struct manager *m)
{
	manager_open(m, '@');
	notify_open(n);
	notify_ready(n, &net);
	assert_string_equal(heard(m), "READY=1\nSTATUS=2 of 2 ports up, 3 workers");
}

static void test_states(void **state)
{
	static const char refused[] = "READY=1\nSTATUS=2 of 2 ports up, 3 workers; the file was "
				      "refused and what was in force stays";
	unsigned long long us = 0;
	struct manager m;
	struct notify n;

	(void)state;
	open_ready(&n, &m);
	notify_reloading(&n);
	assert_int_equal(sscanf(heard(&m), "RELOADING=1\nMONOTONIC_USEC=%llu\nSTATUS=r", &us), 1);
	assert_true(us > 0);
	notify_reloaded(&n, &net, false);
	assert_string_equal(heard(&m), refused);
	notify_reloading(&n);
	heard(&m);
	notify_reloaded(&n, &net, true);
	assert_string_equal(heard(&m), "READY=1\nSTATUS=2 of 2 ports up, 3 workers");
	notify_stopping(&n);
	assert_int_equal(strncmp(heard(&m), "STOPPING=1\n", 11), 0);
	assert_string_equal(heard(&m), "");
	notify_close(&n);
	manager_close(&m);
}

static void test_status_follows_links(void **state)
{
	ticks now = clock_of_ms(1000000);
	struct manager m;
	struct notify n;

	(void)state;
	unsetenv("WATCHDOG_USEC");
	open_ready(&n, &m);
	notify_tick(&n, &net, now);
	assert_string_equal(heard(&m), "");
	ports[1].link = false;
	notify_tick(&n, &net, now += clock_of_ms(999)); /* once a second */
	assert_string_equal(heard(&m), "");
	notify_tick(&n, &net, now += clock_of_ms(2));
	assert_string_equal(heard(&m), "STATUS=1 of 2 ports up, 3 workers");
	notify_tick(&n, &net, now += clock_of_ms(2000));
	assert_string_equal(heard(&m), "");
	notify_close(&n);
	manager_close(&m);
}

static void test_watchdog_is_fed(void **state)
{
	ticks now = clock_of_ms(1000000);
	struct manager m;
	struct notify n;

	(void)state;
	open_ready(&n, &m);
	for (int i = 0; i < 4; i++) {
		all_pass();
		notify_tick(&n, &net, now);
		assert_string_equal(heard(&m), "WATCHDOG=1");
		notify_tick(&n, &net, now + STEP - 1); /* not before its time */
		assert_string_equal(heard(&m), "");
		now += STEP;
	}
	notify_close(&n);
	manager_close(&m);
}

/* Any one worker that stands still lets the watchdog go hungry, until it moves. */
static void test_watchdog_bites(void **state)
{
	ticks now = clock_of_ms(1000000);
	struct manager m;
	struct notify n;

	(void)state;
	open_ready(&n, &m);
	for (int stuck = 0; stuck < WORKERS; stuck++) {
		all_pass();
		notify_tick(&n, &net, now += STEP);
		assert_string_equal(heard(&m), "WATCHDOG=1");
		for (int i = 0; i < 6; i++) {
			all_pass();
			workers[stuck].passes--;
			notify_tick(&n, &net, now += STEP);
			assert_string_equal(heard(&m), "");
			assert_true(n.stuck[stuck]);
		}
		/* the others stood since the watchdog was fed, as far as one can tell */
		all_pass();
		notify_tick(&n, &net, now += STEP);
		assert_string_equal(heard(&m), "WATCHDOG=1");
		assert_false(n.stuck[stuck]);
	}
	notify_close(&n);
	manager_close(&m);
}

static void test_whose_watchdog(void **state)
{
	static const struct {
		const char *us, *pid;
		bool fed;
	} cases[] = {
		{"20000000", NULL, true},
		{"20000000", "self", true},
		{"20000000", "1", false}, /* another process' */
		{"0", NULL, false},
		{"", NULL, false},
		{"twenty", NULL, false},
		{"-1", NULL, false},
		{"99999999999999999999999", NULL, false},
		{"3999999", NULL, false}, /* too short for workers that sleep */
		{"4000000", NULL, true},
	};
	struct manager m;
	struct notify n;
	char pid[16];

	(void)state;
	manager_open(&m, '@');
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		setenv("WATCHDOG_USEC", cases[i].us, 1);
		unsetenv("WATCHDOG_PID");
		if (cases[i].pid != NULL)
			setenv("WATCHDOG_PID", cases[i].pid[0] == 's' ? pid : cases[i].pid, 1);
		notify_open(&n);
		notify_ready(&n, &net);
		heard(&m);
		all_pass();
		notify_tick(&n, &net, clock_of_ms(1000000));
		assert_string_equal(heard(&m), cases[i].fed ? "WATCHDOG=1" : "");
		notify_close(&n);
	}
	manager_close(&m);
}

static void test_by_path(void **state)
{
	struct manager m;
	struct notify n;

	(void)state;
	manager_open(&m, '/');
	notify_open(&n);
	notify_ready(&n, &net);
	assert_int_equal(strncmp(heard(&m), "READY=1\n", 8), 0);
	notify_close(&n);
	manager_close(&m);
}

/* No manager, a name that is none, one that is not there, one that went: nothing is told. */
static void test_nobody_listens(void **state)
{
	static const char *const names[] = {NULL, "", "@", "run/notify", "/nowhere/notify",
		"/an/address/that/is/longer/than/the/hundred/and/eight/bytes/that/a/socket/of/the/"
		"kernel/s/has/room/for/in/its/name"};
	struct manager m;
	struct notify n;

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		unsetenv("NOTIFY_SOCKET");
		if (names[i] != NULL)
			setenv("NOTIFY_SOCKET", names[i], 1);
		notify_open(&n);
		assert_false(n.on);
		notify_ready(&n, &net);
		notify_tick(&n, &net, clock_of_ms(1000000));
		notify_stopping(&n);
		notify_close(&n);
	}
	open_ready(&n, &m);
	manager_close(&m);
	notify_stopping(&n);
	notify_close(&n);
}

static int group_set_up(void **state)
{
	(void)state;
	return eal_for_tests(32);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_states, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_status_follows_links, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_watchdog_is_fed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_watchdog_bites, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_whose_watchdog, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_by_path, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_nobody_listens, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, group_set_up, NULL);
}
