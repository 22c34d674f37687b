/** A DerivationContext as a function of what comes with a call. */
import type { TaAttribute } from '../../ta/runtime.ts';
import type { CryptoServices, DerivationContext, DerivedObject, KeyObject } from './contexts.ts';

export interface Derivation {
  readonly services: CryptoServices;
  readonly key1: KeyObject;
  readonly key2: KeyObject | undefined;
  readonly attributes: readonly TaAttribute[];
  readonly derived: DerivedObject;
}

/** @returns a function as Algorithm.open */
export function derivation(
  derive: (call: Derivation) => number,
): (services: CryptoServices) => DerivationContext {
  return (services) => ({
    kind: 'derivation',
    derive: (key1, key2, attributes, derived) =>
      derive({ services, key1, key2, attributes, derived }),
  });
}
