/**
 * The kernel clients as modules, loaded by name as modprobe loads them: `trusted rng=kernel`. A
 * module of a TA that is not there is loaded all the same, and waits for it on the TEE bus.
 */
import type { Co } from '../../sched/task.ts';
import { KeyService } from '../keys/keyctl.ts';
import type { TeeSubsystem } from '../tee/tee-subsystem.ts';
import { HwRandom } from './hw-random/hwrng.ts';
import { OpteeRngDriver } from './hw-random/optee-rng.ts';
import { RngDevice } from './hw-random/rng-dev.ts';
import type { ClientSwitches } from './switches.ts';
import { TeeBnxtFw } from './tee-bnxt-fw.ts';
import { TrustedKeys } from './trusted-keys/trusted-core.ts';
import { TrustedTee } from './trusted-keys/trusted-tee.ts';

type Parameters = Readonly<Record<string, string>>;

interface Module {
  /** Names of parameters that it takes. */
  readonly parameters: readonly string[];
  /** module_init(): 0 or a negative errno. */
  load(clients: KernelClients, parameters: Parameters): Co<number>;
}

const MODULES = {
  trusted: {
    parameters: ['source', 'rng'],
    *load({ tee, switches, keys }, parameters) {
      const { source, rng } = parameters;
      const core = new TrustedKeys(tee.kernel, switches.maxBlobSize);
      const ops = new TrustedTee(tee, keys.keys, core.keyType, switches);
      return yield* core.init([{ name: 'tee', ops }], { source, rng });
    },
  },
  'optee-rng': {
    parameters: [],
    *load({ tee, switches }) {
      const core = new HwRandom(tee.kernel, switches);
      new RngDevice(core).register();
      return yield* tee.bus.registerDriver(new OpteeRngDriver(tee, core));
    },
  },
  tee_bnxt_fw: {
    parameters: [],
    *load({ tee, bnxt }) {
      return yield* tee.bus.registerDriver(bnxt);
    },
  },
} as const satisfies Readonly<Record<string, Module>>;

export type KernelClientName = keyof typeof MODULES;

/** A module's name, and its parameters: `trusted source=tee rng=kernel`. */
export type KernelClient = KernelClientName | `${KernelClientName} ${string}`;

export const KERNEL_CLIENTS = Object.keys(MODULES) as readonly KernelClientName[];

/** A request to load a module that cannot be: the message says what there is. */
export class UnknownKernelClient extends Error {
  override readonly name = 'UnknownKernelClient';
}

interface Request {
  readonly name: KernelClientName;
  readonly parameters: Parameters;
}

/** @throws UnknownKernelClient */
export function parseKernelClient(text: string): Request {
  const [name = '', ...words] = text.split(/\s+/);
  if (!isKernelClient(name)) {
    throw new UnknownKernelClient(`no kernel client ${name}: ${KERNEL_CLIENTS.join(', ')}`);
  }
  const known: readonly string[] = MODULES[name].parameters;
  const parameters = words.map((word): [string, string] => {
    const [key = '', ...value] = word.split('=');
    if (value.length > 0 && known.includes(key)) return [key, value.join('=')];
    const takes = known.length > 0 ? `takes ${known.map((k) => `${k}=`).join(', ')}` : 'takes none';
    throw new UnknownKernelClient(`${name}: no parameter ${word}: it ${takes}`);
  });
  return { name, parameters: Object.fromEntries(parameters) };
}

const isKernelClient = (name: string): name is KernelClientName => Object.hasOwn(MODULES, name);

/** What kernel clients of one kernel share and offer. */
export class KernelClients {
  readonly tee: TeeSubsystem;
  readonly switches: ClientSwitches;
  /** What a network driver would call. */
  readonly bnxt: TeeBnxtFw;
  #keys: KeyService | undefined;

  constructor(tee: TeeSubsystem, switches: ClientSwitches) {
    this.tee = tee;
    this.switches = switches;
    this.bnxt = new TeeBnxtFw(tee, switches);
  }

  /** The key retention service: built in where something needs it. */
  get keys(): KeyService {
    this.#keys ??= new KeyService(this.tee.kernel);
    this.tee.kernel.keys = this.#keys;
    return this.#keys;
  }

  /** modprobe. @returns 0 or a negative errno. */
  load({ name, parameters }: Request): Co<number> {
    const module: Module = MODULES[name];
    return module.load(this, parameters);
  }
}
