/** JSON that carries the digest of its own text, so that a flipped bit in it is found before it is believed. */
import { canonicalJson, sha256 } from '../base/json.ts'

const seal = /,"digest":"([0-9a-f]{64})"\}\n?$/

/**
 * Serialises an object with members, with its digest as the last one.
 *
 * @example sealJson({ a: 1 }) // '{"a":1,"digest":"015abd7f…"}\n'
 */
export function sealJson(value: object): string {
  const text = canonicalJson(value)
  return `${text.slice(0, -1)},"digest":"${sha256(text)}"}\n`
}

/** Whether a text is as it was sealed. */
export function isSealed(text: string): boolean {
  const [end, digest] = seal.exec(text) ?? []
  return end !== undefined && sha256(`${text.slice(0, -end.length)}}`) === digest
}
