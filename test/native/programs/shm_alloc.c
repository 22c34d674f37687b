/* Memory from the driver: one page for client and TA, and who keeps it. */
#include "tee.h"
#include <sys/mman.h>

static struct client client;

static uint8_t *map(struct shm shm, off_t offset, size_t length)
{
	uint8_t *at = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, shm.fd, offset);
	need(at != MAP_FAILED, "mmap");
	return at;
}

static struct shm allocate(size_t size)
{
	struct shm shm;
	need(allocate_memory(client.fd, size, &shm) == 0, "TEE_IOC_SHM_ALLOC");
	return shm;
}

static void sizes(void)
{
	static const size_t sizes[] = { 1, 4096, 4097, 1 << 20, 4 << 20, 8 << 20, 1ul << 40, 0 };
	struct shm shm;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		int rc = allocate_memory(client.fd, sizes[i], &shm);
		if (rc < 0) {
			fact("%zu bytes: %s", sizes[i], outcome(rc));
			continue;
		}
		fact("%zu bytes: id %d of %zu", sizes[i], shm.id, shm.size);
		close(shm.fd);
	}
	struct tee_ioctl_shm_alloc_data data = { .size = 1, .flags = 1 };
	fact("flags: %s", outcome(tee_ioctl(client.fd, TEE_IOC_SHM_ALLOC, &data)));
}

static void both_ways(void)
{
	struct shm shm = allocate(2 * PAGE);
	uint8_t *at = map(shm, 0, 2 * PAGE);
	fact("fresh memory: sum %ld", sum_seen(client, shm.id, 0, 2 * PAGE));
	memset(at, 1, 2 * PAGE);
	fact("written by the client: sum %ld", sum_seen(client, shm.id, 0, 2 * PAGE));
	fact_reply("fill of the middle", fill(client, shm.id, PAGE - 8, 16, 2));
	fact("around it: %u %u %u %u", at[PAGE - 9], at[PAGE - 8], at[PAGE + 7], at[PAGE + 8]);
	/* Linux checks this offset and then ignores it; the support table tells of this. */
	fact("mapped at its second page: %u", map(shm, PAGE, PAGE)[7]);
	uint8_t *copy = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, shm.fd, 0);
	fact("a private mapping: %u", copy[0]);
	fact("registered again: %s", outcome(register_memory(client.fd, at, PAGE, &shm)));
}

/* The last of fds and mappings gives it back: then its id is free. */
static void lifetime(void)
{
	struct shm shm = allocate(PAGE);
	uint8_t *at = map(shm, 0, PAGE);
	munmap(at, PAGE);
	fact("unmapped: sum %ld", sum_seen(client, shm.id, 0, PAGE));
	close(shm.fd);
	fact("then closed: %s", outcome(sum_seen(client, shm.id, 0, PAGE)));

	shm = allocate(PAGE);
	at = map(shm, 0, PAGE);
	close(shm.fd);
	at[0] = 9;
	fact("closed: sum %ld", sum_seen(client, shm.id, 0, PAGE));
	munmap(at, PAGE);
	fact("then unmapped: %s", outcome(sum_seen(client, shm.id, 0, PAGE)));

	shm = allocate(PAGE);
	close(dup(shm.fd));
	fact("a duplicate closed: sum %ld", sum_seen(client, shm.id, 0, PAGE));
	/* Linux has no such file to open: ENXIO. Whatever the answer, the memory stays. */
	char path[32];
	snprintf(path, sizeof(path), "/proc/self/fd/%d", shm.fd);
	int again = open(path, O_RDWR);
	if (again >= 0)
		close(again);
	fact("opened through /proc and closed: sum %ld", sum_seen(client, shm.id, 0, PAGE));
	close(shm.fd);
}

/* A client that takes its pages away must not take the box's. */
static void shrinking(void)
{
	struct shm shm = allocate(2 * PAGE);
	uint8_t *at = map(shm, 0, 2 * PAGE);
	memset(at, 1, 2 * PAGE);
	fact("ftruncate to 0 refused: %s", ftruncate(shm.fd, 0) < 0 ? "yes" : "no");
	fact("ftruncate to 4 pages refused: %s", ftruncate(shm.fd, 4 * PAGE) < 0 ? "yes" : "no");
	fact("sum after it: %ld", sum_seen(client, shm.id, 0, 2 * PAGE));
	(void)!fallocate(shm.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, PAGE);
	fact_reply("fill after a hole", fill(client, shm.id, 0, 2 * PAGE, 4));
	fact("seen by the client: %u %u", at[0], at[PAGE]);
	munmap(at, 2 * PAGE);
	close(shm.fd);
}

/* A process that lets go of nothing before it ends. */
static void leaking(void)
{
	int pid = fork();
	if (pid == 0) {
		client = connect_ta();
		for (int i = 0; i < 10; i++) {
			uint8_t *at = map(allocate(3 * PAGE), 0, 3 * PAGE);
			struct shm heap;
			at[0] = i;
			void *block = malloc(5000);
			need(register_memory(client.fd, block, 5000, &heap) == 0, "register");
		}
		_exit(0);
	}
	join_child(pid);
	struct shm shm = allocate(1);
	fact("id after a process that leaked: %d", shm.id);
	close(shm.fd);
}

THEME(shm_alloc)
{
	(void)argc, (void)argv;
	client = connect_ta();
	sizes();
	leaking();
	lifetime();
	shrinking();
	both_ways();
	return 0;
}
