/** `teebox explain CODE`: what a result, an errno, an ioctl or an SMC number means. */
import { ERRNO, KERNEL_ERRNO, errnoMeaning, errnoName } from '../../abi/errno.ts';
import { TEE_ERROR, TEE_ORIGIN } from '../../abi/gp.ts';
import { hex32, nameOf } from '../../abi/layout.ts';
import { OPTEE_SMC_CALLS, OPTEE_SMC_RPC_FUNC } from '../../abi/optee-smc.ts';
import { TEE_IOCTLS } from '../../abi/tee.ts';
import { EXIT, UsageError, printLine } from '../command.ts';
import type { Command } from '../command.ts';
import { ERRNO_CAUSES, RESULT_EXPLANATIONS } from '../explanations.ts';

const ORIGINS: Readonly<Record<number, string>> = {
  1: 'the client library itself',
  2: 'the kernel driver, or the way to it',
  3: 'OP-TEE, before or instead of the TA',
  4: "the TA's own code",
};

export const explain: Command = {
  usage: 'teebox explain CODE [ORIGIN]   CODE: 0xffff000c, TEE_ERROR_BUSY, -22, EINVAL, 0x8010a403',
  async run(args) {
    const [code, origin, ...more] = args;
    if (code === undefined) throw new UsageError('which code? teebox explain 0xffff000c');
    if (more.length > 0) throw new UsageError('one code, and one origin');
    const lines = explanationsOf(code);
    if (lines.length === 0) throw new UsageError(`no code ${code} is known`);
    const from = origin === undefined ? [] : [originText(origin)];
    for (const line of [...lines, ...from]) printLine(line);
    return EXIT.pass;
  },
};

function originText(text: string): string {
  const meaning = ORIGINS[integerOf(text) ?? 0];
  if (meaning === undefined) {
    throw new UsageError(`no origin ${text}: ${Object.keys(ORIGINS).join(', ')}`);
  }
  return `origin ${nameOf(TEE_ORIGIN, Number(text)) ?? ''} (${text}): ${meaning}`;
}

/** Everything that a code can be: a small number is an errno, a large one a result or a command. */
function explanationsOf(text: string): string[] {
  const value = numberOf(text);
  if (value === undefined) return [];
  const unsigned = value < 0 ? value + 2 ** 32 : value;
  const lines: string[] = [];
  if (Math.abs(value) < 600 && value !== 0) lines.push(...errno(Math.abs(value)));
  if (unsigned > 600 || value === 0) lines.push(...result(unsigned), ...commands(unsigned));
  return lines;
}

function numberOf(text: string): number | undefined {
  const tables: readonly Readonly<Record<string, number>>[] = [
    TEE_ERROR,
    ERRNO,
    KERNEL_ERRNO,
    TEE_IOCTLS,
    OPTEE_SMC_CALLS,
    OPTEE_SMC_RPC_FUNC,
  ];
  const name = text.replace(/^-?(?=E[A-Z])/, '').replace(/^TEEC_(?=ERROR|SUCCESS)/, 'TEE_');
  for (const table of tables) if (Object.hasOwn(table, name)) return table[name];
  return integerOf(text);
}

const integerOf = (text: string): number | undefined =>
  /^(-?\d+|0x[0-9a-f]+)$/i.test(text) ? Number(text) : undefined;

function errno(value: number): string[] {
  const name = errnoName(value);
  if (name === undefined) return [];
  const causes = (ERRNO_CAUSES[name] ?? []).map((cause) => `  - ${cause}`);
  return [`${name} (${value}): ${errnoMeaning(value) ?? ''}`, ...causes];
}

function result(value: number): string[] {
  const name = nameOf(TEE_ERROR, value);
  if (name === undefined) return [];
  const explanation = RESULT_EXPLANATIONS[name];
  const causes = (explanation?.causes ?? []).map((cause) => `  - ${cause}`);
  return [
    `${name} (${hex32(value)}): ${explanation?.meaning ?? 'no more is known of it'}`,
    ...causes,
  ];
}

function commands(value: number): string[] {
  const ioctl = nameOf(TEE_IOCTLS, value);
  const smc = nameOf(OPTEE_SMC_CALLS, value);
  return [
    ...(ioctl === undefined ? [] : [`${ioctl} (${hex32(value)}): an ioctl of /dev/teeN`]),
    ...(smc === undefined ? [] : [`${smc} (${hex32(value)}): an SMC function of OP-TEE`]),
  ];
}
