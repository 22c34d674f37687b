/** A box's memory as `teebox mem` shows it: pins with owners, limits, moments, pictures. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TEEC_MEM_INPUT, TEEC_SUCCESS } from '../abi/gp.ts';
import { QEMU_ARMV8 } from '../boards/boards.ts';
import { nodeHost } from '../host/node/host.ts';
import { PAGE_SIZE } from '../machine/address.ts';
import type { TeeClient } from '../userland/tee-client.ts';
import { TeecSharedMemory } from '../userland/libteec/teec.ts';
import { Box } from './box.ts';
import type { BoxOptions } from './box.ts';
import { memoryMapSvg } from './memory-map-svg.ts';
import { memorySnapshot } from './memory-snapshot.ts';
import { formatMemory } from './memory-text.ts';
import { MemoryWatch } from './memory-watch.ts';

const MIB = 1 << 20;
const BOARD = { ...QEMU_ARMV8, ramBytes: 32 * MIB, cmaBytes: 4 * MIB };
const NODE_ACCESS = () => ({ mode: 0o666, uid: 0, gid: 0 });

const bootBox = (options: BoxOptions = {}): Box =>
  new Box(nodeHost(), { board: BOARD, trace: 'worlds', nodeAccess: NODE_ACCESS, ...options });

/** Registers memory, page by page in size. */
async function registering(client: TeeClient) {
  const { context } = await client.TEEC_InitializeContext();
  return async (pages: number): Promise<TeecSharedMemory> => {
    const size = pages * PAGE_SIZE;
    const at = client.program.memory.memalign(PAGE_SIZE, size);
    const shm = new TeecSharedMemory(TEEC_MEM_INPUT, size, at);
    assert.equal(await client.TEEC_RegisterSharedMemory(context, shm), TEEC_SUCCESS);
    return shm;
  };
}

describe('a snapshot', () => {
  it('has each pin with its owner, lifetime and age, and none when it is over', async () => {
    using box = bootBox();
    const client = box.client({ name: 'player' });
    const register = await registering(client);
    const shm = await register(3);
    const task = box.sched.createTask('time', { called: true });
    await box.sched.call(task, box.sched.sleep(5e6, 'uninterruptible'));
    const [pin, ...more] = memorySnapshot(box).pins;
    assert.deepEqual(more, []);
    const { ageNs, owner, ...fields } = pin!;
    assert.ok(ageNs >= 5e6 && ageNs < 6e6, `${ageNs}`);
    assert.match(owner, new RegExp(`^player \\(pid ${client.program.pid}\\), tee0 context \\d+$`));
    assert.deepEqual(fields, {
      site: 'TEE_IOC_SHM_REGISTER',
      pages: 3,
      inCma: 0,
      lifetime: 'long',
      longterm: false,
    });
    await client.TEEC_ReleaseSharedMemory(shm);
    assert.deepEqual(memorySnapshot(box).pins, []);
  });

  it('forgets the pins of a process that was killed', async () => {
    using box = bootBox();
    const client = box.client();
    await (
      await registering(client)
    )(2);
    assert.equal(memorySnapshot(box).pins.length, 1);
    await client.program.exit(1);
    await box.settle();
    assert.deepEqual(memorySnapshot(box).pins, []);
    assert.equal(memorySnapshot(box).pages.pinned, 0);
  });

  it('has what users are charged, and their most, where a profile charges', async () => {
    using box = bootBox({ profile: 'hardened' });
    const client = box.client({ name: 'player', uid: 1000, memlock: 64 * PAGE_SIZE });
    const register = await registering(client);
    const shm = await register(5);
    await client.TEEC_ReleaseSharedMemory(await register(2));
    const snapshot = memorySnapshot(box);
    const limit = snapshot.limits.find(({ uid }) => uid === 1000);
    assert.deepEqual(limit, { uid: 1000, locked: 5, highest: 7, limit: 64 });
    assert.equal(snapshot.pins[0]!.longterm, true);
    assert.match(formatMemory(snapshot, 'now'), /uid 1000: 5 of 64 pages, 7 at most/);
    await client.TEEC_ReleaseSharedMemory(shm);
  });

  it('names zones as /proc/zoneinfo does, and says what swap has', () => {
    const memory = { highmem: 8 * MIB, movablecore: 4 * MIB, swap: MIB };
    using box = bootBox({ kernelLayout: 'arm', memory, board: { ...BOARD, ramBytes: 40 * MIB } });
    const snapshot = memorySnapshot(box);
    assert.deepEqual(
      snapshot.zones.map(({ name }) => name),
      ['Normal', 'HighMem', 'Movable'],
    );
    const text = formatMemory(snapshot, 'now');
    assert.match(text, /zone HighMem 0x[0-9a-f]+ to 0x[0-9a-f]+: \d+ pages/);
    assert.match(text, /swap: 0 of 256 pages; pswpin 0, pswpout 0/);
    assert.doesNotMatch(formatMemory(memorySnapshot(bootBox()), 'now'), /swap:/);
  });

  it('survives JSON', () => {
    using box = bootBox();
    const snapshot = memorySnapshot(box);
    assert.deepEqual(JSON.parse(JSON.stringify(snapshot)), snapshot);
  });
});

describe('memory through a run', () => {
  it('has the moment when most was shared, pins included', async () => {
    using box = bootBox();
    const watch = new MemoryWatch(box);
    const client = box.client({ name: 'player' });
    const register = await registering(client);
    const buffers = [await register(4), await register(8)];
    for (const shm of buffers) await client.TEEC_ReleaseSharedMemory(shm);
    await client.TEEC_ReleaseSharedMemory(await register(6));
    const { before, peak, after } = watch.history();
    assert.deepEqual(
      [before, peak!, after].map(({ pages }) => pages.pinned),
      [0, 12, 0],
    );
    assert.deepEqual(
      peak!.pins.map(({ pages }) => pages),
      [4, 8],
    );
  });

  it('has it as well when nothing is given back', async () => {
    using box = bootBox();
    const watch = new MemoryWatch(box);
    const register = await registering(box.client());
    await register(4);
    const { peak, after } = watch.history();
    assert.deepEqual([peak!.pages.pinned, after.pages.pinned], [4, 4]);
  });

  it('has none without shared memory', () => {
    using box = bootBox();
    assert.equal(new MemoryWatch(box).history().peak, undefined);
  });
});

describe('the picture of physical memory', () => {
  it('covers every page of each moment once', () => {
    using box = bootBox();
    const { map } = memorySnapshot(box);
    const picture = memoryMapSvg([{ title: 'now', map }]);
    const rects = [
      ...picture.matchAll(/<rect x="(\d+)" y="\d+" width="(\d+)" height="(\d+)" fill/g),
    ];
    // A row is 8 high, with a gap of 1 below it when it stands alone.
    const pages = rects
      .filter(([, , width]) => Number(width) !== 12)
      .reduce((sum, [, , width, height]) => sum + Number(width) * Math.ceil(Number(height) / 8), 0);
    const legend = rects.filter(([, , width]) => width === '12').length;
    assert.equal(pages, BOARD.ramBytes / PAGE_SIZE);
    assert.ok(legend <= 8);
    assert.match(picture, /reserved: 18 MiB/);
  });
});
