/* Asks the hello_world TA to add one to 42, prints the answer, and ends. */
#include <fcntl.h>
#include <linux/tee.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

/* examples/hello_world/hello-world-ta.ts */
#define TA_HELLO_WORLD_CMD_INC_VALUE 0
static const uint8_t hello_world_uuid[TEE_IOCTL_UUID_LEN] = {
	0x8a, 0xaa, 0xf2, 0x00, 0x24, 0x50, 0x11, 0xe4,
	0xab, 0xe2, 0x00, 0x02, 0xa5, 0xd5, 0xc5, 0x1b
};

int main(void)
{
	struct tee_ioctl_open_session_arg open_arg = { 0 };
	struct {
		struct tee_ioctl_invoke_arg arg;
		struct tee_ioctl_param param[1];
	} call = { .arg = { .func = TA_HELLO_WORLD_CMD_INC_VALUE, .num_params = 1 } };
	struct tee_ioctl_buf_data buf = { (uintptr_t)&open_arg, sizeof(open_arg) };
	int tee = open("/dev/tee0", O_RDWR);

	memcpy(open_arg.uuid, hello_world_uuid, sizeof(hello_world_uuid));
	if (ioctl(tee, TEE_IOC_OPEN_SESSION, &buf) != 0 || open_arg.ret != 0)
		return 1;
	call.arg.session = open_arg.session;
	call.param[0].attr = TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INOUT;
	call.param[0].a = 42;
	buf = (struct tee_ioctl_buf_data){ (uintptr_t)&call, sizeof(call) };
	if (ioctl(tee, TEE_IOC_INVOKE, &buf) != 0 || call.arg.ret != 0)
		return 1;
	printf("%llu\n", (unsigned long long)call.param[0].a);
	return 0;
}
