/** Contiguous memory of a box while its programs have memory registered with the TEE. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TEEC_MEM_INPUT, TEEC_SUCCESS } from '../abi/gp.ts';
import { QEMU_ARMV8 } from '../boards/boards.ts';
import { nodeHost } from '../host/node/host.ts';
import { PAGE_SIZE } from '../machine/address.ts';
import { TeecSharedMemory } from '../userland/libteec/teec.ts';
import { Box } from './box.ts';

const MIB = 1 << 20;
const AREA_PAGES = (32 * MIB) / PAGE_SIZE;

describe('a board with a CMA area', () => {
  it('cannot give it while a registered page is in it, and can afterwards', async () => {
    using box = new Box(nodeHost(), { board: { ...QEMU_ARMV8, cmaBytes: 32 * MIB } });
    const { defaultCma } = box.kernel.memory;
    assert.deepEqual([defaultCma?.name, defaultCma?.count], ['linux,cma', AREA_PAGES]);
    const cma = defaultCma!;
    const client = box.client();
    const { context } = await client.TEEC_InitializeContext();
    const content = Uint8Array.from({ length: 64 * 1024 }, (_, n) => n % 251);
    const at = client.program.memory.malloc(content.length);
    client.program.memory.write(at, content);
    const shm = new TeecSharedMemory(TEEC_MEM_INPUT, content.length, at);
    assert.equal(await client.TEEC_RegisterSharedMemory(context!, shm), TEEC_SUCCESS);
    assert.equal(cma.alloc({ count: AREA_PAGES }), undefined);
    assert.match(
      box.kernel.dmesg.text,
      /cma: cma_alloc: linux,cma: alloc failed, req-size: 8192 pages, ret: -16\n/,
    );
    await client.TEEC_ReleaseSharedMemory(shm);
    const buffer = cma.alloc({ count: AREA_PAGES });
    assert.equal(buffer, cma.base);
    assert.deepEqual(client.program.memory.read(at, content.length), content);
    cma.release(buffer!, AREA_PAGES);
    await client.TEEC_FinalizeContext(context!);
    await client.program.exit();
    await box.settle();
    assert.deepEqual(box.leaks(), []);
  });

  it('has what its command line asks for', () => {
    const memory = { cma: 16 * MIB, movablecore: 32 * MIB, swap: MIB };
    using box = new Box(nodeHost(), { memory });
    const { pages } = box.kernel;
    assert.deepEqual(
      pages.zones.map(({ name }) => name),
      ['DMA32', 'MOVABLE'],
    );
    const { defaultCma } = box.kernel.memory;
    assert.deepEqual([defaultCma?.name, defaultCma?.count], ['reserved', 4096]);
    assert.equal(pages.swap.limit, 256);
  });
});
