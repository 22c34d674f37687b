/** The process: its device, its threads, memory that it lends, TAs that it loads, its faults. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EBADF, EIO } from '../../abi/errno.ts';
import {
  TEEC_ERROR_BAD_PARAMETERS,
  TEEC_ERROR_ITEM_NOT_FOUND,
  TEEC_ERROR_NOT_SUPPORTED,
  TEEC_ERROR_OUT_OF_MEMORY,
  TEEC_ERROR_SHORT_BUFFER,
  TEEC_SUCCESS,
} from '../../abi/gp.ts';
import {
  OPTEE_RPC_CMD,
  OPTEE_RPC_CMD_LOAD_TA,
  OPTEE_RPC_CMD_SHM_ALLOC,
  OPTEE_RPC_CMD_SHM_FREE,
} from '../../abi/optee-rpc.ts';
import { TEE_GEN_CAP_GP, TEE_IMPL_ID_AMDTEE } from '../../abi/tee.ts';
import type { TeeShm } from '../../linux/tee/tee-shm.ts';
import { UPSTREAM_USERLAND } from '../switches.ts';
import {
  INPUT,
  OUTPUT,
  Supplicant,
  VALUE,
  directory,
  meta,
  param,
  uuidParam,
} from '../testing/supplicant.ts';
import type { Answer } from '../testing/supplicant.ts';
import { NOTHING_HELD, OPTEE_VERSION } from '../testing/tee-box.ts';
import { HANDLERS } from './handlers.ts';
import { taFileNames } from './load-ta.ts';

const UUID = '8aaaf200-2450-11e4-abe2-0002a5d5c51b';

describe('start', () => {
  it("opens the first of OP-TEE's privileged devices", async () => {
    const started = new Supplicant().start();
    assert.equal(started.ready, true);
    assert.equal(started.program.process.files.get(0)?.path, '/dev/teepriv0');
    assert.equal(started.supplicant.numWaiters, 1);
    assert.deepEqual(await started.held(), NOTHING_HELD);
  });

  it('gives up without a device', () => {
    const amd = { ...OPTEE_VERSION, implId: TEE_IMPL_ID_AMDTEE };
    const started = new Supplicant({}, amd).start();
    assert.equal(started.ready, false);
    assert.equal(started.code, 1);
    assert.equal(started.program.process.files.size, 0);
  });

  it('opens the device that it is told', () => {
    const started = new Supplicant({ device: '/dev/teepriv0' }).start();
    assert.equal(started.ready, true);
    const other = new Supplicant({ device: '/dev/teepriv1' }).start();
    assert.equal(other.code, 1);
  });
});

describe('requests', () => {
  it('serves one after the other, and keeps one thread waiting', async () => {
    const started = new Supplicant().start();
    for (let n = 0; n < 3; n++) {
      assert.equal(started.ask(99)?.ret, TEEC_ERROR_NOT_SUPPORTED);
      // The first one had nobody left to wait: a second thread did from then on.
      assert.equal(started.supplicant.numWaiters, 2);
    }
    assert.equal(started.program.process.threads.size, 2);
    assert.deepEqual(await started.held(), NOTHING_HELD);
  });

  it('makes a thread for each request that is being served', async () => {
    const started = new Supplicant({ faults: { slowNs: 1e9 } });
    started.start();
    const { fake, kernel } = started.box;
    for (let id = 1; id <= 3; id++) fake.request(99, [meta(id)]);
    kernel.sched.runReady(false);
    assert.equal(started.program.process.threads.size, 4);
    assert.equal(started.supplicant.numWaiters, 1);
    kernel.sched.runReady();
    assert.equal(fake.answers.length, 3);
    assert.equal(started.supplicant.numWaiters, 4);
    assert.deepEqual(await started.held(), NOTHING_HELD);
  });

  it('stays alone when the kernel serves one request at a time', () => {
    const started = new Supplicant().start();
    started.box.fake.request(99, []);
    started.box.kernel.sched.runReady();
    assert.deepEqual(started.box.fake.answers, [{ ret: TEEC_ERROR_NOT_SUPPORTED, params: [] }]);
    assert.equal(started.program.process.threads.size, 1);
  });

  it('sends back what came, with the id in front', () => {
    const started = new Supplicant().start();
    started.ask(99, param(VALUE, { aLo: 1, bLo: 2, cLo: 3 }));
    const [first, second] = started.box.fake.answers[0]!.params;
    assert.match(first!, /^103 0 1 0 0 0 0 /);
    assert.match(second!, /^3 0 1 0 2 0 3 /);
  });

  for (const [name, func] of Object.entries(OPTEE_RPC_CMD)) {
    const expected = HANDLERS.has(func) ? TEEC_ERROR_BAD_PARAMETERS : TEEC_ERROR_NOT_SUPPORTED;
    it(`${name} without parameters: 0x${expected.toString(16)}`, () => {
      assert.equal(new Supplicant().start().ask(func)?.ret, expected);
    });
  }

  it('ends when it cannot receive', () => {
    const started = new Supplicant();
    // More parameters than the five that it has room for.
    started.start().ask(99, param(VALUE), param(VALUE), param(VALUE), param(VALUE), param(VALUE));
    assert.equal(started.code, 1);
  });

  it('ends on a parameter of the protocol behind others', () => {
    const started = new Supplicant().start();
    started.box.fake.request(99, [param(VALUE), meta(1)]);
    started.box.kernel.sched.runReady();
    assert.equal(started.code, 1);
    assert.deepEqual(started.box.fake.answers, []);
  });

  for (const [rc, quirkSupplicantLeavesOnEbadf, code] of [
    [-EBADF, true, 1],
    [-EBADF, false, undefined],
    [-EIO, false, 1],
  ] as const) {
    it(`SEND fails with ${rc}, quirk ${quirkSupplicantLeavesOnEbadf}: exit ${code}`, () => {
      const started = new Supplicant({
        switches: { ...UPSTREAM_USERLAND, quirkSupplicantLeavesOnEbadf },
      }).start();
      started.box.fake.errors.send = rc;
      started.box.fake.request(99, []);
      started.box.kernel.sched.runReady();
      assert.equal(started.code, code);
    });
  }

  it('a thread that fails takes the process down only when the main one returns', () => {
    const started = new Supplicant().start();
    // Both threads wait; the second, which waits longer, takes the request and fails.
    started.ask(99);
    started.ask(99);
    started.box.fake.errors.send = -EBADF;
    started.ask(99);
    const first = started.code;
    started.box.fake.errors.send = 0;
    started.ask(99);
    assert.deepEqual([first, started.code], [undefined, 1]);
  });
});

describe('SHM_ALLOC and SHM_FREE', () => {
  for (const [what, version] of [
    ['registers memory of its own', OPTEE_VERSION],
    ['maps memory of the kernel', { ...OPTEE_VERSION, genCaps: TEE_GEN_CAP_GP }],
  ] as const) {
    it(`${what}, and gives it back`, async () => {
      const started = new Supplicant({}, version).start();
      const before = started.program.memory.heapUsed;
      const shm = started.alloc(5000);
      assert.equal(started.supplicant.numShms, 1);
      const free = param(VALUE, { bLo: shm.id });
      assert.equal(started.ask(OPTEE_RPC_CMD_SHM_FREE, free)?.ret, TEEC_SUCCESS);
      assert.equal(started.supplicant.numShms, 0);
      assert.equal(started.program.process.files.size, 1);
      const again = started.ask(OPTEE_RPC_CMD_SHM_FREE, param(VALUE, { bLo: shm.id }));
      assert.equal(again?.ret, TEEC_ERROR_BAD_PARAMETERS);
      // The second thread has a stack frame.
      assert.ok(started.program.memory.heapUsed - before <= 512);
      assert.deepEqual(await started.held(), NOTHING_HELD);
    });

    it(`${what}, unless there is none`, async () => {
      const started = new Supplicant({}, version).start();
      for (const size of [{ bHi: 1 }, { bHi: 0xffffffff, bLo: 0xffffffff }]) {
        const answer = started.ask(OPTEE_RPC_CMD_SHM_ALLOC, param(VALUE, size));
        assert.equal(answer?.ret, TEEC_ERROR_OUT_OF_MEMORY);
      }
      assert.deepEqual(await started.held(), NOTHING_HELD);
    });
  }

  for (const func of [OPTEE_RPC_CMD_SHM_ALLOC, OPTEE_RPC_CMD_SHM_FREE]) {
    it(`${func}: refuses other parameters than one value`, () => {
      const started = new Supplicant().start();
      for (const params of [[param(VALUE), param(VALUE)], [param(INPUT)], [param(0)]]) {
        assert.equal(started.ask(func, ...params)?.ret, TEEC_ERROR_BAD_PARAMETERS);
      }
    });
  }
});

describe('LOAD_TA', () => {
  const file = Uint8Array.from({ length: 5000 }, (_, n) => n);
  const [name, oldName] = taFileNames(UUID) as [string, string];

  it('knows two names for a file', () => {
    assert.equal(name, '8aaaf200-2450-11e4-abe2-0002a5d5c51b.ta');
    assert.equal(oldName, '8aaaf200-2450-11e4-abe20002a5d5c51b.ta');
  });

  /** Asks for the size, then for the file, as OP-TEE does. */
  function load(
    started: Supplicant,
    room = file.length,
  ): { size: Answer; file: Answer; at: TeeShm } {
    const size = started.ask(OPTEE_RPC_CMD_LOAD_TA, uuidParam(UUID), param(OUTPUT))!;
    const at = started.alloc(8192);
    const into = param(OUTPUT, { shm: at, shmOffs: 16, size: room });
    at.get();
    const answer = started.ask(OPTEE_RPC_CMD_LOAD_TA, uuidParam(UUID), into)!;
    return { size, file: answer, at };
  }

  for (const [what, mounted, taPath, given] of [
    ['from the default directory', '/lib/optee_armtz', undefined, { [name]: file }],
    ['by the old name', '/lib/optee_armtz', undefined, { [oldName]: file }],
    [
      'by the new name first',
      '/lib/optee_armtz',
      undefined,
      { [name]: file, [oldName]: file.subarray(1) },
    ],
    ['from the directories that it is told, in order', '/b', ['/a', '/b'], { [name]: file }],
  ] as const) {
    it(`loads ${what}`, () => {
      const started = new Supplicant(taPath === undefined ? {} : { taPath });
      started.box.kernel.mount(mounted, directory(given));
      started.start();
      const { size, file: loaded, at } = load(started);
      assert.deepEqual([size.ret, size.params[1]!.size], [TEEC_SUCCESS, file.length]);
      assert.deepEqual([loaded.ret, loaded.params[1]!.size], [TEEC_SUCCESS, file.length]);
      assert.deepEqual(new Uint8Array(at.map(16, file.length, 'read').bytes), file);
      assert.equal(started.program.process.files.size, 2, 'the device and the buffer');
    });
  }

  it('says how large the file is when the buffer is too small, and does not touch it', () => {
    const started = new Supplicant();
    started.box.kernel.mount('/lib/optee_armtz', directory({ [name]: file }));
    const { file: answer, at } = load(started.start(), 4999);
    assert.deepEqual([answer.ret, answer.params[1]!.size], [TEEC_ERROR_SHORT_BUFFER, 5000]);
    assert.equal(at.map(16, 4999, 'read').bytes[1], 0);
  });

  it('goes on to the next directory when a file ends before its size', () => {
    const started = new Supplicant({ taPath: ['/a', '/b'] });
    const shrinking = directory({ [name]: new Uint8Array(5000).fill(7) });
    const stat = shrinking.stat.bind(shrinking);
    shrinking.stat = (path) => {
      const found = stat(path);
      return found?.kind === 'file' ? { ...found, sizeBytes: found.sizeBytes + 1 } : found;
    };
    started.box.kernel.mount('/a', shrinking);
    started.box.kernel.mount('/b', directory({ [name]: Uint8Array.of(1, 2, 3) }));
    const { file: loaded, at } = load(started.start(), 8000);
    assert.deepEqual([loaded.ret, loaded.params[1]!.size], [TEEC_SUCCESS, 3]);
    assert.deepEqual([...at.map(16, 4, 'read').bytes], [1, 2, 3, 7]);
  });

  it('does not find what is not there, and says where it looked', () => {
    const started = new Supplicant({ taPath: ['/a', '/b'] }).start();
    const answer = started.ask(OPTEE_RPC_CMD_LOAD_TA, uuidParam(UUID), param(OUTPUT));
    assert.equal(answer?.ret, TEEC_ERROR_ITEM_NOT_FOUND);
    const { text, object } = started.box.kernel.trace.lastCause!;
    assert.match(text, /in \/a:\/b$/);
    assert.equal(object, `${UUID}.ta`);
  });

  it('refuses buffers that leave the memory it lent', () => {
    const started = new Supplicant().start();
    const shm = started.alloc(4096);
    for (const [shmOffs, size] of [
      [0, 4097],
      [4096, 1],
      [4000, 97],
    ]) {
      shm.get();
      const buffer = param(OUTPUT, { shm, shmOffs: shmOffs!, size: size! });
      const answer = started.ask(OPTEE_RPC_CMD_LOAD_TA, uuidParam(UUID), buffer);
      assert.equal(answer?.ret, TEEC_ERROR_BAD_PARAMETERS);
    }
  });

  it('refuses an input that is not there, and other parameters', () => {
    const started = new Supplicant().start();
    for (const params of [
      [uuidParam(UUID), param(INPUT)],
      [uuidParam(UUID)],
      [param(OUTPUT), param(OUTPUT)],
      [uuidParam(UUID), param(VALUE)],
      [uuidParam(UUID), param(OUTPUT), param(VALUE)],
    ]) {
      const answer = started.ask(OPTEE_RPC_CMD_LOAD_TA, ...params);
      assert.equal(answer?.ret, TEEC_ERROR_BAD_PARAMETERS);
    }
  });
});
