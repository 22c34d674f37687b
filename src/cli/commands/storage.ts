/** `teebox storage`: what is in a directory of secure storage, and whether it verifies. */
import { parseArgs } from 'node:util';
import { TEE_TYPE, TEE_TYPE_DATA } from '../../abi/gp.ts';
import { codeName } from '../../abi/layout.ts';
import { NodeCrypto } from '../../host/node/crypto.ts';
import { DirectoryStore } from '../../host/node/directory-store.ts';
import { inspectStorage } from '../../optee-os/storage/inspect.ts';
import type { ObjectReport, StorageReport, TreeReport } from '../../optee-os/storage/inspect.ts';
import { EXIT, UsageError, printLine } from '../command.ts';
import type { Command } from '../command.ts';

/** What to print of a report. */
type View = (report: StorageReport) => Iterable<string>;

const VIEWS: Readonly<Record<string, View>> = { list: listed, verify: verified, tree: trees };

export const storage: Command = {
  usage: [
    'teebox storage VIEW DIR [--json]     exit code 1 when something does not verify',
    '  list     TA, id, type and size of each object',
    '  verify   what is wrong with each file, if anything',
    '  tree     the heads and nodes of each file',
    '  DIR      where tee-supplicant keeps its files: dirf.db is there',
  ].join('\n'),
  async run(args) {
    const { view, directory, json } = parse(args);
    const store = new DirectoryStore(directory);
    if (store.stat('dirf.db') === undefined) throw new UsageError(`no dirf.db in ${directory}`);
    const report = inspectStorage({ crypto: new NodeCrypto(), store, path: '' });
    if (json) printLine(JSON.stringify(report, asText, 2));
    else for (const line of view(report)) printLine(line);
    return problemsOf(report).length > 0 ? EXIT.failure : EXIT.pass;
  },
};

function parse(args: readonly string[]): { view: View; directory: string; json: boolean } {
  const { values, positionals } = parseArgs({
    args: [...args],
    options: { json: { type: 'boolean', default: false } },
    allowPositionals: true,
  });
  const [name = '', directory, ...more] = positionals;
  const view = VIEWS[name];
  if (view === undefined) throw new UsageError(`no view ${name}: ${Object.keys(VIEWS).join(', ')}`);
  if (directory === undefined || more.length > 0) throw new UsageError('one directory');
  return { view, directory, json: values.json };
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/** Bytes as hex digits. */
const asText = (_key: string, value: unknown): unknown =>
  value instanceof Uint8Array ? hex(value) : value;

/** An object's id as text where it is, with the zeroes behind it counted; else as hex digits. */
function idText(id: Uint8Array): string {
  const text = Buffer.from(id).toString('latin1').replace(/\0+$/, '');
  if (!/^[\x20-\x7e]+$/.test(text)) return `0x${hex(id)}`;
  const zeroes = id.length - text.length;
  return zeroes === 0 ? `"${text}"` : `"${text}" and ${zeroes} zero bytes`;
}

function* listed({ directory, objects, strays }: StorageReport): Generator<string, void, void> {
  const count = objects.length === 1 ? '1 object' : `${objects.length} objects`;
  yield `${count}, dirf.db version ${directory.counter ?? 'unknown'}`;
  for (const { uuid, id, fileNumber, head, tree } of objects) {
    const what = head === undefined ? ownOrBad(tree) : describe(head.objectType, head.data.length);
    yield `${uuid}  ${idText(id)}  ${what}  file ${fileNumber.toString(16)}, version ${tree.counter ?? '?'}`;
  }
  if (strays.length > 0) yield `files of no object: ${strays.join(' ')}`;
}

/** What there is of an object without a head: a file of the core's own, or one that is damaged. */
const ownOrBad = ({ problem, lengthBytes }: TreeReport): string =>
  problem === undefined ? `of the core, ${lengthBytes} bytes` : 'unreadable';

const describe = (type: number, bytes: number): string =>
  `${type === TEE_TYPE_DATA ? 'data' : codeName(TEE_TYPE, type)}, ${bytes} bytes`;

/** Every file with what is wrong with it. */
function problemsOf({ directory, objects }: StorageReport): readonly TreeReport[] {
  return [directory, ...objects.map(({ tree }) => tree)].filter(
    ({ problem }) => problem !== undefined,
  );
}

function* verified(report: StorageReport): Generator<string, void, void> {
  const problems = problemsOf(report);
  for (const { file, problem } of problems) yield `${file}: ${problem!.code}: ${problem!.text}`;
  const files = report.objects.length + 1;
  yield `${files - problems.length} of ${files} files verify`;
}

function* trees({ directory, objects }: StorageReport): Generator<string, void, void> {
  yield* tree(directory, 'the directory');
  for (const object of objects) yield* tree(object.tree, nameOf(object));
}

const nameOf = ({ uuid, id }: ObjectReport): string => `${uuid} ${idText(id)}`;

function* tree(
  { file, fileBytes, counters, counter, lengthBytes, nodes, problem }: TreeReport,
  what: string,
): Generator<string, void, void> {
  yield `${file}  ${what}, ${lengthBytes ?? '?'} bytes in a file of ${fileBytes ?? 0}`;
  for (const [n, value] of counters.entries()) {
    const state = value === undefined ? 'absent' : value === counter ? 'counts' : 'old';
    yield `  head ${n}  version ${value ?? '-'}  ${state}`;
  }
  for (const { id, blockVersion } of nodes) {
    yield `  ${'  '.repeat(Math.floor(Math.log2(id)))}node ${id}  block ${id - 1}, copy ${blockVersion}`;
  }
  if (problem !== undefined) yield `  ${problem.code}: ${problem.text}`;
}
