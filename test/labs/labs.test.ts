/** The labs: their pages show what they give, and what they give is what their pages say. */
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { before, describe, it } from 'node:test';
import { labPages } from '../../build/docs.ts';
import { nodeHost } from '../../src/host/node/host.ts';
import type { Cell, LabResult } from '../../src/labs/lab.ts';
import { LABS } from '../../src/labs/labs.ts';
import { memlock } from '../../src/labs/memlock.ts';
import { staticVsDynamicShm } from '../../src/labs/static-vs-dynamic-shm.ts';
import { formatTable } from '../../src/labs/table.ts';

const root = new URL('../../', import.meta.url);
const read = (path: string): string => readFileSync(new URL(path, root), 'utf8');

/** The cells of a page's generated table, without its head. */
function rowsOf(name: string): readonly (readonly string[])[] {
  const [, table = ''] = read(`docs/labs/${name}.md`).split('<!-- prettier-ignore-start -->');
  return [...table.matchAll(/^\| (.*) \|$/gm)]
    .slice(2)
    .map(([, cells = '']) => cells.replaceAll('\\|', '/').split(' | '));
}

const column = (rows: readonly (readonly Cell[])[], n: number): readonly (Cell | undefined)[] =>
  rows.map((row) => row[n]);

describe('the labs', () => {
  it('have a page each', () => {
    const pages = readdirSync(new URL('docs/labs/', root)).filter((name) => name.endsWith('.md'));
    assert.deepEqual(pages.sort(), LABS.map(({ name }) => `${name}.md`).sort());
  });

  it('give what stands in their pages: `npm run docs` writes it', async () => {
    for (const [path, text] of await labPages()) assert.equal(read(path), text, path);
  });

  it('give something else for another seed, where a workload is drawn', async () => {
    const result = await memlock.run(nodeHost(), { seed: 7, timed: false });
    assert.equal(result.seed, 7);
    assert.notDeepEqual(
      result.rows.map((row) => row.map(String)),
      rowsOf('memlock'),
    );
  });
});

describe('cma-playback', () => {
  const rows = rowsOf('cma-playback');
  const of = (policy: string): readonly (readonly string[])[] =>
    rows.filter(([name]) => name === policy);

  it('fails with pins that stay where they are, and more with more of them', () => {
    const got = of('held, FOLL_PIN').map(([, , , buffers]) => Number.parseInt(buffers ?? '', 10));
    assert.equal(got[0], 10);
    assert.equal(got.at(-1), 0);
    assert.deepEqual(
      got,
      got.toSorted((a, b) => b - a),
    );
  });

  for (const policy of [
    'held, FOLL_PIN / FOLL_LONGTERM',
    'registered for each call',
    'from the pool (SHM_ALLOC)',
  ]) {
    it(`succeeds at once with memory ${policy}`, () => {
      assert.equal(of(policy).length, 7);
      for (const [, , pinned, got, busy] of of(policy)) {
        assert.deepEqual([pinned, got, busy], ['0', '10 of 10', '0']);
      }
    });
  }
});

describe('memlock', () => {
  const rows = rowsOf('memlock');

  it('stops the greedy user with the limit, and serves the others', () => {
    const [, greedy, error, limit, others, theirs] = rows[1]!;
    assert.deepEqual([greedy, error, others, theirs], ['8', '-ENOMEM', '96 of 96', 'none']);
    assert.equal(limit, 'RLIMIT_MEMLOCK=8388608');
  });

  it('lets it take all memory where nothing is charged, and with CAP_IPC_LOCK', () => {
    for (const row of [rows[0]!, rows[2]!]) {
      assert.ok(Number(row[1]) > 20);
      assert.notEqual(row[4], '96 of 96');
    }
  });

  it('has everything back after the kill', () => {
    assert.deepEqual(column(rows, 6), ['0', '0', '0']);
  });
});

