import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EACCES, EINVAL, ENOMEM } from '../../abi/errno.ts';
import { PROT_EXEC, PROT_NONE, PROT_READ, PROT_WRITE } from '../../abi/fcntl.ts';
import { PAGE_SIZE, va } from '../../machine/address.ts';
import { AT, RW, bytes, leakFree, mapAt, readBack, vmasOf } from './testing/memory.ts';

describe('mprotect', () => {
  it(
    'splits and merges again',
    leakFree((_, space) => {
      mapAt(space, 4);
      space.write(va(AT + PAGE_SIZE), bytes(1));
      assert.equal(space.mprotect(AT + PAGE_SIZE, 2 * PAGE_SIZE, PROT_READ), 0);
      assert.equal(space.mm.vmas.count, 3);
      assert.equal(space.write(va(AT + PAGE_SIZE), bytes(2)), false);
      assert.deepEqual(readBack(space, AT + PAGE_SIZE, 1), [1]);
      assert.equal(space.mprotect(AT, 4 * PAGE_SIZE, RW), 0);
      assert.equal(space.mm.vmas.count, 1);
      assert.equal(space.write(va(AT + PAGE_SIZE), bytes(2)), true);
    }),
  );

  it(
    'hides pages under PROT_NONE and shows them again',
    leakFree((_, space) => {
      mapAt(space, 1);
      space.write(va(AT), bytes(9));
      space.mprotect(AT, PAGE_SIZE, PROT_NONE);
      assert.equal(readBack(space, AT, 1), 'EFAULT');
      space.mprotect(AT, PAGE_SIZE, PROT_READ);
      assert.deepEqual(readBack(space, AT, 1), [9]);
    }),
  );

  it(
    'lets whoever may write also read',
    leakFree((_, space) => {
      mapAt(space, 1, PROT_WRITE);
      assert.deepEqual(readBack(space, AT, 1), [0]);
    }),
  );

  it(
    'does not let a page that fork has shared be written through',
    leakFree((_, space) => {
      mapAt(space, 2);
      space.write(va(AT), bytes(1));
      readBack(space, AT + PAGE_SIZE, 1);
      const child = space.fork();
      assert.ok(child !== undefined);
      space.mprotect(AT, 2 * PAGE_SIZE, PROT_READ);
      space.mprotect(AT, 2 * PAGE_SIZE, RW);
      space.write(va(AT + PAGE_SIZE - 1), bytes(2, 3));
      space.write(va(AT), bytes(4));
      assert.deepEqual(readBack(child, AT, 1), [1]);
      assert.deepEqual(readBack(child, AT + PAGE_SIZE - 1, 2), [0, 0]);
      child.destroy();
    }),
  );

  it(
    'leaves parts of a shared object in their order',
    leakFree((_, space) => {
      const at = space.mmap({ length: 4 * PAGE_SIZE, shared: true });
      space.mprotect(at + 2 * PAGE_SIZE, 2 * PAGE_SIZE, PROT_READ);
      space.mprotect(at + 3 * PAGE_SIZE, PAGE_SIZE, RW);
      space.write(va(at + 3 * PAGE_SIZE), bytes(3));
      const child = space.fork();
      assert.ok(child !== undefined);
      assert.deepEqual(readBack(child, at + 3 * PAGE_SIZE, 1), [3]);
      assert.deepEqual(readBack(child, at, 1), [0]);
      child.mprotect(at, 4 * PAGE_SIZE, RW);
      assert.equal(child.mm.vmas.count, 1);
      child.write(va(at + 2 * PAGE_SIZE), bytes(2));
      assert.deepEqual(readBack(space, at + 2 * PAGE_SIZE, 1), [2]);
      child.destroy();
    }),
  );

  it(
    'refuses what upstream refuses, after what comes before',
    leakFree((_, space) => {
      mapAt(space, 2);
      assert.equal(space.mprotect(AT + 1, 1, RW), -EINVAL);
      assert.equal(space.mprotect(AT, PAGE_SIZE, 0x40), -EINVAL);
      assert.equal(space.mprotect(AT, 0, PROT_READ), 0);
      assert.equal(space.mprotect(AT, 2 ** 64, PROT_READ | 0x40), -ENOMEM);
      assert.equal(space.mprotect(AT, 2 ** 64 - 2 ** 20, PROT_READ), -ENOMEM);
      assert.deepEqual(vmasOf(space), [[AT, AT + 2 * PAGE_SIZE, true]]);
      assert.equal(space.mprotect(AT - PAGE_SIZE, 2 * PAGE_SIZE, PROT_READ), -ENOMEM);
      assert.equal(space.mprotect(AT, 3 * PAGE_SIZE, PROT_READ), -ENOMEM);
      assert.deepEqual(vmasOf(space), [[AT, AT + 2 * PAGE_SIZE, false]]);
      const at = space.mmap({ length: 1, prot: PROT_READ, mayProt: PROT_READ | PROT_WRITE });
      assert.equal(space.mprotect(at, 1, PROT_READ | PROT_EXEC), -EACCES);
      assert.equal(space.mprotect(at, 1, RW), 0);
    }),
  );
});
