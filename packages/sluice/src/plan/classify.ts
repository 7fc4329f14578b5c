/** What a change of schema does to values that are already there: nothing (additive, widening), or something that needs an approval (lossy, destructive). */
import type { PlanColumn, SchemaChange } from './types.ts'

type ChangeClass = SchemaChange['class']

/**
 * A type by what it can hold. Integers and decimals are exact numbers: so many digits before and after the point.
 * Integers keep their exact bounds too, because 10 digits are not 32 bits.
 */
type TypeShape =
  | { readonly family: 'integer'; readonly min: bigint; readonly max: bigint }
  | { readonly family: 'decimal'; readonly whole: number; readonly scale: number }
  /** `exact` is the number of bits up to which every integer is exact. */
  | { readonly family: 'float'; readonly exact: number }
  | { readonly family: 'text'; readonly length: number }
  /** `digits` of a second that are kept. */
  | { readonly family: 'timestamp'; readonly digits: number }
  | { readonly family: 'other'; readonly name: string }

/**
 * The changes from one schema to another, in the order of the columns: first those that were there, then the added ones.
 * A column that left and one that came, at the same place and of the same type, are reported as a rename, which is as destructive:
 * only a person can know that they are the same.
 *
 * @example classifyColumns(
 *   [{ name: 'id', type: 'INTEGER', nullable: false }],
 *   [{ name: 'id', type: 'BIGINT', nullable: false }],
 * ) // [{ column: 'id', change: 'retyped', class: 'widening', from: 'INTEGER', to: 'BIGINT' }]
 */
export function classifyColumns(before: readonly PlanColumn[], after: readonly PlanColumn[]): SchemaChange[] {
  const added = new Map(missingFrom(after, before).map((column) => [column.name, column]))
  const slotsAfter = slots(after, before)
  const slotsBefore = slots(before, after)
  const changes: SchemaChange[] = []
  for (const column of before) {
    const kept = after.find(({ name }) => name === column.name)
    if (kept !== undefined) {
      changes.push(...compareColumn(column, kept))
      continue
    }
    const slot = slotsBefore.get(column.name)
    const successor = [...added.values()].find(
      ({ name, type }) => slotsAfter.get(name) === slot && classifyType(column.type, type) === undefined,
    )
    if (successor !== undefined) {
      added.delete(successor.name)
      changes.push({
        column: column.name,
        change: 'renamed',
        class: 'destructive',
        from: column.name,
        to: successor.name,
      })
    } else changes.push({ column: column.name, change: 'removed', class: 'destructive', from: column.type })
  }
  for (const column of added.values()) {
    // Rows that are already there have no value for it, so a column without NULL cannot hold for them.
    const requires = column.nullable ? column.type : `${column.type} NOT NULL`
    changes.push({
      column: column.name,
      change: 'added',
      class: column.nullable ? 'additive' : 'lossy',
      to: requires,
    })
  }
  return changes
}

/**
 * What a change of type does to the values; undefined when the two are spellings of one type. Understands the definition's lower-case types
 * (there, `float` is a double) and the spellings of DuckDB, PostgreSQL and Redshift.
 *
 * @example classifyType('DECIMAL(12,2)', 'DECIMAL(14,3)') // 'widening'
 */
export function classifyType(from: string, to: string): ChangeClass | undefined {
  const [a, b] = [shapeOf(from), shapeOf(to)]
  if (JSON.stringify(a, bigintAsText) === JSON.stringify(b, bigintAsText)) return undefined
  if (holdsAll(a, b)) return 'widening'
  if (a.family === 'text') return b.family === 'text' ? 'lossy' : 'destructive'
  // Every value has a text, but order and arithmetic are gone.
  if (b.family === 'text') return 'lossy'
  if (isNumber(a) && isNumber(b)) return 'lossy'
  return isTime(a) && isTime(b) ? 'lossy' : 'destructive'
}

/**
 * Whether a change can lose what is there.
 *
 * @example changes.filter(isRisky)
 */
export function isRisky(change: SchemaChange): boolean {
  return change.class === 'lossy' || change.class === 'destructive'
}

/**
 * A change of schema in words.
 *
 * @example changeInWords({ column: 'id', change: 'retyped', class: 'widening', from: 'INTEGER', to: 'BIGINT' }) // 'id INTEGER -> BIGINT (widening)'
 */
export function changeInWords({ column, change, class: kind, from, to }: SchemaChange): string {
  if (change === 'added') return `${column} added as ${to} (${kind})`
  if (change === 'removed') return `${column} ${from} removed (${kind})`
  if (change === 'renamed') return `${column} removed and ${to} added, perhaps a rename (${kind})`
  return `${column} ${from} -> ${to} (${kind})`
}

