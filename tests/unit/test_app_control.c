/* SPDX-License-Identifier: BSD-3-Clause */
/* The control socket as its clients meet it, on a real socket in a folder of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "client.h"
#include "control.h"
#include "rpc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

struct app {
	int marked;
	bool go; /* "wait" may end */
};

static json_t *mark(struct app *app, struct call *call)
{
	(void)call;
	return json_integer(++app->marked);
}

static json_t *wait_to_go(struct app *app, struct call *call)
{
	(void)call;
	return app->go ? json_true() : METHOD_WAITS;
}

static json_t *big(struct app *app, struct call *call)
{
	static char text[RPC_ANSWER / 4];

	(void)app;
	(void)call;
	memset(text, 'x', sizeof(text) - 1);
	return json_string(text);
}

static json_t *length(struct app *app, struct call *call)
{
	(void)app;
	return json_integer((json_int_t)strlen(param_string(call, "text", "")));
}

static const struct method list[] = {
	{"mark", "counts its calls", mark, false},
	{"wait", "waits", wait_to_go, true},
	{"big", "answers with a megabyte", big, true},
	{"length", "of a text", length, true, {{"text", PARAM_STRING, true}}},
};
static const struct registry registry = {list, sizeof(list) / sizeof(*list)};

#define MARK "{\"jsonrpc\":\"2.0\",\"method\":\"mark\",\"id\":1}\n"

struct fixture {
	char folder[64], path[128];
	struct bell bell;
	struct loop *loop;
	struct control *control;
	struct app app;
	uint64_t later_ms; /* added to the clock */
};

static int work(void *arg)
{
	struct fixture *f = arg;

	return control_work(f->control, loop_now_ms(f->loop) + f->later_ms);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	strcpy(f->folder, "/tmp/millrace-control-XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	assert_int_equal(chmod(f->folder, 0755), 0);
	snprintf(f->path, sizeof(f->path), "%s/own/c.sock", f->folder);
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
	assert_int_equal(rmdir(f->folder), 0); /* nothing is left in it */
	free(f);
	return 0;
}

static void turns(struct fixture *f, int n)
{
	while (n-- > 0)
		loop_turn(f->loop);
}

static int dial(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	strcpy(a.sun_path, path);
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0)
		return fd;
	close(fd);
	return -1;
}

static void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* What there is to read, as far as it fits. */
static const char *hear(int fd)
{
	static char text[4096];
	ssize_t n = read(fd, text, sizeof(text) - 1);

	text[n > 0 ? n : 0] = 0;
	return text;
}

static bool is_closed(int fd)
{
	char c;

	return read(fd, &c, 1) == 0;
}

static void test_requests(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f->path);

	turns(f, 2);
	say(fd, MARK);
	turns(f, 6);
	assert_string_equal(hear(fd), "{\"jsonrpc\":\"2.0\",\"result\":1,\"id\":1}\n");

	/* in pieces, with blank lines and the other kind of newline between */
	say(fd, "\n \t\r\n{\"jsonrpc\":\"2.0\",\"met");
	turns(f, 4);
	assert_string_equal(hear(fd), "");
	say(fd, "hod\":\"mark\",\"id\":2}\r\n");
	turns(f, 6);
	assert_string_equal(hear(fd), "{\"jsonrpc\":\"2.0\",\"result\":2,\"id\":2}\n");

	/* several at once are answered in order; a notification is not */
	say(fd, MARK "{\"jsonrpc\":\"2.0\",\"method\":\"mark\"}\n" MARK);
	turns(f, 20);
	assert_string_equal(hear(fd), "{\"jsonrpc\":\"2.0\",\"result\":3,\"id\":1}\n"
				      "{\"jsonrpc\":\"2.0\",\"result\":5,\"id\":1}\n");
	close(fd);
}

/* The last request may lack its newline; what was asked before the end is answered. */
static void test_half_close(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f->path);

	turns(f, 2);
	say(fd, MARK "{\"jsonrpc\":\"2.0\",\"method\":\"mark\",\"id\":2}");
	shutdown(fd, SHUT_WR);
	turns(f, 20);
	assert_string_equal(hear(fd), "{\"jsonrpc\":\"2.0\",\"result\":1,\"id\":1}\n"
				      "{\"jsonrpc\":\"2.0\",\"result\":2,\"id\":2}\n");
	assert_true(is_closed(fd));
	close(fd);
}

/* Who goes away at once has still asked. */
static void test_gone(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f->path);

	say(fd, MARK MARK "{\"jsonrpc\":\"2.0\",\"method\":\"wait\",\"id\":1}\n" MARK);
	close(fd);
	turns(f, 20);
	assert_int_equal(f->app.marked, 2);
	f->app.go = true;
	turns(f, 20);
	assert_int_equal(f->app.marked, 3);
}

