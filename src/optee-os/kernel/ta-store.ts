/**
 * Where user TAs come from, and the search through it.
 *
 * Upstream counterparts: optee_os core/include/kernel/ts_store.h, core/kernel/ldelf_syscalls.c
 * (ldelf_syscall_open_bin()), ldelf/ta_elf.c. Left out: shared libraries.
 */
import {
  TEE_ERROR,
  TEE_ERROR_ITEM_NOT_FOUND,
  TEE_ERROR_NOT_SUPPORTED,
  TEE_ERROR_STORAGE_NOT_AVAILABLE,
} from '../../abi/gp.ts';
import { codeName } from '../../abi/layout.ts';
import type { Co } from '../../sched/task.ts';
import type { TaImage } from '../../ta/runtime.ts';
import type { Nexus } from '../nexus.ts';
import type { ThreadCtx } from './thread.ts';

/** struct ts_store_ops */
export interface TaStore {
  readonly description: string;
  /** That it has no such TA, for people. */
  lacks(): string;
  /** @returns the image, or a TEE_Result: ITEM_NOT_FOUND lets the next store try */
  open(thread: ThreadCtx, uuid: string): Co<TaImage | number>;
  /** get_tag() of a TA that is opened for it: what stands for its code, or a TEE_Result. */
  tag(thread: ThreadCtx, uuid: string): Co<Uint8Array | number>;
}

/** TAs that are part of the core's image (core/kernel/early_ta.c). */
export class EarlyTaStore implements TaStore {
  readonly description = 'early TA';
  readonly #nexus: Nexus;

  constructor(nexus: Nexus) {
    this.#nexus = nexus;
  }

  lacks(): string {
    const { size } = this.#nexus.earlyTas;
    if (size === 0) return 'the box was given no TA';
    return size === 1
      ? 'the TA given to the box is another'
      : `the ${size} TAs given to the box are others`;
  }

  *open(_thread: ThreadCtx, uuid: string): Co<TaImage | number> {
    return this.#nexus.earlyTas.get(uuid) ?? TEE_ERROR_ITEM_NOT_FOUND;
  }

  /** Upstream hashes the ELF image, which a TypeScript TA has not. */
  *tag(_thread: ThreadCtx, uuid: string): Co<number> {
    const isKnown = this.#nexus.earlyTas.has(uuid);
    return isKnown ? TEE_ERROR_NOT_SUPPORTED : TEE_ERROR_ITEM_NOT_FOUND;
  }
}

/** Asks each store in turn. @returns the image, or a TEE_Result with a cause in the trace */
export function* openTa(
  nexus: Nexus,
  stores: readonly TaStore[],
  thread: ThreadCtx,
  uuid: string,
): Co<TaImage | number> {
  const { log, trace } = nexus;
  let res: TaImage | number = TEE_ERROR_ITEM_NOT_FOUND;
  for (const store of stores) {
    if (log.debug) {
      const text = `Lookup user TA ELF ${uuid} (${store.description})`;
      log.dmsg(thread, 'ldelf_syscall_open_bin', text);
    }
    res = yield* store.open(thread, uuid);
    const outcome = typeof res === 'number' ? codeName(TEE_ERROR, res) : 'found';
    if (trace.worlds) {
      trace.emit('secure', 'ta.lookup', { uuid, store: store.description, outcome });
    }
    const next = res === TEE_ERROR_ITEM_NOT_FOUND || res === TEE_ERROR_STORAGE_NOT_AVAILABLE;
    if (!next) break;
  }
  if (typeof res === 'number') {
    if (res === TEE_ERROR_ITEM_NOT_FOUND) notFound(nexus, stores, uuid);
    log.ldelf(`init_elf sys_open_ta_bin(${uuid})`);
    const text = `ldelf failed with res: 0x${res.toString(16)}`;
    log.emsg(thread, 'ldelf_init_with_ldelf', text);
  }
  return res;
}

function notFound(nexus: Nexus, stores: readonly TaStore[], uuid: string): void {
  nexus.trace.cause('secure', {
    layer: 'optee-os',
    code: 'TEE_ERROR_ITEM_NOT_FOUND',
    text: `no such TA: ${stores.map((store) => store.lacks()).join(', ')}`,
    object: uuid,
    hint: 'check the UUID, give the TA to the box, or put its .ta where tee-supplicant looks',
  });
}
