/** Each shape of kernel registration, against each kind of kernel address, and after a free. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EFAULT, EINVAL, ENOMEM, formatErrno } from '../../abi/errno.ts';
import { PAGE_SIZE, pa, va } from '../../machine/address.ts';
import type { Pa, Va } from '../../machine/address.ts';
import type { Co } from '../../sched/task.ts';
import { GFP_HIGHUSER_MOVABLE } from '../mm/gfp.ts';
import type { KernelMap } from '../mm/kernel-map.ts';
import { MM_LINUX_6_1 } from '../mm/switches.ts';
import type { MmSwitches } from '../mm/switches.ts';
import type { Kernel } from '../process/kernel.ts';
import { KERNEL_SHAPES } from './kernel-registration.ts';
import type { KernelRegistration } from './kernel-registration.ts';
import { teeClientOpenContext } from './tee-client.ts';
import { teedevCloseContext } from './tee-context.ts';
import type { TeeContext } from './tee-context.ts';
import {
  teeShmFreeKernel,
  teeShmRegisterKernelBuf,
  teeShmRegisterKernelPages,
} from './tee-shm-register.ts';
import type { TeeShm } from './tee-shm.ts';
import { boot } from './testing/box.ts';
import type { TeeBox } from './testing/box.ts';
import { LINUX_7_3 } from './testing/profiles.ts';

const SHAPES = Object.keys(KERNEL_SHAPES) as readonly KernelRegistration[];
const MIB = 1 << 20;

/** A 32-bit machine whose upper half is high memory, all of which processes have. */
function bootShape(
  kernelRegistration: KernelRegistration,
  mmSwitches: Partial<MmSwitches> = {},
): TeeBox {
  const box = boot({
    switches: { ...LINUX_7_3, kernelRegistration },
    kernel: {
      layout: 'arm',
      memory: { highmem: 16 * MIB, minFreeKbytes: 0 },
      mmSwitches: { ...MM_LINUX_6_1, ...mmSwitches },
    },
  });
  const { map, pages } = box.kernel;
  while (map.highmem.isHigh(pages.alloc(0, GFP_HIGHUSER_MOVABLE)!));
  return box;
}

/** Runs as a kernel thread; throws what stopped the box. */
async function inKernel<T>(box: TeeBox, body: (ctx: TeeContext) => Co<T>): Promise<T> {
  const task = box.sched.createTask('kernel client', { called: true });
  return box.sched.call(task, run());
  function* run(): Co<T> {
    const ctx = yield* teeClientOpenContext(box.tee, () => true);
    if (typeof ctx === 'number') throw new Error(formatErrno(ctx));
    const result = yield* body(ctx);
    yield* teedevCloseContext(ctx);
    return result;
  }
}

const made = (shm: TeeShm | number): TeeShm => {
  if (typeof shm === 'number') throw new Error(formatErrno(shm));
  return shm;
};

/** What the secure world does to memory that it knows. */
function secureWrite({ kernel }: TeeBox, shm: TeeShm, byte: number): void {
  const { secure } = kernel.machine;
  const mapping = secure.mapContiguous(shm.pages, shm.offset, shm.size, 'write');
  mapping.bytes.fill(byte);
  mapping.writeBack();
}

const byteAt = ({ port, map }: Kernel, at: Va): number =>
  port.bytes(map.translate(at)!, 1, 'read')[0]!;

// --- the table

interface Buffer {
  readonly at: Va;
  readonly bytes: number;
}

