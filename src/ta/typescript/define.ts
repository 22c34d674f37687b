/**
 * A trusted application as a TypeScript module: `export default defineTa(properties, create)`.
 * `create` runs once per instance and returns its entry points; what an instance remembers stands in
 * that function's variables, so that instances share nothing.
 *
 * Upstream counterpart: a TA's `user_ta_header_defines.h` and its five entry points (specification
 * chapter 4.3). Left out: encrypted and signed forms.
 */
import { callerOf } from '../gp/call-site.ts';
import type { CallSite } from '../gp/call-site.ts';
import type { Tee } from '../gp/tee.ts';
import type { MaybePromise, TEE_Params } from '../gp/types.ts';
import type { TaPropertyValue } from '../runtime.ts';

/** The names of `user_ta_header_defines.h`, with its defaults. */
export interface TaProperties {
  /** TA_UUID, as text. */
  readonly uuid: string;
  /** TA_FLAGS: TA_FLAG_* together; 0 is a multi-instance TA. */
  readonly flags?: number;
  /** TA_STACK_SIZE in bytes; only accounted for. Default 2 KiB. */
  readonly stackSize?: number;
  /** TA_DATA_SIZE: the heap of TEE_Malloc in bytes. Default 32 KiB. */
  readonly dataSize?: number;
  /** TA_NO_SHARE_DATA_SIZE: the heap of TEE_MALLOC_NO_SHARE in bytes. Default none. */
  readonly noShareDataSize?: number;
  /** TA_VERSION: property gpd.ta.version. */
  readonly version?: string;
  /** TA_DESCRIPTION: property gpd.ta.description. */
  readonly description?: string;
  /**
   * TA_CURRENT_TA_EXT_PROPERTIES, by name: boolean is BOOL, number U32, bigint U64, string STRING,
   * Uint8Array BINARY_BLOCK. A name must not begin with `gpd.`.
   */
  readonly properties?: Readonly<Record<string, TaPropertyValue>>;
}

/** A session of a client; `context` is C's `void *sessionContext`, undefined until it is set. */
export class TaSession<Context = unknown> {
  context: Context;

  constructor(context: Context) {
    this.context = context;
  }
}

/**
 * The entry points, as GlobalPlatform declares them; `session` stands where C has the session's
 * context. One may be an `async` function. Results are TEE_Results.
 */
export interface TaEntryPoints<Context> {
  TA_CreateEntryPoint(): MaybePromise<number>;
  TA_DestroyEntryPoint(): MaybePromise<void>;
  /** `params` mean nothing after the return: they are filled anew for the next call. */
  TA_OpenSessionEntryPoint(
    paramTypes: number,
    params: TEE_Params,
    session: TaSession<Context>,
  ): MaybePromise<number>;
  TA_CloseSessionEntryPoint(session: TaSession<Context>): MaybePromise<void>;
  TA_InvokeCommandEntryPoint(
    session: TaSession<Context>,
    commandID: number,
    paramTypes: number,
    params: TEE_Params,
  ): MaybePromise<number>;
}

export const TA_ENTRY_POINTS = [
  'TA_CreateEntryPoint',
  'TA_DestroyEntryPoint',
  'TA_OpenSessionEntryPoint',
  'TA_CloseSessionEntryPoint',
  'TA_InvokeCommandEntryPoint',
] as const;

/** What `defineTa` returns and a module exports. */
export interface TaDefinition<Context = unknown> {
  readonly kind: 'teebox/ta';
  readonly properties: TaProperties;
  create(tee: Tee): TaEntryPoints<Context>;
  /** Where `defineTa` was called. */
  readonly site: CallSite | undefined;
}

/** @param create makes the entry points of one instance; it must not call the TEE itself yet */
export function defineTa<Context = unknown>(
  properties: TaProperties,
  create: (tee: Tee) => TaEntryPoints<Context>,
): TaDefinition<Context> {
  return { kind: 'teebox/ta', properties, create, site: callerOf(import.meta.url) };
}
