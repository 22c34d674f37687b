/**
 * The search: a run is made once and written down, then every power cut in it is tried. After the
 * reboot each object must be what it was before the step under way, or what it should be after it;
 * none may be missing, unreadable, or another one's.
 */
import type { Host } from '../../host/host.ts';
import { TEE_SUCCESS, formatResult } from '../../abi/gp.ts';
import { cutText, cutsOf, diskAfter } from './cuts.ts';
import type { Cut } from './cuts.ts';
import { equalBytes } from '../../optee-os/storage/tee-fs.ts';
import { LoggedStore, opText } from './logged-store.ts';
import type { StoreOp } from './logged-store.ts';
import { useStorage } from './session.ts';
import type { Found, StorageBox } from './session.ts';
import { stepsOf } from './steps.ts';
import type { Objects, Step } from './steps.ts';

export interface PowerCutOptions extends StorageBox {
  readonly seed: number;
  readonly steps: number;
  /** Asked after each reboot; `stop` ends the search. */
  readonly onProgress?: (reboots: number, of: number) => 'stop' | undefined;
}

/** A run, written down. */
export interface Recording {
  readonly ops: readonly StoreOp[];
  /** Each step, and how many things had been done to the store when it returned. */
  readonly steps: readonly { readonly step: Step; readonly end: number }[];
  /** The step that failed though nobody cut the power, with its result: the run ends before it. */
  readonly failed?: string;
}

/** What a cut did that it must not do. */
export interface Damage {
  /** `object is lost`, `storage cannot be opened`, … */
  readonly kind: string;
  /** The same with names and results. */
  readonly text: string;
}

export interface PowerCutFinding {
  readonly kind: string;
  /** The first cut that shows it. */
  readonly cut: Cut;
  readonly text: string;
  /** The step under way, and what was done to the disk at that moment. */
  readonly during: string;
  readonly moment: string;
  count: number;
}

export interface PowerCutResult {
  readonly seed: number;
  readonly reboots: number;
  readonly seconds: number;
  readonly storeOps: number;
  /** See `Recording`. */
  readonly failed?: string;
  readonly findings: readonly PowerCutFinding[];
}

/** @throws Error when the box stops without any power cut */
export function record(host: Host, options: PowerCutOptions): Recording {
  const disk = new LoggedStore();
  const steps: { step: Step; end: number }[] = [];
  let failed: string | undefined;
  const stopped = useStorage(host, options, disk, function* (client) {
    for (const step of stepsOf(options.seed, options.steps)) {
      const { command, id, data, value, text } = step;
      const end = disk.ops.length;
      const [result] = yield* client.call(command, new TextEncoder().encode(id), data, value);
      if (result !== TEE_SUCCESS) {
        failed = `${text}: ${formatResult(result)}`;
        disk.ops.length = end;
        return;
      }
      steps.push({ step, end: disk.ops.length });
    }
  });
  if (stopped !== undefined) throw new Error(stopped);
  return { ops: disk.ops, steps, ...(failed !== undefined && { failed }) };
}

/** What a cut has done to the objects; undefined when all is well. */
export function tryCut(
  host: Host,
  box: StorageBox,
  { ops, steps }: Recording,
  cut: Cut,
): Damage | undefined {
  const done = steps.filter(({ end }) => end <= cut.step).length;
  // The step before is durable only as far as the disk has it: a thing that is lost may be its.
  const lostIn = cut.lost === undefined ? done : steps.findIndex(({ end }) => end > cut.lost!);
  const first = Math.min(done, lostIn < 0 ? done : lostIn);
  const allowed = [first - 1, ...Array.from({ length: done - first + 1 }, (_, n) => first + n)].map(
    (n) => steps[n]?.step.after ?? (n < 0 ? NO_OBJECTS : undefined),
  );
  const states = allowed.filter((state) => state !== undefined);
  let damage: Damage | undefined = { kind: 'the TA does not answer', text: '' };
  const stopped = useStorage(host, box, diskAfter(ops, cut), function* (client) {
    damage = judge(yield* client.objects(), states);
    // The error may be told once, and all be gone after it.
    if (damage?.kind === UNLISTED) damage = judge(yield* client.objects(), states) ?? damage;
  });
  return stopped === undefined ? damage : { kind: 'the box stopped', text: stopped };
}

const NO_OBJECTS: Objects = new Map();
const UNLISTED = 'objects cannot be listed';

export function searchPowerCuts(host: Host, options: PowerCutOptions): PowerCutResult {
  const start = host.clock.monotonicNs();
  const recording = record(host, options);
  const cuts = [...cutsOf(recording.ops)];
  const findings = new Map<string, PowerCutFinding>();
  let reboots = 0;
  for (const cut of cuts) {
    const damage = tryCut(host, options, recording, cut);
    reboots += 1;
    if (damage !== undefined) tally(findings, recording, cut, damage);
    if (options.onProgress?.(reboots, cuts.length) === 'stop') break;
  }
  return {
    seed: options.seed,
    reboots,
    seconds: (host.clock.monotonicNs() - start) / 1e9,
    storeOps: recording.ops.length,
    ...(recording.failed !== undefined && { failed: recording.failed }),
    findings: [...findings.values()],
  };
}

function tally(
  findings: Map<string, PowerCutFinding>,
  { ops, steps }: Recording,
  cut: Cut,
  { kind, text }: Damage,
): void {
  const known = findings.get(kind);
  if (known !== undefined) {
    known.count += 1;
    return;
  }
  const under = steps.find(({ end }) => end > cut.step)?.step.text ?? 'nothing';
  const moment = cutText(ops, cut);
  findings.set(kind, { kind, cut, text, during: under, moment, count: 1 });
}

/** Compares what there is with what there may be. */
function judge(
  found: ReadonlyMap<string, Found> | number,
  allowed: readonly Objects[],
): Damage | undefined {
  if (typeof found === 'number') {
    return { kind: UNLISTED, text: formatResult(found) };
  }
  for (const [id, content] of found) {
    const damage = judgeObject(id, content, allowed);
    if (damage !== undefined) return damage;
  }
  const lost = [...(allowed[0]?.keys() ?? [])].find(
    (id) => !found.has(id) && allowed.every((objects) => objects.has(id)),
  );
  return lost === undefined ? undefined : { kind: 'an object is lost', text: lost };
}

function judgeObject(id: string, content: Found, allowed: readonly Objects[]): Damage | undefined {
  if (typeof content === 'number') {
    return { kind: `an object cannot be read: ${formatResult(content)}`, text: id };
  }
  const versions = allowed.map((objects) => objects.get(id)).filter((v) => v !== undefined);
  if (versions.length === 0) return { kind: 'an object is there that should not be', text: id };
  if (versions.some((version) => equalBytes(version, content))) return undefined;
  return { kind: 'an object is neither old nor new', text: `${id}, ${content.length} bytes` };
}

/** The recording as text: steps, and what each did to the store. */
export function* describe({ ops, steps }: Recording): Generator<string, void, void> {
  let n = 0;
  for (const { step, end } of steps) {
    yield step.text;
    for (; n < end; n++) yield `  ${String(n).padStart(4)}  ${opText(ops[n]!)}`;
  }
}
