/** Where things are in a lake. Only ids and encoded names appear in paths; nothing is ever read back out of one, except a version's number. */
import { sha256 } from '../base/json.ts'

/**
 * A table's folder.
 *
 * @example tableFolder('raw.sales') // 'raw/sales'
 */
export function tableFolder(table: string): string {
  const dot = table.indexOf('.')
  return dot < 0 ? encodePart(table) : `${encodePart(table.slice(0, dot))}/${encodePart(table.slice(dot + 1))}`
}

/**
 * The path of a commit record.
 *
 * @example versionPath('raw.sales', 7) // 'raw/sales/_versions/000000000007.json'
 */
export function versionPath(table: string, version: number): string {
  return `${tableFolder(table)}/_versions/${String(version).padStart(12, '0')}.json`
}

/**
 * The path of an extraction's log; without a run, of a copy of the latest.
 *
 * @example extractionPath('raw.sales', '20261120T154212Z-9f2c41aa') // 'raw/sales/_extractions/20261120T154212Z-9f2c41aa.json'
 */
export function extractionPath(table: string, run = 'latest'): string {
  return `${tableFolder(table)}/_extractions/${encodePart(run)}.json`
}

/**
 * The path of a part of a chain.
 *
 * @example partPath('raw.sales', '015abd7f…-9f2c41aa') // 'raw/sales/_parts/015abd7f…-9f2c41aa.json'
 */
export function partPath(table: string, name: string): string {
  return `${tableFolder(table)}/_parts/${name}.json`
}

/** The number in a commit record's path; undefined for any other path. */
export function versionOf(path: string): number | undefined {
  const digits = /\/_versions\/(\d{12})\.json$/.exec(path)?.[1]
  return digits === undefined ? undefined : Number(digits)
}

/**
 * The folder of a partition, in Hive's style; '' without one.
 *
 * @example partitionFolder({ year: '2010', month: '12' }) // 'year=2010/month=12/'
 */
export function partitionFolder(partition: { readonly [column: string]: string | null } | undefined): string {
  return Object.entries(partition ?? {})
    .map(
      ([column, value]) =>
        `${encodePart(column)}=${value === null ? '__HIVE_DEFAULT_PARTITION__' : encodePart(value)}/`,
    )
    .join('')
}

/**
 * A name as one safe part of a path: letters, digits, `-`, `_`, inner dots; other bytes as %XX; long ones cut, with a digest.
 *
 * @example encodePart('../é') // '%2E.%2F%C3%A9'
 */
export function encodePart(name: string): string {
  const encoded = Array.from(Buffer.from(name), (byte, at) => {
    const character = String.fromCharCode(byte)
    return /[\w-]/.test(character) || (character === '.' && at > 0) ? character : `%${hex(byte)}`
  }).join('')
  return encoded.length <= 100 ? encoded : `${encoded.slice(0, 80)}~${sha256(name).slice(0, 16)}`
}

/** The reverse for names that were not cut. */
export function decodePart(part: string): string {
  return decodeURIComponent(part)
}

function hex(byte: number): string {
  return byte.toString(16).toUpperCase().padStart(2, '0')
}
