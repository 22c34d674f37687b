/*
 * Death of a client in the middle of a call. A session of a missing TA needs tee-supplicant, and
 * there is none: the wait for one is killable.
 */
#include "tee.h"
#include <signal.h>
#include <sys/wait.h>

static struct client client;

static void do_nothing(int signal)
{
	(void)signal;
}

/* A child that waits for a supplicant that does not come. */
static int waiting_child(void)
{
	int pid = fork();
	if (pid == 0) {
		uint32_t session;
		struct sigaction action = { .sa_handler = do_nothing };
		sigaction(SIGUSR1, &action, NULL);
		int fd = open(CLIENT_DEVICE, O_RDWR);
		open_session(fd, missing_ta_uuid, &session);
		_exit(0);
	}
	wait_until_blocked(pid, client.fd);
	return pid;
}

static void end(const char *what, int pid, int signal)
{
	int status;
	kill(pid, signal);
	need(waitpid(pid, &status, 0) == pid, "waitpid");
	fact("%s: %s %d", what, WIFSIGNALED(status) ? "signal" : "exit",
	     WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
}

THEME(kills)
{
	(void)argc, (void)argv;
	client = connect_ta();
	end("a client, killed", waiting_child(), SIGKILL);
	check_increment(client, 1);
	end("a client, terminated", waiting_child(), SIGTERM);
	check_increment(client, 1);
	int pid = waiting_child();
	kill(pid, SIGUSR1);
	wait_until_killable(pid);
	check_increment(client, 1);
	fact("a client with a handler: waits on");
	end("then killed", pid, SIGKILL);
	int first = waiting_child(), second = waiting_child();
	end("the first of two", first, SIGKILL);
	end("the second", second, SIGKILL);
	check_increment(client, 1);
	/* More than there are secure threads: each must be given back. */
	for (int i = 0; i < 12; i++) {
		pid = waiting_child();
		kill(pid, SIGKILL);
		need(waitpid(pid, NULL, 0) == pid, "waitpid");
	}
	check_increment(client, 1);
	fact("12 more, killed one by one: the other client works");
	return 0;
}

THEME(killed_in_invoke)
{
	(void)argc, (void)argv;
	client = connect_ta();
	int pid = fork();
	if (pid == 0) {
		struct client own = connect_ta();
		struct invocation call = { 0 };
		call.param[0] = value_param(TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INPUT, 200, 0);
		invoke(own, TA_TEST_CMD_WAIT, &call);
		_exit(0);
	}
	wait_until_blocked(pid, client.fd);
	end("a client in an invoke, killed", pid, SIGKILL);
	check_increment(client, 1);
	fact("the other client works");
	return 0;
}
