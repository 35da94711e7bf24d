/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Heads of requests: the verdict and all that is read are the same however the bytes arrive, spans
 * lie inside the head, and what we accept http-parser accepts with the same meaning. The first byte
 * says where the rest is cut, the second how narrow the limits are.
 */
#include "exact.h"
#include "http_oracle.h"
#include "property.h"

#define FIELDS 32

static void inside(const struct http1_span *s, uint32_t len)
{
	HOLDS((uint32_t)s->at + s->len <= len);
}

static void range(const char *p, const struct http1_span *v)
{
	char *text = exact_copy(p + v->at, v->len);

	for (uint64_t size = 0; size < 1000; size = 10 * size + 1) {
		uint64_t first = 0, n = 0;

		if (http1_hdr_range(text, v->len, size, &first, &n) == HTTP1_RANGE_PART)
			HOLDS(n > 0 && n <= size && first <= size - n);
		else
			HOLDS(first == 0 && n == 0);
	}
	free(text);
}

static void accepted(
	const char *p, size_t size, const struct http1_request *r, const struct http1_field *field)
{
	HOLDS(r->len <= size && r->len >= 16);
	inside(&r->method_name, r->len);
	inside(&r->target, r->len);
	inside(&r->path, r->len);
	for (uint32_t i = 0; i < r->n_fields; i++) {
		inside(&field[i].name, r->len);
		inside(&field[i].value, r->len);
	}
	HOLDS(!(r->has_length && r->chunked));
	HOLDS(r->minor == 0 || r->known[HTTP1_HOST] != 0);
	HOLDS(http_oracle_agrees(p, r, field));
	if (r->known[HTTP1_RANGE] != 0)
		range(p, &field[r->known[HTTP1_RANGE] - 1].value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct http1_limits limits = {2048, FIELDS};
	struct http1_field whole[FIELDS], parts[FIELDS];
	struct http1_request a, b;
	enum http1_verdict v, w = HTTP1_MORE;
	uint32_t seen = 0, step;
	char *p;

	if (size < 2)
		return 0;
	step = data[0] % 64 + 1;
	if (data[1] < 64)
		limits = (struct http1_limits){16 + data[1] * 4u, data[1] % FIELDS};
	size -= 2;
	p = exact_copy(data + 2, size);
	v = http1_hdr_request(p, (uint32_t)size, &limits, &seen, &a, whole);
	seen = 0;
	for (uint32_t len = 0; w == HTTP1_MORE && len <= size; len += step) {
		char *part = exact_copy(p, len);

		w = http1_hdr_request(part, len, &limits, &seen, &b, parts);
		free(part);
		if (len < size && len + step > size)
			step = (uint32_t)size - len;
	}
	HOLDS(v == w);
	if (v == HTTP1_OK) {
		HOLDS(memcmp(&a, &b, sizeof(a)) == 0);
		HOLDS(memcmp(whole, parts, a.n_fields * sizeof(whole[0])) == 0);
		accepted(p, size, &a, whole);
	}
	free(p);
	return 0;
}
