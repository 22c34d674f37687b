/* One command of the test TA by its number, and what is left of its session and of the TA. */
#include "tee.h"

static struct reply run(struct client client, uint32_t command, uint32_t value)
{
	struct invocation call = { 0 };
	call.param[0] = value_param(TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INOUT, value, 0);
	return invoke(client, command, &call);
}

THEME(command)
{
	need(argc == 3, "command NUMBER VALUE");
	struct client client = connect_ta();
	struct client other = connect_ta();
	fact_reply("the command", run(client, atoi(argv[1]), atoi(argv[2])));
	fact_reply("the next in its session", run(client, TA_TEST_CMD_INC, 1));
	fact("close: %s", outcome(close_session(client)));
	fact_reply("another session", run(other, TA_TEST_CMD_INC, 1));
	fact_reply("a new session", run(connect_ta(), TA_TEST_CMD_INC, 1));
	return 0;
}
