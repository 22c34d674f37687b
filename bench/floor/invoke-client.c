/*
 * Times invokes of a TA that does nothing, as a native client sees them. The same program runs
 * against teebox and against the floor (floor-supervisor.c): only what answers differs.
 *
 * Usage: invoke-client [-n COUNT] [MODE...]; all modes by default. Prints a JSON list, times in
 * microseconds. The loop is libteec's: four parameters, memory of 4 KiB or 1 MiB that was
 *   registered  once (TEE_IOC_SHM_REGISTER), and is sent and received with each invoke
 *   allocated   once (TEE_IOC_SHM_ALLOC and mmap)
 *   temporary   registered, invoked with and closed each time
 */
#include <fcntl.h>
#include <linux/tee.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define NUM_PARAMS 4
#define SMALL 4096u
#define LARGE (1u << 20)

/* bench/floor/ta.ts */
static const uint8_t bench_ta_uuid[TEE_IOCTL_UUID_LEN] = { 0x5b, 0xe1, 0x0d, 0x44, 0x9f, 0x0c,
							   0x4a, 0x35, 0x8a, 0x8e, 0x60, 0x71,
							   0x4e, 0x2c, 0x13, 0xf5 };

struct invocation {
	struct tee_ioctl_invoke_arg arg;
	struct tee_ioctl_param param[NUM_PARAMS];
};

struct memory {
	int fd;
	int id;
	void *at;
	size_t size;
};

static int tee;
static uint32_t session;

static void need(int ok, const char *what)
{
	if (ok)
		return;
	perror(what);
	exit(1);
}

static double now_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

static void open_session(void)
{
	struct {
		struct tee_ioctl_open_session_arg arg;
		struct tee_ioctl_param param[NUM_PARAMS];
	} call = { .arg.num_params = NUM_PARAMS };
	struct tee_ioctl_buf_data buf = { (uintptr_t)&call, sizeof(call) };
	memcpy(call.arg.uuid, bench_ta_uuid, sizeof(bench_ta_uuid));
	tee = open("/dev/tee0", O_RDWR);
	need(tee >= 0, "/dev/tee0");
	int rc = ioctl(tee, TEE_IOC_OPEN_SESSION, &buf);
	need(rc == 0 && call.arg.ret == 0, "TEE_IOC_OPEN_SESSION");
	session = call.arg.session;
}

/* With memory, or without when there is none. */
static void invoke(const struct memory *memory)
{
	struct invocation call = { .arg = { .session = session, .num_params = NUM_PARAMS } };
	struct tee_ioctl_buf_data buf = { (uintptr_t)&call, sizeof(call) };
	if (memory->size > 0)
		call.param[0] = (struct tee_ioctl_param){ TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INOUT, 0,
							  memory->size, memory->id };
	need(ioctl(tee, TEE_IOC_INVOKE, &buf) == 0 && call.arg.ret == 0, "TEE_IOC_INVOKE");
}

static void register_memory(struct memory *memory)
{
	struct tee_ioctl_shm_register_data data = { (uintptr_t)memory->at, memory->size, 0, 0 };
	memory->fd = ioctl(tee, TEE_IOC_SHM_REGISTER, &data);
	need(memory->fd >= 0, "TEE_IOC_SHM_REGISTER");
	memory->id = data.id;
}

/* What a mode needs before its first invoke, and does at each. */
static void prepare_heap(struct memory *memory)
{
	memory->at = aligned_alloc(4096, memory->size);
	need(memory->at != NULL, "aligned_alloc");
	memset(memory->at, 1, memory->size);
}

static void prepare_registered(struct memory *memory)
{
	prepare_heap(memory);
	register_memory(memory);
}

static void prepare_allocated(struct memory *memory)
{
	struct tee_ioctl_shm_alloc_data data = { memory->size, 0, 0 };
	memory->fd = ioctl(tee, TEE_IOC_SHM_ALLOC, &data);
	need(memory->fd >= 0, "TEE_IOC_SHM_ALLOC");
	memory->id = data.id;
	memory->at = mmap(NULL, memory->size, PROT_READ | PROT_WRITE, MAP_SHARED, memory->fd, 0);
	need(memory->at != MAP_FAILED, "mmap");
	memset(memory->at, 1, memory->size);
}

static void prepare_nothing(struct memory *memory)
{
	(void)memory;
}

static void invoke_only(struct memory *memory)
{
	invoke(memory);
}

static void register_and_invoke(struct memory *memory)
{
	register_memory(memory);
	invoke(memory);
	close(memory->fd);
}

static const struct mode {
	const char *name;
	size_t size;
	void (*prepare)(struct memory *memory);
	void (*once)(struct memory *memory);
} modes[] = {
	{ "empty", 0, prepare_nothing, invoke_only },
	{ "registered-4k", SMALL, prepare_registered, invoke_only },
	{ "registered-1m", LARGE, prepare_registered, invoke_only },
	{ "allocated-4k", SMALL, prepare_allocated, invoke_only },
	{ "allocated-1m", LARGE, prepare_allocated, invoke_only },
	{ "temporary-4k", SMALL, prepare_heap, register_and_invoke },
	{ "temporary-1m", LARGE, prepare_heap, register_and_invoke },
};

static int by_size(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static void measure(const struct mode *mode, int count)
{
	struct memory memory = { .size = mode->size };
	double *times = malloc(count * sizeof(*times));
	need(times != NULL, "malloc");
	mode->prepare(&memory);
	for (int i = -count / 5; i < count; i++) {
		double start = now_us();
		mode->once(&memory);
		if (i >= 0)
			times[i] = now_us() - start;
	}
	qsort(times, count, sizeof(*times), by_size);
	printf("{\"name\": \"invoke-%s\", \"unit\": \"us\", \"median\": %.2f, \"p5\": %.2f, "
	       "\"p95\": %.2f, \"n\": %d}",
	       mode->name, times[count / 2], times[count / 20], times[count - 1 - count / 20],
	       count);
	free(times);
}

/* A supervisor in JavaScript compiles what runs often: for so long nothing is timed. */
static void warm_up(void)
{
	static const struct memory nothing;
	const double end = now_us() + 1e6;
	while (now_us() < end)
		invoke(&nothing);
}

static int wanted(const char *name, int argc, char **argv)
{
	for (int i = 0; i < argc; i++)
		if (strcmp(argv[i], name) == 0)
			return 1;
	return argc == 0;
}

int main(int argc, char **argv)
{
	int count = 20000, first = 1, printed = 0;
	if (argc > 2 && strcmp(argv[1], "-n") == 0) {
		count = atoi(argv[2]);
		first = 3;
	}
	need(count > 0, "usage: invoke-client [-n COUNT] [MODE...]");
	open_session();
	warm_up();
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (!wanted(modes[i].name, argc - first, argv + first))
			continue;
		printf("%s", printed++ ? ",\n " : "[");
		/* Megabytes take longer than they vary. */
		measure(&modes[i], modes[i].size >= LARGE && count > 2000 ? 2000 : count);
	}
	puts(printed ? "]" : "[]");
	return 0;
}
