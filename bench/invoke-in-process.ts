/**
 * The empty invoke, client and TA in TypeScript in one process, through every layer between them:
 * libteec, system call, TEE subsystem, OP-TEE driver, SMC, secure world, TA. The peer is as many
 * plain calls as there are layers.
 */
import { NoopClient, bootNoop } from './noop-client.ts';
import { atMost } from './row.ts';
import type { Row } from './row.ts';
import { beside, work } from './samples.ts';

const LAYERS = 10;

export async function* invokeInProcess(): AsyncGenerator<Row> {
  using box = bootNoop();
  const noop = new NoopClient(box);
  const invoke = work('invoke-empty-in-process', () => noop.invoke());
  yield await beside(invoke, plainCalls(), { goal: atMost(2), ms: 2500 });
}

function plainCalls() {
  let sum = 0;
  const top = layers(LAYERS, (n) => n + 1);
  return work(`${LAYERS} plain calls`, () => {
    sum = top(sum) | 0;
  });
}

type Layer = (n: number) => number;

/** Functions that call one another, and do something before and after. */
function layers(depth: number, innermost: Layer): Layer {
  let next = innermost;
  for (let n = 1; n < depth; n++) {
    const below = next;
    next = (x) => (below(x ^ n) + n) | 0;
  }
  return next;
}
