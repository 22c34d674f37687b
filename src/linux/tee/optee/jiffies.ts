/** The kernel's tick as a unit of time. Upstream counterpart: include/linux/jiffies.h. */

/** Values that are negative as an int mean "for ever" (MAX_JIFFY_OFFSET). */
const INT_MAX = 0x7fff_ffff;

/** msecs_to_jiffies(): rounded up; Infinity for what is negative as an int. */
export function msecsToJiffies(ms: number, hz: number): number {
  return ms > INT_MAX ? Infinity : Math.ceil((ms * hz) / 1000);
}

/** Nanoseconds of a sleep of so many ticks; undefined for one without end. */
export function jiffiesToNs(jiffies: number, hz: number): number | undefined {
  return jiffies === Infinity ? undefined : jiffies * (1e9 / hz);
}
