/** Options that several subcommands share: what a box is made of. */
import { RPMB_SIZE_SINGLE } from '../abi/optee-rpc.ts';
import { parseConfig } from '../optee-os/config.ts';
import type { OpteeOsConfig } from '../optee-os/config.ts';
import { PROFILES, isProfileName } from '../box/profiles.ts';
import type { NetChoice } from '../box/box.ts';
import type { ProfileName } from '../box/profiles.ts';
import { KERNEL_CLIENTS, parseKernelClient } from '../linux/clients/modules.ts';
import type { KernelClient } from '../linux/clients/modules.ts';
import { MOST_SIZE_MULT } from '../machine/emulated-rpmb.ts';
import { SHM_MODES } from '../native/shm-mode.ts';
import type { ShmMode } from '../native/shm-mode.ts';
import { TRACE_LEVELS } from '../trace/events.ts';
import type { TraceLevel } from '../trace/events.ts';
import { parseArguments, wholeNumberOf } from './arguments.ts';
import { UsageError } from './command.ts';
import type { RpmbShape } from './rpmb-emmc.ts';
import { MEMORY_USAGE, cmaOf, swapOf } from './memory-options.ts';

export interface BoxCliOptions {
  readonly tas: readonly string[];
  /** `builtin`, `none`, or a command line. */
  readonly supplicant: string;
  /** Modules of the built-in supplicant. */
  readonly plugins: readonly string[];
  /** What sockets of TAs reach through the built-in supplicant. */
  readonly net: NetChoice;
  readonly state: string | undefined;
  /** An eMMC that the board has, beyond the one that the state keeps. */
  readonly rpmb: RpmbShape | undefined;
  readonly profile: ProfileName;
  readonly config: Partial<OpteeOsConfig>;
  readonly kernelClients: readonly KernelClient[];
  readonly trace: TraceLevel;
  readonly traceOut: string | undefined;
  readonly quiet: boolean;
  readonly json: boolean;
  readonly ramMib: number;
  /** How registered memory of programs is shared. */
  readonly shm: ShmMode;
  /** Sizes of the CMA areas, bytes; the first is the default one. */
  readonly cmaBytes: readonly number[];
  readonly swapBytes: number;
  readonly taTimeoutMs: number;
}

export const BOX_USAGE = [
  '  --ta DIR-OR-FILE          a TA module (.ts, .js), a .ta file, or a directory of them; repeatable',
  '  --supplicant WHICH        builtin (default), none, or a command line in quotes',
  '  --plugin FILE             a plugin (.ts, .js) of the builtin supplicant; repeatable',
  '  --net WHICH               what sockets of TAs reach: host (default), none',
  '  --state DIR               keeps /var/lib/tee (secure storage) and an eMMC from run to run',
  '  --rpmb KIB                an eMMC with RPMB of 128 to 16384 KiB, for -c CFG_RPMB_FS=y',
  '  --rpmb-cid HEX            its CID, 32 digits; that of the emulated one by default',
  `  --profile NAME            ${Object.keys(PROFILES).join(', ')}`,
  '  -c CFG_X=y                an OP-TEE build option; repeatable',
  `  --kernel-client MODULE    ${KERNEL_CLIENTS.join(', ')}; parameters in quotes; repeatable`,
  `  --trace LEVEL             ${TRACE_LEVELS.join(', ')}: events as lines on stderr`,
  '  --trace-out FILE          events to a file: .pftrace Perfetto, .strace ioctls, else lines',
  '  --ram MIB                 RAM of the box, 512 by default',
  ...MEMORY_USAGE,
  '  --shm MODE                how registered memory is shared: copy (default), inplace',
  '  --ta-timeout SECONDS      a TA that never leaves the CPU ends the box (124); 10 by default',
  '  -q                        no report and no log lines',
  '  --json                    the report as JSON',
].join('\n');

/** What the board keeps for the secure world and shared memory leaves little of the first 32. */
const LEAST_RAM_MIB = 32;
/** A box's RAM is one WebAssembly memory. */
const MOST_RAM_MIB = 4096;

const OPTIONS = {
  ta: { type: 'string', multiple: true },
  supplicant: { type: 'string' },
  plugin: { type: 'string', multiple: true },
  net: { type: 'string' },
  state: { type: 'string' },
  rpmb: { type: 'string' },
  'rpmb-cid': { type: 'string' },
  profile: { type: 'string' },
  c: { type: 'string', short: 'c', multiple: true },
  'kernel-client': { type: 'string', multiple: true },
  trace: { type: 'string' },
  'trace-out': { type: 'string' },
  ram: { type: 'string' },
  shm: { type: 'string' },
  cma: { type: 'string' },
  swap: { type: 'string' },
  'ta-timeout': { type: 'string' },
  quiet: { type: 'boolean', short: 'q' },
  json: { type: 'boolean' },
  socket: { type: 'string' },
} as const;

/** Options whose value is a path, which is never empty. */
const PATHS = ['ta', 'plugin', 'state', 'trace-out', 'socket'] as const;

/** Options of a subcommand that runs a program on a box of its own. */
export function parseProgramOptions(
  command: string,
  args: readonly string[],
): { options: BoxCliOptions; program: readonly string[] } {
  const { options, program, socket } = parseBoxOptions(args);
  if (socket !== undefined) throw new UsageError('--socket is for serve and exec');
  if (program.length === 0) {
    throw new UsageError(`which program? teebox ${command} … -- PROGRAM ARGS`);
  }
  return { options, program };
}

