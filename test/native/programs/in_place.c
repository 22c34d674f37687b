/*
 * Registered memory that is mapped in place: every kind of a program's memory becomes a mapping that
 * the secure world sees at once, and the program's own again when the registration goes, whatever its
 * threads, signals and children do meanwhile.
 */
#include "tee.h"
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <linux/userfaultfd.h>

#define FORKS 200
#define ROUNDS 100

static struct client client;

/* Whether the page of an address is shared with somebody: 's' or 'p'; 0 when it is unmapped. */
static char kind_of(const void *at)
{
	unsigned long start, end;
	char line[512], mode[8], kind = 0;
	FILE *maps = fopen("/proc/self/maps", "re");
	need(maps != NULL, "/proc/self/maps");
	while (kind == 0 && fgets(line, sizeof(line), maps) != NULL)
		if (sscanf(line, "%lx-%lx %7s", &start, &end, mode) == 3 &&
		    (uintptr_t)at >= start && (uintptr_t)at < end)
			kind = mode[3];
	fclose(maps);
	return kind;
}

/* The release of what was closed runs before the next call. */
static void let_go(struct shm *shm)
{
	close(shm->fd);
	check_increment(client, 1);
}

static struct shm registered(const void *at, size_t length)
{
	struct shm shm;
	need(register_memory(client.fd, at, length, &shm) == 0, "register");
	return shm;
}

static void *pages(int count)
{
	void *at = mmap(NULL, count * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			-1, 0);
	need(at != MAP_FAILED, "mmap");
	return at;
}

static bool is_all(const uint8_t *at, size_t length, uint8_t byte)
{
	for (size_t i = 0; i < length; i++)
		if (at[i] != byte)
			return false;
	return true;
}

static uint8_t bss[3 * PAGE];
static uint8_t data[2 * PAGE] = "data";

static void both_ways(const char *what, uint8_t *at, size_t length)
{
	memset(at, 1, length);
	struct shm shm = registered(at, length);
	char during = kind_of(at);
	bool in = sum_seen(client, shm.id, 0, length) == (long)length;
	bool out = fill(client, shm.id, 0, length, 2).ret == TEEC_SUCCESS && is_all(at, length, 2);
	let_go(&shm);
	bool kept = is_all(at, length, 2);
	fact("%s: %c, in %d, out %d; then %c, kept %d", what, during, in, out, kind_of(at), kept);
}

static void kinds(void)
{
	uint8_t stack[10000];
	uint8_t *heap = malloc(300), *neighbour = malloc(300), *large = malloc(3 << 20);
	strcpy((char *)neighbour, "neighbour");
	both_ways("stack", stack, sizeof(stack));
	both_ways("heap", heap, 300);
	both_ways("large heap", large, 3 << 20);
	both_ways("bss", bss, sizeof(bss));
	both_ways("data", data, sizeof(data));
	both_ways("mmap", pages(4), 4 * PAGE);
	uint8_t *shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	both_ways("shared, which is copied", shared, PAGE);
	neighbour = realloc(neighbour, 90000);
	fact("the neighbour on the heap: %s", (char *)neighbour);
	free(heap), free(neighbour), free(large);
}

/* Goes on for a while in a call of the TA: it is to see what was written after the call began. */
static void *write_later(void *at)
{
	usleep(20000);
	memset(at, 3, PAGE);
	return NULL;
}

static void at_once(void)
{
	struct invocation call = { 0 };
	pthread_t thread;
	uint8_t *page = pages(1);
	struct shm shm = registered(page, PAGE);
	need(pthread_create(&thread, NULL, write_later, page) == 0, "pthread_create");
	call.param[0] = memref_param(TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INPUT, 0, PAGE, shm.id);
	call.param[1] = value_param(TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INOUT, 0, 100);
	struct reply reply = invoke(client, TA_TEST_CMD_SUM_LATER, &call);
	need(reply.rc == 0 && reply.ret == TEEC_SUCCESS, "TA_TEST_CMD_SUM_LATER");
	fact("sum of what was written during the call: %llu", (unsigned long long)call.param[1].a);
	pthread_join(thread, NULL);
	let_go(&shm);
}

static void page_twice(void)
{
	uint8_t *two = pages(2);
	memset(two, 1, 2 * PAGE);
	struct shm first = registered(two, PAGE);
	struct shm second = registered(two, 2 * PAGE);
	fact("registered twice: %c %c", kind_of(two), kind_of(two + PAGE));
	need(fill(client, first.id, 0, PAGE, 4).ret == TEEC_SUCCESS, "fill");
	fact("the other registration sees it: %ld", sum_seen(client, second.id, 0, PAGE));
	let_go(&first);
	two[0] = 5;
	fact("after the first has gone: %c, sum %ld", kind_of(two),
	     sum_seen(client, second.id, 0, 2 * PAGE));
	let_go(&second);
	fact("after both: %c %c, %d %d", kind_of(two), kind_of(two + PAGE), two[0], two[1]);
}

