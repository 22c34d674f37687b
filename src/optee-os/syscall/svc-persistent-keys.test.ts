/** Raw system calls with persistent keys: the library copies a key first, a TA need not. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  TEE_ALG_AES_CTR,
  TEE_ALG_AES_XTS,
  TEE_ATTR_SECRET_VALUE,
  TEE_MODE_ENCRYPT,
  TEE_TYPE_AES,
} from '../../abi/gp.ts';
import { NodeCrypto } from '../../host/node/crypto.ts';
import type { MaybeCo } from '../../sched/task.ts';
import { StorageWorld, TA, now } from '../storage/testing/storage-world.ts';
import { ALL, PRIVATE, assertClean, id, is, ok } from '../storage/testing/svc-calls.ts';
import { teeUuid } from '../storage/tee-fs.ts';
import { objectOfType } from './cryp-object.ts';
import type { CryptoObject } from './cryp-object.ts';
import { CryptoSyscalls } from './svc-cryp.ts';
import { SvcStorage } from './svc-storage.ts';
import { ObjectTable } from './tee-obj.ts';

/** One context with cryptography and storage over the same handles, as TeeSvc has them. */
class Context {
  readonly world = new StorageWorld();
  readonly objects = new ObjectTable(this.world.heap);
  readonly crypto: CryptoSyscalls;
  readonly storage: SvcStorage<CryptoObject>;

  constructor() {
    const { world, objects } = this;
    const { fs, heap, log, pobjs, switches, thread, trace } = world;
    const services = { crypto: new NodeCrypto(), rng: () => 0 };
    this.crypto = new CryptoSyscalls({ services, trace, heap, objects });
    this.storage = new SvcStorage<CryptoObject>({
      host: { heap, pobjs, thread: () => thread },
      objects,
      make: objectOfType,
      uuid: teeUuid(TA),
      fileOps: (storage) => (storage === PRIVATE ? fs : undefined),
      keepsCorruptHandles: () => false,
      log,
      switches,
      panic: (fn, text) => new Error(`core panic in ${fn}: ${text}`),
    });
  }

  /** A key in storage, open. */
  storedKey(name: string): number {
    const key = { handle: 0 };
    ok(this.crypto.objAlloc(TEE_TYPE_AES, 128, key));
    const content = new Uint8Array(16).fill(name.charCodeAt(0));
    ok(this.crypto.objPopulate(key.handle, [{ id: TEE_ATTR_SECRET_VALUE, content }]));
    const out = { handle: 0 };
    const { storage } = this;
    ok(storage.objCreate(PRIVATE, id(name), ALL, key.handle, id(''), out));
    ok(this.crypto.objClose(key.handle));
    return out.handle;
  }

  operation(algorithm: number, key1: number, key2 = 0): number {
    const out = { handle: 0 };
    ok(this.crypto.stateAlloc(algorithm, TEE_MODE_ENCRYPT, key1, key2, out));
    return out.handle;
  }

  opening(name: string): MaybeCo<number> {
    return this.storage.objOpen(PRIVATE, id(name), ALL, { handle: 0 });
  }
}

describe('an operation with a persistent key', () => {
  it('works with it, and closes its file when it is freed', () => {
    const ta = new Context();
    const key = ta.storedKey('k');
    const state = ta.operation(TEE_ALG_AES_CTR, key);
    ok(ta.crypto.cipherInit(state, new Uint8Array(16)));
    is(ta.crypto.objClose(key), 'ITEM_NOT_FOUND');
    is(ta.opening('k'), 'ACCESS_CONFLICT');
    ok(ta.crypto.stateFree(state));
    is(ta.crypto.stateFree(state), 'BAD_PARAMETERS');
    is(ta.crypto.objClose(key), 'BAD_STATE');
    assertClean(ta.world);
    ok(ta.opening('k'));
  });

  it('closes both of two, and one that is there twice once', () => {
    for (const names of [['k', 'l'], ['k']]) {
      const ta = new Context();
      const [key1 = 0, key2 = key1] = names.map((name) => ta.storedKey(name));
      ok(ta.crypto.stateFree(ta.operation(TEE_ALG_AES_XTS, key1, key2)));
      assertClean(ta.world);
    }
  });

  it('closes a persistent one beside a transient one', () => {
    for (const swap of [false, true]) {
      const ta = new Context();
      const [stored, other] = [ta.storedKey('k'), { handle: 0 }];
      ok(ta.crypto.objAlloc(TEE_TYPE_AES, 128, other));
      const keys = swap ? [other.handle, stored] : [stored, other.handle];
      ok(ta.crypto.stateFree(ta.operation(TEE_ALG_AES_XTS, keys[0]!, keys[1])));
      assertClean(ta.world);
    }
  });

  it('whose object is deleted has no key any more', () => {
    const ta = new Context();
    const key = ta.storedKey('k');
    const state = ta.operation(TEE_ALG_AES_CTR, key);
    ok(ta.storage.objDelete(key));
    is(ta.crypto.cipherInit(state, new Uint8Array(16)), 'BAD_STATE');
    ok(ta.crypto.stateFree(state));
    is(ta.opening('k'), 'ITEM_NOT_FOUND');
    assertClean(ta.world);
  });

  it('ends with the context, and so do the others', () => {
    const ta = new Context();
    ta.operation(TEE_ALG_AES_CTR, ta.storedKey('k'));
    ta.operation(TEE_ALG_AES_XTS, ta.storedKey('l'), ta.storedKey('m'));
    ta.storedKey('n');
    now(ta.crypto.freeStates());
    assert.equal(ta.crypto.stateCount, 0);
    assert.equal(ta.objects.count, 1);
    now(ta.objects.closeAll());
    assertClean(ta.world);
  });
});
