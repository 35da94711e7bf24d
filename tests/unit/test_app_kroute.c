/* SPDX-License-Identifier: BSD-3-Clause */
/* Routes as the kernel has them, in a network namespace of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kroute.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const commands[] = {
	"ip link set lo up",
	"ip link add name one type veth peer name far1",
	"ip link add name two type veth peer name far2",
	"ip link set dev one up",
	"ip link set dev far1 up",
	"ip link set dev two up",
	"ip link set dev far2 up",
	"ip addr add 198.18.0.254/24 dev one",
	"ip addr add 198.18.1.254/24 dev two",
	"ip -6 addr add 2001:db8::1/64 dev two nodad",
	"ip addr add 198.18.2.254/24 dev one label one:7",
	"ip route add default nexthop via 198.18.0.1 nexthop via 198.18.1.1",
	"ip route add 128.0.0.0/1 via 198.18.1.1 table 77",
	"ip route add 10.0.0.0/8 via 198.18.0.1",
	"ip route add blackhole 11.0.0.0/8",
	"ip -6 route add default via 2001:db8::2",
};

static bool own_namespace(void)
{
	if (unshare(CLONE_NEWNET) < 0)
		return false;
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (system(commands[i]) != 0)
			return false;
	return true;
}

/* For `one` and `two`, how many routes and default routes; [2] is for all others. */
struct seen {
	uint32_t routes[3], defaults[3];
};

static void see(void *arg, const char *iface, bool everything)
{
	struct seen *s = arg;
	int i = strcmp(iface, "one") == 0 ? 0 : strcmp(iface, "two") == 0 ? 1 : 2;

	s->routes[i]++;
	s->defaults[i] += everything;
}

/* Both next hops of one route, and those of other tables and of IPv6. */
static void test_each(void **state)
{
	struct seen s = {0};

	(void)state;
	assert_int_equal(kroute_each(see, &s), 0);
	assert_int_equal(s.defaults[0], 1);
	assert_int_equal(s.defaults[1], 3);
	assert_int_equal(s.defaults[2], 0);
	assert_true(s.routes[0] >= 3); /* its network, default, 10/8 */
}

static void test_one(void **state)
{
	struct sockaddr_in to = {.sin_family = AF_INET};
	struct sockaddr_in6 to6 = {.sin6_family = AF_INET6};
	char iface[IF_NAMESIZE];

	(void)state;
	inet_pton(AF_INET, "198.18.1.7", &to.sin_addr);
	assert_int_equal(kroute_to((struct sockaddr *)&to, iface), 0);
	assert_string_equal(iface, "two");
	inet_pton(AF_INET, "10.1.2.3", &to.sin_addr);
	assert_int_equal(kroute_to((struct sockaddr *)&to, iface), 0);
	assert_string_equal(iface, "one");
	inet_pton(AF_INET, "11.1.2.3", &to.sin_addr);
	assert_true(kroute_to((struct sockaddr *)&to, iface) < 0);
	inet_pton(AF_INET6, "2001:db8:1::9", &to6.sin6_addr);
	assert_int_equal(kroute_to((struct sockaddr *)&to6, iface), 0);
	assert_string_equal(iface, "two");
}

static void test_owner(void **state)
{
	struct sockaddr_in own = {.sin_family = AF_INET};
	struct sockaddr_in6 own6 = {.sin6_family = AF_INET6};
	char iface[IF_NAMESIZE];

	(void)state;
	inet_pton(AF_INET, "198.18.0.254", &own.sin_addr);
	assert_int_equal(kroute_owner((struct sockaddr *)&own, iface), 0);
	assert_string_equal(iface, "one");
	inet_pton(AF_INET6, "2001:db8::1", &own6.sin6_addr);
	inet_pton(AF_INET, "198.18.2.254", &own.sin_addr);
	assert_int_equal(kroute_owner((struct sockaddr *)&own, iface), 0);
	assert_string_equal(iface, "one"); /* not its label */
	assert_int_equal(kroute_owner((struct sockaddr *)&own6, iface), 0);
	assert_string_equal(iface, "two");
	inet_pton(AF_INET, "198.18.0.1", &own.sin_addr);
	assert_int_equal(kroute_owner((struct sockaddr *)&own, iface), -ENODEV);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each),
		cmocka_unit_test(test_one),
		cmocka_unit_test(test_owner),
	};

	if (!own_namespace())
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
