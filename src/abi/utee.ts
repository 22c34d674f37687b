/**
 * The syscalls of a user TA: their numbers, names and arguments as data, and the structs that they
 * pass in the TA's memory.
 *
 * Upstream counterparts: optee_os lib/libutee/include/tee_syscall_numbers.h, utee_syscalls.h,
 * utee_types.h, and the structs of tee_api_types.h whose layout a syscall fixes. AArch64: number in
 * x8, arguments in x0-x7. AArch32: r7, r0-r3, and r6 further arguments on the stack at r5.
 * Left out: TEE_Param, TEE_Attribute, TEE_ObjectInfo and TEE_OperationInfo, which libutee converts
 * before it calls.
 */
import type { U64Field } from './layout.ts';
import { bytes, pad, struct, u32, u64 } from './layout.ts';

/* Numbers. Source: lib/libutee/include/tee_syscall_numbers.h, OP-TEE OS 4.10. */
export const TEE_SCN_RETURN = 0;
export const TEE_SCN_LOG = 1;
export const TEE_SCN_PANIC = 2;
export const TEE_SCN_GET_PROPERTY = 3;
export const TEE_SCN_GET_PROPERTY_NAME_TO_INDEX = 4;
export const TEE_SCN_OPEN_TA_SESSION = 5;
export const TEE_SCN_CLOSE_TA_SESSION = 6;
export const TEE_SCN_INVOKE_TA_COMMAND = 7;
export const TEE_SCN_CHECK_ACCESS_RIGHTS = 8;
export const TEE_SCN_GET_CANCELLATION_FLAG = 9;
export const TEE_SCN_UNMASK_CANCELLATION = 10;
export const TEE_SCN_MASK_CANCELLATION = 11;
export const TEE_SCN_WAIT = 12;
export const TEE_SCN_GET_TIME = 13;
export const TEE_SCN_SET_TA_TIME = 14;
export const TEE_SCN_CRYP_STATE_ALLOC = 15;
export const TEE_SCN_CRYP_STATE_COPY = 16;
export const TEE_SCN_CRYP_STATE_FREE = 17;
export const TEE_SCN_HASH_INIT = 18;
export const TEE_SCN_HASH_UPDATE = 19;
export const TEE_SCN_HASH_FINAL = 20;
export const TEE_SCN_CIPHER_INIT = 21;
export const TEE_SCN_CIPHER_UPDATE = 22;
export const TEE_SCN_CIPHER_FINAL = 23;
export const TEE_SCN_CRYP_OBJ_GET_INFO = 24;
export const TEE_SCN_CRYP_OBJ_RESTRICT_USAGE = 25;
export const TEE_SCN_CRYP_OBJ_GET_ATTR = 26;
export const TEE_SCN_CRYP_OBJ_ALLOC = 27;
export const TEE_SCN_CRYP_OBJ_CLOSE = 28;
export const TEE_SCN_CRYP_OBJ_RESET = 29;
export const TEE_SCN_CRYP_OBJ_POPULATE = 30;
export const TEE_SCN_CRYP_OBJ_COPY = 31;
export const TEE_SCN_CRYP_DERIVE_KEY = 32;
export const TEE_SCN_CRYP_RANDOM_NUMBER_GENERATE = 33;
export const TEE_SCN_AUTHENC_INIT = 34;
export const TEE_SCN_AUTHENC_UPDATE_AAD = 35;
export const TEE_SCN_AUTHENC_UPDATE_PAYLOAD = 36;
export const TEE_SCN_AUTHENC_ENC_FINAL = 37;
export const TEE_SCN_AUTHENC_DEC_FINAL = 38;
export const TEE_SCN_ASYMM_OPERATE = 39;
export const TEE_SCN_ASYMM_VERIFY = 40;
export const TEE_SCN_STORAGE_OBJ_OPEN = 41;
export const TEE_SCN_STORAGE_OBJ_CREATE = 42;
export const TEE_SCN_STORAGE_OBJ_DEL = 43;
export const TEE_SCN_STORAGE_OBJ_RENAME = 44;
export const TEE_SCN_STORAGE_ENUM_ALLOC = 45;
export const TEE_SCN_STORAGE_ENUM_FREE = 46;
export const TEE_SCN_STORAGE_ENUM_RESET = 47;
export const TEE_SCN_STORAGE_ENUM_START = 48;
export const TEE_SCN_STORAGE_ENUM_NEXT = 49;
export const TEE_SCN_STORAGE_OBJ_READ = 50;
export const TEE_SCN_STORAGE_OBJ_WRITE = 51;
export const TEE_SCN_STORAGE_OBJ_TRUNC = 52;
export const TEE_SCN_STORAGE_OBJ_SEEK = 53;
export const TEE_SCN_CRYP_OBJ_GENERATE_KEY = 54;
/* 55-69: the retired Secure Element API, answered NOT_SUPPORTED. */
export const TEE_SCN_SE_SERVICE_OPEN__DEPRECATED = 55;
export const TEE_SCN_SE_SERVICE_CLOSE__DEPRECATED = 56;
export const TEE_SCN_SE_SERVICE_GET_READERS__DEPRECATED = 57;
export const TEE_SCN_SE_READER_GET_PROP__DEPRECATED = 58;
export const TEE_SCN_SE_READER_GET_NAME__DEPRECATED = 59;
export const TEE_SCN_SE_READER_OPEN_SESSION__DEPRECATED = 60;
export const TEE_SCN_SE_READER_CLOSE_SESSIONS__DEPRECATED = 61;
export const TEE_SCN_SE_SESSION_IS_CLOSED__DEPRECATED = 62;
export const TEE_SCN_SE_SESSION_GET_ATR__DEPRECATED = 63;
export const TEE_SCN_SE_SESSION_OPEN_CHANNEL__DEPRECATED = 64;
export const TEE_SCN_SE_SESSION_CLOSE__DEPRECATED = 65;
export const TEE_SCN_SE_CHANNEL_SELECT_NEXT__DEPRECATED = 66;
export const TEE_SCN_SE_CHANNEL_GET_SELECT_RESP__DEPRECATED = 67;
export const TEE_SCN_SE_CHANNEL_TRANSMIT__DEPRECATED = 68;
export const TEE_SCN_SE_CHANNEL_CLOSE__DEPRECATED = 69;
export const TEE_SCN_CACHE_OPERATION = 70;
/** Highest number; above it the answer is NOT_SUPPORTED too. */
export const TEE_SCN_MAX = 70;
/** Most arguments of a syscall. */
export const TEE_SVC_MAX_ARGS = 8;

