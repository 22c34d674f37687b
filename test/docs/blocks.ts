/**
 * The code blocks of the documentation. A fence's words say what is done with a block:
 * ```ts run            a program that must end well; with tests of node:test, its tests must pass
 * ```ts run NAME.ts    the same, under a name that other blocks of the page can import
 * ```ts file NAME.ts   a file that other blocks import
 * ```ts example PATH   what stands in that file of the repository
 * A NAME that begins with `src/` is a file added to the repository's sources.
 * ```console run       commands, with what they print: written by build/docs.ts
 */
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
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

/** Writes the TypeScript blocks that are programs or files of programs. */
export function makeProject(): Project {
  const directory = mkdtempSync(join(tmpdir(), 'teebox-docs-'));
  mkdirSync(join(directory, 'node_modules'));
  symlinkSync(ROOT, join(directory, 'node_modules', 'teebox'));
  const files: string[] = [];
  const programs: Program[] = [];
  for (const block of PAGES.flatMap(blocksOf)) {
    const [language, use, name = `line-${block.line}.ts`] = block.words;
    if (language !== 'ts' || (use !== 'run' && use !== 'file')) continue;
    const path = writeBlock(join(directory, basename(block.page, '.md')), name, block.text);
    const usesTestRunner = block.text.includes("'node:test'");
    files.push(path);
    if (use === 'run') programs.push({ name: `${block.page}:${block.line}`, path, usesTestRunner });
  }
  writeJson(join(directory, 'package.json'), { name: 'docs', type: 'module' });
  writeJson(join(directory, 'tsconfig.json'), {
    extends: join(ROOT, 'tsconfig.json'),
    compilerOptions: { typeRoots: [join(ROOT, 'node_modules/@types')] },
    include: [join(ROOT, 'src/**/*.d.ts')],
    files,
  });
  return { directory, programs };
}

function writeBlock(directory: string, name: string, text: string): string {
  const path = join(directory, name);
  if (name.startsWith('src/')) copySources(directory);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  return path;
}

/** For files that are added to the sources: a copy, with what it depends on, to which they are added. */
function copySources(directory: string): void {
  const to = join(directory, 'src');
  if (existsSync(to)) return;
  const filter = (path: string): boolean => !/\.(test|d)\.ts$/.test(path);
  cpSync(join(ROOT, 'src'), to, { recursive: true, filter });
  symlinkSync(join(ROOT, 'node_modules'), join(directory, 'node_modules'));
}

function writeJson(path: string, value: object): void {
  writeFileSync(path, JSON.stringify(value));
}
