/*
 * A supplicant of our own that answers every request with "not found", and what becomes of its
 * clients when it is killed. It speaks the older protocol: one request at a time, no META.
 */
#include "tee.h"
#include <signal.h>
#include <sys/wait.h>

#define MAX_PARAMS 8

struct request {
	struct tee_iocl_supp_recv_arg arg;
	struct tee_ioctl_param param[MAX_PARAMS];
};

/* A context that sleeps in no call. */
static int other;

static int receive(int fd, struct request *request)
{
	struct tee_ioctl_buf_data buf = { (uintptr_t)request, sizeof(*request) };
	memset(request, 0, sizeof(*request));
	request->arg.num_params = MAX_PARAMS;
	return tee_ioctl(fd, TEE_IOC_SUPPL_RECV, &buf);
}

static int answer(int fd, struct request *request, uint32_t ret)
{
	struct tee_ioctl_buf_data buf = { (uintptr_t)request, sizeof(*request) };
	/* struct tee_iocl_supp_send_arg has its result where the request has its function. */
	request->arg.func = ret;
	return tee_ioctl(fd, TEE_IOC_SUPPL_SEND, &buf);
}

static int connect_supplicant(void)
{
	int fd = open(SUPPLICANT_DEVICE, O_RDWR);
	need(fd >= 0, SUPPLICANT_DEVICE);
	return fd;
}

/* Serves for ever; `tell`, if not -1, gets a byte when it is there and one for each request. */
static void serve(int fd, int tell, bool answers)
{
	struct request request;
	need(tell < 0 || write(tell, "", 1) == 1, "write");
	for (;;) {
		need(receive(fd, &request) == 0, "TEE_IOC_SUPPL_RECV");
		need(tell < 0 || write(tell, "", 1) == 1, "write");
		if (!answers)
			pause();
		need(answer(fd, &request, TEEC_ERROR_ITEM_NOT_FOUND) == 0, "TEE_IOC_SUPPL_SEND");
	}
}

static int serving_child(int tell, bool answers)
{
	int pid = fork();
	if (pid == 0)
		serve(connect_supplicant(), tell, answers);
	close(tell);
	return pid;
}

/* Opens a session that needs a supplicant, and prints what came of it. */
static int asking_child(void)
{
	int pid = fork();
	if (pid != 0)
		return pid;
	uint32_t session;
	int fd = open(CLIENT_DEVICE, O_RDWR);
	fact_reply("client: a missing TA", open_session(fd, missing_ta_uuid, &session));
	_exit(0);
}

static void await(int fd)
{
	char byte;
	need(read(fd, &byte, 1) == 1, "read");
}

static void end(int pid)
{
	int status;
	need(kill(pid, SIGKILL) == 0 && waitpid(pid, &status, 0) == pid, "kill");
}

static void forwarded(void)
{
	int told[2];
	need(pipe(told) == 0, "pipe");
	int supplicant = serving_child(told[1], true);
	await(told[0]);
	int second = open(SUPPLICANT_DEVICE, O_RDWR);
	fact("a second supplicant: %s", outcome(second));
	join_child(asking_child());
	await(told[0]);
	fact("the supplicant was asked");
	end(supplicant);
}

static void killed(void)
{
	int told[2];
	need(pipe(told) == 0, "pipe");
	int supplicant = serving_child(told[1], false);
	await(told[0]);
	int client = asking_child();
	await(told[0]);
	/* First: the client prints too, as soon as its call has ended. */
	fact("the supplicant is killed while it has a request");
	end(supplicant);
	join_child(client);
}

/* A client asks first; the supplicant comes later. */
static void late(void)
{
	int told[2];
	need(pipe(told) == 0, "pipe");
	int client = asking_child();
	wait_until_blocked(client, other);
	int supplicant = serving_child(told[1], true);
	join_child(client);
	fact("a supplicant that came late has served it");
	end(supplicant);
}

/* The request of a dead client is not given to anybody. */
static void dead_client(void)
{
	int client = asking_child();
	wait_until_blocked(client, other);
	end(client);
	int fd = connect_supplicant();
	int pid = fork();
	if (pid == 0) {
		struct request request;
		_exit(receive(fd, &request) == 0 ? 1 : 0);
	}
	wait_until_blocked(pid, other);
	fact("the request of a client that died: gone");
	end(pid);
	close(fd);
}

/* For `teebox run --supplicant`; with -d in the background, as tee-supplicant goes there. */
THEME(answering)
{
	int fd = connect_supplicant();
	bool goes = argc > 1 && strcmp(argv[1], "-d") == 0;
	need(!goes || daemon(0, 0) == 0, "daemon");
	serve(fd, -1, true);
	return 1;
}

THEME(supplicant)
{
	(void)argc, (void)argv;
	other = open(CLIENT_DEVICE, O_RDWR);
	need(other >= 0, CLIENT_DEVICE);
	forwarded();
	killed();
	late();
	dead_client();
	struct client client = connect_ta();
	check_increment(client, 1);
	fact("a client after all this: works");
	return 0;
}
