/*
 * The floor: the least that answering a native client's ioctls from another process can cost. A
 * seccomp supervisor in C that knows no TEE: it answers each ioctl with success, adds one to a
 * value, and moves a memory parameter in and out (process_vm_readv, process_vm_writev).
 *
 * Usage: floor-supervisor PROGRAM ARGS... (see invoke-client.c); `taskset -c 0` puts both on one
 * CPU. The supervisor is single threaded and blocks in NOTIF_RECV, with SYNC_WAKE_UP.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <linux/tee.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

/* Newer than the headers of some hosts. */
#define WAIT_KILLABLE_RECV (1ul << 5)
#define NOTIF_SET_FLAGS _IOW('!', 4, uint64_t)
#define FD_SYNC_WAKE_UP 1ul

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#endif

#define MAX_MEMORY 16
#define MAX_SIZE (1u << 20)

static int listener;
static struct seccomp_notif notif;
static uint8_t bytes[MAX_SIZE];
/* Registered memory by id; a length of 0 for allocated memory, which needs no copy. */
static struct iovec memory[MAX_MEMORY];
static int last_id;

static void need(int ok, const char *what)
{
	if (ok)
		return;
	perror(what);
	_exit(1);
}

static void fetch(void *to, uint64_t from, size_t length)
{
	struct iovec local = { to, length }, remote = { (void *)(uintptr_t)from, length };
	need(process_vm_readv(notif.pid, &local, 1, &remote, 1, 0) == (ssize_t)length, "readv");
}

static void store(uint64_t to, void *from, size_t length)
{
	struct iovec local = { from, length }, remote = { (void *)(uintptr_t)to, length };
	need(process_vm_writev(notif.pid, &local, 1, &remote, 1, 0) == (ssize_t)length, "writev");
}

static void reply(int64_t value, int32_t error, uint32_t flags)
{
	struct seccomp_notif_resp response = { notif.id, value, error, flags };
	ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response);
}

/* Answers with a new fd of the client's; ours is closed. */
static void reply_fd(int fd)
{
	struct seccomp_notif_addfd add = { .id = notif.id, .flags = SECCOMP_ADDFD_FLAG_SEND,
					   .srcfd = (uint32_t)fd };
	need(ioctl(listener, SECCOMP_IOCTL_NOTIF_ADDFD, &add) >= 0, "NOTIF_ADDFD");
	close(fd);
}

static void serve_open(void)
{
	char path[10] = "";
	struct iovec local = { path, sizeof(path) };
	struct iovec remote = { (void *)(uintptr_t)notif.data.args[1], sizeof(path) };
	process_vm_readv(notif.pid, &local, 1, &remote, 1, 0);
	if (memcmp(path, "/dev/tee0", sizeof(path)) == 0)
		reply_fd(open("/dev/null", O_RDWR | O_CLOEXEC));
	else
		reply(0, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE);
}

static void serve_session(uint64_t arg)
{
	struct tee_ioctl_buf_data buf;
	struct tee_ioctl_open_session_arg open;
	fetch(&buf, arg, sizeof(buf));
	fetch(&open, buf.buf_ptr, sizeof(open));
	open.session = 1;
	open.ret = 0;
	store(buf.buf_ptr, &open, sizeof(open));
	reply(0, 0, 0);
}

static void serve_invoke(uint64_t arg)
{
	struct tee_ioctl_buf_data buf;
	struct {
		struct tee_ioctl_invoke_arg arg;
		struct tee_ioctl_param param[4];
	} call;
	fetch(&buf, arg, sizeof(buf));
	fetch(&call, buf.buf_ptr, sizeof(call));
	if (call.param[0].attr == TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INOUT) {
		struct iovec *range = &memory[call.param[0].c % MAX_MEMORY];
		fetch(bytes, (uintptr_t)range->iov_base, range->iov_len);
		store((uintptr_t)range->iov_base, bytes, range->iov_len);
	} else {
		call.param[0].a++;
	}
	call.arg.ret = 0;
	store(buf.buf_ptr, &call, sizeof(call));
	reply(0, 0, 0);
}

static int new_memory(uint64_t at, size_t length)
{
	last_id = (last_id + 1) % MAX_MEMORY;
	memory[last_id] = (struct iovec){ (void *)(uintptr_t)at, length };
	return last_id;
}

