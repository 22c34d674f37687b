/** `teebox storage`: what is in secure storage, in files and in RPMB, and whether it verifies. */
import { basename, dirname } from 'node:path';
import { NodeCrypto } from '../../host/node/crypto.ts';
import { DirectoryStore } from '../../host/node/directory-store.ts';
import { StoreError } from '../../host/store.ts';
import type { ByteStore } from '../../host/store.ts';
import { inspectRpmb } from '../../optee-os/storage/inspect-rpmb.ts';
import { inspectStorage } from '../../optee-os/storage/inspect.ts';
import type { StorageReport } from '../../optee-os/storage/inspect.ts';
import { RPMB_FILE } from '../../userland/tee-supplicant/rpmb.ts';
import { parseArguments } from '../arguments.ts';
import { CliError, EXIT, UsageError, printLine } from '../command.ts';
import type { Command } from '../command.ts';
import { RPMB_EMMC_FILE } from '../rpmb-emmc.ts';
import { listed, problemsOf, trees, verified } from './storage-files.ts';
import { isWrong, listedRpmb, treeOfRpmb, verifiedRpmb } from './storage-rpmb.ts';
import type { RpmbFile } from './storage-rpmb.ts';
import { hex } from './storage-text.ts';

/** What to print. */
interface View {
  readonly files: (report: StorageReport) => Iterable<string>;
  readonly rpmb: (device: RpmbFile) => Iterable<string>;
}

const VIEWS: Readonly<Record<string, View>> = {
  list: { files: listed, rpmb: listedRpmb },
  verify: { files: verified, rpmb: verifiedRpmb },
  tree: { files: trees, rpmb: treeOfRpmb },
};

export const storage: Command = {
  usage: [
    'teebox storage VIEW DIR-OR-IMAGE [--json]     exit code 1 when something does not verify',
    '  list     TA, id, type and size of each object',
    '  verify   what is wrong with each file, if anything',
    '  tree     the heads and nodes of each file; the table and the blocks of an RPMB device',
    '  DIR      where tee-supplicant keeps its files: dirf.db, the RPMB device, or both',
    '  IMAGE    of an RPMB device',
  ].join('\n'),
  async run(args) {
    const { view, path, json } = parse(args);
    const { files, rpmb } = inspected(path);
    if (json) printLine(asJson(files, rpmb));
    else for (const line of printed(view, files, rpmb)) printLine(line);
    const wrong = (files !== undefined && problemsOf(files).length > 0) || rpmb.some(isWrong);
    return wrong ? EXIT.failure : EXIT.pass;
  },
};

function parse(args: readonly string[]): { view: View; path: string; json: boolean } {
  const { values, positionals } = parseArguments({
    args: [...args],
    options: { json: { type: 'boolean', default: false } },
    allowPositionals: true,
  });
  const [name = '', path, ...more] = positionals;
  const view = Object.hasOwn(VIEWS, name) ? VIEWS[name] : undefined;
  if (view === undefined) throw new UsageError(`no view ${name}: ${Object.keys(VIEWS).join(', ')}`);
  if (path === undefined || more.length > 0) throw new UsageError('one directory, or one image');
  return { view, path, json: values.json };
}

interface Found {
  readonly files: StorageReport | undefined;
  readonly rpmb: readonly RpmbFile[];
}

/** The devices that a directory may have. */
const RPMB_FILES: readonly string[] = [RPMB_FILE, RPMB_EMMC_FILE];

/** @throws CliError where there is no reading */
function inspected(path: string): Found {
  try {
    return inspect(path);
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    throw new CliError(`${path} cannot be read: ${error.code}`);
  }
}

/** A file is an image; of a directory, whatever storage there is. */
function inspect(path: string): Found {
  const crypto = new NodeCrypto();
  const parent = new DirectoryStore(dirname(path));
  if (parent.stat(basename(path))?.kind === 'file') {
    return { files: undefined, rpmb: [rpmbFile(crypto, parent, basename(path))] };
  }
  const store = new DirectoryStore(path);
  const names = RPMB_FILES.filter((name) => store.stat(name) !== undefined);
  const hasFiles = store.stat('dirf.db') !== undefined;
  if (!hasFiles && names.length === 0) {
    throw new UsageError(`no dirf.db in ${path}, and no RPMB device`);
  }
  return {
    files: hasFiles ? inspectFiles(crypto, store) : undefined,
    rpmb: names.map((name) => rpmbFile(crypto, store, name)),
  };
}

function inspectFiles(crypto: NodeCrypto, store: ByteStore): StorageReport {
  const report = inspectStorage({ crypto, store, path: '' });
  const strays = report.strays.filter((name) => !RPMB_FILES.includes(name));
  return { ...report, strays };
}

function rpmbFile(crypto: NodeCrypto, store: ByteStore, file: string): RpmbFile {
  const bytes = store.stat(file)?.sizeBytes ?? 0;
  const image = store.read(file, 0, bytes) ?? new Uint8Array(0);
  return { file, bytes, report: inspectRpmb(crypto, image) };
}

function* printed(view: View, files: StorageReport | undefined, rpmb: Found['rpmb']) {
  if (files !== undefined) yield* view.files(files);
  for (const device of rpmb) yield* view.rpmb(device);
}

/** The report of the files, with a list of devices where there are any. */
function asJson(files: StorageReport | undefined, rpmb: Found['rpmb']): string {
  const devices = rpmb.map(({ file, bytes, report }) => ({ file, bytes, ...report }));
  return JSON.stringify({ ...files, ...(devices.length > 0 && { rpmb: devices }) }, asText, 2);
}

/** Bytes as hex digits. */
const asText = (_key: string, value: unknown): unknown =>
  value instanceof Uint8Array ? hex(value) : value;
