/** Pins of every pinner of a box: whose they are, how long they last, since when. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TEEC_MEM_INPUT, TEEC_SUCCESS } from '../abi/gp.ts';
import { QEMU_ARMV8 } from '../boards/boards.ts';
import { nodeHost } from '../host/node/host.ts';
import { directWrite } from '../linux/pinners/direct-io.ts';
import type { DirectDevice } from '../linux/pinners/direct-io.ts';
import { ioRing, ioUringSetup } from '../linux/pinners/io-uring.ts';
import type { IoRing } from '../linux/pinners/io-uring.ts';
import { IvtvUserDma } from '../linux/pinners/ivtv-udma.ts';
import { processVmReadv } from '../linux/pinners/process-vm.ts';
import { UserEvents } from '../linux/pinners/user-events.ts';
import type { Program } from '../linux/process/program.ts';
import { PAGE_SIZE } from '../machine/address.ts';
import type { Va } from '../machine/address.ts';
import type { Co } from '../sched/task.ts';
import { TeecSharedMemory } from '../userland/libteec/teec.ts';
import { Box } from './box.ts';
import { formatMemory } from './memory-text.ts';
import { memorySnapshot } from './memory-snapshot.ts';
import { ownersOf, pinViews } from './pin-view.ts';
import type { PinView } from './pin-view.ts';

const MIB = 1 << 20;
const BOARD = { ...QEMU_ARMV8, ramBytes: 32 * MIB, cmaBytes: 4 * MIB };

const bootBox = (): Box => new Box(nodeHost(), { board: BOARD, supplicant: 'none' });

const views = (box: Box): readonly PinView[] => pinViews(box, ownersOf(box.kernel));

function touched(program: Program, pages: number): Va {
  const at = program.memory.memalign(PAGE_SIZE, pages * PAGE_SIZE);
  program.memory.write(at, new Uint8Array(pages * PAGE_SIZE).fill(1));
  return at;
}

function ringOf(program: Program): { ring: IoRing; fd: number } {
  const fd = ioUringSetup(program.thread);
  const ring = ioRing(program.thread, fd);
  assert.ok(typeof ring !== 'number');
  return { ring, fd };
}

const pass = (box: Box, ns: number) =>
  box.sched.call(
    box.sched.createTask('time', { called: true }),
    box.sched.sleep(ns, 'uninterruptible'),
  );

describe('pins of every pinner', () => {
  it('have owner, lifetime and age, whoever took them', async () => {
    using box = bootBox();
    const program = box.program({ name: 'player', uid: 1000 });
    const owner = `player (pid ${program.process.pid})`;
    const { ring } = ringOf(program);
    const at = touched(program, 3);
    assert.equal(ring.register(program.thread, [{ base: at, length: 3 * PAGE_SIZE }]), 0);
    await pass(box, 5e6);
    const dma = new IvtvUserDma();
    assert.equal(dma.setup(program.thread, touched(program, 2), 2 * PAGE_SIZE), 2);
    const [fixed, udma, ...more] = views(box);
    assert.deepEqual(more, []);
    assert.deepEqual(
      { ...fixed, ageNs: 0 },
      {
        site: 'io_pin_pages',
        owner,
        pages: 3,
        inCma: 0,
        lifetime: 'long',
        longterm: true,
        ageNs: 0,
      },
    );
    assert.ok(fixed!.ageNs >= 5e6 && fixed!.ageNs < 6e6, `${fixed!.ageNs}`);
    // A long pin that the kernel takes for a short one: its pages may stay in the CMA area.
    assert.deepEqual(
      [udma!.site, udma!.owner, udma!.lifetime, udma!.longterm],
      ['ivtv_udma_setup', owner, 'long', false],
    );
    assert.ok(udma!.ageNs < 1e6);
    dma.unmap();
    assert.equal(dma.setup(program.thread, at, PAGE_SIZE), 1);
    assert.deepEqual(
      views(box).map(({ site }) => site),
      ['io_pin_pages', 'ivtv_udma_setup'],
    );
    dma.unmap();
    assert.match(
      formatMemory(memorySnapshot(box), 'now'),
      /pins: 3 pages; .*\n {5}io_pin_pages of player \(pid \d+\): 3 pages, 0 in CMA, long-term, FOLL_PIN \| FOLL_LONGTERM, for 5\.\d ms/,
    );
    ring.release();
    assert.deepEqual(views(box), []);
  });

  it('are seen while a transfer lasts', async () => {
    using box = bootBox();
    const program = box.program({ name: 'copy' });
    const seen: (readonly PinView[])[] = [];
    const disk: DirectDevice = {
      blockSize: 512,
      *transfer(): Co<number> {
        seen.push(views(box));
        return 0;
      },
    };
    await program.run(directWrite(program.thread, disk, touched(program, 2), PAGE_SIZE, 0));
    assert.deepEqual(
      seen[0]!.map(({ site, lifetime, longterm, pages }) => [site, lifetime, longterm, pages]),
      [['bio_iov_iter_get_pages', 'short', false, 1]],
    );
    assert.deepEqual(views(box), []);
  });

  it('name who pinned memory of another', () => {
    using box = bootBox();
    const [debugger_, program] = [box.program({ name: 'gdb' }), box.program({ name: 'player' })];
    const at = touched(program, 1);
    const [to, bit] = [touched(debugger_, 1), touched(program, 1)];
    const seen: PinView[] = [];
    box.trace.setLevel('all');
    box.trace.addSink(({ name }) => name === 'pin' && seen.push(...views(box)));
    const read = function* (): Co<number> {
      const [local, remote] = [[{ base: to, length: 8 }], [{ base: at, length: 8 }]];
      return processVmReadv(debugger_.thread, program.process.pid, local, remote);
    };
    assert.equal(debugger_.run(read()), 8);
    const reg = { name: 'play', enableAddr: bit, enableBit: 0, enableSize: 4 };
    const enable = function* (): Co<number> {
      return new UserEvents().register(program.thread, reg);
    };
    assert.equal(program.run(enable()), 0);
    const owner = `player (pid ${program.process.pid})`;
    const by = `gdb (pid ${debugger_.process.pid})`;
    assert.deepEqual(
      seen.map((pin) => [pin.site, pin.owner, pin.by, pin.lifetime]),
      [
        ['process_vm_rw_single_vec', owner, by, 'short'],
        ['user_event_enabler_write', owner, undefined, 'short'],
      ],
    );
  });

  it('know a registration by its context, and keep the name of who has gone', async () => {
    using box = bootBox();
    const client = box.client({ name: 'player' });
    const { program } = client;
    const { context } = await client.TEEC_InitializeContext();
    const shm = new TeecSharedMemory(TEEC_MEM_INPUT, PAGE_SIZE, touched(program, 1));
    assert.equal(await client.TEEC_RegisterSharedMemory(context, shm), TEEC_SUCCESS);
    const { ring } = ringOf(program);
    ring.register(program.thread, [{ base: touched(program, 1), length: PAGE_SIZE }]);
    const pid = program.process.pid;
    const owners = views(box).map((pin) => pin.owner);
    assert.match(owners[0]!, new RegExp(`^player \\(pid ${pid}\\), tee0 context \\d+$`));
    assert.equal(owners[1], `player (pid ${pid})`);
    // Somebody else has the ring as well: its buffers stay when the process has gone.
    const { mm } = program.process;
    const [dma, late] = [new IvtvUserDma(), new IvtvUserDma()];
    assert.equal(dma.setup(program.thread, touched(program, 1), PAGE_SIZE), 1);
    assert.equal(program.run(program.sys.execve('browser')), 0);
    assert.equal(late.setup(program.thread, touched(program, 1), PAGE_SIZE), 1);
    assert.equal(views(box).at(-1)!.owner, `browser (pid ${pid})`);
    late.unmap();
    await program.exit();
    await box.settle();
    assert.deepEqual(
      views(box).map((pin) => pin.owner),
      [`browser (pid ${pid}, gone)`],
    );
    assert.ok(mm.mm.vmas.count === 0);
    dma.unmap();
    assert.deepEqual(views(box), []);
  });
});