static void serve_register(uint64_t arg)
{
	struct tee_ioctl_shm_register_data data;
	fetch(&data, arg, sizeof(data));
	data.id = new_memory(data.addr, data.length < MAX_SIZE ? data.length : MAX_SIZE);
	store(arg, &data, sizeof(data));
	reply_fd(open("/dev/null", O_RDWR | O_CLOEXEC));
}

static void serve_alloc(uint64_t arg)
{
	struct tee_ioctl_shm_alloc_data data;
	int fd = memfd_create("floor", MFD_CLOEXEC);
	fetch(&data, arg, sizeof(data));
	need(fd >= 0 && ftruncate(fd, data.size) == 0, "memfd_create");
	data.id = new_memory(0, 0);
	store(arg, &data, sizeof(data));
	reply_fd(fd);
}

static const struct {
	uint32_t request;
	void (*serve)(uint64_t arg);
} ioctls[] = {
	{ (uint32_t)TEE_IOC_INVOKE, serve_invoke },
	{ (uint32_t)TEE_IOC_SHM_REGISTER, serve_register },
	{ (uint32_t)TEE_IOC_SHM_ALLOC, serve_alloc },
	{ (uint32_t)TEE_IOC_OPEN_SESSION, serve_session },
};

static void serve_ioctl(void)
{
	for (size_t i = 0; i < sizeof(ioctls) / sizeof(ioctls[0]); i++) {
		if (ioctls[i].request != (uint32_t)notif.data.args[1])
			continue;
		ioctls[i].serve(notif.data.args[2]);
		return;
	}
	reply(0, -EINVAL, 0);
}

static void serve(void)
{
	ioctl(listener, NOTIF_SET_FLAGS, FD_SYNC_WAKE_UP);
	for (;;) {
		memset(&notif, 0, sizeof(notif));
		if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &notif) < 0)
			continue;
		if (notif.data.nr == SYS_openat)
			serve_open();
		else
			serve_ioctl();
	}
}

/* Opens and TEE ioctls of this process and its successors go to the listener that is returned. */
static int install_filter(void)
{
#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define EQUAL(value, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, yes, no)
	struct sock_filter filter[] = {
		LOAD(arch),
		EQUAL(ARCH, 0, 7),
		LOAD(nr),
		EQUAL(SYS_openat, 4, 0),
		EQUAL(SYS_ioctl, 0, 4),
		LOAD(args[1]),
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xff00),
		EQUAL(TEE_IOC_MAGIC << 8, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof(filter) / sizeof(filter[0]), filter };
	need(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, "PR_SET_NO_NEW_PRIVS");
	int fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
			 SECCOMP_FILTER_FLAG_NEW_LISTENER | WAIT_KILLABLE_RECV, &program);
	need(fd >= 0, "seccomp");
	return fd;
}

/* Control messages hold one fd. */
union control {
	struct cmsghdr header;
	char bytes[CMSG_SPACE(sizeof(int))];
};

static void send_fd(int socket, int fd)
{
	union control control = { .header = { CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS } };
	struct iovec iov = { "", 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes,
			      .msg_controllen = sizeof(control.bytes) };
	memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	need(sendmsg(socket, &msg, 0) == 1, "sendmsg");
}

static int receive_fd(int socket)
{
	int fd;
	char byte;
	union control control;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes,
			      .msg_controllen = sizeof(control.bytes) };
	need(recvmsg(socket, &msg, MSG_CMSG_CLOEXEC) == 1, "recvmsg");
	memcpy(&fd, CMSG_DATA(&control.header), sizeof(fd));
	return fd;
}

int main(int argc, char **argv)
{
	int pair[2], status = 0;
	need(argc > 1, "usage: floor-supervisor PROGRAM ARGS...");
	need(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0, "socketpair");
	pid_t client = fork();
	if (client == 0) {
		send_fd(pair[0], install_filter());
		execvp(argv[1], argv + 1);
		need(0, argv[1]);
	}
	listener = receive_fd(pair[1]);
	pid_t server = fork();
	if (server == 0)
		serve();
	close(listener);
	waitpid(client, &status, 0);
	kill(server, SIGKILL);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
