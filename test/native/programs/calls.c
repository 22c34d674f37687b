/* The ioctls of a client. */
#include "tee.h"

const uint8_t test_ta_uuid[] = TA_TEST_UUID;
const uint8_t counter_ta_uuid[] = TA_COUNTER_UUID;
const uint8_t missing_ta_uuid[] = { 0xde, 0xad, 0xbe, 0xef };

int tee_ioctl(int fd, unsigned long request, void *arg)
{
	int rc = ioctl(fd, request, arg);
	return rc < 0 ? -errno : rc;
}

struct reply open_session(int fd, const uint8_t *uuid, uint32_t *session)
{
	struct opening call = { .arg.num_params = TEE_MAX_PARAMS };
	struct tee_ioctl_buf_data buf = { (uintptr_t)&call, sizeof(call) };
	memcpy(call.arg.uuid, uuid, TEE_IOCTL_UUID_LEN);
	int rc = tee_ioctl(fd, TEE_IOC_OPEN_SESSION, &buf);
	*session = call.arg.session;
	return (struct reply){ rc, call.arg.ret, call.arg.ret_origin };
}

struct reply invoke(struct client client, uint32_t command, struct invocation *call)
{
	struct tee_ioctl_buf_data buf = { (uintptr_t)call, sizeof(*call) };
	call->arg.func = command;
	call->arg.session = client.session;
	call->arg.num_params = TEE_MAX_PARAMS;
	int rc = tee_ioctl(client.fd, TEE_IOC_INVOKE, &buf);
	return (struct reply){ rc, call->arg.ret, call->arg.ret_origin };
}

int close_session(struct client client)
{
	struct tee_ioctl_close_session_arg arg = { client.session };
	return tee_ioctl(client.fd, TEE_IOC_CLOSE_SESSION, &arg);
}

struct client connect_ta(void)
{
	struct client client = { .fd = open(CLIENT_DEVICE, O_RDWR) };
	need(client.fd >= 0, CLIENT_DEVICE);
	struct reply reply = open_session(client.fd, test_ta_uuid, &client.session);
	need(reply.rc == 0 && reply.ret == TEEC_SUCCESS, "a session of the test TA");
	return client;
}

void check_increment(struct client client, uint32_t value)
{
	struct invocation call = { 0 };
	call.param[0] = value_param(TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INOUT, value, 0);
	struct reply reply = invoke(client, TA_TEST_CMD_INC, &call);
	need(reply.rc == 0 && reply.ret == TEEC_SUCCESS, "TA_TEST_CMD_INC");
	need(call.param[0].a == (uint64_t)value + 1, "the TA's answer");
}

int register_memory(int fd, const void *address, size_t length, struct shm *shm)
{
	struct tee_ioctl_shm_register_data data = { .addr = (uintptr_t)address, .length = length };
	int rc = tee_ioctl(fd, TEE_IOC_SHM_REGISTER, &data);
	*shm = (struct shm){ .fd = rc, .id = data.id, .size = data.length };
	return rc < 0 ? rc : 0;
}

int allocate_memory(int fd, size_t size, struct shm *shm)
{
	struct tee_ioctl_shm_alloc_data data = { .size = size };
	int rc = tee_ioctl(fd, TEE_IOC_SHM_ALLOC, &data);
	*shm = (struct shm){ .fd = rc, .id = data.id, .size = data.size };
	return rc < 0 ? rc : 0;
}

long sum_seen(struct client client, int id, uint64_t offset, uint64_t size)
{
	struct invocation call = { 0 };
	call.param[0] = memref_param(TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INPUT, offset, size, id);
	call.param[1] = value_param(TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_OUTPUT, 0, 0);
	struct reply reply = invoke(client, TA_TEST_CMD_SUM, &call);
	if (reply.rc < 0)
		return reply.rc;
	need(reply.ret == TEEC_SUCCESS, "TA_TEST_CMD_SUM");
	return (long)call.param[1].a;
}

struct reply fill(struct client client, int id, uint64_t offset, uint64_t size, uint8_t pattern)
{
	struct invocation call = { 0 };
	call.param[0] = memref_param(TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_OUTPUT, offset, size, id);
	call.param[1] = value_param(TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INPUT, pattern, 0);
	return invoke(client, TA_TEST_CMD_FILL, &call);
}
