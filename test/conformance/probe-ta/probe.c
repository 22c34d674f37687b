/*
 * The TA of ../probe-ta.ts for a real OP-TEE: it tells its client what it saw of a call. Parameters
 * are taken on trust, for the specs are its only client.
 */
#include <stdio.h>
#include <string.h>
#include <tee_internal_api.h>

enum { WHO, SWAP, INVERT, SHORT, RESULT };

#define UUID_TEXT_LEN 36

TEE_Result TA_CreateEntryPoint(void)
{
	return TEE_SUCCESS;
}

void TA_DestroyEntryPoint(void)
{
}

TEE_Result TA_OpenSessionEntryPoint(uint32_t param_types __unused, TEE_Param params[4] __unused,
				    void **session __unused)
{
	return TEE_SUCCESS;
}

void TA_CloseSessionEntryPoint(void *session __unused)
{
}

/* [0] value out: the login; [1] memref out: the client's UUID as text */
static TEE_Result who(TEE_Param params[4])
{
	TEE_Identity identity = { 0 };
	char text[UUID_TEXT_LEN + 1] = "";
	const uint8_t *node = identity.uuid.clockSeqAndNode;
	TEE_Result res = TEE_GetPropertyAsIdentity(TEE_PROPSET_CURRENT_CLIENT,
						   "gpd.client.identity", &identity);

	if (res != TEE_SUCCESS)
		return res;
	params[0].value.a = identity.login;
	snprintf(text, sizeof(text), "%08x-%04x-%04x-%02x%02x-%02x%02x%02x%02x%02x%02x",
		 identity.uuid.timeLow, identity.uuid.timeMid, identity.uuid.timeHiAndVersion,
		 node[0], node[1], node[2], node[3], node[4], node[5], node[6], node[7]);
	if (params[1].memref.buffer && params[1].memref.size >= UUID_TEXT_LEN)
		memcpy(params[1].memref.buffer, text, UUID_TEXT_LEN);
	params[1].memref.size = UUID_TEXT_LEN;
	return TEE_SUCCESS;
}

/* [0] value inout: a and b change places; [1] value out: the types */
static TEE_Result swap(uint32_t param_types, TEE_Param params[4])
{
	uint32_t a = params[0].value.a;

	params[0].value.a = params[0].value.b;
	params[0].value.b = a;
	params[1].value.a = param_types;
	return TEE_SUCCESS;
}

/* [0] memref inout: all its bytes are inverted */
static TEE_Result invert(TEE_Param params[4])
{
	uint8_t *bytes = params[0].memref.buffer;
	size_t n = 0;

	for (n = 0; n < params[0].memref.size; n++)
		bytes[n] = ~bytes[n];
	return TEE_SUCCESS;
}

TEE_Result TA_InvokeCommandEntryPoint(void *session __unused, uint32_t command,
				      uint32_t param_types, TEE_Param params[4])
{
	switch (command) {
	case WHO:
		return who(params);
	case SWAP:
		return swap(param_types, params);
	case INVERT:
		return invert(params);
	case SHORT:
		params[0].memref.size += 1;
		return TEE_ERROR_SHORT_BUFFER;
	case RESULT:
		return params[0].value.a;
	default:
		return TEE_ERROR_NOT_SUPPORTED;
	}
}
