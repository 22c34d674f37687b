/**
 * Compiles the native test programs and runs them, unmodified, under the command line. What the
 * programs print is compared with the `.out` file beside their source.
 */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, it } from 'node:test';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Report } from '../../src/box/report.ts';
import type { NativeTestName } from './points.ts';

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

const PROGRAMS = here('programs/');
const TEEBOX = here('../../src/cli/main.ts');
/** Half of a run's time is the compilation of teebox itself. */
const COMPILE_CACHE = here('../../node_modules/.cache/teebox-native-tests');
export const TEST_TA = here('ta.ts');
export const COUNTER_TA = here('counter-ta.ts');

/** Longest that a run may take before it counts as hung, milliseconds. */
const HUNG_MS = 120_000;

const NO_SUPPLICANT = ['--supplicant', 'none'];

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
  /** Let teebox write its report. */
  readonly report?: boolean;
}

/** A directory that goes with the test file's process; other users can reach it. */
function scratch(): string {
  const directory = mkdtempSync(join(tmpdir(), 'teebox-native-'));
  chmodSync(directory, 0o755);
  after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

export const directory = scratch();

/** @returns why nothing can be compiled here, undefined when it was */
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

/** Why there are none; undefined when there are. */
const noCompiler = await compile(programs);

/** What this machine withholds from native programs, as teebox says it. */
export class Unavailable extends Error {}

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
  it(name, { skip: noCompiler ?? false }, async (t) => {
    try {
      await run(t);
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error;
      t.skip(error.message);
    }
  });
}

export function start(
  command: string,
  args: readonly string[],
  { env = {}, cwd = directory, uid }: RunOptions,
): ChildProcess {
  return spawn(command, args, {
    cwd,
    env: { ...process.env, NODE_COMPILE_CACHE: COMPILE_CACHE, ...env },
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
  const ran = { code: await exitCode(child), stdout: await stdout, stderr: await stderr };
  clearTimeout(hung);
  return ran;
}

/** Ends the child, which leads a process group, and what it started: that holds its pipes open. */
export function killGroup({ pid }: ChildProcess): void {
  if (pid !== undefined) process.kill(-pid, 'SIGKILL');
}

/** As a shell gives it; 127 when there is no such program. */
export function exitCode(child: ChildProcess): Promise<number> {
  return new Promise((resolve) => {
    child.once('error', () => resolve(127));
    child.once('exit', (code, signal) =>
      resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])),
    );
  });
}

async function textOf(stream: NodeJS.ReadableStream | null): Promise<string> {
  let text = '';
  for await (const chunk of stream ?? []) text += String(chunk);
  return text;
}

/** The command line itself. @throws Unavailable where native programs cannot run */
export async function teebox(args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const ran = await execute(process.execPath, [TEEBOX, ...args], options);
  const refusal = /native programs cannot run here: .*/.exec(ran.stderr);
  if (ran.code === 1 && refusal !== null) throw new Unavailable(refusal[0]);
  return ran;
}

export const TEEBOX_COMMAND = [process.execPath, TEEBOX] as const;

/** `teebox run` of a program. */
export function run(program: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const { options: own = NO_SUPPLICANT, report = false } = options;
  const quiet = report ? [] : ['-q'];
  return teebox(['run', ...quiet, '--ta', TEST_TA, ...own, '--', ...program], options);
}

export const NOBODY = 65534;
/** A program's exit code for what this machine does not allow. */
export const CANNOT = 77;

/**
 * `teebox run` by somebody who is not root.
 * @returns also who. @throws Unavailable where nobody else can read this checkout
 */
export async function runUnprivileged(
  program: readonly string[],
  options: RunOptions = {},
): Promise<Ran & { readonly uid: number }> {
  const isRoot = process.getuid?.() === 0;
  const uid = isRoot ? NOBODY : (process.getuid?.() ?? NOBODY);
  // A checkout below a private directory (mktemp -d) is out of reach for anybody else.
  const listed = isRoot ? spawnSync('/bin/ls', [TEEBOX], { uid }).status : 0;
  if (listed !== 0) throw new Unavailable(`uid ${uid} cannot read this checkout`);
  return { ...(await run(program, { ...options, ...(isRoot && { uid }) })), uid };
}

/** What a program must print. */
export const expected = (name: string): string =>
  readFileSync(join(PROGRAMS, `${name}.out`), 'utf8');

/** Runs one theme, compares all that it says, and looks for what is left of it in the box. */
export async function checkTheme(
  theme: string,
  { facts = theme, program = programs, options = NO_SUPPLICANT }: ThemeOptions = {},
): Promise<void> {
  const ran = await run([program, theme], { options: ['--json', ...options], report: true });
  assert.equal(ran.stdout, expected(facts), ran.stderr);
  assert.equal(ran.code, 0, ran.stderr);
  const report: Pick<Report, 'leaks'> = JSON.parse(ran.stderr.trimEnd().split('\n').at(-1) ?? '');
  assert.deepEqual(report.leaks, []);
}

export interface ThemeOptions {
  /** The name of the `.out` file; the theme's by default. */
  readonly facts?: string;
  readonly program?: string;
  readonly options?: readonly string[];
}
