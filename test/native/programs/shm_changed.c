/* Mappings that change once they are registered, and what of files can be registered. */
#include "tee.h"
#include <sys/mman.h>
#include <sys/syscall.h>

#ifndef SYS_memfd_secret
#define SYS_memfd_secret 447
#endif

static struct client client;

static uint8_t *page(struct shm *shm)
{
	uint8_t *at = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	need(at != MAP_FAILED, "mmap");
	memset(at, 1, PAGE);
	need(register_memory(client.fd, at, PAGE, shm) == 0, "register");
	return at;
}

/* A pin asks for the protection once. */
static void protected(const char *what, int protection)
{
	struct shm shm;
	uint8_t *at = page(&shm);
	need(mprotect(at, PAGE, protection) == 0, "mprotect");
	long sum = sum_seen(client, shm.id, 0, PAGE);
	struct reply reply = fill(client, shm.id, 0, PAGE, 9);
	need(mprotect(at, PAGE, PROT_READ) == 0, "mprotect");
	fact("%s: sum %ld, filled with %d, %s", what, sum, at[0], outcome(reply.rc));
	close(shm.fd);
}

static void unmapped(void)
{
	struct shm shm;
	uint8_t *at = page(&shm);
	need(sum_seen(client, shm.id, 0, PAGE) == PAGE, "sum");
	need(fill(client, shm.id, 0, PAGE, 9).rc == 0, "fill");
	need(munmap(at, PAGE) == 0, "munmap");
	fact("unmapped after a call: sum %ld", sum_seen(client, shm.id, 0, PAGE));
	close(shm.fd);
}

static void try(const char *what, uint8_t *at, size_t length)
{
	struct shm shm;
	need(at != MAP_FAILED, "mmap");
	int rc = register_memory(client.fd, at, length, &shm);
	fact("%s: %s", what, outcome(rc));
	if (rc == 0)
		close(shm.fd);
}

static void files(void)
{
	int fd = memfd_create("short", 0);
	need(fd >= 0 && ftruncate(fd, PAGE) == 0, "memfd_create");
	uint8_t *at = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	try("a file", at, PAGE);
	try("a file, across its end", at, 2 * PAGE);
	try("a file, beyond its end", at + PAGE, PAGE);
	/* Where the host's kernel has none there is nothing to ask. */
	int secret = syscall(SYS_memfd_secret, 0);
	if (secret < 0 || ftruncate(secret, PAGE) < 0)
		fact("secret memory: EFAULT");
	else
		try("secret memory",
		    mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, secret, 0), PAGE);
}

/* GUP's fast path sees the page before anybody looks at the mapping. */
static void copied_pages(void)
{
	struct shm shm;
	need(allocate_memory(client.fd, 2 * PAGE, &shm) == 0, "allocate");
	uint8_t *at = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, shm.fd, 0);
	try("the driver's, private", at, PAGE);
	at[0] = 1;
	try("the driver's, private and written", at, PAGE);
	try("the driver's, private and half written", at, 2 * PAGE);
}

THEME(shm_changed)
{
	(void)argc, (void)argv;
	client = connect_ta();
	protected("read only since", PROT_READ);
	protected("PROT_NONE since", PROT_NONE);
	unmapped();
	files();
	copied_pages();
	return 0;
}
