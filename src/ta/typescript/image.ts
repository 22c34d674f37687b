/**
 * From a module to an image that a secure world can make instances of. The module is somebody
 * else's: everything in it is checked, and an error names all that is wrong with it.
 *
 * Upstream counterpart: optee_os ta/user_ta_header.c (`ta_head`, `ta_props`).
 */
import {
  TA_FLAGS_MASK,
  TA_FLAG_CONCURRENT,
  TA_FLAG_DONT_CLOSE_HANDLE_ON_CORRUPT_OBJECT,
  TA_FLAG_INSTANCE_KEEP_ALIVE,
  TA_FLAG_INSTANCE_KEEP_CRASHED,
  TA_FLAG_MULTI_SESSION,
  TA_FLAG_SINGLE_INSTANCE,
  TA_PROP_STR,
} from '../../abi/ta-head.ts';
import { isUuidText } from '../../abi/uuid.ts';
import { formatSite } from '../gp/call-site.ts';
import type { TaEnvironment, TaHead, TaImage, TaInstance, TaPropertyValue } from '../runtime.ts';
import type { TaDefinition, TaProperties } from './define.ts';
import { TypeScriptInstance } from './instance.ts';

/* Source: ta/user_ta_header.c, OP-TEE OS 4.10. */
const TA_FRAMEWORK_STACK_SIZE = 2048;
/** Source: libutils malloc.h. */
const MALLOC_INITIAL_POOL_MIN_SIZE = 1024;
const DEFAULT_STACK_SIZE = 2 * 1024;
const DEFAULT_DATA_SIZE = 32 * 1024;
const U32_MAX = 0xffffffff;

/** A module that is no TA, or not a valid one. */
export class TaModuleError extends Error {
  readonly problems: readonly string[];
  constructor(origin: string, problems: readonly string[]) {
    super(`${origin} is not a trusted application:\n${problems.map((p) => `  - ${p}`).join('\n')}`);
    this.name = 'TaModuleError';
    this.problems = problems;
  }
}

/**
 * @param module the module's name space object, or what `defineTa` returned
 * @param origin where the module comes from, for messages
 * @throws TaModuleError
 */
export function taImageOf(module: unknown, origin: string): TaImage {
  const candidate = isRecord(module) && 'default' in module ? module['default'] : module;
  const problems = problemsOf(candidate);
  if (problems.length > 0 || !isDefinition(candidate)) throw new TaModuleError(origin, problems);
  return new TypeScriptImage(candidate, origin);
}

class TypeScriptImage implements TaImage {
  readonly head: TaHead;
  readonly origin: string;
  readonly #definition: TaDefinition;

  constructor(definition: TaDefinition, origin: string) {
    this.#definition = definition;
    this.head = headOf(definition.properties);
    this.origin = definition.site === undefined ? origin : formatSite(definition.site);
  }

