/** A process that has never booted a box: prints how long the modules and the first answer took. */
const start = performance.now();
const { NoopClient, bootNoop } = await import('./noop-client.ts');
const loaded = performance.now();
new NoopClient(bootNoop()).invoke();
const answered = performance.now();
process.stdout.write(JSON.stringify({ loadMs: loaded - start, answerMs: answered - loaded }));
export {};
