/**
 * Writes the parts of the documentation that come from the code: tables of support, profiles, rooms
 * and options, each between two comments that name it, and what commands print, in blocks that are
 * fenced as ```console run. All else is written by hand. `npm run docs` writes them, a test sees
 * that they are up to date.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { SupportRow } from '../src/abi/support.ts';
import { PROFILES } from '../src/box/profiles.ts';
import type { Profile } from '../src/box/profiles.ts';
import { COMMANDS } from '../src/cli/commands.ts';
import { SUPPORT, formatSupport } from '../src/cli/support-table.ts';
import { nodeHost } from '../src/host/node/host.ts';
import { LABS } from '../src/labs/labs.ts';
import { drawPlot } from '../src/labs/plot.ts';
import { markdownTable } from '../src/labs/table.ts';
import { CONFIG_TABLE } from '../src/optee-os/config.ts';
import type { ConfigRow } from '../src/optee-os/config.ts';
import { ROOMS, roomOf } from '../test/house/rooms.ts';
import { POINTS } from '../test/native/points.ts';
import { algorithmTables, objectTypeTable } from './algorithms.ts';
import { code, table } from './markdown.ts';

const root = new URL('../', import.meta.url);
const read = (path: string): string => readFileSync(new URL(path, root), 'utf8');

// --- support

const STATUSES: readonly SupportRow['status'][] = ['supported', 'partial', 'absent'];

/** How many rows of each area are supported, in part, or absent. */
function supportSummary(): string {
  const areas = [...new Set(SUPPORT.map(({ area }) => area))];
  const count = (area: string, status: SupportRow['status']): string =>
    `${SUPPORT.filter((r) => r.area === area && r.status === status).length}`;
  const rows = areas.map((area) => [area, ...STATUSES.map((status) => count(area, status))]);
  return table(['area', 'yes', 'in part', 'no'], rows);
}

// --- profiles

type ProfileRoom = 'mm' | 'process' | 'tee' | 'optee' | 'clients' | 'opteeOs' | 'userland';

/** The rooms of a profile, with the files that declare their switches. */
const SWITCHES: readonly (readonly [ProfileRoom, title: string, path: string])[] = [
  ['mm', 'Memory management', 'src/linux/mm/switches.ts'],
  ['process', 'Processes and files', 'src/linux/process/switches.ts'],
  ['tee', 'TEE core', 'src/linux/tee/switches.ts'],
  ['optee', 'OP-TEE driver', 'src/linux/tee/optee/switches.ts'],
  ['clients', 'Kernel clients', 'src/linux/clients/switches.ts'],
  ['opteeOs', 'OP-TEE OS', 'src/optee-os/switches.ts'],
  ['userland', 'libteec and tee-supplicant', 'src/userland/switches.ts'],
];

/** A comment's text on one line. */
const plain = (comment: string): string =>
  comment
    .replaceAll(/^\s*\*?/gm, ' ')
    .replaceAll(/\s+/g, ' ')
    .trim();

const SWITCH = /\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s*readonly (\w+): \w+;/g;

/** The docstring of each switch that a file declares, by its name. */
function docstrings(path: string): ReadonlyMap<string, string> {
  return new Map(
    [...read(path).matchAll(SWITCH)].map(([, comment = '', name = '']): [string, string] => [
      name,
      plain(comment),
    ]),
  );
}

const profiles: readonly Profile[] = Object.values(PROFILES);

function valueText(value: unknown): string {
  return typeof value === 'boolean' ? (value ? 'on' : 'off') : String(value);
}

/** One row a switch; values that are not the default profile's are in bold. */
function switchRows(room: ProfileRoom, path: string): string[][] {
  const reasons = docstrings(path);
  return Object.keys(profiles[0]![room]).map((name) => {
    const reason = reasons.get(name);
    if (reason === undefined) throw new Error(`${path}: ${name} has no docstring`);
    const values = profiles.map((profile) => valueText(Reflect.get(profile[room], name)));
    const cells = values.map((text) => (text === values[0] ? text : `**${text}**`));
    return [code(name), ...cells, reason];
  });
}

function profileTables(): string {
  const head = ['switch', ...profiles.map(({ name }) => name), 'what it does'];
  return SWITCHES.map(
    ([room, title, path]) =>
      `## ${title}\n\nDeclared in ${code(path)}.\n\n${table(head, switchRows(room, path))}`,
  ).join('\n\n');
}

// --- rooms

