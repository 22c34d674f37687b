/**
 * Supplicants and TAs that do what they must not: what their clients are told, that others do not
 * notice, and that nothing is left. Upstream's bugs are switched off.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SIGKILL } from '../../src/abi/fcntl.ts';
import {
  TEEC_LOGIN_PUBLIC,
  TEE_ERROR_COMMUNICATION,
  TEE_ERROR_OUT_OF_MEMORY,
  TEE_ERROR_SECURITY,
  TEE_ERROR_SHORT_BUFFER,
  TEE_ERROR_TARGET_DEAD,
  TEE_ORIGIN_TEE,
  TEE_ORIGIN_TRUSTED_APP,
  TEE_SUCCESS,
} from '../../src/abi/gp.ts';
import { OPTEE_RPC_CMD_LOAD_TA, OPTEE_RPC_CMD_SHM_ALLOC } from '../../src/abi/optee-rpc.ts';
import { PROFILES, boot, taImageOf, withoutQuirks } from '../../src/index.ts';
import type { Profile } from '../../src/index.ts';
import type { Program } from '../../src/linux/process/program.ts';
import { defineTa } from '../../src/ta/index.ts';
import type { Tee } from '../../src/ta/index.ts';
import { LibTeec } from '../../src/userland/libteec/libteec.ts';
import type { SupplicantFaults } from '../../src/userland/tee-supplicant/faults.ts';
import { finish, settled } from './after.ts';
import { client, increment } from './clients.ts';
import { brokenTa } from './scenarios.ts';
import { Stage } from './stage.ts';
import { MANY_UUID, MISSING_UUID } from './tas.ts';

const profiles: readonly Profile[] = Object.values(PROFILES).map(withoutQuirks);

/** The file that is looked for, bytes. */
const FILE_BYTES = 5000;

interface FaultCase {
  readonly what: string;
  readonly faults: SupplicantFaults;
  /** What a client is told whose TA is looked for; undefined when it is told nothing. */
  readonly result: number | undefined;
  /** How the supplicant is afterwards. */
  readonly leaves?: boolean;
}

const only = [OPTEE_RPC_CMD_LOAD_TA];
const lending = [OPTEE_RPC_CMD_SHM_ALLOC];

/** A file that is no TA is TEE_ERROR_SECURITY when all goes as it should. */
const FAULTS: readonly FaultCase[] = [
  { what: 'is slow', faults: { slowNs: 1e9 }, result: TEE_ERROR_SECURITY },
  { what: 'answers twice', faults: { answersTwice: true }, result: TEE_ERROR_SECURITY },
  { what: 'never answers', faults: { neverAnswers: true }, result: undefined },
  {
    what: 'dies when it is asked for the size of the file',
    faults: { diesAtRequest: 1 },
    result: TEE_ERROR_COMMUNICATION,
    leaves: true,
  },
  {
    what: 'dies when it is asked for memory',
    faults: { diesAtRequest: 2 },
    result: TEE_ERROR_OUT_OF_MEMORY,
    leaves: true,
  },
  {
    what: 'dies when it is asked for the file',
    faults: { diesAtRequest: 3 },
    result: TEE_ERROR_COMMUNICATION,
    leaves: true,
  },
  {
    what: 'dies when it is given its memory back',
    faults: { diesAtRequest: 4 },
    result: TEE_ERROR_SECURITY,
    leaves: true,
  },
  {
    what: 'says that the file is larger than it is',
    faults: { only, liesAboutSizeBytes: 1 },
    result: TEE_ERROR_SECURITY,
  },
  {
    what: 'says that the file is smaller than it is',
    faults: { only, liesAboutSizeBytes: -1 },
    result: TEE_ERROR_SHORT_BUFFER,
  },
  {
    what: 'says that the file is larger than any memory',
    faults: { only, liesAboutSizeBytes: 2 ** 40 },
    result: TEE_ERROR_OUT_OF_MEMORY,
  },
  {
    what: 'lends more memory than it is asked for',
    faults: { only: lending, liesAboutSizeBytes: 10_000 },
    result: TEE_ERROR_SECURITY,
  },
  {
    what: 'lends less memory than it is asked for',
    faults: { only: lending, liesAboutSizeBytes: -FILE_BYTES + 1 },
    result: TEE_ERROR_OUT_OF_MEMORY,
  },
];

/** A client whose TA is looked for; `seen` has what it is told. */
function looksForTa(stage: Stage): { readonly program: Program; result: number | undefined } {
  const seen: { program: Program; result: number | undefined } = {
    program: stage.client('client', function* (program) {
      const lib = new LibTeec(program);
      const { context } = yield* lib.initializeContext();
      const open = yield* lib.openSession(context, MISSING_UUID, TEEC_LOGIN_PUBLIC);
      seen.result = open.result;
    }),
    result: undefined,
  };
  return seen;
}

