/* SPDX-License-Identifier: BSD-3-Clause */
/* What operators and applications may know of connections, and the end that an operator makes. */
#include "engine.h"

#include <errno.h>

const char *tcp_state_name(enum tcp_state s)
{
	static const char *const names[] = {
		[TCP_CLOSED] = "CLOSED",
		[TCP_LISTEN] = "LISTEN",
		[TCP_SYN_SENT] = "SYN_SENT",
		[TCP_SYN_RCVD] = "SYN_RCVD",
		[TCP_ESTABLISHED] = "ESTABLISHED",
		[TCP_FIN_WAIT_1] = "FIN_WAIT_1",
		[TCP_FIN_WAIT_2] = "FIN_WAIT_2",
		[TCP_CLOSING] = "CLOSING",
		[TCP_TIME_WAIT] = "TIME_WAIT",
		[TCP_CLOSE_WAIT] = "CLOSE_WAIT",
		[TCP_LAST_ACK] = "LAST_ACK",
	};

	return names[s];
}

static void info_of_key(const struct tcp_key *key, struct tcp_info *info)
{
	info->local = from_be32(key->local);
	info->remote = from_be32(key->remote);
	info->local_port = from_be16(key->local_port);
	info->remote_port = from_be16(key->remote_port);
}

void tcp_info(const struct tcp *t, const struct tcp_conn *c, struct tcp_info *info)
{
	uint32_t queued_end = c->flight != NULL ? c->flight->queued_end : c->snd_nxt;

	(void)t;
	*info = (struct tcp_info){.state = c->state,
		.unread = c->unread,
		.unsent = seq_gt(queued_end, c->snd_nxt) ? queued_end - c->snd_nxt : 0,
		.unacked = c->snd_nxt - c->snd_una,
		.send_window = c->snd_wnd,
		.receive_window = c->rcv_end - c->rcv_nxt,
		.cwnd = c->cwnd,
		.ssthresh = c->ssthresh,
		.srtt_us = c->srtt / 8,
		.rttvar_us = c->rttvar / 4,
		.rto_us = c->rto,
		.min_rtt_us = c->min_rtt == UINT32_MAX ? 0 : c->min_rtt,
		.retransmits = c->retransmits,
		.mss = c->mss,
		.send_scale = c->snd_scale,
		.receive_scale = c->rcv_scale,
		.timestamps = (c->uses & USES_TS) != 0,
		.sack = (c->uses & USES_SACK) != 0,
		.ecn = (c->uses & USES_ECN) != 0,
		.cc = c->cc->name};
	info_of_key(&c->key, info);
}

static void see_time_wait(
	const struct time_wait *tw, void (*see)(void *arg, const struct tcp_info *info), void *arg)
{
	struct tcp_info info = {.state = TCP_TIME_WAIT, .cc = ""};

	info_of_key(&tw->key, &info);
	info.timestamps = (tw->uses & USES_TS) != 0;
	see(arg, &info);
}

bool tcp_walk(const struct tcp *t, uint64_t *cursor, uint32_t max,
	void (*see)(void *arg, const struct tcp_info *info), void *arg)
{
	uint64_t end = (uint64_t)t->conns.fresh + t->tws.fresh;

	for (; max > 0 && *cursor < end; max--, (*cursor)++) {
		struct tcp_info info;

		if (*cursor >= t->conns.fresh) {
			const struct time_wait *tw = &t->tw[*cursor - t->conns.fresh];

			if (tw->until != 0)
				see_time_wait(tw, see, arg);
		} else if (t->conn[*cursor].state != TCP_CLOSED) {
			tcp_info(t, &t->conn[*cursor], &info);
			see(arg, &info);
		}
	}
	return *cursor < end;
}

bool tcp_kill(
	struct tcp *t, uint32_t local, uint16_t local_port, uint32_t remote, uint16_t remote_port)
{
	const struct tcp_key key = {
		to_be32(local), to_be32(remote), to_be16(local_port), to_be16(remote_port)};
	uint32_t index = tcp_table_find(t->table, tcp_table_hash(t->table, &key), &key);

	if (index == TCP_TABLE_NONE)
		return false;
	if (index < t->limits.connections)
		conn_reset(t, &t->conn[index], ECONNABORTED);
	else /* the peer has nothing left to be reset */
		timewait_end(t, &t->tw[index - t->limits.connections]);
	return true;
}

void tcp_usage(const struct tcp *t, struct tcp_usage *u)
{
	*u = (struct tcp_usage){.connections = t->conns.used,
		.half_open = t->half_open,
		.orphans = t->orphans,
		.time_waits = t->tws.used,
		.timers = wheel_count(t->wheel),
		.held_buffers = t->held_buffers,
		.held_bytes = t->held_bytes,
		.held_packets = t->held_packets};
}
