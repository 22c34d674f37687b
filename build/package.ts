/**
 * Writes the package.json of the published form into `dist`: the same package with JavaScript and
 * types behind its exports, and none of the repository's scripts.
 */
import { chmodSync, copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';

interface RepositoryPackage {
  readonly name: string;
  readonly version: string;
  readonly description: string;
  readonly license: string;
  readonly engines: Readonly<Record<string, string>>;
  readonly exports: Readonly<Record<string, string>>;
  readonly optionalDependencies: Readonly<Record<string, string>>;
}

const root = new URL('../', import.meta.url);
const dist = new URL('dist/', root);
const own: RepositoryPackage = JSON.parse(readFileSync(new URL('package.json', root), 'utf8'));

const built = (path: string): { types: string; default: string } => ({
  types: path.replace(/\.ts$/, '.d.ts'),
  default: path.replace(/\.ts$/, '.js'),
});

const { koffi } = own.optionalDependencies;
const published = {
  name: own.name,
  version: own.version,
  description: own.description,
  license: own.license,
  type: 'module',
  engines: own.engines,
  bin: { teebox: './bin/teebox.js' },
  exports: Object.fromEntries(
    Object.entries(own.exports).map(([name, path]) => [name, built(path)]),
  ),
  optionalDependencies: { koffi },
  sideEffects: false,
};

mkdirSync(new URL('bin/', dist), { recursive: true });
for (const file of ['README.md', 'LICENSE', 'bin/teebox.js']) {
  copyFileSync(new URL(file, root), new URL(file, dist));
}
chmodSync(new URL('bin/teebox.js', dist), 0o755);
writeFileSync(new URL('package.json', dist), `${JSON.stringify(published, undefined, 2)}\n`);
