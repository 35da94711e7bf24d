/* SPDX-License-Identifier: BSD-3-Clause */
/* ip4_addr: IPv4 addresses and prefixes as text; the contract is in wire/ip4_addr.h. */
#include <stddef.h>

#include "wire/ip4_addr.h"

/* A decimal number up to max without leading zeros; returns what follows it, or NULL. */
static const char *decimal(const char *s, uint32_t max, uint32_t *value)
{
	uint32_t v = 0;
	const char *at = s;

	for (; *at >= '0' && *at <= '9'; at++) {
		v = v * 10 + (uint32_t)(*at - '0');
		if (v > max)
			return NULL;
	}
	if (at == s || (*s == '0' && at != s + 1))
		return NULL;
	*value = v;
	return at;
}

/* "a.b.c.d"; returns what follows it, or NULL. */
static const char *dotted_quad(const char *s, uint32_t *addr)
{
	uint32_t a = 0, byte;

	for (int i = 0; i < 4; i++) {
		if (i && *s++ != '.')
			return NULL;
		s = decimal(s, 255, &byte);
		if (!s)
			return NULL;
		a = a << 8 | byte;
	}
	*addr = a;
	return s;
}

bool ip4_addr_parse(const char *text, uint32_t *addr)
{
	uint32_t a;
	const char *end = dotted_quad(text, &a);

	if (!end || *end)
		return false;
	*addr = a;
	return true;
}

bool ip4_endpoint_parse(const char *text, uint32_t *addr, uint16_t *port)
{
	uint32_t a, number;
	const char *end = dotted_quad(text, &a);

	if (!end || *end != ':')
		return false;
	end = decimal(end + 1, UINT16_MAX, &number);
	if (!end || *end || number == 0)
		return false;
	*addr = a;
	*port = (uint16_t)number;
	return true;
}

enum ip4_prefix_verdict ip4_prefix_parse(const char *text, struct ip4_prefix *p)
{
	uint32_t addr, len;
	const char *end = dotted_quad(text, &addr);

	if (!end || (*end && *end != '/'))
		return IP4_PREFIX_ADDR;
	if (*end != '/')
		return IP4_PREFIX_LEN;
	end = decimal(end + 1, 32, &len);
	if (!end || *end)
		return IP4_PREFIX_LEN;
	*p = (struct ip4_prefix){addr, (uint8_t)len};
	return addr & ~ip4_mask(p->len) ? IP4_PREFIX_HOST_BITS : IP4_PREFIX_OK;
}

/* Up to three digits; returns the end. */
static char *put_decimal(char *s, uint8_t v)
{
	if (v >= 100)
		*s++ = (char)('0' + v / 100);
	if (v >= 10)
		*s++ = (char)('0' + v / 10 % 10);
	*s++ = (char)('0' + v % 10);
	return s;
}

static char *put_addr(char *s, uint32_t addr)
{
	for (int shift = 24; shift >= 0; shift -= 8) {
		s = put_decimal(s, (uint8_t)(addr >> shift));
		if (shift)
			*s++ = '.';
	}
	return s;
}

char *ip4_addr_text(uint32_t addr, char text[IP4_ADDR_TEXT])
{
	*put_addr(text, addr) = '\0';
	return text;
}

char *ip4_prefix_text(struct ip4_prefix p, char text[IP4_PREFIX_TEXT])
{
	char *s = put_addr(text, p.addr);

	*s++ = '/';
	*put_decimal(s, p.len) = '\0';
	return text;
}