/** Makes a buffer of each kind. It is never given back. */
const KINDS = {
  *linear({ pages, map }: Kernel): Co<Buffer> {
    return { at: map.linear.toVirt(pa(pages.allocExact(2 * PAGE_SIZE)! + 100)), bytes: PAGE_SIZE };
  },
  *slab({ map }: Kernel): Co<Buffer> {
    map.slab.kmalloc(100);
    return { at: map.slab.kmalloc(100)!, bytes: 100 };
  },
  *vmalloc({ map }: Kernel): Co<Buffer> {
    return { at: va(map.vmalloc.vmalloc(3 * PAGE_SIZE)! + 8), bytes: 2 * PAGE_SIZE };
  },
  *hole({ map }: Kernel): Co<Buffer> {
    return { at: map.vmalloc.vmalloc(PAGE_SIZE)!, bytes: PAGE_SIZE + 1 };
  },
  *kmap({ map }: Kernel): Co<Buffer> {
    const at = yield* map.highmem.kmap(lastPage(map));
    return { at: va(at + 4), bytes: 50 };
  },
  *kmapLocal({ map }: Kernel): Co<Buffer> {
    return { at: va(map.highmem.kmapLocalPage(lastPage(map)) + 4), bytes: 50 };
  },
} as const;
type Kind = keyof typeof KINDS;

const lastPage = ({ pages: { frames } }: KernelMap): Pa => frames.address(frames.count - 1);

/**
 * The pages of the buffer; those of somebody else; pages that are none, which the secure world is
 * left to refuse; a kernel that stops at a wild pointer; an errno.
 */
type Outcome = 'right' | 'wrong page' | 'no page' | 'oops' | '-EINVAL' | '-ENOMEM' | '-EFAULT';

async function outcome(box: TeeBox, kind: Kind): Promise<Outcome> {
  const { kernel } = box;
  const { map } = kernel;
  try {
    return await inKernel(box, function* (ctx) {
      const { at, bytes } = yield* KINDS[kind](kernel);
      const shm = yield* teeShmRegisterKernelBuf(ctx, at, bytes);
      if (typeof shm === 'number') return formatErrno(shm).replace(/ .*/, '') as Outcome;
      const found = shm.pages.every((page) => map.isRam(page));
      const right = shm.pages.every(
        (page, n) => map.translate(va(at - shm.offset + n * PAGE_SIZE)) === page,
      );
      yield* shm.put();
      return right ? 'right' : found ? 'wrong page' : 'no page';
    });
  } catch (error) {
    if (box.sched.halted?.kind === 'kernel BUG') return 'oops';
    throw error;
  }
}

const COLUMNS: readonly Kind[] = ['linear', 'slab', 'vmalloc', 'hole', 'kmap', 'kmapLocal'];
const TABLE: { readonly [R in KernelRegistration]: readonly Outcome[] } = {
  get_kernel_pages: ['right', 'right', 'wrong page', 'wrong page', 'right', 'right'],
  'vmalloc-walk': ['right', 'right', 'right', '-ENOMEM', 'right', 'right'],
  virt_to_page: ['right', 'right', '-EINVAL', '-EINVAL', '-EINVAL', '-EINVAL'],
  'iov_iter-referenced': ['right', 'right', 'right', 'oops', 'oops', 'oops'],
  iov_iter: ['right', 'right', 'right', 'no page', 'no page', 'no page'],
  'page-array': ['right', 'right', 'right', '-EFAULT', 'right', 'right'],
};

