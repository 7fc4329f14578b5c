/**
 * The one lattice of types: which type holds every value of which. Plan, lake, warehouses and sources ask it, so that what a plan calls a widening
 * is one for the run.
 *
 * A type holds another where each of its values, cast there and back, is the value that it was, and means what it meant: a truth is no number, a
 * local time is in no zone, and a text has neither order nor arithmetic. So to text a change is `lossy`, for a person to approve; where it is,
 * `isReadAs` says that nothing is lost of the values themselves.
 *
 * Dates and timestamps hold each other as far as DuckDB's TIMESTAMP reaches (290309 BC to 294247): a cast of what lies beyond fails, and changes nothing.
 */
import { parseType, type Type } from './parse.ts'

/** What a change of type does to values that are there: nothing (`same`, `widening`), or something that needs an approval. */
export type TypeChange = 'same' | 'widening' | 'lossy' | 'destructive'

/**
 * Whether every value of one type is a value of another, exactly.
 *
 * @example holds('BIGINT', 'INTEGER') // true
 */
export function holds(wider: string, narrower: string): boolean {
  return wider === narrower || contains(parseType(wider), parseType(narrower))
}

/**
 * What a change of type does.
 *
 * @example classify('DECIMAL(12,2)', 'DECIMAL(14,3)') // 'widening'
 */
export function classify(from: string, to: string): TypeChange {
  const [a, b] = [parseType(from), parseType(to)]
  if (contains(b, a)) return contains(a, b) ? 'same' : 'widening'
  if (a.kind === 'text') return b.kind === 'text' ? 'lossy' : 'destructive'
  // Every value has a text, but order and arithmetic are gone.
  if (b.kind === 'text') return 'lossy'
  return (isNumber(a) && isNumber(b)) || (isTime(a) && isTime(b)) ? 'lossy' : 'destructive'
}

/**
 * Whether every value of one type can be read as another and found again: by a type that holds it, or as text of any length, which spells it.
 *
 * @example isReadAs('VARCHAR', 'INTEGER') // true
 */
export function isReadAs(type: string, from: string): boolean {
  const wider = parseType(type)
  return (wider.kind === 'text' && wider.length === Number.MAX_SAFE_INTEGER) || contains(wider, parseType(from))
}

/**
 * Whether both are exact numbers, so that single values may fit where the types do not.
 *
 * @example areExact('DECIMAL(12,5)', 'INTEGER') // true
 */
export function areExact(a: string, b: string): boolean {
  return [a, b].every((type) => parseType(type).kind === 'exact')
}

/**
 * Whether a value that both types hold has one text in both.
 *
 * @example areSpelledAlike('INTEGER', 'DECIMAL(12,2)') // false: 5 and 5.00
 */
export function areSpelledAlike(a: string, b: string): boolean {
  const [one, other] = [parseType(a), parseType(b)]
  if (one.kind === 'exact' && other.kind === 'exact') return one.scale === other.scale
  if (one.kind === other.kind && (one.kind === 'text' || one.kind === 'timestamp')) return true
  return contains(one, other) && contains(other, one)
}

/**
 * Whether both are dates or timestamps, so that they have an order in common.
 *
 * @example areTimes('DATE', 'TIMESTAMP WITH TIME ZONE') // true
 */
export function areTimes(a: string, b: string): boolean {
  return [a, b].every((type) => isTime(parseType(type)))
}

/**
 * Whether a type is one of whole numbers, each of which has one text.
 *
 * @example isWhole('UBIGINT') // true
 */
export function isWhole(type: string): boolean {
  const parsed = parseType(type)
  return parsed.kind === 'exact' && parsed.scale === 0
}

/**
 * Whether a reader that follows Iceberg v2 reads files of one type under another: it is the same, or int → long, float → double, or a decimal of more
 * digits with the same scale. Files of any other widening are written again. https://iceberg.apache.org/spec/#schema-evolution
 *
 * @example icebergPromotes('DATE', 'TIMESTAMP') // false
 */
export function icebergPromotes(from: string, to: string): boolean {
  const [a, b] = [parseType(from), parseType(to)]
  if (!contains(b, a)) return false
  if (contains(a, b)) return true
  if (a.kind === 'float') return true
  if (a.kind !== 'exact' || b.kind !== 'exact' || a.scale !== b.scale) return false
  // Iceberg has no unsigned numbers, and none of 128 bits but decimals.
  return (isSigned(a) && isSigned(b) && b.max < 2n ** 63n) || (isDecimal(a) && isDecimal(b))
}

type Exact = Extract<Type, { readonly kind: 'exact' }>

const isSigned = ({ min, max }: Exact): boolean => max === -min - 1n
const isDecimal = ({ min, max }: Exact): boolean => max === -min
const isNumber = ({ kind }: Type): boolean => kind === 'exact' || kind === 'float'
const isTime = (type: Type): boolean =>
  type.kind === 'timestamp' || type.kind === 'date' || (type.kind === 'named' && type.name === 'timestamptz')

function contains(wide: Type, narrow: Type): boolean {
  switch (wide.kind) {
    case 'exact':
      return narrow.kind === 'exact' && spans(wide, narrow)
    case 'float':
      if (narrow.kind === 'float') return narrow.bits <= wide.bits
      return narrow.kind === 'exact' && narrow.scale === 0 && spans(exactIn(wide.bits), narrow)
    case 'text':
      return narrow.kind === 'text' && narrow.length <= wide.length
    case 'timestamp':
      // DuckDB's milliseconds have no infinity and no way back to seconds, and nanoseconds are but 292 years around 1970.
      if (narrow.kind === 'date') return wide.digits === 0 || wide.digits === 6
      if (narrow.kind !== 'timestamp') return false
      return narrow.digits === wide.digits || (narrow.digits < wide.digits && wide.digits === 6)
    case 'date':
      return narrow.kind === 'date'
    case 'list':
      if (narrow.kind !== 'list' || !contains(wide.element, narrow.element)) return false
      return wide.length === undefined || wide.length === narrow.length
    case 'map':
      return narrow.kind === 'map' && contains(wide.key, narrow.key) && contains(wide.value, narrow.value)
    case 'struct':
      if (narrow.kind !== 'struct' || narrow.members.length !== wide.members.length) return false
      return wide.members.every(({ name, type }, at) => {
        const member = narrow.members[at]
        return member?.name === name && contains(type, member.type)
      })
    case 'named':
      return narrow.kind === 'named' && narrow.name === wide.name
  }
}

/** The integers that so many bits hold one by one. */
const exactIn = (bits: number): Exact => ({
  kind: 'exact',
  min: -(2n ** BigInt(bits)),
  max: 2n ** BigInt(bits),
  scale: 0,
})

function spans(wide: Exact, narrow: Exact): boolean {
  if (wide.scale < narrow.scale) return false
  const units = 10n ** BigInt(wide.scale - narrow.scale)
  return narrow.min * units >= wide.min && narrow.max * units <= wide.max
}
