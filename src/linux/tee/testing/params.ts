/** For tests: parameters as user space lays them out. */
import { TeeIoctlParam } from '../../../abi/tee.ts';

const PARAM = TeeIoctlParam;

/** A parameter as user space writes it. */
export interface UserParam {
  readonly attr: number | bigint;
  readonly a?: number | bigint;
  readonly b?: number | bigint;
  readonly c?: number | bigint;
}

export type UserParamOut = Readonly<Record<'attr' | 'a' | 'b' | 'c', bigint>>;

export const viewOf = (bytes: Uint8Array): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
export const bytesOf = (view: DataView): Uint8Array =>
  new Uint8Array(view.buffer, view.byteOffset, view.byteLength);

/** A header of zeros with parameters behind it. */
export function encode(header: number, params: readonly UserParam[]): DataView {
  const view = viewOf(new Uint8Array(header + params.length * PARAM.byteLength));
  params.forEach(({ attr, a = 0, b = 0, c = 0 }, n) => {
    const at = header + n * PARAM.byteLength;
    PARAM.attr.set(view, at, BigInt(attr));
    PARAM.a.set(view, at, BigInt(a));
    PARAM.b.set(view, at, BigInt(b));
    PARAM.c.set(view, at, BigInt(c));
  });
  return view;
}

export function decode(view: DataView, header: number, count: number): readonly UserParamOut[] {
  return Array.from({ length: count }, (_, n) => {
    const at = header + n * PARAM.byteLength;
    return {
      attr: PARAM.attr.get(view, at),
      a: PARAM.a.get(view, at),
      b: PARAM.b.get(view, at),
      c: PARAM.c.get(view, at),
    };
  });
}
