/** What a supplicant is asked, and what it answers, as lines that two supplicants can be compared by. */
import { TEEC_ERROR_SHORT_BUFFER, TEEC_SUCCESS } from '../../src/abi/gp.ts';
import {
  OPTEE_RPC_CMD_FS,
  OPTEE_RPC_FS_CLOSE,
  OPTEE_RPC_FS_CLOSEDIR,
  OPTEE_RPC_FS_CREATE,
  OPTEE_RPC_FS_OPEN,
  OPTEE_RPC_FS_OPENDIR,
  OPTEE_RPC_FS_READ,
  OPTEE_RPC_FS_READDIR,
  OPTEE_RPC_FS_REMOVE,
  OPTEE_RPC_FS_RENAME,
  OPTEE_RPC_FS_TRUNCATE,
  OPTEE_RPC_FS_WRITE,
} from '../../src/abi/optee-rpc.ts';
import {
  TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INOUT,
  TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INPUT,
  TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_OUTPUT,
  TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INOUT,
  TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INPUT,
  TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_OUTPUT,
} from '../../src/abi/tee.ts';
import { TeeParam } from '../../src/linux/tee/tee-drv.ts';
import type { Answer, Asked } from './asked.ts';

export const VALUE_IN = TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INPUT;
export const VALUE_OUT = TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_OUTPUT;
export const VALUE = TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INOUT;
export const INPUT = TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INPUT;
export const OUTPUT = TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_OUTPUT;
export const INOUT = TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INOUT;

/** Numbers from -2^31 to 2^32; negative ones have all upper bits set. */
export function value(attr: number, a = 0, b = 0, c = 0): TeeParam {
  const high = (n: number): number => (n < 0 ? 0xffff_ffff : 0);
  return Object.assign(new TeeParam(), {
    ...{ attr, aLo: a >>> 0, bLo: b >>> 0, cLo: c >>> 0 },
    ...{ aHi: high(a), bHi: high(b), cHi: high(c) },
  });
}

/** TEE_MEMREF_NULL */
export const nothing = (attr: number, size = 0): TeeParam =>
  Object.assign(new TeeParam(), { attr, size });

/** Values that come back, which a supplicant may change. */
const TOLD: ReadonlySet<number> = new Set([VALUE_OUT, VALUE]);
const RETURNED: ReadonlySet<number> = new Set([OUTPUT, INOUT]);

export class Transcript {
  readonly lines: string[] = [];
  readonly asked: Asked;

  constructor(asked: Asked) {
    this.asked = asked;
  }

  /**
   * Asks, and notes what comes back: values, sizes, and what stands in returned memory.
   * @param hidden the value that is a number of the supplicant's own: only that there is one is noted.
   */
  async ask(what: string, func: number, params: readonly TeeParam[], hidden = -1): Promise<Answer> {
    const answer = await this.asked.ask(func, ...params);
    const told = answer.params.map((param, n) => (n === hidden ? 'own' : tell(param)));
    const result = `0x${answer.ret.toString(16)}`;
    this.note([`${what}:`, result, ...told.filter((text) => text !== '')].join(' '));
    return answer;
  }

  note(line: string): void {
    this.lines.push(line);
  }

  // --- files
  /** OPEN, CREATE or OPENDIR. @returns the fd or handle */
  async open(command: number, name: string): Promise<number> {
    const at = await this.asked.memref(INPUT, `${name}\0`, 'name');
    const params = [value(VALUE_IN, command), at, value(VALUE_OUT)];
    const hidden = command === OPTEE_RPC_FS_OPENDIR ? -1 : 2;
    const { ret } = await this.#fs(`${OPENS.get(command)} ${name}`, params, hidden);
    return ret === 0 ? params[2]!.aLo : -1;
  }
  async create(name: string, text = ''): Promise<number> {
    const fd = await this.open(OPTEE_RPC_FS_CREATE, name);
    if (text !== '') await this.write(fd, text);
    return fd;
  }
  async write(fd: number, text: string, offset = 0): Promise<void> {
    const data = await this.asked.memref(INPUT, text);
    await this.#fs(`write ${text} at ${offset}`, [
      value(VALUE_IN, OPTEE_RPC_FS_WRITE, fd, offset),
      data,
    ]);
  }
  async read(fd: number, size: number, offset = 0): Promise<void> {
    const room = await this.asked.memref(OUTPUT, new Uint8Array(size));
    await this.#fs(`read ${size} at ${offset}`, [
      value(VALUE_IN, OPTEE_RPC_FS_READ, fd, offset),
      room,
    ]);
  }
  async truncate(fd: number, length: number): Promise<void> {
    await this.#fs(`truncate ${length}`, [value(VALUE_IN, OPTEE_RPC_FS_TRUNCATE, fd, length)]);
  }
  async close(fd: number, command: number = OPTEE_RPC_FS_CLOSE): Promise<void> {
    await this.#fs(command === OPTEE_RPC_FS_CLOSE ? 'close' : 'closedir', [
      value(VALUE_IN, command, fd),
    ]);
  }
  async remove(name: string): Promise<void> {
    const at = await this.asked.memref(INPUT, `${name}\0`, 'name');
    await this.#fs(`remove ${name}`, [value(VALUE_IN, OPTEE_RPC_FS_REMOVE), at]);
  }
  async rename(from: string, to: string, overwrite = 0): Promise<void> {
    const old = await this.asked.memref(INPUT, `${from}\0`, 'name');
    const now = await this.asked.memref(INPUT, `${to}\0`, 'to');
    const command = value(VALUE_IN, OPTEE_RPC_FS_RENAME, overwrite);
    await this.#fs(`rename ${from} to ${to}, ${overwrite}`, [command, old, now]);
  }
  /** All names of a directory; their order is the file system's. */
  async list(name: string, room = 64): Promise<void> {
    const handle = await this.open(OPTEE_RPC_FS_OPENDIR, name);
    const names: string[] = [];
    for (;;) {
      const buffer = await this.asked.memref(OUTPUT, new Uint8Array(room));
      const command = value(VALUE_IN, OPTEE_RPC_FS_READDIR, handle);
      const { ret } = await this.asked.ask(OPTEE_RPC_CMD_FS, command, buffer);
      const left = ret === TEEC_SUCCESS ? tell(buffer) : buffer.size;
      names.push(`0x${ret.toString(16)} ${left}`);
      // A name that does not fit is passed over.
      if (ret !== TEEC_SUCCESS && ret !== TEEC_ERROR_SHORT_BUFFER) break;
    }
    this.note(`names: ${names.slice(0, -1).sort().join(', ')}, then ${names.at(-1)}`);
    await this.close(handle, OPTEE_RPC_FS_CLOSEDIR);
  }

  #fs(what: string, params: readonly TeeParam[], hidden?: number): Promise<Answer> {
    return this.ask(what, OPTEE_RPC_CMD_FS, params, hidden);
  }
}

const OPENS: ReadonlyMap<number, string> = new Map([
  [OPTEE_RPC_FS_OPEN, 'open'],
  [OPTEE_RPC_FS_CREATE, 'create'],
  [OPTEE_RPC_FS_OPENDIR, 'opendir'],
]);

function tell(param: TeeParam): string {
  const { attr, shm, size, shmOffs } = param;
  if (TOLD.has(attr)) return `(${param.aLo} ${param.bLo} ${param.cLo})`;
  if (!RETURNED.has(attr)) return '';
  if (shm === null || size === 0) return `[${size}]`;
  const bytes = shm.map(shmOffs, Math.min(size, shm.size - shmOffs), 'read').bytes;
  return `[${size} ${Buffer.from(bytes).toString('hex')}]`;
}
