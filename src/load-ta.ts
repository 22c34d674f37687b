/**
 * Finds trusted applications on disk: TypeScript or JavaScript modules whose default export is a
 * TA, and signed `.ta` files, which tee-supplicant serves to the secure world by their UUID.
 */
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { ByteStore } from './host/store.ts';
import { loadModule } from './load-module.ts';
import { taImageOf } from './ta/typescript/image.ts';
import type { TaImage } from './ta/runtime.ts';

/** In a directory, modules named so are TAs: `ta.ts`, `hello.ta.js`. */
const TA_MODULE = /(^|\.)ta\.(ts|mts|js|mjs)$/;
const MODULE = /\.(ts|mts|js|mjs)$/;
const SIGNED = /\.ta$/;

export interface FoundTas {
  readonly images: readonly TaImage[];
  /** Paths of `.ta` files. */
  readonly files: readonly string[];
}

/** The message says where it looked. */
export class TaNotFound extends Error {
  override readonly name = 'TaNotFound';
}

/**
 * @param paths modules, `.ta` files, or directories holding either.
 * @throws TaNotFound for a path that holds none; ModuleNotLoaded; TaModuleError of a module that is
 * no TA
 */
export async function loadTas(paths: readonly string[]): Promise<FoundTas> {
  const modules: string[] = [];
  const files: string[] = [];
  for (const path of paths) {
    const found = candidates(path);
    modules.push(...found.filter((file) => MODULE.test(file)));
    files.push(...found.filter((file) => SIGNED.test(file)));
  }
  const images: TaImage[] = [];
  for (const file of modules) {
    images.push(taImageOf(await loadModule(file), file));
  }
  return { images, files };
}

function candidates(path: string): string[] {
  if (!found(path, () => statSync(path)).isDirectory()) {
    if (MODULE.test(path) || SIGNED.test(path)) return [path];
    throw new TaNotFound(`no TA at ${path}: neither a module (.ts, .js, .mjs) nor a .ta file`);
  }
  const all = found(path, () => readdirSync(path));
  const names = all.filter((name) => TA_MODULE.test(name) || SIGNED.test(name));
  if (names.length > 0) return names.sort().map((name) => join(path, name));
  throw new TaNotFound(
    `no TA in ${path}: it holds no *.ta file and no module ta.ts, ta.js or NAME.ta.ts`,
  );
}

function found<T>(path: string, look: () => T): T {
  try {
    return look();
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new TaNotFound(`no TA at ${path}: ${why}`);
  }
}

/** Puts `.ta` files where the built-in tee-supplicant looks for them. @throws TaNotFound */
export function installTaFiles(store: ByteStore, files: readonly string[]): void {
  for (const file of files) {
    const name = basename(file);
    const bytes = found(file, () => readFileSync(file));
    if (!store.createFile(name)) store.truncate(name, 0);
    store.write(name, 0, bytes);
  }
}
