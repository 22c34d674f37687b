/**
 * Each field of each ioctl's struct, taken from the layouts: what the core refuses in it, or that it
 * takes whatever stands there. A field that a layout gains and this table lacks fails the test.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EFAULT, EINVAL, ENOMEM, EPERM, formatErrno } from '../../abi/errno.ts';
import type { Field, StructInfo } from '../../abi/layout.ts';
import * as abi from '../../abi/tee.ts';
import { boot } from './testing/box.ts';
import type { TeeBox } from './testing/box.ts';
import { bytesOf, encode, viewOf } from './testing/params.ts';
import { PROFILES } from './testing/profiles.ts';
import type { TeeUser } from './testing/user.ts';

type Profile = keyof typeof PROFILES;

/** A value, and what the ioctl answers to it; `any` for fields that are not looked at. */
type Case = readonly [value: bigint, result: number | { readonly [P in Profile]: number }];
type Cases = readonly Case[] | 'any';

const U32 = 0xffff_ffffn;
const U64 = 0xffff_ffff_ffff_ffffn;

/** How an ioctl is made whose struct is `layout`, with one field of it changed. */
interface Target {
  readonly layout: StructInfo;
  readonly fields: Readonly<Record<string, Cases>>;
  /** What it answers when all is well. */
  readonly good: number;
  run(box: TeeBox, user: TeeUser, change: (view: DataView, at: number) => void): Promise<number>;
}

function setField(field: Field, value: bigint): (view: DataView, at: number) => void {
  return (view, at) => {
    for (let i = 0; i < field.size; i++) {
      view.setUint8(at + field.offset + i, Number((value >> BigInt(8 * Math.min(i, 7))) & 0xffn));
    }
  };
}

/** A struct that the ioctl's argument points to directly. */
function plain(
  layout: StructInfo,
  cmd: number,
  fields: Target['fields'],
  prepare: (view: DataView, user: TeeUser) => void = () => {},
): Target {
  return {
    layout,
    fields,
    good: 0,
    async run(_box, user, change) {
      const fd = await user.open();
      const view = viewOf(new Uint8Array(layout.byteLength));
      prepare(view, user);
      change(view, 0);
      const { rc } = await user.call(fd, cmd, bytesOf(view));
      return Math.min(rc, 0);
    },
  };
}

const ONE_PARAM = [{ attr: abi.TEE_IOCTL_PARAM_ATTR_TYPE_NONE }];

/** A header and one parameter, behind a `tee_ioctl_buf_data`. */
function behindBuffer(
  header: StructInfo,
  cmd: number,
  fields: Target['fields'],
  more: { readonly path?: string; readonly good?: number; readonly at?: number } = {},
): Target {
  return {
    layout: more.at === undefined ? header : abi.TeeIoctlParam,
    fields,
    good: more.good ?? 0,
    async run(box, user, change) {
      const fd = await user.open(more.path);
      const view = encode(header.byteLength, ONE_PARAM);
      const count = header.fields.find(({ name }) => name === 'num_params')!;
      setField(count, 1n)(view, 0);
      change(view, more.at ?? 0);
      box.fake.request(1, []);
      return user.buffer(fd, cmd, user.place(bytesOf(view)), view.byteLength);
    },
  };
}

/** The `tee_ioctl_buf_data` itself. */
function bufData(header: StructInfo, cmd: number, path: string): Target {
  return {
    layout: abi.TeeIoctlBufData,
    fields: {
      buf_ptr: [
        [0n, -EFAULT],
        [U64, -EFAULT],
        [1n << 63n, -EFAULT],
      ],
      buf_len: [
        [0n, -EINVAL],
        [BigInt(header.byteLength - 1), -EINVAL],
        [4097n, -EINVAL],
        [1n << 32n, -EINVAL],
        [U64, -EINVAL],
      ],
    },
    good: 0,
    async run(box, user, change) {
      const fd = await user.open(path);
      const inner = encode(header.byteLength, ONE_PARAM);
      setField(
        header.fields.find(({ name }) => name === 'num_params')!,
        1n,
      )(inner, 0);
      const view = viewOf(new Uint8Array(abi.TeeIoctlBufData.byteLength));
      abi.TeeIoctlBufData.bufPtr.set(view, 0, BigInt(user.place(bytesOf(inner))));
      abi.TeeIoctlBufData.bufLen.set(view, 0, BigInt(inner.byteLength));
      change(view, 0);
      box.fake.request(1, []);
      return (await user.call(fd, cmd, bytesOf(view))).rc;
    },
  };
}

