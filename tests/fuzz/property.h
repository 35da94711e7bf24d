/* SPDX-License-Identifier: BSD-3-Clause */
/* property: what must hold for every input; the fuzzer keeps the input for which it does not. */
#ifndef FUZZ_PROPERTY_H
#define FUZZ_PROPERTY_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define HOLDS(condition)                                                                           \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: ERROR: not so: %s\n", __FILE__, __LINE__,          \
				#condition);                                                       \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