describe('static-vs-dynamic-shm', () => {
  it('has no large buffers in reserved memory, and copies what a program has', () => {
    const rows = rowsOf('static-vs-dynamic-shm');
    const of = (memory: string, call: string, kib: string): readonly string[] =>
      rows.find((row) => row[0] === memory && row[1] === call && row[2] === kib) ?? [];
    assert.equal(of('static', 'TEEC_AllocateSharedMemory', '2048')[3], '0');
    assert.equal(of('static', 'TEEC_RegisterSharedMemory', '512')[8], '1024 KiB');
    assert.equal(of('dynamic', 'TEEC_RegisterSharedMemory', '512')[8], '0 KiB');
    assert.ok(Number(of('dynamic', 'TEEC_AllocateSharedMemory', '2048')[3]) > 5);
  });

  it('adds the throughput when it is asked to', async () => {
    const { columns, rows } = await staticVsDynamicShm.run(nodeHost(), { seed: 1, timed: true });
    assert.equal(columns.at(-1), 'MiB/s');
    const none = rows.filter((row) => row[3] === '0');
    assert.ok(rows.every((row) => none.includes(row) || Number(row.at(-1)) > 0));
  });
});

describe('pin-interface', () => {
  const rows = rowsOf('pin-interface');
  const cells = (site: string): readonly (readonly string[])[] =>
    rows.filter(([name]) => name === site).map(([, , lent, file]) => [lent ?? '', file ?? '']);

  it('registration blocks the area unless it is the short pin that is declared', () => {
    assert.deepEqual(cells('TEE_IOC_SHM_REGISTER'), [
      ['area blocked', 'taken'],
      ['area free', '-EFAULT'],
      ['area free', '-EFAULT'],
      ['area blocked', 'taken'],
      ['area blocked', 'taken'],
    ]);
  });

  it('slow short pins break where those are for the long term only', () => {
    const broken = rows
      .filter(
        ([, variant, lent]) => variant === 'slow pins long-term only' && lent?.startsWith('-'),
      )
      .map(([site, , lent]) => [site, lent]);
    assert.deepEqual(broken, [
      ['process_vm_writev', '-EFAULT'],
      ['user event', '-ENOMEM'],
      ['ivtv user DMA', '-EINVAL'],
    ]);
  });
});

describe('kernel-buffers', () => {
  const outcome = (shape: string, memory: string): readonly string[] =>
    rowsOf('kernel-buffers').find(([name, , kind]) => name === shape && kind === memory) ?? [];

  it('shows the bug of each shape', () => {
    assert.equal(outcome('get_kernel_pages', 'vmalloc')[3], "another's");
    assert.equal(outcome('get_kernel_pages', 'kmap_local_page')[3], 'kernel BUG');
    assert.equal(outcome('virt_to_page', 'vmalloc')[3], '-EINVAL');
    assert.equal(outcome('iov_iter-referenced', 'kmap')[3], 'kernel BUG');
    assert.deepEqual(
      rowsOf('kernel-buffers')
        .filter(([, , , , freed]) => freed === 'lost by others')
        .map(([shape, kernels, memory]) => [shape, kernels, memory]),
      [['iov_iter-referenced', '6.15 to 6.19', 'kmalloc, own slab']],
    );
    assert.equal(outcome('iov_iter', 'alloc_pages')[4], 'free for others');
    assert.equal(outcome('page-array', 'kmap_local_page')[3], 'its own');
  });
});

describe('tables', () => {
  it('align numbers to the right and words to the left', () => {
    const result: Pick<LabResult, 'columns' | 'rows'> = {
      columns: ['what', 'n'],
      rows: [
        ['a', 1],
        ['long', 1234.5678],
      ],
    };
    assert.equal(
      formatTable({ ...result, lab: 'x', seed: 1, plot: emptyPlot }),
      'what     n\na        1\nlong  1230',
    );
  });
});

const emptyPlot = { kind: 'grid', title: '', columns: [], rows: [] } as const;

before(() => assert.ok(LABS.length >= 5));
