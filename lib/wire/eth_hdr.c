/* SPDX-License-Identifier: BSD-3-Clause */
/* eth_hdr: hardware addresses as text; the contract is in wire/eth_hdr.h. */
#include "wire/eth_hdr.h"

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool eth_mac_parse(const char *text, uint8_t *mac)
{
	uint8_t bytes[ETH_MAC_LEN];

	for (int i = 0; i < ETH_MAC_LEN; i++, text += 3) {
		int high = hex_digit(text[0]);
		int low = high < 0 ? -1 : hex_digit(text[1]);

		if (low < 0 || text[2] != (i == ETH_MAC_LEN - 1 ? '\0' : ':'))
			return false;
		bytes[i] = (uint8_t)(high << 4 | low);
	}
	memcpy(mac, bytes, sizeof(bytes));
	return true;
}

char *eth_mac_text(const uint8_t *mac, char text[ETH_MAC_TEXT])
{
	static const char digits[] = "0123456789abcdef";
	char *at = text;

	for (int i = 0; i < ETH_MAC_LEN; i++) {
		*at++ = digits[mac[i] >> 4];
		*at++ = digits[mac[i] & 15];
		*at++ = ':';
	}
	at[-1] = '\0';
	return text;
}
