/** What the TypeScript user space supports: the Client API, and the requests to tee-supplicant. */
import { OPTEE_RPC_CMD } from '../abi/optee-rpc.ts';
import type { SupportRow } from '../abi/support.ts';
import { HANDLERS } from './tee-supplicant/handlers.ts';

const CLIENT_API = [
  'TEEC_InitializeContext',
  'TEEC_FinalizeContext',
  'TEEC_OpenSession',
  'TEEC_CloseSession',
  'TEEC_InvokeCommand',
  'TEEC_RequestCancellation',
  'TEEC_RegisterSharedMemory',
  'TEEC_RegisterSharedMemoryFileDescriptor',
  'TEEC_AllocateSharedMemory',
  'TEEC_ReleaseSharedMemory',
] as const;

/** Requests that the kernel passes on to the supplicant, and the supplicant serves upstream. */
const SUPPLICANT_REQUESTS = [
  'OPTEE_RPC_CMD_LOAD_TA',
  'OPTEE_RPC_CMD_RPMB',
  'OPTEE_RPC_CMD_FS',
  'OPTEE_RPC_CMD_SHM_ALLOC',
  'OPTEE_RPC_CMD_SHM_FREE',
  'OPTEE_RPC_CMD_GPROF',
  'OPTEE_RPC_CMD_SOCKET',
  'OPTEE_RPC_CMD_FTRACE',
  'OPTEE_RPC_CMD_SUPP_PLUGIN',
] as const;

const clientRow = (name: string): SupportRow => ({
  area: 'Client API',
  name,
  status: 'supported',
});

function supplicantRow(name: (typeof SUPPLICANT_REQUESTS)[number]): SupportRow {
  const area = 'tee-supplicant';
  if (HANDLERS.has(OPTEE_RPC_CMD[name])) return { area, name, status: 'supported' };
  return { area, name, status: 'absent', note: 'TEEC_ERROR_NOT_SUPPORTED' };
}

export const SUPPORT: readonly SupportRow[] = [
  ...CLIENT_API.map(clientRow),
  ...SUPPLICANT_REQUESTS.map(supplicantRow),
];
