/**
 * The registers of a stopped thread: where a system call's number, arguments and result are. x86-64
 * is what the tests run on; arm64 is by its headers. Source: arch/x86/include/asm/user_64.h,
 * arch/arm64/include/uapi/asm/ptrace.h.
 */
import type { HostArch } from './arch.ts';

/** Offsets in the register set NT_PRSTATUS. */
export interface RegisterLayout {
  readonly byteLength: number;
  readonly number: number;
  readonly args: readonly number[];
  readonly result: number;
  readonly pc: number;
  /** The instruction that makes a system call. */
  readonly instruction: readonly number[];
  /**
   * Number of the call that the thread is in, by which the kernel begins it anew when it was
   * interrupted; below 0 for none. Undefined where that is done before the stop.
   */
  readonly original: number | undefined;
}

const X86_64: RegisterLayout = {
  byteLength: 27 * 8,
  number: 80,
  args: [112, 104, 96, 56, 72, 64],
  result: 80,
  pc: 128,
  instruction: [0x0f, 0x05],
  original: 120,
};

const ARM64: RegisterLayout = {
  byteLength: 34 * 8,
  number: 64,
  args: [0, 8, 16, 24, 32, 40],
  result: 0,
  pc: 256,
  instruction: [0x01, 0x00, 0x00, 0xd4],
  original: undefined,
};

export const REGISTER_LAYOUTS: Readonly<Record<HostArch['name'], RegisterLayout>> = {
  'x86-64': X86_64,
  arm64: ARM64,
};

const NO_CALL = -1n;

const getReg = (registers: DataView, at: number): number =>
  Number(registers.getBigUint64(at, true));

/** Where the thread goes on. */
export const pcOf = (registers: DataView, { pc }: RegisterLayout): number => getReg(registers, pc);

export const resultOf = (registers: DataView, { result }: RegisterLayout): number =>
  Number(registers.getBigInt64(result, true));

/** The registers of a thread that is about to make a call. */
export function prepareCall(
  registers: DataView,
  layout: RegisterLayout,
  at: number,
  call: readonly number[],
): void {
  const [nr = 0, ...args] = call;
  registers.setBigUint64(layout.number, BigInt(nr), true);
  layout.args.forEach((offset, i) => registers.setBigInt64(offset, BigInt(args[i] ?? 0), true));
  registers.setBigUint64(layout.pc, BigInt(at), true);
  if (layout.original !== undefined) registers.setBigInt64(layout.original, NO_CALL, true);
}
