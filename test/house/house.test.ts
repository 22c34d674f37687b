/** The house rules that a reader relies on: layers, no cycles, the wall, sizes, headers, purity. */
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, it } from 'node:test';
import { WALL, reachable, roomOf } from './rooms.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const src = join(root, 'src');

interface SourceFile {
  /** Relative to `src/`. */
  readonly path: string;
  readonly text: string;
  readonly isTest: boolean;
  /** Paths relative to `src/` of what it imports from there, types included. */
  readonly imports: readonly string[];
  readonly valueImports: readonly string[];
  /** Bare specifiers: packages and node: modules. */
  readonly packages: readonly string[];
}

const IMPORT = /^(import|export)\s+(type\s+)?(?:[^'";]*?\sfrom\s+)?'([^']+)';/gms;

function read(path: string): SourceFile {
  const text = readFileSync(join(src, path), 'utf8');
  const found = [...text.matchAll(IMPORT)].map(([, , type, specifier = '']) => ({
    isType: type !== undefined,
    specifier,
  }));
  const local = found.filter(({ specifier }) => specifier.startsWith('.'));
  const resolve = ({ specifier }: { specifier: string }): string =>
    normalize(join(dirname(path), specifier));
  return {
    path,
    text,
    isTest: path.endsWith('.test.ts') || path.includes('/testing/'),
    imports: local.map(resolve),
    valueImports: local.filter(({ isType }) => !isType).map(resolve),
    packages: found.map(({ specifier }) => specifier).filter((s) => !s.startsWith('.')),
  };
}

const files = readdirSync(src, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts'))
  .map((path) => read(path));
const sources = files.filter((file) => !file.isTest);

const violations = <T>(items: readonly T[], rule: (item: T) => string[]): void =>
  assert.deepEqual(items.flatMap(rule), []);

describe('the house', () => {
  it('has source files', () => assert.ok(sources.length > 20));

  it('imports only along the table of rooms', () => {
    violations(sources, ({ path, imports }) => {
      const allowed = reachable(roomOf(path));
      return imports
        .filter((target) => !target.startsWith('..') && !allowed.has(roomOf(target)))
        .map((target) => `${path} imports ${target}`);
    });
  });

  it('no import leaves src/', () => {
    violations(sources, ({ path, imports }) =>
      imports.filter((target) => target.startsWith('..')).map((target) => `${path}: ${target}`),
    );
  });

  it('keeps the wall between the worlds', () => {
    violations(sources, ({ path, imports }) =>
      WALL.filter(([from]) => path.startsWith(`${from}/`)).flatMap(([, to]) =>
        imports.filter((target) => target.startsWith(`${to}/`)).map((t) => `${path} imports ${t}`),
      ),
    );
  });

  it('rooms form no cycle', () => {
    const edges = new Map<string, Set<string>>();
    for (const { path, imports } of sources) {
      const from = roomOf(path);
      const to = edges.get(from) ?? new Set();
      for (const target of imports) if (roomOf(target) !== from) to.add(roomOf(target));
      edges.set(from, to);
    }
    assert.deepEqual(cycles(edges), []);
  });

  it('no cycle of modules when they are loaded', () => {
    const edges = new Map(sources.map((f) => [f.path, new Set(f.valueImports)]));
    assert.deepEqual(cycles(edges), []);
  });

  it('files have at most 500 lines, abi tables excepted', () => {
    violations(sources, ({ path, text }) => {
      const lines = text.split('\n').length;
      return lines > 500 && !path.startsWith('abi/') ? [`${path}: ${lines} lines`] : [];
    });
  });

  it('every file says first what it models', () => {
    violations(sources, ({ path, text }) => (/^(#!.*\n)?\/\*\*/.test(text) ? [] : [path]));
  });

  it('core rooms reach for nothing of the outside', () => {
    const outside = new Set(['host/node', 'native', 'cli', 'entry']);
    const core = sources.filter(({ path }) => !outside.has(roomOf(path)));
    const ambient =
      /(?<!')\b(Date\.now|new Date\(|Math\.random|setTimeout|setInterval|setImmediate|queueMicrotask|console\.|process\.(env|argv|hrtime|stdout|stderr|nextTick)|performance\.now)/;
    violations(core, ({ path, text, packages }) => [
      ...packages.map((name) => `${path} imports ${name}`),
      ...(ambient.exec(withoutComments(text)) ?? []).slice(0, 1).map((hit) => `${path}: ${hit}`),
    ]);
  });

  it('has no any, no TODO, no suppressed check', () => {
    const banned = /:\s*any\b|<any>|@ts-(ignore|expect-error|nocheck)|\b(TODO|FIXME|XXX)\b/;
    const cast = /\bas any\b/;
    violations(files, ({ path, text }) => {
      const hit = banned.exec(text) ?? cast.exec(withoutComments(text));
      return hit === null ? [] : [`${path}: ${hit[0]}`];
    });
  });
});

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/\/\/.*$/gm, '');
}

/** Strongly connected groups of more than one node (Tarjan), and self-loops. */
function cycles(edges: ReadonlyMap<string, ReadonlySet<string>>): string[] {
  const index = new Map<string, number>();
  const low = new Map<string, number>();
  const stack: string[] = [];
  const found: string[] = [];
  const visit = (node: string): void => {
    index.set(node, index.size);
    low.set(node, index.get(node)!);
    stack.push(node);
    for (const next of edges.get(node) ?? []) {
      if (!index.has(next)) visit(next);
      if (stack.includes(next)) low.set(node, Math.min(low.get(node)!, low.get(next)!));
    }
    if (low.get(node) !== index.get(node)) return;
    const group = stack.splice(stack.indexOf(node));
    if (group.length > 1) found.push(group.join(' ↔ '));
  };
  for (const node of edges.keys()) if (!index.has(node)) visit(node);
  return found;
}

describe('the repository', () => {
  it('holds no path or host of a build machine', () => {
    const paths = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter(
      (path) =>
        !/(^|\/)(node_modules|\.git|dist)(\/|$)/.test(path) && /\.(ts|md|json|js|c)$/.test(path),
    );
    violations(paths, (path) => {
      const text = readFileSync(join(root, path), 'utf8');
      const self = relative(root, fileURLToPath(import.meta.url));
      if (path === self) return [];
      const hit = /(?<![\w.])\/(work|farm)\/|registry\.npmjs|deb\.debian|\/tmp\/ext/.exec(text);
      return hit === null ? [] : [`${path}: ${hit[0]}`];
    });
  });
});