static void test_garbage_costs_its_sender(void **state)
{
	struct fixture *f = *state;
	int bad = dial(f->path), good = dial(f->path);

	turns(f, 4);
	say(bad, "GET / HTTP/1.1\r\nHost: \xff\xfe\r\n\r\n");
	say(good, MARK);
	turns(f, 20);
	assert_non_null(strstr(hear(bad), "-32700"));
	assert_non_null(strstr(hear(good), "\"result\":1"));
	say(bad, MARK);
	turns(f, 6);
	assert_non_null(strstr(hear(bad), "\"result\":2"));
	close(bad);
	close(good);
}

/* Sends n bytes while the loop runs; false when the other end does not want them. */
static bool pour(struct fixture *f, int fd, size_t n)
{
	static char blanks[65536];

	memset(blanks, ' ', sizeof(blanks));
	for (int idle = 0; n > 0 && idle < 10000; idle++) {
		ssize_t sent =
			send(fd, blanks, n < sizeof(blanks) ? n : sizeof(blanks), MSG_NOSIGNAL);

		if (sent < 0 && errno != EAGAIN)
			return false;
		n -= sent > 0 ? (size_t)sent : 0;
		turns(f, 1);
	}
	return n == 0;
}

static void test_longest_line(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f->path);

	turns(f, 2);
	assert_true(pour(f, fd, CONTROL_REQUEST - strlen(MARK)));
	say(fd, MARK);
	turns(f, 40);
	assert_non_null(strstr(hear(fd), "\"result\":1"));

	pour(f, fd, CONTROL_REQUEST + 1);
	turns(f, 40);
	assert_non_null(strstr(hear(fd), "a request is at most 1 MiB long"));
	assert_true(is_closed(fd) || errno == ECONNRESET);
	close(fd);
}

static void test_too_many(void **state)
{
	struct fixture *f = *state;
	int fd[CONTROL_CLIENTS], late;

	for (int i = 0; i < CONTROL_CLIENTS; i++) {
		fd[i] = dial(f->path);
		turns(f, 1);
	}
	late = dial(f->path);
	turns(f, 2);
	assert_non_null(strstr(hear(late), "too many clients"));
	assert_true(is_closed(late));
	close(late);
	close(fd[0]);
	turns(f, 3);
	late = dial(f->path);
	say(late, MARK);
	turns(f, 6);
	assert_non_null(strstr(hear(late), "\"result\":1"));
	close(late);
	for (int i = 1; i < CONTROL_CLIENTS; i++)
		close(fd[i]);
}

/* Asks for megabytes and takes none: it gets no more work, is cut off, and others do not notice. */
static void test_slow_reader(void **state)
{
	struct fixture *f = *state;
	int slow = dial(f->path), other = dial(f->path);

	turns(f, 2);
	for (int i = 0; i < 4; i++)
		say(slow, "{\"jsonrpc\":\"2.0\",\"method\":\"big\",\"id\":1}\n" MARK);
	turns(f, 40);
	assert_int_equal(f->app.marked, 0);
	say(other, MARK);
	turns(f, 6);
	assert_non_null(strstr(hear(other), "\"result\":1"));
	f->later_ms = CONTROL_STALLED - 1000;
	turns(f, 2);
	assert_string_not_equal(hear(slow), "");
	turns(f, 4); /* it took something: its time begins anew */
	f->later_ms += CONTROL_STALLED - 1000;
	turns(f, 4);
	f->later_ms += 2000;
	turns(f, 4);
	while (*hear(slow) != 0)
		;
	assert_true(is_closed(slow) || errno == ECONNRESET);
	assert_int_equal(f->app.marked, 1);
	close(slow);
	close(other);
}

