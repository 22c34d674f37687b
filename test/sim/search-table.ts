/**
 * The table of docs/search.md: searches again, and writes what was found. To be run when the test of
 * the table says that its lines show something else: `node test/sim/search-table.ts`.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { PROFILES } from '../../src/box/profiles.ts';
import type { ProfileName } from '../../src/box/profiles.ts';
import { nodeHost } from '../../src/host/node/host.ts';
import { replayLine } from '../../src/sim/replay-line.ts';
import { BUILTIN_SUPPLICANT } from '../../src/sim/scenarios/builtin-supplicant.ts';
import { SUPPLICANT } from '../../src/sim/scenarios/supplicant.ts';
import { search } from '../../src/sim/search.ts';
import type { Finding } from '../../src/sim/tally.ts';

export const PAGE = new URL('../../docs/search.md', import.meta.url);
const BEGIN = '<!-- written by node test/sim/search-table.ts -->';
const END = '<!-- end -->';

const SEARCHES = [
  { scenario: SUPPLICANT, schedules: 4000 },
  { scenario: BUILTIN_SUPPLICANT, schedules: 200 },
] as const;
const KERNELS: readonly ProfileName[] = ['linux-7.3', 'linux-6.1'];

/** Bugs of upstream that the scenarios are there for, by their switches. */
const BUGS: readonly string[] = [
  'quirkSendQueuedRequest',
  'quirkSuppReleaseByShm',
  'quirkShortShmAlloc',
  'quirkSupplRecvFaultLosesRequest',
  'quirkSupplicantLeavesOnEbadf',
  'quirkSupplRecvLeaksMemrefs',
  'quirkSuppPoolRegisters',
  'quirkReleaseWaitsForScan',
];

/** What a row of the table says. */
export interface Row {
  readonly bug: string;
  /** Schedules of the search up to its first, all of them different. */
  readonly first: number;
  /** `oracle: text` */
  readonly looks: string;
  readonly replay: string;
}

async function rowsOf(kernel: ProfileName): Promise<readonly Row[]> {
  const rows: Row[] = [];
  for (const { scenario, schedules } of SEARCHES) {
    const options = { profile: PROFILES[kernel], strategy: 'pct', schedules } as const;
    const { findings } = await search(nodeHost(), scenario, options);
    const left = BUGS.filter((bug) => rows.every((row) => row.bug !== bug));
    for (const bug of left) {
      const finding = clearest(findings, bug);
      if (finding === undefined) continue;
      const { distinct, oracle, text } = finding;
      const searched = { scenario: scenario.name, profile: kernel, fixed: false };
      const replay = replayLine(searched, finding);
      rows.push({ bug, first: distinct, looks: `${oracle}: ${text}`, replay });
    }
  }
  return rows;
}

/** The finding that takes the fewest bugs beside this one, and of those the first. */
function clearest(findings: readonly Finding[], bug: string): Finding | undefined {
  return findings
    .filter(({ bugs }) => bugs.includes(bug))
    .sort((a, b) => a.bugs.length - b.bugs.length || a.schedule - b.schedule)[0];
}

function format(kernel: ProfileName, rows: readonly Row[]): string {
  const lines = rows.map(
    ({ bug, first, looks, replay }) => `| \`${bug}\` | ${first} | ${looks} | \`${replay}\` |`,
  );
  const head = ['| bug | schedules | what is seen first | replay |', '| --- | --- | --- | --- |'];
  return [`### ${kernel}`, '', ...head, ...lines].join('\n');
}

/** The rows as the page has them. */
export function readRows(page: string): readonly Row[] {
  const cells = /^\| `(quirk\w+)` \| (\d+) \| (.*?) \| `(npx teebox .*?)` \|$/gm;
  return [...page.matchAll(cells)].map(([, bug = '', first, looks = '', replay = '']) => ({
    bug,
    first: Number(first),
    looks,
    replay,
  }));
}

async function write(): Promise<void> {
  const tables: string[] = [];
  for (const kernel of KERNELS) tables.push(format(kernel, await rowsOf(kernel)));
  const page = readFileSync(PAGE, 'utf8');
  const before = page.slice(0, page.indexOf(BEGIN) + BEGIN.length);
  const after = page.slice(page.indexOf(END));
  const ignored = ['<!-- prettier-ignore-start -->', ...tables, '<!-- prettier-ignore-end -->'];
  writeFileSync(PAGE, `${before}\n\n${ignored.join('\n\n')}\n\n${after}`);
}

if (import.meta.main) await write();
