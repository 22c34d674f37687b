/** What the ioctls answer when memory cannot be read or written, operations are missing, and so on. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EFAULT, EINVAL, EMFILE, ENOMEM, ENOTSUPP, ENOTTY } from '../../abi/errno.ts';
import { MAP_ANONYMOUS, MAP_PRIVATE, PROT_READ, PROT_WRITE } from '../../abi/fcntl.ts';
import * as abi from '../../abi/tee.ts';
import { PAGE_SIZE, va } from '../../machine/address.ts';
import type { Va } from '../../machine/address.ts';
import { boot, NOTHING_HELD } from './testing/box.ts';
import { bytesOf, encode, viewOf } from './testing/params.ts';
import { LINUX_6_1, LINUX_7_3, PROFILES } from './testing/profiles.ts';
import { BAD } from './testing/user.ts';
import type { TeeUser } from './testing/user.ts';

/** A page with nothing behind it. */
async function lonePage(user: TeeUser, prot = PROT_READ | PROT_WRITE): Promise<Va> {
  const { sys } = user.program;
  const anonymous = MAP_PRIVATE | MAP_ANONYMOUS;
  const at = await user.program.run(sys.mmap(0, 2 * PAGE_SIZE, prot, anonymous, -1, 0));
  assert.equal(await user.program.run(sys.munmap(at + PAGE_SIZE, PAGE_SIZE)), 0);
  return va(at);
}

async function protect(user: TeeUser, at: Va, prot: number): Promise<void> {
  assert.equal(await user.program.run(user.program.sys.mprotect(at, PAGE_SIZE, prot)), 0);
}

const NONE = { attr: abi.TEE_IOCTL_PARAM_ATTR_TYPE_NONE };
const VALUE_OUT = { attr: abi.TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_OUTPUT };
const UNKNOWN = { attr: 4 };

