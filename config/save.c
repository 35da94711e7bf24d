/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * save: a configuration's text with what was added at run time, and a file replaced as a whole.
 *
 * The text is not written anew: the loader noted where lists and maps can be added to, and the
 * additions go there, so that every comment stays (restate.c does so for backends). What came out
 * is read again before it is trusted.
 */
#include "option.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Items for one list. */
struct addition {
	enum spot spot[3];   /* of the list, and of the maps it is in from the inside out */
	const char *keys[2]; /* of the list and of its map, where their spots are absent */
	const struct section *of;
	const char *items;
	uint32_t n;
};

static const char *item_of(const struct addition *a, uint32_t i)
{
	return a->items + (size_t)i * a->of->size;
}

/* The list on one line, in the maps that it lacks. */
static void add_flow(FILE *out, const struct addition *a, uint32_t lacking)
{
	if (lacking) {
		fprintf(out, "{%s: ", a->keys[lacking - 1]);
		add_flow(out, a, lacking - 1);
		putc('}', out);
		return;
	}
	putc('[', out);
	for (uint32_t i = 0; i < a->n; i++) {
		fputs(i ? ", " : "", out);
		text_item(a->of, item_of(a, i), 0, out);
	}
	putc(']', out);
}

/* The same on lines of their own. */
static void add_block(FILE *out, const struct addition *a, uint32_t lacking, uint32_t column)
{
	for (; lacking; lacking--, column += 2)
		fprintf(out, "\n%*s%s:", (int)column, "", a->keys[lacking - 1]);
	for (uint32_t i = 0; i < a->n; i++) {
		fprintf(out, "\n%*s- ", (int)column, "");
		text_item(a->of, item_of(a, i), 0, out);
	}
}

/* The innermost place that the text has for it; returns how many levels it lacks. */
static uint32_t place(const struct conf *c, const struct addition *a, const struct conf_spot **spot)
{
	uint32_t lacking = 0;

	*spot = &c->spots[a->spot[0]];
	while ((*spot)->style == SPOT_ABSENT)
		*spot = &c->spots[a->spot[++lacking]];
	return lacking;
}

/* Where in the text: to a block one adds after its last line. */
static const char *place_in_text(const struct conf *c, const struct conf_spot *spot)
{
	const char *at = conf_char(c, spot->at);

	if (spot->style == SPOT_BLOCK)
		at += strcspn(at, "\r\n");
	return at;
}

static void add(FILE *out, const struct conf *c, const struct addition *a)
{
	const struct conf_spot *spot;
	uint32_t lacking = place(c, a, &spot);

	if (spot->style == SPOT_BLOCK) {
		add_block(out, a, lacking, spot->column);
	} else if (spot->style == SPOT_EMPTY) {
		putc(' ', out);
		add_flow(out, a, lacking);
	} else if (lacking) {
		fprintf(out, "%s: ", a->keys[lacking - 1]);
		add_flow(out, a, lacking - 1);
		fputs(", ", out);
	} else {
		for (uint32_t i = 0; i < a->n; i++) {
			text_item(a->of, item_of(a, i), 0, out);
			fputs(", ", out);
		}
	}
}

/* The text with the additions in it. NULL without memory. */
static char *add_both(const struct conf *c, const struct addition a[2])
{
	const char *from = c->text, *end = c->text + c->length, *to[2];
	const struct conf_spot *spot;
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);
	int first;

	if (out == NULL)
		return NULL;
	for (int i = 0; i < 2; i++) {
		place(c, &a[i], &spot);
		to[i] = place_in_text(c, spot);
	}
	first = to[1] < to[0];
	for (int i = 0; i < 2; i++) {
		int which = i ^ first;

		fwrite(from, 1, (size_t)(to[which] - from), out);
		if (a[which].n)
			add(out, c, &a[which]);
		from = to[which];
	}
	fwrite(from, 1, (size_t)(end - from), out);
	if (fclose(out) == 0)
		return text;
	free(text);
	return NULL;
}

/* --- what is there already --- */

static int by_prefix(const void *a, const void *b)
{
	const struct route_conf *x = *(const struct route_conf *const *)a;
	const struct route_conf *y = *(const struct route_conf *const *)b;

	if (x->prefix != y->prefix)
		return x->prefix < y->prefix ? -1 : 1;
	return x->depth - y->depth;
}

static bool same_route(const struct route_conf *a, const struct route_conf *b)
{
	return a->kind == b->kind && a->preference == b->preference && a->metric == b->metric &&
	       a->n_via == b->n_via && memcmp(a->via, b->via, a->n_via * sizeof(a->via[0])) == 0;
}

/* Copies the routes to prefixes that c has none for; the count, or -1 without memory. */
static int64_t new_routes(
	const struct conf *c, const struct routes_conf *r, struct route_conf *list)
{
	const struct route_conf **index = malloc((c->routes.n + 1) * sizeof(*index));
	uint32_t n = 0, hidden = 0;

	if (index == NULL)
		return -1;
	for (uint32_t i = 0; i < c->routes.n; i++)
		index[i] = &c->routes.list[i];
	qsort(index, c->routes.n, sizeof(*index), by_prefix);
	for (uint32_t i = 0; i < r->n; i++) {
		const struct route_conf *route = &r->list[i], **has;

		has = bsearch(&route, index, c->routes.n, sizeof(*index), by_prefix);
		if (has == NULL)
			list[n++] = *route;
		else
			hidden += !same_route(*has, route);
	}
	free(index);
	if (hidden)
		log_warning("%u routes added by hand are not saved: the configuration has others "
			    "for their prefixes",
			hidden);
	return n;
}

