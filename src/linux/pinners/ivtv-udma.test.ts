import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EBUSY, EFAULT, EINVAL } from '../../abi/errno.ts';
import { PAGE_SIZE } from '../../machine/address.ts';
import type { MmSwitches } from '../mm/switches.ts';
import { IvtvUserDma } from './ivtv-udma.ts';
import { buffer, lent, pinKernel, user } from './testing/pinning.ts';

describe('ivtv user DMA', () => {
  it('pins a picture until the card is done', () => {
    const kernel = pinKernel();
    const program = user(kernel);
    const at = buffer(program, 3);
    const dma = new IvtvUserDma();
    assert.equal(dma.setup(program.thread, at + 100, 2 * PAGE_SIZE), 3);
    assert.deepEqual(
      dma.scatterlist.map(({ offset, length }) => [offset, length]),
      [
        [100, PAGE_SIZE - 100],
        [0, PAGE_SIZE],
        [0, 100],
      ],
    );
    assert.deepEqual([kernel.pages.pinsOutstanding, dma.pageCount], [3, 3]);
    assert.equal(dma.setup(program.thread, at, 1), -EBUSY);
    dma.unmap();
    dma.unmap();
    assert.deepEqual([kernel.pages.pinsOutstanding, dma.pageCount, dma.scatterlist], [0, 0, []]);
  });

  it('wants all pages', () => {
    const kernel = pinKernel();
    const program = user(kernel);
    const at = program.process.mm.mmap({ length: 4 * PAGE_SIZE });
    program.process.mm.munmap(at + PAGE_SIZE, PAGE_SIZE);
    const dma = new IvtvUserDma();
    assert.equal(dma.setup(program.thread, at, 2 * PAGE_SIZE), -EINVAL);
    assert.equal(dma.setup(program.thread, at + PAGE_SIZE, PAGE_SIZE), -EFAULT);
    assert.equal(dma.setup(program.thread, at, 0), -EINVAL);
    assert.equal(kernel.pages.pinsOutstanding, 0);
  });

  const CASES: readonly (readonly [
    string,
    Partial<MmSwitches>,
    number,
    'stay' | 'leave' | 'none',
  ])[] = [
    ['as released it pins for good without saying so', {}, 600, 'stay'],
    [
      'FOLL_EPHEMERAL: it says nothing, so it is long',
      { pinInterface: 'ephemeral-flag' },
      600,
      'leave',
    ],
    ['functions: it calls the long one', { pinInterface: 'longterm-functions' }, 600, 'leave'],
    [
      'slow pins for the long term only: it has to change',
      { slowPinsLongtermOnly: true },
      -EINVAL,
      'none',
    ],
  ];
  for (const [what, switches, result, pages] of CASES) {
    it(what, () => {
      const kernel = pinKernel(switches);
      const program = user(kernel);
      const at = buffer(program, 600);
      const before = lent(program, at, 600);
      const dma = new IvtvUserDma();
      assert.equal(dma.setup(program.thread, at, 600 * PAGE_SIZE), result);
      assert.equal(lent(program, at, 600), pages === 'leave' ? 0 : before);
      assert.equal(dma.pageCount, pages === 'none' ? 0 : 600);
      dma.unmap();
    });
  }
});
