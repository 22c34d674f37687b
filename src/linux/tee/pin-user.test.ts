import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ENOMEM } from '../../abi/errno.ts';
import { SIGKILL } from '../../abi/fcntl.ts';
import { PAGE_SIZE, va } from '../../machine/address.ts';
import { FileMap } from '../mm/filemap.ts';
import { isLongtermPinnable } from '../mm/gup-longterm.ts';
import { PG_DIRTY } from '../mm/page-frames.ts';
import { MM_HARDENED, MM_LINUX_7_3 } from '../mm/switches.ts';
import type { MmSwitches } from '../mm/switches.ts';
import { Shmem } from '../mm/shmem.ts';
import type { TeeSwitches } from './switches.ts';
import { boot } from './testing/box.ts';
import type { TeeBox } from './testing/box.ts';
import { HARDENED, LINUX_7_3 } from './testing/profiles.ts';
import type { TeeUser } from './testing/user.ts';

const MIB = 1 << 20;
const PAGES = 600;

/** Memory that lends its CMA area. */
function makeBox(switches: TeeSwitches, mmSwitches: MmSwitches = MM_LINUX_7_3): TeeBox {
  const memory = { cma: 16 * MIB, minFreeKbytes: 128 };
  const box = boot({ switches, kernel: { memory, mmSwitches } });
  box.tee.nodeAccess(false);
  return box;
}

const client = (box: TeeBox, pages: number): TeeUser =>
  box.user({ uid: 1000, groups: [0], memlock: pages * PAGE_SIZE });

function buffer(user: TeeUser, pages: number): number {
  const at = user.program.memory.memalign(PAGE_SIZE, pages * PAGE_SIZE);
  for (let n = 0; n < pages; n++)
    user.program.memory.write(va(at + n * PAGE_SIZE), Uint8Array.of(1));
  return at;
}

/** Registers `PAGES` pages; how many of them are in the area. */
async function lentPages(box: TeeBox): Promise<number> {
  const user = client(box, 2 * PAGES);
  const at = buffer(user, PAGES);
  const { id } = await user.register(await user.open(), at, PAGES * PAGE_SIZE);
  const { pages } = box.kernel;
  const held = box.client.idr.get(id)!.pages;
  assert.equal(held.length, PAGES);
  return held.filter((page) => !isLongtermPinnable(pages, pages.frames.frame(page))).length;
}

describe('registration and the CMA area', () => {
  const long: TeeSwitches = { ...LINUX_7_3, pinLongterm: true };
  const cases: readonly (readonly [string, TeeSwitches, MmSwitches, boolean])[] = [
    ['as released its pages stay', LINUX_7_3, MM_LINUX_7_3, true],
    ['with FOLL_LONGTERM they leave', long, MM_LINUX_7_3, false],
    ['hardened they leave', HARDENED, MM_HARDENED, false],
    [
      'with FOLL_EPHEMERAL they leave, nothing being said',
      LINUX_7_3,
      { ...MM_LINUX_7_3, pinInterface: 'ephemeral-flag' },
      false,
    ],
    [
      'with functions they leave, the long one being called',
      LINUX_7_3,
      { ...MM_LINUX_7_3, pinInterface: 'longterm-functions' },
      false,
    ],
  ];
  for (const [what, switches, mmSwitches, stay] of cases) {
    it(what, async () => {
      const box = makeBox(switches, mmSwitches);
      const lent = await lentPages(box);
      assert.ok(stay ? lent > 100 : lent === 0, `${lent} pages`);
      const { defaultCma } = box.kernel.memory;
      assert.equal(defaultCma!.alloc({ count: (16 * MIB) / PAGE_SIZE }) !== undefined, !stay);
    });
  }
});

describe('what the secure world wrote to a page of a file', () => {
  for (const [name, switches, kept] of [
    ['linux-7.3', LINUX_7_3, false],
    ['hardened', { ...HARDENED, pinLongterm: false }, true],
  ] as const) {
    it(`${name}: ${kept ? 'is written back' : 'may be lost'}`, async () => {
      const box = makeBox(switches);
      const user = client(box, 4);
      const { pages } = box.kernel;
      const nothing = (data: Uint8Array): number => data.length;
      const file = { size: () => PAGE_SIZE, read: nothing, write: nothing, sync: () => 0 };
      const cache = new FileMap({ pages, name: '/film', file });
      const at = user.program.process.mm.mmap({ length: PAGE_SIZE, shared: true, cache });
      const shm = await user.register(await user.open(), at, PAGE_SIZE);
      assert.equal(cache.fsync(), 0);
      await user.close(shm.fd);
      const [frame] = cache.frames();
      assert.equal((pages.frames.flags[frame!]! & PG_DIRTY) !== 0, kept);
    });
  }
});

describe('hardened: registered memory is held against RLIMIT_MEMLOCK', () => {
  it('together with what the user has pinned elsewhere', async () => {
    const box = makeBox(HARDENED, MM_HARDENED);
    const user = client(box, 4);
    const at = buffer(user, 4);
    const fd = await user.open();
    const elsewhere = box.kernel.accounts.charge(user.program.process, 3);
    assert.ok(elsewhere !== undefined);
    assert.equal((await user.register(fd, at, 2 * PAGE_SIZE)).fd, -ENOMEM);
    assert.match(box.trace.lastCause?.text ?? '', /user 1000 has 12288 bytes pinned/);
    assert.equal(box.kernel.pages.pinsOutstanding, 0);
    box.kernel.accounts.uncharge(elsewhere);
    assert.ok((await user.register(fd, at, 2 * PAGE_SIZE)).fd >= 0);
    assert.equal(user.program.process.mm.account.pinnedVm, 2);
  });

  it('a page of a compound page counts as all of it', async () => {
    const box = makeBox(HARDENED, MM_HARDENED);
    const user = client(box, 20);
    const cache = new Shmem(box.kernel.pages, { order: 4 });
    const at = user.program.process.mm.mmap({ length: 16 * PAGE_SIZE, shared: true, cache });
    const fd = await user.open();
    assert.ok((await user.register(fd, at + PAGE_SIZE, 2 * PAGE_SIZE)).fd >= 0);
    assert.equal(box.tee.memlock.pages(1000), 16);
    assert.equal((await user.register(await user.open(), at, 1)).fd, -ENOMEM);
  });

  for (const how of ['exit', 'kill'] as const) {
    it(`until ${how}`, async () => {
      const box = makeBox(HARDENED, MM_HARDENED);
      const user = client(box, 4);
      const at = buffer(user, 4);
      assert.ok((await user.register(await user.open(), at, 4 * PAGE_SIZE)).fd >= 0);
      assert.equal(box.tee.memlock.pages(1000), 4);
      if (how === 'exit') await user.program.exit();
      else {
        user.program.kill(SIGKILL);
        await user.program.exited();
      }
      assert.deepEqual([box.tee.memlock.pages(1000), box.kernel.pages.pinsOutstanding], [0, 0]);
    });
  }

  it('as released nothing is counted', async () => {
    const box = makeBox(LINUX_7_3);
    const user = client(box, 0);
    const at = buffer(user, 4);
    assert.ok((await user.register(await user.open(), at, 4 * PAGE_SIZE)).fd >= 0);
    assert.equal(box.tee.memlock.pages(1000), 0);
    assert.equal(user.program.process.mm.account.pinnedVm, 0);
  });
});
