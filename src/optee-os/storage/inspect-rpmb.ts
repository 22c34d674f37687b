/**
 * Reads the image of an RPMB device without a secure world: whose key it has, which files its table
 * names, what is in them, and which blocks hold none. Nothing is written, and nothing that is wrong
 * ends the reading of the rest.
 *
 * Upstream counterpart: none; the rules are those of the modules beside it. Left out: whether a block
 * is what the core wrote last. The device answers for that when it is read; nothing in the image does.
 */
import {
  TEE_ERROR,
  TEE_ERROR_ACCESS_DENIED,
  TEE_ERROR_CORRUPT_OBJECT,
  TEE_ERROR_GENERIC,
  TEE_ERROR_OUT_OF_MEMORY,
  TEE_ERROR_SECURITY,
  TEE_OBJECT_ID_MAX_LEN,
  TEE_TYPE,
} from '../../abi/gp.ts';
import { codeName } from '../../abi/layout.ts';
import { RPMB_DATA_SIZE, RPMB_SIZE_SINGLE } from '../../abi/optee-rpc.ts';
import {
  FS_VERSION,
  RPMB_BLOCK_SIZE_SHIFT,
  RPMB_FS_FAT_START_ADDRESS,
  RPMB_FS_MAGIC,
  RpmbFatEntry,
  RpmbFsPartition,
  TeeSvcStorageHead,
} from '../../abi/tee-fs.ts';
import { UUID_LEN, getUuidStruct } from '../../abi/uuid.ts';
import type { HostCrypto } from '../../host/crypto.ts';
import { parseRpmbImage } from '../../machine/emulated-rpmb.ts';
import type { RpmbImage } from '../../machine/emulated-rpmb.ts';
import { objectHeadOf } from './inspect.ts';
import type { ObjectHead, Problem } from './inspect.ts';
import { cryptBlocks } from './rpmb-crypt-block.ts';
import { FatEntry } from './rpmb-fat.ts';
import { viewOf } from './rpmb-frames.ts';
import { RPMB_TEST_KEY, rpmbKey } from './rpmb-link.ts';
import { TeeFsKeyManager } from './tee-fs-key-manager.ts';
import { TeeMmPool } from './tee-mm.ts';

/**
 * Whose key signs: that which a core without a hardware unique key of its own derives from the CID,
 * that of CFG_RPMB_TESTKEY, another, or none yet.
 */
export type RpmbKeyKind = 'generated' | 'test' | 'unknown' | 'none';

/** A file of the table. */
export interface RpmbFileReport {
  /** Place in the table. */
  readonly entry: number;
  readonly name: string;
  /** That of no TA for files of the core's own. */
  readonly uuid: string;
  /** Whether the name is that of an object. */
  readonly isObject: boolean;
  readonly id: Uint8Array;
  /** Its writing was interrupted: the object does not exist. */
  readonly temporary: boolean;
  /** An entry before it has the same name, and counts. */
  readonly hiddenBy: number | undefined;
  readonly sizeBytes: number;
  /** The first of its blocks and how many there are; an empty file has none. */
  readonly firstBlock: number | undefined;
  readonly blocks: number;
  /** Decrypted, as far as it lies in the device. */
  readonly contents: Uint8Array;
  readonly head: ObjectHead | undefined;
  readonly problem: Problem | undefined;
}

/** Numbers of blocks. */
export interface RpmbUsage {
  readonly total: number;
  /** The partition data and all entries, used or not. */
  readonly table: number;
  readonly files: number;
  /** In no file, but not empty: what files have left behind. */
  readonly dirty: number;
  readonly free: number;
}

export interface RpmbReport {
  readonly sizeBytes: number;
  readonly cid: Uint8Array;
  readonly key: RpmbKeyKind;
  readonly writeCounter: number;
  /** Undefined on a device that holds no file system. */
  readonly fsVersion: number | undefined;
  /** Entries, with the last, which is no file's. */
  readonly entries: number;
  readonly files: readonly RpmbFileReport[];
  readonly usage: RpmbUsage;
  /** Of the partition data or the table. */
  readonly problem: Problem | undefined;
}

/** @returns undefined when the image is not that of a device: its size is wrong */
export function inspectRpmb(crypto: HostCrypto, image: Uint8Array): RpmbReport | undefined {
  const parsed = parseRpmbImage(image);
  return parsed && new ImageReader(crypto, image, parsed).report();
}

const ENTRY_BYTES = RpmbFatEntry.byteLength;
/** The whole table is in blocks as large as its entries. */
const FIRST_ENTRY = RPMB_FS_FAT_START_ADDRESS / ENTRY_BYTES;

const UNLIMITED = { alloc: () => true, free: () => {} };

