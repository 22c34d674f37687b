/*
 * How much a user may have pinned: RLIMIT_MEMLOCK of four pages, over all registrations of the user,
 * given back with each, however it ends. Without CAP_IPC_LOCK: root becomes nobody first.
 */
#include "tee.h"
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define NOBODY 65534
/* Exit code: this machine does not allow it. */
#define CANNOT 77

static struct client client;
static uint8_t memory[8 * PAGE] __attribute__((aligned(4096)));

static int register_pages(int first, int count, struct shm *shm)
{
	return register_memory(client.fd, memory + first * PAGE, count * PAGE, shm);
}

static void try_pages(const char *what, int count)
{
	struct shm shm;
	int rc = register_pages(0, count, &shm);
	fact("%s: %s", what, outcome(rc));
	if (rc == 0)
		close(shm.fd);
	check_increment(client, 1);
}

/* A child that ends with three pages registered. */
static void leave_pinned(bool killed)
{
	int ends[2], status;
	char byte;
	need(pipe(ends) == 0, "pipe");
	int pid = fork();
	if (pid == 0) {
		struct shm shm;
		need(register_pages(0, 3, &shm) == 0, "register");
		need(write(ends[1], "x", 1) == 1, "write");
		if (!killed)
			_exit(0);
		for (;;)
			pause();
	}
	need(read(ends[0], &byte, 1) == 1, "read");
	if (killed) {
		try_pages("two pages while a child has three", 2);
		kill(pid, SIGKILL);
	}
	need(waitpid(pid, &status, 0) == pid, "waitpid");
	check_increment(client, 1);
}

static void be_nobody(void)
{
	if (getuid() == 0)
		need(setgid(NOBODY) == 0 && setuid(NOBODY) == 0, "setuid");
}

/* The capabilities that a new user namespace gives are no capabilities outside of it. */
static int in_namespace(void)
{
	be_nobody();
	if (unshare(CLONE_NEWUSER) < 0)
		return CANNOT;
	try_pages("five pages, in a user namespace", 5);
	return 0;
}

THEME(memlock)
{
	const struct rlimit limit = { 4 * PAGE, 4 * PAGE };
	struct shm first, second;
	client = connect_ta();
	need(setrlimit(RLIMIT_MEMLOCK, &limit) == 0, "setrlimit");
	if (argc > 1 && strcmp(argv[1], "keep") == 0) {
		try_pages("with CAP_IPC_LOCK", 5);
		return 0;
	}
	if (argc > 1 && strcmp(argv[1], "namespace") == 0)
		return in_namespace();
	be_nobody();
	if (argc > 1 && strcmp(argv[1], "leave") == 0)
		return register_pages(0, 4, &first);
	try_pages("four pages", 4);
	try_pages("five pages", 5);
	need(register_pages(0, 3, &first) == 0, "register");
	try_pages("two more than three", 2);
	fact("one more: %s", outcome(register_pages(3, 1, &second)));
	close(second.fd);
	close(first.fd);
	check_increment(client, 1);
	try_pages("four pages again", 4);
	leave_pinned(false);
	try_pages("after a child's end", 4);
	leave_pinned(true);
	try_pages("after a child's death", 4);
	return 0;
}
