/* SPDX-License-Identifier: BSD-3-Clause */
/* ARP bodies: what passes the check can be answered, and the answer passes it too. */
#include "exact.h"
#include "property.h"
#include "wire/arp_hdr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t mac[ETH_MAC_LEN] = {2, 0, 0, 0, 0, 1};
	uint8_t frame[ETH_MIN_FRAME];
	struct arp_hdr *h;

	if (arp_hdr_check(data, size) != ARP_OK)
		return 0;
	h = exact_copy(data, ARP_HDR_LEN);
	if (arp_hdr_op(h) == ARP_REQUEST) {
		uint32_t asked = arp_hdr_tpa(h);

		arp_hdr_to_reply(h, mac);
		HOLDS(arp_hdr_op(h) == ARP_REPLY && arp_hdr_spa(h) == asked);
	} else if (arp_hdr_op(h) == RARP_REQUEST) {
		arp_hdr_to_rarp_reply(h, 0xc6120001, mac, 0xc61200fe);
		HOLDS(arp_hdr_op(h) == RARP_REPLY && arp_hdr_tpa(h) == 0xc6120001);
	}
	arp_hdr_frame(frame, h->tha, h);
	HOLDS(arp_hdr_check(frame + ETH_HDR_LEN, ETH_MIN_FRAME - ETH_HDR_LEN) == ARP_OK);
	free(h);
	return 0;
}
