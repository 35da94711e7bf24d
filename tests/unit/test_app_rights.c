/* SPDX-License-Identifier: BSD-3-Clause */
/* Devices and the capabilities that each of them needs: port, what is held, what is said. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/port.h"
#include "rights.h"

#include <linux/capability.h>
#include <stdio.h>
#include <string.h>

#define BIT(capability) (UINT64_C(1) << (capability))
#define ADMIN		BIT(CAP_NET_ADMIN)
#define RAW		BIT(CAP_NET_RAW)

static const struct port_conf tap = {.kind = PORT_TAP, .tap_iface = "lan0"};
static const struct port_conf far_tap = {.kind = PORT_TAP, .tap_iface = "a", .tap_netns = "lab"};
static const struct port_conf card = {.kind = PORT_PCI, .device = "0000:01:00.0"};
static const struct port_conf packet = {.kind = PORT_VDEV, .device = "net_af_packet0,iface=a"};
static const struct port_conf xdp = {.kind = PORT_VDEV, .device = "net_af_xdp0,iface=a"};
static const struct port_conf null = {.kind = PORT_VDEV, .device = "net_null0"};
static const struct port_conf null_kernel = {
	.kind = PORT_VDEV, .device = "net_null0", .kernel = "lan0"};
static const struct port_conf bond = {.kind = PORT_VDEV,
	.device = "net_bonding0,mode=4",
	.n_members = 2,
	.members = (char[2][128]){"0000:01:00.0", "net_af_packet1,iface=b"}};

static const struct {
	const struct port_conf *port;
	uint64_t held;
	const char *lacks[3]; /* in the order in which they are said */
	const char *kernel_netns;
} cases[] = {
	{&tap, ADMIN, {NULL}},
	{&tap, ~ADMIN, {"CAP_NET_ADMIN"}},
	{&far_tap, ADMIN | BIT(CAP_SYS_ADMIN), {NULL}},
	{&far_tap, ADMIN, {"CAP_SYS_ADMIN"}},
	{&far_tap, 0, {"CAP_NET_ADMIN", "CAP_SYS_ADMIN"}},
	{&card, 0, {NULL}},
	{&packet, RAW, {NULL}},
	{&packet, ~RAW, {"CAP_NET_RAW"}},
	{&xdp, ADMIN | RAW | BIT(CAP_BPF), {NULL}},
	{&xdp, 0, {"CAP_NET_ADMIN", "CAP_NET_RAW", "CAP_BPF"}},
	{&null, 0, {NULL}},
	{&bond, ~RAW, {"CAP_NET_RAW"}},
	{&bond, RAW, {NULL}},
	{&null_kernel, ADMIN, {NULL}},
	{&null_kernel, 0, {"CAP_NET_ADMIN"}},
	{&null_kernel, ADMIN, {"CAP_SYS_ADMIN"}, "routing"},
	{&null, 0, {NULL}, "routing"},
};

static void test_what_devices_need(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct port_conf port = *cases[i].port;
		struct ports_conf conf = {.n = 1, .list = &port};
		struct errs e = {0};
		size_t n = 0;

		if (cases[i].kernel_netns != NULL)
			strcpy(conf.kernel_netns, cases[i].kernel_netns);
		strcpy(port.iface.name, "wan");
		port.iface.at = (struct conf_pos){7, 3};
		rights_check(&conf, cases[i].held, &e);
		for (; n < 3 && cases[i].lacks[n] != NULL; n++) {
			char words[40];

			snprintf(words, sizeof(words), "needs %s,", cases[i].lacks[n]);
			assert_true(n < e.n);
			assert_string_equal(e.list[n].path, "ports.wan");
			assert_int_equal(e.list[n].at.line, 7);
			assert_non_null(strstr(e.list[n].text, words));
		}
		assert_int_equal(e.n, n);
		errs_clear(&e);
	}
}

/* What the kernel says of this process stands in /proc, too. */
static void test_held(void **state)
{
	FILE *f = fopen("/proc/self/status", "r");
	unsigned long long held = 0;
	char line[256];
	bool found = false;

	(void)state;
	assert_non_null(f);
	while (!found && fgets(line, sizeof(line), f) != NULL)
		found = sscanf(line, "CapEff: %llx", &held) == 1;
	fclose(f);
	assert_true(found);
	assert_int_equal(rights_held(), held);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_devices_need),
		cmocka_unit_test(test_held),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
