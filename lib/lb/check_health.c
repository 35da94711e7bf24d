/* SPDX-License-Identifier: BSD-3-Clause */
/* check_health: what is wrong with how backends are looked after. Control. */
#include "control.h"
#include "wire/dns_hdr.h"

#include <stdio.h>
#include <string.h>

struct place {
	const struct lb_service_conf *service;
	struct errs *e;
};

__attribute__((format(printf, 3, 4))) static void wrong(
	const struct place *p, const char *option, const char *fmt, ...)
{
	char path[96], text[256];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	snprintf(path, sizeof(path), "balancers.services.%s.%s", p->service->name, option);
	errs_add(p->e, p->service->at, path, "%s", text);
}

/* Whoever has ports of its own for every client has none to ask. */
static bool has_port(const struct lb_service_conf *s)
{
	bool all = true;

	for (uint32_t i = 0; i < s->n_backends; i++)
		all &= s->backends[i].port != 0;
	return s->check.port != 0 || s->port == s->last_port || all;
}

/* What stands in a request line and in a field has no room for anything else (RFC 9112 3). */
static bool is_visible(const char *text)
{
	for (; *text != '\0'; text++)
		if (*text <= ' ' || *text == 0x7f)
			return false;
	return true;
}

static void check_http(const struct place *p)
{
	const struct lb_check_conf *c = &p->service->check;

	if (c->path[0] != '/' || !is_visible(c->path))
		wrong(p, "check.path", "`%.60s`: a path begins with / and has no space", c->path);
	if (!is_visible(c->host))
		wrong(p, "check.host", "`%.60s`: a host has no space", c->host);
}

static void check_dns(const struct place *p)
{
	const struct lb_check_conf *c = &p->service->check;

	if (c->host[0] == '\0')
		wrong(p, "check.host", "missing; a check of kind dns asks for this name");
	else if (!dns_hdr_name_ok(c->host))
		wrong(p, "check.host",
			"`%.60s` is no name: labels of at most 63 letters with dots between them",
			c->host);
}

static void check_check(const struct place *p)
{
	const struct lb_check_conf *c = &p->service->check;

	if (c->kind == LB_CHECK_NONE)
		return;
	if (c->timeout_ms > c->interval_ms)
		wrong(p, "check.timeout", "%u ms is more than the interval, %u ms", c->timeout_ms,
			c->interval_ms);
	if (c->kind != LB_CHECK_ICMP && !has_port(p->service))
		wrong(p, "check.port",
			"missing; the service has more than one, and so have backends without one");
	if (c->kind == LB_CHECK_HTTP)
		check_http(p);
	else if (c->kind == LB_CHECK_DNS)
		check_dns(p);
}

static void check_passive(const struct place *p)
{
	const struct lb_service_conf *s = p->service;

	if (s->passive_fails == 0)
		return;
	if (s->mode != LB_NAT && s->mode != LB_FULL_NAT)
		wrong(p, "passive_fails", "answers do not pass here in this mode: use a check");
	else if ((s->protocol & LB_TCP) == 0)
		wrong(p, "passive_fails", "only TCP says whether it is answered: use a check");
	else if (!s->keep)
		wrong(p, "passive_fails", "with flow_table false, no flow is known");
}

void lb_check_health(const struct lb_service_conf *s, struct errs *e)
{
	const struct place p = {s, e};

	check_check(&p);
	check_passive(&p);
}
