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
import { formatResult } from '../../src/abi/gp.ts';
import { OPTEE_RPC_CMD_LOAD_TA as LOAD_TA } from '../../src/abi/optee-rpc.ts';
import * as abi from '../../src/abi/tee.ts';
import { nodeHost } from '../../src/host/node/host.ts';
import { withOneRam } from '../../src/sim/execute.ts';
import { heldBy, leftBehind } from '../../src/sim/held.ts';
import type { Held } from '../../src/sim/held.ts';
import { BoxProcess } from '../conformance/box-target.ts';
import { Caller } from '../conformance/caller.ts';
import type { Outcome, Reply } from '../conformance/caller.ts';
import type { UserParam } from '../../src/linux/tee/testing/params.ts';
import { Puppet } from '../conformance/puppet.ts';
import { MODEL_UUID, modelTa } from './model-ta.ts';
import { Model, REGION } from './model.ts';
import type { OtherIoctl, SessionAnswer } from './model.ts';
import type { Param } from './params.ts';
import type { Asker, Room, Sent } from './requests.ts';
import { PAGE } from './state.ts';
import type { KernelFacts, ModelProcess } from './state.ts';

const host = withOneRam(nodeHost());
const RW = PROT_READ | PROT_WRITE;
const PATHS = { client: '/dev/tee0', supplicant: '/dev/teepriv0' } as const;
/** Enough for all askers and one more call. */
const THREADS = 4;

const factsOf = ({ tee }: Profile): KernelFacts => ({
  powerOfTwo: tee.dynShmPowerOfTwo,
  noSize: tee.dynShmPowerOfTwo ? -ENOMEM : -EINVAL,
  registersNothing: !tee.registerByIovIter,
  knowsUbufs: tee.ubufAndObjref,
});

