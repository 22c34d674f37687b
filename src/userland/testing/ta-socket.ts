/** For tests: a socket of a TA, with text instead of buffers. */
import { TEE_TIMEOUT_INFINITE as INFINITE } from '../../abi/gp.ts';
import { TEE_IP_VERSION_DC } from '../../abi/gp-socket.ts';
import { memref, ref } from '../../ta/gp/types.ts';
import type { TEE_iSocket, TEE_iSocketHandle } from '../../ta/gp/types.ts';

export class TaSocket {
  readonly #api: TEE_iSocket;
  readonly #handle = ref<TEE_iSocketHandle>(0 as TEE_iSocketHandle);
  readonly #protocolError = ref(0);

  constructor(api: TEE_iSocket) {
    this.#api = api;
  }

  /** @returns the TEE_Result, and the protocol's error. */
  async open(address: string, port: number, ipVersion: number = TEE_IP_VERSION_DC) {
    const setup = { ipVersion, server_addr: address, server_port: port };
    const result = await this.#api.open(this.#handle, setup, this.#protocolError);
    return [result, this.#protocolError.value] as const;
  }

  /** @returns the TEE_Result, and how many bytes went. */
  async send(text: string, timeout = INFINITE) {
    const buf = memref(new TextEncoder().encode(text));
    const result = await this.#api.send(this.#handle.value, buf, timeout);
    return [result, buf.size] as const;
  }

  /** @returns the TEE_Result, what came, and the length that was told. */
  async recv(room: number, timeout = INFINITE) {
    const bytes = new Uint8Array(room);
    const buf = memref(bytes);
    const result = await this.#api.recv(this.#handle.value, buf, timeout);
    const text = new TextDecoder().decode(bytes.subarray(0, Math.min(buf.size, room)));
    return [result, text, buf.size] as const;
  }

  async ioctl(command: number, bytes: Uint8Array): Promise<number> {
    return await this.#api.ioctl(this.#handle.value, command, memref(bytes));
  }

  async close(): Promise<number> {
    return await this.#api.close(this.#handle.value);
  }

  /** What the last call came to. */
  get error(): number {
    return this.#api.error(this.#handle.value);
  }
}
