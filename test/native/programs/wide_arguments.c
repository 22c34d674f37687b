/*
 * System calls with something in the upper half of the registers of their ints: some C libraries and
 * languages leave the sign there, compilers whatever there was. The kernel does not look.
 */
#include "tee.h"
#include <sys/stat.h>
#include <sys/syscall.h>

static long sign_extended(int value)
{
	return value;
}

static long with_rubbish(int value)
{
	return (long)(0xdeadbeef00000000ul | (uint32_t)value);
}

static void call_all(const char *what, long (*wide)(int))
{
	struct tee_ioctl_version_data version;
	struct stat st;
	int fd = syscall(SYS_openat, wide(AT_FDCWD), "tee0", wide(O_RDWR));
	fact("%s, openat: %s", what, outcome(fd));
	long rc = syscall(SYS_ioctl, wide(fd), wide((int)TEE_IOC_VERSION), &version);
	fact("%s, ioctl: %s", what, outcome(rc));
	rc = syscall(SYS_fstat, wide(fd), &st);
	fact("%s, fstat: %s", what, rc == 0 && S_ISCHR(st.st_mode) ? "a device" : outcome(rc));
	rc = syscall(SYS_newfstatat, wide(fd), "", &st, wide(AT_EMPTY_PATH));
	fact("%s, newfstatat: %s", what, rc == 0 && S_ISCHR(st.st_mode) ? "a device" : outcome(rc));
	fact("%s, faccessat: %s", what,
	     outcome(syscall(SYS_faccessat, wide(AT_FDCWD), "tee0", wide(R_OK))));
	close(fd);
}

THEME(wide_arguments)
{
	(void)argc, (void)argv;
	need(chdir("/dev") == 0, "chdir");
	call_all("sign", sign_extended);
	call_all("rubbish", with_rubbish);
	return 0;
}
