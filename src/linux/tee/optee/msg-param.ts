/**
 * Parameters as the kernel has them (struct tee_param) and as messages have them (struct
 * optee_msg_param), both ways. Pool memory that is not registered goes by physical address (TMEM),
 * registered memory by cookie and offset (RMEM). Values are carried in 64 bits.
 * Upstream counterpart: drivers/tee/optee/smc_abi.c, section 1. Left out: FF-A's FMEM.
 *
 * `updateOut` says that a parameter comes back to where it was converted from: only what the other
 * side may change is copied, values of outputs and sizes.
 */
import { EINVAL } from '../../../abi/errno.ts';
import {
  OPTEE_MSG_ATTR_TYPE_MASK,
  OPTEE_MSG_ATTR_TYPE_NONE,
  OPTEE_MSG_ATTR_TYPE_RMEM_INOUT,
  OPTEE_MSG_ATTR_TYPE_RMEM_INPUT,
  OPTEE_MSG_ATTR_TYPE_RMEM_OUTPUT,
  OPTEE_MSG_ATTR_TYPE_TMEM_INOUT,
  OPTEE_MSG_ATTR_TYPE_TMEM_INPUT,
  OPTEE_MSG_ATTR_TYPE_TMEM_OUTPUT,
  OPTEE_MSG_ATTR_TYPE_VALUE_INOUT,
  OPTEE_MSG_ATTR_TYPE_VALUE_INPUT,
  OPTEE_MSG_ATTR_TYPE_VALUE_OUTPUT,
  OpteeMsgParam,
  OpteeMsgParamRmem,
  OpteeMsgParamTmem,
  OpteeMsgParamValue,
} from '../../../abi/optee-msg.ts';
import {
  TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INOUT,
  TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INPUT,
  TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_OUTPUT,
  TEE_IOCTL_PARAM_ATTR_TYPE_NONE,
  TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INOUT,
  TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INPUT,
  TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_OUTPUT,
} from '../../../abi/tee.ts';
import type { TeeParam } from '../tee-drv.ts';
import type { TeeShm } from '../tee-shm.ts';
import type { ShmCookies } from './shm-cookie.ts';

/** What the attribute types of the two sides differ by, for each kind. */
const VALUE = OPTEE_MSG_ATTR_TYPE_VALUE_INPUT - TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INPUT;
const TMEM = OPTEE_MSG_ATTR_TYPE_TMEM_INPUT - TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INPUT;
const RMEM = OPTEE_MSG_ATTR_TYPE_RMEM_INPUT - TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INPUT;

type ToMsg = (view: DataView, at: number, p: TeeParam, updateOut: boolean) => boolean;
type FromMsg = (
  view: DataView,
  at: number,
  p: TeeParam,
  updateOut: boolean,
  cookies: ShmCookies,
) => boolean;

/** By the whole attribute: META and the other kinds have no entry. */
const TO_MSG: (ToMsg | undefined)[] = [];
TO_MSG[TEE_IOCTL_PARAM_ATTR_TYPE_NONE] = noneToMsg;
TO_MSG[TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INPUT] = valueToMsg;
TO_MSG[TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_OUTPUT] = valueToMsg;
TO_MSG[TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INOUT] = valueToMsg;
TO_MSG[TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INPUT] = memrefToMsg;
TO_MSG[TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_OUTPUT] = memrefToMsg;
TO_MSG[TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INOUT] = memrefToMsg;

/** By the attribute's type bits. */
const FROM_MSG: (FromMsg | undefined)[] = [];
FROM_MSG[OPTEE_MSG_ATTR_TYPE_NONE] = noneFromMsg;
FROM_MSG[OPTEE_MSG_ATTR_TYPE_VALUE_INPUT] = valueFromMsg;
FROM_MSG[OPTEE_MSG_ATTR_TYPE_VALUE_OUTPUT] = valueFromMsg;
FROM_MSG[OPTEE_MSG_ATTR_TYPE_VALUE_INOUT] = valueFromMsg;
FROM_MSG[OPTEE_MSG_ATTR_TYPE_RMEM_INPUT] = regMemFromMsg;
FROM_MSG[OPTEE_MSG_ATTR_TYPE_RMEM_OUTPUT] = regMemFromMsg;
FROM_MSG[OPTEE_MSG_ATTR_TYPE_RMEM_INOUT] = regMemFromMsg;
FROM_MSG[OPTEE_MSG_ATTR_TYPE_TMEM_INPUT] = tmpMemFromMsg;
FROM_MSG[OPTEE_MSG_ATTR_TYPE_TMEM_OUTPUT] = tmpMemFromMsg;
FROM_MSG[OPTEE_MSG_ATTR_TYPE_TMEM_INOUT] = tmpMemFromMsg;

