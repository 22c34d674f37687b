/* Commands of the test TA that do not return. */
#include "tee.h"

static struct reply run(struct client client, uint32_t command, uint32_t value)
{
	struct invocation call = { 0 };
	call.param[0] = value_param(TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INOUT, value, 0);
	return invoke(client, command, &call);
}

THEME(command)
{
	need(argc >= 2, "command NUMBER [VALUE]");
	fact_reply("the command", run(connect_ta(), atoi(argv[1]), argc > 2 ? atoi(argv[2]) : 0));
	return 0;
}

/* Commands that end the TA: its session is dead, those of others and new ones are not. */
THEME(panics)
{
	static const struct {
		const char *name;
		uint32_t command;
	} ends[] = {
		{ "throws", TA_TEST_CMD_THROW },
		{ "panics", TA_TEST_CMD_PANIC },
		{ "awaits what never comes", TA_TEST_CMD_HANG },
		{ "returns nonsense", TA_TEST_CMD_NONSENSE },
	};
	(void)argc, (void)argv;
	struct client other = connect_ta();
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		struct client client = connect_ta();
		fact_reply(ends[i].name, run(client, ends[i].command, 17));
		fact_reply("the next in its session", run(client, TA_TEST_CMD_INC, 1));
		fact("close: %s", outcome(close_session(client)));
		fact_reply("another session", run(other, TA_TEST_CMD_INC, 1));
	}
	return 0;
}
