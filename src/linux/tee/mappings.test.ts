/** Registration of memory that is not plain anonymous memory: files, memfds, devices. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EBUSY, EFAULT } from '../../abi/errno.ts';
import {
  F_ADD_SEALS,
  F_SEAL_WRITE,
  MADV_PAGEOUT,
  MAP_ANONYMOUS,
  MAP_PRIVATE,
  MAP_SHARED,
  MFD_ALLOW_SEALING,
  MREMAP_MAYMOVE,
  MS_SYNC,
  O_RDWR,
  PROT_READ,
  PROT_WRITE,
} from '../../abi/fcntl.ts';
import { MemoryStore } from '../../host/memory-store.ts';
import { PAGE_SIZE, va } from '../../machine/address.ts';
import type { Va } from '../../machine/address.ts';
import type { Co } from '../../sched/task.ts';
import type { MemoryType } from '../mm/user-memory.ts';
import { makeDevice } from '../process/testing/make-kernel.ts';
import type { TeeSwitches } from './switches.ts';
import { NOTHING_HELD, boot } from './testing/box.ts';
import { LINUX_7_3 } from './testing/profiles.ts';

const RW = PROT_READ | PROT_WRITE;

/** A client with /dev/tee0 open, and a file of a page of 7 on a disk and on a tmpfs. */
async function client(switches: TeeSwitches = LINUX_7_3) {
  const box = boot({ switches });
  const { kernel } = box;
  const store = new MemoryStore();
  store.createFile('film');
  store.write('film', 0, new Uint8Array(PAGE_SIZE).fill(7));
  kernel.mount('/disk', store, { type: 'ext4' });
  kernel.mount('/shm', store);
  const user = box.user();
  const { program, memory } = user;
  const { sys } = program;
  const tee = await user.open();
  const call = <T>(co: Co<T>): Promise<T> => Promise.resolve(program.run(co));
  const map = async (fd: number, flags = MAP_SHARED): Promise<Va> => {
    const at = await call(sys.mmap(0, PAGE_SIZE, RW, flags, fd, 0));
    assert.ok(at > 0, `${at}`);
    return va(at);
  };
  const register = async (at: number) => await user.register(tee, at, PAGE_SIZE);
  /** The TA writes the first byte of registered memory. */
  const secureWrite = (id: number, value: number): void => {
    const page = box.client.idr.get(id)!.pages[0]!;
    kernel.machine.secure.bytes(page, 1, 'write')[0] = value;
  };
  const end = async (): Promise<void> => {
    await program.exit();
    assert.deepEqual(box.held(), NOTHING_HELD);
  };
  return { ...box, store, user, sys, memory, call, map, register, secureWrite, end };
}

describe('a shared file mapping that is registered', () => {
  /** What the file has of a TA's write, once its page was clean, unregistered and reclaimed. */
  async function afterReclaim(switches: TeeSwitches): Promise<readonly (number | undefined)[]> {
    const own = await client(switches);
    const { sys, memory, call, map, register, secureWrite, store, end } = own;
    const at = await map(await call(sys.open('/disk/film', O_RDWR)));
    const shm = await register(at);
    assert.ok(shm.fd >= 0);
    assert.equal(await call(sys.msync(at, PAGE_SIZE, MS_SYNC)), 0);
    secureWrite(shm.id, 42);
    assert.equal(memory.u8(at), 42);
    await call(sys.close(shm.fd));
    await call(sys.madvise(at, PAGE_SIZE, MADV_PAGEOUT));
    const seen = memory.u8(at);
    await end();
    return [seen, store.read('film', 0, 1)?.[0]];
  }

  it('loses what a TA wrote to a clean page, as unpinning does not make it dirty', async () => {
    assert.deepEqual(await afterReclaim(LINUX_7_3), [7, 7]);
  });

  it('keeps it when the pages are unpinned as dirty', async () => {
    assert.deepEqual(await afterReclaim({ ...LINUX_7_3, unpinDirty: true }), [42, 42]);
  });

  it('keeps it in any case when the page was dirty still: pinning is a write', async () => {
    const { sys, call, map, register, secureWrite, store, end } = await client();
    const at = await map(await call(sys.open('/disk/film', O_RDWR)));
    const shm = await register(at);
    secureWrite(shm.id, 42);
    await end();
    assert.equal(store.read('film', 0, 1)?.[0], 42);
  });

  it('is refused as a long-term pin; private mappings and a tmpfs are not', async () => {
    const { sys, call, map, register, end } = await client({ ...LINUX_7_3, pinLongterm: true });
    const disk = await call(sys.open('/disk/film', O_RDWR));
    assert.equal((await register(await map(disk))).fd, -EFAULT);
    assert.ok((await register(await map(disk, MAP_PRIVATE))).fd >= 0);
    const tmpfs = await call(sys.open('/shm/film', O_RDWR));
    assert.ok((await register(await map(tmpfs))).fd >= 0);
    await end();
  });

  it('belongs to the TA alone once it was cut off', async () => {
    const { sys, memory, call, map, register, secureWrite, store, end } = await client();
    const fd = await call(sys.open('/disk/film', O_RDWR));
    const at = await map(fd);
    const shm = await register(at);
    await call(sys.ftruncate(fd, 0));
    secureWrite(shm.id, 42);
    assert.throws(() => memory.u8(at));
    await call(sys.ftruncate(fd, 1));
    assert.equal(memory.u8(at), 0);
    await end();
    assert.equal(store.read('film', 0, 1)?.[0], 0);
  });
});

