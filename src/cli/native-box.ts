/** A live box with native programs on it: what `run` and `serve` have in common. */
import { accessSync, constants, writeFileSync } from 'node:fs';
import { extname } from 'node:path';
import { QEMU_ARMV8 } from '../boards/boards.ts';
import type { Board } from '../boards/boards.ts';
import { Box } from '../box/box.ts';
import { formatReport, reportOf } from '../box/report.ts';
import { DirectoryStore } from '../host/node/directory-store.ts';
import { nodeHost } from '../host/node/host.ts';
import type { ByteStore } from '../host/store.ts';
import { loadPluginModules } from '../load-plugin.ts';
import { installTaFiles, loadTas } from '../load-ta.ts';
import { Supervisor } from '../native/supervisor.ts';
import type { NativeProgram } from '../native/supervisor.ts';
import { sendSignal } from '../native/send-signal.ts';
import { Watchdog } from '../native/watchdog.ts';
import type { SpawnRequest } from '../native/spawner.ts';
import { consoleLine } from '../trace/export/console.ts';
import { exportPerfetto } from '../trace/export/perfetto.ts';
import { exportStrace } from '../trace/export/strace.ts';
import type { TraceEvent } from '../trace/events.ts';
import { rpmbEmmc } from './rpmb-emmc.ts';
import { CliError, EXIT, printError, startError } from './command.ts';
import { makeDirectories } from './make-directories.ts';
import type { BoxCliOptions } from './options.ts';
import { Signals, isShared, signalNumber } from './signals.ts';
import { TaskNames } from './task-names.ts';

const MIB = 1 << 20;
/** Processes that hold TEE files after the program has ended have this long to let go. */
const DRAIN_MS = 200;
const SUPPLICANT_WAIT_MS = 2000;
/** Events that are printed when teebox itself has failed. */
const LAST_EVENTS = 20;

export class NativeBox {
  readonly box: Box;
  readonly supervisor: Supervisor;
  readonly #options: BoxCliOptions;
  readonly #watchdog: Watchdog;
  readonly #taskNames: TaskNames;
  /** To this process, from the moment on when there are programs that would be left behind. */
  readonly signals = new Signals();
  /** Processes of the supplicant that was asked for: whoever was there before any program. */
  #supplicantPids: readonly number[] = [];
  /** A program could not be started: that is all there is to say. */
  #startFailed = false;

  private constructor(
    box: Box,
    supervisor: Supervisor,
    watchdog: Watchdog,
    options: BoxCliOptions,
  ) {
    this.box = box;
    this.supervisor = supervisor;
    this.#watchdog = watchdog;
    this.#options = options;
    this.#taskNames = new TaskNames(box);
    if (!options.quiet || options.trace !== 'off') box.trace.addSink((event) => this.#show(event));
    supervisor.watchPids((pids) => watchdog.setPids(pids));
  }

  /** Boots the box, starts the supervisor and the supplicant that was asked for. */
  static async open(options: BoxCliOptions): Promise<NativeBox> {
    const host = nodeHost();
    const { images, files } = await loadTas(options.tas);
    const plugins = await loadPluginModules(options.plugins);
    const watchdog = new Watchdog(options.taTimeoutMs);
    const taStore = host.memoryStore();
    installTaFiles(taStore, files);
    const state = options.state === undefined ? host.memoryStore() : stateStore(options.state);
    const rpmb = rpmbEmmc(state, options.rpmb, options.config);
    const owner = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0, mode: 0o660 };
    const box = new Box(host, {
      live: true,
      profile: options.profile,
      config: options.config,
      board: boardOf(options),
      memory: { swap: options.swapBytes },
      tas: images.map((image) => watchdog.watch(image)),
      supplicant: options.supplicant === 'builtin' ? 'builtin' : 'none',
      plugins,
      net: options.net,
      taStore,
      kernelClients: options.kernelClients,
      trace:
        options.traceOut !== undefined && options.trace === 'off' ? 'worlds' : traceLevel(options),
      nodeAccess: () => owner,
      stateStore: state,
      ...(rpmb !== undefined && { rpmb }),
    });
    const supervisor = await Supervisor.start(box.kernel, host, options.shm);
    const native = new NativeBox(box, supervisor, watchdog, options);
    try {
      const { supplicant } = options;
      if (supplicant !== 'builtin' && supplicant !== 'none') {
        await native.#startSupplicant(supplicant);
      }
      return native;
    } catch (error) {
      await native.close();
      throw error;
    }
  }

