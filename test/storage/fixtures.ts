/**
 * Directories of secure storage as OP-TEE 4.10 has left them on its emulated board, with the public
 * default key: after the public secure_storage example, after a run of the PKCS#11 TA, and after
 * operations of our own (`real-*`), which stand beside them with what each returned.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { MemoryStore } from '../../src/host/memory-store.ts';
import type { ByteStore } from '../../src/host/store.ts';

export type FixtureName = 'after-secure-storage' | 'after-pkcs11';

export const SECURE_STORAGE_TA = 'f4e750bb-1437-4fbf-8785-8d3580c34994';
export const PKCS11_TA = 'fd02c9da-306c-48c7-a49c-bbd827ae86ee';
/** Stands for the core's own objects. */
export const CORE = '00000000-0000-0000-0000-000000000000';

export interface FixtureObject {
  readonly file: string;
  readonly uuid: string;
  /** Without the zeroes that some have behind it. */
  readonly id: string;
  readonly idBytes: number;
  readonly dataBytes: number;
}

const object = (
  file: string,
  uuid: string,
  id: string,
  idBytes: number,
  dataBytes: number,
): FixtureObject => ({ file, uuid, id, idBytes, dataBytes });

/** What a TA sees of them. */
export const FIXTURE_OBJECTS: Readonly<Record<FixtureName, readonly FixtureObject[]>> = {
  'after-secure-storage': [object('2', SECURE_STORAGE_TA, 'object#2', 8, 44)],
  'after-pkcs11': [
    object('2', SECURE_STORAGE_TA, 'object#2', 8, 44),
    object('3', PKCS11_TA, 'token.db.0', 32, 188),
    object('4', PKCS11_TA, 'token.db.1', 32, 188),
    object('5', PKCS11_TA, 'token.db.2', 32, 204),
  ],
};

/** Directories that were made by recorded operations. */
export type RecordedName = 'real-ree' | 'real-rpmb';

export const FIXTURES = Object.keys(FIXTURE_OBJECTS) as readonly FixtureName[];

export const pathOf = (name: FixtureName | RecordedName): string =>
  fileURLToPath(new URL(`fixtures/${name}`, import.meta.url));

/** The files, by name. */
export type Image = ReadonlyMap<string, Uint8Array>;

export function imageOf(name: FixtureName | RecordedName): Image {
  const path = pathOf(name);
  return new Map(readdirSync(path).map((file) => [file, readFileSync(`${path}/${file}`)]));
}

/** A copy in memory. */
export function storeOf(image: Image): MemoryStore {
  const store = new MemoryStore();
  for (const [file, bytes] of image) {
    store.createFile(file);
    store.write(file, 0, bytes);
  }
  return store;
}

/** What lies in a store. */
export function imageIn(store: ByteStore): Image {
  const files = store.list('') ?? [];
  return new Map(
    files.map((file) => [file, store.read(file, 0, store.stat(file)?.sizeBytes ?? 0)!.slice()]),
  );
}

/** An id with its zeroes. */
export function idOf({ id, idBytes }: FixtureObject): Uint8Array {
  const bytes = new Uint8Array(idBytes);
  bytes.set(new TextEncoder().encode(id));
  return bytes;
}

/** Operations, in the words of `exchange.ts`, and what the real system said. */
export interface Recording {
  readonly operations: readonly string[];
  /** One for each operation, and one for each object that it lists. */
  readonly lines: readonly string[];
}

/** @param what operations that made the directory, or operations on it afterwards */
export function recordingOf(name: RecordedName, what: 'made' | 'report'): Recording {
  const path = fileURLToPath(new URL(`fixtures/${name}-${what}.txt`, import.meta.url));
  const text = readFileSync(path, 'utf8').trimEnd();
  const lines = text.split('\n').filter((line) => !line.startsWith('#'));
  const operations = lines.filter((line) => !line.startsWith(' ')).map((l) => l.split(' ->')[0]!);
  return { operations, lines };
}
