/** Judges what a Parquet file comes to before the run reads it: by its footer, by its pages, and where neither tells, by a trial. */
import { isSluiceError, sluiceError } from '../../base/errors.ts'
import type { Session } from '../../engines/engine.ts'
import { type FileColumn, readUnpackedBytes } from '../../engines/parquet-footer.ts'
import { readPageSizes } from '../../engines/parquet-pages.ts'
import { quoteIdentifier, readParquetSql } from '../../sql/quote.ts'
import type { ParquetTrial } from './parquet-trial.ts'
import type { UnpackLimits } from './text/gunzip.ts'

/** A file to be judged. */
export interface SizedFile {
  readonly session: Session
  /** As errors call it. */
  readonly file: string
  readonly localFile: string
  readonly bytes: number
  readonly limits: UnpackLimits
  readonly trial: ParquetTrial
}

/** Below this the ratio says nothing: dictionaries and runs pack real columns hundreds of times. */
const ratioFloor = 1024 ** 3

/** A trial may take so long, and a second more for each of these bytes. */
const trialTime = { milliseconds: 60_000, bytesPerSecond: 1_000_000 }

/** @throws Source.CompressionLimit, Source.Unreadable, Source.Format */
export async function assertSize(of: SizedFile, columns: readonly FileColumn[]): Promise<void> {
  const { session, file, localFile, bytes, limits, trial } = of
  const byRatio = Math.max(ratioFloor, bytes * limits.maxRatio)
  const enough = Math.min(limits.maxBytes, byRatio)
  const assertBelow = (unpacked: number): void => {
    if (unpacked <= enough) return
    const limit = unpacked > limits.maxBytes ? `${limits.maxBytes} bytes` : `${limits.maxRatio} times its packed size`
    throw sluiceError('Source.CompressionLimit', { file, limit })
  }
  assertBelow(await readable(file, () => readUnpackedBytes(session, localFile, enough)))
  const pages = await readable(file, () => readPageSizes(session, localFile, bytes, enough))
  assertBelow(pages.bytes)
  if (!pages.isUnclear) return
  const milliseconds = trialTime.milliseconds + (bytes / trialTime.bytesPerSecond) * 1000
  const memoryBytes = await memoryLimit(session)
  assertBelow(await trial.read(file, sizeSql(localFile, columns), { memoryBytes, milliseconds }))
}

/** Reads every value of a file, and says how many bytes its texts have. */
function sizeSql(localFile: string, columns: readonly FileColumn[]): string {
  const sizes = columns.map(({ name, type }) => {
    const value = quoteIdentifier(name)
    if (type === 'VARCHAR') return `coalesce(sum(strlen(${value})), 0)`
    return type === 'BLOB' ? `coalesce(sum(octet_length(${value})), 0)` : `count(hash(${value})) * 8`
  })
  return `SELECT (${sizes.join(' + ')})::DOUBLE::VARCHAR FROM ${readParquetSql([localFile])}`
}

const units: { readonly [unit: string]: number } = { bytes: 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30, TiB: 2 ** 40 }

/** What the engine of the run may take: what reads a file by trial takes no more. */
async function memoryLimit(session: Session): Promise<number> {
  const [row] = await session.all<{ memory: string }>("SELECT current_setting('memory_limit') AS memory")
  const [, amount, unit] = /^([\d.]+) (\w+)$/.exec(row?.memory ?? '') ?? []
  return Math.ceil(Number(amount ?? 1) * (units[unit ?? 'GiB'] ?? 2 ** 30))
}

/** What the engine cannot read of a file is a fault of the file. @throws Source.Format */
export async function readable<T>(file: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read()
  } catch (error) {
    if (!isSluiceError(error, 'Engine.Failed') && !isSluiceError(error, 'Engine.OutOfMemory')) throw error
    const why = error.message.replace(/\s+/g, ' ').slice(0, 300)
    throw sluiceError('Source.Format', { file, why }, { cause: error })
  }
}
