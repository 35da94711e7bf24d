/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * log: one line per event, to stderr or syslog.
 *
 * Any thread may log, but a worker does not while it forwards: it counts, or tells control.
 * DPDK's own messages take the same way once log_open() was called.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

enum log_level { LEVEL_ERROR, LEVEL_WARNING, LEVEL_NOTICE, LEVEL_DETAIL };
enum log_sink { SINK_STDERR, SINK_SYSLOG };

/* Chooses the sink and the least important level that is still printed. Control thread. */
void log_open(enum log_sink sink, enum log_level level);

void log_line(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...)	 log_line(LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LEVEL_WARNING, __VA_ARGS__)
#define log_notice(...)	 log_line(LEVEL_NOTICE, __VA_ARGS__)
#define log_detail(...)	 log_line(LEVEL_DETAIL, __VA_ARGS__)

#endif
