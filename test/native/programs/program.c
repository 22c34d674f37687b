/* What passes through from a program to its shell and back. */
#include "tee.h"

THEME(args)
{
	char directory[256];
	const char *value = getenv("NATIVE_TEST");
	for (int i = 1; i < argc; i++)
		fact("argument %d: [%s]", i, argv[i]);
	fact("NATIVE_TEST: %s", value == NULL ? "unset" : value);
	fact("directory: %s", getcwd(directory, sizeof(directory)) ? directory : "none");
	fprintf(stderr, "on stderr\n");
	return 42;
}

/* Without standard files the device gets the lowest fd, 0; the exit code says so. */
THEME(stdio_closed)
{
	(void)argc, (void)argv;
	for (int fd = 0; fd < 3; fd++)
		close(fd);
	struct client client = connect_ta();
	check_increment(client, 1);
	return client.fd == 0 ? 7 : 1;
}

/* Who the program is, and that the box lets it in. */
THEME(identity)
{
	(void)argc, (void)argv;
	struct client client = connect_ta();
	check_increment(client, 1);
	fact("uid %u, a session works", (unsigned)getuid());
	return 0;
}

/* How many calls the one instance of the counter TA has had, over all programs of the box. */
THEME(count)
{
	(void)argc, (void)argv;
	struct client client = { open(CLIENT_DEVICE, O_RDWR), 0 };
	struct invocation call = { 0 };
	struct reply reply = open_session(client.fd, counter_ta_uuid, &client.session);
	need(reply.rc == 0 && reply.ret == TEEC_SUCCESS, "a session of the counter TA");
	call.param[0] = value_param(TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_OUTPUT, 0, 0);
	reply = invoke(client, TA_COUNTER_CMD_NEXT, &call);
	fact("0x%08x: call %llu", reply.ret, call.param[0].a);
	return 0;
}

/* What the profiles disagree on. */
THEME(profile)
{
	(void)argc, (void)argv;
	struct client client = connect_ta();
	struct shm shm;
	static uint8_t page[PAGE] __attribute__((aligned(4096)));
	need(allocate_memory(client.fd, 3 * PAGE, &shm) == 0, "allocate");
	fact("SHM_ALLOC of 3 pages: %zu", shm.size);
	fact("SHM_ALLOC of nothing: %s", outcome(allocate_memory(client.fd, 0, &shm)));
	fact("SHM_REGISTER of nothing: %s", outcome(register_memory(client.fd, page, 0, &shm)));
	fact("SHM_REGISTER of nothing, unaligned: %s",
	     outcome(register_memory(client.fd, page + 1, 0, &shm)));
	return 0;
}
