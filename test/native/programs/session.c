/* A session from its opening to its end, values and memory in both directions. */
#include "tee.h"
#include <time.h>

static void values(struct client client)
{
	struct invocation call = { 0 };
	call.param[0] = value_param(TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INOUT, 41, 7);
	call.param[0].c = 0x1234567890;
	fact_reply("increment", invoke(client, TA_TEST_CMD_INC, &call));
	fact("41, 7, 0x1234567890 became %llu, %llu, 0x%llx", call.param[0].a, call.param[0].b,
	     call.param[0].c);
}

static void memory(struct client client)
{
	uint8_t bytes[256];
	struct shm shm;
	for (int i = 0; i < 256; i++)
		bytes[i] = i;
	need(register_memory(client.fd, bytes, sizeof(bytes), &shm) == 0, "TEE_IOC_SHM_REGISTER");
	fact("sum of 0 to 255: %ld", sum_seen(client, shm.id, 0, 256));
	fact("sum of 10 to 19: %ld", sum_seen(client, shm.id, 10, 10));
	fact_reply("fill of bytes 10 to 19", fill(client, shm.id, 10, 10, 0xee));
	fact("bytes 9 to 20: %u %u ... %u %u", bytes[9], bytes[10], bytes[19], bytes[20]);

	struct invocation call = { 0 };
	call.param[0] = memref_param(TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INOUT, 0, 256, shm.id);
	call.param[1] = value_param(TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INPUT, 0xff, 0);
	fact_reply("xor", invoke(client, TA_TEST_CMD_XOR, &call));
	fact("bytes 0, 10, 255: %u %u %u", bytes[0], bytes[10], bytes[255]);

	call = (struct invocation){ 0 };
	call.param[0] = memref_param(TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_OUTPUT, 0, 64, shm.id);
	fact_reply("short buffer", invoke(client, TA_TEST_CMD_SHORT_BUFFER, &call));
	fact("64 bytes given, %llu asked for", call.param[0].b);

	fact("sum of no memory: %ld", sum_seen(client, (int)TEE_MEMREF_NULL_ID, 0, 0));
	close(shm.fd);
	fact("sum after close: %s", outcome(sum_seen(client, shm.id, 0, 256)));
}

/* time() may be a tick behind. */
static time_t now_s(void)
{
	struct timespec now;
	need(clock_gettime(CLOCK_REALTIME, &now) == 0, "clock_gettime");
	return now.tv_sec;
}

/* What the TA reaches through the normal world, or inside its own. */
static void services(struct client client)
{
	struct invocation call = { 0 };
	call.param[0] = value_param(TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_OUTPUT, 0, 0);
	time_t before = now_s();
	fact_reply("REE time", invoke(client, TA_TEST_CMD_REE_TIME, &call));
	time_t seen = (time_t)call.param[0].a;
	fact("the TA's clock is the client's: %s",
	     seen >= before && seen <= now_s() ? "yes" : "no");

	call = (struct invocation){ 0 };
	call.param[0] = value_param(TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_OUTPUT, 0, 0);
	fact_reply("a TA's own memory in another TA",
		   invoke(client, TA_TEST_CMD_OWN_MEMORY, &call));
	fact("sum seen there: %llu", call.param[0].a);
	call = (struct invocation){ 0 };
	fact_reply("a missing TA, opened by a TA", invoke(client, TA_TEST_CMD_OPEN_MISSING, &call));
	call = (struct invocation){ 0 };
	fact_reply("an unknown command", invoke(client, 9999, &call));
}

THEME(session)
{
	(void)argc, (void)argv;
	struct client client;
	struct invocation call = { 0 };
	uint32_t none;
	client.fd = open(CLIENT_DEVICE, O_RDWR);
	need(client.fd >= 0, CLIENT_DEVICE);
	fact_reply("open", open_session(client.fd, test_ta_uuid, &client.session));
	fact_reply("open of a missing TA", open_session(client.fd, missing_ta_uuid, &none));
	values(client);
	memory(client);
	services(client);

	struct client stranger = { open(CLIENT_DEVICE, O_RDWR), client.session };
	fact_reply("another context's session", invoke(stranger, TA_TEST_CMD_INC, &call));
	fact("close of it: %s", outcome(close_session(stranger)));
	fact("close: %s", outcome(close_session(client)));
	fact("close again: %s", outcome(close_session(client)));
	fact_reply("invoke after close", invoke(client, TA_TEST_CMD_INC, &call));
	return 0;
}