/** Whether every value of `a` is a value of `b`, equal to the last digit. */
function holdsAll(a: TypeShape, b: TypeShape): boolean {
  if (b.family === 'integer') {
    if (a.family === 'integer') return a.min >= b.min && a.max <= b.max
    return a.family === 'decimal' && a.scale === 0 && 10n ** BigInt(a.whole) - 1n <= minimum(b.max, -b.min)
  }
  if (b.family === 'decimal') {
    if (a.family === 'decimal') return a.whole <= b.whole && a.scale <= b.scale
    return a.family === 'integer' && maximum(a.max, -a.min) <= 10n ** BigInt(b.whole) - 1n
  }
  if (b.family === 'float') {
    if (a.family === 'float') return a.exact <= b.exact
    return a.family === 'integer' && maximum(a.max, -a.min) <= 2n ** BigInt(b.exact)
  }
  if (b.family === 'text') return a.family === 'text' && a.length <= b.length
  if (b.family === 'timestamp') {
    if (a.family === 'timestamp') return a.digits <= b.digits && b.digits <= 6
    return a.family === 'other' && a.name === 'date' && b.digits <= 6
  }
  return false
}

const integer = (bits: number): TypeShape => ({
  family: 'integer',
  min: -(2n ** BigInt(bits - 1)),
  max: 2n ** BigInt(bits - 1) - 1n,
})
const unsigned = (bits: number): TypeShape => ({ family: 'integer', min: 0n, max: 2n ** BigInt(bits) - 1n })
const real: TypeShape = { family: 'float', exact: 24 }
const double: TypeShape = { family: 'float', exact: 53 }
const text: TypeShape = { family: 'text', length: Number.MAX_SAFE_INTEGER }
const timestamp = (digits: number): TypeShape => ({ family: 'timestamp', digits })
const other = (name: string): TypeShape => ({ family: 'other', name })

const SHAPES: { readonly [type: string]: TypeShape } = {
  tinyint: integer(8),
  smallint: integer(16),
  int2: integer(16),
  integer: integer(32),
  int: integer(32),
  int4: integer(32),
  bigint: integer(64),
  int8: integer(64),
  hugeint: integer(128),
  utinyint: unsigned(8),
  usmallint: unsigned(16),
  uinteger: unsigned(32),
  ubigint: unsigned(64),
  uhugeint: unsigned(128),
  real,
  float4: real,
  double,
  float8: double,
  'double precision': double,
  text,
  varchar: text,
  string: text,
  'character varying': text,
  timestamp_s: timestamp(0),
  timestamp_ms: timestamp(3),
  timestamp: timestamp(6),
  'timestamp without time zone': timestamp(6),
  timestamp_ns: timestamp(9),
  timestamptz: other('timestamptz'),
  'timestamp with time zone': other('timestamptz'),
  time: other('time'),
  'time without time zone': other('time'),
  binary: other('binary'),
  blob: other('binary'),
  bytea: other('binary'),
  boolean: other('boolean'),
  bool: other('boolean'),
}

function shapeOf(type: string): TypeShape {
  const spelled = type.trim().replace(/\s+/g, ' ')
  // In a definition `float` is 64 bits; in DuckDB's spelling FLOAT is 32.
  if (spelled === 'float') return double
  if (spelled === 'FLOAT') return real
  const lower = spelled.toLowerCase()
  const decimal = /^(?:decimal|numeric) ?\( ?(\d+) ?(?:, ?(\d+) ?)?\)$/.exec(lower)
  if (decimal) {
    const scale = Number(decimal[2] ?? 0)
    return { family: 'decimal', whole: Number(decimal[1]) - scale, scale }
  }
  const bounded = /^(?:varchar|character varying) ?\( ?(\d+) ?\)$/.exec(lower)
  if (bounded) return { family: 'text', length: Number(bounded[1]) }
  return Object.hasOwn(SHAPES, lower) ? SHAPES[lower]! : other(lower)
}

function compareColumn(before: PlanColumn, after: PlanColumn): SchemaChange[] {
  const changes: SchemaChange[] = []
  const kind = classifyType(before.type, after.type)
  if (kind !== undefined)
    changes.push({ column: before.name, change: 'retyped', class: kind, from: before.type, to: after.type })
  if (before.nullable !== after.nullable)
    changes.push({
      column: before.name,
      change: 'nullability',
      class: after.nullable ? 'widening' : 'lossy',
      from: before.nullable ? 'NULL' : 'NOT NULL',
      to: after.nullable ? 'NULL' : 'NOT NULL',
    })
  return changes
}

function missingFrom(columns: readonly PlanColumn[], others: readonly PlanColumn[]): readonly PlanColumn[] {
  const names = new Set(others.map(({ name }) => name))
  return columns.filter(({ name }) => !names.has(name))
}

/** The place of each column that the other schema lacks: how many common columns come before it. */
function slots(columns: readonly PlanColumn[], others: readonly PlanColumn[]): ReadonlyMap<string, number> {
  const names = new Set(others.map(({ name }) => name))
  const places = new Map<string, number>()
  let common = 0
  for (const { name } of columns) {
    if (names.has(name)) common++
    else places.set(name, common)
  }
  return places
}

const isNumber = ({ family }: TypeShape): boolean => family === 'integer' || family === 'decimal' || family === 'float'
const isTime = (shape: TypeShape): boolean =>
  shape.family === 'timestamp' || (shape.family === 'other' && ['date', 'timestamptz'].includes(shape.name))
const minimum = (a: bigint, b: bigint): bigint => (a < b ? a : b)
const maximum = (a: bigint, b: bigint): bigint => (a > b ? a : b)
const bigintAsText = (_key: string, value: unknown): unknown => (typeof value === 'bigint' ? String(value) : value)
