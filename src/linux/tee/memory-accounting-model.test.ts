/**
 * Random sequences of what processes do with registered memory — registered through contexts that
 * they share or not, forked, unmapped, migrated, closed by hand, by exit or by SIGKILL — against a model
 * that knows nothing of frames and adds nothing up: who is charged, what is refused, what is pinned.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { CAP_IPC_LOCK } from '../../abi/capability.ts';
import { EFAULT, EINVAL, ENOMEM } from '../../abi/errno.ts';
import { O_RDWR, RLIMIT_MEMLOCK, SIGKILL } from '../../abi/fcntl.ts';
import { PAGE_SIZE, va } from '../../machine/address.ts';
import type { MmAccount } from '../mm/account.ts';
import { GFP_HIGHUSER_MOVABLE, GFP_USER } from '../mm/gfp.ts';
import {
  MR_LONGTERM_PIN,
  allocMigrationTarget,
  migratePages,
  putbackMovablePages,
} from '../mm/migrate.ts';
import { GUP_PIN_COUNTING_BIAS } from '../mm/page-pin.ts';
import { PTE_PRESENT, pteFrame, pteKind } from '../mm/page-table.ts';
import { Shmem } from '../mm/shmem.ts';
import { checkMemory } from '../mm/testing/check-memory.ts';
import type { TeeSwitches } from './switches.ts';
import { NOTHING_HELD, boot } from './testing/box.ts';
import type { TeeBox } from './testing/box.ts';
import { Guest } from './testing/guest.ts';
import { MemlockModel } from './testing/memlock-model.ts';
import type {
  ModelContext,
  ModelFolio,
  ModelProcess,
  ModelRegistration,
  Outcome,
} from './testing/memlock-model.ts';
import { LINUX_7_3 } from './testing/profiles.ts';

const MIB = 1 << 20;
const AT = 0x4000_0000;

/** What every process has mapped, side by side: private memory, and objects by order of their folios. */
const AREAS = [
  { first: 0, end: 32, order: undefined },
  { first: 32, end: 48, order: 0 },
  { first: 48, end: 112, order: 4 },
  { first: 112, end: 240, order: 7 },
  { first: 240, end: 256, order: undefined },
] as const;
type Area = (typeof AREAS)[number];
const [, , CUT] = AREAS;
const PAGES = 256;

const lengthOf = ({ first, end }: Area): number => (end - first) * PAGE_SIZE;
const addressOf = (page: number): number => AT + page * PAGE_SIZE;

/** The folios that an area is made of. */
function foliosOf({ first, end, order = 0 }: Area): ModelFolio[] {
  const folios: ModelFolio[] = [];
  for (let at = first; at < end; at += 1 << order) {
    folios.push(...new Array<ModelFolio>(1 << order).fill({ pages: 1 << order }));
  }
  return folios;
}

const USERS = [
  { uid: 1000, capabilities: [] },
  { uid: 1000, capabilities: [CAP_IPC_LOCK] },
  { uid: 1001, capabilities: [] },
  { uid: 1000, capabilities: [] },
  { uid: 0, capabilities: [] },
] as const;
const UIDS = [0, 1000, 1001];
/** Pages. */
const LIMITS = [0, 7, 30, 130, 160, 300];
const MOST_PROCESSES = 6;

const ERRNOS: { readonly [O in Outcome]: number } = {
  registered: 0,
  'over limit': ENOMEM,
  'nothing there': EFAULT,
  'not all there': ENOMEM,
};

const KINDS = [
  ...new Array<'register'>(12).fill('register'),
  ...(['refuse', 'close', 'close', 'close', 'open', 'pass', 'pass', 'limit', 'limit'] as const),
  ...(['start', 'fork', 'exit', 'kill', 'unmap', 'map', 'write', 'write', 'migrate'] as const),
  ...(['truncate', 'look'] as const),
] as const;

const opArb = fc.record({
  kind: fc.constantFrom(...KINDS),
  who: fc.nat({ max: 1000 }),
  page: fc.nat({ max: PAGES - 1 }),
  count: fc.integer({ min: 1, max: 24 }),
  value: fc.nat({ max: 10_000 }),
});
type Op = (typeof opArb)['generate'] extends (...args: never[]) => { value: infer V } ? V : never;

