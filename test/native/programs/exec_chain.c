/*
 * vfork and exec: fds go along unless O_CLOEXEC, and the new program has new memory at old
 * addresses. `executed` is what the chain ends in.
 */
#include "tee.h"
#include <sys/mman.h>

/* Where both programs have a page. */
#define FIXED ((void *)0x200000000000)

static uint8_t *fixed_page(uint8_t pattern)
{
	uint8_t *page = mmap(FIXED, PAGE, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	need(page == FIXED, "mmap");
	return memset(page, pattern, PAGE);
}

/* Arguments: the client, the old program's memory, an fd with O_CLOEXEC, how many more execs. */
static void exec_self(struct client client, int shm, int closed, int rounds)
{
	char text[5][16];
	const int numbers[5] = { client.fd, (int)client.session, shm, closed, rounds };
	for (int i = 0; i < 5; i++)
		snprintf(text[i], sizeof(text[i]), "%d", numbers[i]);
	execl("/proc/self/exe", "programs", "executed", text[0], text[1], text[2], text[3], text[4],
	      (char *)NULL);
	_exit(3);
}

THEME(executed)
{
	need(argc == 6, "executed FD SESSION SHM CLOSED ROUNDS");
	struct client client = { atoi(argv[1]), (uint32_t)atoi(argv[2]) };
	int old = atoi(argv[3]), closed = atoi(argv[4]), rounds = atoi(argv[5]);
	struct tee_ioctl_version_data version;
	if (rounds > 0)
		exec_self(client, old, closed, rounds - 1);
	check_increment(client, 5);
	fact("executed: the inherited session works");
	fact("executed: the fd with O_CLOEXEC: %s",
	     outcome(tee_ioctl(closed, TEE_IOC_VERSION, &version)));

	uint8_t *page = fixed_page(7);
	struct shm shm;
	need(register_memory(client.fd, page, PAGE, &shm) == 0, "register");
	fact("executed: sum of new memory: %ld", sum_seen(client, shm.id, 0, PAGE));
	struct reply reply = fill(client, old, 0, PAGE, 9);
	fact_reply("executed: fill of the old program's memory", reply);
	fact("executed: new memory at the same address holds %u", page[0]);
	return 0;
}

THEME(exec_chain)
{
	(void)argc, (void)argv;
	struct client client = connect_ta();
	struct shm shm;
	int closed = open(CLIENT_DEVICE, O_RDWR | O_CLOEXEC);
	need(closed >= 0, CLIENT_DEVICE);

	int pid = vfork();
	if (pid == 0) {
		/* The child runs in its parent's memory, as another process. */
		struct tee_ioctl_version_data version;
		_exit(ioctl(client.fd, TEE_IOC_VERSION, &version) == 0 ? 0 : 1);
	}
	join_child(pid);
	fact("vfork: the child's ioctl worked");

	need(register_memory(client.fd, fixed_page(6), PAGE, &shm) == 0, "register");
	fact("before: sum %ld", sum_seen(client, shm.id, 0, PAGE));
	pid = vfork();
	if (pid == 0)
		exec_self(client, shm.id, closed, 0);
	join_child(pid);
	fact("after vfork and exec: the memory holds %u", *(uint8_t *)FIXED);
	/* The same process becomes another program, twice. */
	exec_self(client, shm.id, closed, 1);
	return 1;
}
