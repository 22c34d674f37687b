/**
 * TAs in secure storage as a store of TAs: found, decrypted and authenticated. The image itself is
 * refused, because nothing runs it yet.
 *
 * Upstream counterpart: optee_os core/kernel/secstor_ta.c. The image is read whole, as ldelf reads it
 * to its end.
 */
import { TEE_ERROR, TEE_ERROR_NOT_SUPPORTED } from '../../abi/gp.ts';
import { codeName } from '../../abi/layout.ts';
import type { Co } from '../../sched/task.ts';
import type { TaImage } from '../../ta/runtime.ts';
import type { Nexus } from '../nexus.ts';
import type { Tadb } from '../storage/tadb.ts';
import { teeUuid } from '../storage/tee-fs.ts';
import type { TaStore } from './ta-store.ts';
import type { ThreadCtx } from './thread.ts';

export class SecstorTaStore implements TaStore {
  readonly description = 'Secure Storage TA';
  readonly #nexus: Nexus;
  readonly #tadb: Tadb;

  constructor(nexus: Nexus, tadb: Tadb) {
    this.#nexus = nexus;
    this.#tadb = tadb;
  }

  lacks(): string {
    return 'secure storage has none installed';
  }

  *open(thread: ThreadCtx, uuid: string): Co<TaImage | number> {
    const ta = yield* this.#tadb.openTa(thread, teeUuid(uuid));
    if (typeof ta === 'number') return ta;
    const image = yield* ta.image(thread);
    yield* ta.close(thread);
    const res = typeof image === 'number' ? image : TEE_ERROR_NOT_SUPPORTED;
    this.#nexus.trace.cause('secure', {
      layer: 'optee-os',
      code: codeName(TEE_ERROR, res),
      text:
        typeof image === 'number'
          ? 'the TA is installed in secure storage, and its file cannot be read'
          : 'the TA is sound, but .ta files cannot be run: give the box a TypeScript TA',
      object: uuid,
    });
    return res;
  }

  /** tee_tadb_get_tag(): of the encryption of its file, which nobody reads for it. */
  *tag(thread: ThreadCtx, uuid: string): Co<Uint8Array | number> {
    const ta = yield* this.#tadb.openTa(thread, teeUuid(uuid));
    if (typeof ta === 'number') return ta;
    const { tag } = ta;
    yield* ta.close(thread);
    return tag;
  }
}
