/** Shared memory as files, and who keeps what alive. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EACCES, EINVAL, EPERM, formatErrno } from '../../abi/errno.ts';
import {
  FD_CLOEXEC,
  F_GETFD,
  MAP_PRIVATE,
  MAP_SHARED,
  PROT_EXEC,
  PROT_READ,
  PROT_WRITE,
} from '../../abi/fcntl.ts';
import { PAGE_SIZE, va } from '../../machine/address.ts';
import { boot, NOTHING_HELD } from './testing/box.ts';
import { HARDENED, LINUX_7_3, PROFILES } from './testing/profiles.ts';
import type { TeeUser } from './testing/user.ts';

const RW = PROT_READ | PROT_WRITE;

async function mmap(
  user: TeeUser,
  fd: number,
  pages: number,
  offset = 0,
  prot = RW,
): Promise<number> {
  const { sys } = user.program;
  return user.program.run(sys.mmap(0, pages * PAGE_SIZE, prot, MAP_SHARED, fd, offset * PAGE_SIZE));
}

for (const [name, switches] of Object.entries(PROFILES)) {
  describe(`shm files of ${name}`, () => {
    it('are anonymous inodes that survive exec', async () => {
      const user = boot({ switches }).user();
      const fd = await user.open();
      const shm = await user.alloc(fd, 1);
      const { program } = user;
      assert.equal(program.process.files.get(shm.fd)?.path, 'anon_inode:tee_shm');
      const flags = await program.run(program.sys.fcntl(shm.fd, F_GETFD));
      assert.equal(flags & FD_CLOEXEC, 0);
    });

    it('map the buffer itself, shared with the kernel', async () => {
      const box = boot({ switches });
      const user = box.user();
      const fd = await user.open();
      const shm = await user.alloc(fd, 2 * PAGE_SIZE);
      const at = await mmap(user, shm.fd, 2);
      user.memory.setU32(va(at + PAGE_SIZE), 0x1234_5678);
      const { bytes } = box.client.idr.get(shm.id)!.map(PAGE_SIZE, 4, 'read');
      assert.deepEqual([...bytes], [0x78, 0x56, 0x34, 0x12]);
    });

    it('refuse mappings beyond the end, of registered memory, and any read or write', async () => {
      const box = boot({ switches });
      const user = box.user();
      const { program } = user;
      const fd = await user.open();
      const shm = await user.alloc(fd, 2 * PAGE_SIZE);
      assert.equal(await mmap(user, shm.fd, 3), -EINVAL);
      assert.equal(await mmap(user, shm.fd, 2, 1), -EINVAL);
      assert.equal(await mmap(user, shm.fd, 1, 2), -EINVAL);
      assert.match(box.trace.lastCause?.text ?? '', /outside the buffer/);
      const reg = await user.register(fd, user.memory.malloc(PAGE_SIZE), PAGE_SIZE);
      assert.equal(await mmap(user, reg.fd, 1), -EINVAL);
      const buffer = user.memory.malloc(8);
      assert.equal(await program.run(program.sys.read(shm.fd, buffer, 8)), -EINVAL);
      assert.equal(await program.run(program.sys.write(shm.fd, buffer, 8)), -EINVAL);
    });

    it('quirk: the offset is checked, then ignored', async () => {
      const box = boot({ switches });
      const user = box.user();
      const fd = await user.open();
      const shm = await user.alloc(fd, 2 * PAGE_SIZE);
      box.client.idr.get(shm.id)!.map(0, 1, 'write').bytes[0] = 0xaa;
      const at = await mmap(user, shm.fd, 1, 1);
      assert.equal(user.memory.u8(va(at)), 0xaa);
    });

    it('keep memory, context and sessions alive: file, copies of the fd, mappings', async () => {
      const box = boot({ switches });
      const user = box.user();
      const { program } = user;
      const fd = await user.open();
      const shm = await user.alloc(fd, PAGE_SIZE);
      await user.close(fd);
      assert.deepEqual(box.fake.log, ['open 1', 'close 1'], 'closed at once, not released');
      const copy = await program.run(program.sys.dup(shm.fd));
      const at = await mmap(user, shm.fd, 1);
      await user.close(shm.fd);
      await user.close(copy);
      assert.equal(box.client.idr.size, 1, 'the mapping holds it');
      await program.run(program.sys.munmap(at, PAGE_SIZE));
      assert.deepEqual(box.fake.log, ['open 1', 'close 1', 'release 1']);
      await program.exit();
      assert.deepEqual(box.held(), NOTHING_HELD);
    });

    it('a child shares the files; ids work as long as the context is the same', async () => {
      const box = boot({ switches });
      const user = box.user();
      const { program } = user;
      const fd = await user.open();
      const shm = await user.alloc(fd, PAGE_SIZE);
      await user.close(shm.fd);
      const kept = await user.alloc(fd, PAGE_SIZE);
      await program.run(
        program.fork(function* (child) {
          yield* child.sys.close(kept.fd);
          yield* child.sys.close(fd);
          return 0;
        }),
      );
      await program.run(program.sys.wait4(-1));
      assert.equal(box.client.idr.size, 1, "the parent's file is still open");
      assert.deepEqual(box.fake.log, ['open 1']);
      await user.close(fd);
      await user.close(kept.fd);
      assert.deepEqual(box.fake.log, ['open 1', 'close 1', 'release 1']);
    });

    it('memory in use by a call outlives its last file', async () => {
      const box = boot({ switches });
      const user = box.user();
      const fd = await user.open();
      const shm = await user.alloc(fd, PAGE_SIZE);
      box.fake.invoke = function* (_ctx, _arg, params) {
        yield* user.program.process.files.remove(shm.fd)!.put();
        assert.equal(box.client.idr.get(shm.id), params[0]?.shm);
        return 0;
      };
      const memref = { attr: 7, b: PAGE_SIZE, c: shm.id };
      assert.equal((await user.invoke(fd, 1, [memref])).rc, 0);
      assert.equal(box.client.idr.size, 0);
      assert.equal((await user.invoke(fd, 1, [memref])).rc, -EINVAL, 'the id is gone');
    });
  });
}

describe('shm files', () => {
  it('PROT_EXEC is refused where anonymous inodes are noexec', async () => {
    const user = boot().user();
    const fd = await user.open();
    const shm = await user.alloc(fd, PAGE_SIZE);
    assert.equal(await mmap(user, shm.fd, 1, 0, RW | PROT_EXEC), -EPERM);
    assert.notEqual(-EPERM, -EACCES);
  });

  it('hardened: the offset counts', async () => {
    const box = boot({ switches: HARDENED });
    const user = box.user();
    const fd = await user.open();
    const shm = await user.alloc(fd, 2 * PAGE_SIZE);
    box.client.idr.get(shm.id)!.map(PAGE_SIZE, 1, 'write').bytes[0] = 0xbb;
    assert.equal(user.memory.u8(va(await mmap(user, shm.fd, 1, 1))), 0xbb);
  });

  it('a private mapping can be registered once its page was copied by a write', async () => {
    const box = boot({ switches: LINUX_7_3 });
    const user = box.user();
    const { program } = user;
    const fd = await user.open();
    const shm = await user.alloc(fd, PAGE_SIZE);
    const at = await program.run(program.sys.mmap(0, PAGE_SIZE, RW, MAP_PRIVATE, shm.fd, 0));
    assert.ok(at > 0, formatErrno(at));
    user.memory.setU8(va(at), 1);
    const reg = await user.register(fd, at, PAGE_SIZE);
    assert.ok(reg.fd >= 0, formatErrno(reg.fd));
    assert.equal(box.client.idr.get(shm.id)!.map(0, 1, 'read').bytes[0], 0, 'a copy');
  });

  it('use after the last put stops the box', async () => {
    const box = boot();
    const user = box.user();
    const fd = await user.open();
    const { id, fd: file } = await user.alloc(fd, PAGE_SIZE);
    const shm = box.client.idr.get(id)!;
    await user.close(file);
    assert.throws(() => shm.get(), /used after its last put/);
    assert.equal(box.sched.halted?.kind, 'use after free');
  });
});
