/** Programs in the documentation compile and do what they say. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { PAGES, ROOT, blocksOf, makeProject, textOf } from './blocks.ts';

/** Longest that a program may run before it counts as hung, milliseconds. */
const HUNG_MS = 120_000;

/** How a program ended, and what it wrote to both of its outputs. */
interface Ran {
  readonly status: number | null;
  readonly output: string;
}

function run(args: readonly string[]): Ran {
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const options = { cwd: ROOT, env, encoding: 'utf8', timeout: HUNG_MS } as const;
  const { status, stdout, stderr } = spawnSync(process.execPath, [...args], options);
  return { status, output: stdout + stderr };
}

describe('programs of the documentation', () => {
  const project = makeProject();
  after(() => rmSync(project.directory, { recursive: true }));

  it('are there', () => assert.ok(project.programs.length > 0));

  it('compile', () => {
    const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
    assert.deepEqual(run([tsc, '-p', project.directory]), { status: 0, output: '' });
  });

  for (const { name, path, usesTestRunner } of project.programs) {
    it(name, () => {
      const { status, output } = run([...(usesTestRunner ? ['--test'] : []), path]);
      assert.equal(status, 0, output);
    });
  }
});

describe('files that the documentation shows', () => {
  for (const { words, text } of PAGES.flatMap(blocksOf)) {
    const [, use, path = ''] = words;
    if (use === 'example') it(path, () => assert.equal(textOf(path), text));
  }
});
