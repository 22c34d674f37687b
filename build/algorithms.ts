/** Tables of algorithms and of types of objects, from the core's own tables and the tests' vectors. */
import * as gp from '../src/abi/gp.ts';
import { codeName } from '../src/abi/layout.ts';
import { NodeCrypto } from '../src/host/node/crypto.ts';
import { ALGORITHMS } from '../src/optee-os/crypto/algorithms.ts';
import type { Algorithm, OperationContext } from '../src/optee-os/crypto/contexts.ts';
import {
  ASYMMETRIC_VECTORS,
  SYMMETRIC_VECTORS,
} from '../src/optee-os/crypto/testing/all-vectors.ts';
import type { AttributeProps, ObjectTypeProps } from '../src/optee-os/syscall/cryp-obj-props.ts';
import {
  OBJECT_TYPES,
  TEE_TYPE_ATTR_GEN_KEY_OPT,
  TEE_TYPE_ATTR_OPTIONAL_GROUP,
  TEE_TYPE_ATTR_REQUIRED,
} from '../src/optee-os/syscall/cryp-obj-props.ts';
import { findAlgorithmRow } from '../src/ta/gp/algorithms.ts';
import { code, table } from './markdown.ts';

const NAMES = { ...gp.TEE_ALG, ...gp.OPTEE_ALG_COMPAT };
const MODES = Object.values(gp.TEE_MODE);
const VECTORS = [...SYMMETRIC_VECTORS, ...ASYMMETRIC_VECTORS];

/** Kinds of operations, in the order of the page. */
const KINDS: readonly (readonly [kind: OperationContext['kind'], title: string])[] = [
  ['digest', 'Digests'],
  ['mac', 'MACs'],
  ['cipher', 'Ciphers'],
  ['authenc', 'Authenticated encryption'],
  ['asymmetric', 'Asymmetric encryption and signatures'],
  ['derivation', 'Key derivation'],
];

const SERVICES = { crypto: new NodeCrypto(), rng: () => gp.TEE_SUCCESS };

const kindOf = ({ open }: Algorithm): string => open(SERVICES, gp.TEE_MODE_ENCRYPT).kind;

const joined = (parts: Iterable<string>): string => [...new Set(parts)].join('<br>');

const typeName = (type: number): string => code(codeName(gp.TEE_TYPE, type));

/** What the core has, and no TA gets. */
const NO_OPERATION = 'of the core only: `TEE_AllocateOperation` answers `TEE_ERROR_NOT_SUPPORTED`';

function algorithmRow({ id, keyTypes }: Algorithm): string[] {
  const name = code(codeName(NAMES, id));
  const types = MODES.flatMap((mode) => keyTypes(mode)).map(typeName);
  const sources = VECTORS.filter(({ algorithm }) => algorithm === id).map(({ source }) => source);
  const names = findAlgorithmRow(id) === undefined ? [name, NO_OPERATION] : [name];
  return [joined(names), joined(types), joined(sources)];
}

/** One table for each kind of operations. */
export function algorithmTables(): string {
  const sections = KINDS.map(([kind, title]) => {
    const rows = ALGORITHMS.filter((row) => kindOf(row) === kind).map(algorithmRow);
    return `## ${title}\n\n${table(['algorithm', 'keys', 'vectors'], rows)}`;
  });
  return sections.join('\n\n');
}

function bitsText({ minBits, maxBits, quanta }: ObjectTypeProps): string {
  if (minBits === maxBits) return `${maxBits}`;
  return `${minBits} to ${maxBits}${quanta === 1 ? '' : `, multiples of ${quanta}`}`;
}

/** When an attribute is needed: the first that fits. */
const NEEDS: readonly (readonly [flag: number, text: string])[] = [
  [TEE_TYPE_ATTR_REQUIRED, ''],
  [TEE_TYPE_ATTR_OPTIONAL_GROUP, ', optional'],
  [TEE_TYPE_ATTR_GEN_KEY_OPT, ', for new keys only'],
];

function attributeText({ id, flags }: AttributeProps): string {
  const need = NEEDS.find(([flag]) => (flags & flag) !== 0)?.[1] ?? '';
  return code(codeName(gp.TEE_ATTR, id)) + need;
}

export function objectTypeTable(): string {
  const rows = OBJECT_TYPES.map((props) => [
    typeName(props.type),
    bitsText(props),
    joined(props.attributes.map(attributeText)),
  ]);
  return table(['type', 'bits', 'attributes'], rows);
}
