/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two witnesses: the environment of the processes that ours descends from (sudo takes
 * SSH_CONNECTION out, its parent still has it), and the sockets of SSH servers (of a session inside
 * tmux nothing else tells).
 */
#include "ssh.h"

#include "base/sysfs.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ANCESTORS   64
#define INODES	    1024
#define ESTABLISHED 1 /* TCP_ESTABLISHED of the kernel's net/tcp_states.h */

struct found {
	struct ssh_session *list;
	uint32_t n;
};

static bool same(const union ssh_end *a, const union ssh_end *b)
{
	if (a->any.sa_family != b->any.sa_family)
		return false;
	if (a->any.sa_family == AF_INET)
		return a->ip4.sin_addr.s_addr == b->ip4.sin_addr.s_addr;
	return memcmp(&a->ip6.sin6_addr, &b->ip6.sin6_addr, sizeof(a->ip6.sin6_addr)) == 0;
}

static void add(struct found *f, const struct ssh_session *s)
{
	for (uint32_t i = 0; i < f->n; i++)
		if (same(&f->list[i].peer, &s->peer) && same(&f->list[i].own, &s->own))
			return;
	if (f->n < SSH_SESSIONS)
		f->list[f->n++] = *s;
}

/* IPv4 inside of IPv6, as a socket of both has it, is IPv4. */
static void set_ip6(union ssh_end *e, const struct in6_addr *a)
{
	if (IN6_IS_ADDR_V4MAPPED(a)) {
		e->ip4.sin_family = AF_INET;
		memcpy(&e->ip4.sin_addr, a->s6_addr + 12, 4);
	} else {
		e->ip6.sin6_family = AF_INET6;
		e->ip6.sin6_addr = *a;
	}
}

/* Of what is no address the family stays AF_UNSPEC. */
static void parse(const char *text, union ssh_end *e)
{
	struct in6_addr a6;

	*e = (union ssh_end){0};
	if (inet_pton(AF_INET, text, &e->ip4.sin_addr) == 1)
		e->ip4.sin_family = AF_INET;
	else if (inet_pton(AF_INET6, text, &a6) == 1)
		set_ip6(e, &a6);
}

/* --- this process and those that it comes from --- */

/* "SSH_CONNECTION=peer port own port"; an IPv6 address may have its "%eth0" behind it. */
static void take_variable(struct found *f, char *value)
{
	struct ssh_session s = {.ours = true};
	char *save, *peer = strtok_r(value, " ", &save), *own;

	strtok_r(NULL, " ", &save);
	own = strtok_r(NULL, " ", &save);
	if (peer == NULL || own == NULL)
		return;
	peer[strcspn(peer, "%")] = '\0';
	own[strcspn(own, "%")] = '\0';
	parse(peer, &s.peer);
	parse(own, &s.own);
	add(f, &s);
}

static void take_environment(const struct host *h, int pid, struct found *f)
{
	static const char name[] = "SSH_CONNECTION=";
	char path[256], *entry = NULL;
	size_t room = 0;
	FILE *in;

	snprintf(path, sizeof(path), "%s/%d/environ", h->proc, pid);
	in = fopen(path, "re");
	while (in != NULL && getdelim(&entry, &room, '\0', in) > 0)
		if (strncmp(entry, name, sizeof(name) - 1) == 0)
			take_variable(f, entry + sizeof(name) - 1);
	free(entry);
	if (in != NULL)
		fclose(in);
}

/* Whose terminals somebody takes up by another session than that in which they began. */
static bool is_multiplexer(const struct host *h, int pid)
{
	static const char *const names[] = {"tmux", "screen", "SCREEN"};
	char name[SYSFS_NAME];

	sysfs_line(name, sizeof(name), "%s/%d/comm", h->proc, pid);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strncmp(name, names[i], strlen(names[i])) == 0)
			return true;
	return false;
}

/* 0 behind the first process. */
static int parent_of(const struct host *h, int pid)
{
	char line[512], *end;
	int parent = 0;

	sysfs_line(line, sizeof(line), "%s/%d/stat", h->proc, pid);
	end = strrchr(line, ')'); /* of its name, which may have anything in it */
	if (end == NULL || sscanf(end, ") %*c %d", &parent) != 1)
		return 0;
	return parent;
}