const META = { attr: abi.TEE_IOCTL_PARAM_ATTR_META };
/** What may stand in the parameters that a supplicant offers as room. */
const FILLED: Readonly<Record<Room['filled'], (id: number) => UserParam>> = {
  none: () => ({ attr: abi.TEE_IOCTL_PARAM_ATTR_TYPE_NONE }),
  value: () => ({ attr: abi.TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INPUT }),
  memref: (id) => ({ attr: abi.TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INPUT, c: id }),
};

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
  readonly #given: Set<string>;
  #asked = 0;

  private constructor(profile: Profile, given: Set<string>) {
    this.#given = given;
    // Secure storage is not asked for TAs: the model knows LOAD_TA only.
    const config = { CFG_NUM_THREADS: THREADS, CFG_SECSTOR_TA: false };
    const options = { board: SMALL, config, supplicant: 'none', tas: [modelTa] } as const;
    this.box = new Box(host, { ...options, profile });
    this.model = new Model(factsOf(profile));
    this.#before = heldBy(this.box);
  }

  /** @param given gains the kinds of answers that calls were given, as `CALL: answer`. */
  static async start(profile: Profile, given: Set<string>): Promise<Lockstep> {
    const lockstep = new Lockstep(profile, given);
    const real = lockstep.#process();
    lockstep.twins.push(await twin(lockstep.model.processes[0]!, real));
    return lockstep;
  }

  // --- files and processes
  async open({ model, real }: Twin, name: keyof typeof PATHS, cloexec: boolean): Promise<void> {
    const rc = await real.open(PATHS[name], cloexec ? O_CLOEXEC : 0);
    this.#same(rc, this.model.open(model, name, cloexec), 'open', PATHS[name]);
  }

  async close({ model, real }: Twin, fd: number): Promise<void> {
    this.#same(await real.close(fd), this.model.close(model, fd), 'close', fd);
    await this.#hearAnswers();
  }

  async dup({ model, real }: Twin, fd: number): Promise<void> {
    this.#same(await real.dup(fd), this.model.dup(model, fd), 'dup', fd);
  }

  async mmap(process: Twin, fd: number, pages: number, offset: number): Promise<void> {
    const { model, real, mappings } = process;
    const length = pages * PAGE;
    const request = { length, prot: RW, flags: MAP_SHARED, fd, offset: offset * PAGE };
    const at = await real.mmap(request);
    this.#same(Math.min(at, 0), this.model.mmap(model, fd, pages, offset), 'mmap', fd);
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
    assert.equal(await process.real.exec(), 0);
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
    this.#same(shm.fd, expected.rc, 'SHM_ALLOC', `${fd} of ${size}`);
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
    this.#same(shm.fd, expected.rc, 'SHM_REGISTER', `${fd}: ${length} bytes at ${at}`);
    if (expected.rc >= 0) assert.deepEqual([shm.id, shm.size], [expected.id, expected.size]);
  }

  async shmRegisterMapping({ model, caller, mappings }: Twin, fd: number, n: number) {
    const expected = this.model.shmRegisterMapping(model, fd);
    const { fd: rc } = await caller.shmRegister(fd, mappings[n]!.at, 1);
    this.#same(rc, expected.rc, 'SHM_REGISTER', `${fd} of a mapping`);
  }

  async otherIoctl({ model, caller, region }: Twin, fd: number, name: OtherIoctl): Promise<void> {
    const rc = await caller.process.ioctl(fd, abi.TEE_IOCTLS[name], region);
    this.#same(rc, this.model.otherIoctl(model, fd, name), name, fd);
  }

  // --- sessions
  async openSession(process: Twin, fd: number, login: number, params: readonly Param[]) {
    const expected = this.model.openSession(process.model, fd, login, params);
    const reply = await process.caller.openSession(fd, { uuid: MODEL_UUID, login, params });
    this.#sameReply(reply, expected, params, 'OPEN_SESSION', fd);
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
    this.#sameReply(reply, expected, params, 'INVOKE', `${fd} session ${session}`);
  }

  async cancel({ model, caller }: Twin, fd: number, session: number): Promise<void> {
    const expected = this.model.cancel(model, fd, session);
    const rc = await caller.cancel(fd, session);
    this.#same(rc, expected, 'CANCEL', `${fd} session ${session}`);
  }

  async closeSession({ model, caller }: Twin, fd: number, session: number): Promise<void> {
    const expected = this.model.closeSession(model, fd, session);
    const rc = await caller.closeSession(fd, session);
    this.#same(rc, expected, 'CLOSE_SESSION', `${fd} session ${session}`);
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

  async recv({ model, caller, region }: Twin, fd: number, room: Room): Promise<void> {
    if (this.model.recvSleeps(model, fd, room)) return;
    const expected = this.model.recv(model, fd, room);
    const shm = room.filled === 'memref' ? await caller.shmRegister(fd, region, PAGE) : undefined;
    const offered = FILLED[room.filled](shm?.id ?? 0);
    const params = Array.from({ length: room.params }, () => offered);
    const reply = await caller.supplRecv(fd, room.meta ? [META, ...params] : params);
    if (shm !== undefined && shm.fd >= 0) await caller.process.close(shm.fd);
    const what = `${fd} ${JSON.stringify(room)}`;
    this.#same(reply.rc, Math.min(expected, 0), 'SUPPL_RECV', what);
    if (expected < 0) return;
    assert.deepEqual([reply.func, reply.params.length], [LOAD_TA, room.meta ? 3 : 2], what);
    if (room.meta) assert.equal(reply.params[0]?.a, BigInt(expected), what);
  }

  async send(process: Twin, fd: number, sent: Sent, ret: number): Promise<void> {
    const expected = this.model.send(process.model, fd, sent, ret);
    const attr = abi.TEE_IOCTL_PARAM_ATTR_META | abi.TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INOUT;
    const others = Array.from({ length: sent.params }, () => ({ attr: 0 }));
    const params = sent.meta ? [{ attr, a: sent.id }, ...others] : others;
    const rc = await process.caller.supplSend(fd, ret, params);
    this.#same(rc, expected, 'SUPPL_SEND', `${fd} ${JSON.stringify(sent)}`);
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
      this.#sameReply(reply, model.answer!, [], 'OPEN_SESSION that waits', '');
      await real.exit();
    }
  }

  /** @param actual a result, or the name of its errno. */
  #same(actual: Outcome, expected: number, call: string, what: string | number): void {
    const answer = typeof actual === 'number' ? named(actual) : actual;
    assert.equal(answer, named(expected), `${call} ${what}`);
    this.#given.add(`${call}: ${expected < 0 ? named(expected) : 'done'}`);
  }

  #sameReply(
    reply: Reply,
    expected: SessionAnswer,
    sent: readonly Param[],
    call: string,
    about: string | number,
  ): void {
    const what = `${call} ${about}`;
    const { rc, ret, origin, session, params } = expected;
    assert.equal(reply.rc, named(rc), what);
    if (ret !== undefined) {
      assert.deepEqual([reply.ret, reply.origin, reply.session], [ret, origin, session], what);
    }
    const back = (params ?? sent).map((param) => ({ ...param, attr: BigInt(param.attr) }));
    assert.deepEqual(reply.params, back, what);
    this.#given.add(`${call}: ${ret === undefined ? named(rc) : formatResult(ret, origin)}`);
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
