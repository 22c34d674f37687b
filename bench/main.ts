/**
 * `npm run bench` runs all benchmarks, `npm run bench -- NAME... [--json]` some. Each runs in a
 * process of its own, so that none meets what another left to the compiler and the collector.
 * Rows go to stdout as they come, as a table or at the end as JSON; progress goes to the terminal.
 */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { aesCtr } from './aes-ctr.ts';
import { aesCtrOneInvoke, aesGcm, sha256 } from './algorithms.ts';
import { boot } from './boot.ts';
import { invokeInProcess } from './invoke-in-process.ts';
import { invokeNative } from './invoke-native.ts';
import { memref } from './memref.ts';
import { mm } from './mm.ts';
import { pins } from './pin.ts';
import { powerCut } from './power-cut.ts';
import { register } from './register.ts';
import { Unavailable } from './row.ts';
import type { Benchmark, Row } from './row.ts';
import { scale } from './scale.ts';
import { sched } from './sched.ts';
import { storage } from './storage.ts';
import { HEADER, formatRow } from './table.ts';

const BENCHMARKS: Readonly<Record<string, Benchmark>> = {
  'invoke-in-process': invokeInProcess,
  'invoke-native': invokeNative,
  memref,
  mm,
  pins,
  register,
  'aes-ctr': aesCtr,
  'aes-ctr-one-invoke': aesCtrOneInvoke,
  'aes-gcm': aesGcm,
  'sha-256': sha256,
  boot,
  scale,
  sched,
  storage,
  'power-cut': powerCut,
};

const USAGE = `bench [--json] [NAME...]: ${Object.keys(BENCHMARKS).join(', ')}`;

/** A benchmark's own process: rows as JSON, one a line. For profilers too: `--here NAME`. */
const HERE = '--here';
/** Exit code of such a process when something that it needs is not there. */
const UNAVAILABLE = 75;

async function runHere(name: string): Promise<number> {
  try {
    for await (const row of BENCHMARKS[name]!()) {
      process.stdout.write(`${JSON.stringify(row)}\n`);
    }
    return 0;
  } catch (error) {
    if (!(error instanceof Unavailable)) throw error;
    process.stderr.write(`${name}: left out: ${error.message}\n`);
    return UNAVAILABLE;
  }
}

/** @param onRow told of each row as it comes. @returns false when the benchmark has failed. */
async function runApart(name: string, onRow: (row: Row) => void): Promise<boolean> {
  const args = ['--expose-gc', fileURLToPath(import.meta.url), HERE, name];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  for await (const line of createInterface({ input: child.stdout })) onRow(JSON.parse(line));
  const code = await ended;
  return code === 0 || code === UNAVAILABLE;
}

/** One line on the terminal that says what is being measured. */
function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
}

async function runAll(names: readonly string[], json: boolean): Promise<number> {
  const rows: Row[] = [];
  let failed = 0;
  if (!json) process.stdout.write(`${HEADER}\n`);
  for (const [n, name] of names.entries()) {
    const onRow = (row: Row): void => {
      rows.push(row);
      progress('');
      if (!json) process.stdout.write(`${formatRow(row)}\n`);
      progress(`[${n + 1}/${names.length}] ${name}: ${rows.length} rows`);
    };
    progress(`[${n + 1}/${names.length}] ${name}`);
    if (!(await runApart(name, onRow))) failed += 1;
    progress('');
  }
  if (json) process.stdout.write(`${JSON.stringify(rows, withoutGoal, 2)}\n`);
  return failed === 0 ? 0 : 1;
}

const withoutGoal = (key: string, value: unknown): unknown => (key === 'goal' ? undefined : value);

async function main(args: readonly string[]): Promise<number> {
  const names = args.filter((arg) => !arg.startsWith('-'));
  const unknown = [
    ...names.filter((name) => !Object.hasOwn(BENCHMARKS, name)),
    ...args.filter((arg) => arg.startsWith('-') && arg !== '--json' && arg !== HERE),
  ];
  if (unknown.length > 0) {
    process.stderr.write(`${unknown.join(' ')} is unknown. ${USAGE}\n`);
    return 2;
  }
  if (args[0] === HERE) return runHere(names[0] ?? '');
  return runAll(names.length > 0 ? names : Object.keys(BENCHMARKS), args.includes('--json'));
}

process.exitCode = await main(process.argv.slice(2));
