/* SPDX-License-Identifier: BSD-3-Clause */
/* millctl as it is run: words in, the call that a daemon gets, what is printed, how it exits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "control.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *millctl;

/* The daemon's side: what it was asked last, and what it is to say. */
struct app {
	char asked[512];
	const char *result; /* JSON; NULL: it fails */
	const char *data;   /* of the error */
};

static json_t *answer(struct app *app, struct call *call)
{
	char *params = json_dumps(call->params, JSON_COMPACT);

	snprintf(app->asked, sizeof(app->asked), "%s", params);
	free(params);
	if (app->result != NULL)
		return json_loads(app->result, JSON_DECODE_ANY, NULL);
	call_fail(call, RPC_NOT_FOUND, "there is none");
	call->error.data = app->data != NULL ? json_loads(app->data, 0, NULL) : NULL;
	return NULL;
}

/* A page of two: the cursor is the number of the page. */
static json_t *pages(struct app *app, struct call *call)
{
	json_int_t cursor = json_integer_value(json_object_get(call->params, "cursor"));

	(void)app;
	return json_pack("{s:I, s:[{s:s, s:I}]}", "next", cursor == 2 ? 0 : cursor + 1, "routes",
		"prefix", "10.0.0.0/8", "metric", cursor);
}

/* 10,000 neighbours and one, of which no answer has all. */
static json_t *crowd(struct app *app, struct call *call)
{
	json_int_t i = json_integer_value(json_object_get(call->params, "offset"));
	json_t *rows;

	if (app->result != NULL)
		return answer(app, call);
	rows = json_array();
	for (json_int_t end = i + 10000; i < end && i <= 10000; i++)
		json_array_append_new(rows, json_pack("{s:s, s:I}", "port", "lan", "age_s", i));
	return rows;
}

#define ANY                                                                                        \
	{                                                                                          \
		{"prefix", PARAM_STRING}, {"via", PARAM_ADDRESSES, false, 1, 9},                   \
			{"blackhole", PARAM_BOOLEAN}, {"metric", PARAM_INTEGER, false, 0, 9},      \
			{"port", PARAM_STRING}, {"address", PARAM_STRING}, {"mac", PARAM_STRING},  \
			{"file", PARAM_STRING},                                                    \
	}

static const struct method list[] = {
	{"route.add", "", answer, false, ANY},
	{"neighbour.add", "", answer, false, ANY},
	{"neighbour.flush", "", answer, false, ANY},
	{"show.drops", "", answer, true, ANY},
	{"show.workers", "", answer, true, ANY},
	{"show.neighbours", "", crowd, true,
		{{"port", PARAM_STRING}, {"offset", PARAM_INTEGER, false, 0, 99999}}},
	{"show.routes", "", pages, true,
		{{"cursor", PARAM_INTEGER, false, 0, 9}, {"limit", PARAM_INTEGER, false, 0, 9}}},
	{"config.apply", "", answer, false, {{"file", PARAM_STRING}, {"text", PARAM_STRING}}},
	{"config.save", "", answer, false, {{"file", PARAM_STRING}}},
};
static const struct registry registry = {list, sizeof(list) / sizeof(*list)};

struct fixture {
	char folder[64], path[128];
	struct bell bell;
	struct loop *loop;
	struct control *control;
	struct app app;
	char out[1 << 20], err[8192];
};

