/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * TCP options of any bytes: values in range, SYN's own only on a SYN; what was read and written
 * is read as the same, but for blocks that found no room, and the second time with those too.
 */
#include "exact.h"
#include "property.h"
#include "wire/tcp_opt.h"

#define ON_SYN (TCP_HAS_MSS | TCP_HAS_WSCALE | TCP_HAS_SACK_OK)

static void check_range(const struct tcp_opts *o, uint8_t flags)
{
	HOLDS(o->has <= 15);
	HOLDS(o->wscale <= TCP_WSCALE_MAX && o->n_sacks <= TCP_OPT_SACKS);
	HOLDS(!(o->has & TCP_HAS_TS) || o->n_sacks < TCP_OPT_SACKS);
	HOLDS(flags & TCP_SYN || !(o->has & ON_SYN));
	HOLDS(o->has & TCP_HAS_MSS || !o->mss);
	HOLDS(o->has & TCP_HAS_WSCALE || !o->wscale);
	HOLDS(o->has & TCP_HAS_TS || !(o->ts_val | o->ts_ecr));
}

/* The options of a header with these written into it. */
static struct tcp_opts again(const struct tcp_opts *o, uint8_t flags)
{
	uint8_t buf[TCP_HDR_LEN_MAX];
	uint32_t len = tcp_opt_write(buf + TCP_HDR_LEN, o);
	const struct tcp_fields f = {.flags = flags, .opt_len = (uint8_t)len};
	struct tcp_opts read;
	struct tcp_hdr *h;

	HOLDS(len % 4 == 0 && len <= TCP_OPT_MAX);
	tcp_hdr_build((struct tcp_hdr *)buf, &f);
	h = exact_copy(buf, TCP_HDR_LEN + len);
	HOLDS(tcp_hdr_check(h, TCP_HDR_LEN + len) == TCP_OK);
	tcp_opt_read(h, &read);
	check_range(&read, flags);
	free(h);
	return read;
}

static void check_same(const struct tcp_opts *a, const struct tcp_opts *b)
{
	HOLDS(a->has == b->has && a->mss == b->mss && a->wscale == b->wscale);
	HOLDS(a->ts_val == b->ts_val && a->ts_ecr == b->ts_ecr);
	HOLDS(memcmp(a->sack, b->sack, b->n_sacks * sizeof(*b->sack)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tcp_opts first, second, third;
	uint32_t val, ecr;
	struct tcp_hdr *h;
	uint8_t flags;

	if (tcp_hdr_check(data, size) != TCP_OK)
		return 0;
	/* Not a byte more than the header, so that the data behind it is not read either. */
	h = exact_copy(data, tcp_hdr_len((const struct tcp_hdr *)data));
	flags = h->flags;
	tcp_opt_read(h, &first);
	check_range(&first, flags);
	if (tcp_opt_ts_only(h, &val, &ecr)) {
		HOLDS(first.has == TCP_HAS_TS && !first.n_sacks);
		HOLDS(first.ts_val == val && first.ts_ecr == ecr);
	}
	second = again(&first, flags);
	HOLDS(second.n_sacks <= first.n_sacks);
	check_same(&first, &second);
	third = again(&second, flags);
	HOLDS(third.n_sacks == second.n_sacks);
	check_same(&second, &third);
	free(h);
	return 0;
}
