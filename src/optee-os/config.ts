/**
 * The build-time configuration of OP-TEE OS as a value: options keep their CFG_ names, defaults are
 * upstream's, and `KEY=VALUE` assignments are parsed and checked here.
 *
 * Upstream counterpart: optee_os mk/config.mk and core/arch/arm/plat-vexpress/conf.mk (4.10).
 * Left out: every option that changes nothing in this model; naming one is an error that says so.
 */

export interface OpteeOsConfig {
  readonly CFG_NUM_THREADS: number;
  readonly CFG_CORE_HEAP_SIZE: number;
  readonly CFG_CORE_MAX_SYSCALL_RECURSION: number;
  readonly CFG_CONCURRENT_SINGLE_INSTANCE_TA: boolean;
  readonly CFG_CORE_DYN_SHM: boolean;
  readonly CFG_CORE_RESERVED_SHM: boolean;
  readonly CFG_PREALLOC_RPC_CACHE: boolean;
  readonly CFG_CORE_ASYNC_NOTIF: boolean;
  readonly CFG_RPMB_ANNOUNCE_PROBE_CAP: boolean;
  readonly CFG_REE_FS: boolean;
  readonly CFG_REE_FS_ALLOW_RESET: boolean;
  readonly CFG_REE_FS_HTREE_HASH_SIZE_COMPAT: boolean;
  readonly CFG_RPMB_FS: boolean;
  readonly CFG_REE_FS_INTEGRITY_RPMB: boolean;
  readonly CFG_RPMB_FS_DEV_ID: number;
  readonly CFG_RPMB_FS_RD_ENTRIES: number;
  readonly CFG_RPMB_FS_CACHE_ENTRIES: number;
  readonly CFG_RPMB_RESET_FAT: boolean;
  readonly CFG_RPMB_TESTKEY: boolean;
  readonly CFG_RPMB_WRITE_KEY: boolean;
  readonly CFG_TA_VERSION_DB_RPMB: boolean;
  readonly CFG_SECSTOR_TA: boolean;
  readonly CFG_SECSTOR_TA_MGMT_PTA: boolean;
  readonly CFG_REE_FS_TA: boolean;
  readonly CFG_DEVICE_ENUM_PTA: boolean;
  readonly CFG_SYSTEM_PTA: boolean;
  readonly CFG_GP_SOCKETS: boolean;
  readonly CFG_HWRNG_PTA: boolean;
  readonly CFG_HWRNG_RATE: number;
  readonly CFG_HWRNG_QUALITY: number;
  readonly CFG_WITH_STATS: boolean;
  readonly CFG_ATTESTATION_PTA: boolean;
  readonly CFG_ATTESTATION_PTA_KEY_SIZE: number;
  readonly CFG_TEE_CORE_EMBED_INTERNAL_TESTS: boolean;
  readonly CFG_INSECURE: boolean;
  readonly CFG_TEE_CORE_DEBUG: boolean;
  readonly CFG_TEE_CORE_LOG_LEVEL: number;
  readonly CFG_TEE_TA_LOG_LEVEL: number;
  readonly CFG_TEE_CORE_TA_TRACE: boolean;
  readonly CFG_MSG_LONG_PREFIX_MASK: number;
  readonly CFG_OPTEE_REVISION_MAJOR: number;
  readonly CFG_OPTEE_REVISION_MINOR: number;
  readonly CFG_TEE_API_VERSION: string;
  readonly CFG_TEE_IMPL_DESCR: string;
  readonly CFG_TEE_MANUFACTURER: string;
  readonly CFG_TEE_FW_IMPL_VERSION: string;
  readonly CFG_TEE_FW_MANUFACTURER: string;
}

export type ConfigName = keyof OpteeOsConfig;

/** What an option is: its default, its meaning, and the range of a number. */
export interface ConfigRow<T> {
  readonly default: T;
  readonly meaning: string;
  readonly min?: number;
  readonly max?: number;
}

export type ConfigTable = { readonly [K in ConfigName]: ConfigRow<OpteeOsConfig[K]> };

