/** JSON that carries the digest of its own text, so that a flipped bit in it is found before it is believed. */
import { sluiceError } from '../../base/errors.ts'
import { canonicalJson, sha256 } from '../../base/json.ts'

/** The newest format this code knows, of records, of their parts, and of logs. */
const knownFormat = 3

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

/**
 * Reads a sealed object with a `format`, and believes it only if its digest holds.
 *
 * @example const log = openSealed(bytes, path) as ExtractionLog
 * @throws Lake.RecordCorrupt, Lake.FormatNewer
 */
export function openSealed(bytes: Uint8Array, path: string): object {
  const corrupt = (why: string, cause?: unknown): Error =>
    sluiceError('Lake.RecordCorrupt', { file: path, why }, { cause })
  const text = Buffer.from(bytes).toString('utf8')
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch (error) {
    throw corrupt('it is not JSON', error)
  }
  if (typeof parsed !== 'object' || parsed === null || !('format' in parsed) || typeof parsed.format !== 'number')
    throw corrupt('it is not a commit record')
  if (parsed.format > knownFormat)
    throw sluiceError('Lake.FormatNewer', { file: path, format: parsed.format, known: knownFormat })
  if (!isSealed(text)) throw corrupt('its digest does not fit its content')
  const { digest: _seal, ...content } = parsed as object & { readonly digest?: unknown }
  return content
}
