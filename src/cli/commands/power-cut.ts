/** `teebox explore power-cut`: every power cut of a run of secure storage, and what survives it. */
import { TEE_STORAGE_PRIVATE_REE, TEE_STORAGE_PRIVATE_RPMB } from '../../abi/gp.ts';
import { DEFAULT_PROFILE, PROFILES, isProfileName, withoutQuirks } from '../../box/profiles.ts';
import { nodeHost } from '../../host/node/host.ts';
import { cutName, cutText, parseCut } from '../../sim/power-cut/cuts.ts';
import { describe, record, searchPowerCuts, tryCut } from '../../sim/power-cut/search.ts';
import type { PowerCutOptions, PowerCutResult } from '../../sim/power-cut/search.ts';
import { parseArguments } from '../arguments.ts';
import { EXIT, UsageError, printLine } from '../command.ts';
import { Progress } from '../progress.ts';
import { seedOf, wholeNumber } from '../search-options.ts';

const DEFAULT_STEPS = 12;
const STORAGES: Readonly<Record<string, number>> = {
  ree: TEE_STORAGE_PRIVATE_REE,
  rpmb: TEE_STORAGE_PRIVATE_RPMB,
};

export const POWER_CUT_USAGE = [
  'teebox explore power-cut [options]     the same for storage, at every power cut of a run',
  `  --storage NAME   ${Object.keys(STORAGES).join(', ')}`,
  `  --steps N        changes to objects in the run, ${DEFAULT_STEPS} by default`,
  '  --seed N         which changes',
  '  --at CUT         one cut alone, with what was done to the disk before it',
].join('\n');

interface Subject extends PowerCutOptions {
  readonly profileName: string;
  readonly fixed: boolean;
  readonly storageName: string;
}

export function explorePowerCuts(args: readonly string[]): number {
  const { values } = parseArguments({
    args: [...args],
    options: {
      profile: { type: 'string', default: DEFAULT_PROFILE },
      fixed: { type: 'boolean', default: false },
      storage: { type: 'string', default: 'ree' },
      steps: { type: 'string' },
      seed: { type: 'string' },
      at: { type: 'string' },
      json: { type: 'boolean', default: false },
    },
  });
  const subject = subjectOf(values);
  if (values.at !== undefined) return showCut(subject, values.at);
  const progress = new Progress();
  const result = searchPowerCuts(nodeHost(), {
    ...subject,
    onProgress: (reboots, of) => progress.show(() => `${reboots} of ${of} power cuts`),
  });
  progress.end();
  if (values.json) printLine(JSON.stringify(result));
  else printResult(subject, result);
  return result.findings.length > 0 || result.failed !== undefined ? EXIT.failure : EXIT.pass;
}

function subjectOf(values: {
  readonly profile: string;
  readonly fixed: boolean;
  readonly storage: string;
  readonly steps?: string;
  readonly seed?: string;
}): Subject {
  const { profile: profileName, fixed, storage: storageName } = values;
  const storage = Object.hasOwn(STORAGES, storageName) ? STORAGES[storageName] : undefined;
  if (storage === undefined) {
    throw new UsageError(`no storage ${storageName}: ${Object.keys(STORAGES).join(', ')}`);
  }
  if (!isProfileName(profileName)) {
    throw new UsageError(`no profile ${profileName}: ${Object.keys(PROFILES).join(', ')}`);
  }
  const profile = fixed ? withoutQuirks(PROFILES[profileName]) : PROFILES[profileName];
  const numbers = { steps: values.steps, seed: values.seed };
  const steps = wholeNumber(numbers, 'steps') ?? DEFAULT_STEPS;
  const seed = seedOf(numbers);
  return { profile, profileName, fixed, storage, storageName, steps, seed };
}

function printResult(subject: Subject, result: PowerCutResult): void {
  const { reboots, seconds, storeOps, failed, findings } = result;
  const perSecond = (reboots / Math.max(seconds, 1e-3)).toFixed(0);
  printLine(
    `power cuts under ${subject.profileName}: ${subject.steps} steps, ${storeOps} store calls`,
  );
  printLine(`${reboots} reboots, ${seconds.toFixed(1)} s, ${perSecond}/s`);
  if (failed !== undefined) printLine(`without any power cut: ${failed}; the run ends before it`);
  if (findings.length === 0) printLine('each object is old or new, none is lost');
  for (const { kind, text, cut, during, moment, count } of findings) {
    printLine(`\n${String(count).padStart(8)}  ${kind}: ${text}`);
    printLine(`          during "${during}", ${moment}`);
    printLine(`          ${replay(subject, cutName(cut))}`);
  }
}

function replay({ profileName, fixed, storageName, seed, steps }: Subject, at: string): string {
  const more = `${fixed ? ' --fixed' : ''} --storage ${storageName} --seed ${seed} --steps ${steps}`;
  return `npx teebox explore power-cut --profile ${profileName}${more} --at ${at}`;
}

function showCut(subject: Subject, name: string): number {
  const cut = parseCut(name);
  if (cut === undefined) throw new UsageError(`--at ${name}: no power cut`);
  const host = nodeHost();
  const recording = record(host, subject);
  for (const line of describe(recording)) printLine(line);
  if (recording.failed !== undefined) printLine(`${recording.failed}: the run ends before it`);
  const damage = tryCut(host, subject, recording, cut);
  printLine(`\npower cut ${cutText(recording.ops, cut)}`);
  if (damage === undefined) printLine('each object is old or new, none is lost');
  else printLine(`${damage.kind}: ${damage.text}`);
  return damage === undefined ? EXIT.pass : EXIT.failure;
}
