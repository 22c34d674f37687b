/** Boxes as a whole: every profile boots and serves, alone and beside others, and ends clean. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { main as helloWorld } from '../../examples/hello_world/client.ts';
import { TA_HELLO_WORLD_UUID } from '../../examples/hello_world/hello-world-ta.ts';
import { TEEC_LOGIN_PUBLIC, TEEC_SUCCESS } from '../abi/gp.ts';
import { SMALL } from '../boards/boards.ts';
import { nodeHost } from '../host/node/host.ts';
import { loadTas } from '../load-ta.ts';
import { exportStrace } from '../trace/export/strace.ts';
import { BootError, Box } from './box.ts';
import type { BoxOptions } from './box.ts';
import { DEFAULT_PROFILE, PROFILES, isProfileName, withoutQuirks } from './profiles.ts';
import { formatReport, reportOf } from './report.ts';

const { images } = await loadTas([
  fileURLToPath(new URL('../../examples/hello_world', import.meta.url)),
]);
const boot = (options: BoxOptions = {}): Box => new Box(nodeHost(), { tas: images, ...options });

/** The example client, to its end; what it printed. */
async function hello(box: Box): Promise<readonly string[]> {
  const printed: string[] = [];
  const client = box.client({ name: 'hello_world' });
  assert.equal(await helloWorld(client, (line) => printed.push(line)), 0);
  await client.program.exit();
  await box.settle();
  return printed;
}

const SAID = ['Invoking TA to increment 42', 'TA incremented value to 43'];

describe('a box', () => {
  for (const profile of Object.values(PROFILES)) {
    it(`boots as ${profile.name}, serves, and is clean after`, async () => {
      assert.ok(isProfileName(profile.name));
      const box = boot({ profile: profile.name });
      assert.deepEqual(box.leaks(), []);
      assert.deepEqual(await hello(box), SAID);
      assert.deepEqual(box.leaks(), []);
      assert.equal(box.halted, undefined);
      assert.equal(box.profile, profile);
      box.dispose();
    });
  }

  it('takes a profile of one’s own, and little RAM', async () => {
    const profile = withoutQuirks(PROFILES[DEFAULT_PROFILE]);
    using box = boot({ profile, board: SMALL });
    assert.deepEqual(await hello(box), SAID);
    const switches = Object.entries({ ...box.profile.tee, ...box.profile.optee });
    assert.ok(switches.every(([name, value]) => !name.startsWith('quirk') || value === false));
  });

  it('does not boot when driver and secure world share no memory', () => {
    const config = { CFG_CORE_RESERVED_SHM: false, CFG_CORE_DYN_SHM: false };
    assert.throws(() => boot({ config }), {
      name: 'BootError',
      message: 'the box did not boot: optee: probe failed: -EINVAL',
    });
    assert.ok(BootError.prototype instanceof Error);
  });

  it('is one of many: same seeds, same traces; others keep their own state', async () => {
    const [one, two] = [1, 1].map((seed) => boot({ seed, trace: 'all' }));
    assert.ok(one !== undefined && two !== undefined);
    await Promise.all([hello(one), hello(two)]);
    const events = (box: Box): string => JSON.stringify([...box.trace.events()]);
    assert.equal(events(one), events(two));
    await hello(one);
    assert.notEqual(one.trace.count, two.trace.count);
  });

  it('is live with the wall clock, and seeded without', async () => {
    const live = boot({ live: true });
    assert.deepEqual(await hello(live), SAID);
    assert.ok(Math.abs(Number(live.kernel.realtimeNs()) / 1e6 - Date.now()) < 60_000);
    const years = Number(boot().kernel.realtimeNs()) / 1e9 / 86_400 / 365.25;
    assert.equal(Math.floor(1970 + years), 2026);
  });

  it('names what is left behind, and by whom', async () => {
    const box = boot();
    const client = box.client();
    const { context } = await client.TEEC_InitializeContext();
    const { result } = await client.TEEC_OpenSession(
      context,
      TA_HELLO_WORLD_UUID,
      TEEC_LOGIN_PUBLIC,
    );
    assert.equal(result, TEEC_SUCCESS);
    const kinds = new Set(box.leaks().map(({ what }) => what));
    for (const what of ['sessions', 'fd', 'taRamBytes'] as const) assert.ok(kinds.has(what), what);
    const { pid } = client.program;
    const fd = box.leaks().find(({ what }) => what === 'fd');
    assert.match(fd?.owner ?? '', new RegExp(`^pid ${pid} fd \\d+ /dev/tee0$`));
    await client.program.exit();
    await box.settle();
    assert.deepEqual(box.leaks(), []);
  });
});

