/**
 * The seccomp listener: calls of programs as they come, and their answers (seccomp_unotify(2)).
 */
import { O_CLOEXEC } from '../abi/fcntl.ts';
import {
  SECCOMP_IOCTL_NOTIF_ADDFD,
  SECCOMP_IOCTL_NOTIF_ID_VALID,
  SECCOMP_IOCTL_NOTIF_RECV,
  SECCOMP_IOCTL_NOTIF_SEND,
  SECCOMP_USER_NOTIF_FLAG_CONTINUE,
  SeccompNotif,
  SeccompNotifAddfd,
  SeccompNotifResp,
} from '../abi/seccomp.ts';
import type { Libc } from './libc.ts';
import type { Answer } from './native-calls.ts';

const NOTIF_ARGS = [
  SeccompNotif.arg0,
  SeccompNotif.arg1,
  SeccompNotif.arg2,
  SeccompNotif.arg3,
  SeccompNotif.arg4,
  SeccompNotif.arg5,
] as const;

/** A call that has not been answered, by its number as two halves. */
export interface CallId {
  readonly idLo: number;
  readonly idHi: number;
}

export class Listener {
  readonly #libc: Libc;
  readonly #fd: () => number;
  readonly #notif = new DataView(new ArrayBuffer(128));
  readonly #resp = new DataView(new ArrayBuffer(128));
  readonly #addfd = new DataView(new ArrayBuffer(128));
  readonly #notifAddress: number;
  readonly #respAddress: number;
  readonly #addfdAddress: number;

  /** @param fd the listener now, -1 once it is closed */
  constructor(libc: Libc, fd: () => number) {
    const address = (view: DataView<ArrayBuffer>): number =>
      libc.address(new Uint8Array(view.buffer));
    this.#libc = libc;
    this.#fd = fd;
    this.#notifAddress = address(this.#notif);
    this.#respAddress = address(this.#resp);
    this.#addfdAddress = address(this.#addfd);
  }

  /** The next call; what the others of this class tell of it holds until the next one. */
  receive(): CallId | undefined {
    new Uint8Array(this.#notif.buffer).fill(0);
    if (this.#libc.ioctl(this.#fd(), SECCOMP_IOCTL_NOTIF_RECV, this.#notifAddress) < 0) {
      return undefined;
    }
    const idLo = SeccompNotif.id.lo(this.#notif, 0);
    const idHi = SeccompNotif.id.hi(this.#notif, 0);
    return { idLo, idHi };
  }

  get tid(): number {
    return SeccompNotif.pid.get(this.#notif, 0);
  }

  get nr(): number {
    return SeccompNotif.nr.get(this.#notif, 0);
  }

  /** As pointers and sizes. */
  get args(): readonly number[] {
    return NOTIF_ARGS.map((field) => field.num(this.#notif, 0));
  }

  /** As ints: what callers leave in the upper half of a register means nothing. */
  get ints(): readonly number[] {
    return NOTIF_ARGS.map((field) => field.lo(this.#notif, 0) | 0);
  }

  /** Whether the caller still waits. */
  isValid({ idLo, idHi }: CallId): boolean {
    SeccompNotifResp.id.setPair(this.#resp, 0, idLo, idHi);
    return this.#libc.ioctl(this.#fd(), SECCOMP_IOCTL_NOTIF_ID_VALID, this.#respAddress) === 0;
  }

  send({ idLo, idHi }: CallId, answer: Answer): void {
    const resp = this.#resp;
    const failed = typeof answer === 'number' && answer < 0;
    const continues = answer === 'continue';
    SeccompNotifResp.id.setPair(resp, 0, idLo, idHi);
    SeccompNotifResp.val.set(resp, 0, failed || continues ? 0n : BigInt(answer));
    SeccompNotifResp.error.set(resp, 0, failed ? answer : 0);
    SeccompNotifResp.flags.set(resp, 0, continues ? SECCOMP_USER_NOTIF_FLAG_CONTINUE : 0);
    this.#libc.ioctl(this.#fd(), SECCOMP_IOCTL_NOTIF_SEND, this.#respAddress);
  }

  /** Puts an fd of ours into the caller's table; its number or a negative errno. */
  addFd({ idLo, idHi }: CallId, hostFd: number, closeOnExec: boolean): number {
    const view = this.#addfd;
    SeccompNotifAddfd.id.setPair(view, 0, idLo, idHi);
    SeccompNotifAddfd.flags.set(view, 0, 0);
    SeccompNotifAddfd.srcfd.set(view, 0, hostFd);
    SeccompNotifAddfd.newfd.set(view, 0, 0);
    SeccompNotifAddfd.newfdFlags.set(view, 0, closeOnExec ? O_CLOEXEC : 0);
    const fd = this.#libc.ioctl(this.#fd(), SECCOMP_IOCTL_NOTIF_ADDFD, this.#addfdAddress);
    return fd < 0 ? -this.#libc.errno() : fd;
  }
}
