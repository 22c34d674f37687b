/* A program whose first thread has ended: the others have its memory and its fds still. */
#include "tee.h"
#include <pthread.h>

static struct client client;
static struct shm early;
static uint8_t memory[PAGE] __attribute__((aligned(4096)));
static uint8_t more[PAGE] __attribute__((aligned(4096)));

/* The first thread stays as a zombie while there are others. */
static bool has_ended(int tid)
{
	char path[64], line[512] = "";
	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
	int fd = open(path, O_RDONLY);
	need(fd >= 0 && read(fd, line, sizeof(line) - 1) > 0, path);
	close(fd);
	return strncmp(strrchr(line, ')'), ") Z", 3) == 0;
}

static void both_ways(const char *what, const struct shm *shm, const uint8_t *at)
{
	long sum = sum_seen(client, shm->id, 0, PAGE);
	struct reply reply = fill(client, shm->id, 0, PAGE, 9);
	fact("%s: sum %ld, filled with %d, %s", what, sum, at[PAGE - 1], outcome(reply.rc));
}

static void *last_thread(void *arg)
{
	struct tee_ioctl_version_data version;
	struct shm late;
	(void)arg;
	while (!has_ended(getpid()))
		usleep(1000);
	fact("version: %s", outcome(tee_ioctl(client.fd, TEE_IOC_VERSION, &version)));
	check_increment(client, 1);
	both_ways("registered before", &early, memory);
	memset(more, 2, PAGE);
	fact("register: %s", outcome(register_memory(client.fd, more, PAGE, &late)));
	both_ways("registered since", &late, more);
	check_increment(connect_ta(), 2);
	exit(0);
}

THEME(leader_gone)
{
	pthread_t thread;
	(void)argc, (void)argv;
	client = connect_ta();
	memset(memory, 1, PAGE);
	need(register_memory(client.fd, memory, PAGE, &early) == 0, "register");
	need(pthread_create(&thread, NULL, last_thread, NULL) == 0, "pthread_create");
	pthread_exit(NULL);
}
