/*
 * fork: a child uses its parent's context. Memory belongs to the process that registered it, so
 * what the secure world sees and writes is the parent's page, never the child's copy.
 */
#include "tee.h"

static struct client client;
static struct shm shm;
static uint8_t page[PAGE] __attribute__((aligned(4096)));

static int child(void)
{
	struct shm own;
	check_increment(client, 1);
	fact("child: the parent's session works");
	fact("child: sum of the parent's memory: %ld", sum_seen(client, shm.id, 0, PAGE));
	memset(page, 2, PAGE);
	fact("child: after a write to its copy: %ld", sum_seen(client, shm.id, 0, PAGE));
	fact_reply("child: fill of the parent's memory", fill(client, shm.id, 0, PAGE, 3));
	fact("child: its copy still holds %u", page[0]);
	need(register_memory(client.fd, page, PAGE, &own) == 0, "register");
	fact("child: sum of memory of its own: %ld", sum_seen(client, own.id, 0, PAGE));
	/* Everything is left open: the end of the process closes its references, no more. */
	return 0;
}

THEME(forked)
{
	(void)argc, (void)argv;
	client = connect_ta();
	memset(page, 1, PAGE);
	need(register_memory(client.fd, page, PAGE, &shm) == 0, "register");
	int pid = fork();
	if (pid == 0)
		_exit(child());
	join_child(pid);
	fact("parent: its memory holds %u", page[0]);
	check_increment(client, 1);
	fact("parent: the session outlived the child");

	pid = fork();
	if (pid == 0) {
		close(shm.fd);
		_exit(0);
	}
	join_child(pid);
	fact("parent: a child's close of the shm fd: %ld", sum_seen(client, shm.id, 0, PAGE));
	return 0;
}
