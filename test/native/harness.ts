/**
 * Compiles the native test programs and runs them, unmodified, under the command line. What the
 * programs print is compared with the `.out` file beside their source.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, it } from 'node:test';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { NativeTestName } from './points.ts';

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

const PROGRAMS = here('programs/');
const TEEBOX = here('../../src/cli/main.ts');
export const TEST_TA = here('ta.ts');
export const COUNTER_TA = here('counter-ta.ts');

/** Longest that a run may take before it counts as hung, milliseconds. */
const HUNG_MS = 30_000;

/** How a process ended, and what it wrote. */
export interface Ran {
  /** As a shell gives it: 128 + signal for a death by signal. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  /** Options of `teebox run`; the test TA without supplicant by default. */
  readonly options?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Run all of it, teebox included, as this user. */
  readonly uid?: number;
}

/** A directory that goes with the test file's process; other users can reach it. */
function scratch(): string {
  const directory = mkdtempSync(join(tmpdir(), 'teebox-native-'));
  chmodSync(directory, 0o755);
  after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

export const directory = scratch();

/** Why nothing can be compiled here, undefined when it can. */
async function compile(output: string, ...flags: string[]): Promise<string | undefined> {
  const sources = readdirSync(PROGRAMS).filter((name) => name.endsWith('.c'));
  const paths = sources.map((name) => join(PROGRAMS, name));
  const args = ['-Wall', '-Werror', '-O1', '-pthread', ...flags, '-o', output, ...paths];
  const ran = await execute('cc', args, {});
  if (ran.code === 127) return 'there is no C compiler (cc)';
  assert.equal(ran.code, 0, ran.stderr);
  return undefined;
}

/** The compiled programs. */
export const programs = join(directory, 'programs');
export const staticPrograms = join(directory, 'static');

const noCompiler = await compile(programs);

/** What this machine withholds; undefined when native programs can run here. */
const unable = noCompiler ?? (await probe());

async function probe(): Promise<string | undefined> {
  const { code, stderr } = await teebox(['run', '-q', '--', '/bin/true']);
  const refusal = /native programs cannot run here: .*/.exec(stderr);
  return code !== 0 && refusal !== null ? refusal[0] : undefined;
}

/** Compiles the statically linked programs; false when there are no static libraries. */
export async function compileStatic(): Promise<boolean> {
  try {
    return (await compile(staticPrograms, '-static')) === undefined;
  } catch {
    return false;
  }
}

/** A test of points.ts that is skipped, with the reason, where native programs cannot run. */
export function nativeTest(name: NativeTestName, run: (t: TestContext) => Promise<void>): void {
  it(name, { skip: unable ?? false }, run);
}

export function start(
  command: string,
  args: readonly string[],
  { env = {}, cwd = directory, uid }: RunOptions,
): ChildProcess {
  return spawn(command, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
    ...(uid !== undefined && { uid, gid: uid }),
  });
}

/** Runs a process to its end; 127 when there is no such program. */
async function execute(
  command: string,
  args: readonly string[],
  options: RunOptions,
): Promise<Ran> {
  const child = start(command, args, options);
  const [stdout, stderr] = [textOf(child.stdout), textOf(child.stderr)];
  const hung = setTimeout(() => killGroup(child), HUNG_MS);
  const code = await exitCode(child);
  clearTimeout(hung);
  return { code, stdout: await stdout, stderr: await stderr };
}

/** The child and what it started: it leads a process group. */
function killGroup({ pid }: ChildProcess): void {
  if (pid !== undefined) process.kill(-pid, 'SIGKILL');
}

function exitCode(child: ChildProcess): Promise<number> {
  return new Promise((resolve) => {
    child.once('error', () => resolve(127));
    child.once('exit', (code) => resolve(code ?? 137));
  });
}

async function textOf(stream: NodeJS.ReadableStream | null): Promise<string> {
  let text = '';
  for await (const chunk of stream ?? []) text += String(chunk);
  return text;
}

/** The command line itself. */
export function teebox(args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  return execute(process.execPath, [TEEBOX, ...args], options);
}

export const TEEBOX_COMMAND = [process.execPath, TEEBOX] as const;

/** `teebox run -q` of a program. */
export function run(program: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const { options: own = ['--supplicant', 'none'] } = options;
  return teebox(['run', '-q', '--ta', TEST_TA, ...own, '--', ...program], options);
}

/** What a program must print. */
export const expected = (name: string): string =>
  readFileSync(join(PROGRAMS, `${name}.out`), 'utf8');

/** Runs one theme and compares all that it says. @param facts the name of the `.out` file. */
export async function checkTheme(
  theme: string,
  { facts = theme, program = programs, ...options }: ThemeOptions = {},
): Promise<void> {
  const ran = await run([program, theme], options);
  assert.deepEqual(ran, { code: 0, stdout: expected(facts), stderr: '' });
}

export interface ThemeOptions extends RunOptions {
  readonly facts?: string;
  readonly program?: string;
}
