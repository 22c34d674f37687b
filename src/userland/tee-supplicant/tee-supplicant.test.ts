/** tee-supplicant on a driver that asks what a test tells it to. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EBADF, EIO } from '../../abi/errno.ts';
import { MemoryStore } from '../../host/memory-store.ts';
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
  OPTEE_RPC_CMD_FS,
  OPTEE_RPC_CMD_LOAD_TA,
  OPTEE_RPC_CMD_SHM_ALLOC,
  OPTEE_RPC_CMD_SHM_FREE,
} from '../../abi/optee-rpc.ts';
import {
  TEE_GEN_CAP_GP,
  TEE_IMPL_ID_AMDTEE,
  TEE_IOCTL_PARAM_ATTR_META,
  TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INPUT,
  TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_OUTPUT,
  TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INOUT,
  TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INPUT,
} from '../../abi/tee.ts';
import { parseUuid } from '../../abi/uuid.ts';
import { Program } from '../../linux/process/program.ts';
import { TeeParam } from '../../linux/tee/tee-drv.ts';
import type { TeeShm } from '../../linux/tee/tee-shm.ts';
import { NOTHING_HELD, OPTEE_VERSION, UserBox } from '../testing/tee-box.ts';
import { taFileNames } from './load-ta.ts';
import { TeeSupplicant } from './tee-supplicant.ts';
import type { TeeSupplicantOptions } from './tee-supplicant.ts';

const UUID = '8aaaf200-2450-11e4-abe2-0002a5d5c51b';
const VALUE = TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INOUT;
const INPUT = TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INPUT;
const OUTPUT = TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_OUTPUT;
const SWITCHES = { quirkSupplicantLeavesOnEbadf: true };

function param(attr: number, fields: Partial<TeeParam> = {}): TeeParam {
  return Object.assign(new TeeParam(), { attr, ...fields });
}

/** The parameter that the kernel puts in front: the request's id. */
const meta = (id: number): TeeParam => param(VALUE | TEE_IOCTL_PARAM_ATTR_META, { aLo: id });

/** A UUID as LOAD_TA passes it. */
function uuidParam(uuid: string): TeeParam {
  const view = new DataView(parseUuid(uuid).buffer);
  return param(TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INPUT, {
    aLo: view.getUint32(0, true),
    aHi: view.getUint32(4, true),
    bLo: view.getUint32(8, true),
    bHi: view.getUint32(12, true),
  });
}

/** An answer: the result, and what came back of the request's own parameters. */
interface Answer {
  readonly ret: number;
  readonly params: readonly { readonly c: number; readonly size: number }[];
}

/** A box with a supplicant, which runs once it is started. */
class Supplicant {
  readonly box: UserBox;
  readonly #options: Partial<TeeSupplicantOptions>;
  program!: Program;
  supplicant!: TeeSupplicant;
  ready = false;
  #ids = 0;

  constructor(options: Partial<TeeSupplicantOptions> = {}, version = OPTEE_VERSION) {
    this.box = new UserBox({ versions: [version] });
    this.#options = options;
  }

