/** The few functions of koffi that are used, typed without its `any`. */

export interface IKoffiLib {
  load(path: string | null): { func(definition: string): (...args: number[]) => number };
  errno(): number;
  address(value: Uint8Array): bigint;
}
