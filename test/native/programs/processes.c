/* Children of a theme. */
#include "tee.h"
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

void join_child(int pid)
{
	int status;
	need(waitpid(pid, &status, 0) == pid, "waitpid");
	need(WIFEXITED(status) && WEXITSTATUS(status) == 0, "a child");
}

static bool proc_read(int pid, const char *name, char *text, size_t size)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	FILE *file = fopen(path, "re");
	if (file == NULL)
		return false;
	size_t length = fread(text, 1, size - 1, file);
	text[length] = '\0';
	fclose(file);
	return length > 0;
}

/* Waits for one of these states in an ioctl ('S': signals end the sleep, 'D': they do not). */
static void wait_for_state(int pid, const char *states)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	char call[128] = "", stat[512] = "";
	for (;;) {
		const char *name_end = NULL;
		if (proc_read(pid, "stat", stat, sizeof(stat)))
			name_end = strrchr(stat, ')');
		/* The state letter follows the name in parentheses. */
		if (proc_read(pid, "syscall", call, sizeof(call)) && atoi(call) == SYS_ioctl &&
		    name_end != NULL && strchr(states, name_end[2]) != NULL)
			return;
		need(waitpid(pid, NULL, WNOHANG) == 0, "a child that blocks");
		nanosleep(&pause, NULL);
	}
}

/* Calls are taken up in the order in which they come: after ours, the child's was. */
void wait_until_blocked(int pid, int fd)
{
	struct tee_ioctl_version_data version;
	wait_for_state(pid, "SD");
	need(ioctl(fd, TEE_IOC_VERSION, &version) == 0, "TEE_IOC_VERSION");
}

void wait_until_killable(int pid)
{
	wait_for_state(pid, "D");
}
