/* What the driver refuses before anything reaches the secure world. */
#include "tee.h"

#define IN TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INPUT
#define VALUE TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INPUT

static struct client client;
static struct shm shm;

static void one_param(const char *what, struct tee_ioctl_param param)
{
	struct invocation call = { .param[0] = param };
	struct reply reply = invoke(client, TA_TEST_CMD_INC, &call);
	fact("%s: %s", what, outcome(reply.rc));
}

static void params(void)
{
	one_param("attribute 4", value_param(4, 0, 0));
	one_param("attribute bit 9", value_param(VALUE | 0x200, 0, 0));
	one_param("META", value_param(VALUE | TEE_IOCTL_PARAM_ATTR_META, 0, 0));
	one_param("unknown memory", memref_param(IN, 0, 1, 999));
	one_param("memory id 0", memref_param(IN, 0, 1, 0));
	one_param("past the end", memref_param(IN, 1, shm.size, shm.id));
	one_param("wrapping", memref_param(IN, UINT64_MAX, 2, shm.id));
}

static void open_with_login(uint32_t login)
{
	struct opening call = { .arg.num_params = TEE_MAX_PARAMS, .arg.clnt_login = login };
	struct tee_ioctl_buf_data buf = { (uintptr_t)&call, sizeof(call) };
	memcpy(call.arg.uuid, test_ta_uuid, TEE_IOCTL_UUID_LEN);
	fact("login 0x%x: %s", login, outcome(tee_ioctl(client.fd, TEE_IOC_OPEN_SESSION, &buf)));
}

static void lengths(void)
{
	static const size_t lengths[] = { 0, 23, sizeof(struct invocation) - 1,
					  sizeof(struct invocation) + 1, 4097 };
	static uint8_t bytes[8192];
	struct invocation *call = (struct invocation *)bytes;
	call->arg.num_params = TEE_MAX_PARAMS;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		struct tee_ioctl_buf_data buf = { (uintptr_t)bytes, lengths[i] };
		fact("invoke of %zu bytes: %s", lengths[i],
		     outcome(tee_ioctl(client.fd, TEE_IOC_INVOKE, &buf)));
	}
}

THEME(abi)
{
	(void)argc, (void)argv;
	static uint8_t page[PAGE] __attribute__((aligned(4096)));
	client = connect_ta();
	need(register_memory(client.fd, page, sizeof(page), &shm) == 0, "TEE_IOC_SHM_REGISTER");
	params();
	open_with_login(TEE_IOCTL_LOGIN_PUBLIC);
	open_with_login(TEE_IOCTL_LOGIN_USER);
	open_with_login(3);
	open_with_login(TEE_IOCTL_LOGIN_APPLICATION);
	open_with_login(0x80000000);
	lengths();
	fact("an unknown ioctl: %s", outcome(tee_ioctl(client.fd, _IO(TEE_IOC_MAGIC, 99), page)));
	fact("RECV on the client's device: %s",
	     outcome(tee_ioctl(client.fd, TEE_IOC_SUPPL_RECV, page)));
	check_increment(client, 41);
	return 0;
}
