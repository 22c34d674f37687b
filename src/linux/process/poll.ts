/**
 * poll() (fs/select.c): sleeps until a file has one of the events that are asked for. A file that
 * cannot tell is always readable and writable, as DEFAULT_POLLMASK says.
 * Left out: epoll, signal masks (ppoll).
 */
import { EINVAL, ERESTART_RESTARTBLOCK } from '../../abi/errno.ts';
import {
  POLLERR,
  POLLHUP,
  POLLIN,
  POLLNVAL,
  POLLOUT,
  POLLRDNORM,
  POLLWRNORM,
} from '../../abi/socket.ts';
import type { Co } from '../../sched/task.ts';
import { WaitQueue } from '../../sched/wait.ts';
import type { File } from './file.ts';
import type { Thread } from './thread.ts';

const DEFAULT_POLLMASK = POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM;
/** Reported whether they are asked for or not. */
const ALWAYS = POLLERR | POLLHUP;

/** struct pollfd without its answer; a negative fd is passed over. */
export interface PollFd {
  readonly fd: number;
  /** POLL* */
  readonly events: number;
}

/** Where a pollable file tells that its events may have changed. */
export class PollHead {
  readonly #queues = new Set<WaitQueue>();

  /** poll_wait() */
  add(queue: WaitQueue): void {
    this.#queues.add(queue);
  }
  remove(queue: WaitQueue): void {
    this.#queues.delete(queue);
  }
  wake(): void {
    for (const queue of this.#queues) queue.wakeAll();
  }
}

/**
 * do_sys_poll()
 * @param untilNs time of the box at which to give up; undefined for never.
 * @returns the events of each fd, all zero after the timeout, or a negative errno.
 */
export function* pollFiles(
  thread: Thread,
  fds: readonly PollFd[],
  untilNs: number | undefined,
): Co<readonly number[] | number> {
  const { sched } = thread.process.kernel;
  if (fds.length > thread.process.files.limit) return -EINVAL;
  const queue = new WaitQueue(sched, 'poll_schedule_timeout');
  const files = fds.map(({ fd }) => thread.process.files.get(fd)?.get());
  const heads = files.flatMap((file) => file?.ops.pollHead?.(file) ?? []);
  for (const head of heads) head.add(queue);
  const poll = (): readonly number[] => fds.map((one, n) => eventsOf(one, files[n]));
  const left = untilNs === undefined ? undefined : Math.max(0, untilNs - sched.nowNs());
  const ready = (): boolean => poll().some((events) => events !== 0);
  const status = yield* queue.waitUntil(ready, 'interruptible', left);
  const events = poll();
  for (const head of heads) head.remove(queue);
  for (const file of files) if (file !== undefined) yield* file.put();
  return status === 'signal' ? -ERESTART_RESTARTBLOCK : events;
}

/** do_pollfd() */
function eventsOf({ fd, events }: PollFd, file: File | undefined): number {
  if (fd < 0) return 0;
  if (file === undefined || file.isPath) return POLLNVAL;
  const mask = file.ops.poll?.(file) ?? DEFAULT_POLLMASK;
  return mask & (events | ALWAYS);
}
