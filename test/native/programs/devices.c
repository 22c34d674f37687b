/* What a client library does first: it looks at /dev/tee0 to 9 and asks each for its version. */
#include "tee.h"

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

THEME(devices)
{
	(void)argc, (void)argv;
	look("/dev/tee");
	look("/dev/teepriv");
	return 0;
}
