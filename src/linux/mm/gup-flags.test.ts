import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EINVAL } from '../../abi/errno.ts';
import {
  FOLL_ANON,
  FOLL_EPHEMERAL,
  FOLL_FORCE,
  FOLL_GET,
  FOLL_HONOR_NUMA_FAULT,
  FOLL_LONGTERM,
  FOLL_NOFAULT,
  FOLL_PCI_P2PDMA,
  FOLL_PIN,
  FOLL_REMOTE,
  FOLL_TOUCH,
  FOLL_UNLOCKABLE,
  FOLL_WRITE,
  GET_CALLS,
  GUP_CALLS,
  PIN_CALLS,
  gupFlags,
} from './gup-flags.ts';
import type { GetCall, GupCall, PinCall, PinSuffix } from './gup-flags.ts';
import { MM_LINUX_6_1, MM_LINUX_7_3 } from './switches.ts';
import type { MmSwitches } from './switches.ts';

const ALL = Object.keys(GUP_CALLS) as GupCall[];
const PINS = Object.keys(PIN_CALLS) as PinCall[];
const GETS = Object.keys(GET_CALLS) as GetCall[];

function flags(
  call: GupCall,
  foll: number,
  switches: Partial<MmSwitches> = {},
  suffix?: PinSuffix,
): number {
  const result = gupFlags(call, suffix, foll, { ...MM_LINUX_7_3, ...switches });
  return typeof result === 'number' ? result : result.errno;
}

const refused = (
  call: GupCall,
  foll: number,
  text: RegExp,
  switches: Partial<MmSwitches> = {},
  suffix?: PinSuffix,
): void => {
  const result = gupFlags(call, suffix, foll, { ...MM_LINUX_7_3, ...switches });
  assert.ok(typeof result === 'object', `${call} ${foll}: taken`);
  assert.equal(result.errno, -EINVAL);
  assert.match(result.text, text);
};

describe('GUP flags', () => {
  it('have the bits of Linux 7.3', () => {
    const bits = [FOLL_WRITE, FOLL_GET, FOLL_LONGTERM, FOLL_HONOR_NUMA_FAULT, FOLL_TOUCH, FOLL_PIN];
    assert.deepEqual(bits, [1, 2, 0x100, 0x1000, 0x1_0000, 0x8_0000]);
  });

  it('get what the function says by its name', () => {
    assert.equal(flags('pin_user_pages_fast', FOLL_WRITE), FOLL_WRITE | FOLL_PIN);
    assert.equal(flags('pin_user_pages', 0), FOLL_PIN | FOLL_TOUCH);
    assert.equal(flags('pin_user_pages_remote', 0), FOLL_PIN | FOLL_TOUCH | FOLL_REMOTE);
    const unlocked = FOLL_GET | FOLL_TOUCH | FOLL_UNLOCKABLE;
    assert.equal(flags('get_user_pages_unlocked', 0), unlocked);
  });

  it('internal ones are refused from outside', () => {
    for (const call of ALL) {
      for (let bit = 16; bit <= 22; bit++) refused(call, 1 << bit, /internal to mm/);
    }
  });

  it('GET and PIN exclude each other', () => {
    for (const call of PINS) refused(call, FOLL_GET, /exclude each other/);
  });

  it('LONGTERM is for pins, and not for peer-to-peer memory', () => {
    for (const call of GETS) refused(call, FOLL_LONGTERM, /is for pins/);
    for (const call of PINS) {
      assert.equal(flags(call, FOLL_LONGTERM) & FOLL_LONGTERM, FOLL_LONGTERM);
      refused(call, FOLL_LONGTERM | FOLL_PCI_P2PDMA, /P2PDMA exclude/);
    }
  });

  it('LONGTERM is not for the unlocked function before 6.3', () => {
    for (const call of PINS) {
      if (call === 'pin_user_pages_unlocked')
        refused(call, FOLL_LONGTERM, /not take/, MM_LINUX_6_1);
      else assert.ok(flags(call, FOLL_LONGTERM, MM_LINUX_6_1) > 0);
      assert.ok(flags(call, 0, MM_LINUX_6_1) > 0);
    }
  });

  it('the fast functions take a few only', () => {
    const taken = FOLL_FORCE | FOLL_NOFAULT | FOLL_PCI_P2PDMA | FOLL_HONOR_NUMA_FAULT;
    for (const call of ALL) {
      assert.ok(flags(call, taken) > 0);
      if (GUP_CALLS[call].fast) refused(call, FOLL_ANON, /fast functions/);
      else assert.ok(flags(call, FOLL_ANON) > 0);
    }
  });

  it('nothing is called FOLL_EPHEMERAL in a release', () => {
    for (const call of ALL) refused(call, FOLL_EPHEMERAL, /no FOLL_EPHEMERAL/);
  });
});

describe('the interfaces that were proposed', () => {
  it('FOLL_EPHEMERAL: who says nothing pins for good', () => {
    const switches = { pinInterface: 'ephemeral-flag' } as const;
    for (const call of PINS) {
      assert.equal(flags(call, 0, switches) & FOLL_LONGTERM, FOLL_LONGTERM);
      const short = flags(call, FOLL_EPHEMERAL, switches);
      assert.equal(short & (FOLL_LONGTERM | FOLL_EPHEMERAL), 0);
      refused(call, FOLL_LONGTERM, /no FOLL_LONGTERM/, switches);
      refused(call, FOLL_PCI_P2PDMA, /P2PDMA exclude/, switches);
    }
    for (const call of GETS) assert.equal(flags(call, 0, switches) & FOLL_LONGTERM, 0);
  });

  it('functions: each pin says by its name how long it lasts', () => {
    const switches = { pinInterface: 'longterm-functions' } as const;
    for (const call of PINS) {
      assert.equal(flags(call, 0, switches, 'longterm') & FOLL_LONGTERM, FOLL_LONGTERM);
      assert.equal(flags(call, 0, switches, 'shortterm') & FOLL_LONGTERM, 0);
      refused(call, 0, new RegExp(`there is no ${call}\\(\\)`), switches);
      refused(call, FOLL_LONGTERM, /no FOLL_LONGTERM/, switches, 'shortterm');
      refused(call, 0, new RegExp(`there is no ${call}_longterm\\(\\)`), {}, 'longterm');
    }
    for (const call of GETS) assert.ok(flags(call, 0, switches) > 0);
  });

  it('FOLL_GET internal to mm: only pins are left', () => {
    for (const call of GETS) refused(call, 0, /internal to mm: pin/, { follGetInternal: true });
    for (const call of PINS) assert.ok(flags(call, 0, { follGetInternal: true }) > 0);
  });

  it('slow pins for the long term only', () => {
    const switches = { slowPinsLongtermOnly: true };
    for (const call of PINS) {
      assert.ok(flags(call, FOLL_LONGTERM, switches) > 0);
      if (GUP_CALLS[call].fast) assert.ok(flags(call, 0, switches) > 0);
      else refused(call, 0, /slow pins are for the long term/, switches);
    }
    for (const call of GETS) assert.ok(flags(call, 0, switches) > 0);
    // With the other polarity they are long unless they say otherwise.
    const both = { ...switches, pinInterface: 'ephemeral-flag' } as const;
    assert.ok(flags('pin_user_pages', 0, both) > 0);
    refused('pin_user_pages', FOLL_EPHEMERAL, /slow pins/, both);
  });
});
