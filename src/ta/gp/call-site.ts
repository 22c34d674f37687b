/**
 * Where in the TA's source something happened, from a stack trace. Understands the traces of V8
 * (Node, Chrome) and of SpiderMonkey and JavaScriptCore (Firefox, Safari).
 */

export interface CallSite {
  /** The function's own name, without `async`, class or receiver; empty at the top level. */
  readonly fn: string;
  /** URL or path, as the engine names the module. */
  readonly file: string;
  readonly line: number;
}

/* `    at async Object.name [as other] (file:1:2)`, `    at file:1:2` */
const V8 = /^\s+at (?:(.*) \()?(.+?):(\d+):\d+\)?$/;
/* `name@file:1:2` */
const MOZILLA = /^(.*?)@(.+?):(\d+):\d+$/;

/** The frames of a trace, innermost first; lines of another form are left out. */
export function parseStack(stack: string): CallSite[] {
  const sites: CallSite[] = [];
  for (const text of stack.split('\n')) {
    const match = V8.exec(text) ?? MOZILLA.exec(text);
    if (match === null) continue;
    sites.push({
      fn: ownName(match[1] ?? ''),
      file: (match[2] ?? '').replace(/^async /, ''),
      line: Number(match[3]),
    });
  }
  return sites;
}

function ownName(name: string): string {
  const plain = name.replace(/ \[as .*\]$/, '').replace(/^(async|new) /, '');
  return plain.slice(plain.lastIndexOf('.') + 1).replace(/[^\w$].*$/, '');
}

/** The innermost frame in a file. */
export function siteIn(file: string, error: unknown): CallSite | undefined {
  if (!(error instanceof Error) || error.stack === undefined) return undefined;
  return parseStack(error.stack).find((site) => site.file === file);
}

/** The innermost frame outside of this package's own files: whoever called into it. */
export function callerOf(own: string): CallSite | undefined {
  return parseStack(new Error().stack ?? '').find(
    (site, i) => i > 0 && site.file !== own && site.file !== import.meta.url,
  );
}

export const formatSite = (site: CallSite): string => `${site.file}:${site.line}`;
