/*
 * What the calls that take a path refuse of their flags. Each is made with the TEE's node and with
 * /dev/null, which the host's kernel answers for: the two must agree.
 */
#include "tee.h"
#include <linux/openat2.h>
#include <linux/stat.h>
#include <sys/syscall.h>

#define HOST_DEVICE "/dev/null"

/* Not in every libc. */
#ifndef AT_STATX_FORCE_SYNC
#define AT_STATX_FORCE_SYNC 0x2000
#define AT_STATX_DONT_SYNC 0x4000
#endif
#ifndef AT_EMPTY_PATH
#define AT_EMPTY_PATH 0x1000
#endif
#ifndef STATX__RESERVED
#define STATX__RESERVED 0x80000000u
#endif
#ifndef SYS_faccessat2
#define SYS_faccessat2 439
#endif
#ifndef RESOLVE_CACHED
#define RESOLVE_CACHED 0x20
#endif
#define ONLY_TMPFILE (O_TMPFILE & ~O_DIRECTORY)

/* A struct open_how with more behind it than there is so far. */
struct how {
	struct open_how how;
	uint64_t more[2];
};

/* 0 or -errno, for what may be an fd. */
static int done(long rc)
{
	if (rc < 0)
		return -errno;
	if (rc > 2)
		close(rc);
	return 0;
}

static void told(const char *what, int tee, int host)
{
	char name[32];
	snprintf(name, sizeof(name), "%s", outcome(tee));
	if (tee == host)
		fact("%s: %s", what, name);
	else
		fact("%s: %s, but of " HOST_DEVICE ": %s", what, name, outcome(host));
}

/* Where it depends on the host what it says. */
static void agreed(const char *what, int tee, int host)
{
	if (tee == host)
		fact("%s: as " HOST_DEVICE, what);
	else
		told(what, tee, host);
}

static int by_openat2(int dirfd, const char *path, const struct how *how, size_t size)
{
	return done(syscall(SYS_openat2, dirfd, path, how, size));
}

