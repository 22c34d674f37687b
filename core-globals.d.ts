/**
 * The globals that the core rooms use and that every JavaScript host has: browsers, Node, workers.
 * Only the check that compiles the core without the DOM's and Node's types reads this file.
 */
declare class TextEncoder {
  encode(text?: string): Uint8Array<ArrayBuffer>;
}
declare class TextDecoder {
  constructor(label?: string, options?: { fatal?: boolean });
  decode(bytes?: Uint8Array): string;
}
interface ImportMeta {
  readonly url: string;
}
interface ErrorConstructor {
  /** V8's: how many frames a stack keeps. */
  stackTraceLimit: number;
}