/** Parses everything before `--`; what follows is the program. */
export function parseBoxOptions(args: readonly string[]): {
  options: BoxCliOptions;
  program: readonly string[];
  socket: string | undefined;
  /** Names of the options that there were. */
  given: readonly string[];
} {
  const split = args.indexOf('--');
  const own = split < 0 ? args : args.slice(0, split);
  const { values, positionals } = parseArguments({
    args: [...own],
    options: OPTIONS,
    allowPositionals: true,
  });
  if (positionals.length > 0) {
    throw new UsageError(`unexpected ${positionals[0]}: write -- before the program`);
  }
  for (const name of PATHS) {
    if ([values[name]].flat().includes('')) throw new UsageError(`--${name}: a path is needed`);
  }
  const profile = values.profile ?? 'linux-7.3';
  if (!isProfileName(profile)) {
    throw new UsageError(`no profile ${profile}: ${Object.keys(PROFILES).join(', ')}`);
  }
  const ramMib = ramOf(values.ram);
  return {
    options: {
      tas: values.ta ?? [],
      supplicant: supplicantOf(values.supplicant),
      plugins: values.plugin ?? [],
      net: netOf(values.net),
      state: values.state,
      rpmb: rpmbOf(values.rpmb, values['rpmb-cid'], profile),
      profile,
      config: Object.assign({}, ...(values.c ?? []).map((text) => configOf(text))),
      kernelClients: (values['kernel-client'] ?? []).map((text) => clientOf(text)),
      trace: levelOf(values.trace),
      traceOut: values['trace-out'],
      quiet: values.quiet ?? false,
      json: values.json ?? false,
      ramMib,
      cmaBytes: cmaOf(values.cma, ramMib, LEAST_RAM_MIB),
      swapBytes: swapOf(values.swap),
      shm: shmOf(values.shm),
      taTimeoutMs: 1000 * secondsOf('--ta-timeout', values['ta-timeout'] ?? '10'),
    },
    program: split < 0 ? [] : args.slice(split + 1),
    socket: values.socket,
    given: Object.keys(values),
  };
}

/** @param taken options that are of use to whoever has no box of its own. @throws UsageError */
export function refuseBoxOptions(given: readonly string[], ...taken: readonly string[]): void {
  const more = given.find((name) => !taken.includes(name));
  if (more === undefined) return;
  const dashes = more.length === 1 ? '-' : '--';
  throw new UsageError(`${dashes}${more}: the box is that of teebox serve, which takes it`);
}

function configOf(text: string): Partial<OpteeOsConfig> {
  try {
    return parseConfig(text);
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function clientOf(text: string): KernelClient {
  try {
    parseKernelClient(text);
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
  return text as KernelClient;
}

function levelOf(text: string | undefined): TraceLevel {
  const level = TRACE_LEVELS.find((name) => name === (text ?? 'off'));
  if (level === undefined)
    throw new UsageError(`no trace level ${text}: ${TRACE_LEVELS.join(', ')}`);
  return level;
}

function supplicantOf(text = 'builtin'): string {
  if (text.trim() !== '') return text;
  throw new UsageError('--supplicant: builtin, none, or a command line');
}

function netOf(text = 'host'): NetChoice {
  if (text === 'host' || text === 'none') return text;
  throw new UsageError(`no network ${text}: host, none`);
}

/** KiB of a unit in which eMMCs have such partitions. */
const RPMB_UNIT_KIB = RPMB_SIZE_SINGLE / 1024;

function rpmbOf(
  size: string | undefined,
  cid: string | undefined,
  profile: ProfileName,
): RpmbShape | undefined {
  if (size === undefined && cid === undefined) return undefined;
  if (size === undefined) throw new UsageError('--rpmb-cid is of the device that --rpmb makes');
  const sizeMult = (wholeNumberOf(size) ?? 0) / RPMB_UNIT_KIB;
  if (!(Number.isInteger(sizeMult) && sizeMult >= 1 && sizeMult <= MOST_SIZE_MULT)) {
    const most = RPMB_UNIT_KIB * MOST_SIZE_MULT;
    throw new UsageError(`--rpmb ${size}: KiB, a multiple of ${RPMB_UNIT_KIB} up to ${most}`);
  }
  if (!PROFILES[profile].optee.rpmbRouting) {
    throw new UsageError(`--rpmb: the kernel of ${profile} has no class of RPMB devices`);
  }
  if (cid !== undefined && !/^[0-9a-f]{32}$/i.test(cid)) {
    throw new UsageError(`--rpmb-cid ${cid}: 32 hex digits`);
  }
  return { sizeMult, cid: cid === undefined ? undefined : Buffer.from(cid, 'hex') };
}

function shmOf(text = 'copy'): ShmMode {
  const mode = SHM_MODES.find((name) => name === text);
  if (mode === undefined) throw new UsageError(`no --shm ${text}: ${SHM_MODES.join(', ')}`);
  return mode;
}

function ramOf(text = '512'): number {
  const mib = wholeNumberOf(text) ?? 0;
  if (mib >= LEAST_RAM_MIB && mib <= MOST_RAM_MIB) return mib;
  throw new UsageError(`--ram ${text}: whole MiB from ${LEAST_RAM_MIB} to ${MOST_RAM_MIB}`);
}

function secondsOf(name: string, text: string): number {
  const number = Number(text);
  if (/^\d*\.?\d*$/.test(text) && number > 0 && Number.isFinite(number)) return number;
  throw new UsageError(`${name} ${text}: a number above 0 is needed`);
}
