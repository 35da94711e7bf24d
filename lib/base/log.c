/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the log sink. A line is formatted on the caller's stack and written by one call. */
#include "base/log.h"

#include <rte_log.h>

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

static enum log_sink sink = SINK_STDERR;
static enum log_level threshold = LEVEL_NOTICE;

static const struct {
	const char *word;
	int priority;
} levels[] = {
	[LEVEL_ERROR] = {"error: ", LOG_ERR},
	[LEVEL_WARNING] = {"warning: ", LOG_WARNING},
	[LEVEL_NOTICE] = {"", LOG_NOTICE},
	[LEVEL_DETAIL] = {"detail: ", LOG_DEBUG},
};

static void emit(enum log_level level, const char *text)
{
	if (sink == SINK_SYSLOG)
		syslog(levels[level].priority, "%s", text);
	else
		fprintf(stderr, "millrace: %s%s\n", levels[level].word, text);
}

void log_line(enum log_level level, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	if (level > threshold)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	emit(level, text);
}

/* DPDK's stream: one of its lines arrives here per flush, its newline at the end. */
static ssize_t dpdk_line(void *cookie, const char *data, size_t size)
{
	uint32_t dpdk_level = (uint32_t)rte_log_cur_msg_loglevel();
	enum log_level level = dpdk_level <= RTE_LOG_ERR       ? LEVEL_ERROR
			       : dpdk_level <= RTE_LOG_WARNING ? LEVEL_WARNING
							       : LEVEL_DETAIL;
	size_t length = size;

	(void)cookie;
	while (length > 0 && data[length - 1] == '\n')
		length--;
	if (length > 0)
		log_line(level, "dpdk: %.*s", (int)length, data);
	return (ssize_t)size;
}

void log_open(enum log_sink to, enum log_level level)
{
	static FILE *stream; /* DPDK keeps it: one for all times */

	sink = to;
	threshold = level;
	if (to == SINK_SYSLOG)
		openlog("millrace", LOG_PID, LOG_DAEMON);
	if (stream != NULL)
		return;
	stream = fopencookie(NULL, "w", (cookie_io_functions_t){.write = dpdk_line});
	if (stream == NULL)
		return;
	setvbuf(stream, NULL, _IOLBF, BUFSIZ);
	rte_openlog_stream(stream);
}
