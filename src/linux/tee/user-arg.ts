/**
 * The argument of an ioctl: a kernel copy of it, and what is to be written back to it, in the order
 * of upstream's put_user() calls. The buffer behind a `tee_ioctl_buf_data` is filled by one
 * copy_from_user() when all of it can be read, and piece by piece when not.
 * Upstream counterpart: the first and last lines of the handlers in drivers/tee/tee_core.c.
 */
import { EFAULT, EINVAL } from '../../abi/errno.ts';
import { TeeIoctlBufData } from '../../abi/tee.ts';
import { va } from '../../machine/address.ts';
import type { Va } from '../../machine/address.ts';
import type { UserMemory } from '../mm/user-memory.ts';

/** One write back; kept for the next call, which most often is of the same shape. */
interface UserWrite {
  at: Va;
  from: number;
  to: number;
  data: Uint8Array;
}

export class UserArg {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly view: DataView<ArrayBuffer>;
  /** Where the buffer is in user space, and its length in bytes. */
  uaddr: Va = va(0);
  length = 0;
  readonly #bufData = new Uint8Array(TeeIoctlBufData.byteLength);
  readonly #bufView = new DataView(this.#bufData.buffer);
  /** Bytes from `#first` to `#valid` have been copied. */
  #first = 0;
  #valid = 0;
  #whole: Uint8Array;
  readonly #writes: UserWrite[] = [];
  #count = 0;

  /** @param capacity TEE_MAX_ARG_SIZE */
  constructor(capacity: number) {
    this.bytes = new Uint8Array(capacity);
    this.view = new DataView(this.bytes.buffer);
    this.#whole = this.bytes;
  }

  /** copy_from_user() of a struct of `length` bytes; false for -EFAULT. */
  load(mm: UserMemory, at: Va, length: number): boolean {
    this.#place(at, 0, length);
    this.#valid = length;
    return mm.read(at, this.#whole);
  }

  /**
   * Reads the `tee_ioctl_buf_data` at `arg`, and what it points to.
   * @param minimum bytes of the header that the buffer must hold.
   * @param first first byte of it that will be read.
   * @returns 0, -EFAULT or -EINVAL.
   */
  open(mm: UserMemory, arg: Va, minimum: number, first = 0): number {
    if (!mm.read(arg, this.#bufData)) return -EFAULT;
    const length = TeeIoctlBufData.bufLen.num(this.#bufView, 0);
    if (length > this.bytes.length || length < minimum) return -EINVAL;
    this.#place(va(TeeIoctlBufData.bufPtr.num(this.#bufView, 0)), first, length);
    this.#valid = mm.read(this.#at(first), this.#whole) ? length : first;
    return 0;
  }

  /** copy_from_user() of what is missing up to byte `to`; false for -EFAULT. */
  has(mm: UserMemory, to: number): boolean {
    if (to <= this.#valid) return true;
    const from = this.#valid;
    if (!mm.read(this.#at(from), this.bytes.subarray(from, to))) return false;
    this.#valid = to;
    return true;
  }

  /** Notes that the bytes from `from` to `to` are to be written to user space. */
  put(from: number, to: number): void {
    const n = this.#count;
    let write = this.#writes[n];
    if (write === undefined || write.from !== from || write.to !== to) {
      write = { at: va(0), from, to, data: this.bytes.subarray(from, to) };
      this.#writes[n] = write;
    }
    write.at = this.#at(from);
    this.#count = n + 1;
  }

  /** Does the writes noted, in order; false for -EFAULT at one of them. */
  flush(mm: UserMemory): boolean {
    if (this.#writes.length !== this.#count) this.#writes.length = this.#count;
    this.#count = 0;
    return mm.writeEach(this.#writes);
  }

  #place(uaddr: Va, first: number, length: number): void {
    this.uaddr = uaddr;
    this.length = length;
    if (this.#first === first && this.#whole.length === length - first) return;
    this.#whole = this.bytes.subarray(first, length);
    this.#first = first;
  }

  #at(offset: number): Va {
    return va(this.uaddr + offset);
  }
}
