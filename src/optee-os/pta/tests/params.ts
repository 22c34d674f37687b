/**
 * The test of parameters: what it does is told by their types alone.
 *
 * Upstream counterpart: optee_os core/pta/tests/invoke.c (test_entry_params). Left out: translating
 * addresses there and back.
 */
import {
  TEE_ERROR_BAD_PARAMETERS,
  TEE_NUM_PARAMS,
  TEE_PARAM_TYPE_GET,
  TEE_PARAM_TYPE_MEMREF_INOUT,
  TEE_PARAM_TYPE_NONE,
  TEE_PARAM_TYPE_VALUE_INOUT,
  TEE_PARAM_TYPE_VALUE_INPUT,
  TEE_PARAM_TYPE_VALUE_OUTPUT,
  TEE_SUCCESS,
} from '../../../abi/gp.ts';
import type { Guest } from '../../guest.ts';
import type { PtaCall, PtaParam } from '../../kernel/pseudo-ta.ts';

/** One parameter of a type, three of another. */
interface Case {
  readonly type: number;
  readonly others: number;
  readonly run: (one: PtaParam, others: readonly PtaParam[]) => void;
}

const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0) >>> 0;

const CASES: readonly Case[] = [
  {
    type: TEE_PARAM_TYPE_VALUE_INOUT,
    others: TEE_PARAM_TYPE_NONE,
    run: (one) => {
      one.a = sum([one.a, one.b]);
    },
  },
  {
    type: TEE_PARAM_TYPE_VALUE_OUTPUT,
    others: TEE_PARAM_TYPE_VALUE_INPUT,
    run: (one, others) => {
      one.a = sum(others.map(({ a }) => a));
      one.b = sum(others.map(({ b }) => b));
    },
  },
  {
    type: TEE_PARAM_TYPE_MEMREF_INOUT,
    others: TEE_PARAM_TYPE_NONE,
    run: ({ bytes }) => {
      bytes[0] = sum([...bytes]);
    },
  },
];

/** test_entry_params() @throws the core's panic where it would write to NULL */
export function entryParams({ nexus }: Guest, { thread, types, params }: PtaCall): number {
  const all = Array.from({ length: TEE_NUM_PARAMS }, (_, n) => TEE_PARAM_TYPE_GET(types, n));
  for (const { type, others, run } of CASES) {
    const n = all.indexOf(type);
    if (n < 0 || all.some((other, i) => i !== n && other !== others)) continue;
    const one = params[n]!;
    if (type === TEE_PARAM_TYPE_MEMREF_INOUT && one.bytes.length === 0) {
      throw nexus.panic(thread, 'test_entry_params', 'data-abort at address 0x0');
    }
    run(
      one,
      params.filter((param) => param !== one),
    );
    return TEE_SUCCESS;
  }
  nexus.log.emsg(thread, 'test_entry_params', 'unexpected parameters');
  return TEE_ERROR_BAD_PARAMETERS;
}
