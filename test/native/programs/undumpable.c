/* A program that keeps debuggers away from its memory. */
#include "tee.h"
#include <sys/prctl.h>

static uint8_t memory[PAGE];

THEME(undumpable)
{
	struct shm shm;
	(void)argc, (void)argv;
	struct client client = connect_ta();
	fact("prctl: %s", outcome(prctl(PR_SET_DUMPABLE, 0)));
	memset(memory, 1, PAGE);
	need(register_memory(client.fd, memory, PAGE, &shm) == 0, "register");
	fact("sum %ld", sum_seen(client, shm.id, 0, PAGE));
	check_increment(connect_ta(), 1);
	close(shm.fd);
	return 0;
}
