/** Turns DuckDB's errors into the registry's; each pattern with a sample of the text it matches. */
import { sluiceError } from '../../base/errors.ts'

/**
 * Classifies an error of DuckDB's.
 *
 * @example throw classifyError(error, '/data/warehouse.duckdb')
 */
export function classifyError(error: unknown, path = ''): Error {
  if (!(error instanceof Error)) return sluiceError('Engine.Failed', { detail: String(error) })
  const detail = error.message
  // IO Error: Could not set lock on file "…": Conflicting lock is held in /usr/bin/node (PID 4711).
  if (/Could not set lock on file/.test(detail))
    return sluiceError('Warehouse.Locked', { path, detail: firstLine(detail) }, { cause: error })
  // Out of Memory Error: failed to allocate data of size 16.0 MiB (31.9 MiB/32.0 MiB used)
  if (/^Out of Memory Error/.test(detail))
    return sluiceError('Engine.OutOfMemory', { detail: firstLine(detail) }, { cause: error })
  // IO Error: Could not write file "…": No space left on device
  if (/No space left on device|max_temp_directory_size/.test(detail))
    return sluiceError('Engine.DiskFull', { detail: firstLine(detail) }, { cause: error })
  // INTERRUPT Error: Interrupted!
  if (/^INTERRUPT Error/.test(detail)) return sluiceError('Engine.Interrupted', {}, { cause: error })
  return sluiceError('Engine.Failed', { detail }, { cause: error })
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0] ?? ''
}
