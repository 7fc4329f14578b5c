/** JSON with one spelling per value, so that equal data has equal bytes and an equal digest. */
import { createHash, randomUUID } from 'node:crypto'

/** Anything JSON can hold. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }

/**
 * Serialises with sorted keys and without `undefined` members.
 *
 * @example canonicalJson({ b: 1, a: [true] }) // '{"a":[true],"b":1}'
 */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, v: unknown) =>
    v !== null && typeof v === 'object' && !Array.isArray(v)
      ? Object.fromEntries(Object.entries(v).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)))
      : v,
  )
}

/** No text of anybody's data. */
const negativeZero = `-0 ${randomUUID()}`

/**
 * JSON of values as they are: `JSON.stringify` writes negative zero as `0`, though JSON has `-0`.
 *
 * @example exactJson({ a: -0 }) // '{"a":-0}'
 */
export function exactJson(value: unknown): string {
  let hasNegativeZero = false
  const text = JSON.stringify(value, (_key, one: unknown) => {
    if (one !== 0 || !Object.is(one, -0)) return one
    hasNegativeZero = true
    return negativeZero
  })
  return hasNegativeZero ? text.replaceAll(`"${negativeZero}"`, '-0') : text
}

/**
 * The SHA-256 of bytes or text, in hex.
 *
 * @example sha256('a') // 'ca978112…'
 */
export function sha256(data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('hex')
}

/**
 * The digest of a value by its canonical JSON: equal values, equal digest.
 *
 * @example digest({ a: 1 }) === digest({ a: 1 })
 */
export function digest(value: unknown): string {
  return sha256(canonicalJson(value))
}
