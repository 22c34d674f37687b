/* What a client library does first: it looks at /dev/tee0 to 9 and asks each for its version. */
#include "tee.h"
#include <poll.h>
#include <sys/stat.h>

static void look(const char *prefix)
{
	for (int i = 0; i < 10; i++) {
		char path[32];
		struct tee_ioctl_version_data version = { 0 };
		snprintf(path, sizeof(path), "%s%d", prefix, i);
		int fd = open(path, O_RDWR);
		if (fd < 0) {
			fact("%s: %s", path, outcome(fd));
			continue;
		}
		need(ioctl(fd, TEE_IOC_VERSION, &version) == 0, "TEE_IOC_VERSION");
		fact("%s: impl_id %u impl_caps 0x%x gen_caps 0x%x", path, version.impl_id,
		     version.impl_caps, version.gen_caps);
		close(fd);
	}
}

/* What programs ask of any fd: that of a device must not keep them. */
static void look_at_fd(void)
{
	struct stat st = { 0 }, same = { 0 };
	struct statx stx = { 0 };
	char byte;
	int fd = open(CLIENT_DEVICE, O_RDWR);
	need(fd >= 0 && stat(CLIENT_DEVICE, &st) == 0, CLIENT_DEVICE);
	struct pollfd poll_fd = { fd, POLLIN | POLLOUT, 0 };
	need(fstat(fd, &same) == 0, "fstat");
	fact("fstat: %s", S_ISCHR(same.st_mode) && same.st_rdev == st.st_rdev ? "the node" : "other");
	memset(&same, 0, sizeof(same));
	need(fstatat(fd, "", &same, AT_EMPTY_PATH) == 0, "fstatat");
	fact("fstatat: %s", same.st_rdev == st.st_rdev ? "the node" : "other");
	need(statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &stx) == 0, "statx");
	fact("statx: %s", S_ISCHR(stx.stx_mode) && stx.stx_ino == st.st_ino ? "the node" : "other");
	need(fstat(0, &same) == 0 && same.st_rdev != st.st_rdev, "fstat of another file");
	int ready = poll(&poll_fd, 1, 0);
	fact("poll: %d, 0x%x", ready, poll_fd.revents);
	fact("read: %ld bytes", (long)read(fd, &byte, 1));
	close(fd);
}

THEME(devices)
{
	(void)argc, (void)argv;
	look("/dev/tee");
	look("/dev/teepriv");
	look_at_fd();
	return 0;
}