describe('the report', () => {
  it('counts calls, pools and causes', async () => {
    const box = boot({ trace: 'calls' });
    await hello(box);
    const client = box.client();
    const { context } = await client.TEEC_InitializeContext();
    const missing = 'deadbeef-0000-0000-0000-000000000000';
    for (let i = 0; i < 2; i++) {
      await client.TEEC_OpenSession(context, missing, TEEC_LOGIN_PUBLIC);
    }
    await client.program.exit();
    await box.settle();
    const report = reportOf(box);
    const counts = Object.fromEntries(report.calls.map(({ call, count }) => [call, count]));
    assert.deepEqual(
      [counts['TEE_IOC_OPEN_SESSION'], counts['TEE_IOC_INVOKE'], counts['TEE_IOC_CLOSE_SESSION']],
      [3, 1, 1],
    );
    const threads = report.pools.find(({ pool }) => pool === 'secure threads');
    assert.deepEqual([threads?.highWater, threads?.limit], [1, 2]);
    const cause = report.causes.find(({ cause: { layer } }) => layer === 'optee-os');
    assert.deepEqual([cause?.count, cause?.cause.object], [2, missing]);
    const text = formatReport(report);
    for (const part of ['profile linux-7.3', 'TEE_IOC_INVOKE', 'nothing leaked', missing]) {
      assert.ok(text.includes(part), part);
    }
  });

  it('says why a box has stopped, and what leaked', () => {
    const box = boot();
    box.sched.halt('kernel BUG', 'a test');
    const report = { ...reportOf(box), leaks: [{ what: 'fd', count: 2, owner: 'pid 1' }] };
    assert.match(
      formatReport(report),
      /halted: kernel BUG: a test\n(.*\n)*.*LEAK fd: 2 \(pid 1\)$/,
    );
  });
});

describe('the trace of the example', () => {
  it('reads as strace shows it', async () => {
    const box = boot({ trace: 'calls' });
    await hello(box);
    const lines = [...exportStrace(box.trace.events())].filter((line) =>
      line.includes('/dev/tee0'),
    );
    const none = '{NONE}, {NONE}, {NONE}';
    const client = 'clnt_uuid=00000000-0000-0000-0000-000000000000, clnt_login=0, cancel_id=0';
    const target = `uuid=${TA_HELLO_WORLD_UUID}, ${client}`;
    const success = 'ret=TEE_SUCCESS (0x00000000)';
    const before = `${success}, ret_origin=0, num_params=4`;
    const after = `${success}, ret_origin=TEEC_ORIGIN_TRUSTED_APP, num_params=4`;
    const invoke = 'func=0, session=1, cancel_id=0';
    assert.deepEqual(
      lines.map((line) => line.replace(/^\[pid 3\] ioctl\(\d+<\/dev\/tee0>, /, '')),
      [
        'TEE_IOC_VERSION, {impl_id=0, impl_caps=0, gen_caps=0} => {impl_id=1, impl_caps=1, gen_caps=13}) = 0',
        `TEE_IOC_OPEN_SESSION, {${target}, session=0, ${before}, params=[{NONE}, ${none}]} => ` +
          `{${target}, session=1, ${after}, params=[{NONE}, ${none}]}) = 0`,
        `TEE_IOC_INVOKE, {${invoke}, ${before}, params=[{VALUE_INOUT, a=0x2a, b=0, c=0}, ${none}]} => ` +
          `{${invoke}, ${after}, params=[{VALUE_INOUT, a=0x2b, b=0, c=0}, ${none}]}) = 0`,
        'TEE_IOC_CLOSE_SESSION, {session=1}) = 0',
      ],
    );
  });
});