  /** Starts it, and waits until it has nothing to do. */
  start(): this {
    const { kernel } = this.box;
    const onReady = (): void => {
      this.ready = true;
    };
    const options = { switches: SWITCHES, onReady, ...this.#options };
    this.program = Program.start(kernel, { name: 'tee-supplicant', daemon: true }, (program) => {
      this.supplicant = new TeeSupplicant(program, options);
      return this.supplicant.main();
    });
    kernel.sched.runReady();
    return this;
  }

  /** Its exit code, if it has exited. */
  get code(): number | undefined {
    const status = this.program.process.exitStatus;
    return status?.kind === 'exited' ? status.code : undefined;
  }

  /** Has the secure world ask; returns the answer, or undefined when there was none. */
  ask(func: number, ...params: readonly TeeParam[]): Answer | undefined {
    const { answers } = this.box.fake;
    const before = answers.length;
    this.#ids += 1;
    this.box.fake.request(func, [meta(this.#ids), ...params]);
    this.box.kernel.sched.runReady();
    const answer = answers[before];
    if (answer === undefined) return undefined;
    return { ret: answer.ret, params: answer.params.slice(1).map(decode) };
  }

  /** A buffer that the supplicant lends. */
  alloc(size: number): TeeShm {
    const answer = this.ask(OPTEE_RPC_CMD_SHM_ALLOC, param(VALUE, { bLo: size }));
    assert.equal(answer?.ret, TEEC_SUCCESS);
    return this.box.priv.idr.get(answer.params[0]!.c)!;
  }

  /** The supplicant is killed; what is left would leak. */
  async held(): Promise<Readonly<Record<string, number>>> {
    await this.program.exit();
    return this.box.held();
  }
}

/** c and size of a parameter as the fake driver has noted it. */
function decode(text: string): { c: number; size: number } {
  const words = text.split(' ');
  return { c: parseInt(words[6]!, 16), size: Number(words[9]) };
}

/** A directory with TAs. */
function directory(files: Readonly<Record<string, Uint8Array>>): MemoryStore {
  const store = new MemoryStore();
  for (const [name, bytes] of Object.entries(files)) {
    store.createFile(name);
    store.write(name, 0, bytes);
  }
  return store;
}

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
    const served = [OPTEE_RPC_CMD_LOAD_TA, OPTEE_RPC_CMD_SHM_ALLOC, OPTEE_RPC_CMD_SHM_FREE];
    const expected = served.some((known) => known === func)
      ? TEEC_ERROR_BAD_PARAMETERS
      : TEEC_ERROR_NOT_SUPPORTED;
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
      const started = new Supplicant({ switches: { quirkSupplicantLeavesOnEbadf } }).start();
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
    assert.match(started.box.kernel.trace.lastCause!.text, new RegExp(`${UUID} in /a:/b$`));
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

describe('faults', () => {
  it('is slow', () => {
    const started = new Supplicant({ faults: { slowNs: 5e6 } }).start();
    const before = started.box.kernel.sched.nowNs();
    started.ask(99);
    assert.ok(started.box.kernel.sched.nowNs() - before >= 5e6);
  });

  it('dies at a request', async () => {
    const started = new Supplicant({ faults: { diesAtRequest: 2 } }).start();
    assert.equal(started.ask(99)?.ret, TEEC_ERROR_NOT_SUPPORTED);
    assert.equal(started.ask(99), undefined);
    assert.deepEqual(await started.program.exited(), { kind: 'killed', signal: 9 });
    assert.deepEqual(started.box.held(), NOTHING_HELD);
  });

  it('answers twice', () => {
    const started = new Supplicant({ faults: { answersTwice: true } }).start();
    started.ask(99);
    assert.equal(started.box.fake.answers.length, 2);
    started.ask(99);
    assert.equal(started.box.fake.answers.length, 4);
  });

  it('never answers, and goes on receiving', () => {
    const started = new Supplicant({ faults: { neverAnswers: true } }).start();
    assert.equal(started.ask(99), undefined);
    assert.equal(started.ask(99), undefined);
    assert.equal(started.box.fake.requests.length, 0);
  });

  it('lends less than was asked for', () => {
    const started = new Supplicant({ faults: { liesAboutSizeBytes: -4096 } }).start();
    assert.equal(started.alloc(8192).size, 4096);
  });

  it('lies about the size of a file', () => {
    const started = new Supplicant({ faults: { liesAboutSizeBytes: 1 } });
    const bytes = new Uint8Array(100);
    started.box.kernel.mount('/lib/optee_armtz', directory({ [`${UUID}.ta`]: bytes }));
    const answer = started.start().ask(OPTEE_RPC_CMD_LOAD_TA, uuidParam(UUID), param(OUTPUT));
    assert.equal(answer?.params[1]?.size, 101);
  });

  it('is for the commands that it is for', () => {
    const faults = { only: [OPTEE_RPC_CMD_FS], neverAnswers: true };
    const started = new Supplicant({ faults }).start();
    assert.equal(started.ask(OPTEE_RPC_CMD_FS), undefined);
    assert.equal(started.ask(99)?.ret, TEEC_ERROR_NOT_SUPPORTED);
  });
});
