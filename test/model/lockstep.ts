/** Runs operations on a box and on the model at once: each must answer what the model says. */
import assert from 'node:assert/strict';
import { SMALL } from '../../src/boards/boards.ts';
import { Box } from '../../src/box/box.ts';
import type { Profile } from '../../src/box/profiles.ts';
import { EINVAL, ENOMEM, errnoName } from '../../src/abi/errno.ts';
import {
  MAP_SHARED,
  O_CLOEXEC,
  PROT_NONE,
  PROT_READ,
  PROT_WRITE,
  SIGKILL,
} from '../../src/abi/fcntl.ts';
import { OPTEE_RPC_CMD_LOAD_TA } from '../../src/abi/optee-rpc.ts';
import * as abi from '../../src/abi/tee.ts';
import { nodeHost } from '../../src/host/node/host.ts';
import { withOneRam } from '../../src/sim/execute.ts';
import { heldBy, leftBehind } from '../../src/sim/held.ts';
import type { Held } from '../../src/sim/held.ts';
import { BoxProcess } from '../conformance/box-target.ts';
import { Caller } from '../conformance/caller.ts';
import type { Reply } from '../conformance/caller.ts';
import { Puppet } from '../conformance/puppet.ts';
import { MODEL_UUID, modelTa } from './model-ta.ts';
import { Model, REGION } from './model.ts';
import type { Asker, KernelFacts, SessionAnswer } from './model.ts';
import type { Param } from './params.ts';
import { PAGE } from './state.ts';
import type { ModelProcess } from './state.ts';

const host = withOneRam(nodeHost());
const RW = PROT_READ | PROT_WRITE;
const PATHS = { client: '/dev/tee0', supplicant: '/dev/teepriv0' } as const;
/** Enough for all askers and one more call. */
const THREADS = 4;

const factsOf = ({ tee }: Profile): KernelFacts => ({
  powerOfTwo: tee.dynShmPowerOfTwo,
  noSize: tee.dynShmPowerOfTwo ? -ENOMEM : -EINVAL,
  registersNothing: !tee.registerByIovIter,
});

/** A process of both. */
export interface Twin {
  readonly model: ModelProcess;
  readonly real: BoxProcess;
  caller: Caller;
  /** Where its region is. */
  region: number;
  /** Where its mappings are, as the model lists them. */
  readonly mappings: { readonly at: number; readonly length: number }[];
}

interface AskerTwin {
  readonly model: Asker;
  readonly real: BoxProcess;
  /** What it was told, once it was. */
  reply: Reply | undefined;
}

export class Lockstep {
  readonly box: Box;
  readonly model: Model;
  readonly twins: Twin[] = [];
  askers: AskerTwin[] = [];
  readonly #before: Held;
  #asked = 0;

  private constructor(profile: Profile) {
    const config = { CFG_NUM_THREADS: THREADS };
    const options = { board: SMALL, config, supplicant: 'none', tas: [modelTa] } as const;
    this.box = new Box(host, { ...options, profile });
    this.model = new Model(factsOf(profile));
    this.#before = heldBy(this.box);
  }

  static async start(profile: Profile): Promise<Lockstep> {
    const lockstep = new Lockstep(profile);
    const real = lockstep.#process();
    lockstep.twins.push(await twin(lockstep.model.processes[0]!, real));
    return lockstep;
  }

  // --- files and processes
  async open({ model, real }: Twin, name: keyof typeof PATHS, cloexec: boolean): Promise<void> {
    const rc = await real.open(PATHS[name], cloexec ? O_CLOEXEC : 0);
    same(rc, this.model.open(model, name, cloexec), `open ${PATHS[name]}`);
  }

  async close({ model, real }: Twin, fd: number): Promise<void> {
    same(await real.close(fd), this.model.close(model, fd), `close ${fd}`);
    await this.#hearAnswers();
  }

  async dup({ model, real }: Twin, fd: number): Promise<void> {
    same(await real.dup(fd), this.model.dup(model, fd), `dup ${fd}`);
  }

  async mmap(process: Twin, fd: number, pages: number, offset: number): Promise<void> {
    const { model, real, mappings } = process;
    const length = pages * PAGE;
    const request = { length, prot: RW, flags: MAP_SHARED, fd, offset: offset * PAGE };
    const at = await real.mmap(request);
    same(Math.min(at, 0), this.model.mmap(model, fd, pages, offset), `mmap ${fd}`);
    if (at >= 0) mappings.push({ at, length });
  }

