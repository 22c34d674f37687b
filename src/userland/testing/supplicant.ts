/** For tests: tee-supplicant on a driver that asks what a test tells it to. */
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { TEEC_SUCCESS } from '../../abi/gp.ts';
import { OPTEE_RPC_CMD_SHM_ALLOC } from '../../abi/optee-rpc.ts';
import {
  TEE_IOCTL_PARAM_ATTR_META,
  TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INOUT,
  TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INPUT,
  TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_OUTPUT,
  TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INOUT,
  TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INPUT,
  TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_OUTPUT,
} from '../../abi/tee.ts';
import { parseUuid } from '../../abi/uuid.ts';
import { MemoryStore } from '../../host/memory-store.ts';
import { Program } from '../../linux/process/program.ts';
import { TestNet } from '../../linux/process/testing/test-net.ts';
import { TeeParam } from '../../linux/tee/tee-drv.ts';
import type { TeeShm } from '../../linux/tee/tee-shm.ts';
import { UPSTREAM_USERLAND } from '../switches.ts';
import { TeeSupplicant } from '../tee-supplicant/tee-supplicant.ts';
import type { TeeSupplicantOptions } from '../tee-supplicant/tee-supplicant.ts';
import { OPTEE_VERSION, UserBox } from './tee-box.ts';

export const VALUE_IN = TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INPUT;
export const VALUE_OUT = TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_OUTPUT;
export const VALUE = TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INOUT;
export const INPUT = TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INPUT;
export const OUTPUT = TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_OUTPUT;
export const INOUT = TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INOUT;

export function param(attr: number, fields: Partial<TeeParam> = {}): TeeParam {
  return Object.assign(new TeeParam(), { attr, ...fields });
}

/** A value of numbers below 2^32; negative ones have all upper bits set. */
export function value(attr: number, a = 0, b = 0, c = 0): TeeParam {
  const high = (n: number): number => (n < 0 ? 0xffff_ffff : 0);
  return param(attr, {
    ...{ aLo: a >>> 0, bLo: b >>> 0, cLo: c >>> 0 },
    ...{ aHi: high(a), bHi: high(b), cHi: high(c) },
  });
}

/** The parameter that the kernel puts in front: the request's id. */
export const meta = (id: number): TeeParam => param(VALUE | TEE_IOCTL_PARAM_ATTR_META, { aLo: id });

/** A UUID's octets as four little-endian words. */
export function uuidWords(uuid: string): readonly number[] {
  const view = new DataView(parseUuid(uuid).buffer);
  return [0, 4, 8, 12].map((at) => view.getUint32(at, true));
}

/** A UUID as LOAD_TA passes it. */
export function uuidParam(uuid: string): TeeParam {
  const [aLo = 0, aHi = 0, bLo = 0, bHi = 0] = uuidWords(uuid);
  return param(VALUE_IN, { aLo, aHi, bLo, bHi });
}

/** An answer: the result, and what came back of the request's own parameters. */
export interface Answer {
  readonly ret: number;
  readonly params: readonly AnswerParam[];
}

export interface AnswerParam {
  /** Of values: their lower words. */
  readonly a: number;
  readonly b: number;
  readonly c: number;
  /** Of memory references. */
  readonly size: number;
}

export interface SupplicantOptions extends Partial<TeeSupplicantOptions> {
  /** The network; none by default. */
  readonly net?: TestNet;
  /** Gives it no HMAC, and so no RPMB device. */
  readonly withoutRpmb?: boolean;
}

export const hmacSha256 = (key: Uint8Array, data: Uint8Array): Uint8Array =>
  createHmac('sha256', key).update(data).digest();

/** A box with a supplicant, which runs once it is started. */
export class Supplicant {
  readonly box: UserBox;
  readonly #options: Partial<TeeSupplicantOptions>;
  program!: Program;
  supplicant!: TeeSupplicant;
  ready = false;
  #ids = 0;
  readonly #buffers = new Map<string, TeeShm>();

  constructor(
    { net, withoutRpmb = false, ...options }: SupplicantOptions = {},
    version = OPTEE_VERSION,
  ) {
    this.box = new UserBox({ versions: [version], net });
    if (net !== undefined) net.sched = this.box.kernel.sched;
    this.#options = withoutRpmb ? options : { hmacSha256, ...options };
  }

