/** The cryptographic system calls of one context without a core around them, for tests. */
import { TEE_ATTR_SECRET_VALUE, TEE_SUCCESS, TEE_TYPE_AES } from '../../abi/gp.ts';
import { NodeCrypto } from '../../host/node/crypto.ts';
import { Trace } from '../../trace/trace.ts';
import type { Rng } from '../crypto/contexts.ts';
import { CryptoSyscalls } from '../syscall/svc-cryp.ts';
import { ObjectTable } from '../syscall/tee-obj.ts';
import type { CryptoHeap } from '../syscall/tee-obj.ts';

const BOUNDLESS: CryptoHeap = { alloc: () => true, free: () => undefined };

export interface TestCryptoOptions {
  readonly rng: Rng;
  readonly trace?: Trace;
  readonly heap?: CryptoHeap;
}

export class TestCrypto extends CryptoSyscalls {
  constructor({ rng, trace = new Trace(), heap = BOUNDLESS }: TestCryptoOptions) {
    const panic = (fn: string, text: string): Error => new Error(`core panic in ${fn}: ${text}`);
    const services = { crypto: new NodeCrypto(), rng, panic };
    super({ services, trace, heap, objects: new ObjectTable(heap) });
  }

  /** Transient objects are closed at once. */
  override objClose(handle: number): number {
    const closing = super.objClose(handle);
    if (typeof closing !== 'number') throw new Error('closing a transient object has blocked');
    return closing;
  }

  /** So are operations with such keys. */
  override stateFree(handle: number): number {
    const freed = super.stateFree(handle);
    if (typeof freed !== 'number') throw new Error('freeing an operation has blocked');
    return freed;
  }

  /** An operation with an AES key of its own. @returns its handle */
  aesState(algorithm: number, mode: number, content: Uint8Array): number {
    const [key, out] = [{ handle: 0 }, { handle: 0 }];
    const failed =
      this.objAlloc(TEE_TYPE_AES, content.length * 8, key) !== TEE_SUCCESS ||
      this.objPopulate(key.handle, [{ id: TEE_ATTR_SECRET_VALUE, content }]) !== TEE_SUCCESS ||
      this.stateAlloc(algorithm, mode, key.handle, 0, out) !== TEE_SUCCESS;
    if (failed) throw new Error('no such operation');
    return out.handle;
  }

  get objectCount(): number {
    return this.objects.count;
  }

  freeAll(): void {
    if (this.freeStates().next().done !== true) throw new Error('freeing has blocked');
    if (this.objects.closeAll().next().done !== true) throw new Error('closing has blocked');
  }
}
