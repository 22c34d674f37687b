import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EFAULT, EINVAL, EIO } from '../../abi/errno.ts';
import { PROT_READ } from '../../abi/fcntl.ts';
import { PAGE_SIZE, va } from '../../machine/address.ts';
import type { Co } from '../../sched/task.ts';
import type { Kernel } from '../process/kernel.ts';
import { directRead, directWrite } from './direct-io.ts';
import type { DirectDevice } from './direct-io.ts';
import { buffer, lent, mapFile, pinKernel, user } from './testing/pinning.ts';

/** A disk of sevens that takes a millisecond; what is written to it is kept. */
function makeDisk(kernel: Kernel): DirectDevice & { written: number[]; rc: number } {
  return {
    blockSize: 512,
    written: [],
    rc: 0,
    *transfer(pages, offset, position, length): Co<number> {
      yield* kernel.sched.sleep(1_000_000, 'uninterruptible', 'io_schedule');
      if (this.rc < 0) return this.rc;
      const reads = position === 0;
      const { bytes, writeBack } = kernel.port.mapContiguous(
        pages,
        offset,
        length,
        reads ? 'write' : 'read',
      );
      if (reads) bytes.fill(7);
      else this.written = [...bytes.subarray(0, 4)];
      writeBack();
      return 0;
    },
  };
}

describe('O_DIRECT', () => {
  it('pins for the transfer, where the pages are', async () => {
    const kernel = pinKernel();
    const program = user(kernel, { memlock: 0 });
    const disk = makeDisk(kernel);
    const at = buffer(program, 600);
    const before = lent(program, at, 600);
    assert.ok(before > 100);
    const reading = program.run(directRead(program.thread, disk, at + 512, 599 * PAGE_SIZE, 0));
    assert.equal(kernel.pages.pinsOutstanding, 600);
    assert.equal(await reading, 599 * PAGE_SIZE);
    assert.equal(lent(program, at, 600), before);
    assert.equal(kernel.pages.pinsOutstanding, 0);
    assert.deepEqual([...program.memory.read(va(at + 511), 2)], [0, 7]);
    const wrote = await program.run(directWrite(program.thread, disk, at, 1024, 4096));
    assert.deepEqual([wrote, disk.written], [1024, [0, 0, 0, 0]]);
  });

  it('refuses what is not aligned, unmapped or read only, and gives pages back on errors', async () => {
    const kernel = pinKernel();
    const program = user(kernel);
    const disk = makeDisk(kernel);
    const at = buffer(program, 2);
    const read = (addr: number, length: number, position = 0) =>
      program.run(directRead(program.thread, disk, addr, length, position));
    assert.equal(await read(at + 1, 512), -EINVAL);
    assert.equal(await read(at, 511), -EINVAL);
    assert.equal(await read(at, 512, 3), -EINVAL);
    assert.equal(await read(at, 0), 0);
    const readOnly = program.process.mm.mmap({ length: PAGE_SIZE, prot: PROT_READ });
    assert.equal(await read(readOnly, 512), -EFAULT);
    assert.equal(await program.run(directWrite(program.thread, disk, readOnly, 512, 512)), 512);
    disk.rc = -EIO;
    assert.equal(await read(at, 512), -EIO);
    assert.equal(kernel.pages.pinsOutstanding, 0);
  });

  it('moves as much as there are pages for', async () => {
    const kernel = pinKernel();
    const program = user(kernel);
    const at = program.process.mm.mmap({ length: 4 * PAGE_SIZE });
    program.process.mm.munmap(at + PAGE_SIZE, PAGE_SIZE);
    const rc = await program.run(directRead(program.thread, makeDisk(kernel), at + 512, 8192, 0));
    assert.equal(rc, PAGE_SIZE - 512);
  });

  for (const directIoPins of [true, false]) {
    it(`dirties what the device wrote, after a writeback meanwhile too; pins: ${directIoPins}`, async () => {
      const kernel = pinKernel({ directIoPins });
      const program = user(kernel);
      const { at, cache, dirty } = mapFile(program);
      const disk = makeDisk(kernel);
      const reading = program.run(directRead(program.thread, disk, at, 512, 0));
      assert.equal(cache.fsync(), 0);
      assert.equal(dirty(), false);
      assert.equal(await reading, 512);
      assert.equal(dirty(), true);
      assert.equal(cache.fsync(), 0);
      assert.equal(await program.run(directWrite(program.thread, disk, at, 512, 512)), 512);
      assert.equal(dirty(), false);
    });

    it(`fork and a write while the device reads: ${directIoPins ? 'pins keep' : 'references lose'} the data`, async () => {
      const kernel = pinKernel({ directIoPins });
      const program = user(kernel);
      const at = buffer(program, 1);
      const reading = program.run(directRead(program.thread, makeDisk(kernel), at, 512, 0));
      const child = program.process.mm.fork();
      assert.ok(child !== undefined);
      // Another thread of the parent writes beside what the device writes.
      program.memory.write(va(at + 2048), Uint8Array.of(1));
      assert.equal(await reading, 512);
      const seen = program.memory.read(va(at), 1)[0];
      const out = new Uint8Array(1);
      child.read(va(at), out);
      assert.deepEqual([seen, out[0]], directIoPins ? [7, 0] : [0, 7]);
      child.destroy();
    });
  }

  it('where FOLL_GET is internal to mm, references are refused', async () => {
    const kernel = pinKernel({ directIoPins: false, follGetInternal: true });
    const program = user(kernel);
    const at = buffer(program, 1);
    const rc = await program.run(directRead(program.thread, makeDisk(kernel), at, 512, 0));
    assert.equal(rc, -EINVAL);
  });
});