/** Syscall numbers. */
export const TEE_SCN = {
  TEE_SCN_RETURN,
  TEE_SCN_LOG,
  TEE_SCN_PANIC,
  TEE_SCN_GET_PROPERTY,
  TEE_SCN_GET_PROPERTY_NAME_TO_INDEX,
  TEE_SCN_OPEN_TA_SESSION,
  TEE_SCN_CLOSE_TA_SESSION,
  TEE_SCN_INVOKE_TA_COMMAND,
  TEE_SCN_CHECK_ACCESS_RIGHTS,
  TEE_SCN_GET_CANCELLATION_FLAG,
  TEE_SCN_UNMASK_CANCELLATION,
  TEE_SCN_MASK_CANCELLATION,
  TEE_SCN_WAIT,
  TEE_SCN_GET_TIME,
  TEE_SCN_SET_TA_TIME,
  TEE_SCN_CRYP_STATE_ALLOC,
  TEE_SCN_CRYP_STATE_COPY,
  TEE_SCN_CRYP_STATE_FREE,
  TEE_SCN_HASH_INIT,
  TEE_SCN_HASH_UPDATE,
  TEE_SCN_HASH_FINAL,
  TEE_SCN_CIPHER_INIT,
  TEE_SCN_CIPHER_UPDATE,
  TEE_SCN_CIPHER_FINAL,
  TEE_SCN_CRYP_OBJ_GET_INFO,
  TEE_SCN_CRYP_OBJ_RESTRICT_USAGE,
  TEE_SCN_CRYP_OBJ_GET_ATTR,
  TEE_SCN_CRYP_OBJ_ALLOC,
  TEE_SCN_CRYP_OBJ_CLOSE,
  TEE_SCN_CRYP_OBJ_RESET,
  TEE_SCN_CRYP_OBJ_POPULATE,
  TEE_SCN_CRYP_OBJ_COPY,
  TEE_SCN_CRYP_DERIVE_KEY,
  TEE_SCN_CRYP_RANDOM_NUMBER_GENERATE,
  TEE_SCN_AUTHENC_INIT,
  TEE_SCN_AUTHENC_UPDATE_AAD,
  TEE_SCN_AUTHENC_UPDATE_PAYLOAD,
  TEE_SCN_AUTHENC_ENC_FINAL,
  TEE_SCN_AUTHENC_DEC_FINAL,
  TEE_SCN_ASYMM_OPERATE,
  TEE_SCN_ASYMM_VERIFY,
  TEE_SCN_STORAGE_OBJ_OPEN,
  TEE_SCN_STORAGE_OBJ_CREATE,
  TEE_SCN_STORAGE_OBJ_DEL,
  TEE_SCN_STORAGE_OBJ_RENAME,
  TEE_SCN_STORAGE_ENUM_ALLOC,
  TEE_SCN_STORAGE_ENUM_FREE,
  TEE_SCN_STORAGE_ENUM_RESET,
  TEE_SCN_STORAGE_ENUM_START,
  TEE_SCN_STORAGE_ENUM_NEXT,
  TEE_SCN_STORAGE_OBJ_READ,
  TEE_SCN_STORAGE_OBJ_WRITE,
  TEE_SCN_STORAGE_OBJ_TRUNC,
  TEE_SCN_STORAGE_OBJ_SEEK,
  TEE_SCN_CRYP_OBJ_GENERATE_KEY,
  TEE_SCN_SE_SERVICE_OPEN__DEPRECATED,
  TEE_SCN_SE_SERVICE_CLOSE__DEPRECATED,
  TEE_SCN_SE_SERVICE_GET_READERS__DEPRECATED,
  TEE_SCN_SE_READER_GET_PROP__DEPRECATED,
  TEE_SCN_SE_READER_GET_NAME__DEPRECATED,
  TEE_SCN_SE_READER_OPEN_SESSION__DEPRECATED,
  TEE_SCN_SE_READER_CLOSE_SESSIONS__DEPRECATED,
  TEE_SCN_SE_SESSION_IS_CLOSED__DEPRECATED,
  TEE_SCN_SE_SESSION_GET_ATR__DEPRECATED,
  TEE_SCN_SE_SESSION_OPEN_CHANNEL__DEPRECATED,
  TEE_SCN_SE_SESSION_CLOSE__DEPRECATED,
  TEE_SCN_SE_CHANNEL_SELECT_NEXT__DEPRECATED,
  TEE_SCN_SE_CHANNEL_GET_SELECT_RESP__DEPRECATED,
  TEE_SCN_SE_CHANNEL_TRANSMIT__DEPRECATED,
  TEE_SCN_SE_CHANNEL_CLOSE__DEPRECATED,
  TEE_SCN_CACHE_OPERATION,
} as const;

