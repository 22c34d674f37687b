/** What `teebox storage` prints of the files of secure storage. */
import type { ObjectReport, StorageReport, TreeReport } from '../../optee-os/storage/inspect.ts';
import { counted, describe, idText } from './storage-text.ts';

export function* listed({ directory, objects, strays }: StorageReport): Generator<string> {
  yield `${counted(objects.length, 'object')}, dirf.db version ${directory.counter ?? 'unknown'}`;
  for (const { uuid, id, fileNumber, head, tree } of objects) {
    const what = head === undefined ? ownOrBad(tree) : describe(head);
    yield `${uuid}  ${idText(id)}  ${what}  file ${fileNumber.toString(16)}, version ${tree.counter ?? '?'}`;
  }
  if (strays.length > 0) yield `files of no object: ${strays.join(' ')}`;
}

/** What there is of an object without a head: a file of the core's own, or one that is damaged. */
const ownOrBad = ({ problem, lengthBytes }: TreeReport): string =>
  problem === undefined ? `of the core, ${lengthBytes} bytes` : 'unreadable';

/** Every file with what is wrong with it. */
export function problemsOf({ directory, objects }: StorageReport): readonly TreeReport[] {
  return [directory, ...objects.map(({ tree }) => tree)].filter(
    ({ problem }) => problem !== undefined,
  );
}

export function* verified(report: StorageReport): Generator<string> {
  const problems = problemsOf(report);
  for (const { file, problem } of problems) yield `${file}: ${problem!.code}: ${problem!.text}`;
  const files = report.objects.length + 1;
  yield `${files - problems.length} of ${files} files verify`;
}

export function* trees({ directory, objects }: StorageReport): Generator<string> {
  yield* tree(directory, 'the directory');
  for (const object of objects) yield* tree(object.tree, nameOf(object));
}

const nameOf = ({ uuid, id }: ObjectReport): string => `${uuid} ${idText(id)}`;

function* tree(
  { file, fileBytes, counters, counter, lengthBytes, nodes, problem }: TreeReport,
  what: string,
): Generator<string> {
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
