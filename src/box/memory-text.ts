/** A snapshot of a box's memory as lines for a person: `teebox mem`. */
import { PAGE_SIZE } from '../machine/address.ts';
import { PAGE_STATES } from '../linux/mm/inspect.ts';
import type { CmaView, ZoneView } from '../linux/mm/inspect.ts';
import type { MemorySnapshot } from './memory-snapshot.ts';

/** Pages as a size. */
export function formatPages(pages: number): string {
  const kib = (pages * PAGE_SIZE) / 1024;
  return kib >= 1024 ? `${Number((kib / 1024).toFixed(1))} MiB` : `${kib} KiB`;
}

const hex = (address: number): string => `0x${address.toString(16)}`;

/** Nanoseconds in the unit that suits them. */
function formatAge(ns: number): string {
  if (ns >= 1e9) return `${(ns / 1e9).toFixed(1)} s`;
  return ns >= 1e6 ? `${(ns / 1e6).toFixed(1)} ms` : `${(ns / 1e3).toFixed(1)} µs`;
}

/** @param title says what moment it was. */
export function formatMemory(snapshot: MemorySnapshot, title: string): string {
  return [
    `-- memory ${title}, profile ${snapshot.profile}`,
    ...pageLines(snapshot),
    ...snapshot.zones.filter(({ managed }) => managed > 0).flatMap(zoneLines),
    ...snapshot.cma.flatMap(cmaLines),
    ...swapLines(snapshot),
    ...pinLines(snapshot),
    ...limitLines(snapshot),
    ...poolLines(snapshot),
  ].join('\n');
}

function pageLines({ pages }: MemorySnapshot): string[] {
  const shown = PAGE_STATES.filter((state) => pages[state] > 0);
  return [`   pages: ${shown.map((state) => `${state} ${formatPages(pages[state])}`).join(', ')}`];
}

function zoneLines(zone: ZoneView): string[] {
  const { name, start, end, managed, free, freeCma, watermarks } = zone;
  const { min, low, high } = watermarks;
  const marks = `watermarks min ${min}, low ${low}, high ${high}`;
  const head = `   zone ${name} ${hex(start)} to ${hex(end)}: ${managed} pages, ${free} free (${freeCma} CMA), ${marks}`;
  const rows = Object.entries(zone.freeBlocks).map(
    ([type, counts]) =>
      `     ${type.padEnd(22)}${counts.map((count) => String(count).padStart(5)).join('')}`,
  );
  const orders = Array.from({ length: 11 }, (_, order) => String(order).padStart(5)).join('');
  return [head, `     ${'free blocks, by order'.padEnd(22)}${orders}`, ...rows];
}

function cmaLines(area: CmaView): string[] {
  const { name, base, count, buffers, lent, pinned, free } = area;
  const calls = `${area.allocPagesSuccess} pages allocated, ${area.allocPagesFail} refused`;
  return [
    `   CMA ${name} at ${hex(base)}: ${count} pages, ${buffers} in buffers, ${lent} lent (${pinned} pinned), ${free} free; ${calls}`,
    ...area.occupants.map(
      (occupant) => `     ${occupant.owner}: ${occupant.pages} pages, ${occupant.pinned} pinned`,
    ),
  ];
}

function swapLines({ swap: { used, limit }, vmstat }: MemorySnapshot): string[] {
  if (limit === 0) return [];
  return [`   swap: ${used} of ${limit} pages; pswpin ${vmstat.pswpin}, pswpout ${vmstat.pswpout}`];
}

function pinLines({ pins, vmstat }: MemorySnapshot): string[] {
  const { nr_foll_pin_acquired: acquired, nr_foll_pin_released: released } = vmstat;
  const counts = `nr_foll_pin_acquired ${acquired}, nr_foll_pin_released ${released}`;
  const held = pins.reduce((sum, pin) => sum + pin.pages, 0);
  return [
    `   pins: ${held} pages; ${counts}`,
    ...pins.map(({ site, owner, by, pages, inCma, lifetime, longterm, ageNs }) => {
      const flags = longterm ? 'FOLL_PIN | FOLL_LONGTERM' : 'FOLL_PIN';
      const how = `${lifetime}-term, ${flags}, for ${formatAge(ageNs)}`;
      const whose = by === undefined ? owner : `${owner} by ${by}`;
      return `     ${site} of ${whose}: ${pages} pages, ${inCma} in CMA, ${how}`;
    }),
  ];
}

function limitLines({ limits, accounted }: MemorySnapshot): string[] {
  const counted = accounted ? 'pins are charged' : 'pins are not charged in this profile';
  const lines = limits.map(
    ({ uid, locked, highest, limit }) =>
      `     uid ${uid}: ${locked} of ${limit ?? 'any number of'} pages, ${highest} at most`,
  );
  return [`   RLIMIT_MEMLOCK: ${counted}`, ...lines];
}

function poolLines({ pools }: MemorySnapshot): string[] {
  return pools.map(
    ({ pool, used, highWater, limit, unit }) =>
      `   pool ${pool.padEnd(19)} ${used} now, ${highWater} of ${limit} ${unit} at most`,
  );
}
