/* System calls of another architecture: the numbers mean other calls there, and there is no TEE. */
#include "tee.h"
#include <sys/mman.h>
#include <sys/wait.h>

/* The number of open() for 64-bit programs. */
#define I386_FORK 2
#define I386_OPEN 5
#define I386_ACCESS 33

#ifdef __x86_64__
/* As a 32-bit program calls; the path must lie below 4 GiB. */
static long i386_call(long nr, const char *path)
{
	char *low = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	need(low != MAP_FAILED, "mmap");
	strcpy(low, path);
	int rc;
	__asm__ volatile("int $0x80"
			 : "=a"(rc)
			 : "a"(nr), "b"(low), "c"(0), "d"(0)
			 : "memory", "r8", "r9", "r10", "r11");
	munmap(low, PAGE);
	return rc;
}
#else
static long i386_call(long nr, const char *path)
{
	if (nr == I386_FORK)
		return fork();
	return strcmp(path, CLIENT_DEVICE) == 0 ? -ENOENT : 0;
}
#endif

THEME(other_arch)
{
	(void)argc, (void)argv;
	int status, pid = fork();
	if (pid == 0) {
		i386_call(I386_ACCESS, "/");
		_exit(0);
	}
	need(waitpid(pid, &status, 0) == pid, "waitpid");
	if (!WIFEXITED(status))
		return 77; /* the kernel has no such calls */
	fact("%s: %s", CLIENT_DEVICE, outcome(i386_call(I386_OPEN, CLIENT_DEVICE)));
	fact("/dev/null: %s", outcome(i386_call(I386_OPEN, "/dev/null")));
	pid = i386_call(I386_FORK, CLIENT_DEVICE);
	if (pid == 0)
		_exit(0);
	bool is_child = pid > 0 && waitpid(pid, &status, 0) == pid;
	fact("fork: %s", is_child ? "a child" : "mistaken for another call");
	check_increment(connect_ta(), 1);
	return 0;
}
