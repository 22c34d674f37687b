import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FifoPolicy } from '../sched/policy.ts';
import { SeededRandom } from '../sched/random.ts';
import { Scheduler } from '../sched/scheduler.ts';
import { VirtualClock } from '../sched/clock.ts';
import type { Co } from '../sched/task.ts';
import { WaitQueue } from '../sched/wait.ts';
import { Trace } from '../trace/trace.ts';
import { PAGE_SIZE, ipa, pa } from './address.ts';
import { BusFault, BusPort, NORMAL, SECURE } from './bus.ts';
import { DEFAULT_RAM_BASE, Machine } from './machine.ts';
import { smcRegs } from './smc.ts';
import { IDENTITY, Stage2Table } from './stage2.ts';

const MIB = 1 << 20;

function boot(): { machine: Machine; sched: Scheduler; trace: Trace } {
  const trace = new Trace();
  trace.setLevel('all');
  const sched = new Scheduler({
    trace,
    clock: new VirtualClock(),
    random: new SeededRandom(1),
    policy: new FifoPolicy(),
    outside: { turn: () => Promise.resolve(), after: () => () => {} },
  });
  const machine = new Machine({
    sched,
    ram: { bytes: new Uint8Array(4 * MIB), memory: undefined, release() {} },
    tree: {
      secure: [{ base: pa(DEFAULT_RAM_BASE + 3 * MIB), size: MIB }],
      reservedShm: undefined,
      optee: undefined,
    },
  });
  return { machine, sched, trace };
}

const BASE = pa(DEFAULT_RAM_BASE);
const SECRET = pa(DEFAULT_RAM_BASE + 3 * MIB);

