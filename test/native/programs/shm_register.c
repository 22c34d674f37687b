/* Which of a program's memory can be registered, and that the TA sees it. */
#include "tee.h"
#include <sys/mman.h>

static struct client client;

static void *pages(int count, int protection)
{
	void *at = mmap(NULL, count * PAGE, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	need(at != MAP_FAILED, "mmap");
	return at;
}

static void accepted(const char *what, uint8_t *at, size_t length)
{
	struct shm shm;
	int rc = register_memory(client.fd, at, length, &shm);
	if (rc < 0) {
		fact("%s: %s", what, outcome(rc));
		return;
	}
	memset(at, 1, length);
	long sum = sum_seen(client, shm.id, 0, length);
	need(fill(client, shm.id, 0, length, 2).ret == TEEC_SUCCESS, "fill");
	size_t filled = 0;
	while (filled < length && at[filled] == 2)
		filled++;
	bool both = sum == (long)length && filled == length;
	fact("%s: %zu bytes, %s", what, shm.size, both ? "both ways" : "LOST");
	close(shm.fd);
}

static void refused(const char *what, const void *at, size_t length)
{
	struct shm shm;
	int rc = register_memory(client.fd, at, length, &shm);
	fact("%s: %s", what, outcome(rc));
	if (rc == 0)
		close(shm.fd);
}

static uint8_t bss[3 * PAGE];
static uint8_t data[100] = "data";
static const uint8_t constant[PAGE] = "constant";

static void good_memory(void)
{
	uint8_t stack[10000];
	uint8_t *heap = malloc(3 << 20);
	accepted("stack", stack, sizeof(stack));
	accepted("heap", heap, 3 << 20);
	accepted("bss", bss, sizeof(bss));
	accepted("data", data, sizeof(data));
	accepted("unaligned, across a page's end", bss + PAGE - 3, 7);
	accepted("one byte", heap + 4095, 1);
	accepted("never touched", pages(3, PROT_READ | PROT_WRITE), 3 * PAGE);
	free(heap);

	uint8_t *file = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	accepted("shared", file, PAGE);
	uint8_t *split = pages(2, PROT_READ | PROT_WRITE);
	mprotect(split + PAGE, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC);
	accepted("two mappings", split, 2 * PAGE);
}

static void bad_memory(void)
{
	uint8_t *half = pages(2, PROT_READ | PROT_WRITE);
	uint8_t *gone = pages(1, PROT_READ | PROT_WRITE);
	uint8_t *half_readonly = pages(2, PROT_READ | PROT_WRITE);
	memset(half_readonly, 1, 2 * PAGE);
	munmap(half + PAGE, PAGE);
	munmap(gone, PAGE);
	mprotect(half_readonly + PAGE, PAGE, PROT_READ);
	refused("NULL", NULL, PAGE);
	refused("NULL without length", NULL, 0);
	refused("no length", half, 0);
	refused("unmapped", gone, 1);
	refused("constant", constant, sizeof(constant));
	refused("read only", pages(1, PROT_READ), PAGE);
	refused("PROT_NONE", pages(1, PROT_NONE), PAGE);
	refused("unmapped in its second half", half, 2 * PAGE);
	refused("unmapped in its first half", half + PAGE, 2 * PAGE);
	refused("read only in its second half", half_readonly, 2 * PAGE);
	refused("wrapping", (void *)(UINTPTR_MAX - 10), 100);
	refused("the kernel's", (void *)(UINTPTR_MAX << 47), PAGE);
	refused("longer than the address space", half, SIZE_MAX);
	struct tee_ioctl_shm_register_data flags = { (uintptr_t)half, PAGE, 1, 0 };
	fact("flags: %s", outcome(tee_ioctl(client.fd, TEE_IOC_SHM_REGISTER, &flags)));
}

static void driver_memory(void)
{
	struct shm shm;
	need(allocate_memory(client.fd, PAGE, &shm) == 0, "allocate");
	void *at = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, shm.fd, 0);
	need(at != MAP_FAILED, "mmap");
	refused("the driver's own, mapped", at, PAGE);
}

/* Nothing of what was refused may be left behind: the first free id is the first of all. */
static void nothing_left(void)
{
	struct shm shm, twice;
	need(register_memory(client.fd, bss, PAGE, &shm) == 0, "register");
	need(register_memory(client.fd, bss, PAGE, &twice) == 0, "register");
	fact("ids of one page, registered twice: %d %d", shm.id, twice.id);
}

THEME(shm_register)
{
	(void)argc, (void)argv;
	client = connect_ta();
	good_memory();
	bad_memory();
	nothing_left();
	driver_memory();
	return 0;
}