describe('a memfd that is registered', () => {
  it('shows what a TA writes to all, and is not sealed meanwhile', async () => {
    const { sys, memory, call, map, register, secureWrite, end } = await client();
    const fd = await call(sys.memfdCreate('buffer', MFD_ALLOW_SEALING));
    await call(sys.ftruncate(fd, PAGE_SIZE));
    const at = await map(fd);
    const shm = await register(at);
    await call(sys.munmap(at, PAGE_SIZE));
    secureWrite(shm.id, 42);
    const buffer = memory.malloc(1);
    assert.equal(await call(sys.pread64(fd, buffer, 1, 0)), 1);
    assert.equal(memory.u8(buffer), 42);
    assert.equal(await call(sys.fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE)), -EBUSY);
    await call(sys.close(shm.fd));
    assert.equal(await call(sys.fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE)), 0);
    await end();
  });
});

describe('memory that is registered and moved (mremap)', () => {
  it('stays what the TA sees, and can be registered anew where it is', async () => {
    const { client: tee, sys, memory, call, register, secureWrite, user, end } = await client();
    const flags = MAP_PRIVATE | MAP_ANONYMOUS;
    const at = va(await call(sys.mmap(0, 2 * PAGE_SIZE, RW, flags, -1, 0)));
    memory.setU8(at, 1);
    const shm = await register(at);
    const to = va(await call(sys.mremap(at, PAGE_SIZE, 3 * PAGE_SIZE, MREMAP_MAYMOVE)));
    assert.ok(to > 0 && to !== at);
    secureWrite(shm.id, 42);
    assert.equal(memory.u8(to), 42);
    const again = await register(to);
    assert.deepEqual(tee.idr.get(again.id)!.pages, tee.idr.get(shm.id)!.pages);
    assert.equal(user.program.process.mm.mm.pages.pinCount(tee.idr.get(shm.id)!.pages[0]!), 2);
    assert.equal((await register(at)).fd, -EFAULT, 'nothing is there any more');
    await call(sys.close(shm.fd));
    await call(sys.close(again.fd));
    await end();
  });
});

describe('memory that cannot be registered', () => {
  it('secretmem, touched before or not', async () => {
    const { sys, memory, call, map, register, end } = await client();
    const fd = await call(sys.memfdSecret(0));
    await call(sys.ftruncate(fd, PAGE_SIZE));
    const at = await map(fd);
    assert.equal((await register(at)).fd, -EFAULT);
    memory.setU8(at, 1);
    assert.equal((await register(at)).fd, -EFAULT);
    await end();
  });

  const types: readonly MemoryType[] = ['normal', 'write-combine', 'device'];
  for (const memoryType of types) {
    it(`VM_IO | VM_PFNMAP of ${memoryType} memory, in parent and child`, async () => {
      const { kernel, user, sys, memory, call, map, register, end } = await client();
      const start = kernel.pages.allocExact(PAGE_SIZE)!;
      kernel.devices.register(
        makeDevice('frames', {
          mmap(_file, _current, request) {
            request.pfnMap = { start, memoryType };
            return 0;
          },
        }),
      );
      const at = await map(await call(sys.open('/dev/frames', O_RDWR)));
      memory.setU8(at, 3);
      assert.equal(kernel.machine.normal.bytes(start, 1, 'read')[0], 3);
      assert.equal(user.program.process.mm.vmas(at, va(at + 1))[0]?.memoryType, memoryType);
      assert.equal((await register(at)).fd, -EFAULT);
      const { program } = user;
      await call(
        program.fork(function* (child): Co<void> {
          child.memory.setU8(at, 4);
          assert.equal(child.process.mm.pin(at, 1, { write: true }), -EFAULT);
        }),
      );
      await call(sys.wait4(-1));
      assert.equal(memory.u8(at), 4);
      assert.equal(kernel.pages.refCount(start), 1);
      await call(sys.munmap(at, PAGE_SIZE));
      kernel.pages.freeExact(start, PAGE_SIZE);
      await end();
    });
  }

  it('what lies behind the end of its file: SIGBUS to the program, -EFAULT here', async () => {
    const { sys, call, register, end } = await client();
    const fd = await call(sys.open('/disk/film', O_RDWR));
    const at = await call(sys.mmap(0, 2 * PAGE_SIZE, RW, MAP_SHARED, fd, 0));
    assert.equal((await register(at + PAGE_SIZE)).fd, -EFAULT);
    await end();
  });
});
