import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { RamSlabs } from './ram-slabs.ts';

const MIB = 1 << 20;
/** With what is beside the RAM: 64 bytes a page, in units of 64 KiB. */
const PIECE = MIB + 65536;

describe('RAM of machines', () => {
  it('is zero, of its size, and nobody else has it', () => {
    const slabs = new RamSlabs();
    const pieces = Array.from({ length: 10 }, () => slabs.take(MIB));
    for (const { pageData } of pieces) {
      assert.equal(pageData!.length, 65536);
      assert.ok(pageData!.every((byte) => byte === 0));
      pageData!.fill(0xff);
    }
    const rams = pieces.map(({ bytes }) => bytes);
    for (const [n, bytes] of rams.entries()) {
      assert.equal(bytes.length, MIB);
      assert.ok(bytes.every((byte) => byte === 0));
      bytes.fill(n + 1);
    }
    for (const [n, bytes] of rams.entries()) assert.ok(bytes.every((byte) => byte === n + 1));
  });

  it('comes in slabs that double; one machine gets no more than its own', () => {
    const slabs = new RamSlabs();
    const sizes = Array.from(
      { length: 8 },
      () => slabs.take(MIB).memory!.buffer.byteLength / PIECE,
    );
    assert.deepEqual(sizes, [1, 2, 2, 4, 4, 4, 4, 8]);
  });

  it('of another size is another slab', () => {
    const slabs = new RamSlabs();
    assert.equal(slabs.take(MIB).memory!.buffer.byteLength, PIECE);
    assert.equal(slabs.take(2 * MIB).memory!.buffer.byteLength, 2 * MIB + 65536);
  });

  it('may be all that a machine can have', () => {
    const slabs = new RamSlabs();
    const gib = 1024 * MIB;
    assert.equal(slabs.take(3 * gib).bytes.length, 3 * gib);
    assert.equal(slabs.take(3 * gib).bytes.length, 3 * gib);
    const whole = slabs.take(4 * gib);
    assert.deepEqual([whole.bytes.length, whole.pageData!.length], [4 * gib, 0]);
  });
});