describe('bus', () => {
  it('lets each master reach what is its own, and faults and records the rest', () => {
    const { machine, trace } = boot();
    machine.secure.bytes(SECRET, 4, 'write').set([1, 2, 3, 4]);
    assert.throws(() => machine.normal.bytes(SECRET, 4, 'read'), BusFault);
    assert.throws(() => machine.normal.bytes(pa(SECRET - 2), 4, 'read'), BusFault);
    assert.throws(() => machine.normal.bytes(pa(BASE + 4 * MIB - 2), 4, 'read'), BusFault);
    assert.throws(() => machine.normal.bytes(pa(0), 4, 'read'), BusFault);
    assert.throws(() => machine.normal.bytes(pa(NaN), 4, 'read'), BusFault);
    assert.equal([...trace.events()].filter((e) => e.name === 'fault').length, 5);
    assert.deepEqual([...machine.secure.bytes(SECRET, 4, 'read')], [1, 2, 3, 4]);
  });

  it('a protected page is open to the masters that it lists, and to no CPU', () => {
    const { machine } = boot();
    const decoder = new BusPort(machine.bus, { name: 'decoder', kind: 'dma', guest: 0 });
    const display = new BusPort(machine.bus, { name: 'display', kind: 'dma', guest: 0 });
    machine.bus.protect(BASE, PAGE_SIZE, {
      kind: 'protected',
      useCase: 'secure-video-play',
      masters: new Set(['decoder']),
    });
    decoder.bytes(BASE, 16, 'write');
    assert.throws(() => display.bytes(BASE, 16, 'read'), /the page is protected/);
    assert.throws(() => machine.normal.bytes(BASE, 16, 'read'), BusFault);
    assert.throws(() => machine.secure.bytes(BASE, 16, 'read'), BusFault);
    machine.bus.protect(BASE, PAGE_SIZE, NORMAL);
    machine.normal.bytes(BASE, 16, 'read');
  });

  it('maps contiguous pages directly and scattered ones through a copy', () => {
    const { machine } = boot();
    const page = (n: number) => pa(BASE + n * PAGE_SIZE);
    const direct = machine.secure.mapContiguous([page(1), page(2)], 4090, 12, 'write');
    direct.bytes.fill(7);
    assert.equal(machine.bus.u8[PAGE_SIZE + 4090], 7);
    const scattered = machine.secure.mapContiguous([page(5), page(3)], 4090, 12, 'write');
    scattered.bytes.set([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
    assert.equal(machine.bus.u8[5 * PAGE_SIZE + 4090], 0);
    scattered.writeBack();
    assert.equal(machine.bus.u8[5 * PAGE_SIZE + 4095], 6);
    assert.equal(machine.bus.u8[3 * PAGE_SIZE + 5], 12);
    assert.equal(machine.secure.mapContiguous([], 0, 0, 'read').bytes.length, 0);
  });

  it('brings neighbours among scattered pages in one piece, and faults where one is closed', () => {
    const { machine } = boot();
    const page = (n: number) => pa(BASE + n * PAGE_SIZE);
    const pages = [page(5), page(6), page(3), page(4), page(9)];
    for (const [n, at] of pages.entries()) machine.secure.bytes(at, PAGE_SIZE, 'write').fill(n);
    const length = 5 * PAGE_SIZE - 20;
    const { bytes, writeBack } = machine.normal.mapContiguous(pages, 10, length, 'write');
    const at = (n: number): number[] => [...bytes.subarray(n * PAGE_SIZE - 12, n * PAGE_SIZE - 8)];
    assert.deepEqual(
      [1, 2, 3, 4].map(at),
      [0, 1, 2, 3].map((n) => [n, n, n + 1, n + 1]),
    );
    bytes.fill(7);
    writeBack();
    const written = pages.map((p) => machine.normal.bytes(p, PAGE_SIZE, 'read'));
    assert.deepEqual([...written[0]!.subarray(8, 12)], [0, 0, 7, 7]);
    assert.ok(written.slice(1, 4).every((p) => p.every((byte) => byte === 7)));
    assert.deepEqual([...written[4]!.subarray(-12, -8)], [7, 7, 4, 4]);
    machine.bus.protect(page(6), PAGE_SIZE, SECURE);
    assert.throws(() => machine.normal.mapContiguous(pages, 10, length, 'read'), BusFault);
    machine.secure.mapContiguous(pages, 10, length, 'read');
  });
});

describe('stage 2', () => {
  it('is the identity without virtualization, else page by page', () => {
    assert.equal(IDENTITY.translate(ipa(123)), 123);
    const table = new Stage2Table(ipa(0x1000), [pa(0x9000), pa(0x5000)]);
    assert.equal(table.translate(ipa(0x1010)), 0x9010);
    assert.equal(table.translate(ipa(0x2fff)), 0x5fff);
    assert.equal(table.translate(ipa(0x3000)), undefined);
  });
});

describe('SMC', () => {
  it('without a secure world answers "unknown function"', () => {
    const { machine, sched } = boot();
    const regs = smcRegs(0xb2000000);
    sched.spawn('cpu', machine.conduit.call(regs));
    sched.runReady();
    assert.equal(regs[0], 0xffffffff);
  });

  it('two calls are on two CPUs, a third waits for one to be free', () => {
    const { machine, sched } = boot();
    const inside: number[] = [];
    const gate = new WaitQueue(sched, 'gate');
    machine.conduit.install({
      *smc(cpu, regs): Co<void> {
        inside.push(cpu.id);
        yield* gate.wait('uninterruptible');
        regs[0] = cpu.id;
      },
    });
    for (let i = 0; i < 3; i++) sched.spawn(`cpu${i}`, machine.conduit.call(smcRegs(1)));
    sched.runReady();
    assert.deepEqual(new Set(inside), new Set([0, 1]));
    gate.wakeOne();
    sched.runReady();
    assert.equal(inside.length, 3);
    gate.wakeAll();
    sched.runReady();
    assert.ok(machine.cpus.every((cpu) => !cpu.secure));
  });
});

describe('interrupts', () => {
  it('of one line are handled one after the other', () => {
    const { machine, sched } = boot();
    const gate = new WaitQueue(sched, 'gate');
    const seen: string[] = [];
    machine.interrupts.request(47, 'optee_notif', function* () {
      seen.push('begins');
      yield* gate.wait('uninterruptible');
      seen.push('ends');
    });
    for (let i = 0; i < 3; i++) {
      machine.interrupts.raise(47);
      sched.runReady();
    }
    assert.deepEqual(seen, ['begins']);
    for (let i = 0; i < 3; i++) {
      gate.wakeAll();
      sched.runReady();
    }
    assert.deepEqual(seen, ['begins', 'ends', 'begins', 'ends']);
  });

  it('wait until the CPU has left the secure world', () => {
    const { machine, sched } = boot();
    const seen: string[] = [];
    machine.interrupts.request(
      47,
      'optee_notif',
      function* () {
        seen.push('handled');
      },
      0,
    );
    machine.conduit.install({
      *smc(cpu): Co<void> {
        machine.interrupts.raise(47);
        seen.push(`pending ${cpu.foreignPending}`);
      },
    });
    const task = sched.createTask('cpu');
    task.cpu = 0;
    sched.start(task, machine.conduit.call(smcRegs(1)));
    sched.runReady();
    assert.deepEqual(seen, ['pending true', 'handled']);
    machine.interrupts.raise(47);
    sched.runReady();
    assert.equal(seen.length, 3);
    machine.interrupts.raise(99);
  });
});
