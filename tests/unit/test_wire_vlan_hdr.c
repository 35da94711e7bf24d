/* SPDX-License-Identifier: BSD-3-Clause */
/* IEEE 802.1Q tags. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "exact.h"
#include "wire/eth_hdr.h"
#include "wire/vlan_hdr.h"

static void test_tags(void **state)
{
	static const struct {
		uint8_t wire[VLAN_HDR_LEN];
		uint16_t vid;
		uint8_t pcp;
		uint16_t type;
		bool dei;
	} cases[] = {
		{{0x00, 0x00, 0x08, 0x00}, 0, 0, ETH_TYPE_IP4, false},
		{{0x00, 0x64, 0x08, 0x06}, 100, 0, ETH_TYPE_ARP, false},
		{{0xef, 0xfe, 0x81, 0x00}, VLAN_VID_MAX, 7, ETH_TYPE_VLAN, false},
		{{0xbf, 0xff, 0x86, 0xdd}, 4095, 5, ETH_TYPE_IP6, true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct vlan_hdr *h = exact_copy(cases[i].wire, VLAN_HDR_LEN), built;

		assert_int_equal(vlan_hdr_vid(h), cases[i].vid);
		assert_int_equal(vlan_hdr_pcp(h), cases[i].pcp);
		assert_int_equal(vlan_hdr_type(h), cases[i].type);
		vlan_hdr_build(&built, cases[i].vid, cases[i].pcp, cases[i].type);
		if (!cases[i].dei)
			assert_memory_equal(&built, h, VLAN_HDR_LEN);
		free(h);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tags),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
