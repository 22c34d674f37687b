/** What `teebox storage` prints of an RPMB device. */
import { RPMB_SIZE_SINGLE } from '../../abi/optee-rpc.ts';
import { MOST_SIZE_MULT, rpmbImageSize } from '../../machine/emulated-rpmb.ts';
import type {
  RpmbFileReport,
  RpmbKeyKind,
  RpmbReport,
} from '../../optee-os/storage/inspect-rpmb.ts';
import type { Problem } from '../../optee-os/storage/inspect.ts';
import { counted, describe, hex, idText } from './storage-text.ts';

/** The image of a device, as far as it is one. */
export interface RpmbFile {
  readonly file: string;
  readonly bytes: number;
  /** Undefined for a file of a size that no device has. */
  readonly report: RpmbReport | undefined;
}

const KEYS: Readonly<Record<RpmbKeyKind, string>> = {
  generated: 'the key that OP-TEE derives from its CID',
  test: 'the key of CFG_RPMB_TESTKEY',
  unknown: 'a key of somebody else',
  none: 'no key yet',
};

export const isWrong = ({ report }: RpmbFile): boolean =>
  report === undefined || problemsOf(report).length > 0;

/** What is wrong with the table, and with each file. */
function problemsOf({ problem, files }: RpmbReport): (readonly [where: string, Problem])[] {
  const places: readonly (readonly [string, Problem | undefined])[] = [
    ['the table', problem],
    ...files.map((file) => [`entry ${file.entry}`, file.problem] as const),
  ];
  return places.flatMap(([where, what]) => (what === undefined ? [] : [[where, what] as const]));
}

const noImage = ({ file, bytes }: RpmbFile): string =>
  `${file}: ${bytes} bytes: the image of an RPMB device is of 1 to ${MOST_SIZE_MULT} times ${RPMB_SIZE_SINGLE}, and ${rpmbImageSize(0)} more`;

export function* listedRpmb(device: RpmbFile): Generator<string> {
  const { file, report } = device;
  if (report === undefined) return yield noImage(device);
  const { files, key, writeCounter } = report;
  yield `${file}: ${counted(files.length, 'file')}, write counter ${writeCounter}, ${KEYS[key]}`;
  for (const one of files) yield `${nameOf(one)}  ${whatIs(one)}  ${placeOf(one)}`;
}

export function* verifiedRpmb(device: RpmbFile): Generator<string> {
  const { file, report } = device;
  if (report === undefined) return yield noImage(device);
  for (const [where, { code, text }] of problemsOf(report))
    yield `${file}: ${where}: ${code}: ${text}`;
  const good = report.files.filter(({ problem }) => problem === undefined).length;
  yield `${file}: ${good} of ${report.files.length} files can be read`;
}

export function* treeOfRpmb(device: RpmbFile): Generator<string> {
  const { file, report } = device;
  if (report === undefined) return yield noImage(device);
  const { cid, entries, files, fsVersion, key, problem, sizeBytes, usage, writeCounter } = report;
  yield `${file}  RPMB device, ${sizeBytes} bytes, write counter ${writeCounter}, ${KEYS[key]}`;
  yield `  CID ${hex(cid)}`;
  yield `  file system ${fsVersion === undefined ? 'none' : `version ${fsVersion}`}, ${entries} entries`;
  for (const one of files) {
    yield `  entry ${one.entry}  ${nameOf(one)}, ${one.sizeBytes} bytes  ${placeOf(one)}`;
    if (one.problem !== undefined) yield `    ${one.problem.code}: ${one.problem.text}`;
  }
  const { total, table, dirty, free } = usage;
  yield `  ${total} blocks: ${table} table, ${usage.files} files, ${dirty} dirty, ${free} free`;
  if (problem !== undefined) yield `  ${problem.code}: ${problem.text}`;
}

/** A file of the core's own has a name instead of a TA and an id. */
function nameOf({ uuid, id, name, isObject }: RpmbFileReport): string {
  return isObject ? `${uuid}  ${idText(id)}` : `${uuid}  ${JSON.stringify(name)}`;
}

function whatIs({
  head,
  isObject,
  problem,
  sizeBytes,
  temporary,
  hiddenBy,
}: RpmbFileReport): string {
  if (problem !== undefined) return 'unreadable';
  if (temporary) return `never finished, ${sizeBytes} bytes`;
  if (hiddenBy !== undefined) return `behind entry ${hiddenBy}, ${sizeBytes} bytes`;
  return isObject && head !== undefined ? describe(head) : `of the core, ${sizeBytes} bytes`;
}

function placeOf({ firstBlock, blocks }: RpmbFileReport): string {
  if (firstBlock === undefined) return 'no block';
  return blocks === 1
    ? `block ${firstBlock}`
    : `blocks ${firstBlock} to ${firstBlock + blocks - 1}`;
}