const NUM_PARAMS: Cases = [
  [0n, -EINVAL],
  [2n, -EINVAL],
  [128n, -EINVAL],
  [U32, -EINVAL],
];
const FLAGS: Cases = [
  [1n, -EINVAL],
  [1n << 31n, -EINVAL],
  [U32, -EINVAL],
];
const ATTR: Cases = [
  [4n, -EINVAL],
  [14n, -EINVAL],
  [0xffn, -EINVAL],
  [0x200n, -EINVAL],
  [1n << 32n, -EINVAL],
  [U64, -EINVAL],
];

const TARGETS: readonly Target[] = [
  plain(abi.TeeIoctlVersionData, abi.TEE_IOC_VERSION, {
    impl_id: 'any',
    impl_caps: 'any',
    gen_caps: 'any',
  }),
  plain(
    abi.TeeIoctlShmAllocData,
    abi.TEE_IOC_SHM_ALLOC,
    {
      size: [
        [0n, { 'linux-7.3': -EINVAL, 'linux-6.1': -ENOMEM }],
        [(4n << 20n) + 1n, -ENOMEM],
        [8n << 20n, -ENOMEM],
        [1n << 53n, -ENOMEM],
        [U64 - 4095n, -ENOMEM],
        [U64 - 4094n, { 'linux-7.3': -EINVAL, 'linux-6.1': -ENOMEM }],
        [U64, { 'linux-7.3': -EINVAL, 'linux-6.1': -ENOMEM }],
      ],
      flags: FLAGS,
      id: 'any',
    },
    (view) => abi.TeeIoctlShmAllocData.size.set(view, 0, 1n),
  ),
  plain(
    abi.TeeIoctlShmRegisterData,
    abi.TEE_IOC_SHM_REGISTER,
    {
      addr: [
        [0n, -EFAULT],
        [1n << 48n, -EFAULT],
        [1n << 63n, -EFAULT],
        [0xab00_0000_0000_0000n, -EFAULT],
        [U64, -EFAULT],
      ],
      length: [
        [1n << 48n, -EFAULT],
        [U64, -EFAULT],
        [64n << 20n, -ENOMEM],
      ],
      flags: FLAGS,
      id: 'any',
    },
    (view, user) => {
      abi.TeeIoctlShmRegisterData.addr.set(view, 0, BigInt(user.memory.malloc(64)));
      abi.TeeIoctlShmRegisterData.length.set(view, 0, 64n);
    },
  ),
  {
    ...plain(abi.TeeIoctlShmRegisterFdData, abi.TEE_IOC_SHM_REGISTER_FD, {
      fd: [
        [U64, -EINVAL],
        [1n << 32n, -EINVAL],
        [0n, -EINVAL],
      ],
      size: 'any',
      flags: FLAGS,
      id: 'any',
    }),
    good: -EINVAL,
  },
  plain(abi.TeeIoctlCancelArg, abi.TEE_IOC_CANCEL, { cancel_id: 'any', session: 'any' }),
  plain(abi.TeeIoctlCloseSessionArg, abi.TEE_IOC_CLOSE_SESSION, { session: 'any' }),
  bufData(abi.TeeIoctlOpenSessionArg, abi.TEE_IOC_OPEN_SESSION, '/dev/tee0'),
  bufData(abi.TeeIoctlInvokeArg, abi.TEE_IOC_INVOKE, '/dev/tee0'),
  bufData(abi.TeeIoclSuppRecvArg, abi.TEE_IOC_SUPPL_RECV, '/dev/teepriv0'),
  bufData(abi.TeeIoclSuppSendArg, abi.TEE_IOC_SUPPL_SEND, '/dev/teepriv0'),
  behindBuffer(abi.TeeIoctlOpenSessionArg, abi.TEE_IOC_OPEN_SESSION, {
    uuid: 'any',
    clnt_uuid: 'any',
    clnt_login: [
      [0x8000_0000n, -EPERM],
      [0x8000_0001n, -EPERM],
      [0xbfff_ffffn, -EPERM],
      [0x7fff_ffffn, 0],
      [0xc000_0000n, 0],
    ],
    cancel_id: 'any',
    session: 'any',
    ret: 'any',
    ret_origin: 'any',
    num_params: NUM_PARAMS,
  }),
  behindBuffer(abi.TeeIoctlInvokeArg, abi.TEE_IOC_INVOKE, {
    func: 'any',
    session: 'any',
    cancel_id: 'any',
    ret: 'any',
    ret_origin: 'any',
    num_params: NUM_PARAMS,
  }),
  behindBuffer(
    abi.TeeIoclSuppRecvArg,
    abi.TEE_IOC_SUPPL_RECV,
    { func: 'any', num_params: NUM_PARAMS },
    { path: '/dev/teepriv0' },
  ),
  behindBuffer(
    abi.TeeIoclSuppSendArg,
    abi.TEE_IOC_SUPPL_SEND,
    {
      ret: 'any',
      num_params: [
        [0n, 0],
        [2n, -EINVAL],
        [U32, -EINVAL],
      ],
    },
    { path: '/dev/teepriv0' },
  ),
  behindBuffer(
    abi.TeeIoctlObjectInvokeArg,
    abi.TEE_IOC_OBJECT_INVOKE,
    { id: 'any', op: 'any', ret: 'any', num_params: NUM_PARAMS },
    { good: -EINVAL },
  ),
  behindBuffer(
    abi.TeeIoctlInvokeArg,
    abi.TEE_IOC_INVOKE,
    { attr: ATTR, a: 'any', b: 'any', c: 'any' },
    { at: abi.TeeIoctlInvokeArg.byteLength },
  ),
  behindBuffer(
    abi.TeeIoclSuppSendArg,
    abi.TEE_IOC_SUPPL_SEND,
    {
      attr: [
        [0x200n, -EINVAL],
        [1n << 32n, -EINVAL],
        [0xffn, 0],
      ],
      a: 'any',
      b: 'any',
      c: 'any',
    },
    { path: '/dev/teepriv0', at: abi.TeeIoclSuppSendArg.byteLength },
  ),
];

