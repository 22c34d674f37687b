/**
 * How the TEE Internal Core API looks from TypeScript. Every function keeps its name, and its
 * arguments keep their names and order; what C does with pointers is done so, everywhere:
 *
 * - `T *out` is a `Ref<T>`: an object whose `value` is set. `ref(TEE_HANDLE_NULL)` makes one.
 * - A struct that is filled is an object that is filled (`TEE_Time`, `TEE_ObjectInfo`, …).
 * - `const void *buffer, size_t length` is one `Uint8Array`; NULL is `null`. A length that belongs to
 *   two buffers (TEE_MemMove) stays an argument.
 * - `void *buffer, size_t *length` is one `TEE_Memref`: `size` is the room before the call and the
 *   length after it (the length needed, with TEE_ERROR_SHORT_BUFFER). So a parameter's `memref` can
 *   be passed as it is; `memref(buffer)` makes one.
 * - `void *buffer, size_t size, size_t *count` is a `Uint8Array` and a `Ref<number>`.
 * - An array and its count are one array. Strings are strings, UUIDs are text; getting one has no
 *   buffer that could be short.
 * - A TEE_Result is returned as a number, whatever else a function gives.
 * - Functions that can leave the secure world return a value or a promise of it: await them all.
 *
 * What panics a TA in C ends it here, and no `catch` of the TA stops that.
 *
 * Upstream counterpart: optee_os lib/libutee/include/tee_api_types.h (GP TEE Internal Core API
 * 1.3.1). Left out: types of functions that are absent (see support.ts).
 */
import type {
  TEE_HANDLE_NULL,
  TEE_PROPSET_CURRENT_CLIENT,
  TEE_PROPSET_CURRENT_TA,
  TEE_PROPSET_TEE_IMPLEMENTATION,
} from '../../abi/gp.ts';

/** The result of a function that can leave the secure world. */
export type MaybePromise<T> = T | Promise<T>;

/** Where a function puts one result. */
export interface Ref<T> {
  value: T;
}

export function ref<T>(value: T): Ref<T> {
  return { value };
}

/** A buffer and how many of its bytes count. */
export interface TEE_Memref {
  /** `null` for NULL. Memory of a client is seen directly: it can change at any time. */
  buffer: Uint8Array | null;
  size: number;
}

export function memref(buffer: Uint8Array | null): TEE_Memref {
  return { buffer, size: buffer?.length ?? 0 };
}

/** A pair of 32-bit values. */
export interface TEE_Value {
  a: number;
  b: number;
}

/** One parameter; paramTypes tells which half of the union counts. */
export class TEE_Param {
  readonly value: TEE_Value = { a: 0, b: 0 };
  readonly memref: TEE_Memref = { buffer: null, size: 0 };
}

export type TEE_Params = readonly [TEE_Param, TEE_Param, TEE_Param, TEE_Param];

/** `TEE_Param params[4] = { }` */
export function newParams(): TEE_Params {
  return [new TEE_Param(), new TEE_Param(), new TEE_Param(), new TEE_Param()];
}

declare const kind: unique symbol;
type Handle<K extends string> = (number & { readonly [kind]: K }) | typeof TEE_HANDLE_NULL;

export type TEE_TASessionHandle = Handle<'session'>;
export type TEE_ObjectHandle = Handle<'object'>;
export type TEE_OperationHandle = Handle<'operation'>;
export type TEE_ObjectEnumHandle = Handle<'enumerator'>;
export type TEE_iSocketHandle = Handle<'socket'>;
export type TEE_PropSetHandle =
  | Handle<'propset'>
  | typeof TEE_PROPSET_CURRENT_TA
  | typeof TEE_PROPSET_CURRENT_CLIENT
  | typeof TEE_PROPSET_TEE_IMPLEMENTATION;

/* The only places where a number becomes a handle. */
export const sessionHandle = (n: number): TEE_TASessionHandle => n as TEE_TASessionHandle;
export const objectHandle = (n: number): TEE_ObjectHandle => n as TEE_ObjectHandle;
export const operationHandle = (n: number): TEE_OperationHandle => n as TEE_OperationHandle;
export const objectEnumHandle = (n: number): TEE_ObjectEnumHandle => n as TEE_ObjectEnumHandle;
export const iSocketHandle = (n: number): TEE_iSocketHandle => n as TEE_iSocketHandle;
export const propSetHandle = (n: number): TEE_PropSetHandle => n as TEE_PropSetHandle;

export interface TEE_Time {
  seconds: number;
  millis: number;
}

export class TEE_Identity {
  /** TEE_LOGIN_* */
  login = 0;
  /** Text; the nil UUID where the login has none. */
  uuid = '';
}

export class TEE_Attribute {
  attributeID = 0;
  readonly content: { ref: Uint8Array | null; readonly value: TEE_Value } = {
    ref: null,
    value: { a: 0, b: 0 },
  };
}

export class TEE_ObjectInfo {
  objectType = 0;
  objectSize = 0;
  maxObjectSize = 0;
  objectUsage = 0;
  dataSize = 0;
  dataPosition = 0;
  handleFlags = 0;
}

export class TEE_OperationInfo {
  algorithm = 0;
  operationClass = 0;
  mode = 0;
  digestLength = 0;
  maxKeySize = 0;
  keySize = 0;
  requiredKeyUsage = 0;
  handleState = 0;
}

export interface TEE_OperationInfoKey {
  readonly keySize: number;
  readonly requiredKeyUsage: number;
}

export class TEE_OperationInfoMultiple {
  algorithm = 0;
  operationClass = 0;
  mode = 0;
  digestLength = 0;
  maxKeySize = 0;
  handleState = 0;
  operationState = 0;
  /** `numberOfKeys` is its length. */
  keyInformation: readonly TEE_OperationInfoKey[] = [];
}

/** Where a socket goes to: TEE_tcpSocket_Setup and TEE_udpSocket_Setup. */
export interface TEE_ipSocket_Setup {
  /** TEE_IP_VERSION_* */
  readonly ipVersion: number;
  readonly server_addr: string | null;
  /** 16 bits. */
  readonly server_port: number;
}

/** A protocol's functions; results are TEE_Results, or TEE_ISOCKET_*. Timeouts are milliseconds. */
export interface TEE_iSocket {
  readonly TEE_iSocketVersion: number;
  /** TEE_ISOCKET_PROTOCOLID_* */
  readonly protocolID: number;
  open(
    ctx: Ref<TEE_iSocketHandle>,
    setup: TEE_ipSocket_Setup | null,
    protocolError: Ref<number>,
  ): MaybePromise<number>;
  close(ctx: TEE_iSocketHandle): MaybePromise<number>;
  /** `buf.size` bytes; then how many of them went. */
  send(ctx: TEE_iSocketHandle, buf: TEE_Memref, timeout: number): MaybePromise<number>;
  recv(ctx: TEE_iSocketHandle, buf: TEE_Memref, timeout: number): MaybePromise<number>;
  /** What the last call on the socket came to. */
  error(ctx: TEE_iSocketHandle): number;
  ioctl(ctx: TEE_iSocketHandle, commandCode: number, buf: TEE_Memref): MaybePromise<number>;
}