  /** Runs a program with this process's files, directory and environment; its exit code. */
  async run(argv: readonly string[]): Promise<number> {
    const { first } = this.signals;
    if (first !== undefined) return 128 + signalNumber(first);
    const program = await this.#start({
      argv,
      cwd: workingDirectory(),
      env: definedEnv(),
      stdio: [0, 1, 2],
    });
    this.signals.take((signal) => {
      if (program.exit === undefined && !isShared(signal)) sendSignal(program.pid, signal);
    });
    await this.supervisor.run(() => program.exit !== undefined);
    if (this.reportHalt()) return EXIT.corePanic;
    return program.exit?.code ?? 128 + signalNumber(program.exit?.signal ?? null);
  }

  /** Starts a program and serves the box until it has been started. */
  async #start(request: SpawnRequest): Promise<NativeProgram> {
    let outcome: NativeProgram | Error | undefined;
    this.supervisor.spawn(request).then(
      (program) => (outcome = program),
      (error: unknown) => (outcome = error instanceof Error ? error : new Error(String(error))),
    );
    await this.supervisor.run(() => outcome !== undefined);
    if (outcome === undefined) throw new CliError('the box has stopped', EXIT.corePanic);
    if (!(outcome instanceof Error)) return outcome;
    this.#startFailed = true;
    throw startError(`cannot run ${request.argv[0] ?? ''}`, outcome.message);
  }

  /** When the box has stopped: kills the programs and says why. */
  reportHalt(): boolean {
    const { halted, trace } = this.box;
    if (halted === undefined) return false;
    this.supervisor.killAll();
    printError(`teebox: ${halted.kind}: ${halted.text}`);
    if (halted.kind === 'internal error') {
      const last = [...trace.events()].slice(-LAST_EVENTS);
      printError(halted.error.stack ?? '');
      for (const event of last) printError(consoleLine(event, this.#taskNames.of));
    }
    return true;
  }

  /** Processes that hold TEE files after the program has ended let go of them. */
  async drain(): Promise<void> {
    const deadline = performance.now() + DRAIN_MS;
    await this.supervisor.run(() => this.supervisor.quiet || performance.now() > deadline);
  }

  /** Lets go of what the programs left, writes what was asked for, and ends the box. */
  async close(): Promise<void> {
    await this.drain();
    await this.#stopSupplicant();
    if (!this.#options.quiet && !this.#startFailed) this.#report();
    this.#endOthers();
    await this.#watchdog.close();
    await this.supervisor.close();
    this.#export();
    this.box.dispose();
  }

  /** What the program has left running ends with the box, as in a container: its calls need it. */
  #endOthers(): void {
    const others = this.supervisor.killAll();
    if (others.length === 0 || this.#options.quiet || this.box.halted !== undefined) return;
    printError(`teebox: ended with the box: ${others.join(', ')}`);
  }

  async #startSupplicant(command: string): Promise<void> {
    const supplicant = await this.#start({
      argv: ['/bin/sh', '-c', `exec ${command}`],
      cwd: workingDirectory(),
      env: definedEnv(),
      stdio: [0, 2, 2],
    });
    const until = performance.now() + SUPPLICANT_WAIT_MS;
    // The real system starts it at boot: programs may count on it.
    await this.supervisor.run(
      () =>
        this.supplicantWaits ||
        hasFailed(supplicant) ||
        this.signals.first !== undefined ||
        performance.now() > until,
    );
    this.#supplicantPids = this.supervisor.pids;
    const isThere = supplicant.exit === undefined || this.#supplicantOpened;
    if ((isThere && !hasFailed(supplicant)) || this.signals.first !== undefined) return;
    this.#startFailed = true;
    const how = hasFailed(supplicant) ? 'at once' : 'and left nobody with its device';
    throw new CliError(`the supplicant ended ${how}: ${command}`);
  }

  /** A native supplicant sleeps in TEE_IOC_SUPPL_RECV. */
  get supplicantWaits(): boolean {
    return this.box.sched.blocked().some((task) => task.blocked?.site === 'optee_supp_recv');
  }

  /** Somebody has its device: it has daemonized when the command itself has ended. */
  get #supplicantOpened(): boolean {
    return this.supervisor.files.open.some(({ path }) => path.startsWith('/dev/teepriv'));
  }

  async #stopSupplicant(): Promise<void> {
    const alive = (): readonly number[] =>
      this.supervisor.pids.filter((pid) => this.#supplicantPids.includes(pid));
    if (alive().length === 0) return;
    for (const pid of alive()) sendSignal(pid, 'SIGTERM');
    const until = performance.now() + SUPPLICANT_WAIT_MS;
    await this.supervisor.run(() => alive().length === 0 || performance.now() > until);
    for (const pid of alive()) sendSignal(pid, 'SIGKILL');
  }

  #show(event: TraceEvent): void {
    if (event.name === 'task.start') return;
    const isLog = event.name === 'log' && !this.#options.quiet;
    if (this.#options.trace !== 'off') printError(consoleLine(event, this.#taskNames.of));
    else if (isLog && event.world !== 'linux') printError((event as TraceEvent<'log'>).args.text);
  }

  #report(): void {
    const report = reportOf(this.box, this.supervisor.files.open);
    printError(this.#options.json ? JSON.stringify(report) : formatReport(report));
  }

  #export(): void {
    const { traceOut } = this.#options;
    if (traceOut === undefined) return;
    try {
      writeFileSync(traceOut, this.#exported(extname(traceOut)));
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw new CliError(`the trace cannot be written: ${why}`);
    }
  }

  #exported(extension: string): string | Uint8Array {
    const events = this.box.trace.events();
    const taskName = this.#taskNames.of;
    if (extension === '.pftrace' || extension === '.perfetto') {
      return exportPerfetto(events, { taskName });
    }
    const lines =
      extension === '.strace'
        ? exportStrace(events)
        : [...events].map((event) => consoleLine(event, taskName));
    return [...lines, ''].join('\n');
  }
}

