/**
 * Which pseudo TAs a build has.
 *
 * Upstream counterpart: optee_os core/pta/sub.mk. Left out: see `support.ts`.
 */
import type { Guest } from '../guest.ts';
import type { PseudoTa } from '../kernel/pseudo-ta.ts';
import { AttestationPta } from './attestation.ts';
import { DevicePta } from './device.ts';
import { RngPta } from './rng.ts';
import { SecstorTaMgmtPta } from './secstor-ta-mgmt.ts';
import { SocketPta } from './socket.ts';
import { StatsPta } from './stats.ts';
import { SystemPta } from './system.ts';
import { InvokeTestsPta } from './tests/invoke.ts';

export function makePseudoTas(guest: Guest): readonly PseudoTa[] {
  const { nexus, tadb } = guest;
  const { config } = nexus;
  const secstor =
    config.CFG_SECSTOR_TA_MGMT_PTA && tadb !== undefined ? [new SecstorTaMgmtPta(guest, tadb)] : [];
  const all = [
    { wanted: config.CFG_ATTESTATION_PTA, make: () => new AttestationPta(guest) },
    { wanted: config.CFG_DEVICE_ENUM_PTA, make: () => new DevicePta(guest) },
    { wanted: config.CFG_WITH_STATS, make: () => new StatsPta(guest) },
    { wanted: config.CFG_HWRNG_PTA, make: () => new RngPta(guest) },
    { wanted: config.CFG_GP_SOCKETS, make: () => new SocketPta(guest) },
    { wanted: config.CFG_SYSTEM_PTA, make: () => new SystemPta(guest) },
    { wanted: config.CFG_TEE_CORE_EMBED_INTERNAL_TESTS, make: () => new InvokeTestsPta(guest) },
  ];
  return [...all.filter(({ wanted }) => wanted).map(({ make }) => make()), ...secstor];
}
