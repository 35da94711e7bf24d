/* SPDX-License-Identifier: BSD-3-Clause */
/* A datagram of sync: what is read of it lies within it, and written again is the same. */
#include "exact.h"
#include "lb/sync.h"
#include "property.h"

static void look_at_flows(const uint8_t *bytes, size_t size, const struct sync_head *h)
{
	for (uint32_t i = 0; i < h->records; i++) {
		uint8_t again[SYNC_RECORD];
		struct sync_record r;
		const uint8_t *at = bytes + SYNC_HEAD + i * h->record_len;

		HOLDS(at + h->record_len + SYNC_TAG <= bytes + size);
		if (!sync_read_record(bytes, h, i, &r))
			continue;
		sync_write_record(again, &r);
		HOLDS(memcmp(again, at, 29) == 0); /* then come the bytes that say nothing */
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct siphash_key key = sync_key("fuzz");
	uint8_t *bytes = exact_copy(data, size);
	struct sync_head h;

	if (sync_read_head(bytes, size, &h)) {
		uint8_t again[SYNC_HEAD];
		struct sync_hello hello;

		sync_write_head(again, &h);
		HOLDS(memcmp(again, bytes, 7) == 0 && memcmp(again + 8, bytes + 8, 16) == 0);
		if (h.kind == SYNC_HELLO)
			sync_read_hello(bytes, &hello);
		else
			look_at_flows(bytes, size, &h);
		sync_write_tag(bytes, size - SYNC_TAG, &key);
		HOLDS(sync_tag_ok(bytes, size, &key));
		bytes[size - 1] ^= 1;
		HOLDS(!sync_tag_ok(bytes, size, &key));
	}
	free(bytes);
	return 0;
}
