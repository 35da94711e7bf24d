/* SPDX-License-Identifier: BSD-3-Clause */
/* A directory is walked by descriptors, never by names put together: nothing leads out of it. */
#include "files.h"

#include "base/siphash.h"
#include "wire/http1_hdr.h"

#include <rte_debug.h>
#include <rte_malloc.h>
#include <rte_memory.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define DEPTH	  16
#define PATH_MOST 1024
#define INDEX	  "index.html"

/* Buffers of one worker up to which it makes more: a count has 16 bits, and segments add theirs. */
#define SHARES 32768

/*
 * One worker's references. Buffers are freed by whoever sends them, and who takes a count to 0
 * looks at it once more (rte_mbuf.h), when control may have freed it: a reference of the store's
 * own keeps it from that.
 */
struct share {
	alignas(64) struct rte_mbuf_ext_shared_info info;
	_Atomic uint32_t holds; /* worker: w, control: r */
};

struct place {
	uint32_t hash;
	uint32_t len;
	const char *path;
	const struct file *file; /* NULL: free */
};

struct files {
	char *block;	   /* rte_malloc(): heads and bytes */
	rte_iova_t *piece; /* where each FILES_PIECE of it is for devices */
	struct share *share;
	struct file *file;
	char *paths;
	struct place *table;
	uint32_t mask;
};

/* A file as the walk found it. */
struct found {
	struct found *next;
	char *bytes; /* NULL where only looked at */
	uint64_t size;
	int64_t modified;
	uint32_t path_len;
	char path[];
};

struct walk {
	const struct files_owner *owner;
	struct files_budget *budget;
	struct errs *e;
	bool load;
	struct found *first;
	uint32_t n;
	uint64_t bytes; /* of heads and files */
	uint64_t paths; /* of their names */
	char path[PATH_MOST + 1];
};

static bool fail(struct walk *w, const char *path, const char *why)
{
	errs_add(w->e, w->owner->at, w->owner->path, "%s%s: %s", w->owner->root, path, why);
	return false;
}

/* --- the walk --- */

/* All of a file that is not longer than it was said to be. */
static char *slurp(int fd, uint64_t *size)
{
	char *bytes = malloc(*size + 1);
	uint64_t n = 0;
	ssize_t got = 1;

	while (bytes != NULL && n < *size && got > 0) {
		got = read(fd, bytes + n, *size - n);
		n += got > 0 ? (uint64_t)got : 0;
	}
	if (got < 0) {
		free(bytes);
		return NULL;
	}
	*size = n;
	return bytes;
}

static bool take_file(struct walk *w, int fd, const struct stat *st, size_t len)
{
	struct found *f = calloc(1, sizeof(*f) + len + 1);

	if ((uint64_t)st->st_size > w->budget->bytes) {
		free(f);
		return fail(w, w->path, "more bytes in all than http.bytes allows");
	}
	if (f == NULL)
		return fail(w, w->path, "no memory");
	f->size = (uint64_t)st->st_size;
	f->modified = RTE_MAX(RTE_MIN(st->st_mtime, time(NULL)), 0); /* RFC 9110 8.8.2.1 */
	f->path_len = (uint32_t)len;
	memcpy(f->path, w->path, len);
	f->next = w->first;
	w->first = f;
	if (w->load) {
		f->bytes = slurp(fd, &f->size);
		if (f->bytes == NULL)
			return fail(w, w->path, strerror(errno));
	}
	w->budget->bytes -= f->size;
	w->bytes += f->size + FILES_HEAD;
	w->paths += len;
	w->n++;
	return true;
}

static bool walk_directory(struct walk *w, int fd, size_t len, int depth);

/* Takes what is named in a directory; w->path names it from the root. */
static bool walk_entry(struct walk *w, int directory, const char *name, size_t len, int depth)
{
	struct stat st;
	bool well = true;
	int fd;

	if (fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT || fail(w, w->path, strerror(errno));
	if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
		return true;
	if (w->budget->files == 0)
		return fail(w, w->path, "more files and directories in all than http.files allows");
	w->budget->files--;
	fd = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0) {
		well = errno == ENOENT || errno == ELOOP || fail(w, w->path, strerror(errno));
		if (fd >= 0)
			close(fd);
		return well;
	}
	if (S_ISDIR(st.st_mode))
		return walk_directory(w, fd, len, depth + 1);
	if (S_ISREG(st.st_mode))
		well = take_file(w, fd, &st, len);
	close(fd);
	return well;
}

