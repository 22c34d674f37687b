/**
 * A box whose supplicant is asked by the test in the secure world's place: the built-in one, or a
 * native one. Both stand on a directory of the host.
 */
import assert from 'node:assert/strict';
import { OPTEE_RPC_CMD_SHM_ALLOC } from '../../src/abi/optee-rpc.ts';
import { TEEC_SUCCESS } from '../../src/abi/gp.ts';
import { TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INOUT } from '../../src/abi/tee.ts';
import { Box } from '../../src/box/box.ts';
import { DirectoryStore } from '../../src/host/node/directory-store.ts';
import { nodeHost } from '../../src/host/node/host.ts';
import { TeeParam } from '../../src/linux/tee/tee-drv.ts';
import type { TeeShm } from '../../src/linux/tee/tee-shm.ts';
import { Supervisor } from '../../src/native/supervisor.ts';
import type { NativeProgram } from '../../src/native/supervisor.ts';
import type { Co } from '../../src/sched/task.ts';
import syslog from '../../examples/plugins/syslog-plugin.ts';

/** Directories of the host that a supplicant stands on. */
export interface Directories {
  readonly tas: string;
  readonly storage: string;
}

/** The answer to a request. */
export interface Answer {
  readonly ret: number;
  readonly params: readonly TeeParam[];
}

const BUFFER_BYTES = 16384;

export class Asked {
  readonly #box: Box;
  /** Runs the box until the condition holds. */
  readonly until: (condition: () => boolean) => Promise<void>;
  readonly close: () => Promise<void>;
  readonly #buffers = new Map<string, TeeShm>();

  private constructor(
    box: Box,
    until: (condition: () => boolean) => Promise<void>,
    close: () => Promise<void>,
  ) {
    this.#box = box;
    this.until = until;
    this.close = close;
  }

  static builtin({ tas, storage }: Directories): Asked {
    const box = new Box(nodeHost(), {
      live: true,
      net: 'host',
      taStore: new DirectoryStore(tas),
      stateStore: new DirectoryStore(storage),
      plugins: [{ ...syslog, invoke: quiet(syslog.invoke) }],
    });
    const until = async (condition: () => boolean): Promise<void> => {
      while (!condition()) {
        await box.settle();
        await box.host.turn();
      }
    };
    return new Asked(box, until, async () => box.dispose());
  }

  /** @param command what starts it; its directories are added. */
  static async native(command: string, { tas, storage }: Directories): Promise<Asked> {
    const host = nodeHost();
    const box = new Box(host, { live: true, supplicant: 'none' });
    const supervisor = await Supervisor.start(box.kernel, host);
    const line = `exec ${command} --ta-path ${tas} --fs-parent-path ${storage}`;
    let program: NativeProgram | undefined;
    const request = { argv: ['/bin/sh', '-c', line], cwd: tas, env: {}, stdio: [0, 2, 2] as const };
    void supervisor.spawn(request).then((started) => (program = started));
    await supervisor.run(() => program !== undefined);
    const waits = (): boolean =>
      box.sched.blocked().some(({ blocked }) => blocked?.site === 'optee_supp_recv');
    await supervisor.run(() => waits() || program?.exit !== undefined);
    assert.equal(program?.exit, undefined, 'the supplicant runs');
    return new Asked(
      box,
      (condition) => supervisor.run(condition),
      async () => {
        supervisor.killAll();
        await supervisor.run(() => program?.exit !== undefined);
        await supervisor.close();
        box.dispose();
      },
    );
  }

  /** Threads of the supplicant that wait for a request. */
  get waiting(): number {
    const waits = this.#box.sched.blocked().map((task) => task.blocked?.site);
    return waits.filter((site) => site === 'optee_supp_recv').length;
  }

  async ask(func: number, ...params: readonly TeeParam[]): Promise<Answer> {
    const [answer] = await this.askAll([func, params]);
    return answer!;
  }

  /** Several requests at the same time. */
  async askAll(...all: readonly (readonly [number, readonly TeeParam[]])[]): Promise<Answer[]> {
    const { optee, sched } = this.#box;
    const answers: (Answer | undefined)[] = all.map(() => undefined);
    all.forEach(([func, params], n) => {
      const body = function* (): Co<void> {
        answers[n] = { ret: yield* optee.supp.thrdReq(optee.ctx, func, params), params };
      };
      sched.spawn('secure world', body());
    });
    await this.until(() => answers.every((answer) => answer !== undefined));
    return answers.filter((answer) => answer !== undefined);
  }

  /** A reference to a lent buffer that holds these bytes; `name` tells buffers apart. */
  async memref(attr: number, content: string | Uint8Array, name = 'buffer'): Promise<TeeParam> {
    const bytes = typeof content === 'string' ? new TextEncoder().encode(content) : content;
    const shm = await this.#buffer(name);
    const map = shm.map(0, Math.max(1, bytes.length), 'write');
    map.bytes.set(bytes);
    map.writeBack();
    return Object.assign(new TeeParam(), { attr, shm, shmOffs: 0, size: bytes.length });
  }

  async #buffer(name: string): Promise<TeeShm> {
    const known = this.#buffers.get(name);
    if (known !== undefined) return known;
    const value = Object.assign(new TeeParam(), {
      attr: TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INOUT,
      bLo: BUFFER_BYTES,
    });
    const { ret } = await this.ask(OPTEE_RPC_CMD_SHM_ALLOC, value);
    assert.equal(ret, TEEC_SUCCESS);
    const shm = this.#box.optee.suppTeedev.idr.get(value.cLo);
    assert.ok(shm !== undefined);
    this.#buffers.set(name, shm);
    return shm;
  }
}

/** The plugin's answer without its line. */
const quiet =
  (invoke: typeof syslog.invoke): typeof syslog.invoke =>
  (cmd, subCmd) =>
    invoke(cmd, subCmd, new Uint8Array(0), 0);
