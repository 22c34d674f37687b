import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EBUSY, EFAULT, EINVAL } from '../../abi/errno.ts';
import { PROT_NONE } from '../../abi/fcntl.ts';
import { PAGE_SIZE } from '../../machine/address.ts';
import { MM_LINUX_6_1, MM_LINUX_7_3 } from '../mm/switches.ts';
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
    assert.equal(dma.setup(program.thread, at + 8, 0), 1, 'no bytes, but of a page');
    assert.deepEqual(
      dma.scatterlist.map(({ offset, length }) => [offset, length]),
      [[8, 0]],
    );
    dma.unmap();
  });

  it('takes a frame of video as two planes, both or none', () => {
    const kernel = pinKernel();
    const program = user(kernel);
    const { thread } = program;
    const at = buffer(program, 4);
    const dma = new IvtvUserDma();
    const [y, uv] = [
      { at: at + 16, length: PAGE_SIZE },
      { at: at + 3 * PAGE_SIZE, length: 100 },
    ];
    assert.equal(dma.prepYuv(thread, y, uv), 0);
    assert.deepEqual(
      dma.scatterlist.map(({ offset, length }) => [offset, length]),
      [
        [16, PAGE_SIZE - 16],
        [0, 16],
        [0, 100],
      ],
    );
    assert.deepEqual(
      [...kernel.pages.pins].map(({ origin }) => origin.site?.name),
      ['ivtv_yuv_prep_user_dma', 'ivtv_yuv_prep_user_dma'],
    );
    assert.equal(dma.prepYuv(thread, y, uv), -EBUSY);
    dma.unmap();
    const end = program.process.mm.mmap({ length: 4 * PAGE_SIZE });
    program.process.mm.munmap(end + PAGE_SIZE, PAGE_SIZE);
    const short = { at: end, length: 2 * PAGE_SIZE };
    for (const [a, b] of [
      [short, uv],
      [y, short],
      [y, { at: end + PAGE_SIZE, length: 1 }],
    ] as const) {
      assert.equal(dma.prepYuv(thread, a, b), -EFAULT);
      assert.deepEqual([kernel.pages.pinsOutstanding, dma.pageCount], [0, 0]);
    }
  });

  it('reads past the protection of a mapping in 6.1', () => {
    const setup = (switches: MmSwitches): number => {
      const program = user(pinKernel(switches));
      const at = program.process.mm.mmap({ length: PAGE_SIZE, prot: PROT_NONE });
      return new IvtvUserDma().setup(program.thread, at, PAGE_SIZE);
    };
    assert.equal(setup(MM_LINUX_6_1), 1);
    assert.equal(setup(MM_LINUX_7_3), -EFAULT);
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