static void unmapped(void)
{
	uint8_t *two = pages(2);
	memset(two, 1, 2 * PAGE);
	struct shm shm = registered(two, 2 * PAGE);
	munmap(two, PAGE);
	fact("unmapped, the registration has it: %ld", sum_seen(client, shm.id, 0, 2 * PAGE));
	void *other = mmap(two, PAGE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	need(other == two, "mmap");
	need(fill(client, shm.id, 0, 2 * PAGE, 6).ret == TEEC_SUCCESS, "fill");
	let_go(&shm);
	fact("new memory there %d, the rest %d: %c", two[0], two[PAGE], kind_of(two + PAGE));
}

static void protected(void)
{
	uint8_t *page = pages(1);
	page[0] = 1;
	struct shm shm = registered(page, PAGE);
	need(mprotect(page, PAGE, PROT_READ) == 0, "mprotect");
	need(fill(client, shm.id, 0, PAGE, 7).ret == TEEC_SUCCESS, "fill");
	let_go(&shm);
	fact("read only: %d, %c", page[1], kind_of(page));
	need(mprotect(page, PAGE, PROT_READ | PROT_WRITE) == 0, "mprotect");
	page[0] = 2;
}

static void remapped(void)
{
	uint8_t *two = pages(2);
	memset(two, 1, 2 * PAGE);
	struct shm shm = registered(two, 2 * PAGE);
	two = mremap(two, 2 * PAGE, 64 * PAGE, MREMAP_MAYMOVE);
	need(two != MAP_FAILED, "mremap");
	fact("grown: %c %c, zero %d", kind_of(two), kind_of(two + 2 * PAGE),
	     is_all(two + 2 * PAGE, 62 * PAGE, 0));
	two[PAGE] = 8;
	fact("seen where it has moved: %ld", sum_seen(client, shm.id, PAGE, 1));
	let_go(&shm);
	fact("then %c, %d", kind_of(two + PAGE), two[PAGE]);
}

static __attribute__((noinline)) int deep(int depth)
{
	volatile uint8_t frame[1000];
	memset((void *)frame, depth, sizeof(frame));
	return depth == 0 ? 0 : deep(depth - 1) + frame[999] - (depth & 255) + 1;
}

/* The page up to which the stack has grown so far. */
static void lowest_page(void)
{
	uint8_t stack[400000];
	memset(stack, 1, sizeof(stack));
	struct shm shm = registered(stack, sizeof(stack));
	fact("the stack goes on below: %d", deep(2000));
	let_go(&shm);
	fact("and after: %d, %d", deep(3000), is_all(stack, sizeof(stack), 1));
}

static atomic_bool stop;
static volatile uint64_t *counters;

static void *count(void *index)
{
	volatile uint64_t *own = &counters[(uintptr_t)index];
	uint64_t rounds = 0, lost = 0;
	while (!atomic_load(&stop)) {
		lost += *own != rounds;
		*own = ++rounds;
	}
	return (void *)(uintptr_t)lost;
}

static void race(void)
{
	pthread_t threads[2];
	void *lost[2];
	counters = pages(1);
	atomic_store(&stop, false);
	for (uintptr_t i = 0; i < 2; i++)
		need(pthread_create(&threads[i], NULL, count, (void *)i) == 0, "pthread_create");
	for (int i = 0; i < ROUNDS; i++) {
		struct shm shm = registered((void *)counters, PAGE);
		need(sum_seen(client, shm.id, 0, PAGE) >= 0, "sum");
		close(shm.fd);
	}
	atomic_store(&stop, true);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], &lost[i]);
	check_increment(client, 1);
	fact("lost writes of two threads: %d %d", (int)(uintptr_t)lost[0], (int)(uintptr_t)lost[1]);
}

/* Threads that sleep in calls, and a program that gets signals, notice nothing. */
static int pipe_ends[2];

static void *sleep_in_read(void *unused)
{
	char byte = 0;
	(void)unused;
	return (void *)(uintptr_t)(read(pipe_ends[0], &byte, 1) == 1 && byte == 'x');
}

static void *sleep_in_nanosleep(void *unused)
{
	const struct timespec pause = { .tv_nsec = 200000000 };
	(void)unused;
	return (void *)(uintptr_t)(nanosleep(&pause, NULL) == 0);
}

static atomic_int alarms;

static void on_alarm(int signal)
{
	(void)signal;
	atomic_fetch_add(&alarms, 1);
}

