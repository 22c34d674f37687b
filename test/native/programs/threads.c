/* Eight threads invoke at once, each with values of its own: some share a session, some do not. */
#include "tee.h"
#include <pthread.h>

#define THREADS 8
#define INVOKES 1000

static struct client shared;

static void *work(void *number)
{
	uint32_t thread = (uint32_t)(uintptr_t)number;
	struct client client = thread % 2 == 0 ? shared : connect_ta();
	for (uint32_t i = 0; i < INVOKES; i++)
		check_increment(client, thread << 16 | i);
	return NULL;
}

THEME(threads)
{
	(void)argc, (void)argv;
	pthread_t threads[THREADS];
	shared = connect_ta();
	for (uintptr_t i = 0; i < THREADS; i++)
		need(pthread_create(&threads[i], NULL, work, (void *)i) == 0, "pthread_create");
	for (int i = 0; i < THREADS; i++)
		need(pthread_join(threads[i], NULL) == 0, "pthread_join");
	fact("%d threads: %d values each, all right", THREADS, INVOKES);
	return 0;
}