class ImageReader {
  readonly #crypto: HostCrypto;
  readonly #keys: TeeFsKeyManager;
  readonly #parsed: RpmbImage;
  readonly #blocks: Uint8Array;
  readonly #count: number;
  /** Where the core finds room, filled as it does. */
  readonly #pool: TeeMmPool;
  readonly #ofFiles = new Set<number>();
  #problem: Problem | undefined;

  constructor(crypto: HostCrypto, image: Uint8Array, parsed: RpmbImage) {
    this.#crypto = crypto;
    this.#keys = new TeeFsKeyManager(crypto);
    this.#parsed = parsed;
    this.#blocks = image.subarray(0, parsed.sizeMult * RPMB_SIZE_SINGLE);
    this.#count = this.#blocks.length / RPMB_DATA_SIZE;
    const top = (this.#count - 1) * RPMB_DATA_SIZE;
    this.#pool = TeeMmPool.init(UNLIMITED, top, RPMB_BLOCK_SIZE_SHIFT)!;
  }

  report(): RpmbReport {
    const fsVersion = this.#fsVersion();
    const entries = fsVersion === FS_VERSION ? this.#table() : [];
    this.#pool.take(0, RPMB_FS_FAT_START_ADDRESS + entries.length * ENTRY_BYTES);
    const files = this.#files(entries);
    return {
      sizeBytes: this.#blocks.length,
      cid: this.#parsed.cid,
      key: this.#key(),
      writeCounter: this.#parsed.writeCounter,
      fsVersion,
      entries: entries.length,
      files,
      usage: this.#usage(entries.length),
      problem: this.#problem,
    };
  }

  #key(): RpmbKeyKind {
    const { key, cid } = this.#parsed;
    if (key === undefined) return 'none';
    const isIt = (known: Uint8Array): boolean => this.#crypto.timingSafeEqual(key, known);
    if (isIt(RPMB_TEST_KEY)) return 'test';
    return isIt(rpmbKey(this.#crypto, cid)) ? 'generated' : 'unknown';
  }

  /** A device that nothing was ever written to is none the worse for it. */
  #fsVersion(): number | undefined {
    const view = viewOf(this.#blocks);
    if (RpmbFsPartition.rpmbFsMagic.get(view, 0) !== RPMB_FS_MAGIC) {
      if (!isZero(this.#blocks)) {
        this.#refuse(TEE_ERROR_GENERIC, 'no file system begins here: OP-TEE clears the storage');
      }
      return undefined;
    }
    const version = RpmbFsPartition.fsVersion.get(view, 0);
    const start = RpmbFsPartition.fatStartAddress.get(view, 0);
    if (version !== FS_VERSION) {
      const text = `file system of version ${version}, OP-TEE knows ${FS_VERSION}`;
      this.#refuse(TEE_ERROR_ACCESS_DENIED, text);
    } else if (start !== RPMB_FS_FAT_START_ADDRESS) {
      const text = `the table is said to begin at ${start}, not at ${RPMB_FS_FAT_START_ADDRESS}`;
      this.#refuse(TEE_ERROR_GENERIC, text);
    }
    return version;
  }

  /** Where a file lies the table has ended, whatever its entries say. */
  #table(): FatEntry[] {
    const entries: FatEntry[] = [];
    let end = this.#count;
    for (let block = FIRST_ENTRY; block < end; block++) {
      const at = block * ENTRY_BYTES;
      const entry = new FatEntry(this.#blocks.slice(at, at + ENTRY_BYTES));
      entries.push(entry);
      if (entry.isLast) return entries;
      const place = Math.floor(entry.startAddress / ENTRY_BYTES);
      if (entry.isActive && entry.dataSize > 0 && place > block) end = Math.min(end, place);
    }
    this.#refuse(TEE_ERROR_GENERIC, 'the table has no last entry');
    return entries.slice(0, entries.findLastIndex((entry) => entry.isActive) + 1);
  }

  #refuse(code: number, text: string): void {
    this.#problem ??= problemOf(code, text);
  }

  #files(entries: readonly FatEntry[]): RpmbFileReport[] {
    const seen = new Map<string, number>();
    const files: RpmbFileReport[] = [];
    for (const [n, entry] of entries.entries()) {
      if (!entry.isActive) continue;
      files.push(this.#file(n, entry, seen.get(entry.filename)));
      if (!seen.has(entry.filename)) seen.set(entry.filename, n);
    }
    return files;
  }

  #file(entryNo: number, entry: FatEntry, hiddenBy: number | undefined): RpmbFileReport {
    const { dataSize, filename, startAddress } = entry;
    const name = parseName(filename);
    const lies = this.#take(entry);
    const contents = lies ? this.#contents(entry, name.owner) : new Uint8Array(0);
    const { isObject, temporary } = name;
    const head = isObject ? objectHeadOf(contents) : undefined;
    const blocks = Math.ceil(dataSize / RPMB_DATA_SIZE);
    return {
      entry: entryNo,
      name: filename,
      uuid: name.uuid,
      isObject,
      id: name.id,
      temporary,
      hiddenBy,
      sizeBytes: dataSize,
      firstBlock: dataSize === 0 ? undefined : startAddress / RPMB_DATA_SIZE,
      blocks,
      contents,
      head,
      problem: problemIn({ entry, lies, head, isObject, temporary }),
    };
  }

  /** As the core does before it makes a file: what overlaps keeps it from making any. */
  #take({ startAddress, dataSize }: FatEntry): boolean {
    if (dataSize === 0) return true;
    const isPlace = startAddress % RPMB_DATA_SIZE === 0;
    if (!isPlace || !this.#pool.take(startAddress, dataSize)) return false;
    const first = startAddress / RPMB_DATA_SIZE;
    const count = Math.ceil(dataSize / RPMB_DATA_SIZE);
    for (let n = 0; n < count; n++) this.#ofFiles.add(first + n);
    return true;
  }

  #contents({ startAddress, dataSize, fek }: FatEntry, uuid: Uint8Array): Uint8Array {
    if (dataSize === 0 || isZero(fek)) return new Uint8Array(0);
    const size = Math.ceil(dataSize / RPMB_DATA_SIZE) * RPMB_DATA_SIZE;
    const blocks = this.#blocks.subarray(startAddress, startAddress + size);
    const first = startAddress / RPMB_DATA_SIZE;
    const plain = cryptBlocks(this.#crypto, this.#keys, { uuid, fek }, false, first, blocks);
    return plain.subarray(0, dataSize);
  }

  #usage(entries: number): RpmbUsage {
    // The block between the partition data and the first entry is never used.
    const table = entries === 0 ? 0 : FIRST_ENTRY + entries;
    let dirty = 0;
    for (let n = table; n < this.#count; n++) {
      const block = this.#blocks.subarray(n * RPMB_DATA_SIZE, (n + 1) * RPMB_DATA_SIZE);
      if (!this.#ofFiles.has(n) && !isZero(block)) dirty += 1;
    }
    const files = this.#ofFiles.size;
    return { total: this.#count, table, files, dirty, free: this.#count - table - files - dirty };
  }
}

/** What a file was found to be. */
interface Found {
  readonly entry: FatEntry;
  /** In the device, and in nobody else's place. */
  readonly lies: boolean;
  readonly head: ObjectHead | undefined;
  readonly isObject: boolean;
  readonly temporary: boolean;
}

const TYPES: ReadonlySet<number> = new Set(Object.values(TEE_TYPE));

function problemIn({ entry, lies, head, isObject, temporary }: Found): Problem | undefined {
  if (!lies) {
    const place = `${entry.dataSize} bytes at ${entry.startAddress}`;
    const text = `its place is not its own, or not in the device: ${place}`;
    return problemOf(TEE_ERROR_OUT_OF_MEMORY, text);
  }
  if (isZero(entry.fek)) {
    return problemOf(TEE_ERROR_SECURITY, 'it has no key: it was written without encryption');
  }
  if (temporary || !isObject) return undefined;
  if (head !== undefined && TYPES.has(head.objectType)) return undefined;
  const text =
    entry.dataSize < TeeSvcStorageHead.byteLength
      ? 'it is shorter than the head of an object'
      : 'its head is none: it is damaged, or encrypted under another hardware unique key';
  return problemOf(TEE_ERROR_CORRUPT_OBJECT, text);
}

const problemOf = (code: number, text: string): Problem => ({
  code: codeName(TEE_ERROR, code),
  text,
});

interface FileName {
  readonly isObject: boolean;
  readonly uuid: string;
  /** TEE_UUID as it lies in memory. */
  readonly owner: Uint8Array;
  readonly id: Uint8Array;
  readonly temporary: boolean;
}

const OBJECT_NAME = /^\/([0-9A-F]{32})\/(\.?)((?:[0-9A-F]{2})*)$/;

/** create_filename() backwards; names of another form are those of the core's own files. */
function parseName(name: string): FileName {
  const [, uuid, dot = '', id = ''] = OBJECT_NAME.exec(name) ?? [];
  const isObject = uuid !== undefined && id.length <= 2 * TEE_OBJECT_ID_MAX_LEN;
  const owner = isObject ? bytesOf(uuid) : new Uint8Array(UUID_LEN);
  return {
    isObject,
    uuid: getUuidStruct(viewOf(owner), 0),
    owner,
    id: bytesOf(isObject ? id : ''),
    temporary: dot !== '',
  };
}

const bytesOf = (hex: string): Uint8Array =>
  Uint8Array.from(hex.match(/../g) ?? [], (pair) => parseInt(pair, 16));

const isZero = (bytes: Uint8Array): boolean => bytes.every((byte) => byte === 0);
