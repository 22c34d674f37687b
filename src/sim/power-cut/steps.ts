/**
 * What a TA does to its objects before the power goes, and what each step makes of them: a run of
 * every kind of change, in an order that a seed draws.
 */
import { SeededRandom } from '../../sched/random.ts';
import { CREATE, REMOVE, RENAME, TRUNCATE, WRITE } from './storage-ta.ts';

/** The objects that there are, by id. */
export type Objects = ReadonlyMap<string, Uint8Array>;

/** One call of the TA. */
export interface Step {
  readonly text: string;
  readonly command: number;
  readonly id: string;
  /** Contents, or the new id. */
  readonly data: Uint8Array;
  readonly value: number;
  /** What there is when it has succeeded. */
  readonly after: Objects;
}

/** Names and sizes are few, so that steps meet: one block, two, and a tree with inner nodes. */
const IDS = ['alpha', 'beta', 'gamma'] as const;
const SIZES = [0, 40, 4096, 5000, 12_400] as const;

/** So many steps from a seed; the first makes an object. */
export function stepsOf(seed: number, count: number): readonly Step[] {
  const draw = new Draw(seed);
  const steps: Step[] = [];
  let objects: Objects = new Map();
  while (steps.length < count) {
    const step = draw.step(objects);
    steps.push(step);
    objects = step.after;
  }
  return steps;
}

class Draw {
  readonly #random: SeededRandom;

  constructor(seed: number) {
    this.#random = new SeededRandom(seed);
  }

  step(objects: Objects): Step {
    const ids = [...objects.keys()];
    const kinds = ids.length === 0 ? [create] : [create, write, write, truncate, rename, remove];
    return this.oneOf(kinds)(this, objects, ids);
  }

  oneOf<T>(items: readonly T[]): T {
    return items[this.#random.below(items.length)]!;
  }

  bytes(length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    this.#random.fill(bytes);
    return bytes;
  }
}

type Kind = (draw: Draw, objects: Objects, ids: readonly string[]) => Step;

/** An object that exists is replaced. */
const create: Kind = (draw, objects) => {
  const [id, data] = [draw.oneOf(IDS), draw.bytes(draw.oneOf(SIZES))];
  const text = `${objects.has(id) ? 'replace' : 'create'} ${id} with ${data.length} bytes`;
  return { text, command: CREATE, id, data, value: 0, after: new Map(objects).set(id, data) };
};

const write: Kind = (draw, objects, ids) => {
  const id = draw.oneOf(ids);
  const before = objects.get(id)!;
  const at = draw.oneOf([0, before.length, Math.floor(before.length / 2)]);
  const data = draw.bytes(draw.oneOf([1, 100, 4096]));
  const grown = new Uint8Array(Math.max(before.length, at + data.length));
  grown.set(before);
  grown.set(data, at);
  const text = `write ${data.length} bytes at ${at} of ${id}`;
  return { text, command: WRITE, id, data, value: at, after: new Map(objects).set(id, grown) };
};

const truncate: Kind = (draw, objects, ids) => {
  const id = draw.oneOf(ids);
  const before = objects.get(id)!;
  const length = draw.oneOf([0, Math.floor(before.length / 2), before.length + 100]);
  const cut = new Uint8Array(length);
  cut.set(before.subarray(0, length));
  const text = `truncate ${id} to ${length} bytes`;
  const after = new Map(objects).set(id, cut);
  return { text, command: TRUNCATE, id, data: new Uint8Array(0), value: length, after };
};

const rename: Kind = (draw, objects, ids) => {
  const free = IDS.filter((id) => !objects.has(id));
  if (free.length === 0) return remove(draw, objects, ids);
  const [id, to] = [draw.oneOf(ids), draw.oneOf(free)];
  const after = new Map([...objects].map(([name, bytes]) => [name === id ? to : name, bytes]));
  const text = `rename ${id} to ${to}`;
  return { text, command: RENAME, id, data: new TextEncoder().encode(to), value: 0, after };
};

const remove: Kind = (draw, objects, ids) => {
  const id = draw.oneOf(ids);
  const after = new Map([...objects].filter(([name]) => name !== id));
  return { text: `remove ${id}`, command: REMOVE, id, data: new Uint8Array(0), value: 0, after };
};