describe('registration of kernel memory', () => {
  for (const shape of SHAPES) {
    for (const [n, kind] of COLUMNS.entries()) {
      it(`${shape}: ${kind}: ${TABLE[shape][n]!}`, async () => {
        assert.equal(await outcome(bootShape(shape), kind), TABLE[shape][n]);
      });
    }
  }

  it('kmap_to_page() before 6.1 takes kmap_local addresses for the linear map’s', async () => {
    const old = { kmapToPageKnowsLocal: false };
    assert.equal(await outcome(bootShape('get_kernel_pages', old), 'kmapLocal'), 'oops');
    assert.equal(await outcome(bootShape('get_kernel_pages', old), 'kmap'), 'right');
  });

  it('kmap_to_page() warns of kmap addresses since, virt_to_page of all that is not linear', async () => {
    const warned = async (shape: KernelRegistration, kind: Kind): Promise<boolean> => {
      const box = bootShape(shape);
      await outcome(box, kind);
      return box.kernel.dmesg.text.includes('WARNING');
    };
    assert.deepEqual(
      await Promise.all([
        warned('vmalloc-walk', 'kmap'),
        warned('vmalloc-walk', 'vmalloc'),
        warned('virt_to_page', 'kmap'),
        warned('virt_to_page', 'vmalloc'),
        warned('virt_to_page', 'linear'),
        warned('iov_iter', 'kmap'),
      ]),
      [true, false, true, true, false, false],
    );
  });

  it('a 64-bit kernel without high memory stops where a 32-bit one is misled', async () => {
    const switches = { ...LINUX_7_3, kernelRegistration: 'get_kernel_pages' } as const;
    assert.equal(await outcome(boot({ switches }), 'vmalloc'), 'oops');
  });

  it('vmalloc-walk: a hole leaks the references before it', async () => {
    const box = bootShape('vmalloc-walk');
    const { map, pages } = box.kernel;
    const at = map.vmalloc.vmalloc(2 * PAGE_SIZE)!;
    const used = pages.usedPages;
    await inKernel(box, function* (ctx) {
      assert.equal(yield* teeShmRegisterKernelBuf(ctx, at, 3 * PAGE_SIZE), -ENOMEM);
    });
    assert.match(box.trace.lastCause?.limit ?? '', /vmalloc-walk/);
    map.vmalloc.vfree(at);
    assert.equal(pages.usedPages, used, 'both pages are lost');
  });

  for (const shape of SHAPES) {
    it(`${shape}: of no bytes, and of more than one call takes`, async () => {
      const { byIovIter } = KERNEL_SHAPES[shape];
      const box = bootShape(shape);
      const { map, pages } = box.kernel;
      const at = map.linear.toVirt(pages.alloc(0)!);
      await inKernel(box, function* (ctx) {
        const none = yield* teeShmRegisterKernelBuf(ctx, at, 0);
        assert.equal(none, byIovIter ? -ENOMEM : -EINVAL);
        if (!byIovIter) return;
        assert.equal(yield* teeShmRegisterKernelBuf(ctx, at, 0x7fff_f001), -ENOMEM);
        assert.equal(box.trace.lastCause?.limit, 'MAX_RW_COUNT=2147479552');
      });
    });

    it(`${shape}: references are as they were when the secure world refuses`, async () => {
      const box = bootShape(shape);
      const { map, pages } = box.kernel;
      const page = pages.alloc(0)!;
      box.fake.errors.register = -EINVAL;
      await inKernel(box, function* (ctx) {
        const shm = yield* teeShmRegisterKernelBuf(ctx, map.linear.toVirt(page), 8);
        assert.equal(shm, -EINVAL);
      });
      assert.equal(pages.refCount(page), 1);
    });
  }
});

describe('memory that is freed while the TEE has it', () => {
  /** Registers vmalloc() memory, frees it, takes a page, and has the secure world write. */
  async function freedVmalloc(shape: KernelRegistration): Promise<number> {
    const box = bootShape(shape);
    const { map, pages, port } = box.kernel;
    return inKernel(box, function* (ctx) {
      const at = map.vmalloc.vmalloc(PAGE_SIZE)!;
      const shm = made(yield* teeShmRegisterKernelBuf(ctx, at, PAGE_SIZE));
      map.vmalloc.vfree(at);
      const next = pages.alloc(0)!;
      port.bytes(next, PAGE_SIZE, 'write').fill(1);
      secureWrite(box, shm, 0xee);
      const seen = port.bytes(next, 1, 'read')[0]!;
      yield* shm.put();
      pages.free(next, 0);
      return seen;
    });
  }

  it('vmalloc: its pages are somebody else’s, unless they are referenced', async () => {
    assert.equal(await freedVmalloc('vmalloc-walk'), 1);
    assert.equal(await freedVmalloc('iov_iter-referenced'), 1);
    assert.equal(await freedVmalloc('iov_iter'), 0xee);
    assert.equal(await freedVmalloc('page-array'), 0xee);
  });

  for (const shape of SHAPES) {
    it(`${shape}: kmalloc: the object is somebody else’s, references or not`, async () => {
      const box = bootShape(shape);
      const { map } = box.kernel;
      const { slab } = map;
      await inKernel(box, function* (ctx) {
        slab.kmalloc(200);
        const at = slab.kmalloc(200)!;
        const shm = made(yield* teeShmRegisterKernelBuf(ctx, at, 200));
        slab.kfree(at);
        const next = slab.kzalloc(200)!;
        assert.equal(next, at);
        secureWrite(box, shm, 0xee);
        assert.equal(byteAt(box.kernel, next), 0xee);
        yield* shm.put();
      });
    });
  }
});

