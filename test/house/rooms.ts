/**
 * The rooms of the house and which others each may import (and what those may import in turn).
 * `host` means its interfaces; implementations are named apart.
 */
export const ROOMS: Readonly<Record<string, readonly string[]>> = {
  abi: [],
  host: [],
  'host/node': ['host'],
  trace: ['abi'],
  sched: ['trace'],
  machine: ['abi', 'host', 'trace', 'sched'],
  'linux/lib': ['sched'],
  'linux/mm': ['machine', 'linux/lib'],
  'linux/process': ['linux/mm'],
  'linux/keys': ['linux/process'],
  'linux/rpmb': ['linux/process'],
  'linux/pinners': ['linux/process'],
  'linux/tee': ['linux/process'],
  'linux/tee/optee': ['linux/tee', 'linux/rpmb'],
  'linux/clients': ['linux/keys', 'linux/tee'],
  // A secure world's pages and coroutines appear in the contract, so it needs their types.
  'ta/runtime': ['machine'],
  'ta/gp': ['ta/runtime'],
  'ta/typescript': ['ta/gp', 'machine'],
  ta: ['ta/typescript'],
  'optee-os': ['machine', 'ta/runtime'],
  userland: ['abi', 'linux/process'],
  boards: ['machine'],
  box: [
    'boards',
    'linux/clients',
    'linux/tee/optee',
    'optee-os',
    'ta/typescript',
    'userland',
    'ta',
  ],
  sim: ['box'],
  labs: ['box', 'linux/pinners'],
  native: ['box', 'host/node'],
  // The package's entries: they bring a host to a box.
  entry: ['box', 'sim', 'native', 'host/node', 'ta'],
  cli: ['box', 'sim', 'labs', 'native', 'entry', 'host/node', 'ta'],
};

/** Pairs that must never meet, whatever the table says: the wall between the worlds. */
export const WALL: readonly (readonly [string, string])[] = [
  ['optee-os', 'linux'],
  ['linux', 'optee-os'],
  ['ta', 'linux'],
  ['userland', 'optee-os'],
];

/** The room of a file below `src/`: the longest name that is a prefix of its path. */
export function roomOf(path: string): string {
  const name = path.replace(/\.ts$/, '');
  if (!name.includes('/')) return 'entry';
  const rooms = Object.keys(ROOMS).filter((room) => name === room || name.startsWith(`${room}/`));
  const room = rooms.sort((a, b) => b.length - a.length)[0];
  if (room === undefined) throw new Error(`${path} is in no room`);
  return room;
}

/** Everything that a room may import, itself included. */
export function reachable(room: string): ReadonlySet<string> {
  const seen = new Set<string>();
  const visit = (name: string): void => {
    if (seen.has(name)) return;
    seen.add(name);
    for (const next of ROOMS[name] ?? []) visit(next);
  };
  visit(room);
  return seen;
}
