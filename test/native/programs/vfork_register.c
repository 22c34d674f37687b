/*
 * A vfork child registers memory, which is its parent's too, and becomes another program, which has
 * other memory at the same address. What it registered stays its parent's memory; the child holds
 * the fd. `vfork_executed` is what it becomes.
 */
#include "tee.h"
#include <signal.h>
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

static void send_byte(int fd)
{
	need(write(fd, "x", 1) == 1, "write");
}

static void wait_byte(int fd)
{
	char byte;
	need(read(fd, &byte, 1) == 1, "read");
}

/* The new program has its own page there, lets its parent work, and looks at it. */
THEME(vfork_executed)
{
	need(argc == 3, "vfork_executed READY GO");
	uint8_t *page = fixed_page(7);
	send_byte(atoi(argv[1]));
	wait_byte(atoi(argv[2]));
	fact("child: its own memory holds %u", page[0]);
	return 0;
}

THEME(vfork_register)
{
	(void)argc, (void)argv;
	struct client client = connect_ta();
	uint8_t *page = fixed_page(6);
	volatile int id = -1;
	int ready[2], go[2];
	char text[2][16];
	need(pipe(ready) == 0 && pipe(go) == 0, "pipe");
	snprintf(text[0], sizeof(text[0]), "%d", ready[1]);
	snprintf(text[1], sizeof(text[1]), "%d", go[0]);

	int pid = vfork();
	if (pid == 0) {
		struct shm shm;
		if (register_memory(client.fd, page, PAGE, &shm) != 0)
			_exit(4);
		id = shm.id;
		execl("/proc/self/exe", "programs", "vfork_executed", text[0], text[1], (char *)NULL);
		_exit(3);
	}
	wait_byte(ready[0]);
	fact("parent: sum %ld", sum_seen(client, id, 0, PAGE));
	memset(page, 5, PAGE);
	fact("parent: sum of what it changed %ld", sum_seen(client, id, 0, PAGE));
	fact_reply("parent: fill", fill(client, id, 0, PAGE, 9));
	fact("parent: its memory holds %u", page[0]);
	send_byte(go[1]);
	join_child(pid);
	fact_reply("parent: fill after the child's end", fill(client, id, 0, PAGE, 4));
	fact("parent: its memory holds %u", page[0]);

	/* A child that ends instead: its fd goes with it. */
	pid = vfork();
	if (pid == 0) {
		struct shm shm;
		id = register_memory(client.fd, page, PAGE, &shm) == 0 ? shm.id : -1;
		_exit(0);
	}
	join_child(pid);
	fact_reply("parent: fill after another child's end", fill(client, id, 0, PAGE, 3));
	return 0;
}
