/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Any bytes as a web server's answer, in one piece and in small ones: the verdict is the same, and
 * what is well has said so. The first byte is how long the pieces are.
 */
#include "exact.h"
#include "property.h"

#include "check_http.h"

static enum check_http_verdict read_in(
	struct check_http *h, const uint8_t *data, size_t size, size_t piece)
{
	enum check_http_verdict v = CHECK_HTTP_MORE;

	check_http_begin(h, 200, 299, "aab");
	for (size_t at = 0; at < size && v == CHECK_HTTP_MORE; at += piece) {
		size_t n = size - at < piece ? size - at : piece;
		uint8_t *copy = exact_copy(data + at, n);

		v = check_http_read(h, copy, (uint32_t)n);
		free(copy);
	}
	return v == CHECK_HTTP_MORE ? check_http_end(h) : v;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct check_http whole, pieces;
	enum check_http_verdict v;

	if (size < 2)
		return 0;
	v = read_in(&whole, data + 1, size - 1, size - 1);
	HOLDS(v == read_in(&pieces, data + 1, size - 1, (size_t)data[0] % 16 + 1));
	HOLDS(whole.status == pieces.status);
	if (v == CHECK_HTTP_WELL)
		HOLDS(whole.status >= 200 && whole.status <= 299);
	return 0;
}