static void sizes(void)
{
	static const struct {
		const char *name;
		struct how how;
		size_t size;
	} cases[] = {
		{ "no struct", { { 0 } }, 0 },
		{ "23 bytes", { { .flags = O_RDWR } }, 23 },
		{ "24 bytes, rubbish behind", { { .flags = O_RDWR }, { 1 } }, 24 },
		{ "25 bytes", { { .flags = O_RDWR } }, 25 },
		{ "40 bytes", { { .flags = O_RDWR } }, 40 },
		{ "32 bytes, one set", { { .flags = O_RDWR }, { 1ull << 63 } }, 32 },
		{ "40 bytes, the last set", { { .flags = O_RDWR }, { 0, 1 } }, 40 },
		{ "40 bytes, the last set, flags that do not exist", { { .flags = ~0ull }, { 0, 1 } }, 40 },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		told(cases[i].name,
		     by_openat2(AT_FDCWD, CLIENT_DEVICE, &cases[i].how, cases[i].size),
		     by_openat2(AT_FDCWD, HOST_DEVICE, &cases[i].how, cases[i].size));
	told("a struct that is nowhere", by_openat2(AT_FDCWD, CLIENT_DEVICE, NULL, 24),
	     by_openat2(AT_FDCWD, HOST_DEVICE, NULL, 24));
	told("23 bytes that are nowhere", by_openat2(AT_FDCWD, CLIENT_DEVICE, NULL, 23),
	     by_openat2(AT_FDCWD, HOST_DEVICE, NULL, 23));
}

static void hows(void)
{
	static const struct {
		const char *name;
		struct open_how how;
	} cases[] = {
		{ "O_CLOEXEC", { O_RDWR | O_CLOEXEC } },
		{ "a flag that does not exist", { O_RDWR | 1 << 3 } },
		{ "bit 31", { O_RDWR | 1ull << 31 } },
		{ "bit 32", { O_RDWR | 1ull << 32 } },
		{ "O_ASYNC", { O_RDWR | O_ASYNC } },
		{ "access mode 3", { O_ACCMODE } },
		{ "a mode", { O_RDWR, 0600 } },
		{ "a mode above 32 bits", { O_RDWR, 1ull << 32 } },
		{ "O_CREAT and a mode", { O_RDWR | O_CREAT, 07777 } },
		{ "O_CREAT and a mode of too many bits", { O_RDWR | O_CREAT, 010600 } },
		{ "O_CREAT and a mode above 32 bits", { O_RDWR | O_CREAT, 1ull << 40 } },
		{ "O_TRUNC", { O_RDWR | O_TRUNC } },
		{ "O_DIRECTORY", { O_RDONLY | O_DIRECTORY } },
		{ "O_DIRECT", { O_RDWR | O_DIRECT } },
		{ "O_TMPFILE", { O_RDWR | O_TMPFILE, 0600 } },
		{ "O_TMPFILE for reading", { O_RDONLY | O_TMPFILE, 0600 } },
		{ "O_TMPFILE without O_DIRECTORY", { O_RDWR | ONLY_TMPFILE, 0600 } },
		{ "O_PATH", { O_PATH } },
		{ "O_PATH|O_NOFOLLOW|O_CLOEXEC", { O_PATH | O_NOFOLLOW | O_CLOEXEC } },
		{ "O_PATH|O_DIRECTORY", { O_PATH | O_DIRECTORY } },
		{ "O_PATH|O_RDWR", { O_PATH | O_RDWR } },
		{ "O_PATH and a mode", { O_PATH, 0600 } },
		{ "a resolve bit that does not exist", { O_RDWR, 0, 1 << 6 } },
		{ "a resolve bit above 32", { O_RDWR, 0, 1ull << 32 } },
		{ "NO_MAGICLINKS|NO_SYMLINKS", { O_RDWR, 0, RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS } },
		{ "BENEATH", { O_RDWR, 0, RESOLVE_BENEATH } },
		{ "BENEATH|IN_ROOT", { O_RDWR, 0, RESOLVE_BENEATH | RESOLVE_IN_ROOT } },
		{ "BENEATH, a flag that does not exist", { 1 << 3, 0, RESOLVE_BENEATH } },
		{ "CACHED", { O_RDWR, 0, RESOLVE_CACHED } },
		{ "CACHED, O_TRUNC", { O_RDWR | O_TRUNC, 0, RESOLVE_CACHED } },
		{ "CACHED, O_CREAT", { O_RDWR | O_CREAT, 0600, RESOLVE_CACHED } },
		{ "CACHED, O_TMPFILE", { O_RDWR | O_TMPFILE, 0600, RESOLVE_CACHED } },
		{ "CACHED|BENEATH, O_TRUNC", { O_RDWR | O_TRUNC, 0, RESOLVE_CACHED | RESOLVE_BENEATH } },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct how how = { cases[i].how, { 0 } };
		told(cases[i].name, by_openat2(AT_FDCWD, CLIENT_DEVICE, &how, 24),
		     by_openat2(AT_FDCWD, HOST_DEVICE, &how, 24));
	}
}

/* Paths from /dev that are held to it. */
static void resolved(int dev)
{
	static const struct {
		const char *name;
		uint64_t resolve;
		const char *tee;
		const char *host;
	} cases[] = {
		{ "BENEATH /dev", RESOLVE_BENEATH, "tee0", "null" },
		{ "BENEATH /dev, down and up", RESOLVE_BENEATH, "pts/../tee0", "pts/../null" },
		{ "BENEATH /dev, up and down", RESOLVE_BENEATH, "../dev/tee0", "../dev/null" },
		{ "BENEATH /dev, down, up and down", RESOLVE_BENEATH, "pts/../../dev/tee0",
		  "pts/../../dev/null" },
		{ "IN_ROOT /dev", RESOLVE_IN_ROOT, "tee0", "null" },
		{ "IN_ROOT /dev, absolute", RESOLVE_IN_ROOT, "/tee0", "/null" },
		{ "IN_ROOT /dev, up", RESOLVE_IN_ROOT, "../../tee0", "../../null" },
		{ "IN_ROOT /dev, /dev", RESOLVE_IN_ROOT, "/dev/tee0", "/dev/null" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct how how = { { O_RDWR, 0, cases[i].resolve }, { 0 } };
		told(cases[i].name, by_openat2(dev, cases[i].tee, &how, 24),
		     by_openat2(dev, cases[i].host, &how, 24));
	}
	struct how how = { { O_RDWR, 0, RESOLVE_NO_XDEV }, { 0 } };
	agreed("NO_XDEV", by_openat2(-1, CLIENT_DEVICE, &how, 24), by_openat2(-1, HOST_DEVICE, &how, 24));
	agreed("NO_XDEV from /dev", by_openat2(dev, "tee0", &how, 24),
	       by_openat2(dev, "null", &how, 24));
	agreed("NO_XDEV from /dev, up and down", by_openat2(dev, "../dev/tee0", &how, 24),
	       by_openat2(dev, "../dev/null", &how, 24));
	agreed("NO_XDEV through /dev/pts", by_openat2(dev, "pts/../tee0", &how, 24),
	       by_openat2(dev, "pts/../null", &how, 24));
	told("BENEATH a closed fd", by_openat2(1000, "tee0", &how, 24),
	     by_openat2(1000, "null", &how, 24));
}

/* open(2) does not see what it does not know. */
static void opened(void)
{
	static const struct {
		const char *name;
		int flags;
	} cases[] = {
		{ "open, flags that do not exist", O_RDWR | 1 << 3 | 1 << 30 },
		{ "open, O_DIRECT", O_RDWR | O_DIRECT },
		{ "open, O_TMPFILE", O_RDWR | O_TMPFILE },
		{ "open, O_TMPFILE for reading", O_RDONLY | O_TMPFILE },
		{ "open, O_TMPFILE without O_DIRECTORY", O_RDWR | ONLY_TMPFILE },
		{ "open, O_PATH and much else", O_PATH | O_RDWR | O_CREAT | O_TRUNC | O_DIRECT },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		told(cases[i].name, done(open(CLIENT_DEVICE, cases[i].flags, 0600)),
		     done(open(HOST_DEVICE, cases[i].flags, 0600)));
	struct tee_ioctl_version_data version;
	int tee = open(CLIENT_DEVICE, O_PATH), host = open(HOST_DEVICE, O_PATH);
	told("ioctl with O_PATH", tee_ioctl(tee, TEE_IOC_VERSION, &version),
	     tee_ioctl(host, TEE_IOC_VERSION, &version));
	close(tee);
	close(host);
}

static void asked_for(void)
{
	static const struct {
		const char *name;
		int mode;
		int flags;
	} cases[] = {
		{ "access to all", R_OK | W_OK | X_OK, 0 },
		{ "access 8", 8, 0 },
		{ "access -1", -1, 0 },
		{ "access, AT_EACCESS|AT_SYMLINK_NOFOLLOW", R_OK, AT_EACCESS | AT_SYMLINK_NOFOLLOW },
		{ "access, AT_EMPTY_PATH", R_OK, AT_EMPTY_PATH },
		{ "access, AT_SYMLINK_FOLLOW", R_OK, AT_SYMLINK_FOLLOW },
		{ "access, AT_NO_AUTOMOUNT", R_OK, AT_NO_AUTOMOUNT },
		{ "access, all flags", R_OK, -1 },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int mode = cases[i].mode, flags = cases[i].flags;
		told(cases[i].name, done(syscall(SYS_faccessat2, -1, CLIENT_DEVICE, mode, flags)),
		     done(syscall(SYS_faccessat2, -1, HOST_DEVICE, mode, flags)));
	}
	told("faccessat 8", done(syscall(SYS_faccessat, -1, CLIENT_DEVICE, 8)),
	     done(syscall(SYS_faccessat, -1, HOST_DEVICE, 8)));
	told("faccessat 8 of what is not there", done(syscall(SYS_faccessat, -1, "/dev/tee9", 8)),
	     done(syscall(SYS_faccessat, -1, "/dev/null9", 8)));
}

/*
 * By path, and by fd with an empty path. Of an fd, kernels since Linux 6.11 do not look at the flags
 * that do not exist.
 */
static void stat_flags(const char *name, int tee, int host, const char *tee_path,
		       const char *host_path)
{
	static const struct {
		const char *name;
		int flags;
	} cases[] = {
		{ "AT_SYMLINK_NOFOLLOW|AT_NO_AUTOMOUNT", AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT },
		{ "AT_STATX_FORCE_SYNC", AT_STATX_FORCE_SYNC },
		{ "both of AT_STATX_*", AT_STATX_FORCE_SYNC | AT_STATX_DONT_SYNC },
		{ "AT_EACCESS", AT_EACCESS },
		{ "AT_SYMLINK_FOLLOW", AT_SYMLINK_FOLLOW },
		{ "bit 15", 1 << 15 },
	};
	char what[128];
	struct { char bytes[256]; } st;
	const size_t exist = 3;
	size_t count = tee_path[0] == '\0' ? exist : sizeof(cases) / sizeof(cases[0]);
	for (size_t i = 0; i < count; i++) {
		int flags = AT_EMPTY_PATH | cases[i].flags;
		snprintf(what, sizeof(what), "newfstatat of %s, %s", name, cases[i].name);
		told(what, done(syscall(SYS_newfstatat, tee, tee_path, &st, flags)),
		     done(syscall(SYS_newfstatat, host, host_path, &st, flags)));
		snprintf(what, sizeof(what), "statx of %s, %s", name, cases[i].name);
		told(what, done(syscall(SYS_statx, tee, tee_path, flags, 0, &st)),
		     done(syscall(SYS_statx, host, host_path, flags, 0, &st)));
	}
	const unsigned masks[] = { STATX__RESERVED, ~STATX__RESERVED };
	for (int i = 0; i < 2; i++) {
		snprintf(what, sizeof(what), "statx of %s, mask 0x%x", name, masks[i]);
		told(what, done(syscall(SYS_statx, tee, tee_path, AT_EMPTY_PATH, masks[i], &st)),
		     done(syscall(SYS_statx, host, host_path, AT_EMPTY_PATH, masks[i], &st)));
	}
	const int modes[] = { R_OK | W_OK, X_OK, 8 };
	for (int i = 0; i < 3; i++) {
		snprintf(what, sizeof(what), "faccessat2 of %s, mode %d", name, modes[i]);
		told(what, done(syscall(SYS_faccessat2, tee, tee_path, modes[i], AT_EMPTY_PATH)),
		     done(syscall(SYS_faccessat2, host, host_path, modes[i], AT_EMPTY_PATH)));
	}
}

THEME(path_flags)
{
	(void)argc, (void)argv;
	int dev = open("/dev", O_RDONLY | O_DIRECTORY);
	int tee = open(CLIENT_DEVICE, O_RDWR), host = open(HOST_DEVICE, O_RDWR);
	need(dev >= 0 && tee >= 0 && host >= 0, "open");
	sizes();
	hows();
	resolved(dev);
	opened();
	asked_for();
	stat_flags("a path", -1, -1, CLIENT_DEVICE, HOST_DEVICE);
	stat_flags("an fd", tee, host, "", "");
	return 0;
}
