/* SPDX-License-Identifier: BSD-3-Clause */
#include "wire/dns_hdr.h"

#include "wire/bytes.h"

#include <string.h>

#define LABEL_MAX 63
#define TYPE_A	  1
#define CLASS_IN  1

enum { ID = 0, FLAGS = 2, QUESTIONS = 4 }; /* where they are in a header */
enum { RESPONSE = 0x8000, OPCODE = 0x7800, DESIRED = 0x0100, RCODE = 0x000f }; /* of FLAGS */

bool dns_hdr_name_ok(const char *name)
{
	size_t len = strlen(name), label = 0;

	if (strcmp(name, ".") == 0)
		return true;
	if (len > 0 && name[len - 1] == '.')
		len--;
	if (len == 0 || len > DNS_NAME_MAX)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (name[i] == '.' && label == 0)
			return false;
		label = name[i] == '.' ? 0 : label + 1;
		if (label > LABEL_MAX)
			return false;
	}
	return label > 0;
}

uint32_t dns_hdr_query(uint8_t *to, uint16_t id, const char *name)
{
	uint8_t *at = to + DNS_HDR_LEN;

	memset(to, 0, DNS_HDR_LEN);
	store16(to + ID, to_be16(id));
	store16(to + FLAGS, to_be16(DESIRED));
	store16(to + QUESTIONS, to_be16(1));
	while (*name != '\0' && *name != '.') {
		size_t label = strcspn(name, ".");

		*at++ = (uint8_t)label;
		memcpy(at, name, label);
		at += label;
		name += label + (name[label] == '.');
	}
	*at++ = 0;
	store16(at, to_be16(TYPE_A));
	store16(at + 2, to_be16(CLASS_IN));
	return (uint32_t)(at + 4 - to);
}

/* No byte of a length is a letter's: those are below 64. */
static uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? c | 0x20 : c;
}

static bool same_question(const uint8_t *a, const uint8_t *b, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++)
		if (lower(a[i]) != lower(b[i]))
			return false;
	return true;
}

bool dns_hdr_answers(const uint8_t *message, uint32_t len, const uint8_t *query, uint32_t query_len,
	uint8_t *rcode)
{
	uint16_t flags, questions;

	if (len < DNS_HDR_LEN)
		return false;
	flags = from_be16(load16(message + FLAGS));
	questions = from_be16(load16(message + QUESTIONS));
	if (load16(message + ID) != load16(query + ID) || (flags & RESPONSE) == 0 ||
		(flags & OPCODE) != 0)
		return false;
	*rcode = flags & RCODE;
	if (questions == 0)
		return *rcode != 0;
	return questions == 1 && len >= query_len &&
	       same_question(message + DNS_HDR_LEN, query + DNS_HDR_LEN, query_len - DNS_HDR_LEN);
}