/**
 * optee_to_msg_param()
 * @param at byte of `view` where the message's first parameter is.
 * @returns 0 or -EINVAL.
 */
export function toMsgParam(
  view: DataView,
  at: number,
  params: readonly TeeParam[],
  updateOut: boolean,
): number {
  for (let n = 0; n < params.length; n++) {
    const p = params[n]!;
    const convert = TO_MSG[p.attr];
    if (convert === undefined) return -EINVAL;
    if (!convert(view, at + n * OpteeMsgParam.byteLength, p, updateOut)) return -EINVAL;
  }
  return 0;
}

/**
 * optee_from_msg_param(): as many as `params` has.
 * @param at byte of `view` where the message's first parameter is.
 * @returns 0 or -EINVAL.
 */
export function fromMsgParam(
  view: DataView,
  at: number,
  params: readonly TeeParam[],
  updateOut: boolean,
  cookies: ShmCookies,
): number {
  for (let n = 0; n < params.length; n++) {
    const mp = at + n * OpteeMsgParam.byteLength;
    const convert = FROM_MSG[OpteeMsgParam.attr.lo(view, mp) & OPTEE_MSG_ATTR_TYPE_MASK];
    if (convert === undefined) return -EINVAL;
    if (!convert(view, mp, params[n]!, updateOut, cookies)) return -EINVAL;
  }
  return 0;
}

function noneToMsg(view: DataView, at: number, _: TeeParam, updateOut: boolean): boolean {
  if (updateOut) return true;
  const { attr, a, b, c } = OpteeMsgParamValue;
  attr.setPair(view, at, OPTEE_MSG_ATTR_TYPE_NONE, 0);
  a.setPair(view, at, 0, 0);
  b.setPair(view, at, 0, 0);
  c.setPair(view, at, 0, 0);
  return true;
}

function valueToMsg(view: DataView, at: number, p: TeeParam, updateOut: boolean): boolean {
  const { attr, a, b, c } = OpteeMsgParamValue;
  if (!updateOut) attr.setPair(view, at, p.attr + VALUE, 0);
  else if (p.attr === TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INPUT) return true;
  a.setPair(view, at, p.aLo, p.aHi);
  b.setPair(view, at, p.bLo, p.bHi);
  c.setPair(view, at, p.cLo, p.cHi);
  return true;
}

/** RMEM and TMEM have their sizes and references at the same places. */
function memrefToMsg(view: DataView, at: number, p: TeeParam, updateOut: boolean): boolean {
  if (!updateOut) {
    const { shm } = p;
    if (shm === null) nullToMsg(view, at, p);
    else if (shm.isDynamic) regMemToMsg(view, at, p, shm);
    else if (!tmpMemToMsg(view, at, p, shm)) return false;
  } else if (p.attr === TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INPUT) return true;
  sizeToMsg(view, at, p);
  return true;
}

/** From 2^53 on a size is exact in b, if at all: that of a NULL memref, which nobody checks. */
function sizeToMsg(view: DataView, at: number, p: TeeParam): void {
  const { size } = OpteeMsgParamTmem;
  if (p.size <= Number.MAX_SAFE_INTEGER) size.setNum(view, at, p.size);
  else if (p.bHi !== 0) size.setPair(view, at, p.bLo, p.bHi);
  else size.setNum(view, at, Number.MAX_SAFE_INTEGER);
}

function nullToMsg(view: DataView, at: number, p: TeeParam): void {
  OpteeMsgParamTmem.attr.setPair(view, at, p.attr + TMEM, 0);
  OpteeMsgParamTmem.bufPtr.setPair(view, at, 0, 0);
  OpteeMsgParamTmem.shmRef.setPair(view, at, 0, 0);
}

