/** Native programs of the benchmarks: compiled on the spot, run below teebox or below the floor. */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Unavailable } from './row.ts';

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** The command line, as a shell starts it. */
export const TEEBOX: readonly string[] = [process.execPath, here('../bin/teebox.js')];

/** Longest that one run may take, milliseconds. */
const HUNG_MS = 60_000;

/** A directory for binaries, gone when it is disposed of. */
export class Workshop {
  readonly #directory = mkdtempSync(join(tmpdir(), 'teebox-bench-'));

  /** @param source relative to this file. @returns the binary. @throws Unavailable; Error */
  compile(source: string): string {
    const output = join(this.#directory, basename(source, '.c'));
    const ran = spawnSync('cc', ['-O2', '-o', output, here(source)], { encoding: 'utf8' });
    if (ran.error !== undefined) throw new Unavailable('there is no C compiler (cc)');
    if (ran.status !== 0) throw new Error(ran.stderr);
    return output;
  }

  [Symbol.dispose](): void {
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

/** Runs a command to its end. @returns what it printed. @throws Unavailable; Error */
export function output(command: readonly string[]): string {
  const [program = '', ...args] = command;
  const ran = spawnSync(program, args, { encoding: 'utf8', timeout: HUNG_MS });
  const refusal = /native programs cannot run here: .*/.exec(ran.stderr);
  if (refusal !== null) throw new Unavailable(refusal[0]);
  if (ran.status !== 0) throw new Error(`${command.join(' ')}: ${ran.stderr || ran.signal}`);
  return ran.stdout;
}

/** Milliseconds from the start of a command to the first byte that it prints. */
export async function firstOutputMs(command: readonly string[]): Promise<number> {
  const [program = '', ...args] = command;
  const start = performance.now();
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'], timeout: HUNG_MS });
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  let first: number | undefined;
  child.stdout.on('data', () => (first ??= performance.now() - start));
  const code = await ended;
  if (code !== 0 || first === undefined) throw new Error(`${command.join(' ')}: exit ${code}`);
  return first;
}

/** What keeps a command on one CPU; undefined without taskset. */
export function onOneCpu(): readonly string[] | undefined {
  const allowed = /^Cpus_allowed_list:\s*(\d+)/m.exec(readFileSync('/proc/self/status', 'latin1'));
  const prefix = ['taskset', '-c', allowed?.[1] ?? '0'];
  return spawnSync('taskset', [...prefix.slice(1), 'true']).status === 0 ? prefix : undefined;
}
