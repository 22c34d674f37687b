/**
 * The supplicant's part of a case: requests received, answers sent.
 *
 * Before OP-TEE asks for a TA it looks for it in secure storage (CFG_SECSTOR_TA, on by default): it
 * borrows memory from the supplicant, asks for files, and gives the memory back when the call ends.
 * None of that is what a case is about, and how much there is of it is the device's affair: what comes
 * before LOAD_TA is counted first, in a call that looks for the same TA.
 */
import assert from 'node:assert/strict';
import { TEE_ERROR_ITEM_NOT_FOUND, TEE_SUCCESS } from '../../src/abi/gp.ts';
import {
  OPTEE_RPC_CMD_FS,
  OPTEE_RPC_CMD_LOAD_TA,
  OPTEE_RPC_CMD_SHM_ALLOC,
  OPTEE_RPC_CMD_SHM_FREE,
} from '../../src/abi/optee-rpc.ts';
import * as abi from '../../src/abi/tee.ts';
import type { UserParam } from '../../src/linux/tee/testing/params.ts';
import type { Caller, Reply, SuppReply } from './caller.ts';
import type { Case } from './suite.ts';

/** A TA that nobody has. */
export const NO_TA = 'deadbeef-0000-0000-0000-000000000000';

/** What a supplicant that works asynchronously offers: one META parameter and four others. */
export const OFFER: readonly UserParam[] = [
  { attr: abi.TEE_IOCTL_PARAM_ATTR_META },
  ...Array.from({ length: 4 }, () => ({ attr: abi.TEE_IOCTL_PARAM_ATTR_TYPE_NONE })),
];

async function receive(caller: Caller, fd: number): Promise<SuppReply> {
  const request = await caller.supplRecv(fd, OFFER);
  assert.equal(request.rc, 0);
  return request;
}

/** Receives a request, and answers it with a result alone. @returns the request */
export async function serveOne(caller: Caller, fd: number, ret: number): Promise<SuppReply> {
  const request = await receive(caller, fd);
  assert.equal(await caller.supplSend(fd, ret, request.params), 0);
  return request;
}

/** A process that has the privileged device open. It lends memory, and has neither files nor TAs. */
export class Supplicant {
  readonly caller: Caller;
  readonly fd: number;
  /** Memory that is lent: ids with their fds. */
  readonly #lent = new Map<bigint, number>();

  private constructor(caller: Caller, fd: number) {
    this.caller = caller;
    this.fd = fd;
  }

  static async of(c: Case): Promise<Supplicant> {
    const { caller, fd } = await c.supplicant();
    return new Supplicant(caller, fd);
  }

  /** Whether a request gives back what `answer` has lent. */
  isReturn({ func, params }: SuppReply): boolean {
    return func === OPTEE_RPC_CMD_SHM_FREE && this.#lent.has(params[1]!.b);
  }

  async answer({ func, params }: SuppReply): Promise<void> {
    const [meta, value] = params;
    if (func === OPTEE_RPC_CMD_SHM_ALLOC) {
      const id = await this.#lend(value!.b);
      await this.#send(TEE_SUCCESS, [meta!, { ...value!, c: id }]);
    } else if (func === OPTEE_RPC_CMD_SHM_FREE) {
      await this.#takeBack(value!.b);
      await this.#send(TEE_SUCCESS, params);
    } else {
      assert.ok(func === OPTEE_RPC_CMD_FS || func === OPTEE_RPC_CMD_LOAD_TA, `asked for ${func}`);
      await this.#send(TEE_ERROR_ITEM_NOT_FOUND, params);
    }
  }

  /** Receives a request and answers it. @returns the request */
  async serve(): Promise<SuppReply> {
    const request = await receive(this.caller, this.fd);
    await this.answer(request);
    return request;
  }

  /** Until all that is lent has come back. */
  async serveReturns(): Promise<void> {
    while (this.#lent.size > 0) assert.equal((await this.serve()).func, OPTEE_RPC_CMD_SHM_FREE);
  }

  /** As long as the process lives. */
  serveAll(): void {
    const forever = async (): Promise<never> => {
      for (;;) await this.serve();
    };
    forever().catch(() => {});
  }

  /** Registered: from Linux 6.9 on only may it come from SHM_ALLOC. */
  async #lend(size: bigint): Promise<bigint> {
    const shm = await this.caller.shmRegister(this.fd, await this.caller.map(Number(size)), size);
    assert.ok(shm.fd >= 0, `SHM_REGISTER: ${shm.rc}`);
    this.#lent.set(BigInt(shm.id), shm.fd);
    return BigInt(shm.id);
  }

  async #takeBack(id: bigint): Promise<void> {
    const fd = this.#lent.get(id);
    assert.ok(fd !== undefined, `SHM_FREE of ${id}`);
    this.#lent.delete(id);
    await this.caller.process.close(fd);
  }

  async #send(ret: number, params: readonly UserParam[]): Promise<void> {
    assert.equal(await this.caller.supplSend(this.fd, ret, params), 0);
  }
}

/** A client that opens a session with a TA that nobody has, and its supplicant. */
export interface Opening {
  readonly client: Caller;
  readonly supplicant: Supplicant;
  /** Of the supplicant, as is `fd`. */
  readonly caller: Caller;
  readonly fd: number;
  readonly reply: Promise<Reply>;
}

/** An opening of which the supplicant has received nothing yet. */
export async function opening(c: Case, given?: Supplicant): Promise<Opening> {
  const client = await c.client();
  const supplicant = given ?? (await Supplicant.of(c));
  const reply = client.caller.openSession(client.fd, { uuid: NO_TA });
  // A client may die before its reply; whoever waits for it is told nevertheless.
  reply.catch(() => {});
  return { client: client.caller, supplicant, caller: supplicant.caller, fd: supplicant.fd, reply };
}

/** An opening whose next request is LOAD_TA. */
export async function asked(c: Case): Promise<Opening> {
  const trial = await opening(c);
  let before = 0;
  while ((await trial.supplicant.serve()).func !== OPTEE_RPC_CMD_LOAD_TA) before++;
  await end(trial);
  const real = await opening(c, trial.supplicant);
  for (let n = 0; n < before; n++) await real.supplicant.serve();
  return real;
}

/** The client's reply when LOAD_TA has been answered: there is no such TA. */
export async function end({ supplicant, reply }: Opening): Promise<Reply> {
  await supplicant.serveReturns();
  assert.equal((await reply).ret, TEE_ERROR_ITEM_NOT_FOUND);
  return reply;
}

/** Answers LOAD_TA, so that the client ends as it should. */
export async function finish(real: Opening): Promise<Reply> {
  assert.equal((await real.supplicant.serve()).func, OPTEE_RPC_CMD_LOAD_TA);
  return end(real);
}