  async munmap({ model, real, mappings }: Twin, n: number): Promise<void> {
    for (const { at, length } of mappings.splice(n, 1)) {
      assert.equal(await real.munmap(at, length), 0);
    }
    this.model.munmap(model, n);
  }

  async fork(parent: Twin): Promise<void> {
    const real = await parent.real.fork();
    const model = this.model.fork(parent.model);
    const caller = await Caller.of(real);
    this.twins.push({ ...parent, model, real, caller, mappings: [...parent.mappings] });
  }

  async exec(process: Twin): Promise<void> {
    same(await process.real.exec(), 0, 'exec');
    this.model.exec(process.model);
    await this.#hearAnswers();
    const fresh = await twin(process.model, process.real);
    process.caller = fresh.caller;
    process.region = fresh.region;
    process.mappings.length = 0;
  }

  async exit(process: Twin): Promise<void> {
    await process.real.exit();
    this.model.exit(process.model);
    this.twins.splice(this.twins.indexOf(process), 1);
    await this.#hearAnswers();
  }

  // --- shared memory
  async shmAlloc({ model, caller }: Twin, fd: number, size: bigint, flags: number): Promise<void> {
    const expected = this.model.shmAlloc(model, fd, size, flags);
    const shm = await caller.shmAlloc(fd, size, flags);
    same(shm.fd, expected.rc, `SHM_ALLOC ${fd} of ${size}`);
    if (expected.rc >= 0) assert.deepEqual([shm.id, shm.size], [expected.id, expected.size]);
  }

  async shmRegister(
    { model, caller, region }: Twin,
    fd: number,
    at: number,
    length: number,
    flags: number,
  ): Promise<void> {
    const expected = this.model.shmRegister(model, fd, at, length, flags);
    const shm = await caller.shmRegister(fd, region + at, length, flags);
    same(shm.fd, expected.rc, `SHM_REGISTER ${fd}: ${length} bytes at ${at}`);
    if (expected.rc >= 0) assert.deepEqual([shm.id, shm.size], [expected.id, expected.size]);
  }

  async shmRegisterMapping({ model, caller, mappings }: Twin, fd: number, n: number) {
    const expected = this.model.shmRegisterMapping(model, fd);
    const { fd: rc } = await caller.shmRegister(fd, mappings[n]!.at, 1);
    same(rc, expected.rc, `SHM_REGISTER ${fd} of a mapping`);
  }

  // --- sessions
  async openSession(process: Twin, fd: number, login: number, params: readonly Param[]) {
    const expected = this.model.openSession(process.model, fd, login, params);
    const reply = await process.caller.openSession(fd, { uuid: MODEL_UUID, login, params });
    sameReply(reply, expected, params, `OPEN_SESSION ${fd}`);
  }

  async invoke(
    process: Twin,
    fd: number,
    session: number,
    func: number,
    params: readonly Param[],
  ): Promise<void> {
    const expected = this.model.invoke(process.model, fd, session, func, params);
    const reply = await process.caller.invoke(fd, { session, func, params });
    sameReply(reply, expected, params, `INVOKE ${fd} session ${session}`);
  }

  async cancel({ model, caller }: Twin, fd: number, session: number): Promise<void> {
    const expected = this.model.cancel(model, fd, session);
    assert.equal(await caller.cancel(fd, session), named(expected), `CANCEL ${fd} ${session}`);
  }

  async closeSession({ model, caller }: Twin, fd: number, session: number): Promise<void> {
    const expected = this.model.closeSession(model, fd, session);
    const what = `CLOSE_SESSION ${fd} ${session}`;
    assert.equal(await caller.closeSession(fd, session), named(expected), what);
  }

  // --- supplicants
  async ask(): Promise<void> {
    const real = this.#process();
    const caller = await Caller.of(real);
    const fd = await real.open(PATHS.client);
    // TAs of one UUID would be looked for once.
    const uuid = `deadbeef-0000-0000-0000-${String(++this.#asked).padStart(12, '0')}`;
    const asker: AskerTwin = { model: this.model.ask(), real, reply: undefined };
    this.askers.push(asker);
    caller.openSession(fd, { uuid }).then(
      (reply) => (asker.reply = reply),
      () => {},
    );
    await this.#rest();
  }

