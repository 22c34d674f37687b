/*
 * A context passed to another process through a socket: the receiver uses it; memory still comes
 * from the process that registered it.
 */
#include "tee.h"
#include <sys/socket.h>

/* What goes with the fd. */
struct letter {
	uint32_t session;
	int memory;
};

union control {
	struct cmsghdr header;
	char bytes[CMSG_SPACE(sizeof(int))];
};

static struct msghdr message(struct iovec *iov, union control *control)
{
	return (struct msghdr){ .msg_iov = iov, .msg_iovlen = 1, .msg_control = control->bytes,
				.msg_controllen = sizeof(control->bytes) };
}

static void send_fd(int socket, int fd, struct letter letter)
{
	union control control = { .header = { CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS } };
	struct iovec iov = { &letter, sizeof(letter) };
	struct msghdr msg = message(&iov, &control);
	memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	need(sendmsg(socket, &msg, 0) == sizeof(letter), "sendmsg");
}

static int receive_fd(int socket, struct letter *letter)
{
	int fd;
	union control control;
	struct iovec iov = { letter, sizeof(*letter) };
	struct msghdr msg = message(&iov, &control);
	need(recvmsg(socket, &msg, 0) == sizeof(*letter), "recvmsg");
	memcpy(&fd, CMSG_DATA(&control.header), sizeof(fd));
	return fd;
}

static void tell(int socket)
{
	need(write(socket, "", 1) == 1, "write");
}

static void await(int socket)
{
	char byte;
	need(read(socket, &byte, 1) == 1, "read");
}

static uint8_t page[PAGE] __attribute__((aligned(4096)));

static int receiver(int socket)
{
	struct letter letter;
	struct client client = { receive_fd(socket, &letter), 0 };
	struct shm own;
	client.session = letter.session;
	check_increment(client, 1);
	fact("receiver: the sender's session works");
	fact("receiver: sum of the sender's memory: %ld", sum_seen(client, letter.memory, 0, PAGE));
	memset(page, 5, PAGE);
	need(register_memory(client.fd, page, PAGE, &own) == 0, "register");
	fact("receiver: sum of its own: %ld", sum_seen(client, own.id, 0, PAGE));
	fact_reply("receiver: fill of the sender's", fill(client, letter.memory, 0, PAGE, 6));
	tell(socket);
	await(socket);
	check_increment(client, 2);
	fact("receiver: the sender has closed it, and it works");
	return 0;
}

THEME(rights)
{
	(void)argc, (void)argv;
	int pair[2];
	struct shm shm;
	need(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0, "socketpair");
	int pid = fork();
	if (pid == 0) {
		close(pair[0]);
		_exit(receiver(pair[1]));
	}
	close(pair[1]);
	memset(page, 4, PAGE);
	struct client client = connect_ta();
	need(register_memory(client.fd, page, PAGE, &shm) == 0, "register");
	send_fd(pair[0], client.fd, (struct letter){ client.session, shm.id });
	await(pair[0]);
	fact("sender: its memory holds %u", page[0]);
	close(client.fd);
	close(shm.fd);
	tell(pair[0]);
	join_child(pid);
	return 0;
}
