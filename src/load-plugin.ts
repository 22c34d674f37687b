/**
 * Loads plugins of the built-in tee-supplicant: TypeScript or JavaScript modules whose default
 * export is one.
 *
 * Upstream counterpart: tee-supplicant/src/plugin.c (load_plugin), which opens the `.plugin` files
 * of a directory.
 */
import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { isUuidText } from './abi/uuid.ts';
import { loadModule } from './load-module.ts';
import type { SupplicantPlugin } from './userland/tee-supplicant/plugin.ts';

/** The message says where it looked, or what is wrong with the module. */
export class NoPlugin extends Error {
  override readonly name = 'NoPlugin';
}

/** @throws NoPlugin for a path or a module that is none; ModuleNotLoaded */
export async function loadPluginModules(paths: readonly string[]): Promise<SupplicantPlugin[]> {
  const plugins: SupplicantPlugin[] = [];
  for (const path of paths) {
    if (!isFile(path)) throw new NoPlugin(`no plugin at ${resolve(path)}: there is no such file`);
    const { default: found } = (await loadModule(path)) as { default?: unknown };
    if (!isPlugin(found)) {
      throw new NoPlugin(`no plugin in ${path}: its default export has no name, uuid and invoke()`);
    }
    plugins.push(found);
  }
  return plugins;
}

function isFile(path: string): boolean {
  try {
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

function isPlugin(value: unknown): value is SupplicantPlugin {
  if (typeof value !== 'object' || value === null) return false;
  const { name, uuid, invoke } = value as Record<string, unknown>;
  if (typeof name !== 'string' || typeof invoke !== 'function') return false;
  return typeof uuid === 'string' && isUuidText(uuid);
}
