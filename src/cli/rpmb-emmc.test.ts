import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FaultyStore } from '../host/faulty-store.ts';
import { MemoryStore } from '../host/memory-store.ts';
import { NodeCrypto } from '../host/node/crypto.ts';
import { parseRpmbImage } from '../machine/emulated-rpmb.ts';
import { inspectRpmb } from '../optee-os/storage/inspect-rpmb.ts';
import { CliError } from './command.ts';
import { RPMB_EMMC_FILE, rpmbEmmc } from './rpmb-emmc.ts';

const CID = Uint8Array.from({ length: 16 }, (_, n) => n + 1);
const SHAPE = { sizeMult: 3, cid: CID };

describe('the eMMC of a state', () => {
  it('is made once, with the key of the core that will use it', () => {
    const crypto = new NodeCrypto();
    for (const [config, kind] of [
      [{}, 'generated'],
      [{ CFG_RPMB_TESTKEY: true }, 'test'],
    ] as const) {
      const store = new MemoryStore();
      const made = rpmbEmmc(store, SHAPE, config)!;
      const parsed = parseRpmbImage(made.image)!;
      assert.deepEqual([parsed.sizeMult, parsed.cid], [3, CID]);
      assert.equal(inspectRpmb(crypto, made.image)?.key, kind);
      const again = rpmbEmmc(store, undefined, {});
      assert.deepEqual(again?.image, made.image);
    }
  });

  it('is none where none was ever wanted', () => {
    const store = new MemoryStore();
    assert.equal(rpmbEmmc(store, undefined, {}), undefined);
    assert.equal(store.stat(RPMB_EMMC_FILE), undefined);
  });

  it('has in its file what has changed', () => {
    const store = new MemoryStore();
    const { image, keep } = rpmbEmmc(store, SHAPE, {})!;
    image.fill(7, 256, 512);
    image.fill(9, 1024, 1280);
    keep([{ offset: 256, length: 256 }]);
    const next = rpmbEmmc(store, SHAPE, {})!;
    assert.deepEqual([next.image[256], next.image[511], next.image[1024]], [7, 7, 0]);
  });

  it('that cannot be written is a card that fails', () => {
    const disk = new FaultyStore(new MemoryStore());
    const { image, keep } = rpmbEmmc(disk, SHAPE, {})!;
    image.fill(7, 256, 512);
    disk.readOnly = true;
    const changed = [{ offset: 256, length: 256 }];
    assert.equal(keep(changed), false);
    disk.readOnly = false;
    assert.equal(keep(changed), true);
    assert.equal(rpmbEmmc(disk, undefined, {})?.image[256], 7);
  });

  it('cannot be made on a disk without room; what is there of it is made anew then', () => {
    const disk = new FaultyStore(new MemoryStore());
    disk.capacityBytes = 0;
    assert.throws(() => rpmbEmmc(disk, SHAPE, {}), /no eMMC can be kept: ENOSPC/);
    disk.capacityBytes = Infinity;
    assert.equal(rpmbEmmc(disk, undefined, {}), undefined);
    assert.equal(parseRpmbImage(rpmbEmmc(disk, SHAPE, {})!.image)?.sizeMult, 3);
  });

  it('must be the one that is wanted, and whole', () => {
    const store = new MemoryStore();
    rpmbEmmc(store, SHAPE, {});
    const other = CID.toReversed();
    for (const [shape, reason] of [
      [{ sizeMult: 2, cid: undefined }, /another device \(384 KiB, CID 0102030405/],
      [{ sizeMult: 3, cid: other }, /another device/],
    ] as const) {
      assert.throws(() => rpmbEmmc(store, shape, {}), reason);
    }
    assert.ok(rpmbEmmc(store, { sizeMult: 3, cid: undefined }, {}));
    store.truncate(RPMB_EMMC_FILE, 1000);
    assert.throws(() => rpmbEmmc(store, SHAPE, {}), CliError);
    assert.throws(() => rpmbEmmc(store, undefined, {}), /1000 bytes are no RPMB device/);
  });
});
