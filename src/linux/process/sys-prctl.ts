/**
 * prctl(): what a thread asks for itself. Known is the tagged address ABI of arm64: a thread that has
 * turned it on may give the kernel pointers with a tag in their top byte.
 *
 * Upstream counterparts: kernel/sys.c, arch/arm64/kernel/process.c (set_tagged_addr_ctrl), Documentation/
 * arm64/tagged-address-abi.rst. Left out: MTE, which the boards' CPUs do not have, so that its flags
 * are no valid ones; compat tasks.
 */
import { EINVAL } from '../../abi/errno.ts';
import {
  PR_GET_TAGGED_ADDR_CTRL,
  PR_SET_TAGGED_ADDR_CTRL,
  PR_TAGGED_ADDR_ENABLE,
} from '../../abi/prctl.ts';
import { MM_ARCHES } from '../mm/arch.ts';
import type { Thread } from './thread.ts';

/** arg2 to arg5, unsigned; those that are missing are 0. */
export type PrctlArgs = readonly number[];

type Option = (thread: Thread, args: PrctlArgs) => number;

const anyOf = (args: readonly number[]): boolean => args.some((arg) => arg !== 0);

const OPTIONS: ReadonlyMap<number, Option> = new Map<number, Option>([
  [
    PR_SET_TAGGED_ADDR_CTRL,
    (thread, [arg = 0, ...rest]) => (anyOf(rest) ? -EINVAL : setTaggedAddrCtrl(thread, arg)),
  ],
  [PR_GET_TAGGED_ADDR_CTRL, (thread, args) => (anyOf(args) ? -EINVAL : getTaggedAddrCtrl(thread))],
]);

/** @returns what the option has to say, or a negative errno: -EINVAL for one that is not known. */
export function prctl(thread: Thread, option: number, args: PrctlArgs): number {
  return OPTIONS.get(option)?.(thread, args) ?? -EINVAL;
}

const hasTaggedAddrAbi = ({ process }: Thread): boolean =>
  MM_ARCHES[process.kernel.arch].taggedAddrAbi;

/** set_tagged_addr_ctrl(): 0 or -EINVAL. Who has it already keeps it when the sysctl forbids it. */
function setTaggedAddrCtrl(thread: Thread, arg: number): number {
  if (!hasTaggedAddrAbi(thread)) return -EINVAL;
  if (arg !== 0 && arg !== PR_TAGGED_ADDR_ENABLE) return -EINVAL;
  const enable = arg === PR_TAGGED_ADDR_ENABLE;
  if (enable && thread.process.kernel.taggedAddrDisabled) return -EINVAL;
  thread.taggedAddr = enable;
  return 0;
}

/** get_tagged_addr_ctrl() */
function getTaggedAddrCtrl(thread: Thread): number {
  if (!hasTaggedAddrAbi(thread)) return -EINVAL;
  return thread.taggedAddr ? PR_TAGGED_ADDR_ENABLE : 0;
}
