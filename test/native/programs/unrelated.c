/* What is not the TEE's goes on in the host's kernel as if nobody watched. */
#include "tee.h"
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>

static void files(void)
{
	char name[] = "/tmp/teebox-tee-XXXXXX";
	char text[6] = "";
	struct stat st;
	int fd = mkstemp(name);
	need(fd >= 0 && write(fd, "hello", 5) == 5, "a file");
	int again = open(name, O_RDONLY);
	fact("a file whose name has \"tee\": %s", read(again, text, 5) == 5 ? text : "no");
	fact("its size: %ld", stat(name, &st) == 0 ? (long)st.st_size : -1);
	fact("a TEE ioctl on it: %s", outcome(tee_ioctl(fd, TEE_IOC_VERSION, text)));
	fact("access to it: %s", outcome(access(name, R_OK)));
	unlink(name);
	fact("when it is gone: %s", outcome(open(name, O_RDONLY)));
	fact("open of NULL: %s", outcome(syscall(SYS_openat, AT_FDCWD, NULL, O_RDONLY)));
	fact("open of nothing: %s", outcome(open("", O_RDONLY)));
}

static void terminal(void)
{
	struct winsize size = { .ws_row = 33, .ws_col = 99 };
	int master = posix_openpt(O_RDWR | O_NOCTTY);
	need(master >= 0 && ioctl(master, TIOCSWINSZ, &size) == 0, "a terminal");
	memset(&size, 0, sizeof(size));
	need(ioctl(master, TIOCGWINSZ, &size) == 0, "TIOCGWINSZ");
	fact("a terminal's size: %u x %u", size.ws_row, size.ws_col);
	fact("a TEE ioctl on it: %s", outcome(tee_ioctl(master, TEE_IOC_VERSION, &size)));
}

THEME(unrelated)
{
	(void)argc, (void)argv;
	uint64_t bytes[2];
	fact("a TEE ioctl on an eventfd: %s",
	     outcome(tee_ioctl(eventfd(0, 0), TEE_IOC_VERSION, bytes)));
	fact("on an fd that is closed: %s", outcome(tee_ioctl(1000, TEE_IOC_VERSION, bytes)));
	fact("on fd -1: %s", outcome(tee_ioctl(-1, TEE_IOC_VERSION, bytes)));
	files();
	terminal();
	return 0;
}
