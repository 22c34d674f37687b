/**
 * `import { boot } from 'teebox'`: boxes under Node, for tests and tools.
 *
 * A box is deterministic unless it is asked to be live: virtual time, and a seed for everything
 * that is drawn. Calls that do not block return values, others promises; `await` takes both.
 */
import { Box } from './box/box.ts';
import type { BoxOptions } from './box/box.ts';
import { nodeHost } from './host/node/host.ts';

/**
 * Boots a box: machine, kernel, driver, secure world and tee-supplicant, up to user space.
 * @throws BootError
 */
export function boot(options: BoxOptions = {}): Box {
  return new Box(nodeHost(), options);
}

export { BootError, Box } from './box/box.ts';
export type { BoxOptions, KeptRpmb, NetChoice } from './box/box.ts';
export { memoryMapSvg } from './box/memory-map-svg.ts';
export { memorySnapshot } from './box/memory-snapshot.ts';
export type { MemorySnapshot } from './box/memory-snapshot.ts';
export { formatMemory } from './box/memory-text.ts';
export { MemoryWatch } from './box/memory-watch.ts';
export type { MemoryHistory } from './box/memory-watch.ts';
export { DEFAULT_PROFILE, PROFILES, withoutQuirks } from './box/profiles.ts';
export type { Profile, ProfileName } from './box/profiles.ts';
export { formatReport, reportOf } from './box/report.ts';
export type { Leak, Report, Usage } from './box/report.ts';
export type { KernelClient, KernelClientName } from './linux/clients/modules.ts';
export { FaultyStore } from './host/faulty-store.ts';
export type { StoreOperation } from './host/faulty-store.ts';
export { MemoryStore } from './host/memory-store.ts';
export { DirectoryStore } from './host/node/directory-store.ts';
export type { ByteStore, StoreStat } from './host/store.ts';
export type { LoopbackNet } from './linux/process/loopback.ts';
export type { LoopbackPeer, LoopbackServer } from './linux/process/loopback-socket.ts';
export { newRpmbImage } from './machine/emulated-rpmb.ts';
export type { ImageRange } from './machine/emulated-rpmb.ts';
export { BoxHalted } from './sched/halt.ts';
export {
  ExhaustivePolicy,
  FifoPolicy,
  PctPolicy,
  RandomPolicy,
  ReplayPolicy,
} from './sched/policy.ts';
export type { Policy } from './sched/policy.ts';
export type { Co } from './sched/task.ts';
export { loadTas } from './load-ta.ts';
export { taImageOf } from './ta/typescript/image.ts';
export type { TaImage } from './ta/runtime.ts';
export { consoleLine } from './trace/export/console.ts';
export { exportPerfetto } from './trace/export/perfetto.ts';
export { exportStrace } from './trace/export/strace.ts';
export type { SupplicantFaults } from './userland/tee-supplicant/faults.ts';
export type { PluginResult, SupplicantPlugin } from './userland/tee-supplicant/plugin.ts';
export type { TeeSupplicantOptions } from './userland/tee-supplicant/tee-supplicant.ts';
export { TeecSharedMemory } from './userland/libteec/teec.ts';
export { TeeClient } from './userland/tee-client.ts';
export { TRACE_LEVELS } from './trace/events.ts';
export type { Cause, TraceEvent, TraceLevel } from './trace/events.ts';