static int work(void *arg)
{
	struct fixture *f = arg;

	return control_work(f->control, loop_now_ms(f->loop));
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	strcpy(f->folder, "/tmp/millrace-ctl-XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	snprintf(f->path, sizeof(f->path), "%s/c.sock", f->folder);
	assert_int_equal(bell_open(&f->bell), 0);
	f->loop = loop_new(&f->bell, work, f);
	assert_int_equal(control_open(&f->control, f->path), 0);
	assert_int_equal(control_serve(f->control, f->loop, &registry, &f->app), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	control_close(f->control);
	loop_free(f->loop);
	bell_close(&f->bell);
	rmdir(f->folder);
	free(f);
	return 0;
}

static void take_output(int fd, char *text, size_t size)
{
	ssize_t n = pread(fd, text, size - 1, 0);

	text[n > 0 ? n : 0] = 0;
	close(fd);
}

/* Runs millctl with words separated by blanks while the loop runs; its exit status. */
static int run(struct fixture *f, const char *words)
{
	char text[256], *argv[24] = {(char *)(uintptr_t)millctl};
	int out = memfd_create("out", 0), err = memfd_create("err", 0), status, n = 1;
	pid_t pid;

	snprintf(text, sizeof(text), "%s", words);
	for (char *word = strtok(text, " "); word != NULL; word = strtok(NULL, " "))
		argv[n++] = word;
	f->app.asked[0] = 0;
	pid = fork();
	if (pid == 0) {
		dup2(out, STDOUT_FILENO);
		dup2(err, STDERR_FILENO);
		setenv("MILLRACE_SOCKET", f->path, 1);
		if (chdir(f->folder) == 0)
			execv(millctl, argv);
		_exit(99);
	}
	while (waitpid(pid, &status, WNOHANG) == 0) { /* the test's time-out ends what hangs */
		loop_turn(f->loop);
		usleep(200);
	}
	take_output(out, f->out, sizeof(f->out));
	take_output(err, f->err, sizeof(f->err));
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void test_words(void **state)
{
	static const struct {
		const char *words, *asked, *out;
	} cases[] = {
		{"route add 10.0.0.0/8 via 198.18.1.1",
			"{\"prefix\":\"10.0.0.0/8\",\"via\":[\"198.18.1.1\"]}", ""},
		{"route add 10.0.0.0/8 via 1.1.1.1 metric 3 via 2.2.2.2",
			"{\"prefix\":\"10.0.0.0/"
			"8\",\"via\":[\"1.1.1.1\",\"2.2.2.2\"],\"metric\":3}",
			""},
		{"route add 10.0.0.0/8 blackhole", "{\"prefix\":\"10.0.0.0/8\",\"blackhole\":true}",
			""},
		{"route add --blackhole 10.0.0.0/8 --json",
			"{\"blackhole\":true,\"prefix\":\"10.0.0.0/8\"}", "{}\n"},
		{"ro a blackhole 10.0.0.0/8", "{\"blackhole\":true,\"prefix\":\"10.0.0.0/8\"}", ""},
		{"neighbour add 198.18.0.7 02:00:00:00:00:07 lan",
			"{\"address\":\"198.18.0.7\",\"mac\":\"02:00:00:00:00:07\",\"port\":"
			"\"lan\"}",
			""},
		{"neighbour flush", "{}", "0 neighbours forgotten\n"},
		{"neighbour flush lan", "{\"port\":\"lan\"}", "0 neighbours forgotten\n"},
		{"--json neighbour flush lan", "{\"port\":\"lan\"}", "{}\n"},
		{"config save", "{}", ""},
		{"config save /x/y.yaml", "{\"file\":\"/x/y.yaml\"}", ""},
	};
	struct fixture *f = *state;

	f->app.result = "{}";
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		int status = run(f, cases[i].words);

		if (status != 0 || strcmp(f->app.asked, cases[i].asked) != 0 ||
			strcmp(f->out, cases[i].out) != 0)
			fail_msg("%s: exit %d, asked %s, printed %s%s", cases[i].words, status,
				f->app.asked, f->out, f->err);
	}
}

static void test_wrong_words(void **state)
{
	static const struct {
		const char *words, *err;
	} cases[] = {
		{"", "usage: millctl"},
		{"fly", "there is no command `fly`"},
		{"show", "`show` is the beginning of:"},
		{"show x", "there is no command `show x`"},
		{"route add", "PREFIX is missing"},
		{"route add 10.0.0.0/8 via", "`via` needs a value: GATEWAY"},
		{"route add 10.0.0.0/8 198.18.1.1", "`198.18.1.1` does not belong here"},
		{"--jsn show ports", "millctl --help tells more"},
		{"show ports --jsn", "`--jsn` does not belong here"},
		{"show ports -x", "millctl --help tells more"},
		{"show ports --socket", "millctl --help tells more"},
		{"nic bind", "ADDRESS|INTERFACE is missing"},
		{"nic bind a --driver", "`driver` needs a value: vfio-pci"},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		int status = run(f, cases[i].words);

		if (status != 2 || strstr(f->err, cases[i].err) == NULL || f->out[0] != 0)
			fail_msg("%s: exit %d, printed %s%s", cases[i].words, status, f->out,
				f->err);
		assert_string_equal(f->app.asked, "");
	}
}

static void test_tables(void **state)
{
	static const struct {
		const char *words, *result, *out;
	} cases[] = {
		{"show drops",
			"[{\"reason\":\"TX_FULL\",\"count\":12,\"text\":\"queue full\"},"
			"{\"reason\":\"URPF\",\"count\":0,\"text\":\"no way back\"}]",
			"REASON   COUNT  WHAT\n"
			"TX_FULL     12  queue full\n"},
		{"--all show drops",
			"[{\"reason\":\"TX_FULL\",\"count\":12,\"text\":\"queue full\"},"
			"{\"reason\":\"URPF\",\"count\":0,\"text\":\"no way back\"}]",
			"REASON   COUNT  WHAT\n"
			"TX_FULL     12  queue full\n"
			"URPF         0  no way back\n"},
		{"show workers",
			"[{\"id\":0,\"cpu\":11,\"rx_queues\":[{\"port\":\"lan\",\"queue\":0},"
			"{\"port\":\"wan\",\"queue\":1}]}]",
			"WORKER  CPU  NUMA  LCORE  BUSY %  PASSES  IDLE  SLEEPS  HANDED IN  HANDED "
			"OUT  RX QUEUES\n"
			"     0   11                                                               "
			"     lan 0, wan 1\n"},
		{"show neighbours",
			"[{\"port\":\"lan\",\"address\":\"198.18.0.7\",\"mac\":null,\"state\":"
			"\"failed\"}]",
			"PORT  ADDRESS     MAC  STATE   AGE S  PACKETS  BYTES  ROUTES\n"
			"lan   198.18.0.7  -    failed\n"},
		{"neighbour flush", "{\"flushed\":1}", "1 neighbour forgotten\n"},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		int status;

		f->app.result = cases[i].result;
		status = run(f, cases[i].words);
		if (status != 0 || strcmp(f->out, cases[i].out) != 0)
			fail_msg("%s: exit %d, printed\n%s%s", cases[i].words, status, f->out,
				f->err);
	}
}

/* A long list is asked for page by page, and has one head; with a limit, or as JSON, once. */
static void test_pages(void **state)
{
	struct fixture *f = *state;
	int rows = 0;

	assert_int_equal(run(f, "show routes"), 0);
	for (const char *at = f->out; (at = strstr(at, "10.0.0.0/8")) != NULL; at++)
		rows++;
	assert_int_equal(rows, 3);
	assert_ptr_equal(strstr(f->out, "PREFIX"), f->out);
	assert_null(strstr(f->out + 1, "PREFIX"));
	assert_int_equal(run(f, "show routes limit 1"), 0);
	assert_null(strstr(strstr(f->out, "10.0.0.0/8") + 1, "10.0.0.0/8"));
	assert_int_equal(run(f, "--json show routes"), 0);
	assert_non_null(strstr(f->out, "\"next\": 1"));

	assert_int_equal(run(f, "show neighbours"), 0);
	assert_ptr_equal(strstr(f->out, "PORT"), f->out);
	assert_null(strstr(f->out + 1, "PORT"));
	assert_non_null(strstr(f->out, " 9999\n"));
	assert_non_null(strstr(f->out, " 10000\n"));
}

static void test_errors(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(run(f, "neighbour flush"), 1);
	assert_string_equal(f->err, "millctl: there is none\n");
	assert_string_equal(f->out, "");
	assert_int_equal(run(f, "--json neighbour flush"), 1);
	assert_string_equal(f->err, "millctl: there is none\n");
	assert_int_equal(run(f, "neighbour del 198.18.0.7 lan"), 1);
	assert_non_null(strstr(f->err, "there is no such method"));
	assert_int_equal(run(f, "--socket /tmp/no/such show ports"), 1);
	assert_non_null(strstr(f->err, "no millrace is listening on /tmp/no/such"));
	assert_int_equal(run(f, "config apply missing.yaml"), 1);
	assert_string_equal(f->err, "millctl: missing.yaml: No such file or directory\n");
}

static void write_file(const struct fixture *f, const char *name, size_t size)
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", f->folder, name);
	file = fopen(path, "w");
	while (size-- > 0)
		fputc('#', file);
	fclose(file);
}

/* The daemon gets the file's full name, and its text if it is short enough. */
static void test_files(void **state)
{
	struct fixture *f = *state;
	char expected[256], path[256];

	f->app.result = "{\"diff\":\"+ x: 1\\n\"}";
	write_file(f, "c.yaml", 3);
	assert_int_equal(run(f, "config apply c.yaml"), 0);
	snprintf(
		expected, sizeof(expected), "{\"file\":\"%s/c.yaml\",\"text\":\"###\"}", f->folder);
	assert_string_equal(f->app.asked, expected);
	assert_string_equal(f->out, "+ x: 1\n");

	write_file(f, "c.yaml", 3 << 20);
	assert_int_equal(run(f, "config apply c.yaml"), 0);
	snprintf(expected, sizeof(expected), "{\"file\":\"%s/c.yaml\"}", f->folder);
	assert_string_equal(f->app.asked, expected);

	f->app.result = NULL;
	f->app.data =
		"[{\"file\":\"/full/c.yaml\",\"line\":3,\"column\":7,\"path\":\"ports.lan.mtu\","
		"\"text\":\"68 to 9000\"},{\"line\":4,\"column\":1,\"path\":\"x\",\"text\":\"y\"}]";
	assert_int_equal(run(f, "config apply c.yaml"), 1);
	assert_string_equal(f->err, "c.yaml:3:7: ports.lan.mtu: 68 to 9000\nc.yaml:4:1: x: y\n");
	snprintf(path, sizeof(path), "%s/c.yaml", f->folder);
	unlink(path);
}

/* What has no end, or cannot be said in JSON, is the daemon's to read and to refuse. */
static void test_odd_files(void **state)
{
	struct fixture *f = *state;
	char expected[256], path[256];

	f->app.result = "{\"diff\":\"\"}";
	assert_int_equal(run(f, "config apply /dev/zero"), 0);
	assert_string_equal(f->app.asked, "{\"file\":\"/dev/zero\"}");

	snprintf(path, sizeof(path), "%s/c.yaml", f->folder);
	write_file(f, "c.yaml", 3);
	assert_int_equal(truncate(path, 4), 0); /* a 0 behind it */
	assert_int_equal(run(f, "config apply c.yaml"), 0);
	snprintf(expected, sizeof(expected), "{\"file\":\"%s/c.yaml\"}", f->folder);
	assert_string_equal(f->app.asked, expected);
	unlink(path);
}

/* Without a daemon, and none is asked; the machine has no such card. */
static void test_here(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(run(f, "--socket /tmp/no/such nic bind nonesuch 9999:99:99.9"), 1);
	assert_string_equal(f->err,
		"millctl: there is no network card nonesuch; `millctl nic list` shows which there "
		"are\n"
		"millctl: there is no network card 9999:99:99.9; `millctl nic list` shows which "
		"there are\n");
	assert_int_equal(run(f, "--socket /tmp/no/such --json nic list"), 0);
	assert_int_equal(f->out[0], '[');
	assert_string_equal(f->app.asked, "");
}

/* An error that stands nowhere in the file has no line. */
static void test_an_error_without_a_line(void **state)
{
	struct fixture *f = *state;

	f->app.data = "[{\"line\":0,\"column\":0,\"path\":\"routes\",\"text\":\"no memory\"}]";
	assert_int_equal(run(f, "config apply /dev/null"), 1);
	assert_string_equal(f->err, "/dev/null: routes: no memory\n");
}

static void test_help(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(run(f, "--help"), 0);
	assert_non_null(strstr(f->out, "route add PREFIX [via GATEWAY]..."));
	assert_int_equal(run(f, "route --help"), 0);
	assert_non_null(strstr(f->out, "route del PREFIX"));
	assert_null(strstr(f->out, "show ports"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(test_words),
		TEST(test_wrong_words),
		TEST(test_tables),
		TEST(test_pages),
		TEST(test_errors),
		TEST(test_files),
		TEST(test_odd_files),
		TEST(test_an_error_without_a_line),
		TEST(test_here),
		TEST(test_help),
	};

	if (argc != 2)
		return 2;
	millctl = realpath(argv[1], NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
