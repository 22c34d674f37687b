/**
 * Schedules as values: the choices of one run, as text for a command line and as a number to tell
 * runs apart by. A choice below 36 is one digit of base 36, a larger one stands between underscores;
 * capital letters behind it say how often it is repeated (A once, Z 26 times, and they add up).
 * Trailing zeros are left out: a replay takes 0 when it runs out of choices.
 */

const BASE = 36;
const MOST_REPEATS = 26;
const BEFORE_A = 'A'.charCodeAt(0) - 1;

/** A text that is no schedule. */
export class ScheduleError extends Error {
  constructor(text: string, at: number) {
    super(`no schedule: ${JSON.stringify(text.slice(at, at + 8))} at position ${at}`);
    this.name = 'ScheduleError';
  }
}

export function encodeChoices(choices: readonly number[]): string {
  let length = choices.length;
  while (length > 0 && choices[length - 1] === 0) length -= 1;
  let text = '';
  for (let from = 0, to = 0; from < length; from = to) {
    const choice = choices[from]!;
    while (to < length && choices[to] === choice) to += 1;
    text += encodeOne(choice) + encodeRepeats(to - from - 1);
  }
  return text;
}

const encodeOne = (choice: number): string =>
  choice < BASE ? choice.toString(BASE) : `_${choice.toString(BASE)}_`;

function encodeRepeats(count: number): string {
  const rest = count % MOST_REPEATS;
  const whole = 'Z'.repeat((count - rest) / MOST_REPEATS);
  return rest === 0 ? whole : whole + String.fromCharCode(BEFORE_A + rest);
}

/** @throws ScheduleError */
export function decodeChoices(text: string): readonly number[] {
  const choices: number[] = [];
  const token = /([0-9a-z]|_[0-9a-z]+_)([A-Z]*)/y;
  while (token.lastIndex < text.length) {
    const at = token.lastIndex;
    const found = token.exec(text);
    if (found === null) throw new ScheduleError(text, at);
    const choice = Number.parseInt(found[1]!.replaceAll('_', ''), BASE);
    let count = 1;
    for (const letter of found[2]!) count += letter.charCodeAt(0) - BEFORE_A;
    for (; count > 0; count--) choices.push(choice);
  }
  return choices;
}

const TWO_32 = 0x1_0000_0000;
const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;
const SECOND_OFFSET = 0x9747b28c;
const SECOND_PRIME = 0x5bd1e995;

/** A hash of 53 bits: among a million schedules two share one with a chance of 1 in 18,000. */
export function scheduleHash(choices: readonly number[]): number {
  let low = FNV_OFFSET;
  let high = SECOND_OFFSET;
  for (const choice of choices) {
    low = Math.imul(low ^ choice, FNV_PRIME);
    high = Math.imul(high ^ (choice + 1), SECOND_PRIME);
    high ^= high >>> 13;
  }
  return ((high >>> 0) % 0x20_0000) * TWO_32 + (low >>> 0);
}
