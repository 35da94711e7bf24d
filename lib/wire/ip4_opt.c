/* SPDX-License-Identifier: BSD-3-Clause */
/* ip4_opt: IPv4 options walked, stamped and filtered; the contract is in wire/ip4_opt.h. */
#include "wire/ip4_opt.h"

/* Octets of an option: kind, length, pointer (counts from 1, at the kind), then by kind. */
enum { LEN = 1, PTR = 2, TS_FLAGS = 3 };
enum { ROUTE_DATA = 3, TS_DATA = 4 };
enum { TS_ONLY = 0, TS_ADDR = 1, TS_PRESPECIFIED = 3 };

static uint32_t ts_flag(const uint8_t *opt)
{
	return opt[TS_FLAGS] & 15;
}

static uint32_t ts_entry_len(const uint8_t *opt)
{
	return ts_flag(opt) == TS_ADDR || ts_flag(opt) == TS_PRESPECIFIED ? 8 : 4;
}

static bool is_full(const uint8_t *opt)
{
	return opt[PTR] > opt[LEN];
}

/* Some room but not enough for an entry is an error (RFC 791); 0, or the index at fault. */
static uint32_t data_fault(const uint8_t *opt, uint32_t data, uint32_t entry_len)
{
	if (opt[PTR] <= data)
		return PTR;
	return !is_full(opt) && opt[PTR] - 1 + entry_len > opt[LEN] ? PTR : 0;
}

static uint32_t route_fault(const uint8_t *opt)
{
	return opt[LEN] < ROUTE_DATA ? LEN : data_fault(opt, ROUTE_DATA, 4);
}

static uint32_t timestamp_fault(const uint8_t *opt)
{
	if (opt[LEN] < TS_DATA)
		return LEN;
	/* Whom a prespecified list does not name was never to stamp, and is not counted. */
	if (is_full(opt) && ts_flag(opt) != TS_PRESPECIFIED && opt[TS_FLAGS] >> 4 == 15)
		return TS_FLAGS;
	return data_fault(opt, TS_DATA, ts_entry_len(opt));
}

/* Notes an option that may stand once. */
static bool note(uint8_t *where, uint32_t at)
{
	if (*where)
		return false;
	*where = (uint8_t)at;
	return true;
}

uint32_t ip4_opt_check(const struct ip4_hdr *h, struct ip4_opts *found)
{
	const uint8_t *bytes = (const uint8_t *)h;
	uint32_t end = ip4_hdr_len(h), at = IP4_HDR_LEN;

	*found = (struct ip4_opts){0};
	while (at < end && bytes[at] != IP4_OPT_END) {
		const uint8_t *opt = bytes + at;
		uint32_t fault = 0;
		bool once = true;

		if (*opt == IP4_OPT_NOP) {
			at++;
			continue;
		}
		if (end - at < 2)
			return at;
		if (opt[LEN] < 2 || opt[LEN] > end - at)
			return at + LEN;
		switch (*opt) {
		case IP4_OPT_RECORD_ROUTE:
			fault = route_fault(opt);
			once = note(&found->record_route, at);
			break;
		case IP4_OPT_LSRR:
		case IP4_OPT_SSRR:
			fault = route_fault(opt);
			once = note(&found->source_route, at);
			break;
		case IP4_OPT_TIMESTAMP:
			fault = timestamp_fault(opt);
			once = note(&found->timestamp, at);
			break;
		case IP4_OPT_ROUTER_ALERT:
			if (opt[LEN] != 4)
				fault = LEN;
			else if (load16(opt + 2) == 0)
				found->router_alert = (uint8_t)at;
			break;
		}
		if (fault || !once)
			return at + fault;
		at += opt[LEN];
	}
	return 0;
}

bool ip4_opt_record_route(struct ip4_hdr *h, const struct ip4_opts *found, uint32_t addr)
{
	uint8_t *opt = (uint8_t *)h + found->record_route;

	if (!found->record_route || is_full(opt))
		return false;
	store32(opt + opt[PTR] - 1, to_be32(addr));
	opt[PTR] += 4;
	return true;
}

uint32_t ip4_opt_timestamp_wants(const struct ip4_hdr *h, const struct ip4_opts *found)
{
	const uint8_t *opt = (const uint8_t *)h + found->timestamp;

	if (!found->timestamp || ts_flag(opt) != TS_PRESPECIFIED || is_full(opt))
		return 0;
	return from_be32(load32(opt + opt[PTR] - 1));
}

bool ip4_opt_timestamp(struct ip4_hdr *h, const struct ip4_opts *found, uint32_t addr, uint32_t ms)
{
	uint8_t *opt = (uint8_t *)h + found->timestamp, *entry;

	if (!found->timestamp)
		return false;
	entry = opt + opt[PTR] - 1;
	switch (ts_flag(opt)) {
	case TS_PRESPECIFIED:
		if (is_full(opt) || load32(entry) != to_be32(addr))
			return false;
		break;
	case TS_ONLY:
	case TS_ADDR:
		if (is_full(opt)) {
			opt[TS_FLAGS] += 0x10;
			return true;
		}
		if (ts_flag(opt) == TS_ADDR)
			store32(entry, to_be32(addr));
		break;
	default: /* a flag that nobody knows passes unchanged, as an option would */
		return false;
	}
	store32(entry + ts_entry_len(opt) - 4, to_be32(ms));
	opt[PTR] += ts_entry_len(opt);
	return true;
}

uint32_t ip4_opt_fragment_hdr(struct ip4_hdr *to, const struct ip4_hdr *from)
{
	const uint8_t *bytes = (const uint8_t *)from;
	uint8_t *out = (uint8_t *)to;
	uint32_t end = ip4_hdr_len(from), len = IP4_HDR_LEN;

	memcpy(to, from, IP4_HDR_LEN);
	for (uint32_t at = IP4_HDR_LEN, opt_len; at < end && bytes[at] != IP4_OPT_END;
		at += opt_len) {
		opt_len = bytes[at] == IP4_OPT_NOP ? 1 : bytes[at + LEN];
		if (bytes[at] & IP4_OPT_COPIED) {
			memcpy(out + len, bytes + at, opt_len);
			len += opt_len;
		}
	}
	while (len % 4)
		out[len++] = IP4_OPT_END;
	to->version_ihl = (uint8_t)(0x40 | len / 4);
	return len;
}