function boardOf({ ramMib, cmaBytes: [cmaBytes, ...moreCmaBytes] }: BoxCliOptions): Board {
  const board = { ...QEMU_ARMV8, ramBytes: ramMib * MIB };
  return cmaBytes === undefined ? board : { ...board, cmaBytes, moreCmaBytes };
}

/** A command that ends well may have left a daemon behind. */
const hasFailed = ({ exit }: NativeProgram): boolean => exit !== undefined && exit.code !== 0;

/** The directory is made when it is not there: a first run has no state. */
function stateStore(directory: string): ByteStore {
  try {
    makeDirectories(directory, 0o700);
    accessSync(directory, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new CliError(`no state can be kept in ${directory}: ${why}`);
  }
  return new DirectoryStore(directory);
}

/** The report counts calls, so it needs them in the trace; `-q` alone turns everything off. */
const traceLevel = ({ quiet, trace }: BoxCliOptions) =>
  !quiet && trace === 'off' ? 'calls' : trace;

/** @throws CliError when it has been removed */
export function workingDirectory(): string {
  try {
    return process.cwd();
  } catch {
    throw new CliError('the working directory is gone');
  }
}

export const definedEnv = (): Record<string, string> =>
  Object.fromEntries(
    Object.entries(process.env).flatMap(([k, v]): [string, string][] =>
      v === undefined ? [] : [[k, v]],
    ),
  );
