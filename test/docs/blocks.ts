/**
 * The code blocks of the documentation. A fence's words say what is done with a block:
 * ```ts run            a program that must end well; with tests of node:test, its tests must pass
 * ```ts run NAME.ts    the same, under a name that other blocks of the page can import
 * ```ts file NAME.ts   a file that other blocks import
 * ```console run       commands of teebox, each behind `$ `, and all that they print
 */
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** A fenced block of a page. */
export interface Block {
  /** Relative to the repository. */
  readonly page: string;
  /** Of its first line of code. */
  readonly line: number;
  /** The words behind the fence. */
  readonly words: readonly string[];
  readonly text: string;
}

export const PAGES: readonly string[] = [
  'README.md',
  ...readdirSync(join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`)
    .sort(),
];

export const textOf = (page: string): string => readFileSync(join(ROOT, page), 'utf8');

const FENCE = /^```([^\n]+)\n([\s\S]*?)^```$/gm;

export function blocksOf(page: string): readonly Block[] {
  const text = textOf(page);
  return [...text.matchAll(FENCE)].map(({ index, 1: words = '', 2: body = '' }) => ({
    page,
    line: text.slice(0, index).split('\n').length + 1,
    words: words.split(' '),
    text: body,
  }));
}

/** A program among the blocks, as a file. */
export interface Program {
  readonly name: string;
  readonly path: string;
  readonly usesTestRunner: boolean;
}

/** A directory outside of the repository that has it installed as a dependency, like a user's. */
export interface Project {
  readonly directory: string;
  readonly programs: readonly Program[];
}

/** Writes the TypeScript blocks that are marked. */
export function makeProject(): Project {
  const directory = mkdtempSync(join(tmpdir(), 'teebox-docs-'));
  mkdirSync(join(directory, 'node_modules'));
  symlinkSync(ROOT, join(directory, 'node_modules', 'teebox'));
  writeJson(join(directory, 'package.json'), { name: 'docs', type: 'module' });
  writeJson(join(directory, 'tsconfig.json'), {
    extends: join(ROOT, 'tsconfig.json'),
    compilerOptions: { typeRoots: [join(ROOT, 'node_modules/@types')] },
    include: ['**/*.ts'],
  });
  const programs = PAGES.flatMap(blocksOf).flatMap((block) => {
    const [language, use, name = `line-${block.line}.ts`] = block.words;
    if (language !== 'ts' || (use !== 'run' && use !== 'file')) return [];
    const path = join(directory, basename(block.page, '.md'), name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, block.text);
    const usesTestRunner = block.text.includes("'node:test'");
    return use === 'run' ? [{ name: `${block.page}:${block.line}`, path, usesTestRunner }] : [];
  });
  return { directory, programs };
}

function writeJson(path: string, value: object): void {
  writeFileSync(path, JSON.stringify(value));
}
