/* Rights are each thread's own: system calls change those of the caller alone. Root only. */
#include "tee.h"
#include <pthread.h>
#include <sys/syscall.h>

#define GROUP 4242

static void as_group(const char *who)
{
	const uint32_t gid = GROUP;
	struct opening call = { .arg = { .clnt_login = TEE_IOCTL_LOGIN_GROUP,
					 .num_params = TEE_MAX_PARAMS } };
	struct tee_ioctl_buf_data buf = { (uintptr_t)&call, sizeof(call) };
	int fd = open(CLIENT_DEVICE, O_RDWR);
	memcpy(call.arg.uuid, test_ta_uuid, TEE_IOCTL_UUID_LEN);
	memcpy(call.arg.clnt_uuid, &gid, sizeof(gid));
	int rc = tee_ioctl(fd, TEE_IOC_OPEN_SESSION, &buf);
	fact_reply(who, (struct reply){ rc, call.arg.ret, call.arg.ret_origin });
	close(fd);
}

static void *other(void *arg)
{
	need(syscall(SYS_setresgid, -1, GROUP, -1) == 0, "setresgid");
	as_group("the thread that became of the group");
	return arg;
}

THEME(rights_of_threads)
{
	pthread_t thread;
	(void)argc, (void)argv;
	need(pthread_create(&thread, NULL, other, NULL) == 0, "pthread_create");
	need(pthread_join(thread, NULL) == 0, "pthread_join");
	as_group("the first thread");
	return 0;
}