static void disturbed(void)
{
	const struct itimerval often = { { 0, 1000 }, { 0, 1000 } }, never = { 0 };
	struct sigaction action = { .sa_handler = on_alarm, .sa_flags = SA_RESTART };
	pthread_t reader, sleeper;
	sigset_t alarm_set;
	void *was_read, *had_slept;
	uint8_t stack[PAGE];
	sigemptyset(&alarm_set);
	sigaddset(&alarm_set, SIGALRM);
	need(pipe(pipe_ends) == 0, "pipe");
	pthread_sigmask(SIG_BLOCK, &alarm_set, NULL);
	pthread_create(&reader, NULL, sleep_in_read, NULL);
	pthread_create(&sleeper, NULL, sleep_in_nanosleep, NULL);
	pthread_sigmask(SIG_UNBLOCK, &alarm_set, NULL);
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	for (int i = 0; i < ROUNDS; i++) {
		memset(stack, i, sizeof(stack));
		struct shm shm = registered(stack, sizeof(stack));
		need(sum_seen(client, shm.id, 0, PAGE) == i * (long)PAGE, "sum");
		close(shm.fd);
	}
	setitimer(ITIMER_REAL, &never, NULL);
	need(write(pipe_ends[1], "x", 1) == 1, "write");
	pthread_join(reader, &was_read);
	pthread_join(sleeper, &had_slept);
	check_increment(client, 1);
	fact("read %d, nanosleep %d, alarms %s", (int)(uintptr_t)was_read,
	     (int)(uintptr_t)had_slept, atomic_load(&alarms) > ROUNDS / 2 ? "many" : "FEW");
}

/* A thread that sleeps is the one that is made to give the memory back. */
static void *close_later(void *fd)
{
	usleep(30000);
	close((int)(uintptr_t)fd);
	usleep(30000);
	return (void *)(uintptr_t)write(pipe_ends[1], "x", 1);
}

static void asleep(void)
{
	const struct timespec pause = { .tv_nsec = 100000000 };
	struct timespec start, end;
	uint8_t *page = pages(1);
	pthread_t thread;
	char byte = 0;
	struct shm shm = registered(page, PAGE);
	pthread_create(&thread, NULL, close_later, (void *)(uintptr_t)shm.fd);
	long got = read(pipe_ends[0], &byte, 1);
	pthread_join(thread, NULL);
	fact("in read: %ld, %c, then %c", got, byte, kind_of(page));

	shm = registered(page, PAGE);
	pthread_create(&thread, NULL, close_later, (void *)(uintptr_t)shm.fd);
	clock_gettime(CLOCK_MONOTONIC, &start);
	int rc = nanosleep(&pause, NULL);
	clock_gettime(CLOCK_MONOTONIC, &end);
	long ms = (end.tv_sec - start.tv_sec) * 1000 + (end.tv_nsec - start.tv_nsec) / 1000000;
	pthread_join(thread, NULL);
	fact("in nanosleep: %d, all of it %d, then %c", rc, ms >= 99, kind_of(page));
}

THEME(in_place)
{
	(void)argc, (void)argv;
	client = connect_ta();
	kinds();
	at_once();
	page_twice();
	unmapped();
	protected();
	remapped();
	lowest_page();
	race();
	disturbed();
	asleep();
	return 0;
}

/* A child has copies of its own, its parent's memory stays registered. */
static int forks_wrong(uint8_t *heap, uint8_t *stack, const struct shm *shm)
{
	int wrong = 0;
	for (int i = 0; i < FORKS; i++) {
		heap[5] = i;
		stack[9] = 1;
		int status, pid = fork();
		if (pid == 0) {
			bool same = heap[5] == (uint8_t)i && stack[9] == 1 && kind_of(heap) == 'p';
			heap[5] = 77;
			stack[9] = 55;
			_exit(same && deep(20) >= 0 ? 0 : 1);
		}
		deep(10);
		need(waitpid(pid, &status, 0) == pid, "waitpid");
		wrong += status != 0 || heap[5] != (uint8_t)i || stack[9] != 1;
		stack[9] = i + 3;
		wrong += sum_seen(client, shm->id, 9, 1) != (uint8_t)(i + 3);
	}
	return wrong;
}

/* A call that would fork, but fails. */
static void not_forked(void)
{
	uint64_t nothing[8] = { 0 };
	fact("clone3 without arguments: %s", outcome(syscall(SYS_clone3, nothing, 0)));
}

static void executed(const uint8_t *stack, struct shm *shm)
{
	int pid = vfork();
	if (pid == 0) {
		execl("/bin/true", "true", (char *)NULL);
		_exit(3);
	}
	join_child(pid);
	fact("after vfork and exec: %c, sum %ld", kind_of(stack), sum_seen(client, shm->id, 9, 1));
	pid = fork();
	if (pid == 0) {
		execl("/proc/self/exe", "programs", "in_place_executed", (char *)NULL);
		_exit(3);
	}
	join_child(pid);
}

