/*
 * A thread writes to a registered buffer all the time that the TA works on it. The TA writes the
 * even 8-byte words, the thread counts in the odd ones: no count may be lost.
 */
#include "tee.h"
#include <pthread.h>
#include <stdatomic.h>

#define WORDS (4 * PAGE / 8)
#define INVOKES 50

static volatile uint64_t words[WORDS] __attribute__((aligned(4096)));
static atomic_bool stop;

static void *count(void *lost)
{
	uint64_t rounds = 0;
	while (!atomic_load(&stop)) {
		for (int i = 1; i < (int)WORDS; i += 2) {
			*(uint64_t *)lost += words[i] != rounds;
			words[i] = rounds + 1;
		}
		rounds++;
	}
	return NULL;
}

static int stripe(struct client client, int id, uint8_t pattern)
{
	struct invocation call = { 0 };
	int wrong = 0;
	call.param[0] = memref_param(TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INOUT, 0, sizeof(words), id);
	call.param[1] = value_param(TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INPUT, pattern, 1);
	struct reply reply = invoke(client, TA_TEST_CMD_STRIPE, &call);
	need(reply.rc == 0 && reply.ret == TEEC_SUCCESS, "TA_TEST_CMD_STRIPE");
	for (int i = 0; i < (int)WORDS; i += 2)
		wrong += words[i] != pattern * 0x0101010101010101ull;
	return wrong;
}

THEME(race)
{
	(void)argc, (void)argv;
	struct client client = connect_ta();
	struct shm shm;
	pthread_t thread;
	uint64_t lost = 0;
	int wrong = 0;
	need(register_memory(client.fd, (void *)words, sizeof(words), &shm) == 0, "register");
	need(pthread_create(&thread, NULL, count, &lost) == 0, "pthread_create");
	for (int i = 0; i < INVOKES; i++)
		wrong += stripe(client, shm.id, i);
	atomic_store(&stop, true);
	need(pthread_join(thread, NULL) == 0, "pthread_join");
	fact("the TA's writes that did not arrive: %d", wrong);
	fact("the thread's writes that were lost: %llu", (unsigned long long)lost);
	return 0;
}