  /** Starts it, and waits until it has nothing to do. */
  start(): this {
    const { kernel } = this.box;
    const onReady = (): void => {
      this.ready = true;
    };
    const options = { switches: UPSTREAM_USERLAND, onReady, ...this.#options };
    this.program = Program.start(kernel, { name: 'tee-supplicant', daemon: true }, (program) => {
      this.supplicant = new TeeSupplicant(program, options);
      return this.supplicant.main();
    });
    kernel.sched.runReady();
    return this;
  }

  /** Its exit code, if it has exited. */
  get code(): number | undefined {
    const status = this.program.process.exitStatus;
    return status?.kind === 'exited' ? status.code : undefined;
  }

  /** The signal that killed it, if one has. */
  get signal(): number | undefined {
    const status = this.program.process.exitStatus;
    return status?.kind === 'killed' ? status.signal : undefined;
  }

  /** Has the secure world ask; returns the answer, or undefined when there was none. */
  ask(func: number, ...params: readonly TeeParam[]): Answer | undefined {
    const { answers } = this.box.fake;
    const before = answers.length;
    this.#ids += 1;
    this.box.fake.request(func, [meta(this.#ids), ...params]);
    this.box.kernel.sched.runReady();
    const answer = answers[before];
    if (answer === undefined) return undefined;
    return { ret: answer.ret, params: answer.params.slice(1).map(decode) };
  }

  /** The result of a request that is answered. */
  result(func: number, ...params: readonly TeeParam[]): number | undefined {
    return this.ask(func, ...params)?.ret;
  }

  /** A buffer that the supplicant lends. */
  alloc(size: number): TeeShm {
    const answer = this.ask(OPTEE_RPC_CMD_SHM_ALLOC, param(VALUE, { bLo: size }));
    assert.equal(answer?.ret, TEEC_SUCCESS);
    return this.box.priv.idr.get(answer.params[0]!.c)!;
  }

  /** A reference to lent memory that holds these bytes; `name` tells buffers of one request apart. */
  memref(attr: number, data: string | Uint8Array, name = 'buffer', offset = 16): TeeParam {
    const bytes = typeof data === 'string' ? new TextEncoder().encode(data) : data;
    return this.room(attr, bytes.length, name, offset, bytes);
  }

  /** A reference to `size` bytes of lent memory. */
  room(attr: number, size: number, name = 'buffer', offset = 16, bytes?: Uint8Array): TeeParam {
    const shm = this.#buffer(name, offset + size + 16);
    if (bytes !== undefined) {
      const map = shm.map(offset, size, 'write');
      map.bytes.set(bytes);
      map.writeBack();
    }
    return param(attr, { shm, shmOffs: offset, size });
  }

  /** What stands in lent memory. */
  bytes(length: number, name = 'buffer', offset = 16): Uint8Array {
    return new Uint8Array(this.#buffers.get(name)!.map(offset, length, 'read').bytes);
  }
  text(length: number, name = 'buffer'): string {
    return new TextDecoder().decode(this.bytes(length, name));
  }

  /** The supplicant is killed; what is left would leak. */
  async held(): Promise<Readonly<Record<string, number>>> {
    await this.program.exit();
    return this.box.held();
  }

  #buffer(name: string, size: number): TeeShm {
    const known = this.#buffers.get(name);
    if (known !== undefined && known.size >= size) return known;
    const made = this.alloc(Math.max(8192, size));
    this.#buffers.set(name, made);
    return made;
  }
}

/** Values and size of a parameter as the fake driver has noted it. */
function decode(text: string): AnswerParam {
  const words = text.split(' ');
  const [a = 0, b = 0, c = 0] = [2, 4, 6].map((n) => parseInt(words[n]!, 16));
  return { a, b, c, size: Number(words[9]) };
}

/** A directory with files. */
export function directory(files: Readonly<Record<string, Uint8Array>>): MemoryStore {
  const store = new MemoryStore();
  for (const [name, bytes] of Object.entries(files)) {
    store.createFile(name);
    store.write(name, 0, bytes);
  }
  return store;
}