const HEADER = /^(?:#!.*\n)?\/\*\*([\s\S]*?)\*\//;

const sources = readdirSync(new URL('src/', root), { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts') && !/\.(test|d)\.ts$|\/testing\//.test(path))
  .sort();

/** The files of a room with what each says of itself at its top. */
function filesOf(room: string): string {
  const rows = sources
    .filter((path) => roomOf(path) === room)
    .map((path) => [code(path), plain(HEADER.exec(read(`src/${path}`))?.[1] ?? '')]);
  const files = table(['file', 'what it says of itself'], rows);
  return `<details>\n<summary>Files</summary>\n\n${files}\n\n</details>`;
}

const fileTables = Object.fromEntries(
  Object.keys(ROOMS).map((room) => [`files of ${room}`, () => filesOf(room)]),
);

// --- command line

/** Every subcommand, as its own help has it. */
async function commands(): Promise<string> {
  const texts = Object.entries(COMMANDS).map(async ([name, { summary, load }]) => {
    const { usage } = await load();
    return `### ${name}\n\n${summary}\n\n\`\`\`text\n${usage}\n\`\`\``;
  });
  return (await Promise.all(texts)).join('\n\n');
}

function buildOptions(): string {
  const rows = Object.entries(CONFIG_TABLE).map(
    ([name, option]: [string, ConfigRow<unknown>]): string[] => {
      const { default: value, min, max, meaning } = option;
      const range = min === undefined ? '' : `${min} to ${max ?? ''}`;
      return [code(name), cfgText(value), range, meaning];
    },
  );
  return table(['option', 'default', 'range', 'what it does'], rows);
}

const cfgText = (value: unknown): string =>
  code(typeof value === 'boolean' ? (value ? 'y' : 'n') : String(value));

// --- native programs

const points = (): string =>
  table(
    ['what native programs rely on', 'test that fails without it'],
    POINTS.map(({ point, test }) => [point, code(test)]),
  );

// --- pages

type Block = () => string | Promise<string>;

/** What is generated, by page and name. */
const BLOCKS: Readonly<Record<string, Readonly<Record<string, Block>>>> = {
  'README.md': { summary: supportSummary },
  'docs/algorithms.md': { algorithms: algorithmTables, 'object types': objectTypeTable },
  'docs/rooms.md': fileTables,
  'docs/support.md': { support: () => formatSupport(SUPPORT, 'markdown') },
  'docs/profiles.md': { profiles: profileTables },
  'docs/cli.md': { commands, options: buildOptions },
  'docs/native.md': { points },
};

const begin = (name: string): string => `<!-- generated by npm run docs: ${name} -->`;
const END = '<!-- end of what is generated -->';

function withBlock(page: string, name: string, text: string): string {
  const from = page.indexOf(begin(name));
  const to = page.indexOf(END, from);
  if (from < 0 || to < 0) throw new Error(`no place for ${name}`);
  const verbatim = ['<!-- prettier-ignore-start -->', text, '<!-- prettier-ignore-end -->'];
  const block = [begin(name), ...verbatim, ''].join('\n\n');
  return page.slice(0, from) + block + page.slice(to);
}

const CONSOLE = /^```console run\n([\s\S]*?)^```$/gm;
const COMMAND = /^\$ npx teebox (.*)$/gm;

/** Commands with what they print on both outputs. */
function withOutput(page: string): string {
  return page.replaceAll(CONSOLE, (_, block: string) => {
    const sessions = [...block.matchAll(COMMAND)].map(
      ([line, args = '']) => `${line}\n${teebox(args.split(' '))}`,
    );
    return `\`\`\`console run\n${sessions.join('\n')}\n\`\`\``;
  });
}

function teebox(args: readonly string[]): string {
  const main = fileURLToPath(new URL('src/cli/main.ts', root));
  const { stdout, stderr } = spawnSync(process.execPath, [main, ...args], { encoding: 'utf8' });
  return (stdout + stderr).trimEnd();
}

const PAGES = [
  'README.md',
  ...readdirSync(new URL('docs/', root))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];

/** The pages with what is generated in them brought up to date, by path. */
export async function pages(): Promise<ReadonlyMap<string, string>> {
  const updated = new Map<string, string>();
  for (const path of PAGES) {
    let page = withOutput(read(path));
    for (const [name, block] of Object.entries(BLOCKS[path] ?? {})) {
      page = withBlock(page, name, await block());
    }
    updated.set(path, page);
  }
  return updated;
}

// --- labs

/** The pages of the labs with their tables, and the plots beside them, by path. It takes a while. */
export async function labPages(): Promise<ReadonlyMap<string, string>> {
  const updated = new Map<string, string>();
  for (const lab of LABS) {
    const result = await lab.run(nodeHost(), { seed: 1, timed: false });
    const path = `docs/labs/${lab.name}`;
    updated.set(`${path}.md`, withBlock(read(`${path}.md`), 'table', markdownTable(result)));
    updated.set(`${path}.svg`, drawPlot(result.plot));
  }
  return updated;
}

if (import.meta.main) {
  const written = [...(await pages()), ...(await labPages())];
  for (const [path, text] of written) writeFileSync(new URL(path, root), text);
}