/** A syscall's number: what the door accepts. */
export type TeeScn = (typeof TEE_SCN)[keyof typeof TEE_SCN];

/** A syscall as data; `args.length` is its argument count. */
export interface SyscallInfo {
  readonly nr: TeeScn;
  /** libutee's name without `_utee_`. */
  readonly name: string;
  readonly args: readonly string[];
}

const call = (nr: TeeScn, name: string, ...args: string[]): SyscallInfo => ({ nr, name, args });

/**
 * The syscalls that exist, by number. Names and arguments as libutee declares them; `panic` has a
 * second argument that its wrapper adds, the address of the pushed frame record.
 * Source: utee_syscalls.h, utee_syscalls_asm.S, OP-TEE OS 4.10.
 */
export const UTEE_SYSCALLS: readonly SyscallInfo[] = [
  call(TEE_SCN_RETURN, 'return', 'ret'),
  call(TEE_SCN_LOG, 'log', 'buf', 'len'),
  call(TEE_SCN_PANIC, 'panic', 'code', 'stack'),
  call(
    TEE_SCN_GET_PROPERTY,
    'get_property',
    'prop_set',
    'index',
    'name',
    'name_len',
    'buf',
    'blen',
    'prop_type',
  ),
  call(
    TEE_SCN_GET_PROPERTY_NAME_TO_INDEX,
    'get_property_name_to_index',
    'prop_set',
    'name',
    'name_len',
    'index',
  ),
  call(
    TEE_SCN_OPEN_TA_SESSION,
    'open_ta_session',
    'dest',
    'cancel_req_to',
    'params',
    'sess',
    'ret_orig',
  ),
  call(TEE_SCN_CLOSE_TA_SESSION, 'close_ta_session', 'sess'),
  call(
    TEE_SCN_INVOKE_TA_COMMAND,
    'invoke_ta_command',
    'sess',
    'cancel_req_to',
    'cmd_id',
    'params',
    'ret_orig',
  ),
  call(TEE_SCN_CHECK_ACCESS_RIGHTS, 'check_access_rights', 'flags', 'buf', 'len'),
  call(TEE_SCN_GET_CANCELLATION_FLAG, 'get_cancellation_flag', 'cancel'),
  call(TEE_SCN_UNMASK_CANCELLATION, 'unmask_cancellation', 'old_mask'),
  call(TEE_SCN_MASK_CANCELLATION, 'mask_cancellation', 'old_mask'),
  call(TEE_SCN_WAIT, 'wait', 'timeout'),
  call(TEE_SCN_GET_TIME, 'get_time', 'cat', 'time'),
  call(TEE_SCN_SET_TA_TIME, 'set_ta_time', 'time'),
  call(TEE_SCN_CRYP_STATE_ALLOC, 'cryp_state_alloc', 'algo', 'op_mode', 'key1', 'key2', 'state'),
  call(TEE_SCN_CRYP_STATE_COPY, 'cryp_state_copy', 'dst', 'src'),
  call(TEE_SCN_CRYP_STATE_FREE, 'cryp_state_free', 'state'),
  call(TEE_SCN_HASH_INIT, 'hash_init', 'state', 'iv', 'iv_len'),
  call(TEE_SCN_HASH_UPDATE, 'hash_update', 'state', 'chunk', 'chunk_size'),
  call(TEE_SCN_HASH_FINAL, 'hash_final', 'state', 'chunk', 'chunk_size', 'hash', 'hash_len'),
  call(TEE_SCN_CIPHER_INIT, 'cipher_init', 'state', 'iv', 'iv_len'),
  call(TEE_SCN_CIPHER_UPDATE, 'cipher_update', 'state', 'src', 'src_len', 'dest', 'dest_len'),
  call(TEE_SCN_CIPHER_FINAL, 'cipher_final', 'state', 'src', 'src_len', 'dest', 'dest_len'),
  call(TEE_SCN_CRYP_OBJ_GET_INFO, 'cryp_obj_get_info', 'obj', 'info'),
  call(TEE_SCN_CRYP_OBJ_RESTRICT_USAGE, 'cryp_obj_restrict_usage', 'obj', 'usage'),
  call(TEE_SCN_CRYP_OBJ_GET_ATTR, 'cryp_obj_get_attr', 'obj', 'attr_id', 'buffer', 'size'),
  call(TEE_SCN_CRYP_OBJ_ALLOC, 'cryp_obj_alloc', 'type', 'max_size', 'obj'),
  call(TEE_SCN_CRYP_OBJ_CLOSE, 'cryp_obj_close', 'obj'),
  call(TEE_SCN_CRYP_OBJ_RESET, 'cryp_obj_reset', 'obj'),
  call(TEE_SCN_CRYP_OBJ_POPULATE, 'cryp_obj_populate', 'obj', 'attrs', 'attr_count'),
  call(TEE_SCN_CRYP_OBJ_COPY, 'cryp_obj_copy', 'dst_obj', 'src_obj'),
  call(TEE_SCN_CRYP_DERIVE_KEY, 'cryp_derive_key', 'state', 'params', 'param_count', 'derived_key'),
  call(TEE_SCN_CRYP_RANDOM_NUMBER_GENERATE, 'cryp_random_number_generate', 'buf', 'blen'),
  call(
    TEE_SCN_AUTHENC_INIT,
    'authenc_init',
    'state',
    'nonce',
    'nonce_len',
    'tag_len',
    'aad_len',
    'payload_len',
  ),
  call(TEE_SCN_AUTHENC_UPDATE_AAD, 'authenc_update_aad', 'state', 'aad_data', 'aad_data_len'),
  call(
    TEE_SCN_AUTHENC_UPDATE_PAYLOAD,
    'authenc_update_payload',
    'state',
    'src_data',
    'src_len',
    'dest_data',
    'dest_len',
  ),
  call(
    TEE_SCN_AUTHENC_ENC_FINAL,
    'authenc_enc_final',
    'state',
    'src_data',
    'src_len',
    'dest_data',
    'dest_len',
    'tag',
    'tag_len',
  ),
  call(
    TEE_SCN_AUTHENC_DEC_FINAL,
    'authenc_dec_final',
    'state',
    'src_data',
    'src_len',
    'dest_data',
    'dest_len',
    'tag',
    'tag_len',
  ),
  call(
    TEE_SCN_ASYMM_OPERATE,
    'asymm_operate',
    'state',
    'params',
    'num_params',
    'src_data',
    'src_len',
    'dest_data',
    'dest_len',
  ),
  call(
    TEE_SCN_ASYMM_VERIFY,
    'asymm_verify',
    'state',
    'params',
    'num_params',
    'data',
    'data_len',
    'sig',
    'sig_len',
  ),
  call(
    TEE_SCN_STORAGE_OBJ_OPEN,
    'storage_obj_open',
    'storage_id',
    'object_id',
    'object_id_len',
    'flags',
    'obj',
  ),
  call(
    TEE_SCN_STORAGE_OBJ_CREATE,
    'storage_obj_create',
    'storage_id',
    'object_id',
    'object_id_len',
    'flags',
    'attr',
    'data',
    'len',
    'obj',
  ),
  call(TEE_SCN_STORAGE_OBJ_DEL, 'storage_obj_del', 'obj'),
  call(TEE_SCN_STORAGE_OBJ_RENAME, 'storage_obj_rename', 'obj', 'new_obj_id', 'new_obj_id_len'),
  call(TEE_SCN_STORAGE_ENUM_ALLOC, 'storage_alloc_enum', 'obj_enum'),
  call(TEE_SCN_STORAGE_ENUM_FREE, 'storage_free_enum', 'obj_enum'),
  call(TEE_SCN_STORAGE_ENUM_RESET, 'storage_reset_enum', 'obj_enum'),
  call(TEE_SCN_STORAGE_ENUM_START, 'storage_start_enum', 'obj_enum', 'storage_id'),
  call(TEE_SCN_STORAGE_ENUM_NEXT, 'storage_next_enum', 'obj_enum', 'info', 'obj_id', 'len'),
  call(TEE_SCN_STORAGE_OBJ_READ, 'storage_obj_read', 'obj', 'data', 'len', 'count'),
  call(TEE_SCN_STORAGE_OBJ_WRITE, 'storage_obj_write', 'obj', 'data', 'len'),
  call(TEE_SCN_STORAGE_OBJ_TRUNC, 'storage_obj_trunc', 'obj', 'len'),
  call(TEE_SCN_STORAGE_OBJ_SEEK, 'storage_obj_seek', 'obj', 'offset', 'whence'),
  call(
    TEE_SCN_CRYP_OBJ_GENERATE_KEY,
    'cryp_obj_generate_key',
    'obj',
    'key_size',
    'params',
    'param_count',
  ),
  call(TEE_SCN_CACHE_OPERATION, 'cache_operation', 'va', 'l', 'op'),
];