  instantiate(environment: TaEnvironment): TaInstance {
    return new TypeScriptInstance(this.#definition, this.head, this.origin, environment);
  }
}

function headOf(given: TaProperties): TaHead {
  const stackSize = given.stackSize ?? DEFAULT_STACK_SIZE;
  const head = {
    uuid: given.uuid.toLowerCase(),
    flags: given.flags ?? 0,
    stackSize: stackSize + TA_FRAMEWORK_STACK_SIZE,
    dataSize: given.dataSize ?? DEFAULT_DATA_SIZE,
    version: given.version ?? 'Undefined version',
    description: given.description ?? 'Undefined description',
  };
  return { ...head, properties: propertiesOf(head, stackSize, given.properties ?? {}) };
}

/** As `ta_props`, in its order: what a property enumerator sees. */
function propertiesOf(
  head: Omit<TaHead, 'properties'>,
  stackSize: number,
  extra: Readonly<Record<string, TaPropertyValue>>,
): ReadonlyMap<string, TaPropertyValue> {
  const has = (flag: number): boolean => (head.flags & flag) !== 0;
  return new Map<string, TaPropertyValue>([
    [TA_PROP_STR.TA_PROP_STR_SINGLE_INSTANCE, has(TA_FLAG_SINGLE_INSTANCE)],
    [TA_PROP_STR.TA_PROP_STR_MULTI_SESSION, has(TA_FLAG_MULTI_SESSION)],
    [TA_PROP_STR.TA_PROP_STR_KEEP_ALIVE, has(TA_FLAG_INSTANCE_KEEP_ALIVE)],
    [TA_PROP_STR.TA_PROP_STR_KEEP_CRASHED, has(TA_FLAG_INSTANCE_KEEP_CRASHED)],
    [TA_PROP_STR.TA_PROP_STR_DATA_SIZE, head.dataSize],
    [TA_PROP_STR.TA_PROP_STR_STACK_SIZE, stackSize],
    [TA_PROP_STR.TA_PROP_STR_VERSION, head.version],
    [TA_PROP_STR.TA_PROP_STR_DESCRIPTION, head.description],
    [TA_PROP_STR.TA_PROP_STR_ENDIAN, 0],
    [
      TA_PROP_STR.TA_PROP_STR_DOES_NOT_CLOSE_HANDLE_ON_CORRUPT_OBJECT,
      has(TA_FLAG_DONT_CLOSE_HANDLE_ON_CORRUPT_OBJECT),
    ],
    ...Object.entries(extra),
  ]);
}

// --- validation

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function isDefinition(value: unknown): value is TaDefinition {
  return problemsOf(value).length === 0;
}

function problemsOf(value: unknown): string[] {
  if (!isRecord(value) || value['kind'] !== 'teebox/ta') {
    return ['its default export is not what defineTa() returns'];
  }
  const { properties } = value;
  const problems = isRecord(properties)
    ? CHECKS.flatMap((check) => check(properties))
    : ['the first argument of defineTa() is no object'];
  if (typeof value['create'] !== 'function') {
    problems.push('the second argument of defineTa() is no function');
  }
  return problems;
}

type Check = (properties: Record<string, unknown>) => string[];

/** A check of one optional property. */
const optional =
  (name: keyof TaProperties, wanted: string, valid: (value: unknown) => boolean): Check =>
  (properties) => {
    const value = properties[name];
    return value === undefined || valid(value) ? [] : [`${name} is ${show(value)}: ${wanted}`];
  };

const isU32 = (value: unknown): value is number =>
  typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= U32_MAX;

const isString = (value: unknown): boolean => typeof value === 'string';

const CHECKS: readonly Check[] = [
  ({ uuid }) =>
    typeof uuid === 'string' && isUuidText(uuid)
      ? []
      : [`uuid is ${show(uuid)}: text such as 8aaaf200-2450-11e4-abe2-0002a5d5c51b is expected`],
  optional('flags', 'TA_FLAG_* of a user TA are expected', (flags) => {
    return isU32(flags) && (flags & ~TA_FLAGS_MASK) === 0 && (flags & TA_FLAG_CONCURRENT) === 0;
  }),
  optional('stackSize', 'a number of bytes is expected', (size) => isU32(size) && size > 0),
  optional('dataSize', `at least ${MALLOC_INITIAL_POOL_MIN_SIZE} bytes are expected`, (size) => {
    return isU32(size) && size >= MALLOC_INITIAL_POOL_MIN_SIZE;
  }),
  optional('noShareDataSize', `0 or ${MALLOC_INITIAL_POOL_MIN_SIZE} bytes and more`, (size) => {
    return isU32(size) && (size === 0 || size >= MALLOC_INITIAL_POOL_MIN_SIZE);
  }),
  optional('version', 'a string is expected', isString),
  optional('description', 'a string is expected', isString),
  ({ properties }) => {
    if (properties === undefined) return [];
    if (!isRecord(properties)) return [`properties is ${show(properties)}: an object is expected`];
    return Object.entries(properties).flatMap(([name, value]) => propertyProblems(name, value));
  },
];

function propertyProblems(name: string, value: unknown): string[] {
  const problems: string[] = [];
  if (name.startsWith('gpd.')) {
    problems.push(`property ${name}: names with gpd. belong to GlobalPlatform`);
  }
  if (!isPropertyValue(value)) {
    problems.push(
      `property ${name} is ${show(value)}: a boolean, 32-bit number, bigint, string or Uint8Array is expected`,
    );
  }
  return problems;
}

function isPropertyValue(value: unknown): boolean {
  if (typeof value === 'boolean' || typeof value === 'string') return true;
  if (typeof value === 'bigint') return value >= 0n && value < 1n << 64n;
  return isU32(value) || value instanceof Uint8Array;
}

function show(value: unknown): string {
  return typeof value === 'string' ? JSON.stringify(value) : String(value);
}