  async killAsker(n: number): Promise<void> {
    for (const { model, real } of this.askers.splice(n, 1)) {
      await real.exit();
      this.model.killAsker(model);
    }
  }

  async recv({ model, caller }: Twin, fd: number, room: number): Promise<void> {
    if (this.model.recvSleeps(model, fd)) return;
    const expected = this.model.recv(model, fd, room);
    const offer = Array.from({ length: room }, () => ({ attr: 0 }));
    const meta = { attr: abi.TEE_IOCTL_PARAM_ATTR_META };
    const { rc, func, params } = await caller.supplRecv(fd, [meta, ...offer]);
    assert.equal(rc, named(Math.min(expected, 0)), `SUPPL_RECV ${fd}`);
    if (expected < 0) return;
    assert.deepEqual([func, params[0]?.a], [OPTEE_RPC_CMD_LOAD_TA, BigInt(expected)]);
  }

  async send(process: Twin, fd: number, id: number, ret: number, count: number): Promise<void> {
    const expected = this.model.send(process.model, fd, id, ret, count);
    const attr = abi.TEE_IOCTL_PARAM_ATTR_META | abi.TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INOUT;
    const others = Array.from({ length: count }, () => ({ attr: 0 }));
    const rc = await process.caller.supplSend(fd, ret, [{ attr, a: id }, ...others]);
    assert.equal(rc, named(expected), `SUPPL_SEND ${fd} ${id}`);
    await this.#hearAnswers();
  }

  // --- the end
  /** Everybody goes, and so must all that they had. */
  async end(): Promise<void> {
    for (const { model } of this.askers.splice(0)) this.model.killAsker(model);
    while (this.model.processes.length > 0) this.model.exit(this.model.processes[0]!);
    assert.equal(this.model.openSessions, 0, 'the model forgets nothing');
    const { processes } = this.box.kernel;
    for (const { pid } of processes.alive) processes.kill(pid, SIGKILL);
    await this.#rest();
    assert.equal(this.box.halted, undefined, this.box.halted?.text);
    assert.deepEqual(leftBehind(this.#before, heldBy(this.box)), []);
    assert.deepEqual(this.box.leaks(), []);
  }

  #process(): BoxProcess {
    return new BoxProcess(Puppet.start(this.box.kernel, { name: 'model' }));
  }

  /** Askers that the model has answered must have been. */
  async #hearAnswers(): Promise<void> {
    const answered = this.askers.filter(({ model }) => model.answer !== undefined);
    this.askers = this.askers.filter(({ model }) => model.answer === undefined);
    if (answered.length > 0) await this.#rest();
    for (const { model, real, reply } of answered) {
      assert.ok(reply !== undefined, 'an OPEN_SESSION waits that should have been answered');
      sameReply(reply, model.answer!, [], 'an OPEN_SESSION that waited');
      await real.exit();
    }
  }

  /** One turn of the event loop: whatever can run without another call has run. */
  #rest(): Promise<void> {
    return new Promise((resolve) => setImmediate(resolve));
  }
}

/** A process whose region is as the model has it. */
async function twin(model: ModelProcess, real: BoxProcess): Promise<Twin> {
  const caller = await Caller.of(real);
  const region = await caller.map(REGION.length * PAGE);
  for (const [n, page] of REGION.entries()) {
    const at = region + n * PAGE;
    if (page === 'ro') await real.mprotect(at, PAGE, PROT_READ);
    if (page === 'none') await real.mprotect(at, PAGE, PROT_NONE);
  }
  return { model, real, caller, region, mappings: [] };
}

const named = (rc: number): number | string => (rc < 0 ? (errnoName(-rc) ?? rc) : rc);

function same(actual: number, expected: number, what: string): void {
  assert.equal(named(actual), named(expected), what);
}

function sameReply(
  reply: Reply,
  expected: SessionAnswer,
  sent: readonly Param[],
  what: string,
): void {
  const { rc, ret, origin, session, params } = expected;
  assert.equal(reply.rc, named(rc), what);
  if (ret !== undefined) {
    assert.deepEqual([reply.ret, reply.origin, reply.session], [ret, origin, session], what);
  }
  const back = (params ?? sent).map((param) => ({ ...param, attr: BigInt(param.attr) }));
  assert.deepEqual(reply.params, back, what);
}
