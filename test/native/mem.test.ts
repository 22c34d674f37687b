/** `teebox mem`: the memory of a box around a native client, and of a box that is served. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { MemorySnapshot } from '../../src/box/memory-snapshot.ts';
import type { MemoryHistory } from '../../src/box/memory-watch.ts';
import { TEEBOX_COMMAND, Unavailable, directory, programs, start, teebox } from './harness.ts';

const TA = fileURLToPath(new URL('ta.ts', import.meta.url));
const CLIENT = ['--ta', TA, '--supplicant', 'none', '--ram', '64', '--', programs, 'shm_register'];

/** Skipped, with the reason, where native programs cannot run. */
function native(name: string, run: (t: TestContext) => Promise<void>): void {
  it(name, { skip: existsSync(programs) ? false : 'there is no C compiler (cc)' }, async (t) => {
    try {
      await run(t);
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error;
      t.skip(error.message);
    }
  });
}

describe('teebox mem', () => {
  native('shows what a client has registered when that was most, and that it is back', async () => {
    const svg = join(directory, 'mem.svg');
    const ran = await teebox(['mem', '--json', '--svg', svg, ...CLIENT]);
    assert.equal(ran.code, 0, ran.stderr);
    const line = ran.stderr.split('\n').find((text) => text.startsWith('{')) ?? '';
    const { before, peak, after: end } = JSON.parse(line) as MemoryHistory;
    assert.deepEqual([before.pages.pinned, end.pages.pinned], [0, 0]);
    // 3 MiB of its heap, at an address that is not a page's.
    assert.equal(peak!.pages.pinned, 769);
    const pin = peak!.pins.find(({ pages }) => pages === 769);
    assert.match(pin!.owner, /^programs \(pid \d+\), tee0 context \d+$/);
    assert.match(readFileSync(svg, 'utf8'), /when most was shared/);
  });

  native('says it in words, on stderr: stdout is the program’s', async () => {
    const ran = await teebox(['mem', ...CLIENT]);
    assert.equal(ran.stdout.includes('-- memory'), false);
    assert.match(ran.stderr, /-- memory before.*-- memory when most was shared.*-- memory after/s);
    assert.match(ran.stderr, /TEE_IOC_SHM_REGISTER of programs/);
  });

  native('shows the CMA areas and the swap area that were asked for', async () => {
    const memory = ['--cma', '8M,2M', '--swap', '1M'];
    const ran = await teebox(['mem', ...memory, ...CLIENT]);
    assert.equal(ran.code, 0, ran.stderr);
    assert.match(ran.stderr, /CMA linux,cma at 0x[0-9a-f]+: 2048 pages/);
    assert.match(ran.stderr, /CMA cma-1 at 0x[0-9a-f]+: 512 pages/);
    assert.match(ran.stderr, /swap: 0 of 256 pages/);
  });

  native('asks the box of a teebox serve', async () => {
    const socket = join(directory, 'mem.sock');
    const [node, main] = TEEBOX_COMMAND;
    const served = start(node, [main, 'serve', '-q', '--socket', socket], {});
    after(() => served.kill());
    for (let n = 0; n < 200 && !existsSync(socket); n++) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    const ran = await teebox(['mem', '--json', '--socket', socket]);
    assert.equal(ran.code, 0, ran.stderr);
    const { profile, pins, zones } = JSON.parse(ran.stdout) as MemorySnapshot;
    assert.deepEqual([profile, pins, zones[0]!.name], ['linux-7.3', [], 'DMA32']);
  });

  it('says what is missing', async () => {
    const nothing = await teebox(['mem']);
    assert.equal(nothing.code, 2);
    assert.match(nothing.stderr, /which program\?/);
    const nobody = await teebox(['mem', '--socket', join(directory, 'nobody')]);
    assert.equal(nobody.code, 1);
    assert.match(nobody.stderr, /no box is served at .*ENOENT/);
    assert.equal((await teebox(['mem', '--svg', '', '--', 'true'])).code, 2);
    const noFile = await teebox(['mem', '--svg', '--', 'true']);
    assert.equal(noFile.code, 2);
  });
});

describe('teebox lab', () => {
  it('prints a table, writes a plot, and says the seed', async () => {
    const svg = join(directory, 'lab.svg');
    const ran = await teebox(['lab', 'memlock', '--seed', '3', '--svg', svg]);
    assert.equal(ran.code, 0, ran.stderr);
    assert.match(ran.stdout, /^pins +greedy MiB/);
    assert.match(ran.stderr, /seed 3/);
    assert.match(readFileSync(svg, 'utf8'), /^<svg /);
  });

  it('knows its labs', async () => {
    const unknown = await teebox(['lab', 'none']);
    assert.equal(unknown.code, 2);
    assert.match(unknown.stderr, /cma-playback, memlock/);
    assert.equal((await teebox(['lab', 'memlock', '--seed', 'x'])).code, 2);
  });
});
