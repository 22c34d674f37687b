/**
 * What the TEE driver promises to programs, as a state machine: who holds what (`state.ts`), and what
 * each call must answer. It knows the numbers of the ABI and nothing of the code under test;
 * upstream's bugs are not in it.
 */
import { EBADF, EBUSY, EFAULT, EINVAL, ENODEV, ENOMEM, EPERM } from '../../src/abi/errno.ts';
import {
  TEE_ERROR_BAD_PARAMETERS,
  TEE_ORIGIN_TEE,
  TEE_ORIGIN_TRUSTED_APP,
  TEE_SUCCESS,
} from '../../src/abi/gp.ts';
import * as abi from '../../src/abi/tee.ts';
import {
  NO_COMMAND,
  hasNoPage,
  paramsError,
  refusedByDriver,
  runTa,
  unanswered,
} from './params.ts';
import type { Param } from './params.ts';
import { Requests } from './requests.ts';
import type { Asker, Room, Sent } from './requests.ts';
import {
  Context,
  Device,
  ModelProcess,
  OpenFile,
  PAGE,
  Shm,
  clientOf,
  contextOf,
  install,
  lowestFree,
} from './state.ts';
import type { DeviceName, Extent, KernelFacts } from './state.ts';

/** Memory of each process, in pages of a region: what it may do with them. */
export const REGION = ['rw', 'rw', 'rw', 'rw', 'ro', 'rw', 'none', 'rw', 'none', 'none'] as const;

/** Most parameters that the kernel takes on open and on invoke, and that the TEE takes. */
const MOST_OPEN = 4;
const MOST_INVOKE = 6;
const MOST_TEE = 4;
const LARGEST_BLOCK = 4 << 20;

/** The TA cannot be entered. The origin is what the session's last call left there. */
const UNMAPPED = {
  rc: 0,
  ret: TEE_ERROR_BAD_PARAMETERS,
  origin: TEE_ORIGIN_TRUSTED_APP,
  session: 0,
} as const;

/** There are neither DMA-bufs nor objects here, so that two of these cannot succeed. */
export type OtherIoctl = 'TEE_IOC_VERSION' | 'TEE_IOC_SHM_REGISTER_FD' | 'TEE_IOC_OBJECT_INVOKE';

/** What a session call answers. Without `ret` the argument stays as it was. */
export interface SessionAnswer {
  readonly rc: number;
  readonly ret?: number;
  readonly origin?: number;
  readonly session?: number;
  readonly params?: readonly Param[];
}

export interface ShmAnswer {
  /** The fd, or a negative errno. */
  readonly rc: number;
  readonly id?: number;
  readonly size?: number;
}

export class Model {
  readonly processes: ModelProcess[] = [new ModelProcess()];
  readonly #requests = new Requests((asker) => this.#forgetSession(asker.session));
  readonly #facts: KernelFacts;
  readonly #client = new Device('client');
  readonly #supplicant = new Device('supplicant');
  /** Sessions of the secure world, in the order of their opening. */
  readonly #sessions: number[] = [];
  /** The one supplicant. */
  #place: Context | undefined;

  constructor(facts: KernelFacts) {
    this.#facts = facts;
  }

  get openSessions(): number {
    return this.#sessions.length;
  }
  /** Ids that an answer may name. */
  get requestIds(): readonly number[] {
    return this.#requests.ids;
  }

