/** The subcommands by name. */
import type { Command } from './command.ts';

/** A subcommand: what help says of it, and how to get it. */
export interface Entry {
  readonly summary: string;
  /** A command is loaded when it is used: most need little of the house. */
  load(): Promise<Command>;
}

export const COMMANDS: Readonly<Record<string, Entry>> = {
  start: {
    summary: 'the hello_world example through the whole stack, traced',
    load: async () => (await import('./commands/start.ts')).start,
  },
  run: {
    summary: 'run a program that believes it is on an OP-TEE system',
    load: async () => (await import('./commands/run.ts')).run,
  },
  trace: {
    summary: "print a program's TEE ioctls as strace does",
    load: async () => (await import('./commands/trace.ts')).trace,
  },
  serve: {
    summary: 'a box for several programs, started with teebox exec',
    load: async () => (await import('./commands/serve.ts')).serve,
  },
  exec: {
    summary: 'run a program on the box of a teebox serve',
    load: async () => (await import('./commands/exec.ts')).exec,
  },
  mem: {
    summary: 'what memory is used for, page by page, and who has pinned it',
    load: async () => (await import('./commands/mem.ts')).mem,
  },
  lab: {
    summary: 'an experiment on an open debate, with its table and plot',
    load: async () => (await import('./commands/lab.ts')).lab,
  },
  doctor: {
    summary: 'say what this machine withholds from native programs',
    load: async () => (await import('./commands/doctor.ts')).doctor,
  },
  support: {
    summary: 'what is supported, in part, or absent',
    load: async () => (await import('./commands/support.ts')).support,
  },
  explain: {
    summary: 'say what a code means and where it comes from',
    load: async () => (await import('./commands/explain.ts')).explain,
  },
  explore: {
    summary: 'search the schedules and faults of a scenario for what must not happen',
    load: async () => (await import('./commands/explore.ts')).explore,
  },
  replay: {
    summary: 'run one schedule of a scenario again, traced',
    load: async () => (await import('./commands/replay.ts')).replay,
  },
  storage: {
    summary: 'list, verify or show the files of secure storage',
    load: async () => (await import('./commands/storage.ts')).storage,
  },
  bench: {
    summary: 'measure, beside the floors and peers of the same run',
    load: async () => (await import('./commands/bench.ts')).bench,
  },
};