/* Source: lib/libutee/include/utee_types.h, OP-TEE OS 4.10. */
export const UTEE_TIME_CAT_SYSTEM = 0;
export const UTEE_TIME_CAT_TA_PERSISTENT = 1;
export const UTEE_TIME_CAT_REE = 2;

/** Clocks of GET_TIME. */
export const UTEE_TIME_CAT = {
  UTEE_TIME_CAT_SYSTEM,
  UTEE_TIME_CAT_TA_PERSISTENT,
  UTEE_TIME_CAT_REE,
} as const;

/* Source: lib/libutee/include/utee_types.h, OP-TEE OS 4.10. */
export const UTEE_ENTRY_FUNC_OPEN_SESSION = 0;
export const UTEE_ENTRY_FUNC_CLOSE_SESSION = 1;
export const UTEE_ENTRY_FUNC_INVOKE_COMMAND = 2;
export const UTEE_ENTRY_FUNC_DUMP_MEMSTATS = 3;

/** First argument of a TA's entry. */
export const UTEE_ENTRY_FUNC = {
  UTEE_ENTRY_FUNC_OPEN_SESSION,
  UTEE_ENTRY_FUNC_CLOSE_SESSION,
  UTEE_ENTRY_FUNC_INVOKE_COMMAND,
  UTEE_ENTRY_FUNC_DUMP_MEMSTATS,
} as const;

