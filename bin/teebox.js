#!/usr/bin/env node
/**
 * The command. In the repository the sources run as they are, under the Node that the repository
 * pins; an older Node that starts this file hands over to it. Published, it runs what was built.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import * as nodeModule from 'node:module';
import { fileURLToPath } from 'node:url';

const NODE_MAJOR = 24;
const at = (path) => fileURLToPath(new URL(path, import.meta.url));
const main = existsSync(at('../src/cli/main.ts')) ? '../src/cli/main.ts' : '../src/cli/main.js';
const pinned = at('../node_modules/.bin/node');

if (Number(process.versions.node.split('.')[0]) >= NODE_MAJOR) {
  // Sources are compiled once, not at every start.
  nodeModule.enableCompileCache();
  await import(new URL(main, import.meta.url).href);
} else if (existsSync(pinned)) {
  const args = [fileURLToPath(import.meta.url), ...process.argv.slice(2)];
  const child = spawn(pinned, args, { stdio: 'inherit' });
  // The terminal sends SIGINT and SIGQUIT to both; the rest is passed on.
  for (const signal of ['SIGINT', 'SIGQUIT']) process.on(signal, () => {});
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('exit', (code, signal) => {
    if (signal === null) process.exit(code ?? 1);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
} else {
  console.error(`teebox: Node ${NODE_MAJOR} or later is needed, this is ${process.version}`);
  process.exitCode = 1;
}
