/** For tests: boxes with kernel clients, and programs that keep keys. */
import { fileURLToPath } from 'node:url';
import trustedKeysTa from '../../../../examples/trusted_keys/ta.ts';
import { KEYCTL_DESCRIBE, KEYCTL_READ, KEY_SPEC_SESSION_KEYRING } from '../../../abi/keyctl.ts';
import { Box } from '../../../box/box.ts';
import type { BoxOptions } from '../../../box/box.ts';
import { nodeHost } from '../../../host/node/host.ts';
import { va } from '../../../machine/address.ts';
import type { Va } from '../../../machine/address.ts';
import type { TaImage } from '../../../ta/runtime.ts';
import { taImageOf } from '../../../ta/typescript/image.ts';
import type { Program } from '../../process/program.ts';

const path = fileURLToPath(new URL('../../../../examples/trusted_keys/ta.ts', import.meta.url));
export const TRUSTED_KEYS_TA: TaImage = taImageOf({ default: trustedKeysTa }, path);

export const boot = (options: BoxOptions): Box => new Box(nodeHost(), options);

export const bootTrusted = (options: BoxOptions = {}): Box =>
  boot({ tas: [TRUSTED_KEYS_TA], kernelClients: ['trusted'], ...options });

const BUFFER_BYTES = 4096;
const utf8 = new TextEncoder();

/** keyctl(1), about. Results are those of the system calls. */
export class KeyUser {
  readonly program: Program;
  readonly buffer: Va;

  constructor(program: Program) {
    this.program = program;
    this.buffer = program.memory.malloc(BUFFER_BYTES);
  }

  text(text: string): Va {
    const bytes = utf8.encode(`${text}\0`);
    const at = this.program.memory.malloc(bytes.length);
    this.program.memory.write(at, bytes);
    return at;
  }

  async add(
    description: string,
    payload: string | Uint8Array,
    { type = 'trusted', ring = KEY_SPEC_SESSION_KEYRING } = {},
  ): Promise<number> {
    const { memory, sys } = this.program;
    const bytes = typeof payload === 'string' ? utf8.encode(payload) : payload;
    const at = bytes.length === 0 ? va(0) : memory.malloc(bytes.length);
    if (bytes.length > 0) memory.write(at, bytes);
    const call = sys.addKey(this.text(type), this.text(description), at, bytes.length, ring);
    return await this.program.run(call);
  }

  async keyctl(option: number, ...args: readonly number[]): Promise<number> {
    return await this.program.run(this.program.sys.keyctl(option, ...args));
  }

  /** What a call leaves in the buffer, as text; its errno otherwise. */
  async #shown(option: number, key: number): Promise<string | number> {
    const length = await this.keyctl(option, key, this.buffer, BUFFER_BYTES);
    if (length < 0) return length;
    return new TextDecoder().decode(this.program.memory.read(this.buffer, length));
  }

  read(key: number): Promise<string | number> {
    return this.#shown(KEYCTL_READ, key);
  }

  describe(key: number): Promise<string | number> {
    return this.#shown(KEYCTL_DESCRIBE, key);
  }

  async exit(box: Box): Promise<void> {
    await this.program.exit();
    await box.settle();
  }
}