const LAYOUTS: readonly StructInfo[] = [
  abi.TeeIoctlVersionData,
  abi.TeeIoctlShmAllocData,
  abi.TeeIoctlShmRegisterData,
  abi.TeeIoctlShmRegisterFdData,
  abi.TeeIoctlBufData,
  abi.TeeIoctlParam,
  abi.TeeIoctlOpenSessionArg,
  abi.TeeIoctlInvokeArg,
  abi.TeeIoctlCancelArg,
  abi.TeeIoctlCloseSessionArg,
  abi.TeeIoclSuppRecvArg,
  abi.TeeIoclSuppSendArg,
  abi.TeeIoctlObjectInvokeArg,
];

describe('fields of ioctl structs', () => {
  it('every layout of the header is among them', () => {
    assert.deepEqual(
      LAYOUTS.filter((layout) => !TARGETS.some((target) => target.layout === layout)),
      [],
    );
  });

  for (const profile of Object.keys(PROFILES) as Profile[]) {
    for (const [n, target] of TARGETS.entries()) {
      it(`${profile}: ${target.layout.structName} (${n})`, async () => {
        const box = boot({ switches: PROFILES[profile] });
        const user = box.user();
        for (const field of target.layout.fields) {
          if (field.padding) continue;
          const cases = target.fields[field.name];
          assert.ok(cases !== undefined, `${field.name} has no case`);
          const tried: readonly Case[] =
            cases === 'any' ? [0n, 1n, U32, U64].map((v) => [v, target.good]) : cases;
          for (const [value, result] of tried) {
            const rc = await target.run(box, user, setField(field, value));
            const expected = typeof result === 'number' ? result : result[profile];
            const what = `${field.name} = 0x${value.toString(16)}`;
            assert.equal(formatErrno(rc), formatErrno(expected), what);
          }
        }
      });
    }
  }
});
