/**
 * Which pseudo TAs a build has.
 *
 * Upstream counterpart: optee_os core/pta/sub.mk. Left out: see `support.ts`.
 */
import type { Guest } from '../guest.ts';
import type { PseudoTa } from '../kernel/pseudo-ta.ts';
import { DevicePta } from './device.ts';
import { StatsPta } from './stats.ts';
import { SystemPta } from './system.ts';

export function makePseudoTas(guest: Guest): readonly PseudoTa[] {
  const { config } = guest.nexus;
  const all = [
    { wanted: config.CFG_DEVICE_ENUM_PTA, make: () => new DevicePta(guest) },
    { wanted: config.CFG_WITH_STATS, make: () => new StatsPta(guest) },
    { wanted: config.CFG_SYSTEM_PTA, make: () => new SystemPta(guest) },
  ];
  return all.filter(({ wanted }) => wanted).map(({ make }) => make());
}
