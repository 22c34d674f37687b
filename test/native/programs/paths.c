/* The ways to name a device node, and what can be asked about it without opening it. */
#include "tee.h"
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

static void opened(const char *how, int fd)
{
	struct tee_ioctl_version_data version;
	if (fd < 0) {
		fact("%s: %s", how, outcome(fd));
		return;
	}
	int rc = tee_ioctl(fd, TEE_IOC_VERSION, &version);
	fact("%s: %s", how, rc == 0 ? "a TEE" : outcome(rc));
	close(fd);
}

static int by_openat2(int directory, const char *path, uint64_t flags)
{
	struct open_how how = { .flags = flags };
	return syscall(SYS_openat2, directory, path, &how, sizeof(how));
}

/* Where nobody watches, root has made a file of that name: it must not stay. */
static int no_file(int fd)
{
	struct stat st;
	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		unlink("/dev/tee0");
	return fd;
}

static void names(int dev)
{
	opened("open /dev/tee0", open("/dev/tee0", O_RDWR));
	opened("open for reading", open("/dev/tee0", O_RDONLY));
	opened("open //dev/./pts/../tee0", open("//dev/./pts/../tee0", O_RDWR));
	opened("openat of an absolute path", openat(-1, "/dev/tee0", O_RDWR));
	opened("openat below /dev", openat(dev, "tee0", O_RDWR));
	opened("openat below a closed fd", openat(1000, "tee0", O_RDWR));
	opened("openat2", by_openat2(AT_FDCWD, "/dev/tee0", O_RDWR));
	opened("openat2 below /dev", by_openat2(dev, "tee0", O_RDWR));
	opened("creat", no_file(creat("/dev/tee0", 0600)));
	opened("O_CREAT|O_EXCL", no_file(open("/dev/tee0", O_RDWR | O_CREAT | O_EXCL, 0600)));
	opened("O_TRUNC|O_NONBLOCK", open("/dev/tee0", O_RDWR | O_TRUNC | O_NONBLOCK));
	opened("O_DIRECTORY", open("/dev/tee0", O_RDONLY | O_DIRECTORY));
	opened("with a slash at its end", open("/dev/tee0/", O_RDWR));
	opened("below it", open("/dev/tee0/x", O_RDWR));
	char path[1000] = "/";
	while (strlen(path) < sizeof(path) - sizeof("./dev/tee0"))
		strcat(path, "./");
	opened("a long path", open(strcat(path, "dev/tee0"), O_RDWR));
	opened("/dev/tee9", open("/dev/tee9", O_RDWR));
	opened("/dev/tee", open("/dev/tee", O_RDWR));
	opened("/dev/tee0x", open("/dev/tee0x", O_RDWR));
	need(chdir("/dev") == 0, "chdir");
	opened("open tee0 in /dev", open("tee0", O_RDWR));
	need(chdir("pts") == 0, "chdir");
	opened("open ../tee0 in /dev/pts", open("../tee0", O_RDWR));
	need(chdir("/") == 0, "chdir");
	opened("open dev/tee0 in /", open("dev/tee0", O_RDWR));
}

static bool is_device(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && st->st_rdev != 0 && st->st_nlink == 1;
}

static void looked_at(int dev)
{
	struct stat st, other;
	struct statx stx;
	need(stat("/dev/tee0", &st) == 0, "stat");
	fact("stat: a character device: %s", is_device(&st) ? "yes" : "no");
	fact("lstat: %s", lstat("/dev/tee0", &other) == 0 && is_device(&other) ? "the same" : "no");
	fact("fstatat: %s", fstatat(dev, "tee0", &other, 0) == 0 && other.st_ino == st.st_ino &&
					    other.st_rdev == st.st_rdev ? "the same" : "no");
	need(statx(AT_FDCWD, "/dev/tee0", 0, STATX_BASIC_STATS, &stx) == 0, "statx");
	fact("statx: %s", stx.stx_mode == st.st_mode && stx.stx_ino == st.st_ino &&
				  stx.stx_rdev_major == major(st.st_rdev) &&
				  stx.stx_rdev_minor == minor(st.st_rdev) ? "the same" : "no");
	need(stat("/dev/teepriv0", &other) == 0, "stat");
	fact("teepriv0 is another: %s", other.st_rdev != st.st_rdev ? "yes" : "no");
	fact("stat of /dev/tee9: %s", outcome(stat("/dev/tee9", &other)));
	fact("stat into nowhere: %s",
	     outcome(syscall(SYS_newfstatat, AT_FDCWD, "/dev/tee0", 8, 0)));
}

static void asked_for(int dev)
{
	fact("access F_OK: %s", outcome(access("/dev/tee0", F_OK)));
	fact("access R_OK|W_OK: %s", outcome(access("/dev/tee0", R_OK | W_OK)));
	fact("access X_OK: %s", outcome(access("/dev/tee0", X_OK)));
	fact("faccessat: %s", outcome(faccessat(dev, "tee0", R_OK, 0)));
	fact("faccessat, AT_EACCESS: %s", outcome(faccessat(dev, "tee0", W_OK, AT_EACCESS)));
	fact("access to /dev/tee9: %s", outcome(access("/dev/tee9", F_OK)));
}

static void attribute(const char *path)
{
	char text[64];
	int fd = open(path, O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (n < 0) {
		fact("%s: %s", path, outcome(-1));
		return;
	}
	text[n] = '\0';
	text[strcspn(text, "\n")] = '\0';
	fact("%s: %s", path, text);
	fact("its end: %zd", read(fd, text, sizeof(text)));
	close(fd);
}

THEME(paths)
{
	(void)argc, (void)argv;
	int dev = open("/dev", O_RDONLY | O_DIRECTORY);
	need(dev >= 0, "/dev");
	names(dev);
	looked_at(dev);
	asked_for(dev);
	attribute("/sys/class/tee/tee0/implementation_id");
	attribute("/sys/class/tee/tee0/nothing");
	return 0;
}