/* What a child registers is its own; it dies with it. */
static void killed(uint8_t *heap)
{
	int ends[2], status;
	char byte;
	need(pipe(ends) == 0, "pipe");
	int pid = fork();
	if (pid == 0) {
		heap[0] = 21;
		struct shm own = registered(heap, 3 * PAGE);
		need(sum_seen(client, own.id, 0, 1) == 21, "sum");
		need(write(ends[1], "x", 1) == 1, "write");
		for (;;)
			heap[1]++;
	}
	need(read(ends[0], &byte, 1) == 1, "read");
	kill(pid, SIGKILL);
	need(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status), "waitpid");
	check_increment(client, 1);
	fact("after a child was killed: %c, %d", kind_of(heap), heap[0]);
}

/* The last fd goes, in another process, while the only thread sleeps in a call of ours. */
static void released_elsewhere(void)
{
	struct invocation call = { 0 };
	uint8_t *page = pages(1);
	struct shm shm = registered(page, PAGE);
	int pid = fork();
	if (pid == 0) {
		usleep(50000);
		_exit(0);
	}
	close(shm.fd);
	page[0] = 9;
	call.param[0] = value_param(TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INPUT, 200, 0);
	need(invoke(client, TA_TEST_CMD_WAIT, &call).rc == 0, "TA_TEST_CMD_WAIT");
	fact("released during a call: %c, %d", kind_of(page), page[0]);
	join_child(pid);
}

/* Whoever is traced already cannot be made to map anything: it is copied, and may not fork. */
static int traced(void)
{
	uint8_t *page = pages(1), *other = pages(1);
	struct shm shm = registered(page, PAGE);
	need(ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0, "PTRACE_TRACEME");
	int pid = fork();
	if (pid == 0)
		_exit(0);
	fact("fork of a program that is traced: %s", outcome(pid));
	both_ways("what it registers", other, PAGE);
	let_go(&shm);
	fact("what it had registered: %c", kind_of(page));
	return 0;
}

/* Reads that a fork was made after a while: until then that does not return. */
static void *slow_reader(void *fd)
{
	struct uffd_msg message;
	usleep(400000);
	need(read((int)(intptr_t)fd, &message, sizeof(message)) == sizeof(message), "a fork's event");
	return NULL;
}

/* A userfaultfd that holds forks up; -1 where that is not allowed. */
static int fork_holder(void *page)
{
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC);
	struct uffdio_api api = { .api = UFFD_API, .features = UFFD_FEATURE_EVENT_FORK };
	struct uffdio_register range = { { (uintptr_t)page, PAGE }, UFFDIO_REGISTER_MODE_MISSING, 0 };
	if (fd >= 0 && ioctl(fd, UFFDIO_API, &api) == 0 && ioctl(fd, UFFDIO_REGISTER, &range) == 0)
		return fd;
	close(fd);
	return -1;
}

/* A fork that takes longer than anybody waits for one. */
static void forked_slowly(uint8_t *heap)
{
	void *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd = fork_holder(page);
	pthread_t reader;
	if (fd >= 0)
		pthread_create(&reader, NULL, slow_reader, (void *)(intptr_t)fd);
	int pid = fork();
	if (pid == 0) {
		heap[0] ^= 1;
		_exit(kind_of(heap) == 'p' ? 0 : 1);
	}
	uint8_t kept = heap[0];
	join_child(pid);
	fact("after a slow fork: %c, kept %d", kind_of(heap), heap[0] == kept);
	if (fd >= 0)
		pthread_join(reader, NULL);
	close(fd);
	munmap(page, PAGE);
}

THEME(in_place_executed)
{
	(void)argc, (void)argv;
	client = connect_ta();
	both_ways("executed", bss, sizeof(bss));
	return 0;
}

THEME(in_place_forked)
{
	(void)argc, (void)argv;
	uint8_t stack[20000], *heap = malloc(4 * PAGE);
	memset(heap, 1, 4 * PAGE);
	client = connect_ta();
	struct shm shm = registered(stack, sizeof(stack));
	struct shm other = registered(heap, 4 * PAGE);
	fact("wrong of %d forks: %d", FORKS, forks_wrong(heap, stack, &shm));
	not_forked();
	forked_slowly(heap);
	executed(stack, &shm);
	let_go(&other);
	killed(heap);
	released_elsewhere();
	int pid = fork();
	if (pid == 0)
		_exit(traced());
	join_child(pid);
	fact("all the time: %c", kind_of(stack));
	/* The end of the program is to give everything back. */
	return 0;
}
