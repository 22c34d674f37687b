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
    const binary = join(this.#directory, basename(source, '.c'));
    const ran = spawnSync('cc', ['-O2', '-o', binary, here(source)], { encoding: 'utf8' });
    if (ran.error !== undefined) throw new Unavailable('there is no C compiler (cc)');
    if (ran.status !== 0) throw new Error(ran.stderr);
    return binary;
  }

  [Symbol.dispose](): void {
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

/** Runs a command to its end. @returns what it printed. @throws Unavailable; Error */
export function output(command: readonly string[]): string {
  const [program = '', ...args] = command;
  const ran = spawnSync(program, args, { encoding: 'utf8', timeout: HUNG_MS });
  if (ran.status !== 0) throw failure(command, ran.stderr || String(ran.error ?? ran.signal));
  return ran.stdout;
}

/** Milliseconds until a command prints its first byte. @throws Unavailable; Error */
export async function firstOutputMs(command: readonly string[]): Promise<number> {
  const [program = '', ...args] = command;
  const start = performance.now();
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], timeout: HUNG_MS });
  let firstMs: number | undefined;
  child.stdout.on('data', () => (firstMs ??= performance.now() - start));
  let stderr = '';
  child.stderr.on('data', (chunk) => (stderr += String(chunk)));
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  if (code !== 0 || firstMs === undefined) throw failure(command, stderr);
  return firstMs;
}

function failure(command: readonly string[], stderr: string): Error {
  const refusal = /native programs cannot run here: .*/.exec(stderr);
  if (refusal !== null) return new Unavailable(refusal[0]);
  return new Error(`${command.join(' ')}: ${stderr}`);
}

/** What keeps a command on one CPU; undefined without taskset. */
export function onOneCpu(): readonly string[] | undefined {
  const allowed = /^Cpus_allowed_list:\s*(\d+)/m.exec(readFileSync('/proc/self/status', 'latin1'));
  const prefix = ['taskset', '-c', allowed?.[1] ?? '0'];
  return spawnSync('taskset', [...prefix.slice(1), 'true']).status === 0 ? prefix : undefined;
}
