/** The few functions of koffi, an optional dependency, that are used; typed without its `any`. */
import { createRequire } from 'node:module';

/** An argument: a number, or memory for a `void *`. */
export type KoffiArgument = number | Uint8Array | null;

export interface IKoffiLib {
  load(path: string | null): { func(definition: string): (...args: KoffiArgument[]) => number };
  errno(): number;
  address(value: Uint8Array): bigint;
}

/** @throws when it is not installed, or not for this platform */
export function loadKoffi(): IKoffiLib {
  const load: (name: string) => IKoffiLib = createRequire(import.meta.url);
  return load('koffi');
}