/* Takes fd. */
static bool walk_directory(struct walk *w, int fd, size_t len, int depth)
{
	DIR *d = fdopendir(fd);
	struct dirent *entry;
	bool well = true;

	if (d == NULL) {
		close(fd);
		return fail(w, w->path, strerror(errno));
	}
	if (depth > DEPTH)
		well = fail(w, w->path, "deeper than 16 directories");
	while (well && (entry = readdir(d)) != NULL) {
		size_t n = strlen(entry->d_name);

		if (entry->d_name[0] == '.')
			continue;
		if (len + 1 + n > PATH_MOST) {
			well = fail(w, w->path, "a path of more than 1024 bytes");
			break;
		}
		w->path[len] = '/';
		memcpy(w->path + len + 1, entry->d_name, n + 1);
		well = walk_entry(w, dirfd(d), entry->d_name, len + 1 + n, depth);
		w->path[len] = '\0';
	}
	closedir(d);
	return well;
}

static bool walk(struct walk *w)
{
	int fd = open(w->owner->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	w->path[0] = '\0';
	if (fd < 0)
		return fail(w, "", strerror(errno));
	return walk_directory(w, fd, 0, 0);
}

static void walk_end(struct walk *w)
{
	while (w->first != NULL) {
		struct found *f = w->first;

		w->first = f->next;
		free(f->bytes);
		free(f);
	}
}

bool files_check(const struct files_owner *o, struct files_budget *budget, struct errs *e)
{
	struct walk w = {.owner = o, .budget = budget, .e = e};
	bool well = walk(&w);

	walk_end(&w);
	return well;
}

/* --- the store --- */

static const char *type_of(const char *path, uint32_t len)
{
	static const struct {
		const char *ending;
		const char *type;
	} types[] = {
		{".html", "text/html; charset=utf-8"},
		{".htm", "text/html; charset=utf-8"},
		{".txt", "text/plain; charset=utf-8"},
		{".css", "text/css; charset=utf-8"},
		{".js", "text/javascript; charset=utf-8"},
		{".json", "application/json"},
		{".xml", "application/xml"},
		{".svg", "image/svg+xml"},
		{".png", "image/png"},
		{".jpg", "image/jpeg"},
		{".jpeg", "image/jpeg"},
		{".gif", "image/gif"},
		{".webp", "image/webp"},
		{".ico", "image/x-icon"},
		{".woff2", "font/woff2"},
		{".wasm", "application/wasm"},
		{".pdf", "application/pdf"},
	};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		size_t n = strlen(types[i].ending);

		if (len >= n && strncasecmp(path + len - n, types[i].ending, n) == 0)
			return types[i].type;
	}
	return "application/octet-stream";
}

static void tag_of(const struct found *from, char tag[FILES_TAG_LEN])
{
	static const struct siphash_key fixed = {{UINT64_C(0x6d696c6c), UINT64_C(0x72616365)}};
	char text[FILES_TAG_LEN + 1];

	/* the same bytes have the same tag on every worker, host and day (RFC 9110 8.8.3) */
	snprintf(text, sizeof(text), "\"%016lx\"",
		(unsigned long)siphash(&fixed, from->bytes, from->size));
	memcpy(tag, text, FILES_TAG_LEN);
}

/* Writes one to the block; returns where the next one goes. */
static char *put(struct file *f, const struct found *from, char *to)
{
	char date[HTTP1_DATE_LEN];
	int at;

	http1_hdr_put_date(date, from->modified);
	tag_of(from, f->tag);
	f->head = to;
	f->size = from->size;
	f->modified = from->modified;
	at = snprintf(to, FILES_HEAD,
		"HTTP/1.1 200 OK\r\nDate: %.*s\r\nAccept-Ranges: bytes\r\nContent-Type: %s\r\n",
		HTTP1_DATE_LEN, date, type_of(from->path, from->path_len));
	f->length_at = (uint32_t)at;
	at += snprintf(to + at, FILES_HEAD - (size_t)at, "Content-Length: %lu\r\n",
		(unsigned long)from->size);
	f->fields_at = (uint32_t)at;
	at += snprintf(to + at, FILES_HEAD - (size_t)at, "Last-Modified: %.*s\r\nETag: %.*s\r\n",
		HTTP1_DATE_LEN, date, FILES_TAG_LEN, f->tag);
	f->head_len = (uint32_t)at;
	memcpy(to + at, "\r\n", 2);
	f->body = to + at + 2;
	memcpy(to + at + 2, from->bytes, from->size);
	return to + at + 2 + from->size;
}

static uint32_t hash_of(const char *path, uint32_t len)
{
	uint32_t hash = FILES_HASH;

	for (uint32_t i = 0; i < len; i++)
		hash = files_hash(hash, path[i]);
	return hash;
}

static void list(struct files *s, const struct file *f, const char *path, uint32_t len)
{
	uint32_t hash = hash_of(path, len), i = hash & s->mask;

	while (s->table[i].file != NULL)
		i = (i + 1) & s->mask;
	s->table[i] = (struct place){hash, len, path, f};
}

static bool is_index(const struct found *f)
{
	const uint32_t n = sizeof(INDEX) - 1;

	return f->path_len > n && f->path[f->path_len - n - 1] == '/' &&
	       memcmp(f->path + f->path_len - n, INDEX, n) == 0;
}