static uint32_t new_statics(
	const struct conf *c, const struct conf_extra *extra, struct neigh_static *list)
{
	const struct neigh_conf *have = &c->neighbours;
	uint32_t n = 0, hidden = 0;

	for (uint32_t i = 0; i < extra->n_static; i++) {
		uint32_t j = 0;

		while (j < have->n_static &&
			(have->statics[j].addr != extra->statics[i].addr ||
				strcmp(have->statics[j].iface, extra->statics[i].iface) != 0))
			j++;
		if (j == have->n_static)
			list[n++] = extra->statics[i];
		else
			hidden += memcmp(have->statics[j].mac, extra->statics[i].mac,
					  sizeof(extra->statics[i].mac)) != 0;
	}
	if (hidden)
		log_warning("%u neighbours added by hand are not saved: the configuration has "
			    "other MACs for them",
			hidden);
	return n;
}

/* --- the whole --- */

/* Whether the text means c and the additions. */
static bool means(const char *text, const struct conf *c, uint32_t routes, uint32_t statics)
{
	struct errs e = {0};
	struct conf *made = conf_parse(c->file, text, strlen(text), &e);
	bool good = made && made->routes.n == c->routes.n + routes &&
		    made->neighbours.n_static == c->neighbours.n_static + statics;

	conf_free(made);
	errs_clear(&e);
	return good;
}

static char *with_lists(const struct conf *c, const struct conf_extra *extra, struct errs *e)
{
	struct route_conf *routes = malloc((extra->routes.n + 1) * sizeof(*routes));
	struct neigh_static *statics = malloc((extra->n_static + 1) * sizeof(*statics));
	int64_t n_routes = routes ? new_routes(c, &extra->routes, routes) : -1;
	uint32_t n_statics = statics ? new_statics(c, extra, statics) : 0;
	const struct addition a[2] = {
		{{SPOT_ROUTES, SPOT_TOP}, {"routes"}, &conf_route_section, (const char *)routes,
			(uint32_t)n_routes},
		{{SPOT_STATIC, SPOT_NEIGHBOURS, SPOT_TOP}, {"static", "neighbours"},
			&conf_neighbour_section, (const char *)statics, n_statics},
	};
	char *text = n_routes >= 0 && statics ? add_both(c, a) : NULL;

	if (text == NULL) {
		errs_add(e, (struct conf_pos){0}, "file", "no memory to save it");
	} else if (!means(text, c, a[0].n, a[1].n)) {
		errs_add(e, (struct conf_pos){0}, "file",
			"its layout does not take what was added by hand; give `routes` and "
			"`neighbours.static` lists of the usual form");
		free(text);
		text = NULL;
	}
	free(routes);
	free(statics);
	return text;
}

char *conf_with(const struct conf *c, const struct conf_extra *extra, struct errs *e)
{
	struct conf *restated;
	char *text;

	if (extra->n_backends == 0)
		return with_lists(c, extra, e);
	restated = restate(c, extra, e);
	text = restated == NULL ? NULL : with_lists(restated, extra, e);
	conf_free(restated);
	return text;
}

/* --- the file --- */

/* Writes a new file beside the old one; its name in `temporary`. 0 or -errno. */
static int write_beside(const char *file, const char *text, char temporary[PATH_MAX])
{
	size_t left = strlen(text);
	struct stat old;
	int fd, rc = 0;

	if (snprintf(temporary, PATH_MAX, "%s.XXXXXX", file) >= PATH_MAX)
		return -ENAMETOOLONG;
	fd = mkostemp(temporary, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (stat(file, &old) < 0)
		rc = fchmod(fd, 0644);
	else if ((fchown(fd, old.st_uid, old.st_gid) < 0 && errno != EPERM) ||
		 fchmod(fd, old.st_mode & 0777) < 0) /* who may not give it away keeps it */
		rc = -1;
	while (rc == 0 && left) {
		ssize_t n = write(fd, text, left);

		if (n < 0 && errno != EINTR)
			rc = -1;
		if (n > 0) {
			text += n;
			left -= (size_t)n;
		}
	}
	if (rc == 0)
		rc = fsync(fd);
	rc = rc < 0 ? -errno : 0;
	close(fd);
	if (rc < 0)
		unlink(temporary);
	return rc;
}

/* The new name is on the disk when its folder is. */
static void sync_folder(const char *file)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "%s", file);
	fd = open(dirname(path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return;
	fsync(fd);
	close(fd);
}

int conf_store(const char *file, const char *text)
{
	char target[PATH_MAX], temporary[PATH_MAX];
	int rc;

	/* a symbolic link stays one */
	if (realpath(file, target) == NULL)
		snprintf(target, sizeof(target), "%s", file);
	rc = write_beside(target, text, temporary);
	if (rc == 0 && rename(temporary, target) < 0) {
		rc = -errno;
		unlink(temporary);
	}
	if (rc == 0)
		sync_folder(target);
	else
		log_error("%s: not saved: %s", file, strerror(-rc));
	return rc;
}
