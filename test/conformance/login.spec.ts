/** Who a client is to a TA: the UUID that the kernel makes of its user or group. */
import assert from 'node:assert/strict';
import * as abi from '../../src/abi/tee.ts';
import { PTA_DEVICE_UUID } from '../../src/abi/pta.ts';
import type { Caller } from './caller.ts';
import { PROBE_CMD, PROBE_UUID } from './probe-ta.ts';
import type { Suite } from './suite.ts';
import type { Cred } from './target.ts';

const PAGE = 4096;
const NIL = '00000000-0000-0000-0000-000000000000';
const ROOT: Cred = { uid: 0, gid: 0, groups: [] };
const USER: Cred = { uid: 1000, gid: 1000, groups: [4] };

/** RFC 4122 version 5 of `uid=%x` and `gid=%x` in the kernel's name space. */
const VECTORS = {
  uid0: 'ef0180a3-13f3-5d1c-b7f5-888c0e21059a',
  uid1000: 'fc34275c-d8dd-5ba7-968b-504718363b87',
  gid0: 'd93bc168-f863-58d3-a1fe-bb2039421b99',
  gid1000: '0ece43ed-001d-51bd-bab7-480c8954c3cf',
} as const;

/** clnt_uuid as a group login reads it: the group's number in its first four bytes. */
function groupOf(gid: number, rest = 0): Uint8Array {
  const bytes = new Uint8Array(16).fill(rest);
  new DataView(bytes.buffer).setUint32(0, gid, true);
  return bytes;
}

/** What the TA is told, after a login that went well. */
async function identity(caller: Caller, fd: number, login: number, clntUuid: Uint8Array) {
  const open = await caller.openSession(fd, { uuid: PROBE_UUID, login, clntUuid });
  assert.deepEqual([open.rc, open.ret], [0, 0]);
  const at = await caller.map(PAGE);
  const shm = await caller.shmRegister(fd, at, PAGE);
  const params = [
    { attr: abi.TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_OUTPUT },
    { attr: abi.TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_OUTPUT, b: PAGE, c: shm.id },
  ];
  const who = await caller.invoke(fd, { session: open.session, func: PROBE_CMD.WHO, params });
  const text = await caller.process.peek(at, Number(who.params[1]?.b ?? 0));
  return { login: Number(who.params[0]?.a), uuid: new TextDecoder().decode(text) };
}

export function login({ conforms }: Suite): void {
  for (const [what, cred, method, clntUuid, uuid] of [
    ['PUBLIC', ROOT, abi.TEE_IOCTL_LOGIN_PUBLIC, groupOf(5, 0xff), NIL],
    ['USER root', ROOT, abi.TEE_IOCTL_LOGIN_USER, groupOf(5, 0xff), VECTORS.uid0],
    ['USER 1000', USER, abi.TEE_IOCTL_LOGIN_USER, groupOf(0), VECTORS.uid1000],
    ['GROUP 0', ROOT, abi.TEE_IOCTL_LOGIN_GROUP, groupOf(0), VECTORS.gid0],
    ['GROUP 1000', USER, abi.TEE_IOCTL_LOGIN_GROUP, groupOf(1000, 0xff), VECTORS.gid1000],
  ] as const) {
    conforms(`${what}: ${uuid}`, ['probe TA', 'users'], async (c) => {
      const { caller, fd } = await c.client(cred);
      assert.deepEqual(await identity(caller, fd, method, clntUuid), { login: method, uuid });
    });
  }

  conforms('GROUP: supplementary groups count, others are EPERM', ['users'], async (c) => {
    const { caller, fd } = await c.client(USER);
    for (const [gid, rc] of [
      [4, 0],
      [1000, 0],
      [0, 'EPERM'],
      [5, 'EPERM'],
      [0xffff_ffff, 'EPERM'],
    ] as const) {
      const call = { uuid: PTA_DEVICE_UUID, login: abi.TEE_IOCTL_LOGIN_GROUP };
      const open = await caller.openSession(fd, { ...call, clntUuid: groupOf(gid) });
      assert.equal(open.rc, rc, `group ${gid}`);
    }
  });

  conforms('GROUP: after the number of parameters, before their kinds', ['users'], async (c) => {
    const { caller, fd } = await c.client(USER);
    const call = { uuid: PTA_DEVICE_UUID, login: abi.TEE_IOCTL_LOGIN_GROUP };
    const meta = { attr: abi.TEE_IOCTL_PARAM_ATTR_META };
    const none = { attr: abi.TEE_IOCTL_PARAM_ATTR_TYPE_NONE };
    const clntUuid = groupOf(5);
    const open = (params: (typeof none)[]) => caller.openSession(fd, { ...call, clntUuid, params });
    assert.equal((await open([meta])).rc, 'EPERM');
    assert.equal((await open([none, none, none, none, none])).rc, 'EINVAL');
  });

  conforms('logins of applications, and logins that there are not: EINVAL', async (c) => {
    const { caller, fd } = await c.client();
    for (const method of [3, 4, 5, 6, 7, 0x7fff_ffff, 0xc000_0000, 0xffff_ffff]) {
      const { rc } = await caller.openSession(fd, { uuid: PTA_DEVICE_UUID, login: method });
      assert.equal(rc, 'EINVAL', `login ${method}`);
    }
  });
}
