/* 64 contexts at once: their sessions and memory are their own. */
#include "tee.h"

#define CONTEXTS 64

THEME(contexts)
{
	(void)argc, (void)argv;
	static uint8_t bytes[CONTEXTS];
	struct client clients[CONTEXTS];
	struct shm shms[CONTEXTS];
	int foreign = 0, right = 0;
	for (int i = 0; i < CONTEXTS; i++) {
		clients[i] = connect_ta();
		bytes[i] = i;
		need(register_memory(clients[i].fd, &bytes[i], 1, &shms[i]) == 0, "register");
	}
	for (int i = 0; i < CONTEXTS; i++) {
		check_increment(clients[i], i);
		right += sum_seen(clients[i], shms[i].id, 0, 1) == i;
		foreign += sum_seen(clients[i], shms[(i + 1) % CONTEXTS].id, 0, 1) == -EINVAL;
	}
	fact("own memory: %d of %d", right, CONTEXTS);
	fact("memory of another context, refused: %d of %d", foreign, CONTEXTS);
	for (int i = 0; i < CONTEXTS; i += 2)
		close(clients[i].fd), close(shms[i].fd);
	for (int i = 1; i < CONTEXTS; i += 2)
		check_increment(clients[i], i);
	fact("half of them closed: the others work");
	return 0;
}