/* Where each piece is for a device, which does not see our addresses. */
static void map_pieces(struct files *s, uint64_t bytes)
{
	for (uint64_t i = 0; i * FILES_PIECE < bytes; i++)
		s->piece[i] = rte_mem_virt2iova(s->block + i * FILES_PIECE);
}

static bool reserve(struct files *s, const struct walk *w, uint16_t n_workers)
{
	s->mask = rte_align32pow2(4 * w->n + 1) - 1; /* each may be listed twice */
	s->table = calloc(s->mask + 1, sizeof(*s->table));
	s->file = calloc(w->n + 1, sizeof(*s->file));
	s->paths = malloc(w->paths + 1);
	s->piece = calloc(w->bytes / FILES_PIECE + 1, sizeof(*s->piece));
	s->share = aligned_alloc(64, n_workers * sizeof(*s->share));
	s->block = rte_malloc(NULL, w->bytes + 1, FILES_PIECE);
	return s->table != NULL && s->file != NULL && s->paths != NULL && s->piece != NULL &&
	       s->share != NULL && s->block != NULL;
}

/* The store's own reference stays. */
static void never(void *addr, void *arg)
{
	(void)addr, (void)arg;
	rte_panic("files: a count came to 0\n");
}

static void fill(struct files *s, const struct walk *w, uint16_t n_workers)
{
	char *to = s->block, *path = s->paths;
	struct file *f = s->file;

	for (const struct found *from = w->first; from != NULL; from = from->next, f++) {
		to = put(f, from, to);
		memcpy(path, from->path, from->path_len);
		list(s, f, path, from->path_len);
		if (is_index(from))
			list(s, f, path, from->path_len - (uint32_t)(sizeof(INDEX) - 1));
		path += from->path_len;
	}
	map_pieces(s, w->bytes + 1);
	for (uint16_t i = 0; i < n_workers; i++)
		s->share[i] = (struct share){.info = {.free_cb = never, .refcnt = 1}};
}

struct files *files_load(const struct files_owner *o, struct files_budget *budget,
	uint16_t n_workers, struct errs *e)
{
	struct walk w = {.owner = o, .budget = budget, .e = e, .load = true};
	struct files *s = calloc(1, sizeof(*s));
	bool well = walk(&w);

	if (well && (s == NULL || !reserve(s, &w, n_workers)))
		well = fail(&w, "", "no memory for its files (system.memory)");
	if (well)
		fill(s, &w, n_workers);
	walk_end(&w);
	if (well)
		return s;
	files_free(s);
	return NULL;
}

void files_free(struct files *s)
{
	if (s == NULL)
		return;
	rte_free(s->block);
	free(s->piece);
	free(s->share);
	free(s->file);
	free(s->paths);
	free(s->table);
	free(s);
}

/* First the holds, under which alone a first buffer is made. */
bool files_in_use(const struct files *s, uint16_t n_workers)
{
	for (uint16_t i = 0; i < n_workers; i++)
		if (atomic_load_explicit(&s->share[i].holds, memory_order_acquire) != 0 ||
			rte_mbuf_ext_refcnt_read(&s->share[i].info) != 1)
			return true;
	return false;
}

/* --- worker --- */

const struct file *files_find(const struct files *s, const char *path, uint32_t len, uint32_t hash)
{
	for (uint32_t i = hash & s->mask; s->table[i].file != NULL; i = (i + 1) & s->mask) {
		const struct place *p = &s->table[i];

		if (p->hash == hash && p->len == len && memcmp(p->path, path, len) == 0)
			return p->file;
	}
	return NULL;
}

static void add_hold(struct share *s, uint32_t n)
{
	uint32_t holds = atomic_load_explicit(&s->holds, memory_order_relaxed);

	atomic_store_explicit(&s->holds, holds + n, memory_order_release);
}

void files_hold(const struct files *s, uint16_t worker)
{
	add_hold(&s->share[worker], 1);
}

void files_give_up(const struct files *s, uint16_t worker)
{
	add_hold(&s->share[worker], UINT32_MAX);
}

bool files_may_attach(const struct files *s, uint16_t worker)
{
	return rte_mbuf_ext_refcnt_read(&s->share[worker].info) < SHARES;
}

uint32_t files_attach(const struct files *s, const struct file *f, uint16_t worker, uint64_t at,
	uint32_t most, struct rte_mbuf *m)
{
	uint64_t from = (uint64_t)(f->body - s->block) + at, in = from % FILES_PIECE;
	uint32_t len = (uint32_t)RTE_MIN(FILES_PIECE - in, f->size - at);
	struct rte_mbuf_ext_shared_info *share = &s->share[worker].info;

	len = RTE_MIN(len, most);
	rte_mbuf_ext_refcnt_update(share, 1);
	rte_pktmbuf_attach_extbuf(
		m, s->block + from, s->piece[from / FILES_PIECE] + in, (uint16_t)len, share);
	m->data_off = 0;
	m->data_len = (uint16_t)len;
	m->pkt_len = len;
	return len;
}