  // --- files
  open(process: ModelProcess, name: DeviceName, cloexec: boolean): number {
    const device = name === 'client' ? this.#client : this.#supplicant;
    if (name === 'supplicant' && this.#place !== undefined) return -EBUSY;
    const ctx = new Context(device);
    if (name === 'supplicant') this.#place = ctx;
    return install(process, new OpenFile(ctx), cloexec);
  }

  close(process: ModelProcess, fd: number): number {
    const found = process.fds.get(fd);
    if (found === undefined) return -EBADF;
    process.fds.delete(fd);
    this.#drop(found.file);
    return 0;
  }

  dup(process: ModelProcess, fd: number): number {
    const found = process.fds.get(fd);
    return found === undefined ? -EBADF : install(process, found.file, false);
  }

  mmap(process: ModelProcess, fd: number, pages: number, offsetPages: number): number {
    const found = process.fds.get(fd);
    if (found === undefined) return -EBADF;
    if (pages === 0) return -EINVAL;
    const { file } = found;
    if (!(file.of instanceof Shm)) return -ENODEV;
    const { size, mappable } = file.of.extent;
    const available = Math.floor(size / PAGE);
    if (!mappable || offsetPages + pages > available) return -EINVAL;
    file.refs += 1;
    process.mappings.push(file);
    return 0;
  }

  munmap(process: ModelProcess, mapping: number): void {
    for (const file of process.mappings.splice(mapping, 1)) this.#drop(file);
  }

  // --- processes
  fork(parent: ModelProcess): ModelProcess {
    const child = new ModelProcess();
    for (const [fd, descriptor] of parent.fds) {
      descriptor.file.refs += 1;
      child.fds.set(fd, descriptor);
    }
    for (const file of parent.mappings) {
      file.refs += 1;
      child.mappings.push(file);
    }
    this.processes.push(child);
    return child;
  }

  exec(process: ModelProcess): void {
    while (process.mappings.length > 0) this.munmap(process, 0);
    for (const [fd, { cloexec }] of process.fds) if (cloexec) this.close(process, fd);
  }

  exit(process: ModelProcess): void {
    while (process.mappings.length > 0) this.munmap(process, 0);
    for (const fd of process.fds.keys()) this.close(process, fd);
    this.processes.splice(this.processes.indexOf(process), 1);
  }

  // --- shared memory
  shmAlloc(process: ModelProcess, fd: number, size: bigint, flags: number): ShmAnswer {
    const ctx = contextOf(process, fd);
    if (typeof ctx === 'number') return { rc: ctx };
    if (flags !== 0) return { rc: -EINVAL };
    if (size === 0n || size > 2n ** 64n - BigInt(PAGE)) return { rc: this.#facts.noSize };
    if (size > BigInt(LARGEST_BLOCK)) return { rc: -ENOMEM };
    const pages = Math.ceil(Number(size) / PAGE);
    const given = this.#facts.powerOfTwo ? 2 ** Math.ceil(Math.log2(pages)) : pages;
    return this.#share(process, ctx, { size: given * PAGE, offset: 0, mappable: true });
  }

  /** @param at bytes from the start of the region. */
  shmRegister(
    process: ModelProcess,
    fd: number,
    at: number,
    length: number,
    flags: number,
  ): ShmAnswer {
    const ctx = contextOf(process, fd);
    if (typeof ctx === 'number') return { rc: ctx };
    if (flags !== 0) return { rc: -EINVAL };
    if (length === 0 && !this.#facts.registersNothing) return { rc: -ENOMEM };
    if (length === 0 && at % PAGE === 0) return this.#registerNoPages(process, ctx);
    const first = Math.floor(at / PAGE);
    const last = Math.ceil((at + length) / PAGE);
    const pages = Array.from({ length: last - first }, (_, n) => REGION[first + n]);
    if (pages[0] !== 'rw') return { rc: -EFAULT };
    if (pages.some((page) => page !== 'rw')) return { rc: -ENOMEM };
    return this.#share(process, ctx, { size: length, offset: at % PAGE, mappable: false });
  }

  /** Registering a mapping of shared memory. */
  shmRegisterMapping(process: ModelProcess, fd: number): ShmAnswer {
    const ctx = contextOf(process, fd);
    return { rc: typeof ctx === 'number' ? ctx : -EFAULT };
  }

  /** Ioctls that neither make nor use anything, with an argument that can be read and written. */
  otherIoctl(process: ModelProcess, fd: number, name: OtherIoctl): number {
    const ctx = contextOf(process, fd);
    if (typeof ctx === 'number') return ctx;
    return name === 'TEE_IOC_VERSION' ? 0 : -EINVAL;
  }

  // --- sessions
  openSession(
    process: ModelProcess,
    fd: number,
    login: number,
    params: readonly Param[],
  ): SessionAnswer {
    const ctx = clientOf(process, fd);
    if (typeof ctx === 'number') return { rc: ctx };
    const bad = paramsError(this.#facts, ctx, params);
    if (bad !== 0) return { rc: bad };
    if (login >= abi.TEE_IOCTL_LOGIN_REE_KERNEL_MIN && login <= abi.TEE_IOCTL_LOGIN_REE_KERNEL_MAX)
      return { rc: -EPERM };
    if (params.length > MOST_OPEN || login > abi.TEE_IOCTL_LOGIN_USER) return { rc: -EINVAL };
    if (params.some(refusedByDriver)) return { rc: -EINVAL };
    const { out } = runTa(NO_COMMAND, params);
    if (params.some((param) => hasNoPage(ctx, param)))
      return { ...UNMAPPED, origin: 0, params: out };
    const session = this.#newSession();
    ctx.sessions.add(session);
    return { rc: 0, ret: TEE_SUCCESS, origin: TEE_ORIGIN_TRUSTED_APP, session, params: out };
  }

  invoke(
    process: ModelProcess,
    fd: number,
    session: number,
    func: number,
    params: readonly Param[],
  ): SessionAnswer {
    const ctx = clientOf(process, fd);
    if (typeof ctx === 'number') return { rc: ctx };
    const bad = paramsError(this.#facts, ctx, params);
    if (bad !== 0) return { rc: bad };
    if (!ctx.sessions.has(session) || params.length > MOST_INVOKE) return { rc: -EINVAL };
    if (params.some(refusedByDriver)) return { rc: -EINVAL };
    if (params.length > MOST_TEE) {
      const ret = TEE_ERROR_BAD_PARAMETERS;
      return { rc: 0, ret, origin: TEE_ORIGIN_TEE, session, params: params.map(unanswered) };
    }
    if (params.some((param) => hasNoPage(ctx, param))) {
      return { ...UNMAPPED, session, params: runTa(NO_COMMAND, params).out };
    }
    const { ret, out } = runTa(func, params);
    return { rc: 0, ret, origin: TEE_ORIGIN_TRUSTED_APP, session, params: out };
  }

  cancel(process: ModelProcess, fd: number, session: number): number {
    const ctx = clientOf(process, fd);
    if (typeof ctx === 'number') return ctx;
    return ctx.sessions.has(session) ? 0 : -EINVAL;
  }

  closeSession(process: ModelProcess, fd: number, session: number): number {
    const ctx = clientOf(process, fd);
    if (typeof ctx === 'number') return ctx;
    if (!ctx.sessions.delete(session)) return -EINVAL;
    this.#forgetSession(session);
    return 0;
  }

  // --- supplicants
  /** A client of its own asks for a TA that nobody has, and waits. */
  ask(): Asker {
    return this.#requests.add(this.#newSession());
  }

  killAsker(asker: Asker): void {
    this.#requests.kill(asker);
  }

  /** Whether RECV would sleep: a supplicant with sound room, and nothing to receive. */
  recvSleeps(process: ModelProcess, fd: number, room: Room): boolean {
    return this.#isSupplicant(process, fd) && this.#requests.wouldSleep(room);
  }

  /** When it does not sleep. @returns the id of the request, or a negative errno */
  recv(process: ModelProcess, fd: number, room: Room): number {
    const ctx = contextOf(process, fd);
    if (typeof ctx === 'number') return ctx;
    return ctx.device.name === 'supplicant' ? this.#requests.receive(room) : -EINVAL;
  }

  send(process: ModelProcess, fd: number, sent: Sent, ret: number): number {
    const ctx = contextOf(process, fd);
    if (typeof ctx === 'number') return ctx;
    return ctx.device.name === 'supplicant' ? this.#requests.send(sent, ret) : -EINVAL;
  }

  #isSupplicant(process: ModelProcess, fd: number): boolean {
    const ctx = contextOf(process, fd);
    return typeof ctx !== 'number' && ctx.device.name === 'supplicant';
  }

  /** The driver refuses a buffer without pages, but looks at no buffer of a supplicant's. */
  #registerNoPages(process: ModelProcess, ctx: Context): ShmAnswer {
    if (ctx.device.name === 'client') return { rc: -EINVAL };
    return this.#share(process, ctx, { size: 0, offset: 0, mappable: false });
  }

  #share(process: ModelProcess, ctx: Context, extent: Extent): ShmAnswer {
    const { ids } = ctx.device;
    const id = lowestFree((taken) => ids.has(taken));
    ids.add(id);
    const shm = new Shm(ctx, id, extent);
    ctx.shms.set(id, shm);
    return { rc: install(process, new OpenFile(shm), false), id, size: extent.size };
  }

  /** One more than the last that was opened and is there. */
  #newSession(): number {
    const session = (this.#sessions.at(-1) ?? 0) + 1;
    this.#sessions.push(session);
    return session;
  }

  #forgetSession(session: number): void {
    this.#sessions.splice(this.#sessions.indexOf(session), 1);
  }

  #drop(file: OpenFile): void {
    file.refs -= 1;
    if (file.refs > 0) return;
    if (file.of instanceof Shm) this.#free(file.of);
    else this.#closeContext(file.of);
  }

  #free(shm: Shm): void {
    shm.ctx.device.ids.delete(shm.id);
    shm.ctx.shms.delete(shm.id);
    this.#release(shm.ctx);
  }

  /** The supplicant's place becomes free, and what was asked of it fails, whatever it still shares. */
  #closeContext(ctx: Context): void {
    if (this.#place === ctx) {
      this.#place = undefined;
      this.#requests.abort();
    }
    ctx.closed = true;
    this.#release(ctx);
  }

  /** A context lives as long as its file and its memory. */
  #release(ctx: Context): void {
    if (!ctx.closed || ctx.shms.size > 0) return;
    for (const session of ctx.sessions) this.#forgetSession(session);
    ctx.sessions.clear();
  }
}