for (const [name, switches] of Object.entries(PROFILES)) {
  describe(`ioctls of ${name}`, () => {
    it('VERSION tells client and privileged devices apart', async () => {
      const user = boot({ switches }).user();
      const caps: number[] = [];
      for (const path of ['/dev/tee0', '/dev/teepriv0']) {
        const fd = await user.open(path);
        const data = new Uint8Array(abi.TeeIoctlVersionData.byteLength);
        const { rc, view } = await user.call(fd, abi.TEE_IOC_VERSION, data);
        assert.equal(rc, 0);
        assert.equal(abi.TeeIoctlVersionData.implId.get(view, 0), abi.TEE_IMPL_ID_OPTEE);
        caps.push(abi.TeeIoctlVersionData.genCaps.get(view, 0));
      }
      const { TEE_GEN_CAP_GP: gp, TEE_GEN_CAP_PRIVILEGED: privileged } = abi;
      assert.deepEqual(caps, [gp, gp | privileged]);
    });

    it('a pointer to nowhere is -EFAULT, before anything else is looked at', async () => {
      const user = boot({ switches }).user();
      const client = await user.open();
      const priv = await user.open('/dev/teepriv0');
      const supplicant = [abi.TEE_IOC_SUPPL_RECV, abi.TEE_IOC_SUPPL_SEND];
      const unknown = switches.shmRegisterFd ? [] : [abi.TEE_IOC_SHM_REGISTER_FD];
      for (const [ioctl, cmd] of Object.entries(abi.TEE_IOCTLS)) {
        const fd = supplicant.includes(cmd) ? priv : client;
        const refused = cmd === abi.TEE_IOC_OBJECT_INVOKE || unknown.includes(cmd);
        for (const at of [va(0), BAD, va(2 ** 48), va(2 ** 63)]) {
          assert.equal(await user.ioctl(fd, cmd, at), refused ? -EINVAL : -EFAULT, ioctl);
        }
      }
    });

    it('unknown commands are -EINVAL, not -ENOTTY', async () => {
      const box = boot({ switches });
      const user = box.user();
      const fd = await user.open();
      for (const cmd of [0, 0xa400, 0x8004_a40b, abi.TEE_IOC_VERSION + 1, 0xffff_ffff]) {
        const rc = await user.ioctl(fd, cmd, BAD);
        assert.equal(rc, -EINVAL);
        assert.notEqual(rc, -ENOTTY);
      }
      assert.match(box.trace.lastCause?.text ?? '', /no such ioctl: 0xffffffff/);
    });

    it('what a device lacks is -EINVAL, before the argument is read', async () => {
      const user = boot({ switches }).user();
      const client = await user.open();
      const priv = await user.open('/dev/teepriv0');
      for (const cmd of [abi.TEE_IOC_SUPPL_RECV, abi.TEE_IOC_SUPPL_SEND]) {
        assert.equal(await user.ioctl(client, cmd, BAD), -EINVAL);
      }
      const clientOnly = [
        abi.TEE_IOC_OPEN_SESSION,
        abi.TEE_IOC_INVOKE,
        abi.TEE_IOC_CANCEL,
        abi.TEE_IOC_CLOSE_SESSION,
      ];
      for (const cmd of clientOnly) assert.equal(await user.ioctl(priv, cmd, BAD), -EINVAL);
    });

    it('SHM_REGISTER without a driver for it is -ENOTSUPP, which no header knows', async () => {
      for (const left of [['shmRegister'], ['shmUnregister']] as const) {
        const box = boot({ switches, left });
        const user = box.user();
        const fd = await user.open();
        const { fd: rc } = await user.register(fd, user.memory.malloc(8), 8);
        assert.equal(rc, -ENOTSUPP);
        await user.program.exit();
        assert.deepEqual(box.held(), NOTHING_HELD);
      }
    });

    it('buf_len runs from the header to TEE_MAX_ARG_SIZE, and fits num_params to the byte', async () => {
      const box = boot({ switches });
      const user = box.user();
      const fd = await user.open();
      const size = abi.TeeIoctlInvokeArg.byteLength;
      const most = (switches.maxArgSize - size) / abi.TeeIoctlParam.byteLength;
      assert.equal((await user.invoke(fd, 3, Array(Math.floor(most)).fill(NONE))).rc, 0);
      assert.equal((await user.invoke(fd, 3, Array(Math.floor(most) + 1).fill(NONE))).rc, -EINVAL);
      assert.match(box.trace.lastCause?.limit ?? '', /TEE_MAX_ARG_SIZE=/);
      const at = user.memory.calloc(switches.maxArgSize + 1);
      assert.equal(await user.buffer(fd, abi.TEE_IOC_INVOKE, at, size - 1), -EINVAL);
      assert.equal(await user.buffer(fd, abi.TEE_IOC_INVOKE, at, size + 1), -EINVAL);
      assert.equal(await user.buffer(fd, abi.TEE_IOC_INVOKE, at, size), 0);
      assert.equal(await user.buffer(fd, abi.TEE_IOC_INVOKE, at, switches.maxArgSize + 1), -EINVAL);
    });

    it('errors come in the order in which the kernel reads: parameter by parameter', async () => {
      const box = boot({ switches });
      const user = box.user();
      const fd = await user.open();
      const page = await lonePage(user);
      const put = (first: { attr: number }): Va => {
        const view = encode(abi.TeeIoctlInvokeArg.byteLength, [first, NONE]);
        abi.TeeIoctlInvokeArg.numParams.set(view, 0, 2);
        const head = bytesOf(view).subarray(0, view.byteLength - abi.TeeIoctlParam.byteLength);
        const at = va(page + PAGE_SIZE - head.length);
        user.memory.write(at, head);
        return at;
      };
      const length = abi.invokeArgSize(2);
      // The second parameter is not there: the first one's error goes before.
      assert.equal(await user.buffer(fd, abi.TEE_IOC_INVOKE, put(UNKNOWN), length), -EINVAL);
      assert.equal(await user.buffer(fd, abi.TEE_IOC_INVOKE, put(NONE), length), -EFAULT);
      // The header is there, and says that nothing else need be.
      const at = put(NONE);
      assert.equal(await user.buffer(fd, abi.TEE_IOC_INVOKE, at, length - 1), -EINVAL);
      assert.equal(await user.buffer(fd, abi.TEE_IOC_INVOKE, page + PAGE_SIZE - 8, 24), -EFAULT);
      assert.equal(box.fake.log.length, 1);
    });

    it('an answer that cannot be written is -EFAULT, with what lies before the fault', async () => {
      const user = boot({ switches }).user();
      const fd = await user.open();
      const page = await lonePage(user);
      const size = abi.TeeIoctlInvokeArg.byteLength;
      const view = encode(size, [VALUE_OUT]);
      abi.TeeIoctlInvokeArg.func.set(view, 0, 5);
      abi.TeeIoctlInvokeArg.numParams.set(view, 0, 1);
      user.memory.write(page, bytesOf(view));
      await protect(user, page, PROT_READ);
      assert.equal(await user.buffer(fd, abi.TEE_IOC_INVOKE, page, view.byteLength), -EFAULT);
      const out = viewOf(user.memory.read(page, view.byteLength));
      assert.equal(abi.TeeIoctlInvokeArg.ret.get(out, 0), 0);
    });

    it('a session that user space cannot be told of is closed again', async () => {
      const box = boot({ switches });
      const user = box.user();
      const fd = await user.open();
      const page = await lonePage(user);
      await protect(user, page, PROT_READ);
      assert.equal(
        await user.buffer(fd, abi.TEE_IOC_OPEN_SESSION, page, abi.openSessionArgSize(0)),
        -EFAULT,
      );
      assert.deepEqual(box.fake.log, ['open 1', 'open session 0', 'close session 7']);
    });

    it('SHM_ALLOC and SHM_REGISTER that cannot be answered leave nothing behind', async () => {
      const box = boot({ switches });
      const user = box.user();
      const fd = await user.open();
      const page = await lonePage(user);
      const buffer = user.memory.malloc(64);
      const alloc = viewOf(new Uint8Array(16));
      abi.TeeIoctlShmAllocData.size.set(alloc, 0, 1n);
      const register = viewOf(new Uint8Array(24));
      abi.TeeIoctlShmRegisterData.addr.set(register, 0, BigInt(buffer));
      abi.TeeIoctlShmRegisterData.length.set(register, 0, 64n);
      user.memory.write(page, bytesOf(alloc));
      user.memory.write(va(page + 16), bytesOf(register));
      await protect(user, page, PROT_READ);
      const used = box.kernel.pages.usedPages;
      assert.equal(await user.ioctl(fd, abi.TEE_IOC_SHM_ALLOC, page), -EFAULT);
      assert.equal(await user.ioctl(fd, abi.TEE_IOC_SHM_REGISTER, va(page + 16)), -EFAULT);
      assert.equal(box.kernel.pages.usedPages, used);
      await user.close(fd);
      const { users, ids, registered, pins, addresses } = box.held();
      assert.deepEqual([users, ids, registered, pins, addresses], [0, 0, 0, 0, 0]);
    });

    it('without a free fd SHM_ALLOC is -EMFILE and frees the memory', async () => {
      const box = boot({ switches });
      const user = box.user({ nofile: 1 });
      const fd = await user.open();
      assert.equal((await user.alloc(fd, 1)).fd, -EMFILE);
      assert.equal((await user.register(fd, user.memory.malloc(8), 8)).fd, -EMFILE);
      assert.equal(box.client.idr.size, 0);
      assert.equal(box.fake.registered.size, 0);
      assert.equal(box.client.numUsers, 2);
    });

    it('the secure world may refuse memory', async () => {
      const box = boot({ switches });
      const user = box.user();
      const fd = await user.open();
      box.fake.errors.register = -EINVAL;
      assert.equal((await user.alloc(fd, 1)).fd, -EINVAL);
      assert.equal((await user.register(fd, user.memory.malloc(8), 8)).fd, -EINVAL);
      await user.close(fd);
      const { users, ids, pins, addresses } = box.held();
      assert.deepEqual([users, ids, pins, addresses], [0, 0, 0, 0]);
    });

    it("what the driver answers is the ioctl's result", async () => {
      const box = boot({ switches });
      const user = box.user();
      const fd = await user.open();
      box.fake.errors.cancel = -EINVAL;
      box.fake.errors.close = -ENOMEM;
      const cancel = viewOf(new Uint8Array(8));
      abi.TeeIoctlCancelArg.cancelId.set(cancel, 0, 3);
      abi.TeeIoctlCancelArg.session.set(cancel, 0, 0xffff_ffff);
      assert.equal((await user.call(fd, abi.TEE_IOC_CANCEL, bytesOf(cancel))).rc, -EINVAL);
      const close = viewOf(new Uint8Array(4));
      abi.TeeIoctlCloseSessionArg.session.set(close, 0, 9);
      assert.equal((await user.call(fd, abi.TEE_IOC_CLOSE_SESSION, bytesOf(close))).rc, -ENOMEM);
      box.fake.openSession = function* () {
        return -ENOMEM;
      };
      assert.equal((await user.openSession(fd)).rc, -ENOMEM);
      box.fake.invoke = function* () {
        return -EINVAL;
      };
      const answer = await user.invoke(fd, 5, [VALUE_OUT]);
      assert.equal(answer.rc, -EINVAL);
      assert.equal(answer.ret, 0, 'nothing is written back');
      assert.deepEqual(box.fake.log.slice(1), [
        'cancel 3 4294967295',
        'close session 9',
        'open session 0',
      ]);
    });
  });
}

describe('ioctls that came later', () => {
  it('SHM_REGISTER_FD reads its argument, then has no heap to offer', async () => {
    const box = boot({ switches: LINUX_7_3 });
    const user = box.user();
    const fd = await user.open();
    const data = new Uint8Array(24);
    assert.equal((await user.call(fd, abi.TEE_IOC_SHM_REGISTER_FD, data)).rc, -EINVAL);
    assert.match(box.trace.lastCause?.hint ?? '', /no protected heaps/);
    assert.equal(await user.ioctl(fd, abi.TEE_IOC_SHM_REGISTER_FD, BAD), -EFAULT);
    const old = boot({ switches: LINUX_6_1 }).user();
    const oldFd = await old.open();
    assert.equal(await old.ioctl(oldFd, abi.TEE_IOC_SHM_REGISTER_FD, BAD), -EINVAL);
  });
});
