/* SPDX-License-Identifier: BSD-3-Clause */
/* fixtures: the worked examples of packets that the appliance reproduces byte for byte. */
#ifndef TESTS_FIXTURES_H
#define TESTS_FIXTURES_H

#include <stdint.h>

/* [arp-exchange] 192.168.0.55 asks for 192.168.0.2; the padding may be anything. */
static const uint8_t arp_exchange_request[60] =
	"\xff\xff\xff\xff\xff\xff\x00\x05\x5d\x61\x58\xa8\x08\x06"
	"\x00\x01\x08\x00\x06\x04\x00\x01"
	"\x00\x05\x5d\x61\x58\xa8\xc0\xa8\x00\x37"
	"\x00\x00\x00\x00\x00\x00\xc0\xa8\x00\x02";

/* [arp-exchange] 192.168.0.2 is at 00:05:5d:a1:b8:40. */
static const uint8_t arp_exchange_reply[60] =
	"\x00\x05\x5d\x61\x58\xa8\x00\x05\x5d\xa1\xb8\x40\x08\x06"
	"\x00\x01\x08\x00\x06\x04\x00\x02"
	"\x00\x05\x5d\xa1\xb8\x40\xc0\xa8\x00\x02"
	"\x00\x05\x5d\x61\x58\xa8\xc0\xa8\x00\x37";

/* [tftp-read-request] 192.168.0.55 port 1492 asks 192.168.0.1 for c:\qwerq.qwe. */
static const uint8_t tftp_read_request[] =
	"\x00\x05\x5d\x67\xd0\xb1\x00\x05\x5d\x61\x58\xa8\x08\x00"
	"\x45\x00\x00\x53\x93\x25\x00\x00\x80\x11\x25\xec\xc0\xa8\x00\x37\xc0\xa8\x00\x01"
	"\x05\xd4\x00\x45\x00\x3f\xac\x40"
	"\x00\x01"
	"c:\\qwerq.qwe\0"
	"netascii\0"
	"blksize\0"
	"512\0"
	"timeout\0"
	"10\0"
	"tsize\0"
	"0"; /* its end is the frame's last byte */
_Static_assert(sizeof(tftp_read_request) == 97, "as long as it is on the wire");

#endif
