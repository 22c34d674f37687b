/**
 * Loads plugins of the built-in tee-supplicant: TypeScript or JavaScript modules whose default
 * export is one.
 *
 * Upstream counterpart: tee-supplicant/src/plugin.c (load_plugin), which opens the `.plugin` files
 * of a directory.
 */
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { isUuidText } from './abi/uuid.ts';
import type { SupplicantPlugin } from './userland/tee-supplicant/plugin.ts';

/** The message says what is wrong with the module. */
export class NoPlugin extends Error {
  override readonly name = 'NoPlugin';
}

/** @throws NoPlugin for a module that is none; whatever importing a module throws. */
export async function loadPluginModules(paths: readonly string[]): Promise<SupplicantPlugin[]> {
  const plugins: SupplicantPlugin[] = [];
  for (const path of paths) {
    const loaded: { default?: unknown } = await import(pathToFileURL(resolve(path)).href);
    const found = loaded.default;
    if (!isPlugin(found)) {
      throw new NoPlugin(`no plugin in ${path}: its default export has no name, uuid and invoke()`);
    }
    plugins.push(found);
  }
  return plugins;
}

function isPlugin(value: unknown): value is SupplicantPlugin {
  if (typeof value !== 'object' || value === null) return false;
  const { name, uuid, invoke } = value as Record<string, unknown>;
  if (typeof name !== 'string' || typeof invoke !== 'function') return false;
  return typeof uuid === 'string' && isUuidText(uuid);
}
