import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { ENOSPC } from '../../abi/errno.ts';
import { IdBitmap } from './id-bitmap.ts';
import { Idr } from './idr.ts';

describe('idr', () => {
  it('gives the lowest free id from its start', () => {
    const idr = new Idr<string>();
    assert.deepEqual([idr.alloc('a', 1), idr.alloc('b', 1), idr.alloc('c', 1)], [1, 2, 3]);
    assert.equal(idr.remove(2), 'b');
    assert.equal(idr.alloc('d', 1), 2);
    assert.equal(idr.alloc('e', 0), 0);
    assert.equal(idr.get(2), 'd');
    assert.equal(idr.get(7), undefined);
  });

  it('refuses with -ENOSPC when the range is full, and keeps nothing', () => {
    const idr = new Idr<string>();
    idr.alloc('a', 5, 6);
    assert.equal(idr.alloc('b', 5, 6), -ENOSPC);
    assert.equal(idr.allocCyclic('b', 5, 6), -ENOSPC);
    assert.equal(idr.size, 1);
  });

  it('goes round when cyclic', () => {
    const idr = new Idr<number>();
    const ids = [1, 2, 3, 4].map((n) => idr.allocCyclic(n, 1, 5));
    assert.deepEqual(ids, [1, 2, 3, 4]);
    idr.remove(1);
    idr.remove(3);
    assert.equal(idr.allocCyclic(5, 1, 5), 1);
    assert.equal(idr.allocCyclic(6, 1, 5), 3);
  });

  it('keeps an id that it replaces, and no other', () => {
    const idr = new Idr<string | undefined>();
    const id = idr.alloc(undefined, 1);
    assert.equal(idr.replace(id, 'now there'), undefined);
    assert.equal(idr.get(id), 'now there');
    assert.equal(idr.replace(id + 1, 'nobody'), undefined);
    assert.equal(idr.get(id + 1), undefined);
    assert.equal(idr.remove(id), 'now there');
    assert.equal(idr.replace(id, 'gone'), undefined);
    assert.equal(idr.size, 0);
  });

  it('is walked in the order of ids, while items go', () => {
    const idr = new Idr<number>();
    for (const n of [0, 1, 2, 3]) idr.alloc(n, 10);
    idr.remove(10);
    idr.alloc(9, 10);
    const seen: number[] = [];
    for (const [id] of idr) {
      seen.push(id);
      idr.remove(id + 1);
    }
    assert.deepEqual(seen, [10, 12]);
  });

  it('finds the lowest free id as a plain set does', () => {
    const op = fc.record({
      add: fc.boolean(),
      from: fc.nat({ max: 2100 }),
      at: fc.nat(),
      many: fc.nat({ max: 400 }),
    });
    fc.assert(
      fc.property(fc.array(op, { maxLength: 40 }), (ops) => {
        const bitmap = new IdBitmap();
        const model = new Set<number>();
        for (const { add, from, at, many } of ops) {
          for (let i = 0; i <= many; i++) {
            if (add) {
              let expected = from;
              while (model.has(expected)) expected += 1;
              assert.equal(bitmap.lowestFree(from), expected);
              bitmap.add(expected);
              model.add(expected);
            } else {
              const gone = [...model][(at + i * 7) % Math.max(1, model.size)];
              if (gone === undefined) break;
              bitmap.delete(gone);
              model.delete(gone);
            }
          }
        }
      }),
    );
  });
});