describe('pages of kmalloc() that have no references', () => {
  const FROZEN = { slabPagesFrozen: true };

  for (const shape of SHAPES) {
    it(`${shape}: ${KERNEL_SHAPES[shape].referenced ? 'warns, and works' : 'says nothing'}`, async () => {
      const box = bootShape(shape, FROZEN);
      assert.equal(await outcome(box, 'slab'), 'right');
      const warned = box.kernel.dmesg.text.includes('WARNING: at include/linux/mm.h get_page');
      assert.equal(warned, KERNEL_SHAPES[shape].referenced);
    });
  }

  /** Registers an object, frees it and its slab, and takes the page before the TEE lets go. */
  async function reused(shape: KernelRegistration): Promise<number> {
    const box = bootShape(shape, FROZEN);
    const { map, pages } = box.kernel;
    return inKernel(box, function* (ctx) {
      const at = map.slab.kmalloc(200)!;
      const shm = made(yield* teeShmRegisterKernelBuf(ctx, at, 200));
      map.slab.kfree(at);
      const page = pages.alloc(0)!;
      assert.equal(page, map.virtToPage(at));
      yield* shm.put();
      return pages.refCount(page);
    });
  }

  it('a reference that was not taken is put: whoever has the page now loses it', async () => {
    assert.equal(await reused('iov_iter-referenced'), 0);
    assert.equal(await reused('iov_iter'), 1);
    assert.equal(await reused('page-array'), 1);
  });
});

describe('pages that the caller lists', () => {
  it('may be of any kind and in any order', async () => {
    const box = bootShape('page-array');
    const { map, pages, port } = box.kernel;
    const list = [lastPage(map), pages.alloc(0)!];
    await inKernel(box, function* (ctx) {
      const shm = made(yield* teeShmRegisterKernelPages(ctx, list, 4000, 200));
      assert.deepEqual([shm.pages, shm.offset, shm.size], [list, 4000, 200]);
      secureWrite(box, shm, 5);
      assert.equal(port.bytes(pa(list[1]! + 103), 1, 'read')[0], 5);
      assert.equal(pages.refCount(list[1]!), 1);
      yield* teeShmFreeKernel(shm);
    });
    assert.equal(box.kernel.dmesg.text.includes('WARNING'), false);
    assert.equal(pages.refCount(list[1]!), 1);
    assert.equal(box.fake.registered.size, 0);
  });

  it('are as many as the buffer takes', async () => {
    const box = bootShape('page-array');
    const page = box.kernel.pages.alloc(0)!;
    await inKernel(box, function* (ctx) {
      for (const [list, offset, length] of [
        [[page], 4000, 97],
        [[page, page], 0, 4096],
        [[], 0, 1],
        [[], 0, 0],
      ] as const) {
        assert.equal(yield* teeShmRegisterKernelPages(ctx, list, offset, length), -EINVAL);
      }
    });
  });

  it('tee_shm_free_kernel() warns when somebody still has the memory', async () => {
    const box = bootShape('page-array');
    const page = box.kernel.pages.alloc(0)!;
    await inKernel(box, function* (ctx) {
      const shm = made(yield* teeShmRegisterKernelPages(ctx, [page], 0, 8));
      shm.get();
      yield* teeShmFreeKernel(shm);
      assert.match(
        box.kernel.dmesg.text,
        /WARNING: at drivers\/tee\/tee_shm.c tee_shm_free_kernel/,
      );
      assert.equal(box.fake.registered.size, 1, 'it stays registered');
      yield* shm.put();
    });
  });

  it('an address without a page is -EFAULT for who lists them', async () => {
    const box = bootShape('page-array');
    await inKernel(box, function* (ctx) {
      assert.equal(yield* teeShmRegisterKernelBuf(ctx, va(0x1000), 8), -EFAULT);
    });
  });
});