function regMemToMsg(view: DataView, at: number, p: TeeParam, shm: TeeShm): void {
  const { lo, hi } = shm.address;
  OpteeMsgParamRmem.attr.setPair(view, at, p.attr + RMEM, 0);
  OpteeMsgParamRmem.offs.setNum(view, at, p.shmOffs);
  OpteeMsgParamRmem.shmRef.setPair(view, at, lo, hi);
}

/** The cache attribute, OPTEE_MSG_ATTR_CACHE_PREDEFINED, is 0. False: the offset is outside. */
function tmpMemToMsg(view: DataView, at: number, p: TeeParam, shm: TeeShm): boolean {
  const address = shm.getPa(p.shmOffs);
  if (address === undefined) return false;
  const { lo, hi } = shm.address;
  OpteeMsgParamTmem.attr.setPair(view, at, p.attr + TMEM, 0);
  OpteeMsgParamTmem.bufPtr.setNum(view, at, address);
  OpteeMsgParamTmem.shmRef.setPair(view, at, lo, hi);
  return true;
}

function noneFromMsg(_: DataView, __: number, p: TeeParam, updateOut: boolean): boolean {
  if (updateOut) return true;
  p.attr = TEE_IOCTL_PARAM_ATTR_TYPE_NONE;
  p.aLo = p.aHi = p.bLo = p.bHi = p.cLo = p.cHi = 0;
  p.shm = null;
  p.shmOffs = p.size = 0;
  return true;
}

function valueFromMsg(view: DataView, at: number, p: TeeParam, updateOut: boolean): boolean {
  const { attr, a, b, c } = OpteeMsgParamValue;
  const type = attr.lo(view, at) & OPTEE_MSG_ATTR_TYPE_MASK;
  if (!updateOut) p.attr = type - VALUE;
  else if (type === OPTEE_MSG_ATTR_TYPE_VALUE_INPUT) return true;
  p.aLo = a.lo(view, at);
  p.aHi = a.hi(view, at);
  p.bLo = b.lo(view, at);
  p.bHi = b.hi(view, at);
  p.cLo = c.lo(view, at);
  p.cHi = c.hi(view, at);
  return true;
}

function regMemFromMsg(
  view: DataView,
  at: number,
  p: TeeParam,
  updateOut: boolean,
  cookies: ShmCookies,
): boolean {
  const type = OpteeMsgParamRmem.attr.lo(view, at) & OPTEE_MSG_ATTR_TYPE_MASK;
  if (!updateOut) {
    p.attr = type - RMEM;
    p.shm = cookieOf(view, at, cookies);
    p.shmOffs = p.shm === null ? 0 : exact(OpteeMsgParamRmem.offs.num(view, at));
  } else if (type === OPTEE_MSG_ATTR_TYPE_RMEM_INPUT) return true;
  p.size = exact(OpteeMsgParamRmem.size.num(view, at));
  return true;
}

/** False: the memory has no address, as none has whose size is 0. */
function tmpMemFromMsg(
  view: DataView,
  at: number,
  p: TeeParam,
  updateOut: boolean,
  cookies: ShmCookies,
): boolean {
  const type = OpteeMsgParamTmem.attr.lo(view, at) & OPTEE_MSG_ATTR_TYPE_MASK;
  if (!updateOut) {
    p.attr = type - TMEM;
    p.shm = cookieOf(view, at, cookies);
    const start = p.shm === null ? 0 : p.shm.getPa(0);
    if (start === undefined) return false;
    p.shmOffs = p.shm === null ? 0 : exact(OpteeMsgParamTmem.bufPtr.num(view, at) - start);
  } else if (type === OPTEE_MSG_ATTR_TYPE_TMEM_INPUT) return true;
  p.size = exact(OpteeMsgParamTmem.size.num(view, at));
  return true;
}

function cookieOf(view: DataView, at: number, cookies: ShmCookies): TeeShm | null {
  const { shmRef } = OpteeMsgParamTmem;
  return cookies.resolve(shmRef.lo(view, at), shmRef.hi(view, at));
}

/**
 * Sizes and offsets are 64 bits wide on the wire. What no buffer can have (2^53 and more, and the
 * wrapped-round offset of an address before its buffer) becomes the largest number there is: every
 * check against a buffer refuses it, as it would the true one.
 */
function exact(n: number): number {
  return n < 0 || n > Number.MAX_SAFE_INTEGER ? Number.MAX_SAFE_INTEGER : n;
}
