/** Parameters: what the kernel and a TA make of them. */
import { EFAULT, EINVAL } from '../../src/abi/errno.ts';
import { TEE_ERROR_NOT_SUPPORTED, TEE_ERROR_SHORT_BUFFER, TEE_SUCCESS } from '../../src/abi/gp.ts';
import * as abi from '../../src/abi/tee.ts';
import { endOfPages } from './state.ts';
import type { Context, Extent, KernelFacts } from './state.ts';

/** Commands of the TA that the model knows. */
export const MODEL_CMD = {
  /** Values inout: a + 1; values out: 7 and 8; memory stays as it is. */
  PLAIN: 0,
  /** Memory that comes back: a byte more is needed. */
  SHORT: 1,
} as const;

export interface Param {
  readonly attr: number;
  readonly a: bigint;
  readonly b: bigint;
  readonly c: bigint;
}

const TWO_32 = 2n ** 32n;
const MASK_32 = TWO_32 - 1n;

/** The one type number that was never given out. */
const UNKNOWN_TYPE = 4;
/** Addresses of a process end here: TASK_SIZE of arm64 with 48 bits. */
const USER_SPACE = 2n ** 48n;

const typeOf = ({ attr }: Param): number => attr & abi.TEE_IOCTL_PARAM_ATTR_TYPE_MASK;
const isMeta = ({ attr }: Param): boolean => (attr & abi.TEE_IOCTL_PARAM_ATTR_META) !== 0;
/** UBUF and OBJREF are the highest types. */
const isNewer = (param: Param): boolean =>
  typeOf(param) >= abi.TEE_IOCTL_PARAM_ATTR_TYPE_UBUF_INPUT;
const isUbuf = (param: Param): boolean =>
  isNewer(param) && typeOf(param) <= abi.TEE_IOCTL_PARAM_ATTR_TYPE_UBUF_INOUT;
const isMemref = (param: Param): boolean =>
  typeOf(param) >= abi.TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INPUT &&
  typeOf(param) <= abi.TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INOUT;

/** The memory that a reference means: ids are ints. */
const extentOf = (ctx: Context, { c }: Param): Extent | undefined =>
  ctx.shms.get(Number(BigInt.asIntN(32, c)))?.extent;

/** A reference to no bytes that begins where the last page of its memory ends: it has no page. */
export function hasNoPage(ctx: Context, param: Param): boolean {
  const extent = isMemref(param) ? extentOf(ctx, param) : undefined;
  return extent !== undefined && param.b === 0n && Number(param.a) === endOfPages(extent);
}

/** What the kernel's core says to parameters; the driver refuses some later. */
export function paramsError(facts: KernelFacts, ctx: Context, params: readonly Param[]): number {
  for (const param of params) {
    const type = typeOf(param);
    if (type === UNKNOWN_TYPE || (isNewer(param) && !facts.knowsUbufs)) return -EINVAL;
    if (isUbuf(param) && param.a + param.b > USER_SPACE) return -EFAULT;
    if (!isMemref(param) || param.c === abi.TEE_MEMREF_NULL) continue;
    const extent = extentOf(ctx, param);
    if (extent === undefined || param.a + param.b > BigInt(extent.size)) return -EINVAL;
  }
  return 0;
}

/** OP-TEE's driver takes neither META parameters nor kinds that are not OP-TEE's. */
export const refusedByDriver = (param: Param): boolean => isMeta(param) || isNewer(param);

/** The TA looks at no parameter: when a session is opened, and when it is not entered at all. */
export const NO_COMMAND = -1;

type Answer = (param: Param, func: number) => Param;

const asIs: Answer = (param) => param;

/** What comes back of each type of parameter. */
const ANSWERS: ReadonlyMap<number, Answer> = new Map<number, Answer>([
  [abi.TEE_IOCTL_PARAM_ATTR_TYPE_NONE, asIs],
  [abi.TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INPUT, asIs],
  [abi.TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INPUT, asIs],
  [
    abi.TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_OUTPUT,
    (param, func) => {
      const isPlain = func === MODEL_CMD.PLAIN;
      return { ...param, a: isPlain ? 7n : 0n, b: isPlain ? 8n : 0n, c: 0n };
    },
  ],
  [
    abi.TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INOUT,
    (param, func) => {
      const added = func === MODEL_CMD.PLAIN ? 1n : 0n;
      return { ...param, a: (param.a + added) & MASK_32, b: param.b & MASK_32 };
    },
  ],
  [abi.TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_OUTPUT, memoryAnswer],
  [abi.TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INOUT, memoryAnswer],
]);

/** NULL has no size, whatever the client says. */
function memoryAnswer(param: Param, func: number): Param {
  const size = param.c === abi.TEE_MEMREF_NULL ? 0n : param.b;
  return { ...param, b: func === MODEL_CMD.SHORT ? size + 1n : size };
}

const RESULTS: ReadonlyMap<number, number> = new Map([
  [MODEL_CMD.PLAIN, TEE_SUCCESS],
  [MODEL_CMD.SHORT, TEE_ERROR_SHORT_BUFFER],
]);

export function runTa(
  func: number,
  params: readonly Param[],
): { ret: number; out: readonly Param[] } {
  const out = params.map((param) => ANSWERS.get(typeOf(param))!(param, func));
  return { ret: RESULTS.get(func) ?? TEE_ERROR_NOT_SUPPORTED, out };
}

/** A parameter that the TEE refused with all others: outputs come back as the kernel sent them. */
export function unanswered(param: Param): Param {
  return typeOf(param) === abi.TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_OUTPUT
    ? { ...param, a: 0n, b: 0n, c: 0n }
    : param;
}