export const CONFIG_TABLE: ConfigTable = {
  CFG_NUM_THREADS: {
    default: 2,
    meaning: 'secure threads, that is, yielding calls at a time',
    min: 1,
    max: 32767,
  },
  CFG_CORE_HEAP_SIZE: {
    default: 65536,
    meaning: 'bytes of the core heap: sessions, contexts, page lists of registered memory',
    min: 4096,
    max: 0x7fffffff,
  },
  CFG_CORE_MAX_SYSCALL_RECURSION: {
    default: 4,
    meaning: 'user TAs entered one from another on one thread',
    min: 1,
    max: 255,
  },
  CFG_CONCURRENT_SINGLE_INSTANCE_TA: {
    default: false,
    meaning: 'several single-instance TAs may run at a time: no global lock, deadlocks possible',
  },
  CFG_CORE_DYN_SHM: { default: true, meaning: 'shared memory anywhere in non-secure memory' },
  CFG_CORE_RESERVED_SHM: { default: true, meaning: 'shared memory in a carved-out region' },
  CFG_PREALLOC_RPC_CACHE: {
    default: true,
    meaning: 'each thread may keep its RPC message buffer between calls',
  },
  CFG_CORE_ASYNC_NOTIF: { default: false, meaning: 'asynchronous notifications by an interrupt' },
  CFG_RPMB_ANNOUNCE_PROBE_CAP: {
    default: true,
    meaning: 'announce that RPMB frames may be routed by the kernel',
  },
  CFG_REE_FS: { default: true, meaning: 'secure storage in files of the normal world' },
  CFG_REE_FS_ALLOW_RESET: {
    default: false,
    meaning:
      'secure storage whose directory is gone begins anew, though it is known to have existed',
  },
  CFG_REE_FS_HTREE_HASH_SIZE_COMPAT: {
    default: true,
    meaning: 'a file head authenticates half of the root hash, as files always did',
  },
  CFG_RPMB_FS: { default: false, meaning: 'secure storage in an RPMB partition' },
  CFG_REE_FS_INTEGRITY_RPMB: {
    default: true,
    meaning: 'with CFG_RPMB_FS, files of the normal world cannot be rolled back: RPMB has a hash',
  },
  CFG_RPMB_FS_DEV_ID: {
    default: 0,
    meaning: 'number of the eMMC that tee-supplicant is asked for',
    min: 0,
    max: 0xffff,
  },
  CFG_RPMB_FS_RD_ENTRIES: {
    default: 8,
    meaning: 'entries of the RPMB file table that are read at once',
    min: 1,
    max: 1024,
  },
  CFG_RPMB_FS_CACHE_ENTRIES: {
    default: 0,
    meaning: 'entries of the RPMB file table that are kept in memory',
    min: 0,
    max: 1024,
  },
  CFG_RPMB_RESET_FAT: { default: false, meaning: 'clear the RPMB partition after each boot' },
  CFG_RPMB_TESTKEY: { default: false, meaning: 'the public test key instead of a derived one' },
  CFG_RPMB_WRITE_KEY: {
    default: false,
    meaning: 'program the key of a new RPMB partition, which tee-supplicant sees then',
  },
  CFG_TA_VERSION_DB_RPMB: {
    default: false,
    meaning: 'with CFG_RPMB_FS, the lowest versions of TAs are remembered in RPMB',
  },
  CFG_SECSTOR_TA: { default: true, meaning: 'with CFG_REE_FS, load TAs from secure storage' },
  CFG_SECSTOR_TA_MGMT_PTA: {
    default: true,
    meaning: 'with CFG_SECSTOR_TA, pseudo TA that installs TAs in secure storage',
  },
  CFG_REE_FS_TA: { default: true, meaning: 'load TAs through tee-supplicant' },
  CFG_DEVICE_ENUM_PTA: { default: true, meaning: 'pseudo TA that lists TAs for the TEE bus' },
  CFG_SYSTEM_PTA: { default: true, meaning: 'pseudo TA with services for TAs' },
  CFG_GP_SOCKETS: { default: true, meaning: 'pseudo TA behind the sockets of TAs' },
  CFG_HWRNG_PTA: { default: false, meaning: 'pseudo TA with random numbers for Linux' },
  CFG_HWRNG_RATE: {
    default: 0,
    meaning: 'bytes of entropy a second that the random number PTA claims, 0 for any',
    min: 0,
    max: 0xffffffff,
  },
  CFG_HWRNG_QUALITY: {
    default: 1024,
    meaning: 'bits of entropy per 1024 bits that the random number PTA claims',
    min: 0,
    max: 1024,
  },
  CFG_WITH_STATS: { default: false, meaning: 'pseudo TA that reports memory and time' },
  CFG_ATTESTATION_PTA: { default: false, meaning: 'pseudo TA that signs measurements' },
  CFG_ATTESTATION_PTA_KEY_SIZE: {
    default: 3072,
    meaning: 'bits of the RSA key that measurements are signed with',
    min: 528,
    max: 4096,
  },
  CFG_TEE_CORE_EMBED_INTERNAL_TESTS: {
    default: false,
    meaning: 'pseudo TA with self tests of the core, which xtest calls',
  },
  CFG_INSECURE: {
    default: true,
    meaning:
      'a platform without a monotonic counter may use secure storage, which can be rolled back',
  },
  CFG_TEE_CORE_DEBUG: {
    default: true,
    meaning:
      'assertions of secure storage and of SM4-XTS are checked, one of them with requests of its own',
  },
  CFG_TEE_CORE_LOG_LEVEL: {
    default: 2,
    meaning: '0 none, 1 error, 2 info, 3 debug, 4 flow; 0 silences TAs too',
    min: 0,
    max: 4,
  },
  CFG_TEE_TA_LOG_LEVEL: { default: 1, meaning: 'the same for TAs', min: 0, max: 4 },
  CFG_TEE_CORE_TA_TRACE: { default: true, meaning: 'TA messages and panic reports are printed' },
  CFG_MSG_LONG_PREFIX_MASK: {
    default: 0x1a,
    meaning: 'levels whose messages show CPU, thread and function (bit = level)',
    min: 0,
    max: 0x1f,
  },
  CFG_OPTEE_REVISION_MAJOR: { default: 4, meaning: 'a0 of GET_OS_REVISION', min: 0, max: 0xffff },
  CFG_OPTEE_REVISION_MINOR: { default: 10, meaning: 'a1 of GET_OS_REVISION', min: 0, max: 0xffff },
  CFG_TEE_API_VERSION: { default: 'GPD-1.1-dev', meaning: 'gpd.tee.apiversion' },
  CFG_TEE_IMPL_DESCR: { default: 'OPTEE', meaning: 'gpd.tee.description' },
  CFG_TEE_MANUFACTURER: { default: 'LINARO', meaning: 'gpd.tee.trustedos.manufacturer' },
  CFG_TEE_FW_IMPL_VERSION: {
    default: 'FW_IMPL_UNDEF',
    meaning: 'gpd.tee.firmware.implementation.version',
  },
  CFG_TEE_FW_MANUFACTURER: { default: 'FW_MAN_UNDEF', meaning: 'gpd.tee.firmware.manufacturer' },
};