/* --- the servers' sockets --- */

struct inodes {
	unsigned long list[INODES];
	uint32_t n;
};

static bool is_server(const char *name)
{
	return strncmp(name, "sshd", 4) == 0 || strncmp(name, "dropbear", 8) == 0;
}

static void take_sockets_of(const struct host *h, const char *pid, struct inodes *inodes)
{
	char(*fds)[SYSFS_NAME], target[SYSFS_NAME];
	uint32_t n = sysfs_list(&fds, "%s/%s/fd", h->proc, pid);

	for (uint32_t i = 0; i < n && inodes->n < INODES; i++)
		if (sysfs_link(target, "%s/%s/fd/%s", h->proc, pid, fds[i]) == 0 &&
			sscanf(target, "socket:[%lu]", &inodes->list[inodes->n]) == 1)
			inodes->n++;
	free(fds);
}

static void take_servers(const struct host *h, struct inodes *inodes)
{
	char(*pids)[SYSFS_NAME], name[SYSFS_NAME];
	uint32_t n = sysfs_list(&pids, "%s", h->proc);

	for (uint32_t i = 0; i < n; i++)
		if (pids[i][0] >= '1' && pids[i][0] <= '9' &&
			sysfs_line(name, sizeof(name), "%s/%s/comm", h->proc, pids[i]) == 0 &&
			is_server(name))
			take_sockets_of(h, pids[i], inodes);
	free(pids);
}

/* An address as /proc/net/tcp and tcp6 have it: words of 32 bits in hex, each as the machine does.
 */
static bool parse_words(const char *text, union ssh_end *e)
{
	struct in6_addr a6;
	uint32_t word[4];

	*e = (union ssh_end){0};
	if (strlen(text) == 8 && sscanf(text, "%8x", &word[0]) == 1) {
		e->ip4.sin_family = AF_INET;
		e->ip4.sin_addr.s_addr = word[0];
		return true;
	}
	if (sscanf(text, "%8x%8x%8x%8x", &word[0], &word[1], &word[2], &word[3]) != 4)
		return false;
	memcpy(&a6, word, sizeof(a6));
	set_ip6(e, &a6);
	return true;
}

static void take_line(const char *line, const struct inodes *inodes, struct found *f)
{
	struct ssh_session s = {.ours = false};
	char own[33], peer[33];
	unsigned int state;
	unsigned long inode;

	if (sscanf(line, " %*d: %32[0-9A-F]:%*x %32[0-9A-F]:%*x %x %*s %*s %*s %*s %*s %lu", own,
		    peer, &state, &inode) != 4 ||
		state != ESTABLISHED)
		return;
	for (uint32_t i = 0; i < inodes->n; i++)
		if (inodes->list[i] == inode && parse_words(own, &s.own) &&
			parse_words(peer, &s.peer)) {
			add(f, &s);
			return;
		}
}

static void take_table(
	const struct host *h, const char *table, const struct inodes *inodes, struct found *f)
{
	char path[256], line[512];
	FILE *in;

	snprintf(path, sizeof(path), "%s/net/%s", h->proc, table);
	in = fopen(path, "re");
	while (in != NULL && fgets(line, sizeof(line), in) != NULL)
		take_line(line, inodes, f);
	if (in != NULL)
		fclose(in);
}

uint32_t ssh_sessions(const struct host *h, struct ssh_session *s)
{
	struct found f = {.list = s};
	struct inodes inodes = {.n = 0};
	bool any = false;

	for (int pid = h->pid, i = 0; pid > 0 && i < ANCESTORS; pid = parent_of(h, pid), i++) {
		take_environment(h, pid, &f);
		any |= is_multiplexer(h, pid);
	}
	take_servers(h, &inodes);
	take_table(h, "tcp", &inodes, &f);
	take_table(h, "tcp6", &inodes, &f);
	for (uint32_t i = 0; any && i < f.n; i++)
		s[i].ours = true;
	return f.n;
}