/* Source: lib/libutee/include/utee_types.h, OP-TEE OS 4.10. */
export const TEE_CACHECLEAN = 0;
export const TEE_CACHEFLUSH = 1;
export const TEE_CACHEINVALIDATE = 2;

/** Operations of CACHE_OPERATION. */
export const UTEE_CACHE_OPERATION = {
  TEE_CACHECLEAN,
  TEE_CACHEFLUSH,
  TEE_CACHEINVALIDATE,
} as const;

/* Structs. Source: lib/libutee/include/utee_types.h, OP-TEE OS 4.10. */
/** Parameters of an entry or a TA-to-TA call: packed types and a pair of u64 each. */
export const UteeParams = struct('utee_params', 72, {
  types: u64(0),
  val0: u64(8, 'vals[0]'),
  val1: u64(16, 'vals[1]'),
  val2: u64(24, 'vals[2]'),
  val3: u64(32, 'vals[3]'),
  val4: u64(40, 'vals[4]'),
  val5: u64(48, 'vals[5]'),
  val6: u64(56, 'vals[6]'),
  val7: u64(64, 'vals[7]'),
});

/** The pairs of `UteeParams` by parameter: value a and b, or a memref's address and size. */
export const UTEE_PARAM_PAIRS: readonly (readonly [U64Field, U64Field])[] = [
  [UteeParams.val0, UteeParams.val1],
  [UteeParams.val2, UteeParams.val3],
  [UteeParams.val4, UteeParams.val5],
  [UteeParams.val6, UteeParams.val7],
];

/** One attribute: a and b are values, or address and length. */
export const UteeAttribute = struct('utee_attribute', 24, {
  a: u64(0),
  b: u64(8),
  attributeId: u32(16),
  pad: pad(20, 4),
});

export const UteeObjectInfo = struct('utee_object_info', 28, {
  objType: u32(0),
  objSize: u32(4),
  maxObjSize: u32(8),
  objUsage: u32(12),
  dataSize: u32(16),
  dataPos: u32(20),
  handleFlags: u32(24),
});

/* Source: lib/libutee/include/tee_api_types.h, OP-TEE OS 4.10. */
export const TeeTime = struct('TEE_Time', 8, { seconds: u32(0), millis: u32(4) }, 'TEE_Time');

/** Client identity: value of `gpd.client.identity`. The UUID is a TEE_UUID. */
export const TeeIdentity = struct(
  'TEE_Identity',
  20,
  { login: u32(0), uuid: bytes(4, 16) },
  'TEE_Identity',
);
