import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { BoxHalted } from '../../sched/halt.ts';
import { makeSched } from './testing/sched.ts';
import { GenPool } from './gen-pool.ts';

const BASE = 0x4200_0000;
const GRANULE = 512;
const GRANULES = 64;

const makePool = (): GenPool =>
  new GenPool(makeSched(), { name: 'shm', base: BASE, size: GRANULES * GRANULE, minOrder: 9 });

describe('gen pool', () => {
  it('gives whole granules, lowest first, at the alignment that is asked for', () => {
    const pool = makePool();
    assert.equal(pool.alloc(1), BASE);
    assert.equal(pool.alloc(513), BASE + 512);
    assert.equal(pool.alloc(100, 4096), BASE + 4096);
    assert.equal(pool.alloc(100), BASE + 1536);
    assert.equal(pool.used, 5 * GRANULE);
  });

  it('has nothing for size 0, nor for more than its largest hole', () => {
    const pool = makePool();
    assert.equal(pool.alloc(0), undefined);
    assert.equal(pool.alloc(pool.size + 1), undefined);
    const all = pool.alloc(pool.size);
    assert.equal(all, BASE);
    assert.equal(pool.largestFree, 0);
    assert.equal(pool.alloc(1), undefined);
    pool.free(BASE, pool.size);
    assert.equal(pool.largestFree, pool.size);
    assert.equal(pool.used, 0);
  });

  it('reports each change to the trace', () => {
    const sched = makeSched();
    sched.trace.setLevel('worlds');
    const pool = new GenPool(sched, { name: 'shm', base: BASE, size: 4096, minOrder: 9 });
    pool.free(pool.alloc(600)!, 600);
    const events = [...sched.trace.events()].map((event) => event.args);
    const at = (used: number): object => ({ name: 'shm', used, limit: 4096, unit: 'bytes' });
    assert.deepEqual(events, [at(1024), at(0)]);
  });

  for (const [what, address, size] of [
    ['twice', BASE, 512],
    ['from outside', BASE - 512, 512],
    ['beyond its end', BASE + (GRANULES - 1) * GRANULE, 1024],
    ['with a free neighbour', BASE + 1024, 1024],
  ] as const) {
    it(`stops the box when memory is freed ${what}`, () => {
      const pool = makePool();
      for (let i = 0; i < GRANULES; i++) pool.alloc(GRANULE);
      pool.free(BASE, 512);
      pool.free(BASE + 1536, 512);
      assert.throws(() => pool.free(address, size), BoxHalted);
    });
  }

  it('is first fit, as a map of granules is', () => {
    const op = fc.record({
      free: fc.boolean(),
      size: fc.integer({ min: 1, max: 20 * GRANULE }),
      alignOrder: fc.nat({ max: 13 }),
      which: fc.nat(),
    });
    fc.assert(
      fc.property(fc.array(op, { maxLength: 80 }), (ops) => {
        const pool = makePool();
        const taken = new Uint8Array(GRANULES);
        const live: { at: number; size: number }[] = [];
        for (const { free, size, alignOrder, which } of ops) {
          if (free) {
            const [gone] = live.splice(which % Math.max(1, live.length), 1);
            if (gone === undefined) continue;
            pool.free(gone.at, gone.size);
            mark(taken, gone.at, gone.size, 0);
            continue;
          }
          const at = pool.alloc(size, 1 << alignOrder);
          assert.equal(at, firstFit(taken, size, 1 << alignOrder));
          if (at === undefined) continue;
          mark(taken, at, size, 1);
          live.push({ at, size });
        }
        assert.equal(pool.used, taken.reduce((sum, one) => sum + one, 0) * GRANULE);
      }),
    );
  });
});

function mark(taken: Uint8Array, at: number, size: number, value: number): void {
  const first = (at - BASE) / GRANULE;
  taken.fill(value, first, first + Math.ceil(size / GRANULE));
}

function firstFit(taken: Uint8Array, size: number, align: number): number | undefined {
  const need = Math.ceil(size / GRANULE);
  for (let first = 0; first + need <= GRANULES; first++) {
    const at = BASE + first * GRANULE;
    if (at % align === 0 && taken.subarray(first, first + need).every((one) => one === 0))
      return at;
  }
  return undefined;
}