/** A process, and what the model has of it. */
interface Pair {
  readonly guest: Guest;
  readonly model: ModelProcess;
}

const pick = <T>(list: readonly T[], n: number): T | undefined => list[n % list.length];

class Sequence {
  readonly #box: TeeBox;
  readonly #model: MemlockModel;
  readonly #objects = new Map<Area, Shmem>();
  #pairs: Pair[] = [];
  /** Of all processes that there ever were. */
  readonly #accounts = new Map<ModelProcess, MmAccount>();
  /** Frames of each registration as page tables showed them. */
  readonly #frames = new Map<ModelRegistration, readonly number[]>();
  /** Frames that the kernel had at boot, once a reference. */
  readonly #owned: readonly number[];

  constructor(switches: TeeSwitches) {
    const memory = { cma: 2 * MIB, minFreeKbytes: 128 };
    const nodeAccess = () => ({ mode: 0o666, uid: 0, gid: 0 });
    this.#box = boot({ switches, nodeAccess, kernel: { memory }, ramBytes: 8 * MIB });
    this.#model = new MemlockModel(AREAS.flatMap(foliosOf), switches.accountMemlock);
    const { pages } = this.#box.kernel;
    this.#owned = [...pages.frames.refs].flatMap((refs, frame) =>
      frame === pages.zeroFrame ? [] : new Array<number>(refs).fill(frame),
    );
    for (const area of AREAS) {
      if (area.order === undefined) continue;
      const object = new Shmem(pages, { order: area.order, bytes: lengthOf(area) });
      object.open();
      this.#objects.set(area, object);
    }
  }

  async step(op: Op): Promise<void> {
    if (this.#pairs.length === 0) await this.#start(op);
    const pair = pick(this.#pairs, op.who)!;
    await this[op.kind](pair, op);
    this.#check();
  }

  async register({ guest, model }: Pair, { page, count, value, who }: Op, rc = 0): Promise<void> {
    const [fd, context] = pick(contextsOf(model), value + who) ?? [];
    if (fd === undefined || context === undefined) return;
    const { fake, trace } = this.#box;
    const pages = Math.min(count, PAGES - page);
    const offset = value % 3 === 0 ? 100 : 0;
    const [outcome, file] = this.#model.register(model, context, page, pages);
    fake.errors.register = rc;
    const length = pages * PAGE_SIZE - offset;
    const got = await guest.register(fd, addressOf(page) + offset, length);
    const expected = outcome === 'registered' ? rc : -ERRNOS[outcome];
    assert.equal(Math.min(got, 0), expected, `${outcome}: ${trace.lastCause?.text}`);
    if (outcome === 'over limit') assert.equal(trace.lastCause?.object, 'locked_vm');
    if (got < 0) return;
    model.files.set(got, file);
    this.#frames.set(file, framesOf(guest, page, pages));
  }

  async refuse(pair: Pair, op: Op): Promise<void> {
    await this.register(pair, op, -EINVAL);
  }

  /** Contexts, too: what is registered through them stays. */
  async close({ guest, model }: Pair, { value }: Op): Promise<void> {
    const fd = pick([...model.files.keys()], value);
    if (fd === undefined) return;
    assert.equal(await guest.run(({ sys }) => sys.close(fd)), 0);
    model.files.delete(fd);
  }

  async open({ guest, model }: Pair): Promise<void> {
    const fd = await guest.run(({ sys }) => sys.open('/dev/tee0', O_RDWR));
    assert.ok(fd >= 0);
    model.files.set(fd, { kind: 'context' });
  }

  /** What a process has open comes to another, as through a socket. */
  async pass({ guest, model }: Pair, { value, count }: Op): Promise<void> {
    const [fd, file] = pick([...model.files], value) ?? [];
    if (fd === undefined || file === undefined) return;
    const to = pick(this.#pairs, count)!;
    const theirs = to.guest.process.files.install(guest.process.files.get(fd)!.get());
    to.model.files.set(theirs, file);
  }

  async limit({ guest, model }: Pair, op: Op): Promise<void> {
    const cur = limitOf(op);
    const limit = { cur, max: 8 * MIB };
    const before = await guest.run(({ sys }) => sys.prlimit64(0, RLIMIT_MEMLOCK, limit));
    assert.deepEqual(before, { cur: model.limit, max: 8 * MIB });
    model.limit = cur;
  }

  async start(_: Pair, op: Op): Promise<void> {
    await this.#start(op);
  }

  async fork({ guest, model }: Pair): Promise<void> {
    if (this.#pairs.length >= MOST_PROCESSES) return;
    this.#add(await guest.fork(), this.#model.fork(model));
  }

  async exit(pair: Pair): Promise<void> {
    this.#remove(pair);
    await pair.guest.exit();
  }

  async kill(pair: Pair): Promise<void> {
    this.#remove(pair);
    await pair.guest.kill(SIGKILL);
  }

  async unmap({ guest, model }: Pair, { page, count }: Op): Promise<void> {
    const end = Math.min(page + count, PAGES);
    assert.equal(guest.process.mm.munmap(addressOf(page), (end - page) * PAGE_SIZE), 0);
    for (let n = page; n < end; n++) model.holes.add(n);
  }

  /** A whole area anew: private memory is empty then, an object is as others have it. */
  async map({ guest, model }: Pair, { value }: Op): Promise<void> {
    const area = pick(AREAS, value)!;
    const cache = this.#objects.get(area);
    const at = addressOf(area.first);
    const request = { at, fixed: 'replace', length: lengthOf(area) } as const;
    const { mm } = guest.process;
    const mapped = mm.mmap(cache === undefined ? request : { ...request, shared: true, cache });
    assert.equal(mapped, at);
    for (let n = area.first; n < area.end; n++) model.holes.delete(n);
  }

  async write({ guest, model }: Pair, { page, count, value }: Op): Promise<void> {
    for (let n = page; n < Math.min(page + count, PAGES); n++) {
      const written = guest.process.mm.write(va(addressOf(n)), Uint8Array.of(value));
      assert.equal(written, !model.holes.has(n));
    }
  }

  async migrate({ guest }: Pair, { page, count }: Op): Promise<void> {
    const { pages } = this.#box.kernel;
    const { table } = guest.process.mm.mm;
    const list: number[] = [];
    for (let n = page; n < Math.min(page + count, PAGES); n++) {
      const pte = table.get(addressOf(n) / PAGE_SIZE);
      const folio = pages.frames.folio(pteFrame(pte));
      if (pteKind(pte) === PTE_PRESENT && pages.isolateFolio(folio)) list.push(folio);
    }
    const gfp = count % 2 === 0 ? GFP_USER : GFP_HIGHUSER_MOVABLE;
    migratePages(pages, list, allocMigrationTarget(pages, gfp), MR_LONGTERM_PIN);
    putbackMovablePages(pages, list);
  }

  /** An object loses its last folios and has others in their place: the old ones may be registered. */
  async truncate(_: Pair, { value }: Op): Promise<void> {
    const object = this.#objects.get(CUT)!;
    const left = (value % 4) << CUT.order;
    object.truncate(left * PAGE_SIZE);
    object.truncate(lengthOf(CUT));
    const fresh = foliosOf(CUT).slice(left);
    this.#model.memory.splice(CUT.first + left, fresh.length, ...fresh);
  }

  /** Every reference, map count and free page. */
  async look(): Promise<void> {
    checkMemory({
      pages: this.#box.kernel.pages,
      spaces: this.#pairs.map(({ guest }) => guest.process.mm),
      cached: [...this.#objects.values()].flatMap((object) => [...object.frames()]),
      cachedSlots: 0,
      pinned: this.#pinned(),
      owned: this.#owned,
    });
  }

  /** Everybody leaves, one way or the other: nothing is charged, pinned or in use. */
  async end(): Promise<void> {
    await this.look();
    for (const [n, pair] of [...this.#pairs].entries()) {
      await (n % 2 === 0 ? this.kill(pair) : this.exit(pair));
      this.#check();
    }
    for (const object of this.#objects.values()) object.close();
    assert.deepEqual(this.#box.held(), NOTHING_HELD);
    assert.deepEqual(this.#box.kernel.accounts.users, []);
    for (const [, { pinnedVm }] of this.#accounts) assert.equal(pinnedVm, 0);
    this.#objects.clear();
    await this.look();
  }

  #check(): void {
    const { kernel, fake } = this.#box;
    for (const uid of UIDS) {
      assert.equal(kernel.accounts.pages(uid), this.#model.lockedVm(uid), `locked_vm of ${uid}`);
    }
    for (const [process, account] of this.#accounts) {
      assert.equal(account.pinnedVm, this.#model.pinnedVm(process), 'pinned_vm');
    }
    assert.equal(fake.registered.size, this.#model.registrations.size);
    const { frames } = kernel.pages;
    const expected = new Map<number, number>();
    for (const frame of this.#pinned()) {
      const folio = frames.folio(frame);
      expected.set(folio, (expected.get(folio) ?? 0) + 1);
    }
    const found = new Map<number, number>();
    for (let frame = 0; frame < frames.count; frame++) {
      const large = frames.order[frame] !== 0;
      const small = Math.floor(frames.refs[frame]! / GUP_PIN_COUNTING_BIAS);
      const pins = large ? frames.pincount[frame]! : small;
      if (pins !== 0) found.set(frame, pins);
    }
    assert.deepEqual(found, new Map([...expected].sort(([a], [b]) => a - b)), 'pins');
    assert.equal(kernel.pages.pinsOutstanding, this.#pinned().length);
  }

  /** Frames, once a pin. */
  #pinned(): readonly number[] {
    return [...this.#model.registrations].flatMap((file) => this.#frames.get(file)!);
  }

  async #start(op: Op): Promise<void> {
    if (this.#pairs.length >= MOST_PROCESSES) return;
    const user = pick(USERS, op.value)!;
    const memlock = limitOf(op);
    const guest = await Guest.start(this.#box.kernel, { name: 'client', memlock, ...user });
    const locks = user.capabilities.length > 0;
    const pair = this.#add(guest, this.#model.start(user.uid, locks, memlock));
    for (let value = 0; value < AREAS.length; value++) await this.map(pair, { ...op, value });
    await this.open(pair);
  }

  #add(guest: Guest, model: ModelProcess): Pair {
    const pair = { guest, model };
    this.#pairs.push(pair);
    this.#accounts.set(model, guest.process.mm.account);
    return pair;
  }

  #remove(pair: Pair): void {
    this.#pairs = this.#pairs.filter((other) => other !== pair);
    this.#model.processes.delete(pair.model);
  }
}

/** Not always whole pages. */
const limitOf = ({ count, value }: Op): number => pick(LIMITS, count)! * PAGE_SIZE + (value % 4096);

const contextsOf = ({ files }: ModelProcess): (readonly [number, ModelContext])[] =>
  [...files].flatMap(([fd, file]) => (file.kind === 'context' ? [[fd, file] as const] : []));

/** What page tables show right after a registration: they were pinned for writing. */
function framesOf({ process }: Guest, first: number, count: number): readonly number[] {
  return Array.from({ length: count }, (_, n) => {
    const pte = process.mm.mm.table.get(addressOf(first + n) / PAGE_SIZE);
    assert.equal(pteKind(pte), PTE_PRESENT);
    return pteFrame(pte);
  });
}

describe('memory that processes register', () => {
  const kept: TeeSwitches = { ...LINUX_7_3, quirkShortPinLeaksPage: false };
  for (const [what, switches, seed] of [
    ['is charged and pinned', { ...kept, pinLongterm: true, accountMemlock: true }, 1],
    ['is pinned and not charged', kept, 2],
  ] as const) {
    it(`${what} as the model says, and given back`, async () => {
      const sequence = fc.asyncProperty(
        fc.array(opArb, { minLength: 10, maxLength: 50, size: 'max' }),
        async (ops) => {
          const run = new Sequence(switches);
          for (const op of ops) await run.step(op);
          await run.end();
        },
      );
      await fc.assert(sequence, { numRuns: 120, seed });
    });
  }
});
