/** Tells whether a DuckDB file may have changed, without opening it. */
import { closeSync, existsSync, fstatSync, openSync, readSync } from 'node:fs'
import { sha256 } from '../../base/json.ts'

/**
 * The main header and the two headers of the database, which DuckDB writes in turn with each checkpoint and numbers.
 * https://duckdb.org/docs/stable/internals/storage
 */
const headerBytes = 3 * 4096

/**
 * A text that changes with every change of the file: its headers, size, times and inode. Undefined where changes wait in a log beside it, or
 * where it is not there.
 *
 * @example duckDbStamp('warehouse.duckdb') === duckDbStamp('warehouse.duckdb') // nothing was loaded in between
 */
export function duckDbStamp(path: string): string | undefined {
  if (!existsSync(path) || existsSync(`${path}.wal`)) return undefined
  const file = openSync(path, 'r')
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = fstatSync(file, { bigint: true })
    const headers = Buffer.alloc(headerBytes)
    const read = readSync(file, headers, 0, headerBytes, 0)
    return sha256(`${[dev, ino, size, mtimeNs, ctimeNs].join()},${sha256(headers.subarray(0, read))}`)
  } finally {
    closeSync(file)
  }
}
