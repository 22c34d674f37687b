/** SUPPL_RECV and SUPPL_SEND. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EFAULT, EINTR, EINVAL, ENOENT } from '../../abi/errno.ts';
import {
  MAP_ANONYMOUS,
  MAP_PRIVATE,
  PROT_NONE,
  PROT_READ,
  PROT_WRITE,
  SIGUSR1,
} from '../../abi/fcntl.ts';
import * as abi from '../../abi/tee.ts';
import { PAGE_SIZE, va } from '../../machine/address.ts';
import { TeeParam } from './tee-drv.ts';
import { boot, NOTHING_HELD } from './testing/box.ts';
import type { TeeBox } from './testing/box.ts';
import { bytesOf, decode, encode, viewOf } from './testing/params.ts';
import type { UserParam, UserParamOut } from './testing/params.ts';
import { HARDENED, LINUX_6_1, LINUX_7_3, PROFILES } from './testing/profiles.ts';
import type { TeeUser } from './testing/user.ts';

const T = abi.TEE_IOCTL_PARAM_ATTR_TYPE;
const RECV = abi.TeeIoclSuppRecvArg;
const SEND = abi.TeeIoclSuppSendArg;
const NONE: UserParam = { attr: 0 };

interface Received {
  readonly rc: number;
  readonly func: number;
  readonly params: readonly UserParamOut[];
}

async function recv(user: TeeUser, fd: number, room: readonly UserParam[]): Promise<Received> {
  const view = encode(RECV.byteLength, room);
  RECV.numParams.set(view, 0, room.length);
  const at = user.place(bytesOf(view));
  const rc = await user.buffer(fd, abi.TEE_IOC_SUPPL_RECV, at, view.byteLength);
  const out = viewOf(user.memory.read(at, view.byteLength));
  const count = rc === 0 ? RECV.numParams.get(out, 0) : 0;
  return { rc, func: RECV.func.get(out, 0), params: decode(out, RECV.byteLength, count) };
}

async function send(
  user: TeeUser,
  fd: number,
  params: readonly UserParam[],
  extra = 0,
): Promise<number> {
  const view = encode(SEND.byteLength, params);
  SEND.ret.set(view, 0, 0xffff_0008);
  SEND.numParams.set(view, 0, params.length);
  const bytes = new Uint8Array(view.byteLength + extra);
  bytes.set(bytesOf(view));
  return user.buffer(fd, abi.TEE_IOC_SUPPL_SEND, user.place(bytes), bytes.length);
}

function param(attr: number, more: Partial<TeeParam> = {}): TeeParam {
  const { aLo = 0, bLo = 0, cLo = 0, shm = null, shmOffs = 0, size = 0, uaddr = 0 } = more;
  return Object.assign(new TeeParam(), { attr, aLo, bLo, cLo, shm, shmOffs, size, uaddr });
}

async function supplicant(box: TeeBox): Promise<{ user: TeeUser; fd: number }> {
  const user = box.user({ name: 'tee-supplicant' });
  return { user, fd: await user.open('/dev/teepriv0') };
}

describe('SUPPL_RECV', () => {
  for (const [name, switches] of Object.entries(PROFILES)) {
    it(`${name}: writes every entry in use, with zeros where there is nothing to tell`, async () => {
      const box = boot({ switches });
      const { user, fd } = await supplicant(box);
      const { id } = await user.alloc(fd, PAGE_SIZE);
      const shm = box.priv.idr.get(id)!;
      const value = { aLo: 1, bLo: 2, cLo: 3 };
      box.fake.request(9, [
        param(T.TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INPUT, value),
        param(T.TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_OUTPUT, value),
        param(T.TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INOUT | abi.TEE_IOCTL_PARAM_ATTR_META, value),
        param(T.TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_OUTPUT, { shm, shmOffs: 8, size: 16 }),
        param(T.TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INPUT, { size: 16 }),
        param(0, value),
      ]);
      const junk = { attr: 0, a: 77n, b: 77n, c: 77n };
      const got = await recv(user, fd, Array<UserParam>(8).fill(junk));
      assert.deepEqual([got.rc, got.func], [0, 9]);
      assert.deepEqual(got.params, [
        { attr: 1n, a: 1n, b: 2n, c: 3n },
        { attr: 2n, a: 0n, b: 0n, c: 0n },
        { attr: 0x103n, a: 1n, b: 2n, c: 3n },
        { attr: 6n, a: 8n, b: 16n, c: BigInt(id) },
        { attr: 5n, a: 0n, b: 16n, c: abi.TEE_MEMREF_NULL },
        { attr: 0n, a: 0n, b: 0n, c: 0n },
      ]);
    });

    it(`${name}: sleeps until there is a request, and a signal ends the sleep`, async () => {
      const box = boot({ switches });
      const { user, fd } = await supplicant(box);
      const waiting = recv(user, fd, [NONE]);
      box.fake.request(4, []);
      assert.equal((await waiting).func, 4);
      const { sys } = user.program;
      await user.program.run(sys.rtSigaction(SIGUSR1, { handler: () => {} }));
      const again = recv(user, fd, [NONE]);
      user.program.kill(SIGUSR1);
      assert.equal((await again).rc, -EINTR);
    });

    it(`${name}: a request that does not fit stays for a larger buffer`, async () => {
      const box = boot({ switches });
      const { user, fd } = await supplicant(box);
      box.fake.request(5, [param(1), param(1)]);
      assert.equal((await recv(user, fd, [NONE])).rc, -EINVAL);
      assert.equal((await recv(user, fd, [NONE, NONE])).rc, 0);
    });

    it(`${name}: num_params counts to ${switches === LINUX_6_1 ? 31 : 127}`, async () => {
      const box = boot({ switches });
      const { user, fd } = await supplicant(box);
      const most = switches === LINUX_6_1 ? 31 : 127;
      box.fake.request(1, []);
      assert.equal((await recv(user, fd, Array<UserParam>(most + 1).fill(NONE))).rc, -EINVAL);
      assert.equal((await recv(user, fd, Array<UserParam>(most).fill(NONE))).rc, 0);
    });
  }

  it('buffers of the supplicant are brought to it', async () => {
    const box = boot();
    const { user, fd } = await supplicant(box);
    const { id } = await user.register(fd, user.memory.memalign(4096, 4096) + 8, 64);
    const shm = box.priv.idr.get(id)!;
    const seen: string[] = [];
    shm.pinned = {
      pages: shm.pages,
      syncForDevice: (offset, length) => seen.push(`device ${offset} ${length}`),
      syncForCpu: (offset, length) => seen.push(`cpu ${offset} ${length}`),
      unpin: () => {},
    };
    const memref = T.TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INPUT;
    box.fake.request(1, [param(memref, { shm, shmOffs: 16, size: 32 })]);
    assert.equal((await recv(user, fd, [NONE])).rc, 0);
    assert.deepEqual(seen, ['cpu 24 32']);
  });

  it('7.3 hands out UBUF and OBJREF, 6.1 zeros', async () => {
    for (const switches of [LINUX_7_3, LINUX_6_1]) {
      const box = boot({ switches });
      const { user, fd } = await supplicant(box);
      box.fake.request(1, [
        param(T.TEE_IOCTL_PARAM_ATTR_TYPE_UBUF_INPUT, { uaddr: 4096, size: 5 }),
        param(T.TEE_IOCTL_PARAM_ATTR_TYPE_OBJREF_INPUT, { aLo: 6, bLo: 7, cLo: 8 }),
      ]);
      const { params } = await recv(user, fd, [NONE, NONE]);
      const values = params.map(({ a, b, c }) => [a, b, c]);
      const known = switches === LINUX_7_3;
      assert.deepEqual(values[0], known ? [4096n, 5n, 0n] : [0n, 0n, 0n]);
      assert.deepEqual(values[1], known ? [6n, 7n, 0n] : [0n, 0n, 0n]);
    }
  });

  it('quirk: memrefs before a bad parameter are never let go', async () => {
    for (const [switches, leaks] of [
      [LINUX_7_3, true],
      [LINUX_6_1, true],
      [HARDENED, false],
    ] as const) {
      const box = boot({ switches });
      const { user, fd } = await supplicant(box);
      const shm = await user.alloc(fd, PAGE_SIZE);
      const memref = { attr: T.TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INPUT, b: 1, c: shm.id };
      assert.equal((await recv(user, fd, [memref, { attr: 4 }])).rc, -EINVAL);
      assert.equal((await recv(user, fd, [memref])).rc, -EINVAL, 'the driver drops these');
      await user.program.exit();
      assert.equal(box.fake.log.includes('release 1'), !leaks);
      assert.equal(box.held().ids, leaks ? 1 : 0);
    }
  });

  it('quirk: a request is lost on a buffer that cannot be written', async () => {
    for (const switches of [LINUX_7_3, HARDENED]) {
      const box = boot({ switches });
      const { user, fd } = await supplicant(box);
      const { sys } = user.program;
      const anonymous = MAP_PRIVATE | MAP_ANONYMOUS;
      const page = await user.program.run(
        sys.mmap(0, PAGE_SIZE, PROT_READ | PROT_WRITE, anonymous, -1, 0),
      );
      user.memory.setU32(va(page), 0);
      await user.program.run(sys.mprotect(page, PAGE_SIZE, PROT_READ));
      box.fake.request(1, []);
      assert.equal(await user.buffer(fd, abi.TEE_IOC_SUPPL_RECV, page, RECV.byteLength), -EFAULT);
      const lost = switches === LINUX_7_3;
      assert.equal(box.fake.requests.length, lost ? 0 : 1);
      if (lost) assert.match(box.trace.lastCause?.hint ?? '', /waits until it is killed/);
      else assert.equal((await recv(user, fd, [NONE])).rc, 0);
    }
  });

  it('memrefs in a buffer that cannot be written are let go', async () => {
    const box = boot({ switches: HARDENED });
    const { user, fd } = await supplicant(box);
    const { sys } = user.program;
    const shm = await user.alloc(fd, PAGE_SIZE);
    const memref = { attr: T.TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INPUT, b: 1, c: shm.id };
    const view = encode(RECV.byteLength, [memref]);
    RECV.numParams.set(view, 0, 1);
    const flags = MAP_PRIVATE | MAP_ANONYMOUS;
    const page = await user.program.run(
      sys.mmap(0, PAGE_SIZE, PROT_READ | PROT_WRITE, flags, -1, 0),
    );
    user.memory.write(va(page), bytesOf(view));
    await user.program.run(sys.mprotect(page, PAGE_SIZE, PROT_READ));
    const rc = await user.buffer(fd, abi.TEE_IOC_SUPPL_RECV, page, view.byteLength);
    assert.equal(rc, -EFAULT);
    await user.program.exit();
    assert.equal(box.held().ids, 0);
  });

  it('of the header only the number of parameters is read', async () => {
    const box = boot();
    const { user, fd } = await supplicant(box);
    const { sys } = user.program;
    const anonymous = MAP_PRIVATE | MAP_ANONYMOUS;
    const at = await user.program.run(
      sys.mmap(0, 2 * PAGE_SIZE, PROT_READ | PROT_WRITE, anonymous, -1, 0),
    );
    await user.program.run(sys.mprotect(at, PAGE_SIZE, PROT_NONE));
    box.fake.request(1, []);
    const header = at + PAGE_SIZE - RECV.numParams.offset;
    const rc = await user.buffer(fd, abi.TEE_IOC_SUPPL_RECV, header, RECV.byteLength);
    assert.equal(rc, -EFAULT);
    assert.equal(box.fake.requests.length, 0, 'func cannot be written: found out too late');
  });
});

describe('SUPPL_SEND', () => {
  for (const [name, switches] of Object.entries(PROFILES)) {
    it(`${name}: takes values of outputs and sizes, and nothing else`, async () => {
      const box = boot({ switches });
      const { user, fd } = await supplicant(box);
      const all = { a: 0x1_0000_0001n, b: 0x2_0000_0002n, c: 0x3_0000_0003n };
      const attrs = [0, 1, 2, 3, 5, 6, 7, 0x103, 4, 0xff];
      assert.equal(
        await send(
          user,
          fd,
          attrs.map((attr) => ({ attr, ...all })),
        ),
        0,
      );
      const values = '1 1 2 2 3 3 shm=undefined +0 0 @0';
      const zeros = '0 0 0 0 0 0 shm=undefined +0 0 @0';
      const size = `0 0 0 0 0 0 shm=undefined +0 ${0x2_0000_0002} @0`;
      assert.equal(box.fake.answers[0]?.ret, 0xffff_0008);
      assert.deepEqual(box.fake.answers[0]?.params, [
        `0 ${zeros}`,
        `1 ${zeros}`,
        `2 ${values}`,
        `3 ${values}`,
        `5 ${zeros}`,
        `6 ${size}`,
        `7 ${size}`,
        `103 ${values}`,
        `4 ${zeros}`,
        `ff ${zeros}`,
      ]);
    });

    it(`${name}: the buffer may be longer than its parameters, not shorter`, async () => {
      const box = boot({ switches });
      const { user, fd } = await supplicant(box);
      assert.equal(await send(user, fd, [NONE], 100), 0);
      const view = encode(SEND.byteLength, [NONE]);
      SEND.numParams.set(view, 0, 2);
      const at = user.place(bytesOf(view));
      assert.equal(await user.buffer(fd, abi.TEE_IOC_SUPPL_SEND, at, view.byteLength), -EINVAL);
      assert.equal(box.fake.answers.length, 1);
      box.fake.errors.send = -ENOENT;
      assert.equal(await send(user, fd, []), -ENOENT);
    });
  }

  it('UBUF is checked and passed on, since 6.18', async () => {
    const box = boot();
    const { user, fd } = await supplicant(box);
    const ubuf = T.TEE_IOCTL_PARAM_ATTR_TYPE_UBUF_OUTPUT;
    const objref = T.TEE_IOCTL_PARAM_ATTR_TYPE_OBJREF_OUTPUT;
    assert.equal(await send(user, fd, [{ attr: ubuf, a: 1n << 63n, b: 1 }]), -EFAULT);
    const both = [
      { attr: ubuf, a: 4096, b: 8 },
      { attr: objref, a: 5, b: 6 },
    ];
    assert.equal(await send(user, fd, both), 0);
    assert.deepEqual(box.fake.answers[0]?.params, [
      '9 0 0 0 0 0 0 shm=undefined +0 8 @4096',
      'c 0 5 0 6 0 0 shm=undefined +0 0 @0',
    ]);
    const old = boot({ switches: LINUX_6_1 });
    const before = await supplicant(old);
    assert.equal(await send(before.user, before.fd, [{ attr: ubuf, a: 1n << 63n, b: 1 }]), 0);
  });

  it('leaves nothing behind', async () => {
    const box = boot();
    const { user, fd } = await supplicant(box);
    box.fake.request(1, []);
    await recv(user, fd, [NONE]);
    await send(user, fd, [NONE]);
    await user.program.exit();
    assert.deepEqual(box.held(), NOTHING_HELD);
  });
});