/* Runs fn in a process of its own while the loop runs here; its exit status. */
static int beside(struct fixture *f, int (*fn)(const char *path))
{
	pid_t pid = fork();
	int status, ended = 0;

	if (pid == 0)
		_exit(fn(f->path));
	for (int i = 0; i < 10000 && ended == 0; i++) {
		loop_turn(f->loop);
		usleep(500);
		ended = waitpid(pid, &status, WNOHANG);
	}
	assert_int_equal(ended, pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int call_from_client(const char *path)
{
	struct client *c;
	json_t *result, *error;
	char *text = calloc(1, 300000);
	int n;

	if (client_open(&c, path, 5000) != 0)
		return 1;
	memset(text, 'x', 299999);
	result = client_call(c, "length", json_pack("{s:s}", "text", text), &error);
	if (json_integer_value(result) != 299999 || error != NULL)
		return 2;
	json_decref(result);
	result = client_call(c, "big", NULL, &error);
	n = (int)json_string_length(result);
	if (n != RPC_ANSWER / 4 - 1)
		return 3;
	json_decref(result);
	result = client_call(c, "none", NULL, &error);
	if (result != NULL || json_integer_value(json_object_get(error, "code")) != RPC_METHOD)
		return 4;
	json_decref(error);
	client_close(c);
	if (client_open(&c, path, 100) != 0)
		return 5;
	result = client_call(c, "wait", NULL, &error);
	if (result != NULL || error != NULL || errno != ETIMEDOUT)
		return 6;
	client_close(c);
	if (client_open(&c, "/tmp/no/such", 100) != -ENOENT)
		return 7;
	free(text);
	return 0;
}

static void test_client(void **state)
{
	assert_int_equal(beside(*state, call_from_client), 0);
}

/* Connects as often as there is room before anybody is let in. */
static int crowd(const char *path, int *fds, int max)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int n = 0;

	memcpy(a.sun_path, path, strlen(path) + 1);
	for (; n < max; n++) {
		fds[n] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
		if (connect(fds[n], (struct sockaddr *)&a, sizeof(a)) != 0)
			break;
	}
	assert_int_equal(errno, EAGAIN);
	return n + 1;
}

static int open_patiently(const char *path)
{
	struct client *c;

	if (client_open(&c, path, 60000) != 0)
		return 1;
	client_close(c);
	return 0;
}

static int open_in_vain(const char *path)
{
	struct client *c;

	return client_open(&c, path, 20) == -ETIMEDOUT ? 0 : 1;
}

/* More come at once than may wait at the door: that is no reason to say that nobody is there. */
static void test_a_crowd(void **state)
{
	struct fixture *f = *state;
	int fds[2 * CONTROL_CLIENTS], n = crowd(f->path, fds, 2 * CONTROL_CLIENTS);
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(open_in_vain(f->path));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	assert_int_equal(beside(f, open_patiently), 0);
	while (n > 0)
		close(fds[--n]);
}

static int call_as_stranger(const char *path)
{
	struct client *c;
	json_t *error;

	if (setgid(65534) != 0 || setuid(65534) != 0)
		return 1;
	if (client_open(&c, path, 5000) != 0)
		return 2;
	if (client_call(c, "mark", NULL, &error) != NULL)
		return 3;
	return json_integer_value(json_object_get(error, "code")) == RPC_REFUSED ? 0 : 4;
}

static void test_peers(void **state)
{
	struct fixture *f = *state;
	struct stat st;

	if (geteuid() != 0)
		skip();
	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0660);
	assert_int_equal(beside(f, call_as_stranger), 2); /* the file's mode keeps them out */
	assert_int_equal(chmod(f->path, 0666), 0);
	assert_int_equal(beside(f, call_as_stranger), 0); /* and where it does not, we do */
	assert_int_equal(f->app.marked, 0);
}

static void test_path(void **state)
{
	struct fixture *f = *state;
	struct control *other;
	char path[sizeof(f->path) + 16], long_path[200];
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	/* one that lives: also when its queue is full */
	assert_int_equal(control_open(&other, f->path), -EADDRINUSE);

	/* one that nobody listens on any more */
	snprintf(a.sun_path, sizeof(a.sun_path), "%s/stale", f->folder);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	close(fd);
	assert_int_equal(control_open(&other, a.sun_path), 0);
	control_close(other);
	assert_int_equal(access(a.sun_path, F_OK), -1);

	/* what is no socket */
	snprintf(path, sizeof(path), "%s/file", f->folder);
	close(open(path, O_CREAT | O_WRONLY, 0600));
	assert_int_equal(control_open(&other, path), -EEXIST);
	assert_int_equal(unlink(path), 0);

	/* what cannot be */
	snprintf(path, sizeof(path), "%s/a/b/c", f->folder);
	assert_int_equal(control_open(&other, path), -ENOENT);
	memset(long_path, 'x', sizeof(long_path));
	long_path[0] = '/';
	long_path[sizeof(long_path) - 1] = 0;
	assert_int_equal(control_open(&other, long_path), -ENAMETOOLONG);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_requests),
		TEST(test_half_close),
		TEST(test_gone),
		TEST(test_garbage_costs_its_sender),
		TEST(test_longest_line),
		TEST(test_too_many),
		TEST(test_slow_reader),
		TEST(test_client),
		TEST(test_a_crowd),
		TEST(test_peers),
		TEST(test_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
