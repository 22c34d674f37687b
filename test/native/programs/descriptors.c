/*
 * Duplicates of an fd are one context, which ends with the last of them. /dev/teepriv0 can be held
 * by one context only, so it shows when one ends.
 */
#include "tee.h"

static void try_open(const char *when)
{
	int fd = open(SUPPLICANT_DEVICE, O_RDWR);
	fact("%s: a second open: %s", when, outcome(fd));
	if (fd >= 0)
		close(fd);
}

static void last_close(void)
{
	int first = open(SUPPLICANT_DEVICE, O_RDWR);
	need(first >= 0, SUPPLICANT_DEVICE);
	try_open("while open");
	int second = dup(first);
	close(first);
	try_open("one of two closed");
	int target = open("/dev/null", O_RDONLY);
	need(dup2(second, target) == target, "dup2");
	close(second);
	try_open("moved by dup2");
	int null = open("/dev/null", O_RDONLY);
	need(dup2(null, target) == target, "dup2");
	try_open("replaced by dup2");
	int pid = fork();
	if (pid == 0)
		_exit(open(SUPPLICANT_DEVICE, O_RDWR) < 0);
	join_child(pid);
	try_open("held by a child that has gone");
}

static void duplicates(void)
{
	struct client client = connect_ta();
	struct client copy = { fcntl(client.fd, F_DUPFD_CLOEXEC, 100), client.session };
	struct tee_ioctl_version_data version;
	need(copy.fd >= 100, "F_DUPFD_CLOEXEC");
	close(client.fd);
	check_increment(copy, 1);
	fact("a duplicate has the session");
	fact("the closed fd: %s", outcome(tee_ioctl(client.fd, TEE_IOC_VERSION, &version)));
	need(open("/dev/null", O_RDONLY) == client.fd, "the lowest fd");
	fact("its number, used again: %s",
	     outcome(tee_ioctl(client.fd, TEE_IOC_VERSION, &version)));
	close(copy.fd);
	fact("the duplicate, closed: %s", outcome(tee_ioctl(copy.fd, TEE_IOC_VERSION, &version)));
}

static void flags(void)
{
	uint8_t byte;
	struct shm shm;
	int plain = open(CLIENT_DEVICE, O_RDWR);
	int cloexec = open(CLIENT_DEVICE, O_RDWR | O_CLOEXEC);
	fact("FD_CLOEXEC: %d, with O_CLOEXEC %d", fcntl(plain, F_GETFD), fcntl(cloexec, F_GETFD));
	need(register_memory(plain, &byte, 1, &shm) == 0, "register");
	fact("FD_CLOEXEC of registered memory: %d", fcntl(shm.fd, F_GETFD));
	need(allocate_memory(plain, 1, &shm) == 0, "allocate");
	fact("FD_CLOEXEC of allocated memory: %d", fcntl(shm.fd, F_GETFD));
}

/* Memory keeps its context alive: with OP-TEE its sessions, too. */
static void memory_outlives(void)
{
	uint8_t byte = 1;
	struct shm first, second;
	struct client client = connect_ta();
	need(register_memory(client.fd, &byte, 1, &first) == 0, "register");
	close(client.fd);
	client = connect_ta();
	need(register_memory(client.fd, &byte, 1, &second) == 0, "register");
	fact("ids while the closed context's memory is held: %d and %d", first.id, second.id);
	close(first.fd);
	need(register_memory(client.fd, &byte, 1, &first) == 0, "register");
	fact("after it was closed: %d", first.id);
}

THEME(descriptors)
{
	(void)argc, (void)argv;
	last_close();
	duplicates();
	memory_outlives();
	flags();
	return 0;
}
