/*
 * Linux's own long-term pin: memory registered as fixed buffers of io_uring, and unregistered.
 * Prints nanoseconds as JSON: { "register4k": [...], "page": [...] }, one number a round, of 4 KiB and
 * of a page of SIZE MiB. Exits with 75 where the kernel has no io_uring for it.
 */
#define _GNU_SOURCE
#include <linux/io_uring.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define UNAVAILABLE 75
#define PAGE 4096UL
#define ROUNDS 7
#define SMALL_TIMES 20000

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

static void give_up(const char *what)
{
	perror(what);
	exit(UNAVAILABLE);
}

static void round_trip(int ring, void *at, size_t length)
{
	struct iovec buffer = { .iov_base = at, .iov_len = length };

	if (syscall(SYS_io_uring_register, ring, IORING_REGISTER_BUFFERS, &buffer, 1))
		give_up("IORING_REGISTER_BUFFERS");
	if (syscall(SYS_io_uring_register, ring, IORING_UNREGISTER_BUFFERS, NULL, 0))
		give_up("IORING_UNREGISTER_BUFFERS");
}

/* Nanoseconds of one round trip, by `times` of them. */
static double timed(int ring, void *at, size_t length, int times)
{
	double start = now_ns();

	for (int n = 0; n < times; n++)
		round_trip(ring, at, length);
	return (now_ns() - start) / times;
}

static void print_rounds(const char *name, int ring, void *at, size_t length, int times, double by)
{
	printf("\"%s\":[", name);
	for (int n = 0; n < ROUNDS; n++)
		printf("%s%.2f", n ? "," : "", timed(ring, at, length, times) / by);
	printf("]");
}

int main(int argc, char **argv)
{
	size_t size = (argc > 1 ? strtoul(argv[1], NULL, 10) : 1024) << 20;
	struct io_uring_params params;
	char *at;
	int ring;

	memset(&params, 0, sizeof(params));
	ring = syscall(SYS_io_uring_setup, 4, &params);
	if (ring < 0)
		give_up("io_uring_setup");
	at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (at == MAP_FAILED)
		give_up("mmap");
	madvise(at, size, MADV_NOHUGEPAGE);
	for (size_t n = 0; n < size; n += PAGE)
		at[n] = 1;
	printf("{");
	print_rounds("register4k", ring, at, PAGE, SMALL_TIMES, 1);
	printf(",");
	print_rounds("page", ring, at, size, 1, (double)(size / PAGE));
	printf("}\n");
	return 0;
}
