/** What is asked of a supplicant, from the call that waits for it to the answer. */
import { EBADF, EINVAL, ENOENT } from '../../src/abi/errno.ts';
import { TEE_ERROR_COMMUNICATION, TEE_ORIGIN_TEE } from '../../src/abi/gp.ts';
import type { SessionAnswer } from './model.ts';
import { lowestFree } from './state.ts';

/** Parameters of the request that a client makes by opening a session: UUID and file. */
const LOAD_TA_PARAMS = 2;

/** Room that a supplicant offers for a request: parameters for it, and META in front, or none. */
export interface Room {
  readonly params: number;
  readonly meta: boolean;
  /** What stands in them: NONE as it must be, or something else. */
  readonly filled: 'none' | 'value' | 'memref';
}

/** An answer of a supplicant: parameters, and META with an id in front, or none. */
export interface Sent {
  readonly id: number;
  readonly params: number;
  readonly meta: boolean;
}

/** A client that waits for a TA that nobody has. */
export class Asker {
  readonly session: number;
  id = 0;
  state: 'queued' | 'received' | 'answered' | 'dead' = 'queued';
  answer: SessionAnswer | undefined;

  constructor(session: number) {
    this.session = session;
  }
}

export class Requests {
  /** Those that wait, in the order of their asking. */
  readonly #askers: Asker[] = [];
  /** By id; one whose asker is dead keeps its id until it is answered. */
  readonly #byId = new Map<number, Asker>();
  /** What was received without META: there is no other until it is answered. */
  #only: Asker | undefined;
  readonly #ended: (asker: Asker) => void;

  /** @param ended hears of askers that wait no longer. */
  constructor(ended: (asker: Asker) => void) {
    this.#ended = ended;
  }

  /** Ids that an answer may name. */
  get ids(): readonly number[] {
    return [...this.#byId.keys()];
  }

  /** @param session what it will be called if it is opened. */
  add(session: number): Asker {
    const asker = new Asker(session);
    asker.id = lowestFree((id) => this.#byId.has(id));
    this.#byId.set(asker.id, asker);
    this.#askers.push(asker);
    return asker;
  }

  kill(asker: Asker): void {
    if (asker.state === 'queued') this.#byId.delete(asker.id);
    this.#end(asker, 'dead');
  }

  wouldSleep(room: Room): boolean {
    return this.#error(room) === 0 && this.#first() === undefined;
  }

  /** @returns an id, or a negative errno. */
  receive(room: Room): number {
    const error = this.#error(room);
    if (error !== 0) return error;
    if (room.params < LOAD_TA_PARAMS) return -EINVAL;
    const asker = this.#first()!;
    asker.state = 'received';
    if (!room.meta) this.#only = asker;
    return asker.id;
  }

  send({ id, params, meta }: Sent, ret: number): number {
    const count = params + (meta ? 1 : 0);
    if (count === 0) return -EINVAL;
    if (this.#only !== undefined) return this.#settle(this.#only, count, ret);
    if (!meta) return -EINVAL;
    const asker = this.#byId.get(id);
    if (asker === undefined || asker.state === 'queued') return -ENOENT;
    return this.#settle(asker, params, ret);
  }

  /** The supplicant has gone. */
  abort(): void {
    this.#only = undefined;
    for (const asker of [...this.#askers]) this.#answer(asker, TEE_ERROR_COMMUNICATION);
    this.#byId.clear();
  }

  #error({ params, meta, filled }: Room): number {
    const sound = params === 0 ? meta : filled === 'none';
    return sound && this.#only === undefined ? 0 : -EINVAL;
  }

  #first(): Asker | undefined {
    return this.#askers.find(({ state }) => state === 'queued');
  }

  /** @param count parameters of the answer. */
  #settle(asker: Asker, count: number, ret: number): number {
    if (asker.state === 'dead') {
      this.#byId.delete(asker.id);
      this.#only = undefined;
      return -EBADF;
    }
    if (count !== LOAD_TA_PARAMS) return -EINVAL;
    this.#only = undefined;
    this.#answer(asker, ret);
    return 0;
  }

  #answer(asker: Asker, ret: number): void {
    this.#byId.delete(asker.id);
    asker.answer = { rc: 0, ret, origin: TEE_ORIGIN_TEE, session: 0 };
    this.#end(asker, 'answered');
  }

  #end(asker: Asker, state: 'answered' | 'dead'): void {
    asker.state = state;
    this.#askers.splice(this.#askers.indexOf(asker), 1);
    this.#ended(asker);
  }
}
