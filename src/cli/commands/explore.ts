/** `teebox explore`: a search through the schedules of a scenario, with what it found. */
import { nodeHost } from '../../host/node/host.ts';
import { replayLine } from '../../sim/replay-line.ts';
import { encodeChoices } from '../../sim/schedule.ts';
import { search } from '../../sim/search.ts';
import { findCanary } from '../../sim/smoke.ts';
import { STRATEGIES, isStrategy } from '../../sim/strategies.ts';
import type { Strategy } from '../../sim/strategies.ts';
import type { Finding, SearchResult } from '../../sim/tally.ts';
import { EXIT, UsageError, printLine } from '../command.ts';
import type { Command } from '../command.ts';
import { Progress } from '../progress.ts';
import { SUBJECT_USAGE, parseSubject, seedOf, wholeNumber } from '../search-options.ts';
import type { SubjectOptions, Values } from '../search-options.ts';
import { POWER_CUT_USAGE, explorePowerCuts } from './power-cut.ts';

const DEFAULT_SCHEDULES = 10_000;

export const explore: Command = {
  usage: [
    'teebox explore SCENARIO [options]      exit code 1 when something is found',
    SUBJECT_USAGE,
    `  --strategy NAME  ${STRATEGIES.join(', ')}`,
    `  --schedules N    at most, ${DEFAULT_SCHEDULES} by default`,
    '  --seed N         of the first schedule, 1 by default; each further one counts up',
    '  --bound N        pct: depth of the bugs, 3; exhaustive: preemptions, 2',
    '  --json           one object on stdout',
    POWER_CUT_USAGE,
  ].join('\n'),
  async run(args) {
    if (args[0] === 'power-cut') return explorePowerCuts(args.slice(1));
    const { subject, values } = parseSubject(args, {
      strategy: { type: 'string' },
      schedules: { type: 'string' },
      seed: { type: 'string' },
      bound: { type: 'string' },
    });
    const strategy = strategyOf(values);
    const host = nodeHost();
    await findCanary(host, strategy);
    const bound = wholeNumber(values, 'bound');
    const schedules = wholeNumber(values, 'schedules') ?? DEFAULT_SCHEDULES;
    const progress = new Progress();
    const result = await search(host, subject.scenario, {
      profile: subject.profile,
      strategy,
      schedules,
      seed: seedOf(values),
      ...(bound !== undefined && { bound }),
      onProgress: (soFar) => progress.show(() => progressLine(soFar, schedules)),
    });
    progress.end();
    if (values['json'] === true) printLine(JSON.stringify(asJson(subject, result)));
    else printResult(subject, result);
    return result.findings.length > 0 ? EXIT.failure : EXIT.pass;
  },
};

function strategyOf(values: Values): Strategy {
  const name = values['strategy'] ?? 'random';
  if (typeof name === 'string' && isStrategy(name)) return name;
  throw new UsageError(`no strategy ${String(name)}: ${STRATEGIES.join(', ')}`);
}

const progressLine = (soFar: SearchResult, of: number): string =>
  `${soFar.schedules} of ${of} schedules, ${soFar.distinct} different, ${rate(soFar)}/s, ${soFar.findings.length} findings`;

const rate = ({ schedules, seconds }: SearchResult): string =>
  (schedules / Math.max(seconds, 1e-3)).toFixed(0);

function printResult(subject: SubjectOptions, result: SearchResult): void {
  const { scenario, profile, strategy, schedules, distinct, seconds, findings } = result;
  const all = result.exhausted ? ', all there are within the bound' : '';
  printLine(`${scenario} under ${profile}, ${strategy}: ${schedules} schedules${all}`);
  printLine(`${distinct} different, ${seconds.toFixed(1)} s, ${rate(result)}/s`);
  if (findings.length === 0) printLine('nothing found');
  for (const finding of findings) printFinding(subject, finding);
}

function printFinding(subject: SubjectOptions, finding: Finding): void {
  const { oracle, text, bugs, distinct, count } = finding;
  const indent = ' '.repeat(10);
  printLine(`\n${String(distinct).padStart(8)}  ${oracle}: ${text}`);
  if (bugs.length > 0) printLine(`${indent}takes ${bugs.join(' ')}`);
  printLine(`${indent}${count} schedules show it; the first:`);
  printLine(`${indent}${replayLine(searched(subject), finding)}`);
}

const searched = ({ scenario, profileName, fixed }: SubjectOptions) => ({
  scenario: scenario.name,
  profile: profileName,
  fixed,
});

const asJson = (subject: SubjectOptions, result: SearchResult) => ({
  ...result,
  findings: result.findings.map((finding) => ({
    ...finding,
    choices: encodeChoices(finding.choices),
    replay: replayLine(searched(subject), finding),
  })),
});