for (const profile of profiles) {
  describe(`a supplicant that goes wrong, ${profile.name}`, () => {
    for (const { what, faults, result, leaves = false } of FAULTS) {
      it(what, () => {
        const ending = { options: () => ({ taStore: brokenTa() }) };
        const stage = new Stage(profile, ending.options(), 0);
        const supplicant = stage.supplicant({ faults });
        const seen = looksForTa(stage);
        stage.client('other', client(MANY_UUID, increment));
        settled(stage);
        assert.equal(seen.result, result);
        assert.equal(supplicant.process.exitStatus !== undefined, leaves);
        if (result === undefined) {
          seen.program.kill(SIGKILL);
          stage.victim = seen.program;
          supplicant.kill(SIGKILL);
          settled(stage);
        }
        finish(stage, ending);
      });
    }
  });
}

// --- TAs

const TA_UUID = '1f1c3a62-0c5e-4b0e-9d35-5a7b11c6d005';

/** How a TA ends that is no good, wherever it is. */
const BREAKDOWNS: Readonly<Record<string, (tee: Tee) => number | Promise<number>>> = {
  throws: () => {
    throw new Error('on purpose');
  },
  'rejects a promise': async () => {
    throw new Error('on purpose');
  },
  panics: (tee) => tee.TEE_Panic(1),
  'awaits what never comes': () => new Promise<number>(() => {}),
};

const NONSENSE: Readonly<Record<string, () => number>> = {
  'returns text': () => JSON.parse('"nonsense"') as number,
  'returns a fraction': () => 0.5,
  'returns nothing': () => JSON.parse('{}').result as number,
};

const ENTRIES = ['create', 'open', 'invoke', 'close', 'destroy'] as const;
type Entry = (typeof ENTRIES)[number];

/** A TA that is fine but for one entry point. */
function brokenIn(entry: Entry, how: (tee: Tee) => number | Promise<number>) {
  return defineTa({ uuid: TA_UUID }, (tee) => {
    const at = (name: Entry): number | Promise<number> => (name === entry ? how(tee) : TEE_SUCCESS);
    return {
      TA_CreateEntryPoint: () => at('create'),
      TA_OpenSessionEntryPoint: () => at('open'),
      TA_InvokeCommandEntryPoint: () => at('invoke'),
      TA_CloseSessionEntryPoint: async () => void (await at('close')),
      TA_DestroyEntryPoint: async () => void (await at('destroy')),
    };
  });
}

const DEAD = [TEE_ERROR_TARGET_DEAD, TEE_ORIGIN_TEE];
const FINE = [TEE_SUCCESS, TEE_ORIGIN_TRUSTED_APP];

/** What a client is told of a TA that is broken in an entry point. */
async function talk(profile: Profile, entry: Entry, how: (tee: Tee) => number | Promise<number>) {
  const tas = [brokenIn(entry, how), defineTa({ uuid: MANY_UUID }, GOOD)];
  using box = boot({ profile, tas: tas.map((ta) => taImageOf(ta, 'test')) });
  const me = box.client();
  const { context } = await me.TEEC_InitializeContext();
  const seen: number[][] = [];
  const open = await me.TEEC_OpenSession(context, TA_UUID, TEEC_LOGIN_PUBLIC);
  seen.push([open.result, open.origin]);
  if (open.result === TEE_SUCCESS) {
    for (let n = 0; n < 2; n++) {
      const { result, origin } = await me.TEEC_InvokeCommand(open.session, 0);
      seen.push([result, origin]);
    }
    await me.TEEC_CloseSession(open.session);
  }
  const other = await me.TEEC_OpenSession(context, MANY_UUID, TEEC_LOGIN_PUBLIC);
  assert.equal(other.result, TEE_SUCCESS, 'another TA');
  assert.equal((await me.TEEC_InvokeCommand(other.session, 0)).result, TEE_SUCCESS);
  await me.TEEC_FinalizeContext(context);
  await me.program.exit();
  await box.settle();
  assert.equal(box.halted, undefined);
  assert.deepEqual(box.leaks(), []);
  return seen;
}

const GOOD = () => ({
  TA_CreateEntryPoint: () => TEE_SUCCESS,
  TA_OpenSessionEntryPoint: () => TEE_SUCCESS,
  TA_InvokeCommandEntryPoint: () => TEE_SUCCESS,
  TA_CloseSessionEntryPoint() {},
  TA_DestroyEntryPoint() {},
});

/** What is told, by the entry point that is broken: the open, then two calls. */
const TOLD: Readonly<Record<Entry, readonly (readonly number[])[]>> = {
  create: [DEAD],
  open: [DEAD],
  invoke: [FINE, DEAD, DEAD],
  close: [FINE, FINE, FINE],
  destroy: [FINE, FINE, FINE],
};

for (const profile of profiles) {
  describe(`a TA that goes wrong, ${profile.name}`, () => {
    for (const entry of ENTRIES) {
      const returns = entry === 'create' || entry === 'open' || entry === 'invoke';
      const ways = returns ? { ...BREAKDOWNS, ...NONSENSE } : BREAKDOWNS;
      it(`in ${entry}: ${Object.keys(ways).join(', ')}`, async () => {
        for (const [what, how] of Object.entries(ways)) {
          assert.deepEqual(await talk(profile, entry, how), TOLD[entry], what);
        }
      });
    }
  });
}
