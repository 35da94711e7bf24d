/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How many calls a second the socket service answers: sockets_load PATH KIND THREADS SECONDS
 * KIND: option (getsockopt), send (64 bytes to the discard service), echo (64 bytes to the echo
 * service and back: two calls). Each thread has a socket; all of them share one connection.
 */
#include "mrs/mrs.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ADDRESS "198.18.255.1" /* perf/sockets gives it to millrace */
#define SIZE	64
#define MOST	64

enum kind { OPTION, SEND, ECHO };

static enum kind kind;
static atomic_bool stop;

struct load {
	pthread_t thread;
	_Atomic uint64_t calls;
};

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static int connected(void)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(kind == ECHO ? 7 : 9)};
	int s = mrs_socket(AF_INET, SOCK_STREAM, 0), on = 1;

	inet_pton(AF_INET, ADDRESS, &to.sin_addr);
	if (s < 0 || mrs_connect(s, (struct sockaddr *)&to, sizeof(to)) < 0)
		die("connect");
	mrs_setsockopt(s, IPPROTO_TCP, 1 /* TCP_NODELAY */, &on, sizeof(on));
	return s;
}

/* How many calls it made. */
static unsigned int once(int s)
{
	char data[SIZE] = "";
	socklen_t length = sizeof(int);
	int value;

	if (kind == OPTION) {
		if (mrs_getsockopt(s, SOL_SOCKET, SO_TYPE, &value, &length) < 0)
			die("getsockopt");
		return 1;
	}
	if (mrs_send(s, data, SIZE, 0) != SIZE)
		die("send");
	if (kind == SEND)
		return 1;
	if (mrs_recv(s, data, SIZE, MSG_WAITALL) != SIZE)
		die("recv");
	return 2;
}

static void *run(void *arg)
{
	struct load *l = arg;
	int s = connected();

	while (!stop)
		l->calls += once(s);
	mrs_close(s);
	return NULL;
}

int main(int argc, char **argv)
{
	static const char *const kinds[] = {"option", "send", "echo"};
	static struct load load[MOST];
	struct timespec begin, end;
	uint64_t calls = 0;
	double seconds;
	int n;

	if (argc != 5)
		return 2;
	while (kind <= ECHO && strcmp(argv[2], kinds[kind]) != 0)
		kind++;
	n = atoi(argv[3]);
	if (kind > ECHO || n < 1 || n > MOST || mrs_open(argv[1]) < 0)
		die("sockets_load");
	clock_gettime(CLOCK_MONOTONIC, &begin);
	for (int i = 0; i < n; i++)
		if (pthread_create(&load[i].thread, NULL, run, &load[i]) != 0)
			die("thread");
	sleep((unsigned int)atoi(argv[4]));
	stop = true;
	for (int i = 0; i < n; i++) {
		pthread_join(load[i].thread, NULL);
		calls += load[i].calls;
	}
	clock_gettime(CLOCK_MONOTONIC, &end);
	seconds = (double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) / 1e9;
	printf("%.0f\n", (double)calls / seconds);
	return 0;
}
