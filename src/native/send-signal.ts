/** Signals to native processes, which may be gone by the time that one is sent. */

const NOT_SENT: ReadonlySet<unknown> = new Set(['ESRCH', 'EPERM']);

/** As kill(2); a process that is gone, or became another user's, does not get it. */
export function sendSignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (!(error instanceof Error) || !NOT_SENT.has(Reflect.get(error, 'code'))) throw error;
  }
}
