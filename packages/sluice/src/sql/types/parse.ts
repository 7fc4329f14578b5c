/** The one reader of a type's text: a definition's lower-case words, and the spellings of DuckDB, PostgreSQL and Redshift. */

/** A type by what it can hold. Two types that hold the same values with the same meaning are equal here, however they are spelled. */
export type Type =
  /** Exact numbers: every multiple of 1/10^scale from `min` to `max`, both in such units. Integers have no scale. */
  | { readonly kind: 'exact'; readonly min: bigint; readonly max: bigint; readonly scale: number }
  /** `bits` of the significand: up to 2^bits every integer is exact. */
  | { readonly kind: 'float'; readonly bits: number }
  | { readonly kind: 'text'; readonly length: number }
  | { readonly kind: 'date' }
  /** `digits` of a second that are kept. */
  | { readonly kind: 'timestamp'; readonly digits: number }
  /** Without `length`, of any. */
  | { readonly kind: 'list'; readonly element: Type; readonly length?: number }
  | { readonly kind: 'map'; readonly key: Type; readonly value: Type }
  | { readonly kind: 'struct'; readonly members: readonly { readonly name: string; readonly type: Type }[] }
  /** Whatever holds nothing but its own values, by its name: BOOLEAN, TIME, UUID, JSON, BLOB, an ENUM with its values … */
  | { readonly kind: 'named'; readonly name: string }

const integer = (bits: number): Type => ({
  kind: 'exact',
  min: -(2n ** BigInt(bits - 1)),
  max: 2n ** BigInt(bits - 1) - 1n,
  scale: 0,
})
const unsigned = (bits: number): Type => ({ kind: 'exact', min: 0n, max: 2n ** BigInt(bits) - 1n, scale: 0 })
const real: Type = { kind: 'float', bits: 24 }
const double: Type = { kind: 'float', bits: 53 }
const text: Type = { kind: 'text', length: Number.MAX_SAFE_INTEGER }
const timestamp = (digits: number): Type => ({ kind: 'timestamp', digits })
const named = (name: string): Type => ({ kind: 'named', name })

const simple: ReadonlyMap<string, Type> = new Map<string, Type>([
  ['tinyint', integer(8)],
  ['smallint', integer(16)],
  ['int2', integer(16)],
  ['integer', integer(32)],
  ['int', integer(32)],
  ['int4', integer(32)],
  ['bigint', integer(64)],
  ['int8', integer(64)],
  ['hugeint', integer(128)],
  ['utinyint', unsigned(8)],
  ['usmallint', unsigned(16)],
  ['uinteger', unsigned(32)],
  ['ubigint', unsigned(64)],
  ['uhugeint', unsigned(128)],
  ['real', real],
  ['float4', real],
  ['float8', double],
  ['double', double],
  ['double precision', double],
  ['text', text],
  ['varchar', text],
  ['string', text],
  ['character varying', text],
  ['date', { kind: 'date' }],
  ['timestamp_s', timestamp(0)],
  ['timestamp_ms', timestamp(3)],
  ['timestamp', timestamp(6)],
  ['timestamp without time zone', timestamp(6)],
  ['timestamp_ns', timestamp(9)],
  ['timestamptz', named('timestamptz')],
  ['timestamp with time zone', named('timestamptz')],
  ['time without time zone', named('time')],
  ['binary', named('blob')],
  ['bytea', named('blob')],
  ['bool', named('boolean')],
])

/**
 * A type from its text; what is not known is a type of its own, which is only itself.
 *
 * @example parseType('DECIMAL(12,3)[]') // { kind: 'list', element: { kind: 'exact', min: -999999999999n, max: 999999999999n, scale: 3 } }
 */
export function parseType(spelled: string): Type {
  const name = spelled.trim()
  const list = /^(.+)\[(\d*)\]$/s.exec(name)
  if (list !== null) {
    const length = list[2] === '' ? {} : { length: Number(list[2]) }
    return { kind: 'list', element: parseType(list[1] ?? ''), ...length }
  }
  const members = structMembers(name)
  if (members !== undefined)
    return { kind: 'struct', members: members.map((member) => ({ ...member, type: parseType(member.type) })) }
  const map = /^MAP\((.*)\)$/is.exec(name)
  if (map !== null) {
    const [key = '', value = ''] = parts(map[1] ?? '')
    return { kind: 'map', key: parseType(key), value: parseType(value) }
  }
  // The names of an ENUM and of a UNION's members differ by case.
  if (/^(?:ENUM|UNION)\b/i.test(name)) return named(name)
  return plainType(name.replace(/\s+/g, ' '))
}

function plainType(name: string): Type {
  // In a definition `float` is 64 bits; in DuckDB's spelling FLOAT is 32.
  if (name === 'float') return double
  if (name === 'FLOAT') return real
  const lower = name.toLowerCase()
  const decimal = /^(?:decimal|numeric) ?\( ?(\d+) ?(?:, ?(\d+) ?)?\)$/.exec(lower)
  if (decimal !== null) {
    const most = 10n ** BigInt(decimal[1] ?? 0) - 1n
    return { kind: 'exact', min: -most, max: most, scale: Number(decimal[2] ?? 0) }
  }
  const bounded = /^(?:varchar|character varying) ?\( ?(\d+) ?\)$/.exec(lower)
  if (bounded !== null) return { kind: 'text', length: Number(bounded[1]) }
  return simple.get(lower) ?? named(lower)
}

/**
 * The members of DuckDB's spelling of a struct, as written; undefined of any other type.
 *
 * @example structMembers('STRUCT(a INTEGER, "b c" VARCHAR)') // [{ name: 'a', type: 'INTEGER' }, { name: 'b c', type: 'VARCHAR' }]
 */
export function structMembers(type: string): readonly { readonly name: string; readonly type: string }[] | undefined {
  const inner = /^STRUCT\((.*)\)$/is.exec(type)?.[1]
  if (inner === undefined) return undefined
  return parts(inner).map((member) => {
    const [, name = '', of = ''] = /^\s*("(?:[^"]|"")*"|\S+)\s+(.*)$/s.exec(member) ?? []
    return { name: name.startsWith('"') ? name.slice(1, -1).replaceAll('""', '"') : name, type: of }
  })
}

/** What commas part, outside of quotes and parentheses. */
function parts(text: string): readonly string[] {
  const found = ['']
  let depth = 0
  let quote = ''
  for (const character of text) {
    if (quote === '' && (character === '"' || character === "'")) quote = character
    else if (character === quote) quote = ''
    if (quote === '' && character === '(') depth++
    if (quote === '' && character === ')') depth--
    if (quote === '' && depth === 0 && character === ',') found.push('')
    else found[found.length - 1] += character
  }
  return found
}
