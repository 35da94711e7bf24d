/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A program's stream to the socket service, cut into requests: what is accepted lies within the
 * bytes, what is waited for is more than there is and no more than a request may be.
 */
#include "exact.h"
#include "property.h"
#include "service/sockets.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	while (size > 0) {
		uint8_t *p = exact_copy(data, size);
		int need = sockets_request_check(p, size);
		struct sockets_request r;

		HOLDS(need >= 0 || need == -EBADMSG);
		if (need != 0) {
			HOLDS(need < 0 ||
				((size_t)need > size && (size_t)need <= SOCKETS_REQUEST_MAX));
			free(p);
			return 0;
		}
		memcpy(&r, p, sizeof(r));
		free(p);
		HOLDS(r.length >= sizeof(r) && r.length <= size && r.call < SOCKETS_CALLS);
		data += r.length;
		size -= r.length;
	}
	return 0;
}
