/**
 * What the parts of the SMC ABI share (struct optee_smc): the way into the secure world, and how
 * what comes back from it is understood.
 */
import type { BusPort } from '../../../machine/bus.ts';
import type { SmcConduit } from '../../../machine/smc.ts';
import type { Optee } from './optee.ts';
import { ShmCookies } from './shm-cookie.ts';

export class OpteeSmc {
  readonly optee: Optee;
  readonly conduit: SmcConduit;
  readonly port: BusPort;
  readonly cookies: ShmCookies;
  /** Parameters of RPC messages that stand behind the calls' own; 0: RPCs bring theirs. */
  readonly rpcParamCount: number;

  constructor(optee: Optee) {
    const { sched, addresses, machine, port } = optee.kernel;
    this.optee = optee;
    this.conduit = machine.conduit;
    this.port = port;
    this.cookies = new ShmCookies(sched, addresses);
    this.rpcParamCount = optee.secure.rpcParamCount;
  }
}
