/**
 * What the core does with each parameter attribute, as tables instead of the switch statements of
 * params_from_user() and its siblings (drivers/tee/tee_core.c).
 */
import {
  TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INOUT as MEMREF_INOUT,
  TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INPUT as MEMREF_INPUT,
  TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_OUTPUT as MEMREF_OUTPUT,
  TEE_IOCTL_PARAM_ATTR_TYPE_NONE as NONE,
  TEE_IOCTL_PARAM_ATTR_TYPE_OBJREF_INOUT as OBJREF_INOUT,
  TEE_IOCTL_PARAM_ATTR_TYPE_OBJREF_INPUT as OBJREF_INPUT,
  TEE_IOCTL_PARAM_ATTR_TYPE_OBJREF_OUTPUT as OBJREF_OUTPUT,
  TEE_IOCTL_PARAM_ATTR_TYPE_UBUF_INOUT as UBUF_INOUT,
  TEE_IOCTL_PARAM_ATTR_TYPE_UBUF_INPUT as UBUF_INPUT,
  TEE_IOCTL_PARAM_ATTR_TYPE_UBUF_OUTPUT as UBUF_OUTPUT,
  TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INOUT as VALUE_INOUT,
  TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INPUT as VALUE_INPUT,
  TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_OUTPUT as VALUE_OUTPUT,
} from '../../abi/tee.ts';

/** A kind of parameter; UNKNOWN is -EINVAL on the way in. */
export const UNKNOWN = 0;
export const NOTHING = 1;
export const VALUE = 2;
export const MEMREF = 3;
export const UBUF = 4;
export const OBJREF = 5;

/** Indexed by the attribute's type byte. */
type KindTable = Uint8Array;

const TYPES = 0x100;

function table(...kinds: readonly (readonly [kind: number, ...types: number[]])[]): KindTable {
  const of = new Uint8Array(TYPES);
  for (const [kind, ...types] of kinds) for (const type of types) of[type] = kind;
  return of;
}

/** One table a direction. */
export interface ParamKinds {
  /** What params_from_user() reads. */
  readonly fromUser: KindTable;
  /** What params_to_user() writes. */
  readonly toUser: KindTable;
  /** What params_to_supp() writes. */
  readonly toSupp: KindTable;
  /** What params_from_supp() reads. */
  readonly fromSupp: KindTable;
}

const MEMREFS = [MEMREF_INPUT, MEMREF_OUTPUT, MEMREF_INOUT] as const;
const UBUFS = [UBUF_INPUT, UBUF_OUTPUT, UBUF_INOUT] as const;

export const PARAM_KINDS: ParamKinds = {
  fromUser: table(
    [NOTHING, NONE, VALUE_OUTPUT, OBJREF_OUTPUT],
    [VALUE, VALUE_INPUT, VALUE_INOUT],
    [MEMREF, ...MEMREFS],
    [UBUF, ...UBUFS],
    [OBJREF, OBJREF_INPUT, OBJREF_INOUT],
  ),
  toUser: table(
    [VALUE, VALUE_OUTPUT, VALUE_INOUT],
    [MEMREF, MEMREF_OUTPUT, MEMREF_INOUT],
    [UBUF, UBUF_OUTPUT, UBUF_INOUT],
    [OBJREF, OBJREF_OUTPUT, OBJREF_INOUT],
  ),
  toSupp: table(
    [VALUE, VALUE_INPUT, VALUE_INOUT],
    [MEMREF, ...MEMREFS],
    [UBUF, ...UBUFS],
    [OBJREF, OBJREF_INPUT, OBJREF_INOUT],
  ),
  fromSupp: table(
    [VALUE, VALUE_OUTPUT, VALUE_INOUT],
    [MEMREF, MEMREF_OUTPUT, MEMREF_INOUT],
    [UBUF, UBUF_OUTPUT, UBUF_INOUT],
    [OBJREF, OBJREF_OUTPUT, OBJREF_INOUT],
  ),
};

const before618 = (of: KindTable): KindTable => of.slice().fill(UNKNOWN, UBUF_INPUT);

/** Before Linux 6.18 nobody knows UBUF and OBJREF, the highest types. */
export const PARAM_KINDS_6_1: ParamKinds = {
  fromUser: before618(PARAM_KINDS.fromUser),
  toUser: before618(PARAM_KINDS.toUser),
  toSupp: before618(PARAM_KINDS.toSupp),
  fromSupp: before618(PARAM_KINDS.fromSupp),
};
