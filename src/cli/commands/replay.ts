/** `teebox replay`: one schedule of a scenario again, with what happened in it. */
import { nodeHost } from '../../host/node/host.ts';
import { RandomPolicy, ReplayPolicy } from '../../sched/policy.ts';
import type { Policy } from '../../sched/policy.ts';
import { replayLine } from '../../sim/replay-line.ts';
import { eventText, replay as runAgain } from '../../sim/replay.ts';
import { ScheduleError, decodeChoices } from '../../sim/schedule.ts';
import { shrink } from '../../sim/shrink.ts';
import type { Verdict } from '../../sim/execute.ts';
import { consoleLine } from '../../trace/export/console.ts';
import { EVENT_LEVELS, TRACE_LEVELS } from '../../trace/events.ts';
import type { TraceEvent, TraceLevel } from '../../trace/events.ts';
import { EXIT, UsageError, printLine } from '../command.ts';
import type { Command } from '../command.ts';
import { SUBJECT_USAGE, parseSubject, wholeNumber } from '../search-options.ts';
import type { SubjectOptions, Values } from '../search-options.ts';
import { TaskNames } from '../task-names.ts';

export const replay: Command = {
  usage: [
    'teebox replay SCENARIO [options]       as explore prints it; exit code 1 when it shows a finding',
    SUBJECT_USAGE,
    '  --policy random --seed N    the schedule of a seed',
    '  --choices TEXT   a schedule as explore or --shrink prints it',
    '  --shrink         look for a smaller schedule that shows the same',
    `  --trace LEVEL    ${TRACE_LEVELS.join(', ')}: what is printed, worlds by default`,
    '  --json           events as JSON, one a line',
  ].join('\n'),
  async run(args) {
    const { subject, values } = parseSubject(args, {
      policy: { type: 'string' },
      seed: { type: 'string' },
      choices: { type: 'string' },
      shrink: { type: 'boolean' },
      trace: { type: 'string' },
    });
    const { scenario, profile } = subject;
    const level = levelOf(values);
    const isJson = values['json'] === true;
    const verdict = runAgain(
      nodeHost(),
      { scenario, profile, policy: policyOf(values) },
      {
        begin: (box) => {
          const names = new TaskNames(box);
          box.trace.addSink((event) => {
            if (!isShown(event, level)) return;
            printLine(isJson ? eventText(event) : consoleLine(event, names.of));
          });
        },
      },
    );
    if (!isJson) printVerdict(subject, verdict, values['shrink'] === true);
    return verdict.complaint === undefined ? EXIT.pass : EXIT.failure;
  },
};

function policyOf(values: Values): Policy {
  const { policy = 'random', choices } = values;
  if (typeof choices === 'string') return new ReplayPolicy(parseChoices(choices));
  if (policy !== 'random') throw new UsageError(`--policy ${String(policy)}: give its --choices`);
  const seed = wholeNumber(values, 'seed');
  if (seed === undefined) throw new UsageError('which schedule? --seed N or --choices TEXT');
  return new RandomPolicy(seed);
}

function parseChoices(text: string): readonly number[] {
  try {
    return decodeChoices(text);
  } catch (error) {
    if (error instanceof ScheduleError) throw new UsageError(error.message);
    throw error;
  }
}

function levelOf(values: Values): TraceLevel {
  const wanted = values['trace'] ?? 'worlds';
  const level = TRACE_LEVELS.find((name) => name === wanted);
  if (level === undefined) {
    throw new UsageError(`no trace level ${String(wanted)}: ${TRACE_LEVELS.join(', ')}`);
  }
  return level;
}

const rank = (level: TraceLevel): number => TRACE_LEVELS.indexOf(level);

const isShown = ({ name }: TraceEvent, level: TraceLevel): boolean =>
  rank(EVENT_LEVELS[name]) <= rank(level);

function printVerdict(subject: SubjectOptions, verdict: Verdict, smaller: boolean): void {
  const { complaint, choices } = verdict;
  printLine(`\n${choices.length} choices; run twice, with the same events`);
  if (complaint === undefined) {
    printLine('nothing found');
    return;
  }
  printLine(`${complaint.oracle}: ${complaint.text}`);
  if (!smaller) return;
  const { scenario, profile, profileName, fixed } = subject;
  const found = shrink(nodeHost(), scenario, profile, complaint, choices);
  const special = found.filter((choice) => choice !== 0).length;
  printLine(`the same with ${found.length} choices, ${special} of them not 0:`);
  const searched = { scenario: scenario.name, profile: profileName, fixed };
  printLine(replayLine(searched, { seed: undefined, choices: found }));
}
