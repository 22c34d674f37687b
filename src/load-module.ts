/**
 * Imports modules that are somebody else's: TAs and plugins. Whatever is wrong with one is told in
 * one line, with the file and, where it is known, the line.
 */
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

/** The cause is what importing the module threw. */
export class ModuleNotLoaded extends Error {
  override readonly name = 'ModuleNotLoaded';
}

/** The module's name space object. @throws ModuleNotLoaded */
export async function loadModule(path: string): Promise<unknown> {
  try {
    return await import(pathToFileURL(resolve(path)).href);
  } catch (error) {
    throw new ModuleNotLoaded(`${path} cannot be loaded: ${describe(error)}`, { cause: error });
  }
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return `it throws ${String(error)}`;
  const [first] = error.message.split('\n');
  const place = placeOf(error.stack ?? '');
  return `${error.name}: ${first}${place === undefined ? '' : ` (${place})`}`;
}

/** A compiler's place stands above its message; else the frame that threw is the first of a file. */
function placeOf(stack: string): string | undefined {
  const [, compiled] = /^(?:file:\/\/)?(\/.+:\d+)\n/.exec(stack) ?? [];
  // Behind `async` are those who wait for the import, this file among them.
  const [, thrown] = /^ +at (?!async )(?:.*\()?file:\/\/(\S+?:\d+)/m.exec(stack) ?? [];
  return compiled ?? thrown;
}