/** What the emulated Armv8 board overrides (plat-vexpress, flavor qemu_armv8a). */
export const QEMU_ARMV8A: Partial<OpteeOsConfig> = {
  CFG_CORE_HEAP_SIZE: 196608,
  CFG_CORE_ASYNC_NOTIF: true,
  CFG_WITH_STATS: true,
};

/** An assignment that cannot be taken; the message names the option and what it accepts. */
export class ConfigError extends Error {
  constructor(text: string) {
    super(text);
    this.name = 'ConfigError';
  }
}

const NAMES = Object.keys(CONFIG_TABLE) as readonly ConfigName[];

const defaults = (): OpteeOsConfig =>
  Object.fromEntries(
    NAMES.map((name) => [name, CONFIG_TABLE[name].default]),
  ) as unknown as OpteeOsConfig;

/** Upstream's defaults. */
export const DEFAULT_CONFIG: OpteeOsConfig = Object.freeze(defaults());

/**
 * Parses `CFG_NUM_THREADS=4`, `CFG_WITH_STATS=y`.
 * @throws ConfigError for an unknown name, a value of another type, a number out of range
 */
export function parseConfig(assignment: string): Partial<OpteeOsConfig> {
  const at = assignment.indexOf('=');
  if (at < 0) throw new ConfigError(`${assignment}: expected CFG_NAME=VALUE`);
  const name = assignment.slice(0, at);
  const text = assignment.slice(at + 1);
  if (!isConfigName(name)) throw new ConfigError(unknown(name));
  return { [name]: parseValue(name, text) };
}

/** Defaults, then each of `overrides` over those before it. @throws ConfigError */
export function makeConfig(...overrides: readonly Partial<OpteeOsConfig>[]): OpteeOsConfig {
  const config: OpteeOsConfig = Object.assign({}, DEFAULT_CONFIG, ...overrides);
  for (const name of NAMES) checkRange(name, config[name]);
  return Object.freeze(config);
}

function isConfigName(name: string): name is ConfigName {
  return Object.hasOwn(CONFIG_TABLE, name);
}

function unknown(name: string): string {
  return `${name}: no option that this model reads. It reads: ${NAMES.join(' ')}`;
}

function parseValue(name: ConfigName, text: string): boolean | number | string {
  const kind = typeof CONFIG_TABLE[name].default;
  if (kind === 'string') return text;
  if (kind === 'boolean') {
    if (text === 'y' || text === 'n') return text === 'y';
    throw new ConfigError(`${name}=${text}: expected y or n`);
  }
  const value = /^(0x[0-9a-f]+|[0-9]+)$/i.test(text) ? Number(text) : Number.NaN;
  checkRange(name, value, text);
  return value;
}

/** @param text how it was given, for the message. */
function checkRange(
  name: ConfigName,
  value: boolean | number | string,
  text = String(value),
): void {
  if (typeof value !== 'number') return;
  const { min = 0, max = Number.MAX_SAFE_INTEGER } = CONFIG_TABLE[name];
  if (!Number.isInteger(value) || value < min || value > max) {
    throw new ConfigError(`${name}=${text}: expected a whole number from ${min} to ${max}`);
  }
}
