/* SPDX-License-Identifier: BSD-3-Clause */
/* name: what the configuration, messages and tables call things. */
#include "lb/lb.h"

#include <stdio.h>

const char *lb_mode_name(enum lb_mode mode)
{
	static const char *const names[LB_MODES] = {[LB_NAT] = "nat",
		[LB_FULL_NAT] = "full-nat",
		[LB_DSR] = "dsr",
		[LB_IPIP] = "ipip",
		[LB_GRE] = "gre"};

	return names[mode];
}

const char *lb_scheduler_name(enum lb_scheduler scheduler)
{
	static const char *const names[LB_SCHEDULERS] = {[LB_MAGLEV] = "maglev",
		[LB_ROUND_ROBIN] = "round-robin",
		[LB_LEAST_CONNECTIONS] = "least-connections",
		[LB_SOURCE_HASH] = "source-hash"};

	return names[scheduler];
}

const char *lb_protocol_name(enum lb_protocol protocol)
{
	static const char *const names[] = {
		[LB_TCP] = "tcp", [LB_UDP] = "udp", [LB_TCP_AND_UDP] = "both"};

	return names[protocol];
}

const char *lb_health_name(enum lb_health health)
{
	static const char *const names[] = {
		[LB_HEALTH_UNKNOWN] = "unknown", [LB_HEALTH_UP] = "up", [LB_HEALTH_DOWN] = "down"};

	return names[health];
}

const char *lb_check_name(enum lb_check_kind kind)
{
	static const char *const names[] = {[LB_CHECK_NONE] = "none",
		[LB_CHECK_ICMP] = "icmp",
		[LB_CHECK_TCP] = "tcp",
		[LB_CHECK_HTTP] = "http",
		[LB_CHECK_DNS] = "dns"};

	return names[kind];
}

const char *lb_admin_name(enum lb_admin admin)
{
	static const char *const names[] = {
		[LB_ENABLED] = "enabled", [LB_DRAIN] = "drain", [LB_MAINTENANCE] = "maintenance"};

	return names[admin];
}

const char *lb_member_state(const struct lb_member *m)
{
	return m->admin != LB_ENABLED ? lb_admin_name(m->admin) : lb_health_name(m->health);
}

const char *lb_flow_state_name(enum flow_state state)
{
	static const char *const names[FLOW_STATES] = {[FLOW_FREE] = "FREE",
		[FLOW_CLOSED] = "CLOSED",
		[FLOW_NEW] = "NEW",
		[FLOW_CLOSING] = "CLOSING",
		[FLOW_TAKEN] = "TAKEN",
		[FLOW_ESTABLISHED] = "ESTABLISHED"};

	return names[state];
}

char *lb_ports_text(const struct lb_service_conf *s, char text[LB_PORTS_TEXT])
{
	if (s->port == 0 && s->last_port == UINT16_MAX)
		snprintf(text, LB_PORTS_TEXT, "any");
	else if (s->port == s->last_port)
		snprintf(text, LB_PORTS_TEXT, "%u", s->port);
	else
		snprintf(text, LB_PORTS_TEXT, "%u-%u", s->port, s->last_port);
	return text;
}
